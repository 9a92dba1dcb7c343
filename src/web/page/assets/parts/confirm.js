// One question before every change, in the card itself: what will happen, Confirm, Cancel. Esc cancels.

import { h } from "../lib/dom.js";

/** `{what, detail, verb, run}`; `close` is called when it is over. `run` gives a text for the card, or throws. */
export function confirmPanel({ what, detail, verb: word, run, fields = [] }, close) {
  const status = h("p.sm.m", { role: "status" });
  const go = h("button.btn.go", { type: "submit", "data-key": "confirm" }, word);
  const cancel = h("button.btn", { type: "button", "data-key": "cancel", onclick: () => close(null) }, "Cancel");
  const form = h(
    "form.confirm",
    h("p.b", what),
    detail && h("p.sm.m2", detail),
    fields,
    status,
    h("div.pair", go, cancel),
  );
  form.addEventListener("keydown", (event) => event.key === "Escape" && (event.stopPropagation(), close(null)));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    go.disabled = true;
    status.textContent = "Sending.";
    const said = await run().catch((error) => ({ refused: error.message }));
    close(said);
  });
  queueMicrotask(() => (form.querySelector("input") ?? go).focus());
  return form;
}

/** A field for a power: text, because a number's own field hides what it does not understand. */
export function powerField(label, value, { hint = "", least, most }) {
  const id = `f-${label.toLowerCase().replace(/[^a-z]+/g, "-")}`;
  const input = h("input.num", {
    id,
    inputmode: "decimal",
    autocomplete: "off",
    value: value ?? "",
    "aria-describedby": `${id}-hint`,
  });
  const note = h("span.sm.m", { id: `${id}-hint` }, hint);
  const read = () => {
    const text = input.value.trim().replace(",", ".").replace("\u2212", "-");
    const power = /^[+-]?\d+(\.\d+)?$/.test(text) ? Number(text) : NaN;
    const fits = Number.isFinite(power) && power >= least && power <= most;
    input.setAttribute("aria-invalid", fits ? "false" : "true");
    if (!fits) throw new Error(`${label}: expected a number from ${least} to ${most} kW, found "${input.value}".`);
    return power;
  };
  return { element: h("label.pf", h("span", label), h("span.field", input, h("span.u", "kW")), note), read };
}

/** What came back, as one line. */
export function outcomeText(answer, what) {
  if (!answer) return `${what}: done.`;
  const { outcome } = answer;
  if (outcome === "rejected") return `${what}: rejected. ${answer.reason ?? ""}`.trim();
  if (outcome === "clamped")
    return `${what}: in force with less: battery ${answer.battery_kw} kW, CHP ${answer.chp_kw} kW.`;
  return `${what}: ${outcome ?? "done"}.`;
}
