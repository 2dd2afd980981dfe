// Columns out of the page: base64, zlib, byte planes, and running sums for
// what was stored as differences.

const NONE = 0xffffffff;

async function inflate(text) {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function unshuffle(planes, width) {
  if (width === 1) return planes;
  const count = planes.length / width;
  const column = width === 4 ? new Uint32Array(count) : new Uint16Array(count);
  const bytes = new Uint8Array(column.buffer);
  for (let plane = 0; plane < width; plane++) {
    const from = plane * count;
    for (let i = 0, at = plane; i < count; i++, at += width) bytes[at] = planes[from + i];
  }
  return column;
}

async function column(name, width) {
  const element = document.getElementById("c-" + name);
  const planes = await inflate(element.textContent);
  element.remove();
  return unshuffle(planes, width);
}

async function decode() {
  const meta = JSON.parse(document.getElementById("meta").textContent);
  const widths = {
    start: 4, duration: 4, lane: 2, process: 4, flags: 1, key: 4, beside: 4, version: 4, besideVersion: 4, value: 4, stale: 4,
    steps: 2, stepStart: 4, stepDuration: 4, stepVerb: 1, stepReply: 1, stepVersion: 4, stepLsn: 4,
  };
  // Only a page that does not carry all operations has an outline of the rest.
  if (meta.rest) Object.assign(widths, { rest: 1, restCloud: 1 });
  const names = Object.keys(widths);
  const columns = await Promise.all(names.map((name) => column(name, widths[name])));
  const data = { meta };
  names.forEach((name, i) => { data[name] = columns[i]; });
  const start = data.start;
  for (let i = 1; i < start.length; i++) start[i] += start[i - 1];
  return data;
}
