import assert from "node:assert/strict";
import { test } from "node:test";
import { ask, assertQuiet, says, stage, text } from "./browser.mjs";

const tools = stage();

test("two thousand failures are three causes, and one of them is retried as a whole", async () => {
  const prefix = `many-${Date.now().toString(36)}`;
  const { causes } = await tools.scene.control("failures", { prefix, relays: 2000 });
  assert.equal(causes.reduce((sum, { relays }) => sum + relays, 0), 2000);
  const page = await tools.signedIn("/dashboard/syncs?state=failed");
  await page.waitForSelector(".group");
  for (const { pattern, relays } of causes) {
    const groups = await page.$$eval(".group", (elements) => elements.map((element) => element.innerText));
    const shown = groups.find((each) => each.includes(pattern));
    assert.ok(shown, `${pattern} is among ${JSON.stringify(groups)}`);
    assert.match(shown, new RegExp(relays.toLocaleString("en")));
  }
  const [{ pattern, relays }] = causes;
  await tools.scene.control("heal");

  const retry = await page.evaluateHandle((wanted) => [...document.querySelectorAll(".group")].find((group) => group.innerText.includes(wanted)).querySelector(".group-actions button"), pattern);
  await retry.click();
  await says(page, "dialog", new RegExp(`Retry ${relays.toLocaleString("en")} relays`));
  await page.click("dialog .primary");

  await says(page, ".toast", new RegExp(`${relays.toLocaleString("en")} relays enqueued again`));
  await page.waitForFunction((wanted) => ![...document.querySelectorAll(".group")].some((group) => group.innerText.includes(wanted)), {}, pattern);
  const { items } = await ask(page, "/operator/audit?limit=5");
  assert.equal(items.filter(({ affected }) => affected === relays).length, 1, "one line in the audit log");
  await says(page, ".causes summary", /cause/);
  assertQuiet(page);
});

test("rows that are selected hold the page still, and a bulk action lets it go on", async () => {
  const prefix = `still-${Date.now().toString(36)}`;
  await tools.scene.control("failures", { prefix, relays: 6 });
  const page = await tools.signedIn(`/dashboard/syncs?state=failed&q=${prefix}`);
  await page.waitForSelector("[data-row]");

  await page.click("thead input[type=checkbox]");
  await page.waitForSelector("[data-live=paused]");
  await says(page, ".selection-bar", /6 rows selected/);

  await page.evaluate(() => [...document.querySelectorAll(".selection-bar button")].find((button) => button.innerText.includes("Pause")).click());
  await says(page, "dialog", /Pause 6 relays/);
  await page.click("dialog .primary");

  await page.waitForSelector("[data-live=live]");
  await says(page, ".notice-title", /matches/);
  assert.equal(await page.$(".selection-bar"), null);
  assert.equal((await ask(page, `/operator/syncs?state=paused&q=${prefix}`)).items.length, 6);
  assertQuiet(page);
});

test("a cause narrows the rows to its own, and says what to do", async () => {
  const prefix = `why-${Date.now().toString(36)}`;
  await tools.scene.control("failures", { prefix, relays: 9 });
  const page = await tools.signedIn("/dashboard/syncs?state=failed");
  await page.waitForSelector(".group-link");
  await page.click(".group-link");
  await page.waitForSelector(".group.chosen");
  assert.match(page.url(), /group=\d+/);
  assert.match(await text(page, ".group.chosen .group-next"), /What to do:/);
});
