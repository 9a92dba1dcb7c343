// Keys: pages by number, A acknowledges the alarm in the bar, / explains a time. None commands the plant, and they can
// be turned off, because they get in the way of speech input.

const STORE = "memg.keys";

export class Keys {
  #actions;

  constructor(actions) {
    this.#actions = actions;
    document.addEventListener("keydown", (event) => this.#pressed(event));
  }

  get on() {
    try {
      return localStorage.getItem(STORE) !== "off";
    } catch {
      return true;
    }
  }

  set on(value) {
    try {
      localStorage.setItem(STORE, value ? "on" : "off");
    } catch {
      /* no storage: on until the page is left */
    }
  }

  #pressed(event) {
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName) || event.target.isContentEditable;
    if (!this.on || typing || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]"))
      return;
    const action = this.#actions(event.key);
    if (!action) return;
    event.preventDefault();
    action();
  }
}
