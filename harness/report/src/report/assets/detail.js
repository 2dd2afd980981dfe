// Words for what is selected. Everything is set as text, never as markup:
// values come from histories.

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

class DetailPanel {
  constructor(root, model, act) {
    this.root = root;
    this.model = model;
    this.act = act;
  }

  clear(hint) {
    this.root.replaceChildren(element("p", hint, "hint"));
  }

  // An operation with its steps; `at` is the step to point at.
  operation(i, at) {
    const { model } = this;
    const key = model.key[i] === NONE ? null : model.key[i];
    const title = model.functionName(i) + " " + model.keyText(i) + model.outcomeText(i);
    const parts = [element("h3", title)];
    if (model.stale[i] > 0) {
      parts.push(element("p", "STALE: its value had been overwritten " +
        duration(model.stale[i] * model.unitMs) + " before it began", "stale-text"));
    }
    const list = element("dl");
    const row = (name, text) => list.append(element("dt", name), element("dd", text));
    row("who", model.who(i));
    row("began", model.time(model.start[i]));
    row("took", model.duration[i] === NONE ? "never ended" : duration(model.duration[i] * model.unitMs));
    row("outcome", model.endingName(i) + (model.source(i) ? ", from the " + model.sourceName(i) : ""));
    if (model.valueText(i)) row("value", model.valueText(i));
    parts.push(list, this.steps(i, at));
    if (key !== null) parts.push(this.state(i, key, at), this.origin(i, key));
    this.root.replaceChildren(...parts);
  }

  steps(i, at) {
    const { model } = this;
    const steps = model.stepsOf(i);
    if (steps.length === 0) return element("p", "Its steps were not recorded.", "hint");
    const list = element("ol", undefined, "steps");
    for (const step of steps) {
      const text = "+" + model.time(step.begin, model.start[i]) + "  " + step.call + "  → " + step.answer;
      const item = element("li", text, "site-" + step.site + (step.at === at ? " here" : ""));
      list.append(item);
    }
    return list;
  }

  // What the stores held when the step, or the operation, ended.
  state(i, key, at) {
    const { model } = this;
    const step = at === undefined ? null : model.step(i, at);
    const time = step ? (step.end === null ? step.begin : step.end) : model.start[i];
    const state = model.stateOf(key);
    const table = element("table", undefined, "state");
    table.append(element("caption", (step ? "after this step" : "when it began") + ", key " + key));
    const head = element("tr"), body = element("tr");
    for (const site of SITES) {
      const held = model.held(state[site], time);
      head.append(element("th", site));
      body.append(element("td", held, held.endsWith("(old)") ? "stale-text" : ""));
    }
    table.append(head, body);
    return table;
  }

  // The way of the version that an operation read, as links to its steps.
  origin(i, key) {
    const { model } = this;
    const version = model.version[i];
    const box = element("div");
    if (model.f(i) !== READ || version === NONE || version === 0) return box;
    box.append(element("h4", "where v" + version + " came from"));
    const list = element("ul", undefined, "origin");
    const before = model.stateOf(key).steps.filter((s) => s.version === version && s.begin < model.endOf(i));
    const last = (test) => before.filter(test).pop();
    const own = last((s) => s.op === i && s.reply === REPLY_FOUND);
    const fill = own && own.site === "cache" ? last((s) => s.site === "cache" && s.verb === "SET" && s.begin < own.begin) : null;
    const fetched = fill ? last((s) => s.op === fill.op && s.reply === REPLY_FOUND && s.site !== "cache") : null;
    const written = before.find((s) => s.site === "primary" && s.reply === REPLY_DONE);
    for (const step of [own, fill, fetched, written]) {
      if (!step) continue;
      const button = element("button", model.time(step.begin) + "  " + model.laneName(model.lane[step.op]) + ": " +
        step.call + " → " + step.answer);
      button.type = "button";
      button.addEventListener("click", () => this.act.select(step.op, step.at));
      const item = element("li");
      item.append(button);
      list.append(item);
    }
    if (list.children.length === 0) list.append(element("li", "its steps do not show it"));
    box.append(list);
    return box;
  }
}
