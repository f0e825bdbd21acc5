// The page of a benchmark.
look.body.replaceChildren(el("p", { class: "empty" }, "Choose a run in the table of problems: its steps, its candidates and what they came to are shown here."));
document.querySelector("main").append(
  el("div", { class: "eyebrow" }, el("b", {}, "its_agent"), el("span", {}, "a benchmark"), el("span", {}, data.models.join(", "))),
  el("h1", {}, data.name),
  el("div", { class: "columns" },
    el("div", { class: "stack" }, plot(), problems(),
      card("How it was made", null, data.commands.map((command) => text(command)))),
    look.panel));
