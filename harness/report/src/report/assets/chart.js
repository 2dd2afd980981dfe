// The timeline: lanes, what the stores held, and plots, all over one axis.

const LEFT = 104, RIGHT = 10, TOP = 54, STRIP_H = 15;
// Under the axis: what the run was doing, and from where on faults are shaded.
const PHASES = 19, PHASES_H = 13, BANDS = 35;
// Above so many visible operations, pixels are drawn instead of boxes.
const BOXES = 5000;
// Above so many, levels of detail are read instead of operations.
const DIRECT = 60000;
const PANELS = [
  { id: "latency", title: "latency", height: 72 },
  { id: "stale", title: "staleness", height: 56,
    nothing: (series) => series.stale.every((count) => count === 0) && ": no read was stale" },
  { id: "rate", title: "operations a second", height: 46 },
  { id: "lag", title: "replica lag", height: 46,
    nothing: (series) => series.lag_ms.every((ms) => ms < 0) && ": the replica was never read" },
  { id: "hits", title: "cache hit rate", height: 40,
    nothing: (series) => series.sourced.every((count) => count === 0) && ": no read says where its value came from" },
];

class Chart {
  constructor(canvas, model, detail) {
    this.canvas = canvas;
    this.model = model;
    this.detail = detail;
    this.even = false;
    this.from = 0;
    this.to = model.end;
    this.key = null;
    this.story = null;
    this.selected = null;
    this.open = [];
    for (let i = 0; i < model.count; i++) if (model.duration[i] === NONE) this.open.push(i);
    this.theme();
    this.resize();
  }

  theme() {
    const style = getComputedStyle(document.documentElement);
    const get = (name) => style.getPropertyValue("--" + name).trim();
    this.c = {};
    for (const name of ["ink", "dim", "rule", "paper", "read", "write", "stale", "failed", "fault",
      "cache", "replica", "primary", "fresh"]) this.c[name] = get(name);
    this.c.client = this.c.dim;
    const packed = (hex) => {
      const n = parseInt(hex.slice(1), 16);
      return (0xff000000 | ((n & 255) << 16) | (n & 0xff00) | (n >> 16)) >>> 0;
    };
    this.packed = new Uint32Array(16);
    for (let has = 1; has < 16; has++) {
      this.packed[has] = packed(this.colourOf(has));
    }
    this.hatchFill = null;
  }

  resize() {
    const lanes = this.model.lanes.length;
    this.laneH = Math.max(7, Math.min(24, Math.floor(420 / Math.max(1, lanes))));
    this.width = Math.max(280, this.canvas.parentElement.clientWidth);
    this.lanesTop = TOP;
    this.lanesEnd = TOP + lanes * this.laneH;
    let y = this.lanesEnd + 8;
    this.stripsTop = y + 14;
    if (this.key !== null) y = this.stripsTop + 3 * STRIP_H + 6;
    // What there is nothing to draw of is a line of words.
    this.panels = PANELS.map((panel) => {
      const top = y + 16;
      const nothing = panel.nothing && panel.nothing(this.model.meta.series);
      const height = nothing ? 0 : panel.height;
      y = top + height + 4;
      return { ...panel, height, nothing, top, bottom: top + height };
    });
    this.height = y + 6;
    this.ratio = Math.min(2, window.devicePixelRatio || 1);
    this.canvas.width = Math.round(this.width * this.ratio);
    this.canvas.height = Math.round(this.height * this.ratio);
    this.canvas.style.height = this.height + "px";
    this.ctx = this.canvas.getContext("2d");
    this.plotW = this.width - LEFT - RIGHT;
    this.image = null;
  }

  // Places: times, or with even spacing the numbers of operations.
  place(time) {
    if (!this.even) return time;
    const { model } = this;
    const at = model.firstAt(time);
    if (at === 0) return 0;
    const before = model.start[at - 1];
    const after = at < model.count ? model.start[at] : model.end;
    return after > before ? at - 1 + (time - before) / (after - before) : at;
  }

  timeOf(place) {
    if (!this.even) return place;
    const { model } = this;
    const at = Math.max(0, Math.min(model.count - 1, Math.floor(place)));
    const before = model.start[at];
    const after = at + 1 < model.count ? model.start[at + 1] : model.end;
    return before + (after - before) * Math.min(1, Math.max(0, place - at));
  }

  get extent() { return this.even ? this.model.count : this.model.end; }
  xOfPlace(place) { return LEFT + ((place - this.from) / (this.to - this.from)) * this.plotW; }
  x(time) { return this.xOfPlace(this.place(time)); }
  placeAt(x) { return this.from + ((x - LEFT) / this.plotW) * (this.to - this.from); }
  timeAt(x) { return this.timeOf(this.placeAt(x)); }

  look(from, to) {
    const least = this.even ? 4 : Math.max(8, 0.02 / this.model.unitMs);
    let span = Math.min(Math.max(to - from, least), this.extent);
    const start = Math.max(0, Math.min(this.extent - span, from));
    this.from = start;
    this.to = start + span;
  }

  lookAtTimes(from, to) { this.look(this.place(from), this.place(to)); }

  zoom(x, factor) {
    const at = this.placeAt(x);
    this.look(at - (at - this.from) * factor, at + (this.to - at) * factor);
  }

  pan(pixels) {
    const by = (pixels / this.plotW) * (this.to - this.from);
    this.look(this.from + by, this.from + by + (this.to - this.from));
  }

  toggleEven() {
    const [from, to] = [this.timeOf(this.from), this.timeOf(this.to)];
    this.even = !this.even;
    this.lookAtTimes(from, to);
  }

  // Draws everything; returns how long it took, in milliseconds.
  draw() {
    const begin = performance.now();
    const { ctx, model } = this;
    this.t0 = this.timeOf(this.from);
    this.t1 = this.timeOf(this.to);
    this.first = model.firstAt(this.t0 - model.longest);
    this.last = model.firstAt(this.t1 + 1);
    this.visible = this.last - this.first;
    ctx.setTransform(1, 0, 0, 1, 0, 0);
    ctx.clearRect(0, 0, this.canvas.width, this.canvas.height);
    if (this.visible > BOXES) this.drawPixels();
    ctx.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    ctx.font = "11px system-ui, sans-serif";
    ctx.textBaseline = "middle";
    this.drawBands();
    this.drawAxis();
    this.drawPhases();
    this.drawLaneNames();
    ctx.save();
    ctx.beginPath();
    ctx.rect(LEFT, 0, this.plotW, this.height);
    ctx.clip();
    this.drawRest();
    if (this.visible <= BOXES) drawBoxes(this);
    drawStory(this);
    if (this.key !== null) drawStrips(this);
    drawPanels(this);
    ctx.restore();
    this.took = performance.now() - begin;
    return this.took;
  }

  drawBands() {
    const { ctx, model } = this;
    const bottom = this.height - 4 - BANDS;
    const labels = [];
    for (const band of model.meta.faults) {
      const from = Math.max(LEFT, this.x(band.from));
      const to = Math.min(LEFT + this.plotW, this.x(band.to));
      if (to <= LEFT || from >= LEFT + this.plotW) continue;
      ctx.strokeStyle = this.c.fault;
      ctx.setLineDash([3, 2]);
      ctx.strokeRect(from + 0.5, BANDS + 0.5, Math.max(1, to - from - 1), bottom);
      ctx.setLineDash([]);
      if (band.observed !== null) {
        const seen = Math.max(LEFT, this.x(band.observed));
        ctx.globalAlpha = 0.16;
        ctx.fillStyle = this.c.fault;
        ctx.fillRect(seen, BANDS, Math.max(0, to - seen), bottom);
        ctx.globalAlpha = 1;
      }
      labels.push({ band, from, to });
    }
    this.drawBandNames(labels);
  }

  // Each name has the room up to the next: whole, else without its arguments.
  drawBandNames(labels) {
    const { ctx } = this;
    labels.sort((a, b) => a.from - b.from);
    let free = LEFT;
    labels.forEach(({ band, from, to }, at) => {
      const next = at + 1 < labels.length ? labels[at + 1].from : LEFT + this.plotW;
      const left = Math.max(from + 4, free);
      const room = Math.max(to, next) - left - 4;
      const missed = band.observed === null ? " (never observed)" : "";
      const short = "⚡ " + band.fault.split("=")[0];
      const text = ["⚡ " + band.fault + missed, short + missed, short, "⚡"]
        .find((words) => ctx.measureText(words).width <= room);
      if (text === undefined || left > to) return;
      ctx.fillStyle = this.c.ink;
      ctx.fillText(text, left, BANDS + 9);
      free = left + ctx.measureText(text).width + 8;
    });
  }

  // What the run was doing: a strip, and a line down where one phase follows
  // another. A name that does not fit into its phase is left out: closer, it
  // does.
  drawPhases() {
    const { ctx, model } = this;
    model.meta.phases.forEach((phase, number) => {
      const from = Math.max(LEFT, this.x(phase.from));
      const to = Math.min(LEFT + this.plotW, this.x(phase.to));
      if (to <= LEFT || from >= LEFT + this.plotW) return;
      ctx.fillStyle = number % 2 === 0 ? this.c.rule : this.c.fresh;
      ctx.fillRect(from, PHASES, Math.max(1, to - from), PHASES_H);
      if (number > 0 && from > LEFT) {
        ctx.strokeStyle = this.c.dim;
        ctx.setLineDash([1, 3]);
        ctx.beginPath();
        ctx.moveTo(from + 0.5, PHASES);
        ctx.lineTo(from + 0.5, this.height - 4);
        ctx.stroke();
        ctx.setLineDash([]);
      }
      if (to - from < ctx.measureText(phase.name).width + 4) return;
      ctx.fillStyle = this.c.ink;
      ctx.textAlign = "center";
      ctx.fillText(phase.name, (from + to) / 2, PHASES + PHASES_H / 2 + 0.5);
      ctx.textAlign = "left";
    });
    if (model.meta.phases.length === 0) return;
    ctx.fillStyle = this.c.dim;
    ctx.textAlign = "right";
    ctx.fillText("phase", LEFT - 22, PHASES + PHASES_H / 2 + 0.5);
    ctx.textAlign = "left";
  }

  drawAxis() {
    const { ctx } = this;
    ctx.strokeStyle = this.c.rule;
    ctx.fillStyle = this.c.dim;
    ctx.textAlign = "center";
    const ticks = this.even ? this.evenTicks() : this.trueTicks();
    for (const { x, text } of ticks) {
      ctx.beginPath();
      ctx.moveTo(x + 0.5, 18);
      ctx.lineTo(x + 0.5, this.height - 4);
      ctx.stroke();
      const half = ctx.measureText(text).width / 2;
      if (x >= LEFT - 1 && x + half < this.width) ctx.fillText(text, x, 9);
    }
    ctx.textAlign = "right";
    ctx.fillText(this.even ? "even spacing" : "true time", LEFT - 22, 9);
    ctx.textAlign = "left";
  }

  trueTicks() {
    const span = (this.to - this.from) * this.model.unitMs;
    const rough = span / Math.max(2, this.plotW / 110);
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].find((f) => f * power >= rough) * power;
    const ticks = [];
    const first = Math.ceil((this.from * this.model.unitMs) / step);
    for (let n = first; n * step <= this.to * this.model.unitMs; n++) {
      const text = n === 0 ? "0" : tickText(n * step, step);
      ticks.push({ x: Math.round(this.x((n * step) / this.model.unitMs)), text });
    }
    return ticks;
  }

  evenTicks() {
    const ticks = [];
    for (let x = LEFT + 60; x < LEFT + this.plotW; x += 120) {
      ticks.push({ x, text: this.model.time(this.timeAt(x)) });
    }
    return ticks;
  }

  drawLaneNames() {
    const { ctx, model } = this;
    ctx.textAlign = "right";
    const every = Math.ceil(12 / this.laneH);
    const told = new Set((this.story ? this.story.ops : []).map((i) => model.lane[i]));
    model.lanes.forEach((name, lane) => {
      const top = this.lanesTop + lane * this.laneH;
      ctx.strokeStyle = this.c.rule;
      ctx.beginPath();
      ctx.moveTo(8, top + this.laneH - 0.5);
      ctx.lineTo(LEFT + this.plotW, top + this.laneH - 0.5);
      ctx.stroke();
      if (lane % every !== 0 && !told.has(lane)) return;
      ctx.fillStyle = told.has(lane) ? this.c.stale : this.c.dim;
      ctx.fillText(model.actors.get(lane) || name, LEFT - 8, top + this.laneH / 2);
    });
    ctx.textAlign = "left";
  }

  // Lanes and latencies as pixels.
  drawPixels() {
    const columns = Math.round(this.plotW * this.ratio);
    const lanes = this.model.lanes.length;
    const panel = this.panels[0];
    const rows = Math.round((panel.bottom - this.lanesTop) * this.ratio);
    if (!this.image || this.image.width !== columns || this.image.height !== rows) {
      this.image = new ImageData(columns, rows);
      this.pixels = new Uint32Array(this.image.data.buffer);
      this.line = new Uint8Array(columns * lanes);
      this.cloud = new Uint8Array(columns * GRID_H);
    }
    this.pixels.fill(0);
    this.line.fill(0);
    this.cloud.fill(0);
    if (this.visible > DIRECT && !this.even) this.pixelsFromLevels(columns, lanes);
    else this.pixelsFromOperations(columns);
    this.paint(columns, lanes, rows, panel);
    this.ctx.putImageData(this.image, Math.round(LEFT * this.ratio), Math.round(this.lanesTop * this.ratio));
  }

  // An outline of what the page does not carry, under what it does.
  drawRest() {
    const { ctx, detail, model } = this;
    const levels = this.visible > DIRECT && !this.even;
    if (!model.meta.rest || model.mask !== null || levels || this.even) return;
    const scale = (this.to - this.from) / this.plotW;
    ctx.globalAlpha = 0.35;
    for (let lane = 0; lane < model.lanes.length; lane++) {
      const top = this.lanesTop + lane * this.laneH + this.laneH * 0.3;
      let begin = 0, has = 0;
      for (let x = 0; x <= this.plotW; x++) {
        const from = this.from + x * scale;
        const now = x < this.plotW ? detail.restTraits(lane, from, from + scale) : 0;
        if (now === has && x < this.plotW) continue;
        if (has) {
          ctx.fillStyle = this.colourOf(has);
          ctx.fillRect(LEFT + begin, top, x - begin, this.laneH * 0.5);
        }
        begin = x;
        has = now;
      }
    }
    ctx.globalAlpha = 1;
  }

  colourOf(has) {
    return has & HAS_STALE ? this.c.stale : has & HAS_LOST ? this.c.failed
      : has & HAS_WRITE ? this.c.write : this.c.read;
  }

  pixelsFromLevels(columns, lanes) {
    const { detail, line, cloud, model } = this;
    const scale = (this.to - this.from) / columns;
    for (let x = 0; x < columns; x++) {
      const from = this.from + x * scale;
      for (let lane = 0; lane < lanes; lane++) line[lane * columns + x] = detail.traits(lane, from, from + scale);
      const toGrid = GRID_W / (model.end + 1);
      const a = (from * toGrid) | 0, b = Math.max(a, Math.min(GRID_W - 1, ((from + scale) * toGrid - 0.001) | 0));
      for (let g = a; g <= b; g++) {
        for (let y = 0; y < GRID_H; y++) cloud[y * columns + x] |= detail.grid[y * GRID_W + g];
      }
    }
  }

  pixelsFromOperations(columns) {
    const { detail, line, cloud, model } = this;
    const scale = columns / (this.to - this.from);
    const offset = this.from;
    for (let i = this.first; i < this.last; i++) {
      if (model.mask !== null && model.mask[i] === 0) continue;
      const has = trait(model, i);
      const took = model.duration[i];
      const begin = this.even ? i : model.start[i];
      const stop = this.even ? i + 0.8 : took === NONE ? model.end : begin + took;
      const a = Math.max(0, ((begin - offset) * scale) | 0);
      const b = Math.min(columns - 1, ((stop - offset) * scale) | 0);
      const base = model.lane[i] * columns;
      for (let x = a; x <= b; x++) line[base + x] |= has;
      if (took !== NONE && begin >= offset && a < columns) {
        const y = GRID_H - 1 - Math.round(detail.height(took) * (GRID_H - 1));
        cloud[y * columns + a] |= has;
      }
    }
  }

  paint(columns, lanes, rows, panel) {
    const { pixels, line, cloud, packed, ratio } = this;
    const laneH = Math.round(this.laneH * ratio);
    for (let lane = 0; lane < lanes; lane++) {
      const top = Math.round(lane * this.laneH * ratio);
      for (let x = 0; x < columns; x++) {
        const has = line[lane * columns + x];
        if (has === 0) continue;
        // Reads are low, writes higher, what went wrong is highest.
        const gap = has & (HAS_STALE | HAS_LOST) ? 1 : Math.round(laneH * (has & HAS_WRITE ? 0.2 : 0.4));
        const colour = packed[has];
        for (let y = top + gap; y < top + laneH - 1; y++) pixels[y * columns + x] = colour;
      }
    }
    const cloudTop = Math.round((panel.top - this.lanesTop) * ratio);
    const scale = (panel.height * ratio) / GRID_H;
    for (let y = 0; y < GRID_H; y++) {
      const row = Math.min(rows - 2, cloudTop + Math.round(y * scale));
      for (let x = 0; x < columns; x++) {
        const has = cloud[y * columns + x];
        if (has === 0) continue;
        pixels[row * columns + x] = packed[has];
        pixels[(row + 1) * columns + x] = packed[has];
      }
    }
  }

  // The operation under a point, if there is one.
  hit(x, y) {
    const { model } = this;
    const lane = Math.floor((y - this.lanesTop) / this.laneH);
    if (lane < 0 || lane >= model.lanes.length || x < LEFT) return null;
    const time = this.timeAt(x);
    let best = null, distance = 6;
    const at = model.firstOfLane(lane, time + 1);
    for (let n = at + 2; n >= model.laneFirst[lane] && n > at - 40; n--) {
      if (n >= model.laneFirst[lane + 1]) continue;
      const i = model.laneOps[n];
      if (!model.shown(i)) continue;
      const left = this.x(model.start[i]);
      const right = Math.max(left + 1, this.even ? this.xOfPlace(i + 0.8) : this.x(model.endOf(i)));
      const off = x < left ? left - x : x > right ? x - right : 0;
      if (off < distance) {
        distance = off;
        best = i;
      }
    }
    return best;
  }
}

function tickText(ms, step) {
  if (step >= 1000) return ms / 1000 + " s";
  if (ms >= 1000) {
    const decimals = Math.max(0, 3 - Math.floor(Math.log10(step)));
    return (ms / 1000).toFixed(Math.min(6, decimals)) + " s";
  }
  if (step >= 1) return Math.round(ms) + " ms";
  return ms.toFixed(Math.min(4, Math.max(1, -Math.floor(Math.log10(step))))) + " ms";
}
