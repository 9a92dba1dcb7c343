// Plots of recorded points with uPlot: one plot a unit, one time axis, one cursor. Lines are told apart by dash and
// weight, not by colour; bands are least to most; gaps are hatched and never bridged.

import uPlot from "../vendor/uplot/uPlot.esm.js";
import { h } from "../lib/dom.js";
import { known, number, shown } from "../lib/format.js";
import { gapsOf } from "./series.js";

export const STYLES = [
  { width: 1.6, dash: [], soft: false },
  { width: 2.8, dash: [], soft: true },
  { width: 1.6, dash: [5, 3], soft: false },
  { width: 1.8, dash: [2, 3], soft: true },
  { width: 1.6, dash: [10, 4], soft: false },
  { width: 1.8, dash: [8, 3, 2, 3], soft: true },
];

const token = (name) => {
  const probe = document.createElement("span");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const color = getComputedStyle(probe).color;
  probe.remove();
  return color;
};

/** Series of one unit under one heading: `[{unit, list: [{name, label, style, t, min, mean, max}]}]`. */
export function grouped(series, names, labels) {
  const groups = new Map();
  for (const name of names) {
    const one = series[name];
    if (!one) continue;
    const [unit, factor, decimals] = shown(name, one.unit);
    const group = groups.get(unit) ?? { unit, decimals, list: [] };
    const scaled = (values) => values.map((value) => (known(value) ? value * factor : null));
    group.list.push({
      name,
      label: labels(name),
      style: STYLES[group.list.length % STYLES.length],
      t: one.t,
      min: scaled(one.min),
      mean: scaled(one.mean),
      max: scaled(one.max),
    });
    groups.set(unit, group);
  }
  return [...groups.values()];
}

/** Where rows are missing altogether a row of nulls is put in, so that no line crosses it. */
function withGaps({ t, min, mean, max }, stepMs) {
  const made = [[], [], [], []]; // time, most, least, mean: a band is drawn with its upper edge, so below the line
  t.forEach((ms, index) => {
    if (index > 0 && ms - t[index - 1] > 2.5 * stepMs)
      [t[index - 1] + stepMs, null, null, null].forEach((value, row) => made[row].push(row ? value : value / 1000));
    [ms / 1000, max[index], min[index], mean[index]].forEach((value, row) => made[row].push(value ?? null));
  });
  return made;
}

/** One plot. `on`: `{zoom(from, to), wider(), cursor(ms)}`; `range` in ms. */
export function plot(group, { range, stepMs, width, height, time, on, axis }) {
  const colors = {
    ink: token("--ink"),
    soft: token("--flow"),
    band: token("--fill"),
    grid: token("--line"),
    text: token("--ink-3"),
    card: token("--card"),
    hatch: token("--line"),
  };
  const place = h(
    "div.plot",
    { role: "img", "aria-label": inWords(group) },
    h(
      "p.hd",
      title(group),
      " ",
      h("span", group.unit ? `${group.unit}${spread(group) ? ", mean; band: least to most" : ""}` : ""),
    ),
  );
  const data = uPlot.join(group.list.map((one) => withGaps(one, stepMs)));
  const options = {
    width,
    height: height + (axis ? 30 : 8),
    pxAlign: 1,
    padding: [10, 0, 0, 0],
    legend: { show: false },
    tzDate: (seconds) => shifted(seconds, time),
    cursor: {
      sync: { key: "trends" },
      drag: { x: true, y: false, setScale: false },
      bind: { dblclick: () => () => on.wider() },
      points: { size: 7, fill: colors.card, stroke: colors.ink, width: 1.5 },
    },
    scales: {
      x: { time: true, range: () => [range.from / 1000, range.to / 1000] },
      y: { range: (_, least, most) => bounds(least, most) },
    },
    series: [{}, ...group.list.flatMap((one) => lines(one, colors))],
    bands: group.list.map((_, index) => ({
      series: [3 * index + 1, 3 * index + 2],
      fill: withAlpha(colors.band, 0.6),
    })),
    axes: [timeAxis(colors, time, range, axis), valueAxis(colors, group)],
    hooks: {
      drawAxes: [(u) => hatch(u, commonGaps(group, range), colors)],
      draw: [(u) => names(u, group, colors)],
      setSelect: [(u) => selected(u, on)],
      setCursor: [(u) => on.cursor(u.cursor.left >= 0 ? u.posToVal(u.cursor.left, "x") * 1000 : null)],
    },
  };
  const chart = new uPlot(options, data, place);
  return { place, chart };
}

const spread = (group) =>
  group.list.some((one) => one.mean.some((value, index) => known(value) && one.max[index] - one.min[index] > 1e-9));
const title = (group) =>
  group.list.length === 1
    ? group.list[0].label
    : ({ kW: "Power", "%": "Charge", "ct/kWh": "Prices" }[group.unit] ?? "Values");

function lines(one, colors) {
  const stroke = one.style.soft ? colors.soft : colors.ink;
  const quiet = { stroke: "transparent", width: 0, points: { show: false } };
  const stepped = /^setpoint\.|^mode$|_on$|price/.test(one.name) ? { paths: uPlot.paths.stepped({ align: 1 }) } : {};
  return [quiet, quiet, { stroke, width: one.style.width, dash: one.style.dash, points: { show: false }, ...stepped }];
}

/** A band of its own where nothing moves, and some room above and below. */
function bounds(least, most) {
  if (!known(least) || !known(most)) return [0, 1];
  const room = most - least < 1e-9 ? Math.max(1, Math.abs(most)) * 0.1 : (most - least) * 0.08;
  const low = least >= 0 && least - room < 0 ? 0 : least - room;
  return [low, most + room];
}

/** uPlot reads a Date in the browser's zone: one that shows the plant's local time there. */
function shifted(seconds, time) {
  const local = time.parts(seconds * 1000);
  return new Date(
    local.getUTCFullYear(),
    local.getUTCMonth(),
    local.getUTCDate(),
    local.getUTCHours(),
    local.getUTCMinutes(),
    local.getUTCSeconds(),
    local.getUTCMilliseconds(),
  );
}

function timeAxis(colors, time, range, show) {
  const span = range.to - range.from;
  const say = (ms) => {
    if (span > 2 * 86_400_000)
      return (
        time.day(ms).split(" ").slice(1).join(" ") +
        (span > 300 * 86_400_000 ? ` ${time.parts(ms).getUTCFullYear()}` : "")
      );
    return span < 600_000 ? time.second(ms) : time.minute(ms);
  };
  return {
    stroke: colors.text,
    font: "12px " + font(),
    space: span > 300 * 86_400_000 ? 90 : 64,
    size: show ? 30 : 8,
    gap: 4,
    grid: { stroke: colors.grid, width: 1 },
    ticks: { show: false },
    values: (_, splits) => splits.map((seconds) => (show ? say(seconds * 1000) : "")),
  };
}

function valueAxis(colors, group) {
  const format = (_, splits) => splits.map((value) => number(value, decimals(splits, group.decimals)));
  return {
    side: 1,
    stroke: colors.text,
    font: "12px " + font(),
    size: 46,
    gap: 4,
    space: 34,
    grid: { stroke: colors.grid, width: 1 },
    ticks: { show: false },
    values: format,
  };
}

const decimals = (splits, most) => {
  const step = splits.length > 1 ? Math.abs(splits[1] - splits[0]) : 1;
  return Math.abs(step - Math.round(step)) < 1e-9 && step >= 1
    ? 0
    : Math.min(Math.max(most, 2), Math.max(1, Math.ceil(-Math.log10(step))));
};

const font = () => getComputedStyle(document.body).fontFamily;
const withAlpha = (rgb, alpha) => `rgba(${(rgb.match(/[\d.]+/g) ?? [128, 128, 128]).slice(0, 3).join(", ")}, ${alpha})`;

/** Times in which no line of the plot has a value. */
function commonGaps(group, range) {
  const own = group.list.map((one) =>
    gapsOf(
      one.t.map((ms, index) => ({ ms, value: one.mean[index] })),
      range,
    ),
  );
  return own.reduce((common, gaps) =>
    common
      .flatMap((a) => gaps.map((b) => ({ from: Math.max(a.from, b.from), to: Math.min(a.to, b.to) })))
      .filter(({ from, to }) => to > from),
  );
}

function hatch(u, gaps, colors) {
  const { ctx, bbox } = u;
  for (const gap of gaps) {
    const [x1, x2] = [gap.from, gap.to].map((ms) =>
      Math.max(bbox.left, Math.min(bbox.left + bbox.width, u.valToPos(ms / 1000, "x", true))),
    );
    ctx.save();
    ctx.beginPath();
    ctx.rect(x1, bbox.top, x2 - x1, bbox.height);
    ctx.clip();
    ctx.strokeStyle = colors.hatch;
    ctx.lineWidth = 2 * devicePixelRatio;
    for (let x = x1 - bbox.height; x < x2; x += 9 * devicePixelRatio) {
      ctx.beginPath();
      ctx.moveTo(x, bbox.top + bbox.height);
      ctx.lineTo(x + bbox.height, bbox.top);
      ctx.stroke();
    }
    ctx.restore();
    if (x2 - x1 > 52 * devicePixelRatio)
      text(u, "no data", (x1 + x2) / 2, bbox.top + 14 * devicePixelRatio, "center", colors);
  }
}

/** Names at the lines, where there are several, each above its own line and away from those already written. */
function names(u, group, colors) {
  if (group.list.length < 2) return;
  const taken = [];
  group.list.forEach((one, index) => {
    const at = [0.86, 0.62, 0.4, 0.2, 0.74, 0.5].map((share) =>
      Math.round((one.t.length - 1) * ((share + index * 0.08) % 1)),
    );
    for (const row of at) {
      if (!known(one.mean[row])) continue;
      const x = u.valToPos(one.t[row] / 1000, "x", true);
      const y = Math.max(
        u.bbox.top + 12 * devicePixelRatio,
        u.valToPos(one.mean[row], "y", true) - 10 * devicePixelRatio,
      );
      if (
        x < u.bbox.left + 30 ||
        x > u.bbox.left + u.bbox.width - 60 ||
        taken.some(([a, b]) => Math.abs(a - x) < 90 * devicePixelRatio && Math.abs(b - y) < 18 * devicePixelRatio)
      )
        continue;
      taken.push([x, y]);
      text(u, one.label, x, y, "center", colors);
      return;
    }
  });
}

function text({ ctx }, words, x, y, align, colors) {
  ctx.save();
  ctx.font = `${12 * devicePixelRatio}px ${font()}`;
  ctx.textAlign = align;
  ctx.lineWidth = 4 * devicePixelRatio;
  ctx.strokeStyle = colors.card;
  ctx.strokeText(words, x, y);
  ctx.fillStyle = colors.text;
  ctx.fillText(words, x, y);
  ctx.restore();
}

function selected(u, on) {
  const { left, width } = u.select;
  if (width < 8) return;
  on.zoom(u.posToVal(left, "x") * 1000, u.posToVal(left + width, "x") * 1000);
  u.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
}

/** Least, mean and most of a series: of what is known. */
export function figures(one) {
  const mean = one.mean.filter(known);
  const [least, most] = [one.min.filter(known), one.max.filter(known)];
  const fold = (list, pick) => (list.length ? list.reduce((a, b) => pick(a, b)) : null);
  return {
    least: fold(least, Math.min),
    most: fold(most, Math.max),
    mean: mean.length ? mean.reduce((a, b) => a + b, 0) / mean.length : null,
  };
}

function inWords(group) {
  return group.list
    .map((one) => {
      const { least, most } = figures(one);
      return `${one.label}: ${least === null ? "no data" : `${number(least, group.decimals)} to ${number(most, group.decimals)} ${group.unit}`}`;
    })
    .join("; ");
}
