// Paths of series: lines and steps that stop at gaps, and the hatching of gaps. A gap is never bridged.

import { s } from "../lib/dom.js";
import { known } from "../lib/format.js";

/** The pieces without a gap within the frame: lists of `{ms, value}` of known values. */
export function lineSegments(list, frame) {
  const step = usualStep(list);
  const segments = [];
  let piece = [];
  for (const one of list) {
    const apart = piece.length > 0 && one.ms - piece.at(-1).ms > 2.5 * step;
    if (piece.length && (apart || !known(one.value))) {
      segments.push(piece);
      piece = [];
    }
    if (known(one.value) && one.ms >= frame.from) piece.push(one);
  }
  if (piece.length) segments.push(piece);
  return segments;
}

/** The median distance of neighbours, ms. */
export function usualStep(list) {
  const gaps = list
    .slice(1)
    .map((one, index) => one.ms - list[index].ms)
    .sort((a, b) => a - b);
  return gaps.length ? gaps[Math.floor(gaps.length / 2)] : 60_000;
}

const at = (one, frame, y) => `${frame.x(one.ms).toFixed(1)} ${y(one.value).toFixed(1)}`;

export const line = (segment, frame, y) => `M${segment.map((one) => at(one, frame, y)).join("L")}`;

/** Values that hold until the next; the last holds until `end`. */
export function stepPath(segment, frame, y, end) {
  const known_ = segment.filter((one) => known(one.value));
  if (!known_.length) return "M0 0";
  const steps = known_.slice(1).map((one) => `H${frame.x(one.ms).toFixed(1)}V${y(one.value).toFixed(1)}`);
  return `M${at(known_[0], frame, y)}${steps.join("")}${end ? `H${frame.x(end).toFixed(1)}` : ""}`;
}

/** Times between the pieces, and before the first, that are longer than a step: `{from, to}` in ms. */
export function gapsOf(list, frame) {
  const segments = lineSegments(list, frame);
  if (!segments.length) return [];
  const step = usualStep(list);
  const edges = [[frame.from, segments[0][0].ms]];
  segments.slice(1).forEach((segment, index) => edges.push([segments[index].at(-1).ms, segment[0].ms]));
  return edges.filter(([from, to]) => to - from > 2.5 * step).map(([from, to]) => ({ from, to }));
}

export const drawGaps = (list, frame, row) =>
  gapsOf(list, frame).map(({ from, to }) =>
    s(
      "rect.gap",
      { x: frame.x(from), y: row.top, width: Math.max(1, frame.x(to) - frame.x(from)), height: row.bottom - row.top },
      s("title", {}, "no data"),
    ),
  );
