// Trends: any points over any range, from seconds to years. The address holds what is shown, so it can be sent.

import { card, h, replace, s, timeField } from "../lib/dom.js";
import { get, urlOf } from "../lib/api.js";
import { duration, known, number } from "../lib/format.js";
import { pointName, sentence } from "../lib/words.js";
import { figures, grouped, plot } from "../parts/plots.js";
import { failed } from "../parts/range.js";

const MINUTE = 60_000;
const DAY = 86_400_000;
const SPANS = [
  ["10 min", 10 * MINUTE],
  ["1 h", 60 * MINUTE],
  ["24 h", DAY],
  ["7 d", 7 * DAY],
  ["30 d", 30 * DAY],
  ["1 y", 365 * DAY],
  ["5 y", 1826 * DAY],
];
const LEAST_MS = 10_000;
const MOST_MS = 20 * 366 * DAY;
const FIRST = ["electric_load_kw", "pv_kw", "chp_kw", "battery_kw", "soc", "import_price_eur_per_kwh"];
const POINTS_MAX = 12;

export class Page {
  #link;
  #chart = card("Trends");
  #points = card("Points");
  #events = card("Events in this range");
  #kept = card("What a point on the line is");
  #plots = h("div.plots");
  #spans = h("div.seg", { role: "group", "aria-label": "Range" });
  #from = timeField({ "aria-label": "From" });
  #to = timeField({ "aria-label": "To" });
  #file = h("a.btn", { download: "trends.csv" }, "CSV");
  #note = h("p.sm.m");
  #choose = h("div.picker");
  #picker = h("details.astable", h("summary", "Choose points"), this.#choose);
  #figures = h("div");
  #names = null;
  #all = [];
  #spanMs = DAY;
  #endMs = null;
  #table = null;
  #charts = [];
  #groups = [];
  #askedAt = -Infinity;
  #width = 0;
  #turn = 0;

  constructor(link) {
    this.#link = link;
    this.#readAddress();
  }

  mount(main) {
    main.className = "two";
    main.append(
      h("div.col", this.#chart.element),
      h("div.col", this.#points.element, this.#events.element, this.#kept.element),
    );
    const form = h(
      "form.tools",
      {
        onsubmit: (event) => {
          event.preventDefault();
          this.#typed();
        },
      },
      h("label.tool", "From", this.#from),
      h("label.tool", "to", this.#to),
      h("button.btn", { type: "submit" }, "Show"),
      h("span.push", this.#file),
    );
    replace(this.#chart.side, h("span.desk", "zoom: drag, + and −; move: arrow keys"));
    this.#chart.body.append(
      h("div.tools", this.#spans, h("span.push.pair", this.#moves())),
      form,
      this.#plots,
      this.#note,
    );
    this.#points.body.append(this.#figures, this.#picker);
    new ResizeObserver(([entry]) => this.#resized(Math.floor(entry.contentRect.width))).observe(this.#chart.body);
    this.themed = () => this.#draw();
    addEventListener("memg-theme", this.themed);
    this.#begin();
  }

  leave() {
    removeEventListener("memg-theme", this.themed);
    for (const chart of this.#charts) chart.destroy();
  }

  wake() {
    this.#askedAt = -Infinity;
  }

  /** While the range ends now it follows; how often depends on what a pixel is worth. */
  update() {
    if (!this.#link.state) return;
    if (this.#names === null) return void this.#begin();
    const every = Math.min(60_000, Math.max(2000, this.#spanMs / 400 / (this.#link.state.time.speed || 1)));
    if (this.#endMs === null && this.#table && performance.now() - this.#askedAt > every) this.#ask();
  }

  key(name) {
    const acts = {
      "+": () => this.#zoom(0.5),
      "=": () => this.#zoom(0.5),
      "-": () => this.#zoom(2),
      "−": () => this.#zoom(2),
      ArrowLeft: () => this.#move(-0.25),
      ArrowRight: () => this.#move(0.25),
      End: () => this.#set(this.#spanMs, null),
    };
    return acts[name] ?? null;
  }

  #moves() {
    const button = (text, label, act) =>
      h("button.btn", { type: "button", "aria-label": label, title: label, onclick: act }, text);
    return [
      button("←", "Earlier", () => this.#move(-0.25)),
      button("→", "Later", () => this.#move(0.25)),
      button("+", "Zoom in", () => this.#zoom(0.5)),
      button("\u2212", "Zoom out", () => this.#zoom(2)),
      button("Now", "Follow the present", () => this.#set(this.#spanMs, null)),
    ];
  }

  get #range() {
    const to = this.#endMs ?? Math.ceil(this.#link.nowMs());
    return { from: to - this.#spanMs, to };
  }

  async #begin() {
    if (!this.#link.state || this.#names !== null) return;
    this.#names = this.#wanted ?? FIRST.filter((tag) => this.#link.state.points[tag]);
    this.#showSpans();
    this.#ask();
    try {
      this.#all = await get("points");
    } catch {
      this.#all = Object.entries(this.#link.state.points).map(([name, { unit }]) => ({ name, unit, label: null }));
    }
    this.#showPicker();
    if (this.#table) this.#draw();
  }

  #wanted = null;

  #readAddress() {
    const asked = new URLSearchParams(location.search);
    if (asked.get("points")) this.#wanted = asked.get("points").split(",").slice(0, POINTS_MAX);
    const [from, to] = [Number(asked.get("from")), Number(asked.get("to"))];
    if (asked.get("from") && to - from >= LEAST_MS && to - from <= MOST_MS)
      [this.#spanMs, this.#endMs] = [to - from, to];
    else if (Number(asked.get("span")) >= LEAST_MS) this.#spanMs = Math.min(MOST_MS, Number(asked.get("span")));
  }

  #writeAddress() {
    const range = this.#endMs === null ? { span: this.#spanMs } : this.#range;
    const asked = new URLSearchParams({
      points: this.#names.join(","),
      ...Object.fromEntries(Object.entries(range).map(([key, ms]) => [key, Math.round(ms)])),
    });
    history.replaceState(null, "", `?${asked}`);
  }

  #set(spanMs, endMs) {
    this.#spanMs = Math.min(MOST_MS, Math.max(LEAST_MS, Math.round(spanMs)));
    const now = this.#link.nowMs();
    this.#endMs = endMs === null || endMs >= now ? null : Math.round(endMs);
    this.#writeAddress();
    this.#showSpans();
    return this.#ask();
  }

  #zoom(factor) {
    const { from, to } = this.#range;
    const span = (to - from) * factor;
    return this.#set(span, this.#endMs === null ? null : (from + to) / 2 + span / 2);
  }

  #move(share) {
    const { to } = this.#range;
    return this.#set(this.#spanMs, to + share * this.#spanMs);
  }

  #typed() {
    const { time } = this.#link;
    const [from, to] = [time.parse(this.#from.value), time.parse(this.#to.value)];
    if (!(to - from >= LEAST_MS)) {
      this.#note.textContent =
        "Expected two times such as 2026-09-15 14:30, the first at least 10 s before the second.";
      return;
    }
    this.#set(to - from, to);
  }

  #showSpans() {
    replace(
      this.#spans,
      SPANS.map(([text, ms]) =>
        h(
          "button",
          {
            type: "button",
            "aria-pressed": String(ms === this.#spanMs),
            "data-key": `r-${ms}`,
            onclick: () => this.#set(ms, null),
          },
          text,
        ),
      ),
    );
  }

  async #ask() {
    const mine = (this.#turn += 1);
    this.#askedAt = performance.now();
    const { from, to } = this.#range;
    const asked = { points: this.#names.join(","), from: Math.round(from), to: Math.round(to) };
    this.#file.href = urlOf("history", { ...asked, max: 100_000, format: "csv" });
    try {
      const table = this.#names.length
        ? await get("history", { ...asked, max: Math.min(2000, Math.max(300, this.#width)) })
        : { step_ms: 1000, series: {} };
      if (mine !== this.#turn) return;
      this.#table = { ...table, range: { from, to } };
    } catch (error) {
      if (mine === this.#turn) replace(this.#plots, failed(error));
      return;
    }
    this.#draw();
    this.#askEvents(from, to, mine);
  }

  async #askEvents(from, to, mine) {
    try {
      const list = await get("log", { from: Math.round(from), to: Math.round(to), limit: 8 });
      if (mine === this.#turn) this.#showEvents(list.filter((one) => one.unix_ms >= from));
    } catch (error) {
      replace(this.#events.body, failed(error));
    }
  }

  #showEvents(list) {
    const { time } = this.#link;
    const day = this.#spanMs > DAY;
    const item = (one) =>
      h(
        "li",
        h("time", day ? time.day(one.unix_ms).split(" ").slice(1).join(" ") : time.minute(one.unix_ms)),
        h(
          "span",
          `${sentence(one.what ?? "")}${one.principal && one.means !== "control" ? `, ${one.principal}` : ""}`,
          h("span.m", one.outcome === "rejected" ? ", rejected" : ""),
        ),
      );
    replace(this.#events.side, h("a", { href: "events", "data-go": "events" }, "All"));
    replace(this.#events.body, list.length ? h("ul.ev", list.map(item)) : h("p.empty", "None."));
  }

  #resized(width) {
    if (Math.abs(width - this.#width) < 4) return;
    this.#width = width;
    if (this.#table) this.#draw();
  }

  #label = (name) => pointName(name, this.#all.find((one) => one.name === name)?.label);

  #draw() {
    const width = this.#width || Math.floor(this.#chart.body.clientWidth);
    if (!this.#table || !width) return;
    for (const chart of this.#charts) chart.destroy();
    const { time } = this.#link;
    const { range, step_ms: stepMs } = this.#table;
    this.#groups = grouped(this.#table.series, this.#names, this.#label);
    const count = Math.max(1, this.#groups.length);
    const height = width < 600 ? 130 : Math.max(120, Math.min(360, Math.floor(560 / count)));
    const on = {
      zoom: (from, to) => this.#set(to - from, to),
      wider: () => this.#zoom(2),
      cursor: (ms) => this.#showFigures(ms),
    };
    const made = this.#groups.map((group, index) =>
      plot(group, { range, stepMs, width, height, time, on, axis: index === count - 1 }),
    );
    this.#charts = made.map((one) => one.chart);
    replace(
      this.#plots,
      made.length
        ? made.map((one) => one.place)
        : h("p.empty", "No points are chosen, or none has data in this range."),
    );
    this.#words(range, stepMs);
    this.#showFigures(null);
  }

  #words({ from, to }, stepMs) {
    const { time } = this.#link;
    const now = this.#link.nowMs();
    const say = (ms) => `${time.day(ms, now)} ${this.#spanMs < 600_000 ? time.second(ms) : time.minute(ms)}`;
    this.#chart.heading.textContent = `${say(from)} to ${say(to)}`;
    if (document.activeElement !== this.#from) this.#from.value = time.typed(from);
    if (document.activeElement !== this.#to) this.#to.value = time.typed(to);
    this.#note.textContent =
      "Hatched: no data. Gaps are never bridged by a line. Times are those of the site as its clock stands today.";
    replace(
      this.#kept.body,
      h(
        "dl.dl.rows",
        [
          ["Each stands for", duration(stepMs / 1000)],
          ["Line", stepMs <= 1000 ? "the values as recorded" : "their mean"],
          ["Band", stepMs <= 1000 ? "none" : "least to most"],
          ["Follows the present", this.#endMs === null ? "yes" : "no"],
        ].map(([name, value]) => [h("dt", name), h("dd", value)]),
      ),
    );
  }

  #showFigures(ms) {
    const at =
      ms === null
        ? "last"
        : this.#link.time[this.#spanMs > 2 * DAY ? "iso" : "minute"](ms).replace("T", " ").slice(0, 16);
    const rows = this.#groups.flatMap((group) =>
      group.list.map((one) => {
        const { least, mean, most } = figures(one);
        const cell = (value, label, strong) =>
          h(`td.r${strong ? ".b" : ""}`, { "data-l": label }, known(value) ? number(value, group.decimals) : "none");
        return h(
          "tr",
          h(
            "th",
            { scope: "row" },
            h("span.st", swatch(one.style), h("span", one.label, " ", h("span.m.sm", group.unit))),
          ),
          cell(valueAt(one, ms), at, true),
          cell(least, "least"),
          cell(mean, "mean"),
          cell(most, "most"),
        );
      }),
    );
    replace(this.#points.side, h("span", `${this.#names.length} of ${this.#all.length || this.#names.length}`));
    replace(
      this.#figures,
      h(
        "table.tbl.tp",
        h(
          "thead",
          h(
            "tr",
            h("th", "Point"),
            [at, "least", "mean", "most"].map((text) => h("th.r", text)),
          ),
        ),
        h("tbody", rows),
      ),
    );
  }

  #showPicker() {
    const item = ({ name, unit }) => {
      const box = h("input", { type: "checkbox", "data-key": `p-${name}`, onchange: () => this.#toggle(name) });
      box.checked = this.#names.includes(name);
      box.disabled = !box.checked && this.#names.length >= POINTS_MAX;
      return h("label", box, h("span", this.#label(name)), h("span.m.sm", `${name}${unit ? `, ${unit}` : ""}`));
    };
    replace(this.#choose, this.#all.map(item));
  }

  #toggle(name) {
    this.#names = this.#names.includes(name) ? this.#names.filter((one) => one !== name) : [...this.#names, name];
    this.#writeAddress();
    this.#showPicker();
    this.#ask();
  }
}

/** The value that held at a time, or the last one. */
function valueAt(one, ms) {
  if (ms === null) return one.mean.at(-1) ?? null;
  const index = one.t.findLastIndex((at) => at <= ms);
  return index < 0 ? null : one.mean[index];
}

function swatch({ width, dash, soft }) {
  return s(
    `svg.swatch${soft ? ".soft" : ""}`,
    { width: 22, height: 8, viewBox: "0 0 22 8", "aria-hidden": "true" },
    s("path", { d: "M0 4H22", "stroke-width": width, "stroke-dasharray": dash.join(" ") }),
  );
}
