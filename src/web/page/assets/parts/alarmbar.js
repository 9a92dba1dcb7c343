// The bar below the header of every page: the worst alarm that nobody has acknowledged, or that there is none.

import { h, onChange, replace, s } from "../lib/dom.js";
import { post } from "../lib/api.js";
import { may, PRIORITIES } from "../lib/words.js";
import { glyph, isUnacknowledged, sorted } from "./alarm-mark.js";

const SHAPE_PATHS = {
  high: "M7 0.5l6.5 6.5l-6.5 6.5l-6.5-6.5z",
  medium: "M7 1l6.5 12h-13z",
  low: "M7 0.8a6.2 6.2 0 1 0 .01 0z",
};

/** The alarm in the bar, or null. */
export function topAlarm(link) {
  const listed = link.alarms?.alarms;
  if (listed) return sorted(listed.filter(isUnacknowledged))[0] ?? null;
  return link.state?.alarms?.top ?? null;
}

/** Acknowledges; the answer's text where it is refused. Never changes the plant. */
export async function acknowledge(link, alarm) {
  await post(`alarms/${encodeURIComponent(alarm.id)}/acknowledge`);
  await link.refresh();
}

export class AlarmBar {
  #place;
  #link;
  #trouble = "";
  #draw = onChange((alarm) => this.#show(alarm));

  constructor(place, link) {
    this.#place = place;
    this.#link = link;
    place.setAttribute("aria-live", "polite");
  }

  update() {
    const alarm = topAlarm(this.#link);
    const counts = this.#link.state?.alarms ?? null;
    const others = this.#counted().join();
    this.#draw(alarm, counts, others, this.#link.session, this.#link.live, this.#trouble, alarm?.state === "returned");
  }

  acknowledge = async () => {
    const alarm = topAlarm(this.#link);
    if (!alarm || !this.#mayAcknowledge()) return;
    try {
      await acknowledge(this.#link, alarm);
      this.#trouble = "";
    } catch (error) {
      this.#trouble = error.message;
    }
    this.update();
  };

  #mayAcknowledge() {
    return this.#link.live && may(this.#link.session.role, "operator");
  }

  #show(alarm) {
    this.#place.setAttribute("aria-live", alarm?.priority === "high" ? "assertive" : "polite");
    this.#place.className = `alarmbar${alarm ? ` on p${PRIORITIES[alarm.priority]?.[1] ?? 3}` : ""}`;
    replace(this.#place, alarm ? this.#alarm(alarm) : this.#quiet());
  }

  #alarm(alarm) {
    const state = alarm.state === "returned" ? "returned, not acknowledged" : "not acknowledged";
    const counts = this.#link.state?.alarms;
    const many = (counts?.unacknowledged ?? 1) > 1 ? `${counts.unacknowledged} not acknowledged` : null;
    return [
      h(
        "p.prio",
        s(
          "svg.glyph",
          { viewBox: "0 0 14 14", "aria-hidden": "true" },
          s("path", { d: SHAPE_PATHS[alarm.priority] ?? SHAPE_PATHS.low }),
        ),
        `${PRIORITIES[alarm.priority]?.[0] ?? "Low"}, ${state}`,
      ),
      h(
        "p.msg",
        h("b", this.#link.time.second(alarm.since_unix_ms), " ", alarm.text),
        " ",
        h("span.m2", alarm.advice ?? ""),
      ),
      h("p.counts", many && h("span", many), ...this.#others()),
      this.#button(),
    ];
  }

  #button() {
    if (this.#trouble) return h("p.refused", this.#trouble);
    if (!this.#mayAcknowledge()) {
      const why = this.#link.live ? "log in to acknowledge" : "no news: cannot acknowledge now";
      return h("span.m.sm.whynot", why);
    }
    return h(
      "button.btn.go",
      { type: "button", "data-key": "bar-acknowledge", onclick: this.acknowledge, "aria-keyshortcuts": "a" },
      "Acknowledge",
    );
  }

  #counted(states = ["acknowledged", "shelved", "out_of_service"]) {
    const list = this.#link.alarms?.alarms ?? [];
    const counts = states.map((state) => [state.replaceAll("_", " "), list.filter((one) => one.state === state).length]);
    return counts.filter(([, count]) => count > 0).map(([word, count]) => `${count} ${word}`);
  }

  #others = (states) => this.#counted(states).map((text) => h("span", text));

  #quiet() {
    const state = this.#link.state;
    if (!state) return [h("p.msg", h("span.m2", "Alarms are not known yet."))];
    const counts = state.alarms;
    const active = counts.high + counts.medium + counts.low;
    const number = (priority) => h("span", glyph(priority), `${counts[priority]} ${priority}`);
    const aside = this.#others(["shelved", "out_of_service"]);
    return [
      s("svg.glyph", { viewBox: "0 0 14 14", "aria-hidden": "true" }, s("path", { d: "M2 7.5l3.4 3.4L12 3.6" })),
      h(
        "p.msg",
        h("b", active > 0 ? `${active} active, acknowledged.` : "No active alarm."),
        " ",
        h("span.m2", this.#last(counts)),
      ),
      h("p.counts", number("high"), number("medium"), number("low"), ...aside),
    ];
  }

  #last(counts) {
    if (!counts.last) return "";
    return `Last: ${this.#link.time.event(counts.last.unix_ms, this.#link.nowMs())} ${counts.last.text}`;
  }
}
