// Making elements. What comes from the plant becomes text nodes and attributes, never markup.

const SVG = "http://www.w3.org/2000/svg";

/** An HTML element: `h("p.note", {title: "…"}, "text", child, …)`. Children that are null or false are left out. */
export const h = (spec, ...rest) => build(spec, rest, (tag) => document.createElement(tag));

/** An SVG element, in the same way. */
export const s = (spec, ...rest) => build(spec, rest, (tag) => document.createElementNS(SVG, tag));

function build(spec, rest, create) {
  const [tag, ...classes] = spec.split(".");
  const element = create(tag);
  if (classes.length) element.setAttribute("class", classes.join(" "));
  const attributes = isAttributes(rest[0]) ? rest.shift() : {};
  for (const [name, value] of Object.entries(attributes)) set(element, name, value);
  add(element, rest);
  return element;
}

const isAttributes = (value) =>
  value !== null && typeof value === "object" && !Array.isArray(value) && !(value instanceof Node);

/** `on…` is a listener, `vars` are CSS custom properties (through CSSOM, which the policy allows), `class` is added. */
function set(element, name, value) {
  if (value === null || value === undefined || value === false) return;
  if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
  else if (name === "vars") for (const [key, text] of Object.entries(value)) element.style.setProperty(key, text);
  else if (name === "class") element.classList.add(...value.split(" ").filter(Boolean));
  else element.setAttribute(name, value === true ? "" : String(value));
}

/** Appends children; texts stay texts. */
export function add(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return element;
}

/** Puts new children in place of the old ones and keeps the focus on the element with the same `data-key`. */
export function replace(element, ...children) {
  const active = document.activeElement;
  const key = element.contains(active) ? active.dataset.key : undefined;
  element.replaceChildren();
  add(element, children);
  if (key === undefined) return;
  const again = [...element.querySelectorAll("[data-key]")].find((one) => one.dataset.key === key);
  if (again && again !== document.activeElement) again.focus({ preventScroll: true });
}

/** Calls `draw` only when what it depends on has changed. */
export function onChange(draw) {
  let last;
  return (...values) => {
    const now = JSON.stringify(values);
    if (now === last) return;
    last = now;
    draw(...values);
  };
}

/** A card with a heading; `end` stands at its right. `body` is where a part draws. */
export function card(title, end = [], { level = "h2", id = idOf(title) } = {}) {
  const heading = h(level, { id }, title);
  const side = h("div.end", end);
  const body = h("div.body");
  const element = h("section.card", { "aria-labelledby": id }, h("header", heading, side), body);
  return { element, heading, side, body };
}

/** A field for a local time of the site: text, because a browser's own field shows hours as its own language does. */
export const timeField = (attributes) =>
  h("input.at", { placeholder: "2026-09-15 14:30", autocomplete: "off", spellcheck: "false", size: 19, ...attributes });

let cards = 0;
const idOf = (title) => `h-${title.toLowerCase().replace(/[^a-z]+/g, "-")}-${(cards += 1)}`;

/** A file of text, saved by the browser. */
export function save(name, text, type = "text/csv") {
  const link = h("a", { href: URL.createObjectURL(new Blob([text], { type })), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** Rows of texts and numbers as CSV (RFC 4180); a text that a spreadsheet would compute is quoted with an apostrophe. */
export function csv(rows) {
  const cell = (value) => {
    const text = value === null || value === undefined ? "" : String(value);
    const safe = typeof value === "string" && /^[=+\-@\t]/.test(text) ? `'${text}` : text;
    return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  return rows.map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
}
