// What an operator can do: each click sends the right request, and nothing is sent without a confirmation.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { close, open, until, violations, withMock } from "./harness.mjs";
import { start } from "./mock.mjs";

after(close);

const commands = (mock) => mock.records.filter(({ path }) => path === "commands").map(({ body }) => body);
const button = (page, name) => page.getByRole("button", { name, exact: true });
const said = (page) => page.locator(".said").innerText();

const CLICKS = [
  ["normal", "Shadow", {}, "Shadow", { body: "shadow" }, "Mode Shadow: done."],
  ["normal", "Manual", {}, "Manual", { body: "manual" }, "Mode Manual: done."],
  ["manual", "Auto", {}, "Auto", { body: "auto" }, "Mode Auto: done."],
  ["normal", "Safe stop", {}, "Safe stop", { body: "safe_stop" }, "Mode Safe stop: done."],
  ["normal", "Disarm", {}, "Disarm", { body: "shadow" }, "Disarm: done."],
  ["latched", "Acknowledge the stop", {}, "Acknowledge the stop", { body: "acknowledge" }, "Stop: done."],
  [
    "manual",
    "Set",
    { "Battery power": "\u221210", "CHP power": "20,5" },
    "Set",
    { body: { setpoints: { battery_kw: -10, chp_kw: 20.5 } } },
    "Set-points: done.",
  ],
  [
    "manual",
    "Set",
    { "Battery power": "45", "CHP power": "0" },
    "Set",
    { body: { setpoints: { battery_kw: 45, chp_kw: 0 } } },
    "Set-points: in force with less: battery 40 kW, CHP 0 kW.",
  ],
  [
    "normal",
    /^Import max/,
    { "Import max": "90" },
    "Set limit",
    { body: { limits: { import_kw_max: 90, export_kw_max: null } } },
    "Import max: done.",
  ],
  [
    "normal",
    /^Export max/,
    { "Export max": "80" },
    "Set limit",
    { body: { limits: { import_kw_max: null, export_kw_max: null } } },
    "Export max: done.",
  ],
];

for (const [scenario, name, fields, confirm, expected, answer] of CLICKS) {
  test(`${scenario}: ${name} asks once more and then sends ${JSON.stringify(expected.body)}`, () =>
    withMock({ scenario, role: "operator" }, async (page, mock) => {
      await page
        .locator(".ctl")
        .getByRole("button", { name, exact: typeof name === "string" })
        .click();
      assert.deepEqual(commands(mock), [], "nothing is sent by the first click");
      for (const [label, text] of Object.entries(fields)) await page.locator(".confirm").getByLabel(label).fill(text);
      await page.locator(".confirm").getByRole("button", { name: confirm, exact: true }).click();
      await page.locator(".said:not(:empty)").waitFor();
      assert.deepEqual(commands(mock), [expected]);
      assert.equal(await said(page), answer);
    }));
}

test("a power that is no number or beyond the rating is not sent, and the card says what was expected", () =>
  withMock({ scenario: "manual", role: "operator" }, async (page, mock) => {
    for (const text of ["51", "twelve", ""]) {
      await button(page, "Set").click();
      await page.getByLabel("Battery power").fill(text);
      await page.locator(".confirm").getByRole("button", { name: "Set", exact: true }).click();
      assert.match(await said(page), /Battery power: expected a number from -50 to 50 kW/);
    }
    assert.deepEqual(commands(mock), []);
  }));

test("Escape and Cancel send nothing and give the focus back", () =>
  withMock({ role: "operator" }, async (page, mock) => {
    await button(page, "Manual").click();
    await page.keyboard.press("Escape");
    await button(page, "Manual").click();
    await button(page, "Cancel").click();
    assert.equal(await page.locator(".confirm").count(), 0);
    assert.equal(await page.evaluate(() => document.activeElement.textContent), "Manual");
    assert.deepEqual(mock.records, []);
  }));

test("arming is a review and then a confirmation with its token", () =>
  withMock({ scenario: "shadow", role: "operator" }, async (page, mock) => {
    await button(page, "Arm: review").click();
    await page.getByText("Reviewed what will be written").waitFor();
    assert.match(await page.locator(".review").innerText(), /Required points\s+31 of 31 good/);
    await button(page, "Arm now").click();
    await page.locator(".said:not(:empty)").waitFor();
    assert.deepEqual(
      mock.records.map(({ path, body }) => [path, body]),
      [
        ["arm", {}],
        ["commands", { body: "arm", confirm: "t-1" }],
      ],
    );
  }));

test("arming that is not confirmed within 30 s is over", () =>
  withMock({ scenario: "shadow", role: "operator", clock: true }, async (page, mock) => {
    await button(page, "Arm: review").click();
    await button(page, "Arm now").waitFor();
    await page.clock.fastForward(31_000);
    await page.getByText("30 s have passed").waitFor();
    assert.equal(await button(page, "Arm now").count(), 0);
    assert.deepEqual(commands(mock), []);
  }));

test("log-in: wrong password, too many tries, then a name; log-out", () =>
  withMock({}, async (page, mock) => {
    const tries = async (password) => {
      await page.getByLabel("Name").fill("anna");
      await page.getByLabel("Password").fill(password);
      await page.getByRole("dialog").getByRole("button", { name: "Log in" }).click();
    };
    await page.locator(".user").getByRole("button", { name: "Log in" }).click();
    for (let one = 0; one < 5; one += 1) {
      await tries("wrong");
      await page.getByText("Name and password do not belong together.").waitFor();
    }
    await tries("pass");
    await page.getByText("Too many tries. Try again in 30 s.").waitFor();
    mock.set({ failures: 0 });
    await tries("pass");
    await page.getByText("anna, operator").waitFor();
    assert.ok(await button(page, "Manual").isEnabled());
    await button(page, "Log out").click();
    await page.getByText("You may look. Log in to operate.").waitFor();
    assert.ok(!JSON.stringify(mock.records).includes('pass"'), "the mock keeps no password");
  }));

test("where nobody may look without a name, the page asks for it and shows the plant after it", async () => {
  const mock = await start({ open: false });
  const { page, close: done } = await open(mock.url, { content: "dialog[open]" });
  assert.equal(await page.locator(".beat").innerText(), "Log in to look");
  await page.getByLabel("Name").fill("vera");
  await page.getByLabel("Password").fill("pass");
  await page.getByRole("dialog").getByRole("button", { name: "Log in" }).click();
  await page.locator(".sld .box").first().waitFor();
  await done();
  await mock.stop();
});

test("a session that has ended is said, and the page is a viewer's again", () =>
  withMock({ role: "operator" }, async (page, mock) => {
    await button(page, "Manual").click();
    mock.set({ session: null });
    await page.locator(".confirm").getByRole("button", { name: "Manual" }).click();
    await page.getByText("Log in first.").waitFor();
    await page.getByText("You may look. Log in to operate.").waitFor();
  }));

const enabled = (page) =>
  page
    .locator(".ctl button:enabled")
    .allInnerTexts()
    .then((texts) => texts.map((text) => text.split(/\s/)[0]));

test("what a role may not do is greyed with the reason beside it", async () => {
  for (const [role, users, left, reason] of [
    ["viewer", true, [], "You may look. vera is a viewer; an operator may operate."],
    [null, true, ["Log"], "You may look. Log in to operate."],
    [null, false, [], "This gateway has no users"],
    ["guard", true, ["Safe", "Import", "Export"], "Shadow, Manual: guard may not."],
    ["operator", true, ["Shadow", "Manual", "Safe", "Import", "Export", "Disarm"], "Auto sets these."],
  ]) {
    await withMock({ role, users }, async (page) => {
      const texts = (await enabled(page)).filter((text) => text !== "Auto");
      assert.deepEqual(texts, left, `enabled for ${role}`);
      assert.ok(
        (await page.locator(".ctl").innerText()).includes(reason),
        `${role}: ${await page.locator(".ctl").innerText()}`,
      );
    });
  }
});

test("alarms are acknowledged and shelved with a reason, and the bar follows", () =>
  withMock({ path: "alarms", scenario: "abnormal", role: "operator" }, async (page, mock) => {
    await page.keyboard.press("a");
    await page.locator("#alarmbar").getByText("Low, returned, not acknowledged").waitFor();
    assert.deepEqual(mock.records.at(-1), { method: "POST", path: "alarms/chp.link/acknowledge", body: {} });
    await page.getByRole("button", { name: "Wind meter answers late." }).click();
    assert.ok(await button(page, "Shelve").isDisabled(), "no shelving without a reason");
    await button(page, "2 h").click();
    await page.getByLabel("Reason").pressSequentially("sensor is being replaced");
    await button(page, "Shelve").click();
    await page.getByText("Shelved.", { exact: true }).waitFor();
    assert.deepEqual(mock.records.at(-1), {
      method: "POST",
      path: "alarms/wind.late/shelve",
      body: { minutes: 120, reason: "sensor is being replaced" },
    });
    await button(page, "End shelving").click();
    await page.getByText("Shelving ended.").waitFor();
    assert.equal(mock.records.at(-1).path, "alarms/wind.late/unshelve");
  }));

test("of what is put aside it is said where the cause is gone", () =>
  withMock({ path: "alarms", scenario: "abnormal", role: "operator" }, async (page) => {
    const row = (text) => page.getByRole("row").filter({ hasText: text });
    await row("Boiler flow temperature high.").getByText("its cause is gone").waitFor();
    assert.equal(await row("Gas meter pulse missing.").getByText("its cause is gone").count(), 0);
  }));

test("an engineer takes an alarm out of service with a reason and returns it; an operator may not", async () => {
  const wind = (page) => page.getByRole("button", { name: "Wind meter answers late." }).click();
  await withMock({ path: "alarms", scenario: "abnormal", role: "operator" }, async (page) => {
    await wind(page);
    assert.equal(await button(page, "Take out of service").count(), 0);
    await page.getByRole("button", { name: "Gas meter pulse missing." }).click();
    assert.ok(await button(page, "Return to service").isDisabled());
    await page.getByText("An engineer returns it to service.").waitFor();
  });
  await withMock({ path: "alarms", scenario: "abnormal", role: "engineer" }, async (page, mock) => {
    await wind(page);
    assert.ok(await button(page, "Take out of service").isDisabled(), "not without a reason");
    await button(page, "3 d").click();
    await page.getByLabel("Reason").pressSequentially("work order 4471");
    assert.deepEqual(await violations(page), []);
    await button(page, "Take out of service").click();
    await page.getByText("Out of service.", { exact: true }).waitFor();
    const path = "alarms/wind.late/out-of-service";
    assert.deepEqual(mock.records.at(-1), { method: "POST", path, body: { hours: 72, reason: "work order 4471" } });
    await page.locator("#alarmbar").getByText("2 out of service").waitFor();
    await button(page, "Return to service").click();
    await page.getByText("Back in service.").waitFor();
    assert.equal(mock.records.at(-1).path, "alarms/wind.late/return-to-service");
  });
});

test("an operator tightens a limit and does not widen it; an engineer lifts it", async () => {
  const ask = async (page, text) => {
    await page.getByRole("button", { name: /^Import max/ }).click();
    await page.locator(".confirm").getByLabel("Import max").fill(text);
    await page.locator(".confirm").getByRole("button", { name: "Set limit" }).click();
    await page.locator(".said:not(:empty)").waitFor();
    return said(page);
  };
  await withMock({ role: "operator" }, async (page, mock) => {
    mock.set({ limits: { import_kw_max: 60, export_kw_max: null } });
    await until(page, () => /60\s*kW\s*tightened/.test(document.querySelector(".ctl").textContent));
    assert.match(await ask(page, "61"), /Import max: expected a number from 0 to 60 kW/);
    assert.deepEqual(commands(mock), []);
  });
  await withMock({ role: "engineer" }, async (page, mock) => {
    mock.set({ limits: { import_kw_max: 60, export_kw_max: null } });
    await until(page, () => /60\s*kW\s*tightened/.test(document.querySelector(".ctl").textContent));
    assert.equal(await ask(page, "100"), "Import max: done.");
    assert.deepEqual(commands(mock), [{ body: { limits: { import_kw_max: null, export_kw_max: null } } }]);
  });
});

test("keys lead to pages and to a time to explain; none commands the plant; they can be turned off", () =>
  withMock({ role: "operator" }, async (page, mock) => {
    for (const [key, name] of [
      ["2", "Trends"],
      ["3", "Alarms"],
      ["4", "Devices"],
      ["5", "Decisions"],
      ["6", "Model"],
      ["7", "Events"],
      ["1", "Overview"],
    ]) {
      await page.keyboard.press(key);
      await until(page, (title) => document.querySelector("h1").textContent === title, name);
    }
    await page.keyboard.press("/");
    await until(page, () => document.activeElement?.id === "explain-at");
    await page.goBack();
    await until(page, () => document.querySelector("h1").textContent === "Overview");
    for (const key of "abcdefghijklmnopqrstuvwxyz0 -+") await page.keyboard.press(key === " " ? "Space" : key);
    assert.deepEqual(mock.records, []);
    await page.locator(".foot input").uncheck();
    await page.locator("main").focus();
    await page.keyboard.press("2");
    assert.equal(await page.locator("h1").innerText(), "Overview");
  }));

test("everything can be reached and done with the keyboard alone", () =>
  withMock({ role: "operator" }, async (page, mock) => {
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement.textContent), "To the content");
    for (
      let step = 0;
      step < 60 && (await page.evaluate(() => document.activeElement.textContent)) !== "Manual";
      step += 1
    )
      await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await page.locator(".confirm").waitFor();
    await page.keyboard.press("Enter");
    await page.locator(".said:not(:empty)").waitFor();
    assert.deepEqual(commands(mock), [{ body: "manual" }]);
  }));

test("a decision is explained by its time", () =>
  withMock({ path: "decisions" }, async (page) => {
    await page.getByRole("button", { name: "13:30", exact: true }).click();
    assert.match(await page.locator(".explain").innerText(), /changed {2}battery ramp/);
    assert.match(await page.locator("#explain-at").inputValue(), /^2026-09-15 13:30:00$/);
  }));

test("what was changed without a rule that says so is not called unchanged", () =>
  withMock({ path: "decisions", scenario: "latched" }, async (page) => {
    const rows = await page.locator(".dec tbody tr").allInnerTexts();
    assert.match(rows[0], /charging 18\.0\s+no rule named\s+charging 12\.4/);
    assert.match(rows[1], /not changed/);
  }));

test("trends: ranges, zoom by key and by dragging, points, and a CSV of what is shown", () =>
  withMock({ path: "trends" }, async (page) => {
    await button(page, "1 y").click();
    await until(page, () => /2025/.test(document.querySelector("h2").textContent));
    await button(page, "24 h").click();
    const heading = page.locator("h2").first();
    const day = await heading.innerText();
    await page.locator("main").focus();
    await page.keyboard.press("+");
    await until(page, (old) => document.querySelector("h2").textContent !== old, day);
    const box = await page.locator(".u-over").first().boundingBox();
    const before = await heading.innerText();
    await page.mouse.move(box.x + 100, box.y + 40);
    await page.mouse.down();
    await page.mouse.move(box.x + 300, box.y + 40, { steps: 4 });
    await page.mouse.up();
    await until(page, (old) => document.querySelector("h2").textContent !== old, before);
    await page.getByText("Choose points").click();
    await page.locator(".picker").getByText("Frequency", { exact: true }).click();
    await until(page, () => /frequency_hz/.test(location.search));
    assert.match(
      await page.getByRole("link", { name: "CSV" }).getAttribute("href"),
      /^api\/v1\/history\?points=.*frequency_hz&from=\d+&to=\d+&max=\d+&format=csv$/,
    );
    assert.match(page.url(), /from=\d+&to=\d+/, "the address holds the range");
  }));

for (const [scenario, named] of [
  ["manual", true],
  ["normal", false],
]) {
  test(`whoever has manual control is named, and nobody where the gateway decides: ${scenario}`, () =>
    withMock({ scenario, role: "operator" }, async (page) => {
      await until(page, () => /Nobody has commanded|Last command/.test(document.body.textContent));
      const text = await page.evaluate(() => document.body.textContent);
      assert.equal(/scada has control by SCADA/.test(text), named);
    }));
}
