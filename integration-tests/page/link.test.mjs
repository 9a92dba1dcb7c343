// Honesty when the link drops, when a tab has slept, and when something is not known.

import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { after, test } from "node:test";
import { close, median, PAGES, settled, until, withMock } from "./harness.mjs";

after(close);

const diagram = (page) =>
  page
    .locator(".sld")
    .innerText()
    .catch(() => page.locator(".sld").textContent());

test("without news the page says for how long, ages grow, values turn stale, controls are grey with the reason", () =>
  withMock({ role: "operator", clock: true }, async (page, mock) => {
    mock.set({ mute: true });
    await page.clock.fastForward(6_000);
    await until(page, () => /^No news for \d+ s$/.test(document.querySelector(".beat").textContent));
    await page.getByText(/No news for \d+ s: nothing can be commanded until the gateway answers/).waitFor();
    assert.equal(await page.locator(".ctl button:enabled:not([aria-pressed=true])").count(), 0);
    assert.equal((await page.locator(".sld .agb").count()) > 0, true, "ages are framed from 5 s on");
    await page.clock.fastForward(12_000);
    await until(page, () => document.querySelectorAll(".sld .stale .tag").length > 5);
    assert.match(await diagram(page), /stale 1\d s|stale 2\d s/);
    assert.match(await diagram(page), /balance unknown/);
    assert.match(await page.locator(".mode").innerText(), /Last known: /);
    assert.ok(!/offline/i.test(await page.locator("body").innerText()));
    mock.set({ mute: false });
    await page.clock.fastForward(10_000);
    await until(page, () => /^Live/.test(document.querySelector(".beat").textContent));
    assert.ok(await page.getByRole("button", { name: "Manual", exact: true }).isEnabled());
  }));

test("a tab that slept for an hour shows fresh values as soon as it is looked at", async () => {
  const times = [];
  for (let turn = 0; turn < 3; turn += 1) {
    await withMock({ clock: true }, async (page, mock) => {
      mock.set({ mute: true });
      await page.clock.fastForward(3_600_000);
      await until(page, () => /^No news for (60 min|1 h|3\d{3} s)/.test(document.querySelector(".beat").textContent));
      mock.set({ mute: false });
      const before = performance.now();
      await page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
      await until(page, () => /^Live/.test(document.querySelector(".beat").textContent));
      times.push(performance.now() - before);
      await settled(page);
    });
  }
  console.log(`  fresh values after an hour of sleep: ${median(times).toFixed(0)} ms (median of ${times.length})`);
});

test("a server that repeats the same cycle brings no news", () =>
  withMock({}, async (page, mock) => {
    mock.set({ frozen: true });
    await until(page, () => /^No news for [3-9] s/.test(document.querySelector(".beat").textContent));
    mock.set({ frozen: false });
    await until(page, () => /^Live/.test(document.querySelector(".beat").textContent));
  }));

test("what is not known is said to be unknown and never 0", () =>
  withMock({ scenario: "unknown" }, async (page) => {
    const text = `${await page.locator("main").innerText()} ${await diagram(page)}`;
    assert.ok(!/(^|[^\d.])0\.0\s?(kW|%|EUR)/.test(text), text);
    assert.match(await diagram(page), /balance unknown/);
    assert.match(await page.locator(".eur").innerText(), /unknown/);
  }));

test("the diagram has the parts of the plant and no others", async () => {
  const names = (page) => page.locator(".sld .nm").allTextContents();
  await withMock({ scenario: "small" }, async (page) =>
    assert.deepEqual((await names(page)).sort(), ["Battery", "Grid", "Load", "PV"]),
  );
  await withMock({ scenario: "units" }, async (page) => {
    assert.deepEqual((await names(page)).sort(), [
      "Battery 1",
      "Battery 2",
      "Boiler",
      "CHP 1",
      "CHP 2",
      "Grid",
      "Heat 1",
      "Heat 2",
      "Heat load",
      "Load",
      "PV",
      "Wind",
    ]);
    assert.equal(await page.locator(".socbar").count(), 2);
    assert.match(await page.locator(".eur").innerText(), /not valid today/);
  });
});

test("a simulated plant and another speed are said beside the name", () =>
  withMock({ scenario: "fresh" }, async (page) => {
    const name = await page.locator(".site").innerText();
    assert.match(name, /simulated/);
    assert.match(name, /60 times as fast/);
  }));

test("markup in names and texts of the plant stays text on every page", async () => {
  for (const path of PAGES) {
    await withMock({ path, scenario: "script", role: "operator" }, async (page) => {
      assert.equal(await page.evaluate(() => globalThis.pwned), undefined, path);
      assert.equal(await page.locator("main script, main img, header img, #alarmbar script").count(), 0, path);
      assert.match(await page.locator("#alarmbar").innerText(), /<script>window\.pwned=1<\/script> does not answer/);
      if (path === "devices") assert.match(await page.locator("main").innerText(), /<script>window\.pwned=1<\/script>/);
    });
  }
});

const SOURCE = new URL("../../src/web/page/", import.meta.url);

test("the page's source has no way for text to become markup or code, no word of the network beyond, and short files", async () => {
  const names = (await readdir(SOURCE, { recursive: true })).filter(
    (name) => /\.(js|html|css)$/.test(name) && !name.includes("vendor"),
  );
  assert.ok(names.length > 20, "the scan sees the sources");
  for (const name of names) {
    const text = await readFile(new URL(name, SOURCE), "utf8");
    assert.ok(text.split("\n").length <= 400, `${name} has more than 400 lines`);
    const found = /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|\boffline\b/.exec(text);
    assert.equal(found, null, `${name}: ${found?.[0]}`);
    assert.ok(!/https?:\/\/(?!www\.w3\.org\/)/.test(text), `${name} names another host`);
    if (name.endsWith(".html"))
      assert.ok(
        !/<script(?![^>]*\bsrc=)[^>]*>|<style|\bstyle=|\bon\w+=/.test(text),
        `${name} has inline script or style`,
      );
  }
});
