// Votes and confidence after every verification, and the candidates behind them.
const groupOf = new Map();
data.candidates.forEach((one) => { if (one.answer !== null && !groupOf.has(one.answer)) groupOf.set(one.answer, one.group); });

function standings() {
  const all = data.standings;
  if (!all.length) return null;
  const width = pictureWidth(), height = 250, left = 40, lower = 30, upper = 10, right = 12;
  const y = (share) => height - lower - (height - lower - upper) * share;
  const slot = (width - left - right) / all.length;
  const broad = Math.min(64, slot * 0.72);
  const x = (place) => left + slot * (place + 0.5);
  const chart = draw("svg", { class: "chart", viewBox: `0 0 ${width} ${height}`, role: "img",
    "aria-label": `Votes and confidence after each of ${all.length} verifications; the last one is ${percent(all[all.length - 1].confidence)} sure` });
  for (let tick = 0; tick <= 4; tick++) {
    chart.append(draw("line", { class: "grid", x1: left, x2: width - right, y1: y(tick / 4), y2: y(tick / 4) }),
      draw("text", { x: left - 6, y: y(tick / 4) + 4, "text-anchor": "end" }, percent(tick / 4)));
  }
  const every = Math.ceil(all.length / 12);
  all.forEach((one, place) => {
    let floor = 0;
    for (const [answer, share] of one.votes) {
      const block = draw("rect", { x: x(place) - broad / 2, width: broad, y: y(floor + share), height: Math.max(0.5, y(floor) - y(floor + share) - 0.8), rx: 2 },
        draw("title", {}, `${clip(answer, 60)}: ${percent(share)} of the vote at ${plural(one.at[1], "unit")}`));
      block.style.fill = colour(groupOf.get(answer));
      block.style.fillOpacity = 0.78;
      chart.append(block);
      floor += share;
    }
    if (place % every === 0) chart.append(draw("text", { x: x(place), y: height - 12, "text-anchor": "middle" }, count(one.at[1])));
  });
  chart.append(draw("path", { class: "sure", d: `M${all.map((one, place) => `${x(place).toFixed(1)} ${y(one.confidence).toFixed(1)}`).join("L")}` }));
  all.forEach((one, place) => chart.append(draw("circle", { class: "spot", cx: x(place), cy: y(one.confidence), r: all.length > 40 ? 2 : 4.5 },
    draw("title", {}, `${percent(one.confidence)} sure of ${one.answer === null ? "no answer" : clip(one.answer, 60)}, ${one.status}${one.settled ? ", settled" : ""}`))));
  const shown = data.answers.slice(0, 8);
  return card("Votes and confidence", "After every verification: the share of the vote of each answer, and how sure the solve was. Below, the units spent by then.",
    chart,
    el("div", { class: "legend" }, el("span", {}, key(), "confidence"),
      shown.map((one, place) => el("span", {}, key(colour(place)), clip(one.answer, 40))),
      data.answers.length > 8 && el("span", {}, key("var(--other)"), `${data.answers.length - 8} more`)));
}

function lane(said, members, total) {
  const dots = el("div", { class: "dots", role: "group", "aria-label": said });
  let step = members.length ? members[0].step : null;
  for (const one of members) {
    const kind = ["dot", one.finish !== "stop" && "cut", one.chosen && "chosen", one.step !== step && "next"].filter(Boolean).join(" ");
    step = one.step;
    const dot = el("button", { class: kind, type: "button", tabindex: "-1", "data-candidate": one.id,
      "aria-label": `candidate ${one.id}, ${one.answer === null ? "no answer" : clip(one.answer, 40)}${one.chosen ? ", chosen" : ""}`,
      title: `${one.id}, step ${one.step ?? "?"}, ${one.strategy}, ${plural(one.tokens, "token")}` });
    dot.style.setProperty("--c", colour(one.group));
    dots.append(dot);
  }
  return el("div", { class: "lane" }, el("div", { class: "said", title: said }, said),
    el("div", { class: "soft small num" }, `${count(members.length)} of ${count(total)}`), dots);
}

function candidates() {
  if (!data.candidates.length) return null;
  const lanes = new Map();
  const most = 16;
  const slot = (one) => (one.group === null || one.group === undefined ? "none" : one.group < most ? one.group : "rest");
  data.candidates.forEach((one) => { const at = slot(one); if (!lanes.has(at)) lanes.set(at, []); lanes.get(at).push(one); });
  const order = [...data.answers.keys()].filter((place) => lanes.has(place)).concat(["rest", "none"].filter((at) => lanes.has(at)));
  const names = (at) => (at === "none" ? "no answer" : at === "rest" ? `${data.answers.length - most} other answers` : clip(data.answers[at].answer, 80));
  const holder = el("div", {}, order.map((at) => lane(names(at), lanes.get(at), data.candidates.length)));
  holder.addEventListener("click", (event) => {
    const dot = event.target.closest(".dot");
    if (dot) lookAtCandidate(candidateOf.get(dot.dataset.candidate), dot);
  });
  return card("Candidates", "A dot for every candidate, in the order in which they came; a gap begins a new step. Dashed: cut off, which never votes. Ringed: the one that was returned.",
    roving(holder, ".dot"));
}
