// What the servers said while what is in sight happened.

// Lines that are shown at once.
const LOG_LINES = 80;
// A closer look shows at least this much around it, in milliseconds.
const LOG_LEAST = 1000;

class LogPanel {
  constructor(root, model) {
    this.root = root;
    this.model = model;
    this.lines = model.meta.logs
      .flatMap((log) => log.lines.map((line) => ({ ...line, name: log.name.replace(/\.log$/, "") })))
      .filter((line) => line.at !== null)
      .sort((a, b) => a.at - b.at);
    if (this.lines.length === 0) return;
    root.hidden = false;
    this.box = element("details");
    this.head = element("summary");
    this.body = element("div");
    this.box.append(this.head, this.body);
    this.box.addEventListener("toggle", () => this.fill());
    root.append(this.box);
  }

  open() {
    if (this.box) this.box.open = true;
  }

  // `from` and `to` are times in units, in sight.
  show(from, to) {
    if (!this.box) return;
    const unit = this.model.meta.unit_ns;
    const least = (LOG_LEAST * 1e6) / unit;
    const more = Math.max(0, (least - (to - from)) / 2);
    this.sight = [from * unit, to * unit];
    this.shown = this.lines.filter((line) => line.at >= (from - more) * unit && line.at <= (to + more) * unit);
    this.head.textContent = "What the servers said in sight: " +
      (this.shown.length === 0 ? "nothing" : this.shown.length === 1 ? "1 line" : this.shown.length + " lines");
    this.fill();
  }

  fill() {
    if (!this.box.open || !this.shown) return;
    const table = element("table", undefined, "said");
    const body = element("tbody");
    for (const line of this.shown.slice(0, LOG_LINES)) {
      const outside = line.at < this.sight[0] || line.at > this.sight[1];
      const row = element("tr", undefined, outside ? "sub" : "");
      row.append(element("td", (line.at / 1e9).toFixed(3) + " s", "number"),
        element("td", line.name, "who-" + line.name), element("td", line.text));
      body.append(row);
    }
    table.append(body);
    const rest = this.shown.length - LOG_LINES;
    this.body.replaceChildren(table,
      ...(rest > 0 ? [element("p", "and " + rest + " more; a closer look shows fewer", "hint")] : []));
  }
}
