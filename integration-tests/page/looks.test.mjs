// How every page looks and loads: accessibility, widths, load times, pictures. Against the mock, or against a running
// gateway with MEMG_STATION=http://127.0.0.1:PORT.

import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import {
  close,
  loadTime,
  median,
  open,
  overflow,
  PAGES,
  settled,
  STATION,
  THEMES,
  until,
  violations,
  WIDTHS,
} from "./harness.mjs";
import { start } from "./mock.mjs";

const SHOTS = process.env.MEMG_SHOTS;
const SCENARIOS = STATION ? ["station"] : ["normal", "abnormal", "units", "shadow"];
const mocks = {};

before(async () => {
  if (SHOTS) await mkdir(SHOTS, { recursive: true });
  if (!STATION)
    for (const scenario of [...SCENARIOS, "small", "latched", "unknown"])
      mocks[scenario] = await start({ scenario, role: "operator" });
});
after(async () => {
  await close();
  for (const mock of Object.values(mocks)) await mock.stop();
});

const base = (scenario) => STATION ?? mocks[scenario].url;
const view = async (scenario, path, options, use) => {
  const opened = await open(`${base(scenario)}/${path}`, options);
  try {
    await settled(opened.page);
    await use(opened.page);
    assert.deepEqual(opened.errors, [], `errors of /${path}`);
  } finally {
    await opened.close();
  }
};

test("every page loads; the figures are printed", async () => {
  const year = "trends?span=31536000000&points=pv_kw,electric_load_kw,battery_kw,soc";
  const all = [];
  for (const path of [...PAGES, year]) {
    const times = [];
    for (let turn = 0; turn < 3; turn += 1) times.push(await loadTime(`${base(SCENARIOS[0])}/${path}`));
    all.push(median(times));
    console.log(`  /${path.split("&")[0]}: ${median(times).toFixed(0)} ms (median of ${times.length})`);
  }
  assert.ok(Math.max(...all) < 10 * median(all), "no page is ten times as slow as the others");
});

for (const scenario of SCENARIOS) {
  test(`axe-core finds nothing on any page, in light and dark: ${scenario}`, async () => {
    for (const path of PAGES) {
      await view(scenario, path, {}, async (page) => {
        for (const colorScheme of THEMES) {
          await page.emulateMedia({ colorScheme });
          assert.deepEqual(await violations(page), [], `/${path}, ${colorScheme}`);
        }
      });
    }
  });
}

test("axe-core finds nothing in a confirmation, a review and the log-in", { skip: STATION !== undefined }, async () => {
  const anonymous = await start({ scenario: "normal" });
  const opened = await open(`${anonymous.url}/`);
  await settled(opened.page);
  await opened.page.locator(".user").getByRole("button", { name: "Log in" }).click();
  assert.deepEqual(await violations(opened.page), [], "log-in");
  await opened.close();
  await anonymous.stop();
  await view("normal", "", {}, async (page) => {
    await page.getByRole("button", { name: "Manual", exact: true }).click();
    assert.deepEqual(await violations(page), [], "confirmation");
  });
  await view("shadow", "", { theme: "dark" }, async (page) => {
    await page.getByRole("button", { name: "Arm: review" }).click();
    await page.getByRole("button", { name: "Arm now" }).waitFor();
    assert.deepEqual(await violations(page), [], "review");
  });
});

test("no page scrolls sideways at any width", async () => {
  const scenarios = STATION ? SCENARIOS : [...SCENARIOS, "small", "latched", "unknown"];
  for (const scenario of scenarios) {
    const paths = scenario === "normal" || scenario === "abnormal" || STATION ? PAGES : [""];
    for (const path of paths) {
      await view(scenario, path, {}, (page) =>
        eachWidth(page, WIDTHS, async (width) =>
          assert.deepEqual(await overflow(page), { wide: 0, guilty: [] }, `${scenario} /${path} at ${width}`),
        ),
      );
    }
  }
});

test("texts of the diagram do not touch each other, and nothing of it leaves its place", async () => {
  for (const scenario of STATION ? SCENARIOS : [...SCENARIOS, "small", "unknown"]) {
    await view(scenario, "", {}, (page) =>
      eachWidth(page, [360, 390, 720, 860, 1180, 1440, 1920], async (width) =>
        assert.deepEqual(await page.evaluate(touching), [], `${scenario} at ${width}`),
      ),
    );
  }
});

async function eachWidth(page, widths, check) {
  for (const width of widths) {
    await page.setViewportSize({ width, height: 900 });
    await page.waitForTimeout(250);
    await check(width);
  }
}

/** Runs in the page: pairs of texts of the single-line diagram that overlap. */
function touching() {
  const texts = [...document.querySelectorAll(".sld text")].filter(
    (one) => one.textContent.trim() && !one.closest(".pr"),
  );
  const boxes = texts.map((one) => ({ text: one.textContent, box: one.getBoundingClientRect() }));
  const overlap = (a, b) =>
    Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1 &&
    Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 3;
  const touch = boxes.flatMap((a, index) =>
    boxes
      .slice(index + 1)
      .filter((b) => overlap(a.box, b.box))
      .map((b) => `${a.text} | ${b.text}`),
  );
  const place = document.querySelector(".sld").getBoundingClientRect();
  const leaves = [...document.querySelectorAll(".sld rect, .sld text")].filter((one) => {
    const { left, right, bottom } = one.getBoundingClientRect();
    return left < place.left - 16 || right > place.right + 4 || bottom > place.bottom + 4;
  });
  return [...touch, ...leaves.map((one) => `leaves: ${one.outerHTML}`)];
}

test("live values arrive without being asked for", async () => {
  await view(SCENARIOS[0], "", {}, async (page) => {
    const clock = () => page.locator(".clock").innerText();
    const first = await clock();
    await until(page, (old) => document.querySelector(".clock").textContent !== old, first);
    assert.notEqual(await clock(), first);
  });
});

const STATION_SHOTS = [
  ["", "station", 1440, "light", "overview"],
  ["", "station", 390, "light", "overview-phone"],
  ...PAGES.slice(1).map((path) => [path, "station", 1440, "dark", path]),
];
const MOCK_SHOTS = [
  ["", "normal", 1440, "light", "overview"],
  ["", "normal", 1440, "dark", "overview-dark"],
  ["", "normal", 390, "light", "overview-phone"],
  ["", "abnormal", 1440, "light", "overview-alarm"],
  ["", "abnormal", 390, "dark", "overview-alarm-phone"],
  ["", "shadow", 1440, "light", "overview-shadow"],
  ["", "units", 1440, "light", "overview-units"],
  ["", "units", 390, "light", "overview-units-phone"],
  ["", "small", 1440, "light", "overview-small"],
  ["", "unknown", 1180, "light", "overview-unknown"],
  ["", "latched", 1440, "light", "overview-latched"],
  ["", "normal", 1920, "light", "overview-wide"],
  ...PAGES.slice(1).flatMap((path) => [
    [path, "abnormal", 1440, path === "devices" ? "dark" : "light", path],
    [path, "normal", 390, "light", `${path}-phone`],
  ]),
];

test("pictures are taken", { skip: SHOTS === undefined }, async () => {
  for (const [path, scenario, width, theme, name] of STATION ? STATION_SHOTS : MOCK_SHOTS) {
    const phone = width < 721;
    // A mock of its own for each, so that all show the same time.
    if (!STATION) {
      await mocks[scenario].stop();
      mocks[scenario] = await start({ scenario, role: "operator" });
    }
    await view(scenario, path, { width, height: phone ? 844 : 900, theme }, async (page) => {
      await page.waitForTimeout(500);
      await page.screenshot({ path: join(SHOTS, `${name}.png`) });
      await page.screenshot({ path: join(SHOTS, `${name}-whole.png`), fullPage: true });
    });
  }
});
