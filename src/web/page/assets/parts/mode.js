// What the gateway is doing, why, what comes next, and what it costs: the strip at the top of the overview.

import { h, replace, s } from "../lib/dom.js";
import { duration, known, number, signed } from "../lib/format.js";
import { asSentence, MODES, modeName } from "../lib/words.js";

const ring = (more = {}) => s("circle.ring", { cx: 18, cy: 18, r: 16.5, ...more });

/** Each mode has a shape of its own, which a greyscale print keeps apart. */
const SHAPES = {
  auto: () => [ring(), s("path.solid", { d: "M14 10.5l12 7.5l-12 7.5z" })],
  hold: () => [ring(), s("path.solid", { d: "M12 11h4.4v14h-4.4zM19.6 11h4.4v14h-4.4z" })],
  shadow: () => [ring({ "stroke-dasharray": "5.2 3.44" }), s("circle.ring", { cx: 18, cy: 18, r: 4.5 })],
  manual: () => [
    ring(),
    s("path.solid", {
      d: "M12 19v-6a1.4 1.4 0 0 1 2.8 0v-2.4a1.4 1.4 0 0 1 2.8 0v-.6a1.4 1.4 0 0 1 2.8 0v2a1.4 1.4 0 0 1 2.8 0v8.5c0 4-2 6.5-5.6 6.5-3 0-4.3-1.200-5.800-3.800l-2.600-4.400c-.8-1.600 1.200-2.600 2.300-1.200z",
    }),
  ],
  fallback: () => [
    ring(),
    s("path.line", { d: "M12 14.500h8.500a4.600 4.600 0 0 1 0 9.200h-5.500M15.500 10.500l-4 4l4 4" }),
  ],
  safe_stop: () => [
    s("path.ring", { d: "M11.200 1.800h13.600l9.400 9.400v13.600l-9.400 9.400h-13.600l-9.400-9.400v-13.600z" }),
    s("path.solid", { d: "M12.500 12.500h11v11h-11z" }),
  ],
  init: () => [
    ring({ "stroke-dasharray": "1 4" }),
    ...[11, 18, 25].map((cx) => s("circle.solid", { cx, cy: 18, r: 2 })),
  ],
};

export const modeShape = (mode) =>
  s("svg.modeshape", { viewBox: "0 0 36 36", "aria-hidden": "true" }, (SHAPES[mode] ?? SHAPES.init)());

export class ModeStrip {
  element = h("section.card.mode", { "aria-label": "Mode and result of today" });
  #what = h("div.what");
  #eur = h("dl.eur");

  constructor() {
    this.element.append(this.#what, this.#eur);
  }

  update(link) {
    const state = link.state;
    if (!state) return;
    replace(this.#what, badge(link, state.mode), h("div", why(link, state.mode), next(state.mode)));
    replace(this.#eur, money(state));
  }
}

function badge(link, mode) {
  const forS = (link.nowMs() - mode.since_unix_ms) / 1000;
  const since =
    forS < 3600 && mode.now !== "auto" ? `for ${duration(forS)}` : `since ${sinceText(link, mode.since_unix_ms)}`;
  return h("div.badge", modeShape(mode.now), h("div", h("p.name", modeName(mode.now)), h("p.since", since)));
}

function sinceText(link, unixMs) {
  const today = link.time.midnight(link.nowMs()) <= unixMs;
  return today ? link.time.minute(unixMs) : `${link.time.day(unixMs, link.nowMs())} ${link.time.minute(unixMs)}`;
}

/** While nothing is heard, what was said last is no longer said as if it were so now. */
function why(link, mode) {
  return link.live
    ? h("p.why", mode.why || "The gateway gives no reason.")
    : h("p.why.m2", `Last known: ${mode.why || "no reason was given."}`);
}

function next(mode) {
  const latched = mode.latched ? "Stopped until an operator acknowledges the cause. " : "";
  const by = mode.decided_by && MODES[mode.decided_by] === undefined ? `Decided by ${mode.decided_by}.` : "";
  return h("p.next", latched && h("b", latched), mode.next ? `${asSentence(mode.next)} ` : "", h("span.m", by));
}

/** Cost so far, and what the ledger says that doing nothing and the rule would have cost. */
function money({ money: today }) {
  const days = h("a", { href: "model#ledger", "data-go": "model" }, "all days");
  const cost = figure("Cost today", number(today.today_eur, 2), [
    known(today.today_eur) ? "since 00:00, " : "not known, ",
    days,
  ]);
  if (!today.valid) {
    return [
      cost,
      h(
        "div.nocompare",
        h("dt", "Comparison"),
        h("dd.small", "not valid today"),
        h("dd", today.why ?? "The gateway gives no reason."),
      ),
    ];
  }
  return [
    cost,
    difference("Doing nothing", today.idle_today_eur, today),
    difference("The rule", today.rule_today_eur, today, true),
  ];
}

function figure(title, text, below) {
  return h(
    "div",
    h("dt", title),
    h("dd", h("span.nw", text, known(Number(text.replace("\u2212", "-"))) && h("span.u", " EUR"))),
    h("dd", below),
  );
}

function difference(title, other, today, band = false) {
  if (!known(other) || !known(today.today_eur)) return figure(title, "unknown", "no comparison");
  const error = band && known(today.error_eur) ? h("span.nw", ` ± ${number(today.error_eur, 2)}`) : "";
  return figure(title, signed(other - today.today_eur), [`would cost ${number(other, 2)}`, error]);
}
