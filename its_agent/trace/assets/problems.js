// Every problem in a row, every strategy in a column, at one budget.
function lookAtRuns(runs, opener) {
  const one = runs[0];
  show(`${one.id}: ${one.strategy} at ${count(one.budget)}`, opener, runs.map((run) => [
    runs.length > 1 && el("h3", {}, `Order ${run.order}`),
    facts([["answer", run.answer === null ? "none" : clip(run.answer, 400)], ["right answer", clip(run.gold, 400)], ["came out", run.error ? "error" : run.correct ? "right" : "wrong"],
      ["confidence", `${percent(run.confidence)}, ${run.status.replace("_", " ")}`], ["compute", plural(run.compute, "unit")], ["time", seconds(run.seconds)], ["stopped because", run.stopped], ["error", run.error]]),
    run.steps.length > 0 && el("h3", {}, "Steps"),
    run.steps.map((step) => el("p", { class: "small" }, `${step.path}/${step.arm}: ${step.bought}. `, el("span", { class: "soft" }, `${step.why}. ${step.outcome}`))),
    run.candidates.length > 0 && el("h3", {}, `${run.candidates.length} candidates`),
    el("p", { class: "small" }, run.candidates.map((one, place) => [place > 0 && ", ", el("span", { class: one.right ? "right" : "soft" }, one.answer === null ? "none" : clip(one.answer, 30))])),
  ]).flat());
}

function problems() {
  const budgets = [...new Set(data.runs.map((run) => run.budget))].sort((a, b) => a - b);
  const choice = el("select", { id: "budget" }, budgets.map((budget) => el("option", { value: budget, selected: budget === budgets[budgets.length - 1] }, count(budget))));
  const search = el("input", { type: "search", id: "only", placeholder: "a part of its name" });
  const holder = el("div", { class: "scroll tall" });
  function fill() {
    const here = data.runs.filter((run) => run.budget === Number(choice.value) && run.id.includes(search.value));
    const strategies = data.strategies.filter((strategy) => here.some((run) => run.strategy === strategy));
    const byProblem = new Map();
    here.forEach((run) => { const row = byProblem.get(run.id) || byProblem.set(run.id, {}).get(run.id); (row[run.strategy] ||= []).push(run); });
    const rows = [...byProblem].map(([id, row]) => el("tr", {}, el("th", { scope: "row" }, id),
      el("td", { class: "num" }, count(strategies.filter((strategy) => row[strategy]?.some((run) => run.correct)).length)),
      strategies.map((strategy) => (row[strategy] ? cell(row[strategy]) : el("td", { class: "num soft" }, "")))));
    holder.replaceChildren(sortable(["problem", "solved by", ...strategies], rows, 1));
  }
  choice.addEventListener("change", fill);
  search.addEventListener("input", fill);
  fill();
  return card("Problems", "Right or wrong, and the units spent on it; choose one for its steps and candidates. With several orders of samples: the share that came out right.",
    el("div", { class: "tools" }, el("label", { for: "budget" }, "at the budget"), choice, el("label", { for: "only" }, "problems with"), search), holder);
}

function cell(runs) {
  const right = runs.filter((run) => run.correct).length / runs.length;
  const units = runs.reduce((sum, run) => sum + run.compute, 0) / runs.length;
  const button = el("button", { type: "button", "aria-label": `${runs[0].strategy} on ${runs[0].id}: ${right === 1 ? "right" : right === 0 ? "wrong" : percent(right)}` },
    el("span", { class: right > 0.5 ? "right" : "wrong" }, runs.length > 1 ? percent(right) : right ? "✓" : runs[0].error ? "error" : "✗"), ` ${count(units)}`);
  button.addEventListener("click", () => lookAtRuns(runs, button));
  return el("td", { class: "num", "data-worth": String(units) }, button);
}
