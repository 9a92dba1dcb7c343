// The mark of an alarm: shape by priority, number in it; filled = not acknowledged, outlined = acknowledged, grey
// outline = shelved or out of service.

import { h, s } from "../lib/dom.js";
import { PRIORITIES } from "../lib/words.js";

const SHAPES = {
  high: () => s("path.f", { d: "M10 1l9 9l-9 9l-9-9z" }),
  medium: () => s("path.f", { d: "M10 1.8l8.8 15.6h-17.6z" }),
  low: () => s("circle.f", { cx: 10, cy: 10, r: 8.5 }),
};

const QUIET = ["shelved", "out_of_service"];
/** Words where an alarm is put aside and what raised it is no more. */
export const gone = (alarm) => (QUIET.includes(alarm.state) && alarm.active === false ? "its cause is gone" : "");
export const isUnacknowledged = (alarm) => alarm.state === "unacknowledged" || alarm.state === "returned";

function look(alarm) {
  if (QUIET.includes(alarm.state)) return ".off";
  return isUnacknowledged(alarm) ? "" : ".ack";
}

const digit = (priority) => (PRIORITIES[priority] ?? PRIORITIES.low)[1];
const classOf = (alarm) => `.pr.a${digit(alarm.priority)}${look(alarm)}`;

/** The shape alone, 20 px, for drawings. */
export function alarmShape(alarm) {
  const y = alarm.priority === "medium" ? 15 : 14;
  return s(
    `g${classOf(alarm)}`,
    (SHAPES[alarm.priority] ?? SHAPES.low)(),
    s("text", { x: 10, y }, String(digit(alarm.priority))),
  );
}

/** Shape and word. */
export function alarmMark(alarm) {
  const svg = s("svg", { viewBox: "0 0 20 20", "aria-hidden": "true" });
  svg.append(alarmShape(alarm));
  return h(`span${classOf(alarm)}`, svg, (PRIORITIES[alarm.priority] ?? ["Low"])[0]);
}

/** A grey outline of one priority, for counts. */
export const glyph = (priority) =>
  s("svg.glyph", { viewBox: "0 0 20 20", "aria-hidden": "true" }, (SHAPES[priority] ?? SHAPES.low)());

const RANK = { high: 0, medium: 1, low: 2 };

/** Those not acknowledged first, then the worst, then the newest; what is shelved or out of service last. */
export const sorted = (alarms) =>
  [...alarms].sort(
    (a, b) =>
      QUIET.includes(a.state) - QUIET.includes(b.state) ||
      isUnacknowledged(b) - isUnacknowledged(a) ||
      RANK[a.priority] - RANK[b.priority] ||
      b.since_unix_ms - a.since_unix_ms,
  );

/** The worst active alarm whose source is this part of the plant ("chp", "chp_2", "chp-2", "chp.link"). */
export function alarmOf(alarms, one) {
  const base = one.tag.replace(/_(heat_)?kw$/, "");
  const keys = [
    base,
    base.replaceAll("_", "-"),
    one.kind === "load" ? "load" : base,
    one.kind === "grid" ? "grid-meter" : base,
  ];
  const about = (alarm) =>
    [alarm.source, alarm.id?.split(".")[0]].some((name) => keys.includes(String(name ?? "").toLowerCase()));
  const active = (alarms?.alarms ?? []).filter((alarm) => !QUIET.includes(alarm.state) && alarm.state !== "returned");
  return (
    active
      .filter(about)
      .sort((a, b) => RANK[a.priority] - RANK[b.priority] || isUnacknowledged(b) - isUnacknowledged(a))[0] ?? null
  );
}
