// Model and money: who decides, what it was trained for, whether it is among what it knows, and what it has earned here
// (the ledger): promised beside delivered.

import { card, h, replace } from "../lib/dom.js";
import { get, urlOf } from "../lib/api.js";
import { known, number, signed } from "../lib/format.js";
import { sentence } from "../lib/words.js";
import { failed, toggles } from "../parts/range.js";

const DAY_MS = 86_400_000;

export class Page {
  #link;
  #passport = card("Model");
  #known = card("Is the plant what it was trained for");
  #evaluation = card("Evaluation");
  #trained = card("Trained for");
  #ledger = card("What the gateway has earned");
  #by = "days";
  #money = null;
  #asked = false;

  constructor(link) {
    this.#link = link;
  }

  mount(main) {
    main.className = "two";
    this.#ledger.element.id = "ledger";
    main.append(
      h("div.col", this.#ledger.element, this.#evaluation.element),
      h("div.col", this.#passport.element, this.#known.element, this.#trained.element),
    );
    this.update();
  }

  update() {
    if (!this.#link.state || this.#asked) return;
    this.#asked = true;
    this.#askModel();
    this.#askLedger();
  }

  wake() {
    this.#asked = false;
  }

  async #askModel() {
    try {
      this.#showModel(await get("model"));
    } catch (error) {
      replace(this.#passport.body, failed(error));
    }
  }

  #showModel(model) {
    const isModel = model.hash !== undefined && model.hash !== null;
    this.#passport.heading.textContent = isModel ? `Model ${model.name}` : `No model: ${model.name} decides`;
    const passport = [
      ["Runs on", model.runtime],
      ["Sees (schema)", model.schema],
      ["Hash of the folder", model.hash],
    ].filter(([, value]) => value !== undefined);
    replace(
      this.#passport.body,
      isModel ? list(passport, model.made) : h("p.note", "The good rule needs no training: it has no passport."),
    );
    for (const part of [this.#evaluation, this.#trained, this.#known]) part.element.hidden = !isModel;
    if (!isModel) return;
    replace(
      this.#evaluation.body,
      Array.isArray(model.evaluation) ? judged(model.evaluation) : list([], model.evaluation),
    );
    replace(this.#trained.body, list([], model.trained_for));
    replace(
      this.#known.body,
      h("p.why.short", familiarity(model.out_of_distribution)),
      h("p.note", model.out_of_distribution?.why ?? ""),
    );
  }

  async #askLedger() {
    const today = this.#link.time.iso(this.#link.nowMs()).slice(0, 10);
    const from = this.#link.time.iso(this.#link.nowMs() - 62 * DAY_MS).slice(0, 10);
    try {
      this.#money = await get("ledger", { from, to: today });
      this.#showLedger(from, today);
    } catch (error) {
      replace(this.#ledger.body, failed(error));
    }
  }

  #showLedger(from, to) {
    const { days, months, text, currency } = this.#money;
    const rows = this.#by === "days" ? days : months;
    const chips = toggles(
      "By",
      [
        ["days", "Days", days.length],
        ["months", "Months", months.length],
      ],
      this.#by,
      (which) => {
        this.#by = which;
        this.#showLedger(from, to);
      },
    );
    const file = h("a.btn", { href: urlOf("ledger", { from, to, format: "csv" }), download: "ledger.csv" }, "CSV");
    const head = [
      this.#by === "days" ? "Day" : "Month",
      "Gateway",
      "Against the rule",
      "Against doing nothing",
      "Hours Auto, Shadow",
    ];
    const table = rows.length
      ? h(
          "table.tbl",
          h(
            "thead",
            h(
              "tr",
              head.map((word, index) => h(`th${index ? ".r" : ""}`, word)),
            ),
          ),
          h("tbody", rows.map(moneyRow)),
        )
      : h("p.empty", "Nothing is recorded yet.");
    replace(this.#ledger.side, currency ?? "EUR");
    replace(
      this.#ledger.body,
      h("p.why.short", text ?? ""),
      h("div.tools", chips, h("span.push", file)),
      table,
      h(
        "p.sm.m",
        "Costs of a day; differences say how much dearer the other would have been by the plant's model, ± its error. Where a day cannot be compared, it says why.",
      ),
    );
  }
}

const FIGURES = [
  ["cost_eur_per_day", "EUR a day", 2],
  ["cvar95_eur_per_day", "worst days, EUR", 2],
  ["chp_starts", "CHP starts", 0],
  ["violations", "Violations", 0],
  ["days", "Days", 0],
];

/** What was judged beside what: one table for each set of days. */
function judged(rows) {
  const sets = [...new Set(rows.map((one) => one.data))];
  const head = ["Policy", ...FIGURES.map(([, text]) => text)];
  const row = (one) =>
    h(
      "tr",
      h("th.b", { scope: "row" }, one.policy),
      FIGURES.map(([key, text, decimals]) => h("td.r", { "data-l": text }, number(one[key], decimals))),
    );
  return sets.map((data) => [
    h(
      "h3.b.sm.set",
      String(data ?? "all days").replace(/^./, (first) => first.toUpperCase()),
    ),
    h(
      "table.tbl",
      h(
        "thead",
        h(
          "tr",
          head.map((text, index) => h(`th${index ? ".r" : ""}`, text)),
        ),
      ),
      h("tbody", rows.filter((one) => one.data === data).map(row)),
    ),
  ]);
}

function moneyRow(one) {
  const versus = (other) =>
    one.valid && known(other) && known(one.gateway_eur)
      ? [
          h(
            "span.nw",
            signed(other - one.gateway_eur),
            known(one.error_eur) && h("span.m", ` ± ${number(one.error_eur, 2)}`),
          ),
          h("small", number(other, 2)),
        ]
      : h("span.m", "not compared");
  return h(
    "tr",
    h("th.b", { scope: "row" }, one.day ?? one.month, !one.valid && h("small", one.why ?? "not valid")),
    h("td.r.b", { "data-l": "gateway" }, number(one.gateway_eur, 2)),
    h("td.r", { "data-l": "against the rule" }, versus(one.rule_eur)),
    h("td.r", { "data-l": "against doing nothing" }, versus(one.idle_eur)),
    h("td.r.m2", { "data-l": "hours auto, shadow" }, `${number(one.hours_auto)}, ${number(one.hours_shadow)}`),
  );
}

function familiarity(distance) {
  if (!distance || distance.is === null || distance.is === undefined) return "Not known: too little was seen yet.";
  return distance.is ? "No: outside what it was trained for; the good rule decides." : "Yes.";
}

/** Names and values of any depth as a list: what a passport holds is the model's own business. */
function list(first, more) {
  const rows = [...first, ...flat(more)];
  return rows.length
    ? h(
        "dl.dl.rows.passport",
        rows.map(([name, value]) => [h("dt", sentence(name)), h("dd", say(value))]),
      )
    : h("p.empty", "Nothing is said.");
}

function flat(value, path = "") {
  if (value === null || value === undefined) return path ? [[path, null]] : [];
  if (typeof value !== "object" || Array.isArray(value)) return [[path || "value", value]];
  return Object.entries(value).flatMap(([key, inner]) => flat(inner, path ? `${path} ${key}` : key));
}

function say(value) {
  if (value === null || value === undefined) return "unknown";
  if (Array.isArray(value)) return value.map(say).join(value.length === 2 && value[0] < value[1] ? " to " : ", ");
  if (typeof value === "boolean") return value ? "yes" : "no";
  return typeof value === "number" ? String(Number(value.toPrecision(6))).replace("-", "\u2212") : String(value);
}
