// Devices: links, rates, and every point with what came over the wire, its quality and age, the last write and whether
// it was read back.

import { card, csv, h, replace, s, save } from "../lib/dom.js";
import { get } from "../lib/api.js";
import { count, duration, known, number, quantity, shown } from "../lib/format.js";
import { aged, qualityMark } from "../lib/values.js";
import { asSentence, pointName, sentence } from "../lib/words.js";
import { failed, toggles } from "../parts/range.js";

const EVERY_MS = 2000;
const LINKS = {
  up: ["M2 7.5l3.4 3.4L12 3.6", "answers"],
  down: ["M2.5 2.5l9 9m0-9l-9 9", "no answer"],
  connecting: ["M7 2v5l3 2M7 1a6 6 0 1 0 .01 0z", "connecting"],
};

export class Page {
  #link;
  #list = card("Devices", h("span.desk", "rates since this page was opened"));
  #points = card("Points");
  #about = card("Device");
  #chosen = null;
  #all = false;
  #first = null;
  #devices = null;
  #timer = null;
  #heardAt = 0;

  constructor(link) {
    this.#link = link;
  }

  mount(main) {
    main.className = "two";
    main.append(h("div.col", this.#list.element, this.#points.element), h("div.col", this.#about.element, key()));
    this.#timer = setInterval(() => document.visibilityState === "visible" && this.#ask(), EVERY_MS);
    this.#ask();
  }

  leave() {
    clearInterval(this.#timer);
  }

  wake() {
    this.#ask();
  }

  update() {
    if (this.#devices) this.#show();
  }

  async #ask() {
    try {
      this.#devices = await get("devices");
    } catch (error) {
      if (!this.#devices) replace(this.#list.body, failed(error));
      return;
    }
    this.#heardAt = Date.now();
    this.#first ??= { at: Date.now(), polls: Object.fromEntries(this.#devices.map((one) => [one.name, one.polls])) };
    this.#chosen ??= (this.#devices.find((one) => one.state !== "up") ?? this.#devices[0])?.name ?? null;
    this.#show();
  }

  /** Ages go on growing between two answers of the gateway. */
  #now(point) {
    const waited = (Date.now() - this.#heardAt) / 1000;
    const state = this.#link.state?.points[point.signal]?.state ?? looks(point);
    const made = { value: point.value, unit: point.unit, quality: point.quality, age_s: point.age_s, state };
    const now = aged(this.#link, made);
    return { ...now, ageS: known(point.age_s) ? point.age_s + waited : null };
  }

  #show() {
    const head = ["Device", "Link", "Answers", "Of those due", "Writes", "Good points"];
    const rows = this.#devices.map((one) => this.#row(one));
    replace(
      this.#list.body,
      h(
        "table.tbl",
        h(
          "thead",
          h(
            "tr",
            head.map((text, index) => h(`th${index > 1 ? ".r" : ""}`, text)),
          ),
        ),
        h("tbody", rows),
      ),
    );
    this.#showPoints();
    this.#showAbout();
  }

  #row(one) {
    const good = one.points.filter((point) => ["fresh", "ageing"].includes(this.#now(point).state)).length;
    const pick = h(
      "button.pick",
      {
        type: "button",
        "data-key": `d-${one.name}`,
        onclick: () => {
          this.#chosen = one.name;
          this.#show();
        },
      },
      one.name,
    );
    return h(
      `tr${one.name === this.#chosen ? ".sel" : ""}`,
      h("th.b", { scope: "row" }, pick, h("small", one.address ?? "")),
      h("td", linkMark(one)),
      h("td.r.nw", { "data-l": "answers" }, this.#rate(one)),
      h("td.r.nw", { "data-l": one.kind === "mqtt" ? null : "of those due" }, answered(one)),
      h("td.r.nw", { "data-l": "writes" }, one.writes > 0 ? count(one.writes) : "none"),
      h("td.r.nw", { "data-l": "good points" }, `${good} of ${one.points.length}`),
    );
  }

  #rate(one) {
    if (one.kind === "mqtt" || !known(one.polls)) return "on change";
    const seconds = (this.#heardAt - this.#first.at) / 1000;
    const made = one.polls - (this.#first.polls[one.name] ?? one.polls);
    return seconds < 3 ? "counting" : `${number(made / seconds)} a second`;
  }

  #showPoints() {
    const chosen = this.#devices.filter((one) => this.#all || one.name === this.#chosen);
    const points = chosen.flatMap((device) =>
      device.points.map((point) => ({ device: device.name, point, now: this.#now(point) })),
    );
    const order = { bad: 0, stale: 1, ageing: 2, fresh: 3 };
    points.sort((a, b) => order[a.now.state] - order[b.now.state]);
    const chips = toggles(
      "Points of",
      [
        ["one", this.#chosen ?? ""],
        ["all", "All", this.#devices.reduce((sum, one) => sum + one.points.length, 0)],
      ],
      this.#all ? "all" : "one",
      (which) => {
        this.#all = which === "all";
        this.#show();
      },
    );
    const file = h("button.btn", { type: "button", "data-key": "csv", onclick: () => this.#save() }, "CSV");
    const head = ["Point", "Value", "Quality", "Age", "Raw", "Register, decoding", "Last write"];
    replace(
      this.#points.body,
      h("div.tools", chips, h("span.sm.m", "worst first"), h("span.push", file)),
      h(
        "table.tbl",
        h(
          "thead",
          h(
            "tr",
            head.map((text, index) => h(`th${index === 3 ? ".r" : ""}`, text)),
          ),
        ),
        h(
          "tbody",
          points.map((one) => this.#point(one)),
        ),
      ),
    );
  }

  #point({ device, point, now }) {
    const [unit, factor, decimals] = shown(point.signal ?? point.point, point.unit);
    const value =
      now.value === null
        ? h("span.val.bad", "no value")
        : h(
            `span.val${now.state === "stale" ? ".stale" : ""}`,
            unit === ""
              ? number(now.value, Number.isInteger(now.value) ? 0 : 2)
              : quantity(now.value * factor, unit, decimals),
          );
    const raw = point.raw
      ? h("span.mono", point.raw.map((word) => `0x${word.toString(16).toUpperCase().padStart(4, "0")}`).join(" "))
      : h("span.m", "none");
    return h(
      "tr",
      h(
        "th.b",
        { scope: "row" },
        pointName(point.signal ?? point.point),
        h("small", this.#all ? `${device}: ${point.point}` : point.point),
      ),
      h("td.nw", value),
      h("td", qualityMark(now.state)),
      h("td.nw.r", { "data-l": "age" }, now.ageS === null ? "never read" : duration(now.ageS)),
      h("td.nw", { "data-l": "raw" }, raw),
      h("td.m2.full.long", { "data-l": "register" }, point.register ?? "none"),
      h("td.full", { "data-l": "last write" }, this.#write(point)),
    );
  }

  #write(point) {
    const last = point.last_write;
    if (!last) return h("span.m", "never");
    const at = this.#link.time.event(last.unix_ms, this.#link.nowMs());
    const back = last.read_back === true ? "✓ read back equal" : "✕ not read back";
    return [
      h("span.nw", quantity(last.value, point.unit === "1" ? "" : (point.unit ?? ""))),
      h("small", `${at}, `, h("span.nw", back)),
    ];
  }

  #showAbout() {
    const one = this.#devices.find((device) => device.name === this.#chosen);
    this.#about.element.hidden = !one;
    if (!one) return;
    this.#about.heading.textContent = one.name;
    const rows = [
      ["Address", one.address],
      ["Kind", one.kind === "mqtt" ? "MQTT" : "Modbus"],
      ["Answers", known(one.polls) ? count(one.polls) : "on change"],
      ["Passed without an answer", known(one.polls_missed) ? count(one.polls_missed) : "does not apply"],
      ["Writes", count(one.writes ?? 0)],
      ["Points", String(one.points.length)],
    ];
    replace(
      this.#about.body,
      h(
        "p.note",
        h("b.b", `${sentence((LINKS[one.state] ?? LINKS.down)[1])}. `),
        one.error ? asSentence(one.error) : "",
      ),
      h(
        "dl.dl.rows",
        rows.map(([name, value]) => [h("dt", name), h("dd", value ?? "unknown")]),
      ),
    );
  }

  #save() {
    const rows = this.#devices.flatMap((one) =>
      one.points.map((point) => [
        one.name,
        point.point,
        point.signal,
        point.value,
        point.unit,
        point.quality,
        point.age_s,
        (point.raw ?? []).join(" "),
        point.register,
        point.last_write?.value,
        point.last_write?.unix_ms,
        point.last_write?.read_back,
      ]),
    );
    save(
      "points.csv",
      csv([
        [
          "device",
          "point",
          "signal",
          "value",
          "unit",
          "quality",
          "age_s",
          "raw",
          "register",
          "written",
          "written_unix_ms",
          "read_back",
        ],
        ...rows,
      ]),
    );
  }
}

/** A point that no signal reads has no judgement of its own: what was read once and is not good now is the last known. */
function looks({ quality, value }) {
  if (quality === "good" || quality === "uncertain") return quality === "good" ? "fresh" : "ageing";
  return known(value) ? "stale" : "bad";
}

function linkMark(one) {
  const [path, word] = LINKS[one.state] ?? LINKS.down;
  const svg = s(
    "svg.linkshape",
    { width: 14, height: 14, viewBox: "0 0 14 14", "aria-hidden": "true" },
    s("path", { d: path }),
  );
  return h(
    `span.st${one.state === "up" ? "" : ".b"}`,
    svg,
    one.kind === "mqtt" && one.state === "up" ? "connected" : word,
  );
}

/** Answers among the places of the poll grid that are over; what was never polled has no share. */
function answered(one) {
  if (!known(one.polls) || !known(one.polls_missed) || one.polls + one.polls_missed === 0) return "";
  return quantity((one.polls / (one.polls + one.polls_missed)) * 100, "%");
}

function key() {
  const one = card("How quality is shown");
  const line = (state, text) => h("li", qualityMark(state), h("span", text));
  one.body.append(
    h(
      "ul.key",
      line("fresh", "young enough to decide by; no mark"),
      line("ageing", "older than it should be; still used"),
      line("stale", "too old; the last value is kept for the eye, not used"),
      line("bad", "sentinel, out of range, refused or never read; no value shown"),
    ),
  );
  return one.element;
}
