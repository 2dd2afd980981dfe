// The run in memory: indexes over the columns, and the words for what they
// hold.

const READ = 0, WRITE = 1;
const SITES = ["cache", "replica", "primary"];
const REPLY_FOUND = 1, REPLY_MISS = 2, REPLY_DONE = 3, REPLY_REFUSED = 4, REPLY_FAILED = 5;

class Model {
  constructor(data) {
    Object.assign(this, data);
    this.count = this.start.length;
    this.end = Math.max(1, this.meta.end);
    this.lanes = this.meta.lanes;
    this.actors = new Map();
    this.unitMs = this.meta.unit_ns / 1e6;
    this.offsets();
    this.byLane();
    this.mask = null;
    this.states = new Map();
    this.byKey = null;
  }

  // Where each operation's steps begin.
  offsets() {
    this.firstStep = new Uint32Array(this.count + 1);
    let sum = 0;
    for (let i = 0; i < this.count; i++) {
      this.firstStep[i] = sum;
      sum += this.steps[i];
    }
    this.firstStep[this.count] = sum;
  }

  // The operations of each lane, in order of their begin.
  byLane() {
    const lanes = this.lanes.length;
    const first = new Uint32Array(lanes + 1);
    for (let i = 0; i < this.count; i++) first[this.lane[i] + 1]++;
    for (let l = 0; l < lanes; l++) first[l + 1] += first[l];
    const next = first.slice();
    this.laneOps = new Uint32Array(this.count);
    for (let i = 0; i < this.count; i++) this.laneOps[next[this.lane[i]]++] = i;
    this.laneFirst = first;
    let longest = 0;
    for (let i = 0; i < this.count; i++) {
      const took = this.duration[i];
      if (took !== NONE && took > longest) longest = took;
    }
    this.longest = longest;
  }

  f(i) { return this.flags[i] & 3; }
  ending(i) { return (this.flags[i] >> 2) & 3; }
  source(i) { return (this.flags[i] >> 4) & 3; }
  isStale(i) { return this.stale[i] > 0; }
  endOf(i) { return this.duration[i] === NONE ? this.end : this.start[i] + this.duration[i]; }
  shown(i) { return this.mask === null || this.mask[i] === 1; }

  // The first operation that begins at or after a time.
  firstAt(time) {
    let low = 0, high = this.count;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.start[middle] < time) low = middle + 1; else high = middle;
    }
    return low;
  }

  firstOfLane(lane, time) {
    let low = this.laneFirst[lane], high = this.laneFirst[lane + 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.start[this.laneOps[middle]] < time) low = middle + 1; else high = middle;
    }
    return low;
  }

  functionName(i) { return ["read", "write", "other"][this.f(i)]; }
  endingName(i) { return ["ok", "failed", "unknown"][this.ending(i)]; }
  sourceName(i) { return ["", "cache", "replica", "primary"][this.source(i)]; }

  valueText(i) {
    const value = this.value[i];
    if (value === NONE) return "";
    return this.flags[i] & 64 ? this.meta.values[value] : String(value);
  }

  versionText(version) {
    if (version === NONE) return "";
    return version === 0 ? "nothing" : "v" + version;
  }

  who(i) {
    return this.laneName(this.lane[i]);
  }

  // Who is at a lane: by the name that the story in sight gives, as the picture
  // and the steps above do, and as a client.
  laneName(lane) {
    const actor = this.actors.get(lane);
    return actor ? actor + " (" + this.lanes[lane] + ")" : this.lanes[lane];
  }

  // A step of operation i in words.
  step(i, s) {
    const [site, verb, other] = this.meta.verbs[this.stepVerb[s]] || ["client", "?", false];
    const key = other ? this.beside[i] : this.key[i];
    const reply = this.stepReply[s];
    const version = this.stepVersion[s];
    const begin = this.start[i] + this.stepStart[s];
    const end = this.stepDuration[s] === NONE ? null : begin + this.stepDuration[s];
    let answer = ["no answer", "", "miss", "ok", "refused", "", "gap"][reply];
    if (reply === REPLY_FOUND) answer = this.versionText(version) || "found";
    if (reply === REPLY_FAILED) answer = "error: " + (this.meta.errors[version] || "");
    const stores = verb === "SET" || verb === "UPDATE" || verb === "INSERT";
    const written = stores && version !== NONE && reply !== REPLY_FAILED;
    return {
      op: i, at: s, key, site, verb, reply, begin, end, answer,
      version: reply === REPLY_FAILED ? NONE : version,
      call: verb + (verb === "SELECT" ? " " + site : "") + " " + (key === NONE ? "" : key) +
        (written ? " = " + this.versionText(version) : ""),
      short: verb + (written ? "=" + this.versionText(version)
        : reply === REPLY_DONE ? "" : "→" + answer),
    };
  }

  // A transaction has two keys.
  keyText(i) {
    if (this.key[i] === NONE) return "";
    return this.key[i] + (this.beside[i] === NONE ? "" : " and " + this.beside[i]);
  }

  // ` = v2`, ` → v1 and v2`: what an operation wrote or read, if it is known.
  outcomeText(i) {
    if (this.version[i] === NONE) return "";
    const beside = this.beside[i] === NONE || this.besideVersion[i] === NONE ? ""
      : " and " + this.versionText(this.besideVersion[i]);
    return (this.f(i) === WRITE ? " = " : " → ") + this.versionText(this.version[i]) + beside;
  }

  stepsOf(i) {
    const steps = [];
    for (let s = this.firstStep[i]; s < this.firstStep[i + 1]; s++) steps.push(this.step(i, s));
    return steps;
  }

  // Operations of a key, found once for all keys.
  opsOfKey(key) {
    if (this.byKey === null) {
      this.byKey = new Map();
      for (let i = 0; i < this.count; i++) {
        for (const of of [this.key[i], this.beside[i]]) {
          if (of === NONE) continue;
          const list = this.byKey.get(of);
          if (list) list.push(i); else this.byKey.set(of, [i]);
        }
      }
    }
    return this.byKey.get(key) || [];
  }

  // What each store held under a key, as far as steps saw it: pieces of
  // { from, to, version, old, sure } for cache, replica and primary.
  stateOf(key) {
    if (this.states.has(key)) return this.states.get(key);
    const seen = { cache: [], replica: [], primary: [] };
    const steps = [];
    for (const i of this.opsOfKey(key)) {
      for (const step of this.stepsOf(i)) {
        if (step.key !== key) continue;
        steps.push(step);
        const list = seen[step.site];
        if (!list || step.end === null || step.verb.includes(" ")) continue;
        if (step.reply === REPLY_FOUND || step.reply === REPLY_MISS) {
          list.push({ at: step.end, version: step.reply === REPLY_MISS ? 0 : step.version, change: false });
        } else if (step.reply === REPLY_DONE) {
          list.push({ at: step.end, version: step.version === NONE ? 0 : step.version, change: true });
        }
      }
    }
    steps.sort((a, b) => a.begin - b.begin || a.at - b.at);
    const newer = [];
    for (const look of seen.primary.sort((a, b) => a.at - b.at)) {
      const last = newer.length ? newer[newer.length - 1].version : 0;
      if (look.change && look.version > last) newer.push(look);
    }
    this.addByPosition(seen, key);
    const state = { steps };
    for (const site of SITES) state[site] = this.pieces(seen[site], newer);
    this.states.set(key, state);
    return state;
  }

  // Reads of the replica, whatever their key, with how far it had replayed
  // the log: pairs of a time and a position, in order of time.
  replicaLooks() {
    if (this.looks) return this.looks;
    const looks = [];
    const isReplica = this.meta.verbs.map(([site]) => site === "replica");
    for (let i = 0; i < this.count; i++) {
      for (let s = this.firstStep[i]; s < this.firstStep[i + 1]; s++) {
        if (!isReplica[this.stepVerb[s]] || this.stepLsn[s] === 0 || this.stepDuration[s] === NONE) continue;
        looks.push([this.start[i] + this.stepStart[s] + this.stepDuration[s], this.stepLsn[s]]);
      }
    }
    this.looks = looks.sort((a, b) => a[0] - b[0]);
    return this.looks;
  }

  // What the replica must have held of a key when other keys were read from
  // it. A write's position is that of its row, its commit follows: what looks
  // at the key itself contradict is left out.
  addByPosition(seen, key) {
    const writes = [];
    for (const i of this.opsOfKey(key)) {
      for (let s = this.firstStep[i]; s < this.firstStep[i + 1]; s++) {
        const [site, , other] = this.meta.verbs[this.stepVerb[s]] || ["", "", false];
        if ((other ? this.beside[i] : this.key[i]) !== key) continue;
        if (site === "primary" && this.stepReply[s] === REPLY_DONE && this.stepVersion[s] !== NONE && this.stepLsn[s]) {
          writes.push([this.stepVersion[s], this.stepLsn[s]]);
        }
      }
    }
    writes.sort((a, b) => a[0] - b[0]);
    // After a failover the log counts anew.
    if (writes.length === 0 || writes.some((write, at) => at > 0 && write[1] <= writes[at - 1][1])) return;
    const own = seen.replica.sort((a, b) => a.at - b.at);
    const added = [];
    let at = 0;
    for (const [time, position] of this.replicaLooks()) {
      while (at < own.length && own[at].at <= time) at++;
      let low = 0, high = writes.length;
      while (low < high) {
        const middle = (low + high) >> 1;
        if (writes[middle][1] <= position) low = middle + 1; else high = middle;
      }
      if (low === 0) continue;
      const version = writes[low - 1][0];
      const before = at > 0 ? own[at - 1].version : 0;
      const after = at < own.length && own[at].version > 0 ? own[at].version : NONE;
      const last = added[added.length - 1];
      if (version < before || version > after) continue;
      // Of many that say the same, the first and the last are enough.
      if (last && last.version === version && added.length > 1 && added[added.length - 2].version === version) last.at = time;
      else added.push({ at: time, version, change: false });
    }
    seen.replica = own.concat(added);
  }

  pieces(seen, newer) {
    seen.sort((a, b) => a.at - b.at);
    const pieces = [];
    for (let i = 0; i < seen.length; i++) {
      const next = seen[i + 1];
      const to = next ? next.at : this.end;
      const sure = !next || next.change || next.version === seen[i].version;
      const last = pieces[pieces.length - 1];
      if (last && sure && last.sure && last.version === seen[i].version) last.to = to;
      else pieces.push({ from: seen[i].at, to, version: seen[i].version, sure });
    }
    const aged = [];
    for (const piece of pieces) {
      const over = piece.version > 0 ? newer.find((n) => n.version > piece.version) : null;
      const since = over ? over.at : Infinity;
      if (piece.from < since) aged.push({ ...piece, to: Math.min(piece.to, since), old: false });
      if (piece.to > since) aged.push({ ...piece, from: Math.max(piece.from, since), old: true });
    }
    return aged;
  }

  held(pieces, time) {
    const piece = pieces.find((p) => p.from <= time && time < p.to);
    if (!piece) return "not known";
    if (!piece.sure) return "not known";
    if (piece.version === 0) return "empty";
    return "v" + piece.version + (piece.old ? " (old)" : "");
  }

  // A time in words, counted from the run's begin or from another time.
  time(units, from = 0) { return duration((units - from) * this.unitMs); }
}

// Milliseconds in words.
function duration(ms) {
  const sign = ms < 0 ? "−" : "";
  const n = Math.abs(ms);
  if (n === 0) return "0 ms";
  if (n < 1) return sign + Math.round(n * 1000) + " µs";
  if (n < 10) return sign + n.toFixed(2) + " ms";
  if (n < 1000) return sign + n.toFixed(n < 100 ? 1 : 0) + " ms";
  return sign + (n / 1000).toFixed(n < 10000 ? 3 : 2) + " s";
}
