// Search trees: depth to the right, a row for every leaf; drawn when they come into sight.
function treeCard(tree) {
  const children = new Map();
  tree.nodes.forEach((node, place) => { if (node.parent >= 0) { if (!children.has(node.parent)) children.set(node.parent, []); children.get(node.parent).push(place); } });
  tree.children = children;
  const frontier = new Set(tree.frontier);
  tree.kept = new Set([...tree.nodes.keys()].filter((place) => children.has(place) || frontier.has(tree.nodes[place].id)));
  const complete = tree.nodes.filter((node) => node.done).length;
  const holder = el("div", { class: "scroll tall" });
  const room = tree.rows > 1000 ? 5 : tree.rows > 150 ? 8 : tree.rows > 45 ? 15 : 23;
  holder.style.minHeight = `${Math.min(420, tree.rows * room + 30)}px`;
  const seen = new IntersectionObserver((entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    seen.disconnect();
    holder.append(treePicture(tree, room));
    holder.scrollTop = tree.nodes[0].row * room - holder.clientHeight / 2;
  }, { rootMargin: "400px" });
  seen.observe(holder);
  return card(`Search tree of step ${tree.step}`, `${tree.algorithm}: ${plural(tree.nodes.length - 1, "partial solution")}, ${count(complete)} complete. The stronger the colour, the higher the score; rimmed nodes are complete solutions in the colour of their answer. Arrow keys walk the tree.`, holder);
}

function treePicture(tree, room) {
  const labelled = room >= 15;
  const across = labelled ? (tree.depth > 6 ? 120 : 170) : Math.max(26, Math.min(90, 900 / (tree.depth + 1)));
  const x = (node) => 16 + node.depth * across;
  const y = (node) => 16 + node.row * room;
  const size = room >= 15 ? 6 : room >= 8 ? 3.6 : 2.4;
  const scores = tree.nodes.map((node) => node.score).filter((score) => typeof score === "number");
  const low = scores.reduce((a, b) => Math.min(a, b), Infinity), high = scores.reduce((a, b) => Math.max(a, b), -Infinity);
  const strength = (node) => (typeof node.score !== "number" ? 0.35 : high > low ? 0.25 + (0.75 * (node.score - low)) / (high - low) : 0.9);
  const curve = (from, to) => { const middle = (x(from) + x(to)) / 2; return `M${x(from)} ${y(from)}C${middle} ${y(from)} ${middle} ${y(to)} ${x(to)} ${y(to)}`; };
  const width = 16 + tree.depth * across + (labelled ? 300 : 20);
  const picture = draw("svg", { class: "tree", width, height: 32 + (tree.rows - 1) * room, tabindex: "0", role: "group",
    "aria-label": `Tree of ${tree.nodes.length} nodes; arrow keys walk it` });
  picture.append(draw("path", { class: "edges", d: tree.nodes.filter((node) => node.parent >= 0).map((node) => curve(tree.nodes[node.parent], node)).join("") }));
  const trail = draw("path", { class: "trail" });
  picture.append(trail);
  const marks = tree.nodes.map((node, place) => {
    const leaf = !tree.children.has(place);
    const mark = draw("circle", { cx: x(node), cy: y(node), r: leaf && !node.done && !tree.kept.has(place) ? size * 0.75 : size, class: node.failed ? "failed" : node.done ? "done" : null, "data-node": place });
    if (node.done) mark.style.setProperty("--c", colour(node.candidate ? candidateOf.get(node.candidate)?.group : null));
    else if (!node.failed) mark.style.fillOpacity = strength(node).toFixed(2);
    picture.append(mark);
    if (labelled && node.text && !node.failed) {
      const most = leaf ? 52 : Math.floor((across - 26) / 5.6);
      picture.append(draw("text", { x: x(node) + 10, y: y(node) + (leaf ? 4 : -5) }, clip(node.text, most)));
    }
    return mark;
  });
  let here = 0;
  function choose(place) {
    marks[here].classList.remove("here");
    here = place;
    marks[here].classList.add("here");
    trail.setAttribute("d", trailOf(tree, place).filter((at) => tree.nodes[at].parent >= 0).map((at) => curve(tree.nodes[tree.nodes[at].parent], tree.nodes[at])).join(""));
    marks[here].scrollIntoView({ block: "nearest", inline: "nearest" });
    lookAtNode(tree, place, null);
    look.opener = picture;
  }
  picture.addEventListener("click", (event) => {
    const frame = picture.getBoundingClientRect();
    const [px, py] = [event.clientX - frame.left, event.clientY - frame.top];
    let best = 0, least = Infinity;
    tree.nodes.forEach((node, place) => { const far = (x(node) - px) ** 2 + (y(node) - py) ** 2; if (far < least) [best, least] = [place, far]; });
    choose(best);
  });
  picture.addEventListener("keydown", (event) => {
    const next = neighbour(tree, here, event.key);
    if (next === undefined && event.key !== "Enter") return;
    event.preventDefault();
    choose(next ?? here);
  });
  return picture;
}

function neighbour(tree, place, key) {
  const node = tree.nodes[place];
  if (key === "ArrowRight") return tree.children.get(place)?.[0];
  if (key === "ArrowLeft") return node.parent >= 0 ? node.parent : undefined;
  const way = { ArrowDown: 1, ArrowUp: -1 }[key];
  if (!way) return undefined;
  let best, least = Infinity;
  tree.nodes.forEach((other, at) => { const far = (other.row - node.row) * way; if (other.depth === node.depth && far > 0 && far < least) [best, least] = [at, far]; });
  return best;
}
