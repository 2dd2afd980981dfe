// Levels of detail: what happened in each small stretch of time, so that a
// million operations are drawn by looking at pixels, not at operations.

const HAS_READ = 1, HAS_WRITE = 2, HAS_LOST = 4, HAS_STALE = 8;
const FINE = 32768, STEP = 8;
const GRID_W = 2048, GRID_H = 72;

function trait(model, i) {
  if (model.stale[i] > 0) return HAS_STALE;
  if (model.ending(i) !== 0) return HAS_LOST;
  return model.f(i) === READ ? HAS_READ : HAS_WRITE;
}

class Detail {
  constructor(model) {
    this.model = model;
    this.latency();
    this.rebuild();
  }

  // The latency axis: by magnitude, from the fastest to the slowest.
  latency() {
    const { duration, count, unitMs } = this.model;
    const { rest } = this.model.meta;
    let least = Infinity, most = 0;
    for (let i = 0; i < count; i++) {
      const took = duration[i];
      if (took === NONE) continue;
      if (took < least) least = took;
      if (took > most) most = took;
    }
    this.lowMs = Math.max(0.01, (least === Infinity ? 1 : least) * unitMs);
    this.highMs = Math.max(this.lowMs * 10, most * unitMs * 1.1);
    if (rest) {
      this.lowMs = rest.low_ms;
      this.highMs = rest.high_ms;
    }
    this.logLow = Math.log(this.lowMs);
    this.logSpan = Math.log(this.highMs) - this.logLow;
  }

  // 0 at the fastest, 1 at the slowest.
  height(took) {
    const ms = Math.max(this.lowMs, took * this.model.unitMs);
    return Math.min(1, (Math.log(ms) - this.logLow) / this.logSpan);
  }

  rebuild() {
    const { model } = this;
    const lanes = model.lanes.length, end = model.end;
    const fine = new Uint8Array(lanes * FINE);
    const grid = new Uint8Array(GRID_W * GRID_H);
    this.addRest(fine, grid);
    const toFine = FINE / (end + 1), toGrid = GRID_W / (end + 1);
    for (let i = 0; i < model.count; i++) {
      if (!model.shown(i)) continue;
      const has = trait(model, i);
      const took = model.duration[i];
      const begin = model.start[i];
      const base = model.lane[i] * FINE;
      const from = (begin * toFine) | 0;
      const to = took === NONE ? FINE - 1 : Math.min(FINE - 1, ((begin + took) * toFine) | 0);
      for (let b = from; b <= to; b++) fine[base + b] |= has;
      if (took !== NONE) {
        const y = GRID_H - 1 - Math.round(this.height(took) * (GRID_H - 1));
        grid[y * GRID_W + ((begin * toGrid) | 0)] |= has;
      }
    }
    const coarse = new Uint8Array(lanes * (FINE / STEP));
    for (let b = 0; b < fine.length; b++) coarse[(b / STEP) | 0] |= fine[b];
    this.fine = fine;
    this.coarse = coarse;
    this.grid = grid;
  }

  // What the page does not carry is known from afar, and not to a filter.
  addRest(fine, grid) {
    const { model } = this;
    if (!model.meta.rest || model.mask !== null) return;
    for (let b = 0; b < fine.length; b++) fine[b] = model.rest[(b / STEP) | 0];
    grid.set(model.restCloud);
  }

  // What a lane did, of what the page does not carry.
  restTraits(lane, from, to) {
    const bins = FINE / STEP;
    const scale = bins / (this.model.end + 1);
    const last = Math.min(bins - 1, (to * scale) | 0);
    let has = 0;
    for (let b = Math.max(0, (from * scale) | 0); b <= last; b++) has |= this.model.rest[lane * bins + b];
    return has;
  }

  // What a lane did between two times.
  traits(lane, from, to) {
    const bins = to - from > ((this.model.end + 1) / FINE) * STEP * 2 ? FINE / STEP : FINE;
    const table = bins === FINE ? this.fine : this.coarse;
    const scale = bins / (this.model.end + 1);
    const base = lane * bins;
    const last = Math.min(bins - 1, (to * scale) | 0);
    let has = 0;
    for (let b = Math.max(0, (from * scale) | 0); b <= last; b++) has |= table[base + b];
    return has;
  }
}
