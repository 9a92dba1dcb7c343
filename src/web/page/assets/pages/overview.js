// The overview: alarm bar, mode with its reason, flows, money; in five seconds.

import { card, h, replace, s } from "../lib/dom.js";
import { get } from "../lib/api.js";
import { known, shown, withUnit } from "../lib/format.js";
import { pointNow, qualityMark } from "../lib/values.js";
import { BatteryCard } from "../parts/battery.js";
import { Controls } from "../parts/controls.js";
import { DAY_POINTS, drawDay } from "../parts/daychart.js";
import { awcTable } from "../parts/decision.js";
import { drawDiagram, drawTable } from "../parts/diagram.js";
import { ModeStrip } from "../parts/mode.js";

const DAY_MS = 86_400_000;
const COLUMNS = 400;

/** As often as a column of the chart passes: a minute at most, two seconds at least (simulated plants hurry). */
const everyMs = (link) => Math.min(60_000, Math.max(2_000, DAY_MS / COLUMNS / (link.state.time.speed || 1)));

export class Page {
  #link;
  #mode = new ModeStrip();
  #plant = new PlantCard();
  #day = new DayCard();
  #battery = new BatteryCard();
  #decision = new DecisionCard();
  #controls;
  #asked = -Infinity;

  constructor(link, shell) {
    this.#link = link;
    this.#controls = new Controls(link, shell.askLogIn);
  }

  mount(main) {
    main.className = "over";
    this.#mode.element.classList.add("area-mode");
    main.append(
      this.#mode.element,
      h("div.col.area-left", this.#plant.element, this.#day.element),
      h("div.col.area-right", this.#battery.element, this.#decision.element, this.#controls.element),
    );
    this.update();
  }

  update() {
    if (!this.#link.state) return;
    for (const part of [this.#mode, this.#plant, this.#day, this.#battery, this.#controls]) part.update(this.#link);
    if (performance.now() - this.#asked > everyMs(this.#link) || this.#decision.old(this.#link)) this.#ask();
  }

  wake() {
    this.#asked = -Infinity;
  }

  async #ask() {
    this.#asked = performance.now();
    const to = Math.round(this.#link.nowMs());
    const have = this.#link.state.points;
    const points = DAY_POINTS.filter((tag) => have[tag]).join(",");
    const wanted = [
      get("history", { points, from: to - DAY_MS, to, max: COLUMNS }).then((table) =>
        this.#day.show(this.#link, table),
      ),
      get("decisions", { limit: 1 }).then(([newest]) => this.#decision.show(this.#link, newest)),
    ];
    await Promise.allSettled(wanted);
  }
}

class PlantCard {
  #card = card("Plant, as measured", [], { id: "h-plant" });
  element = this.#card.element;
  #svg = s("svg.sld", { role: "img" });
  #table = h("div");
  #asTable = false;
  #width = 0;
  #link = null;

  constructor() {
    this.#card.body.append(this.#svg, this.#table);
    new ResizeObserver(([entry]) => {
      this.#width = Math.floor(entry.contentRect.width);
      if (this.#link?.state) this.update(this.#link);
    }).observe(this.#card.body);
  }

  update(link) {
    this.#link = link;
    this.#width ||= Math.floor(this.#card.body.clientWidth);
    if (!this.#width) return;
    const scale = drawDiagram(this.#svg, link, this.#width);
    replace(
      this.#card.side,
      band(link, "Voltage", "grid_voltage_pu", 0.9, 1.1),
      band(link, "Frequency", "frequency_hz", 49, 51),
      legend(scale, link.state.plant.heat),
      this.#switch(),
    );
    if (this.#asTable) drawTable(this.#table, link);
    else this.#table.replaceChildren();
  }

  #switch() {
    const turn = () => {
      this.#asTable = !this.#asTable;
      this.update(this.#link);
    };
    return h(
      "button.plain",
      { type: "button", "aria-expanded": String(this.#asTable), "data-key": "as-table", onclick: turn },
      "Table",
    );
  }
}

/** A value within a band: the light part is the normal one where the plant states it. */
function band(link, name, tag, least, most) {
  const point = pointNow(link, tag);
  if (!point) return null;
  const [unit, factor, decimals] = shown(tag, point.unit);
  const place = known(point.value)
    ? Math.min(53, Math.max(0, ((point.value - least) / (most - least)) * 56 - 1.5))
    : null;
  const track = s(
    "svg",
    { viewBox: "0 0 56 10", "aria-hidden": "true" },
    s("rect.tr", { y: 3, width: 56, height: 4 }),
    s("rect.ok", { x: 14, y: 3, width: 28, height: 4 }),
    place !== null && s("rect.pt", { x: place, width: 3, height: 10 }),
  );
  const value = known(point.value) ? h("b", withUnit(point.value * factor, unit, decimals)) : h("b", "unknown");
  return h("span.band", `${name} `, track, value, point.state === "fresh" ? null : qualityMark(point.state));
}

function legend(scale, heat) {
  const size = (kw) => Math.max(2, kw * scale);
  const svg = s(
    "svg",
    { width: heat ? 30 : 15, height: 10, "aria-hidden": "true" },
    s("rect.lf", { x: 0, y: 5 - size(20) / 2, width: 14, height: size(20) }),
    heat && s("rect.lh", { x: 17, y: 5 - size(20) / 2, width: 12, height: size(20) }),
  );
  return h("span.legend.desk", svg, heat ? "20 kW electric, heat" : "20 kW");
}

class DayCard {
  #card = card("Last 24 hours and the plan ahead", [], { id: "h-day" });
  element = this.#card.element;
  #svg = s("svg.chart", { role: "img" });
  #width = 0;
  #history = null;
  #link = null;

  constructor() {
    const key = s(
      "svg.keyline",
      { width: 46, height: 8, viewBox: "0 0 46 8", "aria-hidden": "true" },
      s("path.l1", { d: "M0 4H20" }),
      s("path.l1.pl", { d: "M24 4H46" }),
    );
    this.#card.side.append(
      h("span.legend.desk", key, "solid: measured, dashed: planned"),
      h("a", { href: "trends", "data-go": "trends" }, "Trends"),
    );
    this.#card.body.append(this.#svg);
    new ResizeObserver(([entry]) => {
      this.#width = Math.floor(entry.contentRect.width);
      if (this.#link?.state) this.update(this.#link);
    }).observe(this.#card.body);
  }

  show(link, table) {
    this.#history = table.series;
    this.update(link);
  }

  update(link) {
    this.#link = link;
    this.#width ||= Math.floor(this.#card.body.clientWidth);
    if (this.#width) drawDay(this.#svg, link, this.#history, this.#width);
  }
}

class DecisionCard {
  #card = card("Decision", [], { id: "h-decision" });
  element = this.#card.element;
  #shown = null;

  /** A policy step has begun since the one that is shown; asked at most every ten seconds. */
  old(link) {
    if (this.#shown === null) return false;
    const made = link.state.plan?.made_unix_ms;
    return known(made) && made > this.#shown.unix_ms + 1000 && performance.now() - this.#shown.askedAt > 10_000;
  }

  show(link, decision) {
    if (!decision) {
      replace(this.#card.body, h("p.note", "No decision yet since the start."));
      return;
    }
    const { plant } = link.state;
    this.#shown = { unix_ms: decision.unix_ms, askedAt: performance.now() };
    this.#card.heading.textContent = `Decision of ${link.time.minute(decision.unix_ms)}`;
    replace(
      this.#card.side,
      h("span", decision.written?.sent ? "✓ written" : "nothing written"),
      h("a", { href: "decisions", "data-go": "decisions" }, "All decisions"),
    );
    replace(this.#card.body, awcTable(decision, { ...plant, renewables: plant.pv || plant.wind }));
  }
}
