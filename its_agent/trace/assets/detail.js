// What the close look shows of a candidate, a node, a round, a request.
const candidateOf = new Map(data.candidates.map((one) => [one.id, one]));
const requestOf = new Map(data.requests.filter((one) => one.number !== null).map((one) => [one.number, one]));

function lookAtCandidate(one, opener) {
  const request = data.requests.find((r) => r.step === one.step && r.texts.some((t) => t.endsWith(one.text) && one.text));
  show(`Candidate ${one.id}`, opener,
    facts([
      ["answer", one.answer === null ? "none" : clip(one.answer, 400)],
      ["made by", `${one.path}, ${one.strategy}`],
      ["model", one.model],
      ["ended", { stop: "by itself", length: "cut off by max_tokens", aborted: "aborted" }[one.finish]],
      ["tokens", count(one.tokens)],
      ["mean log-probability", one.logprob === null ? null : number(one.logprob)],
      ["score", one.score === null ? null : number(one.score)],
      ["confidence", percent(one.confidence)],
    ]),
    Object.keys(one.signals).length > 0 && [el("h3", {}, "Signals"), facts(Object.entries(one.signals).map(([name, value]) => [name.replaceAll("_", " "), number(value)]))],
    request && el("p", { class: "small" }, requestButton(request)),
    one.thinking && el("details", {}, el("summary", {}, `thinking (${plural(one.thinking.length, "character")})`), text(one.thinking)),
    one.turns.length > 0 && [el("h3", {}, "Turns before the text"), ...one.turns.map(turn)],
    el("h3", {}, "Text"), text(one.text));
}

const turn = (one) => [el("div", { class: "role" }, one.role), text(one.content)];

function lookAtRequest(one, opener) {
  const usage = one.usage;
  show(one.number === null ? `Reading for ${one.purpose}` : `Request ${one.number}`, opener,
    facts([
      ["purpose", one.purpose],
      ["model", one.model],
      ["asked for", one.samples ? `${plural(one.samples, "sample")}, at most ${plural(one.max_tokens, "token")} each` : null],
      ["sampling", one.samples ? `temperature ${number(one.temperature)}, top_p ${number(one.top_p)}` : null],
      ["stops at", one.samples && one.stop.length ? one.stop.map((s) => JSON.stringify(s)).join(", ") : null],
      ["time", one.settled === null ? `sent at ${seconds(one.sent)}, never settled` : `${seconds(one.sent)} to ${seconds(one.settled)}`],
      ["read", usage && `${plural(usage.prompt_tokens, "token")}, ${count(usage.cached_prompt_tokens)} of them from the cache`],
      ["generated", usage && plural(usage.completion_tokens, "token")],
      ["compute", usage && plural(usage.compute, "unit")],
      ["failed", one.failure],
    ]),
    one.messages.length > 0 && el("h3", {}, "Prompt"),
    one.messages.map((place) => turn(data.messages[place])),
    one.texts.length > 0 && el("h3", {}, one.texts.length === 1 ? "Answer" : `${one.texts.length} answers`),
    one.texts.map((said, place) => [
      el("div", { class: "role" }, `${place + 1}${{ stop: "", length: ", cut off", aborted: ", aborted" }[one.finishes[place]] || ""}`),
      text(said)]));
}

function lookAtRound(one, opener) {
  show(`Step ${one.step}: ${one.path}${one.arm ? ` / ${one.arm}` : ""}`, opener,
    facts([
      ["why", one.why],
      ["planned", one.samples ? plural(one.samples, "sample") : null],
      ["spent", plural(one.spent, "unit")],
      ["time", one.began && one.ended ? `${seconds(one.began[0])} to ${seconds(one.ended[0])}` : null],
      ["waves of the search", one.waves || null],
      ["outcome", one.outcome],
      ["one sample is right", one.success === null ? null : percent(one.success)],
    ]),
    one.began === null && el("p", { class: "small soft" }, "Before the run was resumed: only the receipt tells of it."),
    one.retries.length > 0 && [el("h3", {}, "Tried again"), one.retries.map((why) => el("p", { class: "small" }, why))],
    one.tools.length > 0 && [el("h3", {}, "Tools"), ...one.tools.map((ran) => [el("div", { class: "role" }, ran.call), text(ran.content)])],
    one.candidates.length > 0 && [el("h3", {}, "Candidates"), inPieces(el("div"), one.candidates, candidateButton)],
    one.requests.length > 0 && [el("h3", {}, "Requests"), inPieces(el("div"), one.requests, (n) => requestButton(requestOf.get(n)))]);
}

function lookAtNode(tree, place, opener) {
  const node = tree.nodes[place];
  const trail = trailOf(tree, place).reverse();
  const whole = el("pre", { class: "text" });
  trail.forEach((at) => whole.append(at === place ? el("mark", {}, tree.nodes[at].text) : tree.nodes[at].text));
  const candidate = node.candidate && candidateOf.get(node.candidate);
  show(`Node ${node.id} of the ${tree.algorithm} search`, opener,
    facts([
      ["step of the text", count(node.depth)],
      ["score", node.score === null ? "not scored" : number(node.score)],
      ["state", node.failed ? "never came" : node.done ? "complete" : tree.kept.has(place) ? "gone on from" : "left behind"],
    ]),
    candidate && candidateButton(candidate.id),
    el("h3", {}, "The solution so far, this step marked"), whole);
}
function trailOf(tree, place) {
  const trail = [];
  for (let at = place; at >= 0; at = tree.nodes[at].parent) trail.push(at);
  return trail;
}

function candidateButton(id) {
  const one = candidateOf.get(id);
  const button = el("button", { class: "chip", type: "button" }, key(colour(one.group)), `${id}: ${one.answer === null ? "no answer" : clip(one.answer, 24)}`);
  button.addEventListener("click", () => lookAtCandidate(one, null));
  return button;
}
function requestButton(one) {
  const button = el("button", { class: "chip", type: "button" }, one.number === null ? `reading, ${one.purpose}` : `request ${one.number}, ${one.purpose}`);
  button.addEventListener("click", () => lookAtRequest(one, null));
  return button;
}
