// Log-in: a dialog of name and password. What is wrong is said in it; nothing is remembered by the page.

import { h } from "../lib/dom.js";
import { logIn } from "../lib/api.js";

export class LogIn {
  #name = h("input", { id: "login-name", name: "name", autocomplete: "username", required: true, maxlength: 64 });
  #password = h("input", {
    id: "login-password",
    name: "password",
    type: "password",
    autocomplete: "current-password",
    required: true,
  });
  #said = h("p.refused", { role: "alert" });
  #go = h("button.btn.go", { type: "submit" }, "Log in");
  #done;
  element;

  constructor(done) {
    this.#done = done;
    const cancel = h("button.btn", { type: "button", onclick: () => this.element.close() }, "Cancel");
    const form = h(
      "form",
      { onsubmit: (event) => this.#submit(event) },
      h("h2", { id: "h-login" }, "Log in"),
      h("label", "Name", this.#name),
      h("label", "Password", this.#password),
      this.#said,
      h("div.pair", this.#go, cancel),
    );
    this.element = h("dialog.login", { "aria-labelledby": "h-login" }, form);
    document.body.append(this.element);
  }

  open = () => {
    this.#said.textContent = "";
    this.element.showModal();
    this.#name.focus();
  };

  async #submit(event) {
    event.preventDefault();
    this.#go.disabled = true;
    try {
      await logIn(this.#name.value, this.#password.value);
      this.element.close();
      await this.#done();
    } catch (error) {
      this.#said.textContent = trouble(error);
    } finally {
      this.#password.value = "";
      this.#go.disabled = false;
    }
  }
}

function trouble(error) {
  if (error.status === 401) return "Name and password do not belong together.";
  if (error.status === 429)
    return `Too many tries. Try again ${error.retryAfterS ? `in ${error.retryAfterS} s` : "later"}.`;
  return error.message;
}
