// The plots under the lanes, over the same axis.

function drawPanels(chart) {
  for (const panel of chart.panels) {
    if (panel.nothing) panel.note = panel.nothing;
    else PANEL_DRAW[panel.id](chart, panel);
  }
  drawTitles(chart);
}

// Titles and scales stand left of the plots, outside their clip.
function drawTitles(chart) {
  const { ctx, c } = chart;
  ctx.restore();
  ctx.save();
  ctx.textAlign = "left";
  for (const panel of chart.panels) {
    ctx.fillStyle = c.ink;
    ctx.fillText(panel.title + (panel.note || ""), LEFT, panel.top - 8);
    ctx.strokeStyle = c.rule;
    ctx.beginPath();
    ctx.moveTo(LEFT, panel.bottom + 0.5);
    ctx.lineTo(LEFT + chart.plotW, panel.bottom + 0.5);
    ctx.stroke();
    ctx.fillStyle = c.dim;
    ctx.textAlign = "right";
    ctx.fillText(panel.high || "", LEFT - 6, panel.top + 4);
    ctx.fillText(panel.low || "", LEFT - 6, panel.bottom - 4);
    ctx.textAlign = "left";
  }
  if (chart.key !== null) {
    ctx.fillStyle = c.ink;
    ctx.fillText("what the stores held under key " + chart.key + " (red: overtaken by the primary)",
      LEFT, chart.stripsTop - 9);
    ctx.textAlign = "right";
    SITES.forEach((site, row) => {
      ctx.fillStyle = c[site];
      ctx.fillText(site, LEFT - 8, chart.stripsTop + row * STRIP_H + STRIP_H / 2 - 1);
    });
    ctx.textAlign = "left";
  }
}

const PANEL_DRAW = {
  latency(chart, panel) {
    const { ctx, model, detail, c } = chart;
    panel.low = duration(detail.lowMs);
    panel.high = duration(detail.highMs);
    panel.note = ", by magnitude";
    if (chart.visible <= BOXES) {
      for (let i = chart.first; i < chart.last; i++) {
        if (!model.shown(i) || model.duration[i] === NONE) continue;
        const has = trait(model, i);
        ctx.fillStyle = has === HAS_STALE ? c.stale : has === HAS_LOST ? c.failed
          : has === HAS_WRITE ? c.write : c.read;
        const y = panel.bottom - detail.height(model.duration[i]) * panel.height;
        ctx.fillRect(chart.x(model.start[i]) - 1, y - 1, 2.5, 2.5);
      }
    }
    const { p50_ms, p99_ms } = model.meta.series;
    const y = (ms) => panel.bottom - ((Math.log(Math.max(ms, detail.lowMs)) - detail.logLow) / detail.logSpan) * panel.height;
    seriesLine(chart, p50_ms, y, c.ink, []);
    seriesLine(chart, p99_ms, y, c.dim, [4, 2]);
    panel.note += "; lines: median, and 99 % (dashed)";
  },

  stale(chart, panel) {
    const { ctx, model, c } = chart;
    const worst = model.meta.series.worst_ms;
    const most = Math.max(1, ...worst);
    panel.high = duration(most);
    panel.low = "0";
    panel.note = " of reads";
    ctx.fillStyle = c.stale;
    if (chart.visible <= DIRECT) {
      for (let i = chart.first; i < chart.last; i++) {
        if (model.stale[i] === 0 || !model.shown(i)) continue;
        const height = ((model.stale[i] * model.unitMs) / most) * panel.height;
        ctx.fillRect(chart.x(model.start[i]) - 1, panel.bottom - height - 1, 2, 2);
      }
    } else {
      eachBin(chart, (bin, left, right) => {
        const height = (worst[bin] / most) * panel.height;
        ctx.fillRect(left, panel.bottom - height, Math.max(1, right - left), height);
      });
    }
  },

  rate(chart, panel) {
    const { model, c } = chart;
    const { reads, writes, failed, bin_ms } = model.meta.series;
    const most = Math.max(1, ...reads, ...writes);
    const y = (count) => panel.bottom - (count / most) * panel.height;
    panel.high = String(Math.round((most * 1000) / bin_ms));
    panel.low = "0";
    seriesLine(chart, reads, y, c.read, []);
    seriesLine(chart, writes, y, c.write, []);
    if (failed.some((count) => count > 0)) seriesLine(chart, failed, y, c.failed, [4, 2]);
  },

  lag(chart, panel) {
    const { model, c } = chart;
    const lag = model.meta.series.lag_ms;
    const most = Math.max(1, ...lag);
    panel.high = duration(most);
    panel.low = "0";
    panel.note = ", when it was read";
    seriesLine(chart, lag, (ms) => panel.bottom - (ms / most) * panel.height, c.replica, []);
  },

  hits(chart, panel) {
    const { model, c } = chart;
    const { sourced, hits } = model.meta.series;
    panel.high = "100 %";
    panel.low = "0 %";
    const share = sourced.map((count, bin) => (count > 0 ? hits[bin] / count : -1));
    seriesLine(chart, share, (value) => panel.bottom - value * panel.height, c.cache, []);
  },
};

// Calls back for each bin in sight with its left and right end.
function eachBin(chart, call) {
  const { model } = chart;
  const bins = model.meta.bins;
  const width = model.end / bins;
  const first = Math.max(0, Math.floor(chart.t0 / width) - 1);
  const last = Math.min(bins - 1, Math.ceil(chart.t1 / width));
  for (let bin = first; bin <= last; bin++) call(bin, chart.x(bin * width), chart.x((bin + 1) * width));
}

// A line through the middles of bins; negative values break it.
function seriesLine(chart, values, y, colour, dash) {
  const { ctx } = chart;
  ctx.strokeStyle = colour;
  ctx.setLineDash(dash);
  ctx.beginPath();
  let pen = false;
  eachBin(chart, (bin, left, right) => {
    if (values[bin] < 0) {
      pen = false;
      return;
    }
    const x = (left + right) / 2;
    if (pen) ctx.lineTo(x, y(values[bin]));
    else {
      // A value alone among gaps is seen as a short dash.
      ctx.moveTo(x - 1.5, y(values[bin]));
      ctx.lineTo(x + 1.5, y(values[bin]));
    }
    pen = true;
  });
  ctx.stroke();
  ctx.setLineDash([]);
}
