// A real browser (Debian's chromium) and what the checks share. Every page that is opened is watched: an error of a
// script or a breach of the content security policy fails the check that opened it.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";
import { start } from "./mock.mjs";

export const PAGES = ["", "trends", "alarms", "devices", "decisions", "model", "events"];
export const WIDTHS = [360, 720, 1180, 1440, 1920];
export const THEMES = ["light", "dark"];
/** Address of a running gateway, for the checks that make sense there. */
export const STATION = process.env.MEMG_STATION;

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

function browserPath() {
  for (const name of ["chromium", "chromium-browser", "google-chrome"]) {
    try {
      return execFileSync("sh", ["-c", `command -v ${name}`], { encoding: "utf8" }).trim();
    } catch {
      /* the next name */
    }
  }
  throw new Error("No chromium found: apt-get install chromium");
}

let browser = null;
export async function launch() {
  browser ??= await chromium.launch({
    executablePath: browserPath(),
    args: ["--lang=en-GB", ...(process.getuid?.() === 0 ? ["--no-sandbox"] : [])],
    env: { ...process.env, LANGUAGE: "en_GB" },
  });
  return browser;
}
export const close = async () => browser?.close();

/** A page at `url`, with `errors` of scripts and of the policy. `clock`: time can be moved. */
export async function open(
  url,
  { width = 1440, height = 900, theme = "light", clock = false, content = "main .card" } = {},
) {
  const context = await (
    await launch()
  ).newContext({ viewport: { width, height }, colorScheme: theme, locale: "en-GB", acceptDownloads: true });
  const page = await context.newPage();
  const errors = [];
  page.on("pageerror", (error) => errors.push(`${error.message} ${error.stack?.split("\n")[1] ?? ""}`));
  page.on(
    "console",
    (message) =>
      message.type() === "error" &&
      !/Failed to load resource|net::ERR/.test(message.text()) &&
      errors.push(message.text()),
  );
  if (clock) await page.clock.install();
  await page.goto(url);
  await page.waitForSelector(content);
  return { page, errors, close: () => context.close() };
}

/** Runs `use(page, mock)` on a page of the mock and holds it to no error. */
export async function withMock(options, use) {
  const { path = "", scenario = "normal", role = null, users = true, ...view } = options;
  const mock = await start({ scenario, role, users });
  const opened = await open(`${mock.url}/${path}`, view);
  try {
    await settled(opened.page);
    await use(opened.page, mock);
    assert.deepEqual(opened.errors, [], "errors of the page");
  } finally {
    await opened.close();
    await mock.stop();
  }
}

/** Waits until `fits(argument)` holds in the page. Playwright's own way needs `eval`, which the page's policy forbids. */
export async function until(page, fits, argument = null) {
  for (const end = Date.now() + 15_000; Date.now() < end; await new Promise((done) => setTimeout(done, 20))) {
    if (await page.evaluate(fits, argument)) return;
  }
  throw new Error(
    `It did not come about within 15 s: ${fits}; the page says "${await page.locator(".beat").innerText()}"`,
  );
}

/** The page has news and has drawn what it asked for. */
export async function settled(page) {
  await until(page, () => /^Live/.test(document.querySelector(".beat")?.textContent ?? ""));
  await page.waitForLoadState("load");
  await page.waitForTimeout(350);
}

/** Violations that axe-core finds, as lines. */
export async function violations(page) {
  await page.evaluate(axe);
  const { violations: found } = await page.evaluate(() =>
    globalThis.axe.run(document, { resultTypes: ["violations"] }),
  );
  return found.flatMap(({ id, nodes }) =>
    nodes.map((node) => `${id}: ${node.target.join(" ")}: ${node.failureSummary?.split("\n")[1]?.trim() ?? ""}`),
  );
}

/** By how many pixels the page is wider than the window, and the elements that are. */
export const overflow = (page) =>
  page.evaluate(() => {
    const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
    const guilty =
      wide > 0
        ? [...document.querySelectorAll("body *")]
            .filter((one) => one.getBoundingClientRect().right > innerWidth + 1)
            .slice(0, 5)
            .map((one) => one.outerHTML.slice(0, 90))
        : [];
    return { wide, guilty };
  });

/** Milliseconds from asking for a page until it shows its content, in a browser without cache. */
export async function loadTime(url) {
  const context = await (await launch()).newContext({ viewport: { width: 1440, height: 900 } });
  const page = await context.newPage();
  const before = performance.now();
  await page.goto(url, { waitUntil: "commit" });
  await until(
    page,
    () =>
      /^Live/.test(document.querySelector(".beat")?.textContent ?? "") &&
      document.querySelector("main .card .body:not(:empty)") !== null,
  );
  const ms = performance.now() - before;
  await context.close();
  return ms;
}

export const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];
