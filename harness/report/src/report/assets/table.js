// The operations as a table: sorted, filtered, a page at a time.

const PAGE = 50;
const TABLE_COLUMNS = [
  { name: "began", value: (m, i) => m.start[i], text: (m, i) => m.time(m.start[i]), number: true },
  { name: "client", value: (m, i) => m.lane[i], text: (m, i) => m.lanes[m.lane[i]] },
  { name: "f", value: (m, i) => m.f(i), text: (m, i) => m.functionName(i) },
  { name: "key", value: (m, i) => m.key[i], text: (m, i) => m.keyText(i), number: true },
  { name: "version", value: (m, i) => m.version[i], text: (m, i) => m.versionText(m.version[i]), number: true },
  { name: "value", value: (m, i) => m.value[i], text: (m, i) => m.valueText(i) },
  { name: "outcome", value: (m, i) => m.ending(i), text: (m, i) => m.endingName(i) },
  { name: "from", value: (m, i) => m.source(i), text: (m, i) => m.sourceName(i) },
  { name: "took", value: (m, i) => m.duration[i],
    text: (m, i) => (m.duration[i] === NONE ? "never ended" : duration(m.duration[i] * m.unitMs)), number: true },
  { name: "stale for", value: (m, i) => m.stale[i],
    text: (m, i) => (m.stale[i] ? duration(m.stale[i] * m.unitMs) : ""), number: true },
];

class OperationTable {
  constructor(root, model, act) {
    this.root = root;
    this.model = model;
    this.act = act;
    this.sort = { column: 0, down: false };
    this.page = 0;
    this.build();
    this.refresh();
  }

  build() {
    const head = element("tr");
    this.heads = TABLE_COLUMNS.map((column, at) => {
      const cell = element("th", undefined, column.number ? "number" : "");
      cell.scope = "col";
      const button = element("button", column.name);
      button.type = "button";
      button.addEventListener("click", () => {
        this.sort = { column: at, down: this.sort.column === at ? !this.sort.down : column.number && at > 0 };
        this.page = 0;
        this.refresh();
      });
      cell.append(button);
      head.append(cell);
      return cell;
    });
    const table = element("table", undefined, "operations");
    const top = element("thead");
    this.body = element("tbody");
    top.append(head);
    table.append(top, this.body);
    this.where = element("span", "", "hint");
    const move = (text, by) => {
      const button = element("button", text);
      button.type = "button";
      button.addEventListener("click", () => {
        this.page += by;
        this.fill();
      });
      return button;
    };
    const bar = element("p", undefined, "bar");
    bar.append(move("◂ before", -1), move("after ▸", 1), this.where);
    this.root.replaceChildren(bar, table);
  }

  // Orders the shown operations anew. Sorting packed numbers is many times
  // faster than sorting by a function.
  refresh() {
    const { model } = this;
    const { column, down } = this.sort;
    const value = TABLE_COLUMNS[column].value;
    const packed = new Float64Array(model.count);
    let n = 0;
    for (let i = 0; i < model.count; i++) {
      if (model.shown(i)) packed[n++] = value(model, i) * 1048576 + i;
    }
    this.order = packed.subarray(0, n).sort();
    this.down = down;
    this.heads.forEach((cell, at) => {
      cell.setAttribute("aria-sort", at !== column ? "none" : down ? "descending" : "ascending");
    });
    this.fill();
  }

  fill() {
    const { model, order } = this;
    const pages = Math.max(1, Math.ceil(order.length / PAGE));
    this.page = Math.max(0, Math.min(pages - 1, this.page));
    const rows = [];
    const from = this.page * PAGE;
    for (let n = from; n < Math.min(order.length, from + PAGE); n++) {
      const i = order[this.down ? order.length - 1 - n : n] % 1048576;
      const row = element("tr", undefined, model.stale[i] > 0 ? "is-stale" : model.ending(i) ? "is-lost" : "");
      row.tabIndex = 0;
      for (const column of TABLE_COLUMNS) {
        row.append(element("td", column.text(model, i), column.number ? "number" : ""));
      }
      const show = () => this.act.show(i);
      row.addEventListener("click", show);
      row.addEventListener("keydown", (event) => { if (event.key === "Enter") show(); });
      rows.push(row);
    }
    this.body.replaceChildren(...rows);
    this.where.textContent = order.length === 0 ? "no operation fits the filter"
      : (from + 1).toLocaleString("en") + " to " + Math.min(order.length, from + PAGE).toLocaleString("en") +
        " of " + order.length.toLocaleString("en");
  }
}
