// A span of days or hours above a table: fixed spans back from now.

import { h } from "../lib/dom.js";

/** `spans`: `[[label, ms]]`; calls `changed(ms)`. */
export function spanPicker(label, spans, chosen, changed) {
  const buttons = spans.map(([text, ms]) =>
    h(
      "button",
      {
        type: "button",
        "aria-pressed": String(ms === chosen),
        onclick: (event) => {
          for (const one of buttons) one.setAttribute("aria-pressed", String(one === event.currentTarget));
          changed(ms);
        },
      },
      text,
    ),
  );
  return h("div.seg", { role: "group", "aria-label": label }, buttons);
}

/** Buttons of which one is pressed: `[[key, text, count]]`. */
export function toggles(label, list, chosen, changed) {
  return h(
    "div.chips",
    { role: "group", "aria-label": label },
    list.map(([key, text, count]) =>
      h(
        "button.toggle",
        { type: "button", "aria-pressed": String(key === chosen), "data-key": `t-${key}`, onclick: () => changed(key) },
        text,
        count !== undefined && h("b", String(count)),
      ),
    ),
  );
}

/** What a page says instead of a table that it could not get. */
export const failed = (error) => h("p.empty", { role: "status" }, `Not shown: ${error.message}`);
