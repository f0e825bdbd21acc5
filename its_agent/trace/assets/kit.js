// What all pages are made with: elements whose texts are texts, numbers in words, one close look.
const data = JSON.parse(document.getElementById("data").textContent);
const SVG = "http://www.w3.org/2000/svg";

function build(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") node.addEventListener(name, value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children.flat(2)) {
    if (child !== null && child !== undefined && child !== false) node.append(child);
  }
  return node;
}
const el = (tag, attributes, ...children) => build(document.createElement(tag), attributes, children);
const draw = (tag, attributes, ...children) =>
  build(document.createElementNS(SVG, tag), attributes, children);

const count = (value) => Math.round(value).toLocaleString("en");
const percent = (value) => `${Math.round(value * 100)}%`;
const seconds = (value) => (value < 1 ? `${Math.round(value * 1000)} ms` : value < 10 ? `${value.toFixed(1)} s` : `${Math.round(value)} s`);
const plural = (value, one, many = `${one}s`) => `${count(value)} ${value === 1 ? one : many}`;
function clip(text, most) {
  const flat = String(text).slice(0, most * 4).replace(/\s+/g, " ").trim();
  return flat.length > most ? `${flat.slice(0, most - 1)}…` : flat;
}
function number(value) {
  if (value === null || value === undefined) return "–";
  if (typeof value !== "number") return String(value);
  return Number.isInteger(value) ? count(value) : String(+value.toPrecision(4));
}

const colour = (group) =>
  group === null || group === undefined || group > 7 ? "var(--other)" : `var(--a${group})`;
function key(shade) {
  const mark = el("i", { class: shade ? "key" : "key rule" });
  if (shade) mark.style.background = shade;
  return mark;
}

function card(title, lead, ...children) {
  const id = `s-${title.toLowerCase().replace(/[^a-z]+/g, "-")}`;
  return el("section", { class: "card", "aria-labelledby": id },
    el("h2", { id }, title), lead && el("p", { class: "lead" }, lead), ...children);
}
function facts(pairs) {
  const shown = pairs.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return el("dl", {}, shown.map(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
}
const text = (content) => el("pre", { class: "text" }, content);

// Pictures are drawn as wide as there is room for, so that their letters stay legible.
const pictureWidth = () => Math.max(300, Math.min(760, window.innerWidth - 60));

// Long lists come in pieces.
function inPieces(holder, items, make, size = 60) {
  let shown = 0;
  const more = el("button", { class: "link", type: "button", click: () => show() });
  function show() {
    more.remove();
    for (const item of items.slice(shown, shown + size)) holder.append(make(item));
    shown += size;
    if (shown >= items.length) return;
    more.textContent = `show ${count(Math.min(size, items.length - shown))} of ${count(items.length - shown)} more`;
    holder.after(more);
  }
  queueMicrotask(show);
  return holder;
}

// The close look: one panel, beside the page or below it.
const look = {
  title: el("h2", { id: "look-title" }, "A closer look"),
  body: el("div", {}, el("p", { class: "empty" }, "Choose a step, a candidate, a node of a tree or a request: its prompt, its text and its numbers are shown here.")),
  current: null,
  opener: null,
};
look.panel = el("aside", { "aria-labelledby": "look-title", tabindex: "-1" },
  el("header", {}, look.title,
    el("button", { class: "close", type: "button", "aria-label": "close", click: () => shut() }, "×")),
  el("div", { "aria-live": "polite" }, look.body));
function show(title, opener, ...children) {
  look.title.textContent = title;
  look.body.replaceChildren(...children.flat(2).filter((child) => child));
  look.current?.removeAttribute("aria-current");
  if (opener) opener.setAttribute("aria-current", "true");
  look.current = look.opener = opener || null;
  look.panel.classList.add("open");
  look.panel.scrollTop = 0;
}
function shut() {
  look.panel.classList.remove("open");
  look.opener?.focus();
}
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") shut();
});

// One stop of the tab key for a whole set; arrows move inside it.
function roving(holder, selector) {
  const all = () => [...holder.querySelectorAll(selector)];
  holder.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step || !event.target.matches(selector)) return;
    const items = all();
    const next = items[items.indexOf(event.target) + step];
    if (!next) return;
    event.preventDefault();
    event.target.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  });
  const first = holder.querySelector(selector);
  if (first) first.tabIndex = 0;
  return holder;
}
