// Numbers, units, durations and times as text. What is not known is "unknown", never 0.

import { h } from "./dom.js";

export const MINUS = "\u2212";
const NARROW = "\u202f";
export const UNKNOWN = "unknown";

export const known = (value) => typeof value === "number" && Number.isFinite(value);

/** A number with a fixed count of decimals and a true minus; "unknown" where there is none. */
export function number(value, decimals = 1) {
  if (!known(value)) return UNKNOWN;
  const text = Math.abs(value).toFixed(decimals);
  return value < 0 && Number(text) !== 0 ? MINUS + text : text;
}

/** As `number`, with a plus before what is above zero: differences. */
export function signed(value, decimals = 2) {
  const text = number(value, decimals);
  return known(value) && value > 0 && Number(text) !== 0 ? `+${text}` : text;
}

/** Number and unit as plain text, for labels and titles. */
export const withUnit = (value, unit, decimals = 1) =>
  known(value) ? `${number(value, decimals)}${NARROW}${unit}` : UNKNOWN;

/** Number and unit as an element that does not break. */
export function quantity(value, unit, decimals = 1) {
  if (!known(value)) return h("span.nw.m2", UNKNOWN);
  return h("span.nw", number(value, decimals), h("span.u", `${NARROW}${unit}`));
}

export const kw = (value) => quantity(value, "kW");
/** A count with its thousands apart: "51 233". */
export const count = (value) => String(value).replace(/\B(?=(\d{3})+$)/g, NARROW);

export const percent = (share) => (known(share) ? share * 100 : null);

const UNITS = { soc: ["%", 100, 1], eur_per_kwh: ["ct/kWh", 100, 1] };

/** How a point of this name and unit is shown: unit, factor, decimals. */
export function shown(name, unit) {
  if (/(^|\.)soc(_\d+)?$/.test(name)) return UNITS.soc;
  if (/_eur_per_kwh$/.test(name)) return UNITS.eur_per_kwh;
  if (/_pu$/.test(name)) return ["pu", 1, 3];
  if (/_hz$/.test(name)) return ["Hz", 1, 2];
  if (/_eur_per_h$/.test(name)) return ["EUR/h", 1, 2];
  const none = !unit || unit === "1";
  return [none ? "" : unit, 1, none ? 0 : 1];
}

/** "0.4 s", "47 s", "3 min 20 s", "3 h 12 min", "2 d 4 h"; `decimals` of what is below ten seconds. */
export function duration(seconds, decimals = 1) {
  if (!known(seconds)) return UNKNOWN;
  const s = Math.max(0, seconds);
  if (s < 9.95) return `${s.toFixed(decimals)} s`;
  if (s < 119.5) return `${Math.round(s)} s`;
  const minutes = Math.floor(s / 60);
  if (minutes < 10) return pair(minutes, "min", Math.floor(s % 60), "s");
  if (minutes < 120) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? pair(hours, "h", minutes % 60, "min") : pair(Math.floor(hours / 24), "d", hours % 24, "h");
}

const pair = (a, unitA, b, unitB) => (b === 0 ? `${a} ${unitA}` : `${a} ${unitA} ${b} ${unitB}`);

const two = (value) => String(value).padStart(2, "0");
const DAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** Times of the plant in its own local time; the offset is what the state says, minutes east of UTC. */
export class LocalTime {
  constructor(offsetMin = 0) {
    this.offsetMs = offsetMin * 60_000;
  }

  parts(unixMs) {
    return new Date(unixMs + this.offsetMs);
  }

  /** "14:32" */
  minute(unixMs) {
    const at = this.parts(unixMs);
    return `${two(at.getUTCHours())}:${two(at.getUTCMinutes())}`;
  }

  /** "14:32:07" */
  second(unixMs) {
    return `${this.minute(unixMs)}:${two(this.parts(unixMs).getUTCSeconds())}`;
  }

  /** "Tue 15 Sep", with the year where it is another than that of `now`. */
  day(unixMs, now = unixMs) {
    const at = this.parts(unixMs);
    const year = at.getUTCFullYear() === this.parts(now).getUTCFullYear() ? "" : ` ${at.getUTCFullYear()}`;
    return `${DAYS[at.getUTCDay()]} ${at.getUTCDate()} ${MONTHS[at.getUTCMonth()]}${year}`;
  }

  /** "14:32:07" today, else with the day before it. */
  event(unixMs, now) {
    return this.iso(unixMs).slice(0, 10) === this.iso(now).slice(0, 10)
      ? this.second(unixMs)
      : `${this.day(unixMs, now)} ${this.second(unixMs)}`;
  }

  /** "2026-09-15T14:32:07" */
  iso(unixMs) {
    return this.parts(unixMs).toISOString().slice(0, 19);
  }

  /** Unix ms of a local time, "2026-09-15 14:32" with or without seconds or a T, `NaN` where it is none. */
  parse(text) {
    const [, day, minute, second] = /^\s*(\d{4}-\d\d-\d\d)[T ]+(\d\d:\d\d)(:\d\d)?\s*$/.exec(text) ?? [];
    return day ? Date.parse(`${day}T${minute}${second ?? ":00"}Z`) - this.offsetMs : NaN;
  }

  /** "2026-09-15 14:32:07", as `parse` reads it. */
  typed(unixMs) {
    return this.iso(unixMs).replace("T", " ");
  }

  /** Start of the local day that holds `unixMs`. */
  midnight(unixMs) {
    return this.parse(`${this.iso(unixMs).slice(0, 10)}T00:00:00`);
  }
}
