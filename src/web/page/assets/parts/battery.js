// The batteries: charge, its limits, where the plan goes. One card, one bar for each battery.

import { add, card, h, replace, s } from "../lib/dom.js";
import { known, number, percent, quantity, withUnit } from "../lib/format.js";
import { ageWords, pointNow, qualityMark, usable } from "../lib/values.js";
import { verb } from "../lib/words.js";
import { unitSetpoint, unitTag } from "./plant.js";

const HEIGHT = 74;

export class BatteryCard {
  #card = card("Battery");
  element = this.#card.element;
  #width = 402;

  constructor() {
    new ResizeObserver(([entry]) => {
      this.#width = Math.max(200, entry.contentRect.width);
    }).observe(this.#card.body);
  }

  update(link) {
    const plant = link.state?.plant;
    const count = plant?.batteries ?? 0;
    this.element.hidden = count === 0;
    if (!count) return;
    this.#card.heading.textContent = count > 1 ? `${count} batteries` : "Battery";
    replace(this.#card.side, sizes(plant), count === 1 && age(pointNow(link, "soc")));
    replace(
      this.#card.body,
      Array.from({ length: count }, (_, index) => this.#one(link, index + 1, count)),
    );
  }

  #one(link, number_, count) {
    const soc = pointNow(link, unitTag("soc", "", number_));
    const power = pointNow(link, unitTag("battery", "_kw", number_));
    const plan = count === 1 ? planMarks(link) : [];
    const name = count > 1 && h("p.b.unit", `Battery ${number_} `, age(soc));
    const figure = h("p.big", soc && soc.value !== null ? quantity(percent(soc.value), "%") : h("span.m2", "unknown"));
    return h(
      `div.oneb${soc?.state === "stale" ? ".stale" : ""}`,
      name,
      h("div.soc", figure, h("p.txt", does(link, power, number_), planText(link, plan))),
      socBar(link, soc, plan, this.#width, count > 1 ? `Battery ${number_}` : "Battery"),
    );
  }
}

function age(soc) {
  if (!soc) return h("span", "not measured");
  return soc.state === "fresh" ? h("span", ageWords(soc)) : qualityMark(soc.state, ageWords(soc));
}

function sizes(plant) {
  const words = [
    known(plant.battery_kwh) && withUnit(plant.battery_kwh, "kWh", 0),
    known(plant.battery_kw_max) && withUnit(plant.battery_kw_max, "kW", 0),
  ];
  return h("span", words.filter(Boolean).join(", "));
}

function does(link, power, number_) {
  const state = link.state;
  if (!power || !usable(power)) return h("b", "power unknown");
  const now = h("b", `${verb("battery", power.value)} `, quantity(Math.abs(power.value), "kW"));
  const wish = unitSetpoint(link, "battery", number_, true);
  const shadow = state.mode.now === "shadow" &&
    known(wish) && [`, would be ${verb("battery", wish)} `, quantity(Math.abs(wish), "kW")];
  return [now, shadow];
}

/** The plan's turning points within its next hours: `{share, unixMs}`. */
export function planMarks(link) {
  const plan = link.state?.plan;
  if (!plan || !plan.soc?.length) return [];
  const at = (index) => plan.from_unix_ms + index * plan.step_s * 1000;
  const ahead = plan.soc
    .map((share, index) => ({ share, unixMs: at(index) }))
    .filter((mark) => known(mark.share) && mark.unixMs > link.nowMs());
  const turning = ahead.filter((mark, index) => isTurn(ahead, index));
  const other = turning.find((mark) => Math.abs(mark.share - turning[0].share) > 0.05);
  return [turning[0], other].filter(Boolean);
}

/** The first of a plateau that ends a rise or a fall of at least five percent. */
function isTurn(marks, index) {
  const here = marks[index].share;
  const next = marks.slice(index + 1).find((mark) => Math.abs(mark.share - here) > 0.02)?.share;
  const before = marks
    .slice(0, index)
    .reverse()
    .find((mark) => Math.abs(mark.share - here) > 0.004);
  if (before === undefined || next === undefined) return false;
  const near = marks[index - 1];
  const far = marks
    .slice(0, index)
    .reduce((most, mark) => (Math.abs(mark.share - here) > Math.abs(most - here) ? mark.share : most), here);
  const turns = Math.sign(here - before.share) !== Math.sign(next - here);
  return turns && Math.abs(far - here) > 0.05 && Math.abs(near.share - here) > 0.004;
}

function planText(link, [first]) {
  if (!first || link.state.mode.now === "shadow") return null;
  return `, to ${number(percent(first.share), 0)} % at about ${link.time.minute(first.unixMs)}`;
}

function socBar(link, soc, plan, width, name) {
  const { soc_min: low, soc_max: high } = link.state.plant;
  const x = (share) => 1 + share * (width - 2);
  const share = soc?.value ?? null;
  const svg = s("svg.socbar", {
    viewBox: `0 0 ${width} ${HEIGHT}`,
    width,
    height: HEIGHT,
    role: "img",
    "aria-label": barWords(name, share, low, high),
  });
  const frame = { y: 26, height: 26 };
  add(svg, [
    s("rect.tr", { ...frame, x: 1, width: width - 2 }),
    known(share) && s(`rect.in`, { ...frame, x: 1, width: share * (width - 2) }),
    known(low) && outside(x(0), x(low), frame),
    known(high) && outside(x(high), x(1), frame),
    s("rect.fr", { ...frame, x: 1, width: width - 2 }),
    known(low) && s("path.lim", { d: `M${x(low)} 23v32` }),
    known(high) && s("path.lim", { d: `M${x(high)} 23v32` }),
    known(share) && s("path.lv", { d: `M${x(share)} 22v34` }),
    ...plan.map((mark) => s("path.pl", { d: `M${x(mark.share)} 24l-4.5 -7h9z` })),
    ...spread(
      plan.map((mark) => ({
        at: x(mark.share),
        text: `${number(percent(mark.share), 0)} at ${link.time.minute(mark.unixMs)}`,
      })),
      width,
      13,
    ),
    ...spread(below(share, low, high, x), width, 69),
  ]);
  return svg;
}

const outside = (from, to, frame) =>
  s(
    "g",
    s("rect.veil", { ...frame, x: from, width: to - from }),
    s("rect.out", { ...frame, x: from, width: to - from }),
  );

function below(share, low, high, x) {
  const labels = [
    known(low) && { at: x(low), text: `${number(percent(low), 0)} lowest` },
    known(share) && { at: x(share), text: `${number(percent(share))} now`, strong: true },
    known(high) && { at: x(high), text: `${number(percent(high), 0)} highest` },
  ];
  return labels.filter(Boolean).sort((a, b) => Boolean(b.strong) - Boolean(a.strong));
}

/** Labels where they belong, as long as they do not touch one that was placed before; the first is the dearest. */
function spread(labels, width, y) {
  const taken = [];
  return labels.map(({ at, text, strong }) => {
    const half = (text.length * 6.6) / 2;
    const middle = Math.min(width - half, Math.max(half, at));
    if (taken.some(([from, to]) => middle - half < to + 6 && middle + half > from - 6)) return null;
    taken.push([middle - half, middle + half]);
    return s(`text${strong ? ".strong" : ""}`, { x: middle, y, "text-anchor": "middle" }, text);
  });
}

function barWords(name, share, low, high) {
  const now = known(share) ? `${number(percent(share))} percent` : "unknown";
  const limits =
    known(low) && known(high) ? `; limits ${number(percent(low), 0)} and ${number(percent(high), 0)} percent` : "";
  return `${name}: state of charge ${now}${limits}.`;
}
