// Alarms: what is wrong now, what to do, and what was. States after ISA-18.2.

import { card, csv, h, onChange, replace, save } from "../lib/dom.js";
import { get, post } from "../lib/api.js";
import { duration } from "../lib/format.js";
import { ALARM_STATES, may, sentence } from "../lib/words.js";
import { alarmMark, gone, isUnacknowledged, sorted } from "../parts/alarm-mark.js";
import { acknowledge } from "../parts/alarmbar.js";
import { failed, spanPicker, toggles } from "../parts/range.js";

const DAY_MS = 86_400_000;
const SHELVE = [
  ["30 min", 30],
  ["2 h", 120],
  ["8 h", 480],
];
const OUT = Object.entries({ "8 h": 8, "3 d": 72, "30 d": 720 });
const FILTERS = {
  all: ["All", () => true],
  open: ["Not acknowledged", isUnacknowledged],
  active: ["Active", (one) => one.state === "unacknowledged" || one.state === "acknowledged"],
  shelved: ["Shelved", (one) => one.state === "shelved"],
  out: ["Out of service", (one) => one.state === "out_of_service"],
};

export class Page {
  #link;
  #now = card("Alarms now", h("span.desk", "filled shape: not acknowledged; outline: acknowledged"));
  #past = card("History");
  #about = card("No alarm chosen");
  #answer = card("Answer");
  #filter = "all";
  #chosen = null;
  #spanMs = DAY_MS;
  #shelveFor = 30;
  #outFor = 8;
  #said = h("p.sm.said", { role: "status" });
  #reason = h("input", { id: "shelve-reason", "data-key": "reason", maxlength: 200, autocomplete: "off" });
  #hint = h("span.sm.m");
  /** Buttons that need a reason, each with whether it is barred all the same. */
  #reasoning = [];
  #draw = onChange(() => this.#show());
  #drawAnswer = onChange(() => this.#showAnswer());
  #historyOf = "";

  constructor(link) {
    this.#link = link;
  }

  mount(main) {
    main.className = "two";
    main.append(
      h("div.col", this.#now.element, this.#past.element),
      h("div.col", this.#about.element, this.#answer.element),
    );
    this.#reason.addEventListener("input", () => this.#reasoned());
    this.update();
    this.#askHistory();
  }

  update() {
    const list = this.#link.alarms?.alarms;
    if (!list) return;
    if (!list.some((one) => one.id === this.#chosen)) this.#chosen = sorted(list)[0]?.id ?? null;
    const minute = Math.floor(this.#link.nowMs() / 10_000);
    this.#draw(list, this.#filter, this.#chosen, minute, this.#link.session, this.#link.live);
    this.#drawAnswer(this.#one(), this.#link.session, this.#link.live, this.#shelveFor, this.#outFor);
    const states = list.map((one) => `${one.id} ${one.state} ${one.count}`).join();
    if (this.#historyOf !== "" && this.#historyOf !== states) this.#askHistory();
    this.#historyOf = states;
  }

  wake() {
    this.#askHistory();
  }

  #one = () => this.#link.alarms?.alarms.find((one) => one.id === this.#chosen) ?? null;

  #show() {
    const list = this.#link.alarms.alarms;
    const counted = Object.entries(FILTERS).map(([key, [text, fits]]) => [key, text, list.filter(fits).length]);
    const chips = toggles("Show", counted, this.#filter, (key) => {
      this.#filter = key;
      this.update();
    });
    const shown = sorted(list.filter(FILTERS[this.#filter][1]));
    const table =
      shown.length === 0
        ? h("p.empty", this.#filter === "all" ? "No alarm." : "None of these.")
        : h(
            "table.tbl",
            h(
              "thead",
              h("tr", [
                ...["Priority", "State", "Since", "What, and what to do"].map((text) => h("th", text)),
                h("th", h("span.vh", "Answer")),
              ]),
            ),
            h(
              "tbody",
              shown.map((one) => this.#row(one)),
            ),
          );
    replace(this.#now.body, h("div.tools", chips), table);
    this.#showAbout();
  }

  #row(one) {
    const [state, detail] = ALARM_STATES[one.state] ?? [sentence(one.state), ""];
    const { time } = this.#link;
    const now = this.#link.nowMs();
    const ends = one.shelved_until_unix_ms ?? one.out_of_service_until_unix_ms;
    const until = ends ? `until ${time.event(ends, now)}` : "";
    const by = one.acknowledged_by ? ` by ${one.acknowledged_by}` : "";
    const pick = h(
      "button.pick",
      { type: "button", "data-key": `a-${one.id}`, onclick: () => this.#choose(one.id) },
      one.text,
    );
    return h(
      `tr${one.id === this.#chosen ? ".sel" : ""}`,
      h("td", alarmMark(one)),
      h("td", h("span.b", state), h("small", [`${detail}${by}`.trim(), until, gone(one)].filter(Boolean).join(", "))),
      h(
        "td",
        h("span.nw", time.event(one.since_unix_ms, now)),
        h("small", `for ${duration((now - one.since_unix_ms) / 1000)}${one.count > 1 ? `, ${one.count} times` : ""}`),
      ),
      h("td.full", pick, h("small", one.advice ?? "")),
      h("td.r.full", this.#rowButton(one)),
    );
  }

  #rowButton(one) {
    if (!isUnacknowledged(one)) return one.state === "out_of_service" ? h("span.sm.m", "out of service") : null;
    const why = this.#barred();
    return why
      ? h("span.sm.m", why)
      : h(
          "button.btn",
          {
            type: "button",
            "data-key": `k-${one.id}`,
            onclick: () => this.#do("Acknowledged", () => acknowledge(this.#link, one)),
          },
          "Acknowledge",
        );
  }

  #barred() {
    if (!this.#link.live) return "no news: not now";
    return may(this.#link.session.role, "operator")
      ? null
      : this.#link.session.principal === null
        ? "log in first"
        : `${this.#link.session.role} may not`;
  }

  #choose(id) {
    this.#chosen = id;
    this.#said.textContent = "";
    this.update();
  }

  #showAbout() {
    const one = this.#one();
    this.#about.element.hidden = one === null;
    if (!one) return;
    const { time } = this.#link;
    const now = this.#link.nowMs();
    this.#about.heading.textContent = one.text;
    replace(this.#about.side, alarmMark(one));
    const rows = [
      ["Source", one.source],
      ["State", ALARM_STATES[one.state]?.filter(Boolean).join(", ") ?? one.state],
      ["Since", time.event(one.since_unix_ms, now)],
      ["Came", `${one.count} time${one.count === 1 ? "" : "s"}`],
      one.acknowledged_by && ["Acknowledged by", one.acknowledged_by],
      gone(one) && ["Cause", gone(one)],
      one.shelved_until_unix_ms && ["Shelved until", time.event(one.shelved_until_unix_ms, now)],
      one.out_of_service_until_unix_ms && ["Out of service until", time.event(one.out_of_service_until_unix_ms, now)],
      ["Name for SCADA and MQTT", one.id],
    ].filter(Boolean);
    replace(
      this.#about.body,
      h("h3.b", "What you can do"),
      h("p.note", one.advice || "Nothing is said."),
      h(
        "dl.dl.rows",
        rows.map(([key, value]) => [h("dt", key), h("dd", value)]),
      ),
    );
  }

  #showAnswer() {
    const one = this.#one();
    this.#answer.element.hidden = one === null;
    if (!one) return;
    const why = this.#barred();
    const act = (text, path, body, done, barred = false) =>
      h(
        "button.btn",
        {
          type: "button",
          disabled: Boolean(why) || barred,
          "data-key": path,
          onclick: () => this.#do(done, () => post(`alarms/${encodeURIComponent(one.id)}/${path}`, body())),
        },
        text,
      );
    const open = isUnacknowledged(one);
    const acknowledgement = h(
      "button.btn.go",
      {
        type: "button",
        disabled: Boolean(why) || !open,
        "data-key": "acknowledge",
        onclick: () => this.#do("Acknowledged", () => acknowledge(this.#link, one)),
      },
      open ? "Acknowledge" : "Acknowledged already",
    );
    this.#reasoning = [];
    const aside = this.#aside(one, act);
    this.#reasoned();
    replace(
      this.#answer.body,
      h(
        "div.ctl",
        why && h("p.sm.m", `You may look: ${why}.`),
        acknowledgement,
        h("hr"),
        aside,
        h(
          "p.sm.m",
          "Acknowledging says that you have seen it; it changes nothing at the plant. Shelving and out of service end by themselves and are logged with your name.",
        ),
        this.#said,
      ),
    );
  }

  /** Shelving, and taking out of service; or the way back. */
  #aside(one, act) {
    const barred = !may(this.#link.session.role, "engineer");
    const back = (text, path, done, not) => act(text, path, () => ({}), done, not);
    if (one.state === "out_of_service")
      return [
        back("Return to service", "return-to-service", "Back in service", barred),
        barred && h("p.sm.m", "An engineer returns it to service."),
      ];
    const shelving =
      one.state === "shelved"
        ? back("End shelving", "unshelve", "Shelving ended", false)
        : this.#span("Shelve", "shelve", SHELVE, this.#shelveFor, (minutes) => (this.#shelveFor = minutes));
    const reason = () => this.#reason.value.trim();
    const shelve =
      one.state !== "shelved" &&
      act("Shelve", "shelve", () => ({ minutes: this.#shelveFor, reason: reason() }), "Shelved");
    const body = () => ({ hours: this.#outFor, reason: reason() });
    const out = !barred && act("Take out of service", "out-of-service", body, "Out of service");
    this.#reasoning = [shelve, out].filter(Boolean).map((button) => [button, button.disabled]);
    if (!shelve && !out) return shelving;
    return [
      shelving,
      out && this.#span("Out of service", "out", OUT, this.#outFor, (hours) => (this.#outFor = hours)),
      h("div.row", h("label.k", { for: "shelve-reason" }, "Reason"), h("span.tool.wide", this.#reason)),
      h("div.row", h("span"), this.#hint, h("span.pair", shelve, out)),
    ];
  }

  #span(name, key, spans, chosen, choose) {
    const buttons = spans.map(([text, value]) =>
      h(
        "button",
        {
          type: "button",
          "aria-pressed": String(value === chosen),
          "data-key": `${key}-${value}`,
          onclick: () => {
            choose(value);
            this.update();
          },
        },
        text,
      ),
    );
    return h("div.row", h("span.k", name), h("div.seg.wide", { role: "group", "aria-label": `${name} for` }, buttons));
  }

  /** Typing changes the buttons alone: a field that is drawn anew would lose what is being typed. */
  #reasoned() {
    const given = this.#reason.value.trim() !== "";
    this.#reasoning.forEach(([button, barred]) => (button.disabled = barred || !given));
    this.#hint.textContent = given ? "" : "A reason is needed.";
  }

  async #do(done, run) {
    try {
      await run();
      this.#said.textContent = `${done}.`;
      this.#reason.value = "";
    } catch (error) {
      this.#said.textContent = error.message;
    }
    await this.#link.refresh();
    this.update();
  }

  async #askHistory() {
    const to = Math.ceil(this.#link.nowMs());
    try {
      const { history } = await get("alarms", { from: to - this.#spanMs, to });
      this.#showHistory(history.filter((one) => one.unix_ms >= to - this.#spanMs));
    } catch (error) {
      replace(this.#past.body, failed(error));
    }
  }

  #showHistory(list) {
    const { time } = this.#link;
    const now = this.#link.nowMs();
    const spans = spanPicker(
      "History of",
      [
        ["24 h", DAY_MS],
        ["7 d", 7 * DAY_MS],
        ["30 d", 30 * DAY_MS],
      ],
      this.#spanMs,
      (ms) => {
        this.#spanMs = ms;
        this.#askHistory();
      },
    );
    const file = h(
      "button.btn",
      {
        type: "button",
        onclick: () =>
          save(
            "alarms.csv",
            csv([
              ["local", "unix_ms", "id", "state", "text", "by"],
              ...list.map((one) => [time.iso(one.unix_ms), one.unix_ms, one.id, one.state, one.text, one.by]),
            ]),
          ),
      },
      "CSV",
    );
    const rows = list.map((one) =>
      h(
        "tr",
        h("td.nw", time.event(one.unix_ms, now)),
        h("td.b", ALARM_STATES[one.state]?.filter(Boolean).join(", ") ?? sentence(one.state)),
        h("td.full", one.text),
        h("td", one.by ?? "by itself"),
      ),
    );
    const table = rows.length
      ? h(
          "table.tbl",
          h(
            "thead",
            h(
              "tr",
              ["Time", "Became", "What", "By"].map((text) => h("th", text)),
            ),
          ),
          h("tbody", rows),
        )
      : h("p.empty", "No alarm in this time.");
    replace(this.#past.body, h("div.tools", spans, h("span.push", file)), kpis(list), table);
  }
}

/** How many came, and how long they waited: what an alarm list is judged by. */
function kpis(list) {
  const raised = list.filter((one) => one.state === "unacknowledged");
  const waits = raised
    .map((one) => {
      const seen = list
        .filter((other) => other.id === one.id && other.state === "acknowledged" && other.unix_ms >= one.unix_ms)
        .at(-1);
      return seen ? (seen.unix_ms - one.unix_ms) / 1000 : null;
    })
    .filter((wait) => wait !== null)
    .sort((a, b) => a - b);
  const inTen = raised.map(
    (one) =>
      raised.filter((other) => Math.abs(other.unix_ms - one.unix_ms) <= 600_000 && other.unix_ms <= one.unix_ms).length,
  );
  return h(
    "p.kpis",
    h("span", h("b", String(raised.length)), " came"),
    h("span", h("b", String(Math.max(0, ...inTen))), " at most in ten minutes"),
    waits.length > 0 && h("span", h("b", duration(waits[Math.floor(waits.length / 2)])), " to acknowledge, median"),
  );
}
