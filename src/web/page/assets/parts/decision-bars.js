// Bars of the battery's set-points as written, with a dashed outline where something else was asked.

import { replace, s } from "../lib/dom.js";
import { known, number } from "../lib/format.js";

const HEIGHT = 122;
const MIDDLE = 60;
const SAME_KW = 0.05;

/** Draws decisions, newest first, over the last `spanMs`. */
export function drawBars(svg, link, shown, { width, spanMs }) {
  const now = link.nowMs();
  const stepMs = shown.length > 1 ? Math.max(60_000, shown[0].unix_ms - shown[1].unix_ms) : 900_000;
  const frame = { from: now - spanMs, to: Math.max(now, shown[0].unix_ms + stepMs), right: width - 34, stepMs };
  frame.x = (ms) => ((ms - frame.from) / (frame.to - frame.from)) * frame.right;
  const powers = shown.flatMap((one) => [one.written.battery_kw, one.asked?.battery_kw ?? 0]);
  const most = Math.max(1, ...powers.map(Math.abs));
  const changed = ({ asked, written }) =>
    known(asked?.battery_kw) && Math.abs(asked.battery_kw - written.battery_kw) > SAME_KW;
  for (const [name, value] of Object.entries({ viewBox: `0 0 ${width} ${HEIGHT}`, width, height: HEIGHT })) {
    svg.setAttribute(name, value);
  }
  replace(
    svg,
    grid(frame, link.time, width),
    shown.map((one) => bar("bar", frame, one.unix_ms, one.written.battery_kw / most)),
    shown.filter(changed).map((one) => bar("asked", frame, one.unix_ms, one.asked.battery_kw / most)),
    axes(frame, most),
  );
}

/** `share` of the largest power, -1 to 1. */
function bar(name, frame, ms, share) {
  const height = Math.abs(share) * 36;
  const width = Math.max(1, (frame.x(frame.from + frame.stepMs) - frame.x(frame.from)) * 0.85);
  return s(`rect.${name}`, { x: frame.x(ms), width, y: share > 0 ? MIDDLE - height : MIDDLE, height });
}

function axes({ right }, most) {
  const label = (y, text) => s("text.ax", { x: right + 6, y }, text);
  const words = s("tspan", { dx: 6 }, "kW, up = charging; dashed: asked, filled: written");
  return [
    s("path.base", { d: `M0 ${MIDDLE}H${right}` }),
    [label(28, number(most, 0)), label(64, "0"), label(100, number(-most, 0))],
    s("text.lg.halo2", { x: 0, y: 12 }, s("tspan.nm", {}, "Battery"), words),
  ];
}

function grid(frame, time, width) {
  const hours = (frame.to - frame.from) / 3_600_000;
  const each = (hours > 48 ? 24 : width < 600 ? 6 : 3) * 3_600_000;
  const lines = [];
  for (let at = time.midnight(frame.from); at < frame.to; at += each) {
    if (at < frame.from) continue;
    const text = hours > 48 ? time.day(at) : time.minute(at);
    lines.push(
      s("path.gl", { d: `M${frame.x(at)} 18V102` }),
      s("text.ax", { x: Math.min(frame.right - 20, Math.max(20, frame.x(at))), y: 117, "text-anchor": "middle" }, text),
    );
  }
  return lines;
}
