// Puts the page together: decoding, keys, the mouse, and what follows what.

class Page {
  constructor(model) {
    this.model = model;
    this.detail = new Detail(model);
    this.chart = new Chart(document.getElementById("chart"), model, this.detail);
    this.over = document.getElementById("over");
    this.act = { select: (i, at) => this.select(i, at), show: (i) => this.show(i) };
    this.panel = new DetailPanel(document.getElementById("detail"), model, this.act);
    this.panel.clear(model.meta.anomalies.length === 0 ? "Click an operation to see its steps."
      : "Click an operation, or press n for the first anomaly.");
    this.table = new OperationTable(document.getElementById("operation-table"), model, this.act);
    this.logs = new LogPanel(document.getElementById("said"), model);
    this.status = document.getElementById("status");
    this.anomaly = -1;
    this.at = -1;
    this.listen();
    this.restore();
    this.resize();
  }

  resize() {
    this.chart.resize();
    const ratio = this.chart.ratio;
    this.over.width = Math.round(this.chart.width * ratio);
    this.over.height = Math.round(this.chart.height * ratio);
    this.over.style.height = this.chart.height + "px";
    // At once: a resized canvas is empty.
    this.draw();
  }

  draw() {
    this.chart.draw();
    this.tell();
    this.remember();
    clearTimeout(this.saying);
    this.saying = setTimeout(() => this.logs.show(this.chart.t0, this.chart.t1), 100);
  }

  redraw() {
    if (this.pending) return;
    this.pending = requestAnimationFrame(() => {
      this.pending = 0;
      this.draw();
    });
  }

  tell() {
    const { chart, model } = this;
    const left = model.meta.left_out ? "; of " + (model.count + model.meta.left_out).toLocaleString("en") +
      " in the run the page carries these, and an outline of the rest (pale)" : "";
    this.offerRest();
    this.status.textContent = this.problem || chart.visible.toLocaleString("en") + " of " +
      model.count.toLocaleString("en") + " operations in sight, " + model.time(chart.t0) + " to " +
      model.time(chart.t1) + (model.mask ? ", filtered" : "") + left;
  }

  // Served, a page can be had with what is in sight instead.
  offerRest() {
    const link = document.getElementById("rest");
    if (!this.model.meta.left_out || !location.protocol.startsWith("http")) return;
    const ms = (time) => Math.round(time * this.model.unitMs);
    const run = location.pathname.split("/").slice(0, 3).join("/");
    link.href = run + "/window?from=" + ms(this.chart.t0) + "&to=" + ms(this.chart.t1);
    link.hidden = false;
  }

  // The address keeps the place where it can; a sandboxed page cannot.
  remember() {
    clearTimeout(this.saving);
    this.saving = setTimeout(() => this.keepPlace(), 300);
  }

  keepPlace() {
    const { chart } = this;
    const parts = ["t=" + Math.round(chart.t0) + "," + Math.round(chart.t1)];
    const filter = document.getElementById("filter").value;
    if (filter) parts.push("q=" + encodeURIComponent(filter));
    if (this.anomaly >= 0) parts.push("a=" + (this.anomaly + 1));
    try {
      history.replaceState(null, "", "#" + parts.join("&"));
    } catch { /* sandboxed */ }
  }

  // The address of what is in sight, for somebody else. A page from a disk or in
  // a sandbox may have no clipboard: then the address can be taken by hand.
  async copyLink() {
    clearTimeout(this.saving);
    this.keepPlace();
    try {
      await navigator.clipboard.writeText(location.href);
      this.status.textContent = "The link to what is in sight is copied.";
    } catch {
      this.status.textContent = "Link to what is in sight: " + location.href;
    }
  }

  // A note on what is selected, else on the middle of what is in sight: where
  // somebody serves the page who keeps it.
  note() {
    const { chart, model } = this;
    if (!location.pathname.startsWith("/run/")) {
      this.status.textContent = "Notes are kept by quarrel serve --notes.";
      return;
    }
    const time = chart.selected === null ? (chart.t0 + chart.t1) / 2 : model.start[chart.selected];
    const run = location.pathname.split("/").slice(0, 3).join("/");
    location.href = run + "/notes?at_ms=" + Math.round(time * model.unitMs);
  }

  restore() {
    const values = new URLSearchParams(location.hash.slice(1));
    const filter = values.get("q");
    if (filter) {
      document.getElementById("filter").value = filter;
      this.filter(filter);
    }
    const anomaly = Number(values.get("a"));
    if (anomaly >= 1 && anomaly <= this.model.meta.anomalies.length) this.goto(anomaly - 1);
    // A note's moment, with what was around it.
    const moment = Number(values.get("ms")) / this.model.unitMs;
    const around = 50 / this.model.unitMs;
    if (values.has("ms")) this.chart.lookAtTimes(Math.max(0, moment - around), moment + around);
    const times = (values.get("t") || "").split(",").map(Number);
    if (times.length === 2 && times[1] > times[0]) this.chart.lookAtTimes(times[0], times[1]);
  }

  filter(text) {
    const { unknown, left } = applyFilter(this.model, text);
    this.problem = unknown.length ? "not understood: " + unknown.join(" ") + " — try " + FILTER_HELP
      : left === 0 ? "no operation fits the filter" : "";
    this.detail.rebuild();
    this.table.page = 0;
    this.table.refresh();
    this.redraw();
  }

  // Zooms to an anomaly and shows its story.
  goto(number) {
    const { model, chart } = this;
    const anomalies = model.meta.anomalies;
    if (anomalies.length === 0) {
      this.problem = "no anomaly was found";
      this.tell();
      return;
    }
    this.anomaly = (number + anomalies.length) % anomalies.length;
    const anomaly = anomalies[this.anomaly];
    model.actors = new Map(anomaly.actors);
    chart.story = { ops: anomaly.story, set: new Set(anomaly.story), guilty: anomaly.guilty, word: verdictWord(anomaly) };
    this.setKey(anomaly.key);
    this.trail = anomaly.story.flatMap((i) => model.stepsOf(i)).sort((a, b) => a.begin - b.begin);
    this.at = -1;
    const margin = Math.max((anomaly.to - anomaly.from) * 0.1, 0.5 / model.unitMs);
    // Room at the right for what the last read says.
    chart.lookAtTimes(Math.max(0, anomaly.from - margin), anomaly.to + margin * 2.6);
    const name = document.getElementById("anomaly-name");
    name.textContent = "anomaly " + (this.anomaly + 1) + " of " + anomalies.length + ": " + anomaly.text;
    if (anomaly.guilty !== null) {
      chart.selected = anomaly.guilty;
      this.panel.operation(anomaly.guilty);
    }
    this.logs.open();
    const top = document.getElementById("stage").getBoundingClientRect().top;
    if (top < 0 || top > innerHeight / 2) {
      document.getElementById("timeline").scrollIntoView({ block: "start" });
    }
    this.redraw();
  }

  setKey(key) {
    if (this.chart.key === key) return;
    this.chart.key = key;
    this.resize();
  }

  // Selects an operation, and a step of it.
  select(i, at) {
    const { chart, model } = this;
    chart.selected = i;
    if (model.key[i] !== NONE) this.setKey(model.key[i]);
    this.panel.operation(i, at);
    const time = at === undefined ? model.start[i] : model.step(i, at).begin;
    const place = chart.place(time);
    if (place < chart.from || place > chart.to) {
      const half = (chart.to - chart.from) / 2;
      chart.look(place - half, place + half);
    }
    this.redraw();
  }

  // Zooms to one operation.
  show(i) {
    const { chart, model } = this;
    const took = model.duration[i] === NONE ? 1 / model.unitMs : model.duration[i];
    const margin = Math.max(took * 4, 2 / model.unitMs);
    chart.story = null;
    model.actors = new Map();
    chart.lookAtTimes(Math.max(0, model.start[i] - margin), model.start[i] + took + margin);
    this.select(i);
    document.getElementById("timeline").scrollIntoView({ block: "start" });
  }

  // The next or the previous step: of the anomaly, else of the selected key.
  walk(by) {
    const { model, chart } = this;
    if (!chart.story && chart.key !== null) this.trail = model.stateOf(chart.key).steps;
    if (!this.trail || this.trail.length === 0) {
      this.goto(0);
      return;
    }
    if (!chart.story && chart.selected !== null && this.trail[this.at]?.op !== chart.selected) {
      this.at = this.trail.findIndex((step) => step.op === chart.selected) - (by > 0 ? 1 : 0);
    }
    this.at = Math.max(0, Math.min(this.trail.length - 1, this.at + by));
    const step = this.trail[this.at];
    this.select(step.op, step.at);
  }

  leave() {
    const { chart, model } = this;
    chart.story = null;
    model.actors = new Map();
    chart.selected = null;
    this.anomaly = -1;
    document.getElementById("anomaly-name").textContent = "";
    this.setKey(null);
    this.redraw();
  }

  listen() {
    const { chart } = this;
    const stage = document.getElementById("stage");
    new ResizeObserver(() => {
      if (Math.abs(stage.clientWidth - chart.width) > 1) this.resize();
    }).observe(stage);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      chart.theme();
      this.redraw();
    });
    listenToMouse(this, stage);
    listenToKeys(this);
    const filter = document.getElementById("filter");
    filter.title = FILTER_HELP;
    filter.addEventListener("input", () => {
      clearTimeout(this.typing);
      this.typing = setTimeout(() => this.filter(filter.value), 150);
    });
    for (const button of document.querySelectorAll("button[data-act]")) {
      button.addEventListener("click", () => ACTIONS[button.dataset.act](this));
    }
    for (const button of document.querySelectorAll("button[data-anomaly]")) {
      button.hidden = false;
      button.addEventListener("click", () => {
        this.goto(Number(button.dataset.anomaly) - 1);
      });
    }
  }
}

// What is wrong with the operation that proves an anomaly.
function verdictWord(anomaly) {
  if (anomaly.class === "g-single") return " FRACTURED";
  const stale = ["stale-read", "read-your-writes", "non-monotonic-read"].includes(anomaly.class);
  return " " + (stale ? "STALE" : anomaly.class.replace(/-/g, " ").toUpperCase());
}

const ACTIONS = {
  next: (page) => page.goto(page.anomaly + 1),
  before: (page) => page.goto(page.anomaly < 0 ? -1 : page.anomaly - 1),
  all: (page) => { page.leave(); page.chart.look(0, page.chart.extent); page.redraw(); },
  even: (page) => { page.chart.toggleEven(); page.redraw(); },
  closer: (page) => { page.chart.zoom(LEFT + page.chart.plotW / 2, 0.5); page.redraw(); },
  farther: (page) => { page.chart.zoom(LEFT + page.chart.plotW / 2, 2); page.redraw(); },
  left: (page) => { page.chart.pan(-page.chart.plotW / 5); page.redraw(); },
  right: (page) => { page.chart.pan(page.chart.plotW / 5); page.redraw(); },
  step: (page) => page.walk(1),
  back: (page) => page.walk(-1),
  search: () => document.getElementById("filter").focus(),
  link: (page) => page.copyLink(),
  note: (page) => page.note(),
  help: () => {
    const help = document.getElementById("help");
    if (help.open) help.close(); else help.showModal();
  },
};

const KEYS = {
  n: "next", p: "before", c: "link", m: "note", j: "step", k: "back", e: "even", 0: "all", "+": "closer", "=": "closer",
  "-": "farther", ArrowLeft: "left", ArrowRight: "right", "/": "search", "?": "help",
};

function listenToKeys(page) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = event.target.matches("input, textarea, select");
    if (event.key === "Escape") {
      if (typing) event.target.blur();
      else if (!document.getElementById("help").open) page.leave();
      return;
    }
    const arrows = event.key.startsWith("Arrow");
    if (typing || !Object.hasOwn(KEYS, event.key)) return;
    // Arrows scroll the page unless the timeline has the focus.
    if (arrows && document.activeElement.id !== "stage") return;
    event.preventDefault();
    ACTIONS[KEYS[event.key]](page);
  });
}

function listenToMouse(page, stage) {
  const { chart } = page;
  let drag = null;
  const place = (event) => {
    const box = stage.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };
  stage.addEventListener("wheel", (event) => {
    // A plain wheel scrolls the page until the timeline is in use.
    if (!event.ctrlKey && document.activeElement !== stage) return;
    event.preventDefault();
    chart.zoom(place(event).x, Math.exp(event.deltaY * 0.0016));
    page.redraw();
  }, { passive: false });
  stage.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    stage.focus({ preventScroll: true });
    drag = { ...place(event), moved: 0, measure: event.shiftKey, from: place(event).x };
    stage.setPointerCapture(event.pointerId);
  });
  stage.addEventListener("pointermove", (event) => {
    const { x, y } = place(event);
    if (drag && drag.measure) drawOver(page, x, y, drag.from);
    else {
      if (drag) {
        chart.pan(drag.x - x);
        page.redraw();
      }
      drawOver(page, x, y, null);
    }
    if (drag) {
      drag.moved += Math.abs(x - drag.x) + Math.abs(y - drag.y);
      drag.x = x;
      drag.y = y;
    }
  });
  stage.addEventListener("pointerup", (event) => {
    const { x, y } = place(event);
    if (drag && drag.moved < 4 && !drag.measure) {
      const hit = chart.hit(x, y);
      if (hit !== null) page.select(hit);
    }
    drag = null;
  });
  stage.addEventListener("dblclick", (event) => {
    chart.zoom(place(event).x, 0.25);
    page.redraw();
  });
  stage.addEventListener("pointerleave", () => drawOver(page, -1, -1, null));
}

// The cursor's time, what is under it, and what is measured.
function drawOver(page, x, y, from) {
  const { chart, over, model } = page;
  const ctx = over.getContext("2d");
  ctx.setTransform(chart.ratio, 0, 0, chart.ratio, 0, 0);
  ctx.clearRect(0, 0, chart.width, chart.height);
  if (x < LEFT || x > LEFT + chart.plotW) return;
  ctx.font = "11px system-ui, sans-serif";
  ctx.strokeStyle = chart.c.ink;
  ctx.globalAlpha = 0.5;
  ctx.beginPath();
  ctx.moveTo(x + 0.5, 18);
  ctx.lineTo(x + 0.5, chart.height);
  ctx.stroke();
  let text = model.time(chart.timeAt(x));
  if (from !== null) {
    ctx.fillStyle = chart.c.ink;
    ctx.globalAlpha = 0.12;
    ctx.fillRect(Math.min(from, x), 18, Math.abs(x - from), chart.height);
    text = model.time(Math.max(chart.timeAt(x), chart.timeAt(from)), Math.min(chart.timeAt(x), chart.timeAt(from)));
  }
  const hit = from === null ? chart.hit(x, y) : null;
  if (hit !== null) {
    text += "  " + model.laneName(model.lane[hit]) + ": " + model.functionName(hit) + " " + model.keyText(hit) +
      model.outcomeText(hit) +
      (model.stale[hit] ? ", stale for " + duration(model.stale[hit] * model.unitMs) : "");
  }
  ctx.globalAlpha = 1;
  const width = ctx.measureText(text).width + 10;
  const left = Math.min(x + 6, chart.width - width - 4);
  ctx.fillStyle = chart.c.ink;
  ctx.fillRect(left, 1, width, 17);
  ctx.fillStyle = chart.c.paper;
  ctx.textBaseline = "middle";
  ctx.fillText(text, left + 5, 10);
}

async function begin() {
  const model = new Model(await decode());
  const page = new Page(model);
  document.documentElement.dataset.ready = String(Math.round(performance.now()));
  window.quarrel = {
    // For the benchmark: how long one drawing takes.
    redraw: () => page.chart.draw(),
    look: (from, to) => page.chart.lookAtTimes(from, to),
    state: () => ({ anomaly: page.anomaly, from: page.chart.t0, to: page.chart.t1,
      visible: page.chart.visible, count: model.count, end: model.end, key: page.chart.key }),
  };
}

document.documentElement.classList.add("js");
begin().catch((error) => {
  document.getElementById("status").textContent = "The timeline could not be drawn: " + error +
    ". The verdict and the pictures above do not need it.";
  document.documentElement.dataset.failed = String(error);
});
