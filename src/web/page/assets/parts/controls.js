// The controls: mode, set-points, limits, acknowledge, arm. What may not be done is dashed, with the reason beside it.
// Every change asks once more; no key alone commands the plant.

import { card, h, onChange, replace } from "../lib/dom.js";
import { command, Command } from "../lib/api.js";
import { duration, known, kw, number, quantity } from "../lib/format.js";
import { may, MEANS, modeName, sentence, verb } from "../lib/words.js";
import { Arming } from "./arm.js";
import { confirmPanel, outcomeText, powerField } from "./confirm.js";
import { unitSetpoint } from "./plant.js";

const MODES = ["shadow", "auto", "manual", "safe_stop"];
const NEEDS = {
  shadow: "operator",
  auto: "operator",
  manual: "operator",
  safe_stop: "guard",
  setpoints: "operator",
  limits: "guard",
  acknowledge: "operator",
};
const DETAILS = {
  shadow: "Goes on computing and writes nothing more. The devices fall back to their own control.",
  auto: "The policy decides again, within all limits.",
  manual: "The policy stops deciding; you set the powers. All limits go on holding.",
  safe_stop:
    "Battery to 0, CHP unloaded with its ramp and stopped, PV and wind capped. Stays until it is acknowledged.",
};

export class Controls {
  #card = card("Controls", h("span.desk", "each asks once more; every change is logged"));
  element = this.#card.element;
  #open = null;
  #said = "";
  #link;
  #askLogIn;
  #arming;
  #rows = h("div.ctl");
  #panel = h("div.panel");
  #status = h("p.sm.said", { role: "status" });
  #draw = onChange(() => this.#show());

  constructor(link, askLogIn) {
    this.#link = link;
    this.#askLogIn = askLogIn;
    this.#arming = new Arming(link, (said) => this.#close(said));
    this.#card.body.append(this.#rows, this.#panel, this.#status);
  }

  update() {
    const { state, session } = this.#link;
    if (!state) return;
    const { mode, setpoints, limits, plant, control } = state;
    const quiet = this.#link.live ? null : duration(Math.floor(this.#link.newsAgeS()), 0);
    this.#arming.update();
    this.#draw(
      mode.now,
      mode.armed,
      mode.latched,
      mode.fault,
      setpoints,
      limits,
      plant,
      control,
      session,
      quiet,
      this.#open,
    );
  }

  /** Why nothing may be done at all, or null. */
  #locked() {
    const { session, live } = this.#link;
    if (!this.#link.live)
      return `No news for ${duration(Math.floor(this.#link.newsAgeS()), 0)}: nothing can be commanded until the gateway answers.`;
    if (session.principal === null && session.role === "viewer") {
      return session.log_in
        ? "You may look. Log in to operate."
        : "You may look. This gateway has no users, so nobody can operate it from here.";
    }
    if (session.role === "viewer") return `You may look. ${session.principal} is a viewer; an operator may operate.`;
    return live ? null : "";
  }

  /** Why one thing may not be done, or null. */
  #barred(what) {
    const { session, state } = this.#link;
    if (!may(session.role, NEEDS[what])) return `${session.role} may not`;
    if (state.mode.latched && what !== "limits" && what !== "safe_stop" && what !== "acknowledge")
      return "acknowledge the stop first";
    if ((what === "auto" || what === "manual") && !state.mode.armed) return "arm first";
    if (what === "setpoints" && state.mode.now !== "manual") return "only in Manual";
    return null;
  }

  #show() {
    const locked = this.#locked();
    const login = locked && this.#link.live && this.#link.session.principal === null && this.#link.session.log_in;
    const note =
      locked &&
      h(
        "div.locked",
        h("p", locked),
        login && h("button.btn", { type: "button", "data-key": "ctl-login", onclick: this.#askLogIn }, "Log in"),
      );
    if (locked && this.#open) this.#close(null);
    replace(
      this.#rows,
      note,
      this.#mode(locked),
      h("hr"),
      this.#setpoints(locked),
      h("hr"),
      this.#limits(locked),
      h("hr"),
      this.#armed(locked),
    );
  }

  /** A mode that nobody can command (Hold, Fallback, Init) stands in the place of Auto, to which it leads back. */
  #mode(locked) {
    const now = this.#link.state.mode.now;
    const modes = MODES.includes(now) ? MODES : MODES.map((mode) => (mode === "auto" ? now : mode));
    const buttons = modes.map((mode) => this.#modeButton(mode, now, locked));
    const barred = modes.filter((mode) => mode !== now && this.#barred(mode));
    const reason =
      !locked &&
      barred.length > 0 &&
      h("span.sm.m.wide", `${barred.map(modeName).join(", ")}: ${this.#barred(barred[0])}.`);
    return h(
      "div.row",
      h("span.k", "Mode"),
      h("div.seg.wide", { role: "group", "aria-label": "Mode" }, buttons),
      reason,
      this.#latch(locked),
    );
  }

  #modeButton(mode, now, locked) {
    const current = mode === now;
    const off = locked || (!current && (!MODES.includes(mode) || this.#barred(mode)));
    const ask = () =>
      !current &&
      this.#ask({
        what: `Change to ${modeName(mode)}?`,
        detail: DETAILS[mode],
        verb: modeName(mode),
        run: async () => outcomeText(await command(Command.mode(mode)), `Mode ${modeName(mode)}`),
      });
    return h(
      "button",
      {
        type: "button",
        "aria-pressed": String(current),
        disabled: Boolean(off) && !current,
        "data-key": `mode-${mode}`,
        onclick: ask,
      },
      modeName(mode),
    );
  }

  #latch(locked) {
    if (!this.#link.state.mode.latched) return null;
    const barred = locked || this.#barred("acknowledge");
    const ask = () =>
      this.#ask({
        what: "Acknowledge the stop?",
        detail: "Say that you have seen the fault and that its cause is gone. The gateway then leaves the stop.",
        verb: "Acknowledge the stop",
        run: async () => outcomeText(await command(Command.acknowledge()), "Stop"),
      });
    return h(
      "div.wide.latch",
      h("span", this.#link.state.mode.fault?.cause ?? "The stop is latched."),
      h(
        "button.btn",
        { type: "button", disabled: Boolean(barred), "data-key": "ack-stop", onclick: ask },
        "Acknowledge the stop",
      ),
    );
  }

  #setpoints(locked) {
    const { state } = this.#link;
    const { plant } = state;
    const barred = locked || this.#barred("setpoints");
    const battery = state.setpoints?.battery_kw ?? null;
    const chp = state.setpoints ? (state.setpoints.chp_on === false ? 0 : state.setpoints.chp_kw) : null;
    const fields = [
      plant.batteries > 0 &&
        h(
          "span.field.off",
          `Battery${known(battery) ? `, ${verb("battery", battery)}` : ""} `,
          h("b", kw(known(battery) ? Math.abs(battery) : null)),
        ),
      plant.chps > 0 && h("span.field.off", "CHP ", h("b", kw(chp))),
    ];
    const change =
      !barred && h("button.btn", { type: "button", "data-key": "set", onclick: () => this.#askSetpoints() }, "Set");
    return h(
      "div.row",
      h("span.k", "Set-points"),
      h("div.pair.wide", fields, change),
      h("span.sm.m.wide", this.#setpointWords()),
    );
  }

  #setpointWords() {
    const now = this.#link.state.mode.now;
    const words = {
      manual: "In Manual they are yours; the filter keeps them within all limits.",
      shadow: "Nothing is written in Shadow. These are what would be.",
      auto: "Auto sets these. Choose Manual to set them.",
      safe_stop: "A safe stop sets these.",
    };
    return words[now] ?? `${modeName(now)} sets these.`;
  }

  #askSetpoints() {
    const { plant, setpoints } = this.#link.state;
    const batteryMax = plant.battery_kw_max ?? 0;
    const battery = powerField("Battery power", number(setpoints?.battery_kw ?? 0), {
      hint: `+ charges, ${"\u2212"} discharges; up to ${number(batteryMax, 0)} kW`,
      least: -batteryMax,
      most: batteryMax,
    });
    const chpMax = plant.chp_kw_max ?? 0;
    const chp = powerField("CHP power", number(unitSetpoint(this.#link, "chp", 1, true) ?? 0), {
      hint: `0 stops it; else ${number(plant.chp_kw_min ?? 0, 0)} to ${number(chpMax, 0)} kW`,
      least: 0,
      most: chpMax,
    });
    const shown = [plant.batteries > 0 && battery.element, plant.chps > 0 && chp.element];
    this.#ask({
      what: "Set these powers?",
      detail: "They hold until they are changed or the mode is.",
      verb: "Set",
      fields: h("div.pair", shown),
      run: async () =>
        outcomeText(
          await command(Command.setpoints(plant.batteries > 0 ? battery.read() : 0, plant.chps > 0 ? chp.read() : 0)),
          "Set-points",
        ),
    });
  }

  #limits(locked) {
    const { plant, limits } = this.#link.state;
    const barred = locked || this.#barred("limits");
    const button = (name, key, own, outside) => {
      const value = known(outside) ? outside : own;
      return h(
        "button.btn",
        {
          type: "button",
          disabled: Boolean(barred),
          "data-key": `limit-${key}`,
          onclick: () => this.#askLimit(name, key),
        },
        `${name} `,
        h("b", quantity(value, "kW", Number.isInteger(value) ? 0 : 1)),
        known(outside) && h("span.sm", " tightened"),
      );
    };
    return h(
      "div.row",
      h("span.k", "Limits"),
      h(
        "div.pair.wide",
        button("Import max", "import_kw_max", plant.import_kw_max, limits?.import_kw_max),
        button("Export max", "export_kw_max", plant.export_kw_max, limits?.export_kw_max),
      ),
      h(
        "span.sm.m.wide",
        may(this.#link.session.role, "engineer")
          ? "They can be tightened and lifted again; the site file's own limits always hold."
          : "They can be tightened; an engineer lifts them again.",
      ),
    );
  }

  #askLimit(name, key) {
    const { plant, limits } = this.#link.state;
    const own = plant[key] ?? 0;
    const now = limits?.[key] ?? own;
    const widens = may(this.#link.session.role, "engineer");
    const field = powerField(name, number(now), {
      hint: widens
        ? `at most ${number(own, 0)} kW, the site's own; that lifts it`
        : `at most ${number(now, 1)} kW, as it is; an engineer widens it`,
      least: 0,
      most: widens ? own : now,
    });
    const send = async () => {
      const value = field.read();
      const wanted = { ...limits, [key]: value >= own ? null : value };
      return outcomeText(
        await command(Command.limits(wanted.import_kw_max ?? null, wanted.export_kw_max ?? null)),
        name,
      );
    };
    this.#ask({
      what: `Change ${name.toLowerCase()}?`,
      detail: "Holds over a restart, until an engineer lifts it.",
      verb: "Set limit",
      fields: field.element,
      run: send,
    });
  }

  #armed(locked) {
    const { mode, control, in_charge: holder } = this.#link.state;
    const last = h("span.sm.m.wide", hasControl(holder) + lastCommand(this.#link, control));
    if (mode.armed) {
      const barred = locked || this.#barred("shadow");
      const ask = () =>
        this.#ask({
          what: "Disarm?",
          detail: DETAILS.shadow,
          verb: "Disarm",
          run: async () => outcomeText(await command(Command.mode("shadow")), "Disarm"),
        });
      return h(
        "div.row",
        h("span.k", "Armed"),
        h("span", "yes: set-points are written"),
        h("button.btn", { type: "button", disabled: Boolean(barred), "data-key": "disarm", onclick: ask }, "Disarm"),
        last,
      );
    }
    const barred =
      locked ||
      (may(this.#link.session.role, "operator")
        ? mode.latched && "acknowledge the stop first"
        : `${this.#link.session.role} may not`);
    const why = !locked && barred ? ` (${barred})` : "";
    const begin = () => this.#openPanel(this.#arming.begin());
    return h(
      "div.row",
      h("span.k", "Armed"),
      h("span", `no: nothing is written${why}`),
      h("button.btn", { type: "button", disabled: Boolean(barred), "data-key": "arm", onclick: begin }, "Arm: review"),
      last,
    );
  }

  #ask(question) {
    this.#openPanel(confirmPanel(question, (said) => this.#close(said)));
  }

  #openPanel(element) {
    this.#open = document.activeElement?.dataset.key ?? "open";
    this.#status.textContent = "";
    replace(this.#panel, element);
    element.scrollIntoView({ block: "nearest" });
  }

  /** `said`: a text, `{refused}`, or null where it was cancelled. The focus goes back to where it came from. */
  #close(said) {
    const back = this.#open;
    const within = this.#panel.contains(document.activeElement) || document.activeElement === document.body;
    this.#open = null;
    this.#panel.replaceChildren();
    this.#status.textContent = said === null ? "" : (said.refused ?? said);
    this.#status.classList.toggle("refused", Boolean(said?.refused));
    if (said?.refused) this.#link.refreshSession();
    if (within) [...this.#rows.querySelectorAll("[data-key]")].find((one) => one.dataset.key === back)?.focus();
  }
}

/** Who has manual control; its set-points alone count until somebody else takes it. */
function hasControl(holder) {
  return holder ? `${holder.principal} has control by ${MEANS[holder.means] ?? holder.means}. ` : "";
}

function lastCommand(link, control) {
  if (!control) return "Nobody has commanded since the start.";
  const means = MEANS[control.means] ?? control.means;
  return `Last command: ${sentence(control.what)}, ${control.principal} by ${means}, ${link.time.event(control.unix_ms, link.nowMs())}.`;
}
