// What is drawn when few enough operations are in sight: boxes with their
// steps, the story of an anomaly, and what the stores held.

function hatch(chart) {
  if (chart.hatchFill) return chart.hatchFill;
  const tile = document.createElement("canvas");
  tile.width = tile.height = 6;
  const ctx = tile.getContext("2d");
  ctx.strokeStyle = chart.c.failed;
  ctx.beginPath();
  ctx.moveTo(0, 6);
  ctx.lineTo(6, 0);
  ctx.stroke();
  chart.hatchFill = chart.ctx.createPattern(tile, "repeat");
  return chart.hatchFill;
}

function drawBoxes(chart) {
  const { model } = chart;
  const drawn = new Set();
  for (let i = chart.first; i < chart.last; i++) {
    if (model.shown(i)) drawBox(chart, i, drawn);
  }
  for (const i of chart.open) if (i < chart.first && model.shown(i)) drawBox(chart, i, drawn);
}

// From left to right, where an operation is drawn.
function boxSpan(chart, i) {
  const { model } = chart;
  const left = chart.even ? chart.xOfPlace(i) : chart.x(model.start[i]);
  const right = chart.even ? Math.max(chart.xOfPlace(i + 0.8), chart.x(model.endOf(i))) : chart.x(model.endOf(i));
  return [left, Math.max(left + 1.5, right)];
}

function drawBox(chart, i) {
  const { ctx, model, c } = chart;
  const [left, right] = boxSpan(chart, i);
  if (right < LEFT || left > LEFT + chart.plotW) return;
  const top = chart.lanesTop + model.lane[i] * chart.laneH + 1;
  const height = chart.laneH - 3;
  const has = trait(model, i);
  const colour = has === HAS_STALE ? c.stale : has === HAS_LOST ? c.failed : has === HAS_WRITE ? c.write : c.read;
  const told = chart.story && chart.story.set.has(i);
  ctx.globalAlpha = chart.story && !told ? 0.22 : 1;
  const wide = right - left > 26;
  ctx.fillStyle = has === HAS_LOST ? hatch(chart) : colour;
  ctx.globalAlpha *= wide && has !== HAS_LOST ? 0.3 : 1;
  ctx.fillRect(left, top, right - left, height);
  ctx.globalAlpha = chart.story && !told ? 0.22 : 1;
  ctx.strokeStyle = colour;
  if (wide || has === HAS_LOST) {
    ctx.beginPath();
    // What nobody knows has no right edge.
    if (model.ending(i) === 2) {
      ctx.moveTo(right, top + 0.5);
      ctx.lineTo(left + 0.5, top + 0.5);
      ctx.lineTo(left + 0.5, top + height);
      ctx.lineTo(right, top + height);
    } else {
      ctx.rect(left + 0.5, top + 0.5, right - left - 1, height - 1);
    }
    ctx.stroke();
  }
  if (has === HAS_STALE && right - left > 3) {
    ctx.fillStyle = c.stale;
    ctx.fillRect(left, top, 3, height);
  }
  if (wide) drawSteps(chart, i, top, height);
  if (i === chart.selected) {
    ctx.globalAlpha = 1;
    ctx.strokeStyle = c.ink;
    ctx.lineWidth = 2;
    ctx.strokeRect(left - 1, top - 1, right - left + 2, height + 2);
    ctx.lineWidth = 1;
  }
  ctx.globalAlpha = 1;
}

function drawSteps(chart, i, top, height) {
  const { ctx, model, c } = chart;
  const tall = height > 13;
  for (const step of model.stepsOf(i)) {
    const from = chart.x(step.begin);
    const to = Math.max(from + 1, step.end === null ? chart.x(model.endOf(i)) : chart.x(step.end));
    ctx.fillStyle = c[step.site];
    ctx.fillRect(from, top + height - 4, to - from, 3);
    if (tall && to - from > 24) {
      ctx.save();
      ctx.beginPath();
      ctx.rect(from, top, to - from - 1, height);
      ctx.clip();
      ctx.fillStyle = c.ink;
      ctx.font = "10px ui-monospace, monospace";
      ctx.fillText(step.short, from + 3, top + (height - 3) / 2);
      ctx.restore();
      ctx.font = "11px system-ui, sans-serif";
    }
  }
}

// The operations of the current anomaly, with an arrow along the way of the
// wrong value: from the operations that carried it to the one that read it.
// The write that had overtaken it is no part of that way.
function drawStory(chart) {
  const { story, ctx, model, c } = chart;
  if (!story) return;
  ctx.strokeStyle = c.stale;
  ctx.fillStyle = c.stale;
  const spots = [];
  for (const i of story.ops) {
    const [left, right] = boxSpan(chart, i);
    const top = chart.lanesTop + model.lane[i] * chart.laneH;
    ctx.lineWidth = i === story.guilty ? 2 : 1;
    ctx.strokeRect(left - 2, top, Math.max(5, right - left + 4), chart.laneH - 1);
    spots.push({ i, left, right, top, middle: top + chart.laneH / 2 });
  }
  ctx.lineWidth = 1.5;
  const wrong = story.guilty === null ? NONE : model.version[story.guilty];
  const way = wrong === NONE ? [] : spots.filter((spot) => model.version[spot.i] === wrong);
  for (let n = 1; n < way.length; n++) {
    const [a, b] = [way[n - 1], way[n]];
    const bend = Math.max(12, (b.left - a.right) / 2);
    ctx.beginPath();
    ctx.moveTo(a.right + 2, a.middle);
    ctx.bezierCurveTo(a.right + bend, a.middle, b.left - bend, b.middle, b.left - 4, b.middle);
    ctx.stroke();
    arrowHead(ctx, b.left - 3, b.middle);
  }
  ctx.lineWidth = 1;
  // What was written in each lane so far, and up to where.
  const free = new Map();
  for (const spot of spots) {
    const text = storyText(chart, spot.i);
    const width = ctx.measureText(text).width + 6;
    if (spot.right < LEFT || spot.left > LEFT + chart.plotW) continue;
    // Labels stand right of their box if that leaves room.
    const x = Math.max(spot.right + 5, LEFT + 4);
    if (x > LEFT + chart.plotW - 20) continue;
    const at = x + width > LEFT + chart.plotW ? Math.max(LEFT + 4, spot.left - width - 6) : x;
    const guilty = spot.i === story.guilty;
    if (!guilty && at < (free.get(spot.top) ?? -1e9)) continue;
    ctx.globalAlpha = 0.9;
    ctx.fillStyle = c.paper;
    ctx.fillRect(at - 3, spot.top + 1, width + 1, chart.laneH - 2);
    ctx.globalAlpha = 1;
    ctx.fillStyle = guilty ? c.stale : c.ink;
    ctx.fillText(text, at, spot.middle);
    free.set(spot.top, at + width);
  }
}

function storyText(chart, i) {
  const { model } = chart;
  const filled = model.stepsOf(i).some((step) => step.verb === "SET" && step.reply === REPLY_DONE);
  return model.functionName(i) + " " + model.keyText(i) + model.outcomeText(i) +
    (i === chart.story.guilty ? chart.story.word : filled && model.f(i) === READ ? ", refills the cache" : "");
}

function arrowHead(ctx, x, y) {
  ctx.beginPath();
  ctx.moveTo(x, y);
  ctx.lineTo(x - 7, y - 4);
  ctx.lineTo(x - 7, y + 4);
  ctx.fill();
}

// What each store held under the current key.
function drawStrips(chart) {
  const { model } = chart;
  const state = model.stateOf(chart.key);
  SITES.forEach((site, row) => {
    const top = chart.stripsTop + row * STRIP_H;
    for (const piece of state[site]) {
      if (piece.to < chart.t0 || piece.from > chart.t1) continue;
      const from = Math.max(LEFT, chart.x(piece.from));
      const to = Math.min(LEFT + chart.plotW, chart.x(piece.to));
      if (to - from < 0.3) continue;
      drawPiece(chart, piece, from, to, top);
    }
  });
}

function drawPiece(chart, piece, from, to, top) {
  const { ctx, c } = chart;
  const height = STRIP_H - 3;
  if (piece.sure && piece.version > 0) {
    ctx.fillStyle = piece.old ? c.stale : c.fresh;
    ctx.globalAlpha = piece.old ? 0.35 : 1;
    ctx.fillRect(from, top, to - from, height);
    ctx.globalAlpha = 1;
    ctx.strokeStyle = piece.old ? c.stale : c.dim;
    ctx.beginPath();
    ctx.moveTo(from + 0.5, top);
    ctx.lineTo(from + 0.5, top + height);
    ctx.stroke();
  } else {
    ctx.strokeStyle = c.rule;
    ctx.setLineDash([2, 2]);
    ctx.strokeRect(from + 0.5, top + 0.5, Math.max(1, to - from - 1), height - 1);
    ctx.setLineDash([]);
  }
  const text = !piece.sure ? "?" : piece.version === 0 ? "empty" : "v" + piece.version + (piece.old ? " old" : "");
  const short = piece.sure && piece.version > 0 ? "v" + piece.version : text;
  const fits = (words) => ctx.measureText(words).width + 4 < to - from;
  const shown = fits(text) ? text : fits(short) ? short : "";
  ctx.fillStyle = piece.old ? c.ink : piece.sure && piece.version > 0 ? c.ink : c.dim;
  if (shown) ctx.fillText(shown, from + Math.max(3, (to - from - ctx.measureText(shown).width) / 2), top + height / 2 + 0.5);
}
