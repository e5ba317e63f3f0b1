"use strict";
(() => {
  const charts = JSON.parse(document.getElementById("charts").textContent);
  const root = document.documentElement;
  const dashes = [[], [8, 4], [2, 3]];
  const height = 240, printWidth = 310, printHeight = 190;

  // seconds writes a duration as the tables do.
  const seconds = (s) => {
    if (s === null || s === undefined) return "";
    for (const [unit, size] of [["s", 1], ["ms", 1e-3], ["µs", 1e-6]]) {
      if (s >= size) return +(s / size).toPrecision(3) + " " + unit;
    }
    return +(s / 1e-9).toPrecision(3) + " ns";
  };

  // share writes 1/(1-q) as the percentile q.
  const share = (x) => (x <= 1 ? "0" : +(100 * (1 - 1 / x)).toPrecision(8)) + " %";

  const colour = (name) => getComputedStyle(root).getPropertyValue("--" + name).trim();

  const axis = (more) => ({ stroke: colour("quiet"), grid: { stroke: colour("line"), width: 1 }, ticks: { stroke: colour("line") }, font: "12px system-ui, sans-serif", ...more });

  // lines are those of an axis by powers of ten that have a word: 1, 2 and 5 of
  // each power, and of many powers 1 alone.
  const lines = (u, all) => {
    const wide = u.scales.y.max / u.scales.y.min > 2e3;
    const mantissa = (s) => s / 10 ** Math.floor(Math.log10(s) + 1e-9);
    return all.map((s) => ((wide ? [1] : [1, 2, 5]).some((n) => Math.abs(mantissa(s) - n) < 1e-6) ? s : null));
  };

  // decades are the powers of ten that an axis shows.
  const decades = (from, to) => {
    const all = [];
    for (let e = Math.floor(Math.log10(from)); e <= Math.ceil(Math.log10(to)); e++) all.push(10 ** e);
    return all;
  };

  const axes = {
    percentile: (chart) => axis({
      splits: () => {
        const last = chart.data[0][chart.data[0].length - 1] || 10;
        return (last > 2e3 ? [1] : [1, 2]).concat(decades(10, last));
      },
      filter: (u, all) => all,
      values: (u, all) => all.map(share),
    }),
    // The axis names the second of the run at which each round began.
    time: (chart) => axis({
      splits: () => chart.rounds.map(([place]) => place),
      values: () => chart.rounds.map(([, second]) => Math.round(second) + " s"),
    }),
  };

  // marks draws stalls as bands and syncs as lines below the latencies.
  const marks = (chart) => (u) => {
    const { ctx, bbox } = u;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    ctx.fillStyle = colour("stall");
    for (const [from, to] of chart.stalls || []) {
      const x = u.valToPos(from, "x", true);
      ctx.fillRect(x, bbox.top, Math.max(2, u.valToPos(to, "x", true) - x), bbox.height);
    }
    ctx.strokeStyle = colour("sync");
    ctx.setLineDash([3, 3]);
    for (const at of chart.syncs || []) {
      const x = u.valToPos(at, "x", true);
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
    }
    ctx.restore();
  };

  const options = (chart, width, tall) => ({
    width, height: tall, legend: { show: false }, padding: [null, 28, null, null],
    cursor: { show: false },
    scales: { x: { time: false, distr: chart.kind === "percentile" ? 3 : 1 }, y: { distr: 3 } },
    axes: [axes[chart.kind](chart), axis({ filter: lines, values: (u, all) => all.map(seconds), size: 64 })],
    series: [{}].concat(chart.series.map((label, i) => ({
      label, stroke: colour("s" + (i % 6)), width: 2, dash: dashes[i % 3],
      points: { show: chart.kind === "time", size: 4 },
    }))),
    hooks: { drawAxes: [marks(chart)] },
  });

  const drawn = new Map();
  const draw = (place, width, tall) => {
    drawn.get(place)?.destroy();
    if (place.closest("details:not([open])")) { // folded away
      drawn.delete(place);
      return;
    }
    const chart = charts[place.dataset.chart];
    drawn.set(place, new uPlot(options(chart, width, tall), chart.data, place));
  };
  const drawAll = (width, tall) => {
    for (const place of document.querySelectorAll("[data-chart]")) draw(place, width || place.clientWidth, tall || height);
  };

  drawAll();
  addEventListener("toggle", () => {
    for (const place of document.querySelectorAll("[data-chart]")) if (!drawn.has(place)) draw(place, place.clientWidth, height);
  }, true);
  let last = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth === last || root.classList.contains("print")) return;
    last = innerWidth;
    drawAll();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawAll());
  addEventListener("beforeprint", () => {
    root.classList.add("print");
    drawAll(printWidth, printHeight);
  });
  addEventListener("afterprint", () => {
    root.classList.remove("print");
    drawAll();
  });
})();
