// The frame around every page: header, alarm bar, pages without reloading, keys. Pages are modules of `pages/`, each with
// a class `Page(link, shell)` of `mount(main)`, `update()` and, where needed, `wake()`, `key(key)`, `leave()`.

import { h, onChange, replace } from "./lib/dom.js";
import { logOut } from "./lib/api.js";
import { duration, known, number } from "./lib/format.js";
import { Keys } from "./lib/keys.js";
import { Link } from "./lib/link.js";
import { AlarmBar, topAlarm } from "./parts/alarmbar.js";
import { LogIn } from "./parts/login.js";

const PAGES = [
  ["", "overview", "Overview"],
  ["trends", "trends", "Trends"],
  ["alarms", "alarms", "Alarms"],
  ["devices", "devices", "Devices"],
  ["decisions", "decisions", "Decisions"],
  ["model", "model", "Model"],
  ["events", "events", "Events"],
];

const link = new Link();
const main = document.getElementById("main");
const bar = new AlarmBar(document.getElementById("alarmbar"), link);
const logIn = new LogIn(() => link.wake());
const shell = { askLogIn: logIn.open, go: (path) => go(path) };
let page = null;
let pageTitle = "";
let turn = 0;
let asked = false;

const place = () => location.pathname.split("/").pop();
const found = (path) => PAGES.find(([own]) => own === path) ?? PAGES[0];

async function show(focus) {
  const mine = (turn += 1);
  const [path, file, name] = found(place());
  const { Page } = await import(`./pages/${file}.js`);
  if (mine !== turn) return;
  page?.leave?.();
  pageTitle = name;
  main.className = "";
  main.replaceChildren(h("h1.vh", name));
  page = new Page(link, shell);
  page.mount(main);
  for (const one of document.querySelectorAll("nav a")) one.toggleAttribute("aria-current", false);
  document.querySelector(`nav a[data-go="${path}"]`)?.setAttribute("aria-current", "page");
  if (focus) main.focus({ preventScroll: true });
  if (focus) scrollTo(0, 0);
  tick();
}

function go(path) {
  history.pushState(null, "", path === "" ? "./" : path);
  return show(true);
}

/** Links within the page do not load it anew, so the live connection stays. */
document.addEventListener("click", (event) => {
  const anchor = event.target.closest?.("a[data-go]");
  if (!anchor || event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
  event.preventDefault();
  go(anchor.dataset.go);
});
addEventListener("popstate", () => show(true));

// ------------------------------------------------------------------ header

const siteName = h("p.site", "memg-gateway");
const beat = h("span.beat", { title: "Age of the last message from the gateway" });
const clock = h("time.clock");
const user = h("span.user");
const theme = h(
  "button.theme",
  { type: "button", "aria-label": "Switch between light and dark", onclick: switchTheme },
  h("span.desk", "Theme"),
  h("span.phone", { "aria-hidden": "true" }, "◐"),
);
const nav = h(
  "nav",
  { "aria-label": "Pages" },
  PAGES.map(([path, , name]) => h("a", { href: path || "./", "data-go": path }, name)),
);
document.getElementById("top").append(siteName, nav, h("div.who", beat, user, clock, theme));

const drawName = onChange((site, simulated, speed, version) => {
  const simulation = simulated && h("span.simulated", h("i", "S"), "simulated");
  const pace = known(speed) && speed !== 1 && h("span.speed", `${number(speed, speed < 10 ? 1 : 0)} times as fast`);
  replace(
    siteName,
    site || "memg-gateway",
    h("span.desk", `memg-gateway${version ? ` ${version}` : ""}`),
    simulation,
    pace,
  );
});

const drawUser = onChange(({ principal, role, log_in: canLogIn }) => {
  if (principal === null) {
    replace(
      user,
      h("span.anon", "viewer"),
      canLogIn && h("button.theme", { type: "button", "data-key": "login", onclick: logIn.open }, "Log in"),
    );
    return;
  }
  replace(
    user,
    h("span.anon", `${principal}, ${role}`),
    h("button.theme", { type: "button", "data-key": "logout", onclick: leave }, "Log out"),
  );
});

async function leave() {
  await logOut().catch(() => {});
  asked = false;
  await link.refreshSession();
}

function switchTheme() {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  try {
    localStorage.setItem("memg.theme", root.dataset.theme);
  } catch {
    /* no storage: until the page is left */
  }
  dispatchEvent(new Event("memg-theme"));
}

function linkWords() {
  const age = link.newsAgeS();
  if (link.session.may_look === false) return "Log in to look";
  if (link.state === null) return age < link.noNewsS ? "Connecting" : `No news for ${duration(Math.floor(age), 0)}`;
  return link.live ? `Live, ${duration(age)}` : `No news for ${duration(Math.floor(age), 0)}`;
}

/** Where nobody may look without a name, the page asks for it before anything else. */
function askToLook() {
  if (link.session.may_look !== false || logIn.element.open || asked) return;
  asked = true;
  logIn.open();
}

function tick() {
  const { state } = link;
  askToLook();
  beat.textContent = linkWords();
  beat.classList.toggle("quiet", !link.live);
  drawUser(link.session);
  if (state) {
    drawName(state.site, state.simulated, state.time.speed, state.version);
    clock.textContent = link.time.second(link.nowMs());
    clock.setAttribute("datetime", link.time.iso(link.nowMs()));
    clock.title = link.live ? link.time.day(link.nowMs()) : "The time of the last news";
  }
  clock.classList.toggle("quiet", !link.live);
  bar.update();
  const alarm = topAlarm(link);
  document.title = `${alarm ? `! ${alarm.text} · ` : ""}${pageTitle} · ${state?.site ?? "memg-gateway"}`;
}

// ------------------------------------------------------------------ keys, events

const keys = new Keys((key) => {
  const number_ = Number(key);
  if (number_ >= 1 && number_ <= PAGES.length) return () => go(PAGES[number_ - 1][0]);
  if (key === "a" || key === "A") return bar.acknowledge;
  if (key === "/") return () => go("decisions").then(() => document.getElementById("explain-at")?.focus());
  return page?.key?.(key);
});

const keySwitch = h("input", {
  type: "checkbox",
  onchange: (event) => {
    keys.on = event.target.checked;
  },
});
keySwitch.checked = keys.on;
document
  .getElementById("foot")
  .append(
    h(
      "label",
      keySwitch,
      h(
        "span",
        "Keys: 1 to 7 pages, A acknowledges the alarm above, / explains a time, + − and arrows in trends, Esc cancels",
      ),
    ),
  );

let lastDrawn = 0;
function update() {
  lastDrawn = performance.now();
  tick();
  page?.update();
}
for (const event of ["state", "alarms", "session"]) link.addEventListener(event, update);
link.addEventListener("tick", () => (performance.now() - lastDrawn > 900 ? update() : tick()));
document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && page?.wake?.());

link.start();
show(false);
