// The filter: words that must all hold for an operation to be shown.

const FILTER_HELP = "key:7  client:3  f:write  version:98  value:text  stale  stale>20ms  took>5ms  " +
  "failed  unknown  hit  miss  during:replica-lag  after:2s  before:3s  -word for the opposite";

function parseMs(text) {
  const match = /^([0-9.]+)(us|µs|ms|s)?$/.exec(text);
  if (!match) return null;
  return Number(match[1]) * ({ us: 0.001, "µs": 0.001, ms: 1, s: 1000 }[match[2] || "ms"]);
}

// One word as a test of an operation, or null if it says nothing.
function wordTest(model, word) {
  const plain = {
    stale: (i) => model.stale[i] > 0,
    read: (i) => model.f(i) === READ,
    write: (i) => model.f(i) === WRITE,
    ok: (i) => model.ending(i) === 0,
    failed: (i) => model.ending(i) === 1,
    unknown: (i) => model.ending(i) === 2,
    hit: (i) => model.source(i) === 1,
    miss: (i) => model.source(i) > 1,
  };
  if (Object.hasOwn(plain, word)) return plain[word];
  const pair = /^(key|client|process|f|version|value|during|after|before):(.+)$/.exec(word);
  if (pair) {
    const [, name, text] = pair;
    const number = Number(text.replace(/^v/, ""));
    const ms = parseMs(text);
    const inBand = () => {
      const bands = model.meta.faults.filter((band) => band.fault.includes(text));
      return (i) => bands.some((b) => model.start[i] <= b.to && model.endOf(i) >= b.from);
    };
    return {
      key: () => (i) => model.key[i] === number || model.beside[i] === number,
      client: () => (i) => model.lanes[model.lane[i]] === "client " + text,
      process: () => (i) => model.process[i] === number,
      f: () => (i) => model.functionName(i) === text,
      version: () => (i) => model.version[i] === number,
      value: () => (i) => model.valueText(i).includes(text),
      during: inBand,
      after: () => ms === null ? null : (i) => model.start[i] * model.unitMs >= ms,
      before: () => ms === null ? null : (i) => model.start[i] * model.unitMs <= ms,
    }[name]();
  }
  const compare = /^(stale|took)([<>])(.+)$/.exec(word);
  if (compare) {
    const ms = parseMs(compare[3]);
    if (ms === null) return null;
    const units = ms / model.unitMs;
    const column = compare[1] === "stale" ? model.stale : model.duration;
    return compare[2] === ">"
      ? (i) => column[i] !== NONE && column[i] > units
      : (i) => column[i] > 0 && column[i] < units;
  }
  return null;
}

// Sets the model's mask; returns the words that were not understood and how
// many operations are left.
function applyFilter(model, text) {
  const words = text.trim().split(/\s+/).filter(Boolean);
  const unknown = [];
  const tests = [];
  for (const word of words) {
    const negative = word.startsWith("-");
    const test = wordTest(model, negative ? word.slice(1) : word);
    if (test === null) unknown.push(word);
    else tests.push(negative ? (i) => !test(i) : test);
  }
  if (tests.length === 0) {
    model.mask = null;
    return { unknown, left: model.count };
  }
  const mask = new Uint8Array(model.count);
  let left = 0;
  for (let i = 0; i < model.count; i++) {
    if (tests.every((test) => test(i))) {
      mask[i] = 1;
      left++;
    }
  }
  model.mask = mask;
  return { unknown, left };
}
