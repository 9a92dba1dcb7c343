// Arming in two steps: review what will be written, then confirm within the time that the gateway gives (30 s).

import { h, replace } from "../lib/dom.js";
import { command, Command, post } from "../lib/api.js";
import { outcomeText } from "./confirm.js";

const WINDOW_S = 30;

export class Arming {
  #link;
  #close;
  #armed = null;
  #left = h("b");
  #go = null;
  #place = null;

  constructor(link, close) {
    this.#link = link;
    this.#close = (said) => {
      this.#armed = null;
      close(said);
    };
  }

  /** The panel of the first step; it fills itself when the gateway has answered. */
  begin() {
    const place = h("div.confirm", { tabindex: "-1" }, h("p.b", "Reviewing what will be written."));
    this.#place = place;
    place.addEventListener("keydown", (event) => event.key === "Escape" && this.#close(null));
    queueMicrotask(() => place.focus());
    post("arm")
      .then((step) => this.#place === place && this.#show(place, step))
      .catch((error) => this.#close({ refused: error.message }));
    return place;
  }

  /** Counts by wall time from the answer; the gateway's clock may be simulated. */
  update() {
    if (!this.#armed) return;
    const left = WINDOW_S - (Date.now() - this.#armed.at) / 1000;
    if (left <= 0) return this.#close({ refused: "30 s have passed; nothing was armed. Begin again." });
    this.#left.textContent = `${Math.ceil(left)} s`;
  }

  #show(place, { token, review }) {
    const ready = review.every((line) => line.ok !== false);
    this.#armed = { token, at: Date.now() };
    this.#go = h(
      "button.btn.go",
      { type: "button", "data-key": "arm-now", disabled: !ready, onclick: () => this.#confirm() },
      "Arm now",
    );
    const cancel = h("button.btn", { type: "button", onclick: () => this.#close(null) }, "Cancel");
    replace(
      place,
      h("div.step.done", h("span.no", "1"), h("span", h("b", "Reviewed"), " what will be written"), h("span")),
      h("table.tbl.review", h("tbody", review.map(line))),
      h(
        "div.step",
        h("span.no", "2"),
        h(
          "span",
          h("b", "Confirm"),
          " within ",
          this.#left,
          h("small", ready ? "Auto starts from the measured powers" : "not ready: see what is marked ✕"),
        ),
        h("span.pair", cancel, this.#go),
      ),
    );
    this.update();
    (ready ? this.#go : cancel).focus();
  }

  async #confirm() {
    this.#go.disabled = true;
    const said = await command(Command.arm(), this.#armed.token).then(
      (answer) => outcomeText(answer, "Arm"),
      (error) => ({ refused: error.message }),
    );
    this.#close(said);
  }
}

const capital = (text) => String(text).replace(/^./, (first) => first.toUpperCase());

const line = ({ what, value, ok }) =>
  h(
    "tr",
    h("th", { scope: "row" }, capital(what)),
    h("td.r", value === null ? "unknown" : String(value)),
    h("td.r.b", ok === false ? "✕ not ready" : "✓"),
  );
