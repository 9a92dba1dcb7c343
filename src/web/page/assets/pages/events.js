// Events: who did what, by which entrance, and what became of it.

import { card, csv, h, replace, save } from "../lib/dom.js";
import { get } from "../lib/api.js";
import { MEANS, sentence } from "../lib/words.js";
import { failed, spanPicker, toggles } from "../parts/range.js";

const DAY_MS = 86_400_000;
const EVERY_MS = 10_000;
const LIMIT = 500;

export class Page {
  #link;
  #card = card("Who did what");
  #spanMs = 7 * DAY_MS;
  #filter = "all";
  #list = [];
  #asked = -Infinity;

  constructor(link) {
    this.#link = link;
  }

  mount(main) {
    main.append(this.#card.element);
    this.update();
  }

  update() {
    if (this.#link.state && performance.now() - this.#asked > EVERY_MS) this.#ask();
  }

  wake() {
    this.#asked = -Infinity;
  }

  async #ask() {
    this.#asked = performance.now();
    const to = Math.ceil(this.#link.nowMs());
    try {
      this.#list = await get("log", { from: to - this.#spanMs, to, limit: LIMIT });
      this.#show();
    } catch (error) {
      if (!this.#list.length) replace(this.#card.body, failed(error));
    }
  }

  #fits(one) {
    if (this.#filter === "people") return byPerson(one);
    return this.#filter === "refused" ? one.outcome === "rejected" : true;
  }

  #show() {
    const count = (fits) => this.#list.filter(fits).length;
    const filters = [
      ["all", "All", this.#list.length],
      ["people", "By people", count((one) => byPerson(one))],
      ["refused", "Refused", count((one) => one.outcome === "rejected")],
    ];
    const tools = h(
      "div.tools",
      spanPicker(
        "Events of",
        [
          ["24 h", DAY_MS],
          ["7 d", 7 * DAY_MS],
          ["30 d", 30 * DAY_MS],
          ["1 y", 366 * DAY_MS],
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
      h("span.push", h("button.btn", { type: "button", "data-key": "csv", onclick: () => this.#save() }, "CSV")),
    );
    const shown = this.#list.filter((one) => this.#fits(one));
    const head = ["Time", "Who", "What", "Became", "Detail"];
    const table = shown.length
      ? h(
          "table.tbl",
          h(
            "thead",
            h(
              "tr",
              head.map((text) => h("th", text)),
            ),
          ),
          h(
            "tbody",
            shown.map((one) => this.#row(one)),
          ),
        )
      : h("p.empty", this.#list.length ? "None of these." : "Nothing in this time.");
    replace(
      this.#card.body,
      tools,
      table,
      this.#list.length === LIMIT && h("p.sm.m", `The newest ${LIMIT} are shown.`),
    );
  }

  #row(one) {
    const means = one.means ? `by ${MEANS[one.means] ?? one.means}` : "";
    const who = byPerson(one)
      ? [h("span.b", one.principal), h("small", [one.role, means].filter(Boolean).join(", "))]
      : h("span.m", "the gateway itself");
    return h(
      "tr",
      h("td.nw", this.#link.time.event(one.unix_ms, this.#link.nowMs())),
      h("td", who),
      h("td.b", sentence(one.what ?? "")),
      h(
        `td${one.outcome === "rejected" ? ".b" : ""}`,
        one.outcome === "rejected" ? "✕ rejected" : sentence(one.outcome ?? ""),
      ),
      h("td.full.m2.long", detail(one.detail)),
    );
  }

  #save() {
    const rows = this.#list.map((one) => [
      this.#link.time.iso(one.unix_ms),
      one.unix_ms,
      one.principal,
      one.role,
      one.means,
      one.what,
      one.outcome,
      detail(one.detail),
    ]);
    save("events.csv", csv([["local", "unix_ms", "principal", "role", "means", "what", "outcome", "detail"], ...rows]));
  }
}

/** What the gateway does by itself has no person behind it. */
const byPerson = ({ principal, means }) => Boolean(principal) && means !== "control";
const detail = (value) =>
  value === null || value === undefined ? "" : typeof value === "string" ? value : JSON.stringify(value);
