// The page of one solve.
function ring(share) {
  const around = 2 * Math.PI * 22;
  const picture = draw("svg", { class: "ring", width: 54, height: 54, viewBox: "0 0 54 54", "aria-hidden": "true" },
    draw("circle", { cx: 27, cy: 27, r: 22, fill: "none", stroke: "var(--wash)", "stroke-width": 7 }),
    draw("circle", { cx: 27, cy: 27, r: 22, fill: "none", stroke: "var(--accent)", "stroke-width": 7, "stroke-linecap": "round",
      "stroke-dasharray": `${around * share} ${around}`, transform: "rotate(-90 27 27)" }));
  return picture;
}
const tile = (kind, name, ...children) => el("div", { class: `tile ${kind}` }, el("div", { class: "name" }, name), ...children);
const value = (said) => el("div", { class: `value${String(said).length > 48 ? " long" : ""}` }, said);

function head() {
  const question = [...data.problem].reverse().find((message) => message.role === "user");
  const content = question ? (typeof question.content === "string" ? question.content : JSON.stringify(question.content)) : "A solve";
  const title = el("h1", { class: "clamped" }, content);
  const more = el("button", { class: "link", type: "button", hidden: true, click: () => { title.classList.remove("clamped"); more.remove(); } }, "show the whole problem");
  queueMicrotask(() => { more.hidden = title.scrollHeight <= title.clientHeight + 2; });
  const end = data.end;
  const solved = end.kind === "solved";
  const used = data.budget.compute ? data.spent.compute / data.budget.compute : null;
  const bar = el("div", { class: "bar" }, el("i"));
  if (used !== null) { bar.firstChild.style.width = percent(Math.min(1, used)); bar.firstChild.style.background = "var(--accent)"; }
  const leading = data.standings.length ? data.standings[data.standings.length - 1] : null;
  const answer = solved ? end.answer : leading && leading.answer;
  const sure = solved ? end.confidence : leading ? leading.confidence : 0;
  return [
    el("div", { class: "eyebrow" }, el("b", {}, "its_agent"), el("span", {}, data.strategy), el("span", {}, data.engine.model || ""), el("span", { class: "mono" }, data.run)),
    title, more,
    el("div", { class: "tiles" },
      tile("answer", "Answer", value(answer === null || answer === undefined ? "none" : answer),
        el("div", { class: "more" }, el("span", { class: `badge ${solved ? end.status : end.kind}` }, solved ? end.status.replace("_", " ") : end.kind === "failed" ? "failed" : "cut off"),
          " ", solved ? end.reasons.join("; ") : end.kind === "failed" ? end.why : "the last verification before the end")),
      tile("", "Confidence", ring(sure), value(percent(sure)), el("div", { class: "more" }, leading && leading.settled ? "the vote is settled" : "")),
      tile("", "Spent", value(count(data.spent.compute)), used !== null && bar,
        el("div", { class: "more" }, data.budget.compute ? `of ${count(data.budget.compute)} units, ${percent(used)}` : "compute units")),
      tile("", "Stopped", value(solved ? end.stopped : end.kind === "failed" ? end.error : "unknown"), el("div", { class: "more" }, data.stop ? data.stop.why : "")),
      tile("", "Work", value(seconds(data.elapsed)), el("div", { class: "more" }, `${plural(data.requests.length, "request")}, ${plural(data.candidates.length, "candidate")}`)))];
}

document.querySelector("main").append(...head(),
  el("div", { class: "columns" },
    el("div", { class: "stack" }, way(), standings() || "", candidates() || "", data.forest.map(treeCard), spending(), requestTable() || "", receipt()),
    look.panel));
