// Decisions: every policy step as asked, changed by, written, and the room that was left. A time is explained in words.

import { card, csv, h, replace, s, save, timeField } from "../lib/dom.js";
import { get } from "../lib/api.js";
import { known, number, withUnit } from "../lib/format.js";
import { MODES, modeName, verb } from "../lib/words.js";
import { drawBars } from "../parts/decision-bars.js";
import { awcTable, changesOf, ruleName, unnamed } from "../parts/decision.js";
import { failed, spanPicker, toggles } from "../parts/range.js";

const DAY_MS = 86_400_000;
const LIMIT = 700;
const ROWS = 40;

export class Page {
  #link;
  #list = card("Decisions");
  #why = card("Why");
  #text = card("Explained");
  #at = timeField({ id: "explain-at" });
  #spanMs = DAY_MS;
  #filter = "all";
  #all = [];
  #chosen = null;
  #svg = s("svg.chart", { role: "img", "aria-label": "Battery set-points, asked and written" });
  #table = h("div");
  #tools = h("div.tools");
  #error = h("div");
  #newest = 0;
  #many = false;
  /** Somebody has chosen a step; until then the newest is shown. */
  #picked = false;

  constructor(link) {
    this.#link = link;
  }

  mount(main) {
    main.className = "two";
    main.append(h("div.col", this.#list.element), h("div.col", this.#why.element, this.#text.element));
    const explain = h(
      "form.tools",
      {
        onsubmit: (event) => {
          event.preventDefault();
          this.#explain();
        },
      },
      h("label.tool", "Explain the time", this.#at),
      h("button.btn", { type: "submit" }, "Explain"),
    );
    this.#list.body.append(explain, this.#tools, this.#svg, this.#error, this.#table);
    this.#text.element.hidden = true;
    this.#why.element.hidden = true;
    new ResizeObserver(() => this.#bars()).observe(this.#list.body);
    this.#ask();
  }

  /** A new step is asked for when the gateway says that it has made one. */
  update() {
    const made = this.#link.state?.plan?.made_unix_ms ?? 0;
    if (!this.#newest || made > this.#newest) {
      if (this.#newest || this.#link.state) this.#newest = made || 1;
      this.#ask();
    }
  }

  wake() {
    this.#ask();
  }

  key(name) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[name];
    if (!step || !this.#table.contains(document.activeElement)) return null;
    return () => {
      const picks = [...this.#table.querySelectorAll(".pick")];
      picks[picks.indexOf(document.activeElement) + step]?.focus();
    };
  }

  async #ask() {
    if (!this.#link.state) return;
    const to = Math.ceil(this.#link.nowMs());
    try {
      this.#all = await get("decisions", { from: to - this.#spanMs, to, limit: LIMIT });
      replace(this.#error);
    } catch (error) {
      replace(this.#error, failed(error));
      return;
    }
    if (!this.#picked) this.#chosen = this.#all[0]?.unix_ms ?? null;
    if (!this.#picked && this.#all[0] && document.activeElement !== this.#at)
      this.#at.value = this.#link.time.typed(this.#all[0].unix_ms);
    this.#show();
  }

  #fits(one) {
    if (this.#filter === "changed") return one.changes?.length > 0;
    return this.#filter === "operator" ? one.mode === "manual" : true;
  }

  #show() {
    const count = (fits) => this.#all.filter(fits).length;
    const filters = [
      ["all", "All", this.#all.length],
      ["changed", "Changed by a limit", count((one) => one.changes?.length > 0)],
      ["operator", "By an operator", count((one) => one.mode === "manual")],
    ];
    replace(
      this.#tools,
      spanPicker(
        "Decisions of",
        [
          ["24 h", DAY_MS],
          ["3 d", 3 * DAY_MS],
          ["7 d", 7 * DAY_MS],
        ],
        this.#spanMs,
        (ms) => {
          this.#spanMs = ms;
          this.#ask();
        },
      ),
      toggles("Show", filters, this.#filter, (which) => {
        this.#filter = which;
        this.#show();
      }),
      h("span.push", h("button.btn", { type: "button", onclick: () => this.#save() }, "CSV")),
    );
    const { plant } = this.#link.state;
    const shown = this.#all.filter((one) => this.#fits(one));
    const first = this.#many ? shown : shown.slice(0, ROWS);
    replace(
      this.#table,
      shown.length
        ? this.#rows(first, plant)
        : h("p.empty", this.#all.length ? "None of these." : "No decision in this time."),
    );
    if (first.length < shown.length)
      this.#table.append(
        h(
          "button.btn",
          {
            type: "button",
            "data-key": "many",
            onclick: () => {
              this.#many = true;
              this.#show();
            },
          },
          `Show all ${shown.length}`,
        ),
      );
    if (this.#all.length === LIMIT) this.#table.append(h("p.sm.m", `The newest ${LIMIT} are shown.`));
    this.#bars();
    this.#showWhy();
  }

  #rows(shown, plant) {
    const two = (show, list) => (show ? list : []);
    const head = [
      "Time",
      ...two(plant.batteries > 0, ["Battery asked", "changed by", "written"]),
      ...two(plant.chps > 0, ["CHP asked", "changed by", "written"]),
      "Room: import, export",
    ];
    return h(
      "table.tbl.dec",
      h(
        "thead",
        h(
          "tr",
          head.map((text, index) =>
            h(`th${text.startsWith("CHP") ? ".sepl" : ""}${index === head.length - 1 ? ".r" : ""}`, text),
          ),
        ),
      ),
      h(
        "tbody",
        shown.map((one) => this.#row(one, plant)),
      ),
    );
  }

  #row(one, plant) {
    const { time } = this.#link;
    const now = this.#link.nowMs();
    const today = time.midnight(now) <= one.unix_ms;
    const pick = h(
      "button.pick",
      { type: "button", "data-key": `c-${one.unix_ms}`, onclick: () => this.#choose(one) },
      today ? time.minute(one.unix_ms) : `${time.day(one.unix_ms, now)} ${time.minute(one.unix_ms)}`,
    );
    const { margins = {} } = one;
    const room =
      known(margins?.import_kw) || known(margins?.export_kw)
        ? `${number(margins.import_kw)}, ${number(margins.export_kw)} kW`
        : "unknown";
    return h(
      `tr${one.unix_ms === this.#chosen ? ".sel" : ""}`,
      h("th", { scope: "row" }, pick),
      plant.batteries > 0 && triple("battery", one, one.asked?.battery_kw, one.written?.battery_kw),
      plant.chps > 0 && triple("chp", one, chpOf(one.asked), chpOf(one.written)),
      h("td.r.m2.nw", { "data-l": "room in, out" }, room),
    );
  }

  #choose(one) {
    this.#picked = true;
    this.#chosen = one.unix_ms;
    this.#at.value = this.#link.time.typed(one.unix_ms);
    this.#show();
    this.#explain();
  }

  #showWhy() {
    const one = this.#all.find((decision) => decision.unix_ms === this.#chosen);
    this.#why.element.hidden = !one;
    if (!one) return;
    const { plant } = this.#link.state;
    this.#why.heading.textContent = `Why, at ${this.#link.time.second(one.unix_ms)}`;
    replace(
      this.#why.side,
      [modeName(one.mode), MODES[one.decided_by] ? null : one.decided_by].filter(Boolean).join(", "),
    );
    const limits = (one.changes ?? []).map((change) =>
      h(
        "li",
        h("span.limc", ruleName(change)),
        h(
          "span.m2",
          ` ${change.text ?? ""}${known(change.by_kw) && Math.abs(change.by_kw) > 0.05 ? `, by ${withUnit(Math.abs(change.by_kw), "kW")}` : ""}`,
        ),
      ),
    );
    replace(
      this.#why.body,
      h("p.why.short", one.reason || "No reason was recorded."),
      awcTable(one, { ...plant, renewables: plant.pv || plant.wind }),
      limits.length > 0 && h("ul.limits", limits),
      this.#room(one.margins),
      h("p.sm.m", `Journal: cycle ${one.cycle}`),
    );
  }

  #room(margins) {
    if (!margins) return null;
    const rows = [
      ["Charge to its limit", known(margins.soc) ? withUnit(margins.soc * 100, "%") : null],
      ["Import", known(margins.import_kw) ? withUnit(margins.import_kw, "kW") : null],
      ["Export", known(margins.export_kw) ? withUnit(margins.export_kw, "kW") : null],
      ["Voltage", known(margins.voltage_pu) ? withUnit(margins.voltage_pu, "pu", 3) : null],
    ];
    return [
      h("h3.b.sm", "Room to each limit"),
      h(
        "dl.dl.rows",
        rows.map(([name, text]) => [h("dt", name), h("dd", text ?? "unknown")]),
      ),
    ];
  }

  async #explain() {
    this.#picked = true;
    const at = this.#link.time.parse(this.#at.value);
    this.#text.element.hidden = false;
    if (!Number.isFinite(at)) {
      replace(
        this.#text.body,
        h("p.empty", { role: "status" }, "Expected a date and a time, such as 2026-09-15 14:30."),
      );
      return;
    }
    this.#text.heading.textContent = `Explained: ${this.#link.time.event(at, this.#link.nowMs())}`;
    try {
      const { text } = await get("explain", { at });
      replace(this.#text.body, h("pre.explain", { tabindex: 0, "aria-label": "Explanation" }, text));
    } catch (error) {
      replace(this.#text.body, failed(error));
    }
  }

  #bars() {
    const width = Math.floor(this.#list.body.clientWidth);
    const shown = this.#all.filter((one) => known(one.written?.battery_kw));
    this.#svg.classList.toggle("gone", !shown.length);
    if (width && shown.length) drawBars(this.#svg, this.#link, shown, { width, spanMs: this.#spanMs });
  }

  #save() {
    const rows = this.#all.map((one) => [
      one.local,
      one.unix_ms,
      one.cycle,
      one.mode,
      one.decided_by,
      one.asked?.battery_kw,
      chpOf(one.asked),
      one.written?.battery_kw,
      chpOf(one.written),
      one.written?.renewable_limit_kw,
      one.written?.sent,
      (one.changes ?? []).map((change) => change.rule).join(" "),
      one.margins?.soc,
      one.margins?.import_kw,
      one.margins?.export_kw,
      one.reason,
    ]);
    save(
      "decisions.csv",
      csv([
        [
          "local",
          "unix_ms",
          "cycle",
          "mode",
          "decided_by",
          "asked_battery_kw",
          "asked_chp_kw",
          "written_battery_kw",
          "written_chp_kw",
          "renewable_limit_kw",
          "sent",
          "rules",
          "margin_soc",
          "margin_import_kw",
          "margin_export_kw",
          "reason",
        ],
        ...rows,
      ]),
    );
  }
}

const chpOf = (side) => (side?.chp_on === false ? 0 : (side?.chp_kw ?? null));

function triple(kind, one, asked, written) {
  const name = kind === "chp" ? "CHP" : "battery";
  const say = (power) =>
    known(power) ? `${kind === "chp" ? "" : `${verb(kind, power)} `}${number(Math.abs(power))}` : "unknown";
  const [change] = changesOf(one, kind);
  return [
    h(`td.nw${kind === "chp" ? ".sepl" : ""}`, { "data-l": `${name} asked` }, say(asked)),
    h(
      "td",
      change
        ? h("span.limc", ruleName(change))
        : unnamed(one, kind)
          ? h("span", "no rule named")
          : h("span.m", "not changed"),
    ),
    h("td.b.nw", { "data-l": "written" }, say(written)),
  ];
}
