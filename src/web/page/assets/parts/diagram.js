// The single-line diagram: measured flows. Thickness says how much, the head where to, the verb says it once more.

import { add, h, replace, s } from "../lib/dom.js";
import { known, number, quantity, withUnit } from "../lib/format.js";
import { ageWords, qualityMark, usable } from "../lib/values.js";
import { verb } from "../lib/words.js";
import { alarmOf, alarmShape } from "./alarm-mark.js";
import { layOut } from "./diagram-layout.js";
import { balance, into, partsOf } from "./plant.js";

const PX_PER_KW = 0.26;
const SHAFT_LEAST = 2.2;
const SHAFT_MOST = 30;
const IDLE_KW = 0.05;

/** Draws into `svg`, which is as wide as its place. */
export function drawDiagram(svg, link, width) {
  const parts = partsOf(link);
  const plan = layOut(parts, width);
  const most = Math.max(
    1,
    ...parts.map((one) => Math.abs(one.point?.value ?? 0)),
    ...parts.map((one) => one.heat?.value ?? 0),
  );
  const scale = Math.min(PX_PER_KW, SHAFT_MOST / most);
  svg.setAttribute("viewBox", `0 0 ${plan.width} ${plan.height}`);
  svg.setAttribute("width", plan.width);
  svg.setAttribute("height", plan.height);
  svg.setAttribute("aria-label", inWords(parts));
  svg.replaceChildren();
  const right = Math.max(...plan.boxes.map((box) => box.x + box.width));
  const middle = s("g", { transform: `translate(${Math.max(0, (plan.width - right - 1) / 2)} 0)` });
  svg.append(middle);
  add(middle, [
    ...plan.ends.map((end) => s("path.wire", { d: `M${end.x1} ${end.y1}L${end.x2} ${end.y2}` })),
    ...plan.buses.map(({ bus, ...box }) => s(bus === "heat" ? "rect.hbus" : "rect.bus", { ...box, rx: 1 })),
    ...plan.ends.map((end) => flow(end, scale)),
    ...plan.boxes.map((box) => drawBox(box, link)),
    ...plan.labels.map((label) => balanceLabel(label, parts, plan.kind)),
  ]);
  return scale;
}

function balanceLabel({ bus, x, y, anchor }, parts, kind) {
  const sums = balance(parts, bus);
  const heat = kind === "standing" && bus === "heat" ? "heat " : "";
  const text = sums ? `${heat}in ${number(sums.into)}, out ${number(sums.out)} kW` : `${heat}balance unknown`;
  return s("text.bl.halo2", { x, y, "text-anchor": anchor }, text);
}

/** An arrow, or a hollow dashed one with "?" where the flow is not known; nothing at zero. */
function flow(end, scale) {
  const one = end.box.one;
  const power = into(one, end.heat && Boolean(one.heat));
  const towards = power === null || power > 0;
  const [x1, y1, x2, y2] = towards ? [end.x1, end.y1, end.x2, end.y2] : [end.x2, end.y2, end.x1, end.y1];
  if (power === null) return lostFlow(x1, y1, x2, y2);
  if (Math.abs(power) < IDLE_KW) return null;
  return s(end.heat ? "path.hf" : "path.fl", {
    d: arrow(x1, y1, x2, y2, Math.max(SHAFT_LEAST, Math.abs(power) * scale)),
  });
}

function lostFlow(x1, y1, x2, y2) {
  const across = x1 === x2 ? [4.5, 0] : [0, 4.5];
  const corners = `M${x1 - across[0]} ${y1 - across[1]}L${x2 - across[0]} ${y2 - across[1]}M${x1 + across[0]} ${y1 + across[1]}L${x2 + across[0]} ${y2 + across[1]}`;
  const [x, y] = x1 === x2 ? [x1 + 17, (y1 + y2) / 2 - 4] : [(x1 + x2) / 2, y1 - 9];
  return s("g.stale", s("path.lost", { d: corners }), s("text.q", { x, y }, "?"));
}

/** A filled arrow from one point to another, `w` wide; its head is 12 long. */
function arrow(x1, y1, x2, y2, w) {
  const length = Math.hypot(x2 - x1, y2 - y1);
  const [ux, uy] = [(x2 - x1) / length, (y2 - y1) / length];
  const at = (along, across) =>
    `${(x1 + ux * along - uy * across).toFixed(1)} ${(y1 + uy * along + ux * across).toFixed(1)}`;
  const [from, to, neck, half, head] = [4, length - 4, length - 14, w / 2, w / 2 + 5.5];
  const points = [
    at(from, -half),
    at(neck, -half),
    at(neck, -head),
    at(to, 0),
    at(neck, head),
    at(neck, half),
    at(from, half),
  ];
  return `M${points.join("L")}Z`;
}

function drawBox({ one, x, y, width, height }, link) {
  const left = x + 12;
  const right = x + width - 12;
  const state = one.point?.state ?? "bad";
  const lost = state === "stale" || state === "bad";
  const alarm = alarmOf(link.alarms, one);
  return s(
    `g.n${lost ? ".stale" : ""}`,
    s("rect.box", { x, y, width, height, rx: 4 }),
    s("text.nm", { x: left, y: y + 20 }, one.name),
    ...ageAndVerb(one, state, { left, right, y, narrow: width < 150 }),
    valueText(one.point, left, y + 62, "start"),
    one.heat && heatText(one, { left, right, y, narrow: width < 225, tall: height > 100 }),
    width >= 140 && ratingText(one, right, y + 62),
    bar(one, { x: left, y: y + 71, width: right - left }),
    alarm && alarmFrame(alarm, { x, y, width, height }),
  );
}

/** Where a box is too narrow for its name and a framed age, the age takes the place of the verb. */
function ageAndVerb(one, state, { left, right, y, narrow }) {
  const framed = one.point && state !== "fresh";
  if (narrow && framed) return [ageTag(one.point, right, y + 38)];
  if (narrow && !one.point) return [s("text.vb", { x: left, y: y + 37 }, "not measured")];
  return [ageTag(one.point, right, y + 20), s("text.vb", { x: left, y: y + 37 }, boxVerb(one, state))];
}

function boxVerb(one, state) {
  if (state === "bad") return "";
  return state === "stale" ? "last known" : verb(one.kind, one.point.value);
}

function valueText(point, x, y, anchor, unit = "kW") {
  if (!point || point.value === null) return s("text.vb", { x, y, "text-anchor": anchor }, "unknown");
  return s("text.v", { x, y, "text-anchor": anchor }, number(Math.abs(point.value)), s("tspan.un", { dx: 3 }, unit));
}

/** The heat of a CHP: a second figure where there is room, else a line of its own. */
function heatText(one, { left, right, y, narrow, tall }) {
  if (narrow && !tall)
    return s("text.bl", { x: right, y: y + 62, "text-anchor": "end" }, "heat ", withUnit(one.heat.value, "kW"));
  if (narrow) return s("text.bl", { x: left, y: y + 96 }, "heat ", withUnit(one.heat.value, "kW"));
  return s(
    "g",
    s("text.vb", { x: right, y: y + 37, "text-anchor": "end" }, usable(one.heat) ? "giving off" : ""),
    valueText(one.heat, right, y + 62, "end", "kW heat"),
  );
}

function ageTag(point, right, y) {
  if (!point) return s("text.ag", { x: right, y }, "not measured");
  const words = ageWords(point);
  if (point.state === "fresh") return s("text.ag", { x: right, y }, words);
  const width = words.length * 6.7 + (point.state === "ageing" ? 28 : 14);
  const frame = { x: right - width + 4, y: y - 14, width, height: 19, rx: 2 };
  if (point.state === "ageing") {
    const clock = `M${frame.x + 11} ${y - 8}v4h3`;
    return s(
      "g",
      s("rect.agb", frame),
      s("circle.agc", { cx: frame.x + 11, cy: y - 4.5, r: 5 }),
      s("path.agc", { d: clock }),
      s("text.agt", { x: right - 2, y, "text-anchor": "end" }, words),
    );
  }
  return s("g", s("rect.tag", frame), s("text.tagt", { x: frame.x + width / 2, y, "text-anchor": "middle" }, words));
}

function ratingText(one, right, y) {
  const rating = one.kind === "grid" && (one.point?.value ?? 0) < 0 ? one.min : one.max;
  return known(rating) && !(one.heat && one.kind === "chp") && s("text.ag", { x: right, y }, `of ${number(rating, 0)}`);
}

/** The place within the rating: filled from zero, a tick at zero, a triangle at the written set-point. */
function bar(one, { x, y, width }) {
  if (!known(one.max) || one.max <= 0) return null;
  const least = known(one.min) && (one.kind === "grid" || one.kind === "battery") ? -one.min : 0;
  const at = (power) => x + (width * (Math.min(one.max, Math.max(least, power)) - least)) / (one.max - least);
  const value = one.point?.value;
  const [from, to] = [Math.min(at(0), at(value ?? 0)), Math.max(at(0), at(value ?? 0))];
  return s(
    "g",
    s("rect.tr", { x, y, width, height: 6 }),
    known(value) && s("rect.br", { x: from, y, width: Math.max(0, to - from), height: 6 }),
    least < 0 && s("path.tk", { d: `M${at(0)} ${y - 2}v10` }),
    known(one.setpoint) && s("path.sp", { d: `M${at(one.setpoint)} ${y + 5}l4.5 8h-9z` }),
  );
}

function alarmFrame(alarm, { x, y, width, height }) {
  const frame =
    alarm.priority === "high" && s("rect.alm", { x: x - 3, y: y - 3, width: width + 6, height: height + 6, rx: 6 });
  return s("g", frame, s("g", { transform: `translate(${x - 12} ${y - 12})` }, alarmShape(alarm)));
}

/** The same as one sentence, for who does not see it. */
function inWords(parts) {
  const say = (one) => {
    const value =
      one.point && usable(one.point)
        ? `${verb(one.kind, one.point.value)} ${number(Math.abs(one.point.value))} kW`
        : "not known";
    return `${one.name} ${value}${one.heat && usable(one.heat) ? `, heat ${number(one.heat.value)} kW` : ""}`;
  };
  return `Single-line diagram, as measured. ${parts.map(say).join("; ")}.`;
}

/** The values of the diagram as a table, which a screen reader can walk through. */
export function drawTable(place, link) {
  const rows = partsOf(link).map((one) =>
    h(
      "tr",
      h("th.b", { scope: "row" }, one.name),
      h("td", one.point ? boxVerb(one, one.point.state) : "not measured"),
      h(
        "td.r",
        quantity(one.point?.value === undefined || one.point?.value === null ? null : Math.abs(one.point.value), "kW"),
      ),
      h("td", one.point ? qualityMark(one.point.state, ageWords(one.point)) : ""),
    ),
  );
  const head = h(
    "thead",
    h(
      "tr",
      ["Part", "Does", "Power", "Age, quality"].map((text, index) => h(`th${index === 2 ? ".r" : ""}`, text)),
    ),
  );
  replace(place, h("table.tbl", head, h("tbody", rows)));
}
