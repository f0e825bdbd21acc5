// The way through the state machine: what was visited how often, and every round with its reason.
const PATHS = data.rounds.some((one) => one.path === "calling")
  ? ["calling"]
  : ["single_pass", "attempts", "refine", "search", "thinking", "judging"];

function machine() {
  const visits = {};
  const see = (name) => { visits[name] = (visits[name] || 0) + 1; };
  const asked = data.estimates.filter((one) => !data.rounds.length || !data.rounds[0].began || one.at[0] <= data.rounds[0].began[0]);
  if (asked.length) see("estimate");
  data.rounds.forEach((one) => { see(one.path); see("route"); if (one.ended || one.outcome) see("verify"); });
  if (data.stop) see("route");
  const picture = draw("svg", { class: "machine", viewBox: "0 -34 700 270", role: "img", "aria-label": "The state machine, with what this solve visited" });
  const spots = { START: [10, 118, 56], estimate: [96, 118, 86], route: [222, 118, 76], verify: [520, 118, 80], END: [636, 118, 52] };
  PATHS.forEach((path, row) => { spots[path] = [360, PATHS.length > 1 ? 22 + row * 38.4 : 118, 104]; });
  const edge = (from, to, seen, bend) => {
    const [x1, y1, w1] = spots[from];
    const [x2, y2] = spots[to];
    const middle = (x1 + w1 + x2) / 2;
    const line = bend || `M${x1 + w1} ${y1} C${middle} ${y1} ${middle} ${y2} ${x2 - 1} ${y2}`;
    picture.append(draw("path", { d: line, class: seen ? "seen" : null }));
  };
  edge("START", "estimate", asked.length > 0);
  edge("estimate", "route", asked.length > 0);
  if (!asked.length) edge("START", "route", true, "M66 118 C96 176 180 176 230 134");
  const back = data.rounds.length > 1 || (data.stop && data.rounds.length > 0);
  edge("verify", "route", back, "M560 103 C560 -70 260 -70 260 102");
  PATHS.forEach((path) => { edge("route", path, visits[path]); edge(path, "verify", visits[path]); });
  edge("verify", "END", data.end.kind === "solved");
  for (const [name, [x, y, width]] of Object.entries(spots)) {
    const seen = visits[name] || name === "START" || (name === "END" && data.end.kind === "solved");
    picture.append(draw("g", { class: `node${seen ? " seen" : ""}` },
      draw("rect", { x, y: y - 15, width, height: 30, rx: 8 }),
      draw("text", { x: x + width / 2, y: y + 4, "text-anchor": "middle" }, name, visits[name] > 1 && draw("tspan", { class: "times" }, ` ×${visits[name]}`))));
  }
  return el("div", { class: "scroll" }, picture);
}

function roundRow(one) {
  const shades = one.candidates.slice(0, 24).map((id) => {
    const dot = el("i");
    dot.style.background = colour(candidateOf.get(id).group);
    return dot;
  });
  const button = el("button", { class: "round", type: "button", "data-step": one.step },
    el("span", { class: "place" }, one.step),
    el("span", { class: "what" }, one.path, one.arm && el("span", { class: "soft" }, ` / ${one.arm}`)),
    el("span", { class: "soft small num" }, plural(one.spent, "unit")),
    el("span", { class: "why" }, one.why),
    el("span", { class: "came" },
      shades.length > 0 && el("span", { class: "mini", "aria-hidden": "true" }, shades),
      one.waves > 0 && el("span", { class: "soft" }, plural(one.waves, "wave")),
      one.tools.length > 0 && el("span", { class: "soft" }, plural(one.tools.length, "call")),
      one.retries.length > 0 && el("span", { class: "soft" }, `${plural(one.retries.length, "retry", "retries")}`),
      el("span", {}, one.outcome || (one.confidence === null ? "" : `${percent(one.confidence)} sure`))));
  button.addEventListener("click", () => lookAtRound(one, button));
  return el("li", {}, button);
}

function aside(mark, what, why, right) {
  return el("li", {}, el("div", { class: "round end" }, el("span", { class: "place", "aria-hidden": "true" }, mark),
    el("span", { class: "what" }, what), el("span", { class: "soft small num" }, right || ""), why && el("span", { class: "why" }, why)));
}

function way() {
  const list = el("ol", { class: "rounds" });
  const began = data.rounds.length && data.rounds[0].began ? data.rounds[0].began[0] : Infinity;
  const before = data.estimates.filter((one) => one.at[0] <= began);
  if (before.length) {
    list.append(aside("?", "estimate", before.map((one) => `${one.source}: one sample is right with ${percent(one.success)}`).join("; "),
      plural(data.purposes.estimate ? data.purposes.estimate.compute : 0, "unit")));
  }
  const rows = el("ol", { class: "rounds" });
  inPieces(rows, data.rounds, roundRow);
  const last = el("ol", { class: "rounds" });
  if (data.stop) last.append(aside("■", `stop: ${data.stop.reason}`, data.stop.why, `at ${plural(data.stop.at[1], "unit")}`));
  else if (data.end.kind === "solved") last.append(aside("■", `stop: ${data.end.stopped}`, "", ""));
  if (data.end.kind === "failed") last.append(aside("!", data.end.error, data.end.why, ""));
  if (data.end.kind === "open") last.append(aside("…", "the trace ends here", "The solve was still under way, or its process was killed.", ""));
  return card("The way", "Every round: what the router bought and why, and what the verifier made of it.", machine(),
    el("div", { class: "rounds" }, list, rows, last));
}
