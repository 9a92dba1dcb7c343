// Value states: how old a value is now, and what that makes of it. One rule for the whole page.

import { h } from "./dom.js";
import { duration, known } from "./format.js";

const AGEING_S = 5;
const STALE_S = 15;
const ORDER = ["fresh", "ageing", "stale", "bad"];

const byAge = (ageS) => (ageS >= STALE_S ? "stale" : ageS >= AGEING_S ? "ageing" : "fresh");
const worse = (a, b) => (ORDER.indexOf(a) >= ORDER.indexOf(b) ? a : b);

/** A point as it is now: `{value, unit, ageS, state}`, or null where the plant has no such point. */
export function pointNow(link, tag) {
  const point = link.state?.points[tag];
  return point ? aged(link, point) : null;
}

/** While there are news the gateway's own judgement holds (it knows each signal's limits); without news the page's. */
export function aged(link, point) {
  const known_age = known(point.age_s);
  const ageS = known_age ? point.age_s + link.newsAgeS() : null;
  let state = ORDER.includes(point.state) ? point.state : "bad";
  if (!link.live) state = worse(state, known_age ? byAge(ageS) : "bad");
  if (!known(point.value)) state = "bad";
  return { value: known(point.value) ? point.value : null, unit: point.unit, quality: point.quality, ageS, state };
}

/** The value may be computed with. */
export const usable = (point) =>
  point !== null && point.value !== null && (point.state === "fresh" || point.state === "ageing");

/** The words at a value's age: "0.4 s", "6.1 s", "stale 47 s", "no value". */
export function ageWords(point) {
  if (point.state === "bad") return "no value";
  const age = duration(point.ageS);
  return point.state === "stale" ? `stale ${age}` : age;
}

const MARKS = { ageing: ["age", "◷", "ageing"], stale: ["stale", "\u00a0", "stale"], bad: ["bad", "✕", "bad"] };

/** Quality as shape and word. */
export function qualityMark(state, word) {
  const [kind, sign, text] = MARKS[state] ?? ["fresh", "", state];
  return h(`span.ql.${kind}`, sign && h("i", { "aria-hidden": "true" }, sign), word ?? text);
}
