// Accuracy against mean compute, a curve for each strategy.
function shadeOf(strategy) {
  const place = data.strategies.indexOf(strategy);
  return place < 8 ? colour(place) : `hsl(${(place * 47) % 360} ${place % 2 ? 40 : 60}% 52%)`;
}
function roundedUp(value) {
  const size = 10 ** Math.floor(Math.log10(value));
  return [1, 1.2, 1.6, 2, 2.4, 3.2, 4, 6, 8, 10].find((step) => step * size >= value) * size;
}

function plot() {
  const width = pictureWidth() + (window.innerWidth > 1100 ? 40 : 0), height = 340, left = 44, lower = 40, upper = 12, right = 16;
  const top = roundedUp(Math.max(4, ...data.cells.map((cell) => cell.compute)) * 1.02);
  const best = Math.min(1, Math.ceil(Math.max(0.1, ...data.cells.map((cell) => cell.high)) * 10) / 10);
  const x = (compute) => left + ((width - left - right) * compute) / top;
  const y = (share) => height - lower - ((height - lower - upper) * share) / best;
  const picture = draw("svg", { class: "chart", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": "Accuracy against mean compute units a problem" });
  for (let tick = 0; tick <= 5; tick++) {
    const share = (best * tick) / 5;
    picture.append(draw("line", { class: "grid", x1: left, x2: width - right, y1: y(share), y2: y(share) }),
      draw("text", { x: left - 7, y: y(share) + 4, "text-anchor": "end" }, percent(share)));
  }
  for (let tick = 0; tick <= 4; tick++) picture.append(draw("text", { x: x((top * tick) / 4), y: height - lower + 18, "text-anchor": tick === 4 ? "end" : "middle" }, count((top * tick) / 4)));
  picture.append(draw("text", { x: (left + width - right) / 2, y: height - 4, "text-anchor": "middle" }, "mean compute units (tokens) a problem"));
  for (const strategy of data.strategies) {
    const own = data.cells.filter((cell) => cell.strategy === strategy).sort((a, b) => a.compute - b.compute);
    const shade = shadeOf(strategy);
    const curve = draw("path", { class: "curve", d: `M${own.map((cell) => `${x(cell.compute).toFixed(1)} ${y(cell.accuracy).toFixed(1)}`).join("L")}` });
    curve.style.stroke = shade;
    picture.append(curve);
    for (const cell of own) {
      const whisker = draw("line", { class: "whisker", x1: x(cell.compute), x2: x(cell.compute), y1: y(cell.low), y2: y(Math.min(best, cell.high)) });
      whisker.style.stroke = shade;
      const spot = draw("circle", { cx: x(cell.compute), cy: y(cell.accuracy), r: 5 },
        draw("title", {}, `${strategy} at ${count(cell.budget)}: ${(cell.accuracy * 100).toFixed(1)}%, 95% interval ${percent(cell.low)} to ${percent(cell.high)}, ${count(cell.compute)} units`));
      spot.style.fill = shade;
      picture.append(whisker, spot);
    }
  }
  const rows = data.cells.map((cell) => el("tr", {}, el("td", {}, key(shadeOf(cell.strategy)), cell.strategy),
    [count(cell.budget), `${(cell.accuracy * 100).toFixed(1)}%`, `${percent(cell.low)} to ${percent(cell.high)}`, count(cell.compute), count(cell.runs)].map((said) => el("td", { class: "num" }, said)),
    el("td", { class: "soft" }, cell.stops.map(([reason, times]) => `${reason} ${times}`).join(", "))));
  return card("Accuracy against compute", "Points are mean accuracies, whiskers their 95% intervals.", picture,
    el("div", { class: "legend" }, data.strategies.map((strategy) => el("span", {}, key(shadeOf(strategy)), strategy))),
    el("div", { class: "scroll tall" }, sortable(["strategy", "budget", "accuracy", "interval", "mean compute", "runs", "stopped because"], rows, 1, 6)));
}

// A table whose heads sort it; what sorts is what is shown, numbers as numbers.
function sortable(names, rows, first, last = names.length) {
  const body = el("tbody", {}, rows);
  const worth = (row, place) => {
    const cell = row.cells[place];
    const said = cell.dataset.worth ?? cell.textContent.replace(/,/g, "");
    return said === "" ? -Infinity : Number.isNaN(parseFloat(said)) ? said : parseFloat(said);
  };
  const heads = names.map((name, place) => el("th", { class: place >= first && place < last ? "num" : null, scope: "col" },
    el("button", { type: "button", click: () => sort(place) }, name)));
  function sort(place) {
    const falls = heads[place].getAttribute("aria-sort") === "descending";
    heads.forEach((head) => head.removeAttribute("aria-sort"));
    heads[place].setAttribute("aria-sort", falls ? "ascending" : "descending");
    const by = [...body.rows].map((row) => [worth(row, place), row]);
    by.sort(([a], [b]) => (typeof a === typeof b ? (a < b ? -1 : a > b ? 1 : 0) : typeof a === "number" ? -1 : 1));
    if (!falls) by.reverse();
    body.append(...by.map(([, row]) => row));
  }
  return el("table", {}, el("thead", {}, el("tr", {}, heads)), body);
}
