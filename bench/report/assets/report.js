"use strict";
(() => {
  const page = JSON.parse(document.getElementById("data").textContent);
  const dashes = [[], [7, 4], [2, 3]];
  const css = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  // What the reader has chosen, which outlives drawing a plot anew.
  const state = new Map(page.charts.map(c => [c.id, {log: !!c.log, hidden: new Set()}]));
  const plots = new Map();
  const mib = 1 << 20;

  // number writes a value as short as its size allows.
  function number(v) {
    if (v == null) return "–";
    const a = Math.abs(v);
    if (a !== 0 && a < 0.001) return v.toExponential(1);
    const digits = a >= 100 ? 0 : a >= 10 ? 1 : a >= 1 ? 2 : 3;
    return v.toLocaleString("en", {maximumFractionDigits: digits});
  }

  // tick keeps the steps of an axis apart from each other.
  function tick(v, step) {
    const a = Math.abs(v);
    if (a >= 1e6) return (v / 1e6).toLocaleString("en", {maximumFractionDigits: step < 1e5 ? 2 : 1}) + " M";
    if (a >= 1e4) return (v / 1e3).toLocaleString("en", {maximumFractionDigits: step < 100 ? 2 : step < 1000 ? 1 : 0}) + " k";
    return v.toLocaleString("en", {maximumFractionDigits: 4});
  }

  const pad = n => String(n).padStart(2, "0");
  function clock(s) {
    const whole = Math.round(s);
    if (page.end < 120) return number(s);
    const h = Math.floor(whole / 3600), m = Math.floor(whole / 60) % 60;
    return h > 0 ? h + ":" + pad(m) + ":" + pad(whole % 60) : m + ":" + pad(whole % 60);
  }
  const clockUnit = page.end < 120 ? "s" : page.end < 3600 ? "min:s" : "h:min:s";
  const share = x => +(100 * (1 - 1 / x)).toFixed(6) + " %";

  // Axes of decades: a label at each power of ten alone.
  const decades = (u, splits) => splits.map(v => {
    const l = Math.log10(v);
    return Math.abs(l - Math.round(l)) < 1e-6 ? v : null;
  });

  function axisSize(u, values, axis, cycle) {
    const a = u.axes[axis];
    if (cycle > 1) return a._size;
    const longest = (values || []).reduce((n, v) => Math.max(n, v ? String(v).length : 0), 1);
    return a.ticks.size + a.gap + 7 * longest + 4;
  }

  // shade marks the warm-up and the drain, which are no part of the figures.
  function shade(u, from, to, name) {
    const left = Math.max(u.valToPos(from, "x", true), u.bbox.left);
    const right = Math.min(u.valToPos(to, "x", true), u.bbox.left + u.bbox.width);
    if (right - left < 1) return;
    const r = devicePixelRatio;
    u.ctx.save();
    u.ctx.fillStyle = css("--shade");
    u.ctx.fillRect(left, u.bbox.top, right - left, u.bbox.height);
    u.ctx.fillStyle = css("--dim");
    u.ctx.font = 11 * r + "px system-ui, sans-serif";
    u.ctx.textAlign = "left";
    u.ctx.textBaseline = "top";
    if (u.ctx.measureText(name).width + 6 * r < right - left) u.ctx.fillText(name, left + 3 * r, u.bbox.top + 3 * r);
    u.ctx.restore();
  }

  function options(chart, width) {
    const chosen = state.get(chart.id), log = chosen.log, timed = !!chart.axis;
    const common = {stroke: css("--dim"), grid: {stroke: css("--grid"), width: 1}, ticks: {stroke: css("--grid"), size: 5, width: 1}, font: "12px system-ui, sans-serif", labelFont: "12px system-ui, sans-serif"};
    const x = timed ? {
      ...common, label: "time from the start (" + clockUnit + ")", labelSize: 18, size: 30, space: 60,
      incrs: [1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800],
      values: (u, splits) => splits.map(clock),
    } : {
      ...common, label: "share of requests", labelSize: 18, size: 30, space: 45,
      splits: u => Array.from({length: 9}, (_, i) => 10 ** i).flatMap(v => v === 1 ? [1, 2] : [v]).filter(v => v <= u.scales.x.max),
      filter: (u, splits) => splits, values: (u, splits) => splits.map(v => v == null ? "" : share(v)),
    };
    const y = {...common, label: chart.unit, labelSize: 18, size: axisSize, values: (u, splits, axis, space, step) => splits.map(v => v == null ? "" : tick(v, log ? v : step))};
    if (log) y.filter = decades;
    const hooks = {drawAxes: [u => {
      if (!timed) return;
      if (page.warmup > 0) shade(u, 0, page.warmup, "warm-up");
      if (page.end > page.drain) shade(u, page.drain, page.end, "drain");
    }]};
    const whole = (u, min, max) => {
      const xs = u.data[0];
      return min == null || min === xs[0] && max === xs[xs.length - 1] ? [0, Math.max(page.end, 1)] : [min, max];
    };
    return {
      width, height: 250, hooks,
      padding: [10, timed ? 14 : 26, 0, 0],
      scales: {
        x: timed ? {time: false, range: whole} : {time: false, distr: 3, log: 10, range: (u, min, max) => [1, Math.max(max, 10)]},
        y: log ? {distr: 3, log: 10, range: (u, min, max) => max > 0 ? uPlot.rangeLog(min, max, 10, false) : [0.1, 1]}
               : {range: (u, min, max) => [0, max > 0 ? uPlot.rangeNum(0, max, 0.08, true)[1] : 1]},
      },
      axes: [x, y],
      cursor: timed ? {y: false, sync: {key: "time", scales: ["x", null], setSeries: false}, drag: {x: true, y: false}, points: {size: 6}} : {y: false, drag: {x: false, y: false}, points: {size: 6}},
      legend: {markers: {width: 2}},
      series: [
        {label: timed ? "at" : "share", value: (u, v) => v == null ? "–" : timed ? clock(v) : share(v)},
        ...chart.series.map((s, i) => ({
          label: s.label, stroke: css("--c" + s.color) + (s.wide ? "66" : ""), width: s.wide ? 5 : 1.6, dash: dashes[s.dash || 0], show: !chosen.hidden.has(i), points: {show: false}, spanGaps: !timed,
          value: (u, v) => number(v),
        })),
      ],
    };
  }

  // keys makes the names in the legend work without a mouse.
  function keys(u, chart) {
    const rows = [...u.root.querySelectorAll(".u-legend .u-series")];
    rows.forEach((row, i) => {
      const name = row.querySelector("th");
      if (i === 0) return;
      name.tabIndex = 0;
      name.setAttribute("role", "button");
      name.title = "show or hide";
      const tell = () => name.setAttribute("aria-pressed", String(u.series[i].show));
      tell();
      name.addEventListener("keydown", e => {
        if (e.key !== "Enter" && e.key !== " ") return;
        e.preventDefault();
        u.setSeries(i, {show: !u.series[i].show});
      });
      u.hooks.setSeries = u.hooks.setSeries || [];
      u.hooks.setSeries.push((_, at) => {
        if (at !== i) return;
        tell();
        state.get(chart.id).hidden[u.series[i].show ? "delete" : "add"](i - 1);
      });
    });
  }

  // spoken says in words what a plot shows.
  function spoken(chart, data) {
    const parts = chart.series.map((s, i) => {
      const values = data[i + 1].filter(v => v != null);
      return s.label + " from " + number(Math.min(...values)) + " to " + number(Math.max(...values));
    });
    return "Plot of " + chart.title + " in " + chart.unit + ": " + parts.join("; ");
  }

  function draw(chart) {
    const figure = document.getElementById("chart-" + chart.id), target = figure.querySelector(".plot");
    const scale = chart.bytes ? v => v == null ? null : v / mib : v => v;
    const data = [chart.axis ? page.axes[chart.axis] : chart.x, ...chart.series.map(s => s.values.map(scale))];
    const old = plots.get(chart.id);
    if (old) old.destroy();
    const u = new uPlot(options(chart, Math.floor(target.clientWidth)), data, target);
    plots.set(chart.id, u);
    keys(u, chart);
    const canvas = u.root.querySelector("canvas");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", spoken(chart, data));
  }

  const drawAll = () => page.charts.forEach(draw);

  for (const chart of page.charts) {
    const figure = document.getElementById("chart-" + chart.id), button = figure.querySelector("button");
    if (button) button.addEventListener("click", () => {
      const chosen = state.get(chart.id);
      chosen.log = !chosen.log;
      button.setAttribute("aria-pressed", String(chosen.log));
      draw(chart);
    });
  }
  drawAll();

  const fit = () => plots.forEach(u => {
    const width = Math.floor(u.root.parentNode.clientWidth);
    if (width > 0 && width !== u.width) u.setSize({width, height: u.height});
  });
  new ResizeObserver(fit).observe(document.querySelector("main"));
  // Colours are painted into the plots: on another scheme, and on paper, which is always light, they are painted anew.
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  matchMedia("print").addEventListener("change", drawAll);
  addEventListener("beforeprint", drawAll);
  addEventListener("afterprint", drawAll);
})();
