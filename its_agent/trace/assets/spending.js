// Where the budget went: by purpose, by step, over time, request by request; and the receipt.
const shades = new Map(Object.keys(data.purposes).map((name, place) => [name, colour(place)]));

function stacked(parts, whole) {
  const bar = el("div", { class: "bar large", role: "img", "aria-label": parts.map(([name, value]) => `${name} ${count(value)}`).join(", ") });
  for (const [name, value, shade] of parts) {
    if (!value) continue;
    const piece = el("i", { title: `${name}: ${plural(value, "unit")}` });
    piece.style.width = `${(100 * value) / whole}%`;
    piece.style.background = shade;
    bar.append(piece);
  }
  return bar;
}

function spending() {
  const whole = data.budget.compute || data.spent.compute || 1;
  const purposes = Object.entries(data.purposes);
  const left = data.budget.compute ? ` of ${count(data.budget.compute)}` : "";
  const before = data.spent.compute - data.rounds.reduce((sum, one) => sum + one.spent, 0);
  const steps = data.rounds.map((one, place) => [`step ${one.step}`, one.spent, `color-mix(in srgb, var(--accent) ${place % 2 ? 55 : 90}%, var(--card))`]);
  if (before > 0) steps.unshift(["before the first step", before, "var(--other)"]);
  const cells = (usage) => [usage.requests, usage.prompt_tokens, usage.cached_prompt_tokens, usage.completion_tokens, usage.compute].map((value) => el("td", { class: "num" }, count(value)));
  const table = el("table", {},
    el("thead", {}, el("tr", {}, el("th", {}, "purpose"), ["requests", "read", "cached", "generated", "compute"].map((name) => el("th", { class: "num" }, name)))),
    el("tbody", {}, purposes.map(([name, usage]) => el("tr", {}, el("td", {}, key(shades.get(name)), name), cells(usage))), el("tr", { class: "sum" }, el("td", {}, "total"), cells(data.spent))));
  return card("Where the budget went", `${count(data.spent.compute)}${left} compute units. What is not coloured was not spent.`,
    el("h3", {}, "By purpose"), stacked(purposes.map(([name, usage]) => [name, usage.compute, shades.get(name)]), Math.max(whole, data.spent.compute)),
    el("h3", {}, "By step"), stacked(steps, Math.max(whole, data.spent.compute)),
    el("div", { class: "scroll" }, table), timeline());
}

function timeline() {
  const known = data.requests.filter((one) => one.settled !== null);
  const end = data.elapsed;
  if (known.length < 2 || !end) return null;
  const free = [];
  known.sort((a, b) => a.sent - b.sent).forEach((one) => {
    let row = free.findIndex((until) => until <= one.sent + 1e-9);
    if (row < 0) row = free.length < 24 ? free.length : free.indexOf(Math.min(...free));
    free[row] = one.settled;
    one.row = row;
  });
  const width = pictureWidth(), left = 2, thick = free.length > 12 ? 8 : 13;
  const height = free.length * (thick + 3) + 24;
  const x = (at) => left + ((width - 2 * left) * at) / end;
  const picture = draw("svg", { class: "chart", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${known.length} requests over ${seconds(end)}` });
  for (const [purpose, shade] of shades) {
    const own = known.filter((one) => one.purpose === purpose);
    const path = draw("path", { d: own.map((one) => `M${x(one.sent).toFixed(1)} ${one.row * (thick + 3)}h${Math.max(1.5, x(one.settled) - x(one.sent) - 1).toFixed(1)}v${thick}H${x(one.sent).toFixed(1)}z`).join("") });
    path.style.fill = shade;
    path.style.cursor = "pointer";
    picture.append(path);
  }
  for (let tick = 0; tick <= 4; tick++) picture.append(draw("text", { x: x((end * tick) / 4), y: height - 4, "text-anchor": tick === 0 ? "start" : tick === 4 ? "end" : "middle" }, seconds((end * tick) / 4)));
  picture.addEventListener("click", (event) => {
    const frame = picture.getBoundingClientRect();
    const at = ((event.clientX - frame.left) * width) / frame.width, row = Math.floor(((event.clientY - frame.top) * height) / frame.height / (thick + 3));
    const hit = known.find((one) => one.row === row && x(one.sent) - 2 <= at && at <= x(one.settled) + 2);
    if (hit) lookAtRequest(hit, null);
  });
  return [el("h3", {}, "Requests over time"), picture];
}

function requestTable() {
  if (!data.requests.length) return null;
  const body = el("tbody");
  const table = el("table", {}, el("thead", {}, el("tr", {}, el("th", {}, "request"), el("th", {}, "purpose"),
    ["step", "samples", "read", "generated", "compute", "seconds"].map((name) => el("th", { class: "num" }, name)), el("th", {}, ""))), body);
  const row = (one) => {
    const button = el("button", { class: "link", type: "button", "data-request": one.number ?? "" }, one.number === null ? "reading" : `request ${one.number}`);
    button.addEventListener("click", () => lookAtRequest(one, button));
    const usage = one.usage || {};
    return el("tr", {}, el("td", {}, button), el("td", {}, one.purpose),
      [one.step, one.samples || null, usage.prompt_tokens, usage.completion_tokens, usage.compute].map((value) => el("td", { class: "num" }, number(value))),
      el("td", { class: "num" }, one.settled === null ? "–" : (one.settled - one.sent).toFixed(2)),
      el("td", { class: "soft" }, one.failure ? "failed" : one.finishes.includes("aborted") ? "aborted" : ""));
  };
  const holder = el("div", { class: "scroll" }, table);
  let shown = 0;
  const more = el("button", { class: "link", type: "button", click: () => further() });
  function further() {
    body.append(...data.requests.slice(shown, shown + 25).map(row));
    shown += 25;
    more.textContent = `show more (${count(data.requests.length - shown)} left)`;
    more.hidden = shown >= data.requests.length;
  }
  further();
  return card("Requests", "Each with its prompt, its sampling settings and the texts that came.", holder, more);
}

function receipt() {
  const engine = data.engine, told = data.receipt;
  const sampling = Object.entries(engine.sampling || {}).map(([name, value]) => `${name} ${number(value)}`).join(", ");
  const notes = told ? told.notes : [];
  return card("Receipt and engine", told ? null : "The solve has no receipt: it did not come to its end.",
    el("div", { class: "pair" },
      facts(told ? [
        ["stopped because", told.stopped_because], ["compute", `${count(told.spent.compute)}${data.budget.compute ? ` of ${count(data.budget.compute)}` : ""}`],
        ["requests", `${count(told.spent.requests)}${data.budget.requests ? ` of ${count(data.budget.requests)}` : ""}`],
        ["time", `${seconds(told.elapsed_seconds)}${data.budget.seconds ? ` of ${number(data.budget.seconds)} s` : ""}`],
        ["tried again", told.retries ? plural(told.retries, "request") : null], ["cut off", told.truncated ? plural(told.truncated, "sample") : null],
        ["explored", told.explored_nodes ? plural(told.explored_nodes, "partial solution") : null],
        ["bound for what aborts left unseen", told.unseen_tokens ? plural(told.unseen_tokens, "token") : null],
        ["estimated, not counted", told.estimated_tokens ? plural(told.estimated_tokens, "token") : null],
        ["prompt tokens by the engine's counter", count(told.engine_prompt_tokens)]] : [["spent so far", plural(data.spent.compute, "unit")]]),
      facts([["model", engine.model], ["models", told && Object.entries(told.engines).map(([name, one]) => `${name}: ${one.model}`).join(", ")], ["engine", engine.engine], ["backend", engine.backend], ["number format", engine.dtype],
        ["context", engine.context_length && plural(engine.context_length, "token")], ["fingerprint", engine.system_fingerprint], ["sampling", sampling], ["run", data.run]])),
    notes.length > 0 && [el("h3", {}, "Notes"), el("ul", { class: "notes" }, notes.map((note) => el("li", {}, note)))]);
}
