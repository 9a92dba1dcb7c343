// The last day and the plan ahead on one time axis: price, power, battery, charge. The future is drawn otherwise than
// the past (other ground, dashed, hollow), and gaps stay gaps.

import { add, s } from "../lib/dom.js";
import { known, number, percent } from "../lib/format.js";
import { drawGaps, line, lineSegments, stepPath } from "./series.js";

const HOUR = 3_600_000;
const BACK_MS = 24 * HOUR;
const AHEAD_MS_MAX = 24 * HOUR;
const RIGHT = 44;

/** Points that the chart asks the history for. */
export const DAY_POINTS = [
  "import_price_eur_per_kwh",
  "electric_load_kw",
  "pv_kw",
  "wind_kw",
  "chp_kw",
  "battery_kw",
  "soc",
];

/** `history`: `{t: [ms], <tag>: [value or null]}` by point; null where there is none yet. */
export function drawDay(svg, link, history, width) {
  const { state } = link;
  const now = link.nowMs();
  const narrow = width < 600;
  const left = narrow ? 0 : 112;
  const plan = state.plan;
  const aheadMs = Math.min(
    AHEAD_MS_MAX,
    Math.max(endOf(plan, longest(plan)), endOf(state.prices?.ahead, state.prices?.ahead?.import?.length)) - now,
  );
  const ends = { from: now - BACK_MS, to: now + Math.max(HOUR, aheadMs) };
  const x = (ms) => left + ((ms - ends.from) / (ends.to - ends.from)) * (width - left - RIGHT);
  const frame = { ...ends, now, x, left, right: width - RIGHT, width, narrow, link };
  const rows = rowsOf(frame, state, history ?? {});
  const height = rows.at(-1).bottom + 28;
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("width", width);
  svg.setAttribute("height", height);
  svg.setAttribute("aria-label", inWords(state, history, link));
  svg.replaceChildren();
  add(svg, [ground(frame, rows), ...rows.map((row) => row.draw()), nowLine(frame, rows, plan)]);
}

const longest = (plan) =>
  Math.max(0, ...["soc", "battery_kw", "chp_kw", "import_price"].map((key) => plan?.[key]?.length ?? 0));

/** When a list of steps ends, ms; 0 where there is none. */
const endOf = (list, count) => (list && count ? list.from_unix_ms + list.step_s * 1000 * count : 0);

function rowsOf(frame, state, history) {
  const plant = state.plant;
  const all = [
    { name: "Price", unit: "ct/kWh, import", height: 46, draw: price },
    { name: "Power", unit: "kW", height: 62, draw: power },
    plant.batteries > 0 && { name: "Battery", unit: "kW, up = charging", height: 40, draw: battery },
    plant.batteries > 0 && { name: "Stored", unit: storedUnit(plant), height: 42, draw: stored },
  ].filter(Boolean);
  let top = 26;
  return all.map((row) => {
    const titled = frame.narrow ? 18 : 0;
    const placed = { ...row, top: top + titled, bottom: top + titled + row.height };
    top = placed.bottom + 12;
    return { ...placed, draw: () => [rowName(frame, placed), row.draw(frame, placed, state, history)] };
  });
}

const storedUnit = (plant) =>
  known(plant.soc_min) ? `% (limits ${number(percent(plant.soc_min), 0)}, ${number(percent(plant.soc_max), 0)})` : "%";

function rowName(frame, row) {
  if (frame.narrow) return s("text.nm", { x: 0, y: row.top - 5 }, row.name, s("tspan.lg", { dx: 5 }, row.unit));
  return [s("text.nm", { x: 0, y: row.top + 12 }, row.name), s("text.lg", { x: 0, y: row.top + 29 }, row.unit)];
}

function ground(frame, rows) {
  const bottom = rows.at(-1).bottom;
  const spanH = (frame.to - frame.from) / HOUR;
  const each = frame.narrow ? 12 : spanH > 30 ? 6 : 3;
  const lines = [];
  const first = frame.link.time.midnight(frame.from);
  for (let at = first; at < frame.to; at += each * HOUR) {
    if (at < frame.from) continue;
    lines.push(
      s("path.gl", { d: `M${frame.x(at)} 20V${bottom}` }),
      s("text.ax", { x: frame.x(at), y: bottom + 18, "text-anchor": "middle" }, frame.link.time.minute(at)),
    );
  }
  return [
    s("rect.pbg", {
      x: frame.x(frame.now),
      y: 20,
      width: Math.max(0, frame.right - frame.x(frame.now)),
      height: bottom - 20,
    }),
    ...lines,
  ];
}

function nowLine(frame, rows, plan) {
  const x = frame.x(frame.now);
  const text = `Now ${frame.link.time.minute(frame.now)}`;
  const half = 40;
  const middle = Math.min(frame.right - half, Math.max(frame.left + half, x));
  const made = plan && `planned at ${frame.link.time.minute(plan.made_unix_ms)} →`;
  return [
    s("path.now", { d: `M${x} 16V${rows.at(-1).bottom + 4}` }),
    s("rect.nowb", { x: middle - half, y: 0, width: 2 * half, height: 18, rx: 3 }),
    s("text.nowt", { x: middle, y: 13 }, text),
    s("text.ax", { x: middle - half - 10, y: 13, "text-anchor": "end" }, "← measured"),
    (plan || frame.to - frame.now > 2 * HOUR) &&
      s(
        "text.ax",
        { x: middle + half + 10, y: 13 },
        made && !frame.narrow ? made : made ? "planned →" : "known ahead, no plan →",
      ),
  ];
}

/** A scale from the least to the most of some values: `{y, least, most}`; null where nothing is known. */
function scaleOf(lists, row, { zero = true, room = 0.06 } = {}) {
  const values = lists.flat().filter(known);
  if (!values.length) return null;
  const least = Math.min(...values, ...(zero ? [0] : []));
  const most = Math.max(...values, ...(zero ? [0] : []));
  const span = Math.max(most - least, 1e-6);
  const y = (value) => row.bottom - ((value - least) / span) * (row.bottom - row.top) * (1 - room);
  return { y, least, most };
}

const planned = (plan, key) =>
  (plan?.[key] ?? []).map((value, index) => ({ ms: plan.from_unix_ms + index * plan.step_s * 1000, value }));
const measured = (history, tag) =>
  history[tag] ? history[tag].t.map((ms, index) => ({ ms, value: history[tag].mean[index] })) : [];
const values = (list) => list.map((one) => one.value);
const axis = (frame, y, text) => s("text.ax", { x: frame.right + 6, y: y + 4 }, text);
const nothing = (frame, row) => s("text.ax", { x: frame.left + 6, y: (row.top + row.bottom) / 2 + 4 }, "no data");
const base = (frame, y) => s("path.base", { d: `M${frame.left} ${y}H${frame.right}` });

/** Where the plan's list of prices is missing, prices known ahead. */
function pricesAhead(state) {
  const own = planned(state.plan, "import_price");
  const ahead = state.prices?.ahead;
  if (own.some((one) => known(one.value)) || !ahead) return { list: own, stepMs: (state.plan?.step_s ?? 900) * 1000 };
  const list = (ahead.import ?? []).map((value, index) => ({
    ms: ahead.from_unix_ms + index * ahead.step_s * 1000,
    value,
  }));
  return { list, stepMs: ahead.step_s * 1000 };
}

function price(frame, row, state, history) {
  const past = measured(history, "import_price_eur_per_kwh");
  const { list: all, stepMs } = pricesAhead(state);
  const ahead = all
    .filter((one) => one.ms + stepMs > frame.now && one.ms < frame.to)
    .map((one) => ({ ...one, ms: Math.max(one.ms, frame.now) }));
  const scale = scaleOf([values(past), values(ahead)], row, { room: 0.22 });
  if (!scale) return nothing(frame, row);
  const top = ahead
    .filter((one) => known(one.value))
    .reduce((most, one) => (!most || one.value > most.value + 1e-9 ? one : most), null);
  return [
    drawGaps(past, frame, row),
    ...lineSegments(past, frame).map((segment) =>
      s("path.ar", { d: `${stepPath(segment, frame, scale.y)}V${scale.y(0)}H${frame.x(segment[0].ms)}Z` }),
    ),
    ...lineSegments(past, frame).map((segment) => s("path.l1", { d: stepPath(segment, frame, scale.y) })),
    ahead.length > 0 &&
      s("path.l1.pl", { d: stepPath(ahead, frame, scale.y, Math.min(frame.to, ahead.at(-1).ms + stepMs)) }),
    base(frame, scale.y(0)),
    axis(frame, scale.y(scale.most), number(scale.most * 100, 0)),
    axis(frame, scale.y(0), "0"),
    top &&
      s(
        "text.pk.halo",
        {
          x: Math.min(frame.right - 44, Math.max(frame.x(frame.now) + 46, frame.x(top.ms))),
          y: Math.max(row.top + 4, scale.y(top.value) - 5),
          "text-anchor": "middle",
        },
        `${number(top.value * 100)} at ${frame.link.time.minute(top.ms)}`,
      ),
  ];
}

function sum(a, b) {
  if (!a.length || !b.length) return a.length ? a : b;
  return a.map((one, index) => ({
    ms: one.ms,
    value: known(one.value) && known(b[index]?.value) ? one.value + b[index].value : null,
  }));
}

function power(frame, row, state, history) {
  const load = measured(history, "electric_load_kw");
  const green = sum(measured(history, "pv_kw"), measured(history, "wind_kw"));
  const chp = measured(history, "chp_kw");
  const chpPlan = planned(state.plan, "chp_kw").filter(
    (one) => state.plant.chps > 0 && one.ms >= frame.now - 1 && one.ms < frame.to,
  );
  const scale = scaleOf([values(load), values(green), values(chp), values(chpPlan)], row);
  if (!scale) return nothing(frame, row);
  const { plant } = state;
  const names = [plant.chps > 0 && { name: "CHP", at: chpPlan.at(-1)?.value ?? chp.at(-1)?.value }].filter(
    (one) => one && known(one.at),
  );
  return [
    drawGaps(load, frame, row),
    ...lineSegments(green, frame).map((segment) =>
      s("path.ar", { d: `${line(segment, frame, scale.y)}V${scale.y(0)}H${frame.x(segment[0].ms)}Z` }),
    ),
    plant.chps > 0 && lineSegments(chp, frame).map((segment) => s("path.l2", { d: stepPath(segment, frame, scale.y) })),
    chpPlan.length > 0 && s("path.l2.pl", { d: stepPath(chpPlan, frame, scale.y, frame.to) }),
    ...lineSegments(load, frame).map((segment) => s("path.l1", { d: line(segment, frame, scale.y) })),
    base(frame, scale.y(0)),
    axis(frame, row.top, number(scale.most, 0)),
    axis(frame, scale.y(0), "0"),
    endNames(frame, names, scale, row),
    loadName(frame, load, scale),
    greenName(frame, green, plant, row),
  ];
}

/** Names at the lines' ends, where neither covers the axis nor another. */
function endNames(frame, names, scale, row) {
  const taken = [row.top + 4, scale.y(0) + 4];
  return names.map(({ name, at }) => {
    const y = scale.y(at) + 4;
    if (taken.some((other) => Math.abs(other - y) < 12)) return null;
    taken.push(y);
    return s("text.ax", { x: frame.right + 6, y }, name);
  });
}

/** Above its own line, early in the day that is shown. */
function loadName(frame, load, scale) {
  const from = frame.from + 0.06 * (frame.now - frame.from);
  const one = load.find(({ ms, value }) => ms >= from && known(value));
  const x = one ? frame.x(one.ms) : Infinity;
  return x < frame.x(frame.now) - 40 && s("text.lg.halo2", { x, y: scale.y(one.value) + 15 }, "load");
}

function greenName(frame, green, plant, row) {
  const name = [plant.pv && "PV", plant.wind && "wind"].filter(Boolean).join(" + ");
  return (
    green.length > 0 &&
    name &&
    s("text.lg.halo2", { x: frame.x(frame.now) - 8, y: row.bottom - 6, "text-anchor": "end" }, name)
  );
}

function battery(frame, row, state, history) {
  const past = measured(history, "battery_kw");
  const ahead = planned(state.plan, "battery_kw");
  const most = Math.max(1, ...[...values(past), ...values(ahead)].filter(known).map(Math.abs));
  const middle = (row.top + row.bottom) / 2;
  const y = (value) => middle - ((value / most) * (row.bottom - row.top)) / 2;
  const stepMs = (state.plan?.step_s ?? 900) * 1000;
  return [
    drawGaps(past, frame, row),
    ...lineSegments(past, frame).map((segment) =>
      s("path.bar", {
        d: `M${frame.x(segment[0].ms)} ${middle}${stepPath(segment, frame, y).replace("M", "L")}V${middle}Z`,
      }),
    ),
    ...ahead
      .filter(
        (one) => known(one.value) && Math.abs(one.value) > 0.05 && one.ms + stepMs > frame.now && one.ms < frame.to,
      )
      .map((one) => hollowBar(frame, one, stepMs, y, middle)),
    base(frame, middle),
    axis(frame, row.top + 2, number(most, 0)),
    axis(frame, row.bottom - 2, number(-most, 0)),
  ];
}

function hollowBar(frame, { ms, value }, stepMs, y, middle) {
  const x = frame.x(Math.max(ms, frame.now));
  const width = Math.max(1, frame.x(Math.min(ms + stepMs, frame.to)) - x - 0.8);
  return s("rect.bar.f", { x, width, y: Math.min(middle, y(value)), height: Math.abs(y(value) - middle) });
}

function stored(frame, row, state, history) {
  const past = measured(history, "soc");
  const ahead = planned(state.plan, "soc").filter((one) => one.ms >= frame.now && one.ms <= frame.to);
  const y = (share) => row.bottom - share * (row.bottom - row.top);
  const { soc_min: low, soc_max: high } = state.plant;
  const limit = (share) =>
    known(share) && [
      s("path.lim", { d: `M${frame.left} ${y(share)}H${frame.right}` }),
      axis(frame, y(share), number(percent(share), 0)),
    ];
  const turns = apart(
    ahead.filter((one, index) => known(one.value) && isPeak(ahead, index)),
    frame,
  ).slice(0, 3);
  return [
    drawGaps(past, frame, row),
    ...lineSegments(past, frame).map((segment) =>
      s("path.ar", { d: `${line(segment, frame, y)}V${row.bottom}H${frame.x(segment[0].ms)}Z` }),
    ),
    ...lineSegments(past, frame).map((segment) => s("path.l1", { d: line(segment, frame, y) })),
    ahead.length > 1 && s("path.l1.pl", { d: line(ahead, frame, y) }),
    base(frame, row.bottom),
    limit(low),
    limit(high),
    ...turns.map((one) =>
      s(
        "text.pk.halo",
        {
          x: Math.min(frame.right - 16, frame.x(one.ms)),
          y: y(one.value) + (one.value > 0.55 ? 15 : -6),
          "text-anchor": "middle",
        },
        `${number(percent(one.value), 0)} %`,
      ),
    ),
  ];
}

/** Those whose labels do not touch the one before. */
const apart = (list, frame) =>
  list.reduce(
    (kept, one) => (kept.length && frame.x(one.ms) - frame.x(kept.at(-1).ms) < 42 ? kept : [...kept, one]),
    [],
  );

/** A highest or lowest of at least two hours on both sides. */
function isPeak(list, index) {
  const here = list[index].value;
  const stepMs = list.length > 1 ? list[1].ms - list[0].ms : 900_000;
  const reach = Math.round((2 * HOUR) / stepMs);
  const near = list.slice(Math.max(0, index - reach), index + reach + 1).map((one) => one.value);
  if (index < 2 || index > list.length - 3) return false;
  const spread = Math.max(...near) - Math.min(...near);
  const first = list[index - 1].value !== here;
  return first && spread > 0.08 && (here >= Math.max(...near) || here <= Math.min(...near));
}

function inWords(state, history, link) {
  const soc = (history?.soc?.mean ?? []).filter(known);
  const past = soc.length
    ? `charge between ${number(percent(Math.min(...soc)), 0)} and ${number(percent(Math.max(...soc)), 0)} percent`
    : "no data";
  const plan = state.plan
    ? `plan made at ${link.time.minute(state.plan.made_unix_ms)}: ${state.plan.reason ?? ""}`
    : "no plan";
  return `Last 24 hours: ${past}. Ahead: ${plan}`;
}
