import assert from "node:assert/strict";
import { test } from "node:test";
import { says, stage } from "./browser.mjs";

const tools = stage();

test("when the server goes away the page says so, keeps what it showed, and recovers by itself", async () => {
  const name = `away-${Date.now().toString(36)}`;
  const { relay_id: id } = await tools.scene.control("relay", { subdomain: name, fails: true });
  const page = await tools.signedIn(`/dashboard/syncs?q=${name}`);
  await page.waitForSelector(`[data-relay="${id}"]`);

  await tools.scene.control("stop");
  await page.waitForSelector("[data-live=disconnected]");
  await says(page, "[data-disconnected]", /The server does not answer/);
  assert.ok(await page.$(`[data-relay="${id}"]`), "the rows are still there");

  await tools.scene.control("start");
  await page.waitForSelector("[data-live=live]");
  assert.equal(await page.$("[data-disconnected]"), null);

  // And the stream works again: what changes now arrives.
  await tools.scene.control("heal");
  await page.waitForSelector(`[data-relay="${id}"] [data-key=retry]`);
  await page.click(`[data-relay="${id}"] [data-key=retry]`);
  await page.waitForSelector(`[data-relay="${id}"][data-row-state=synced]`);
  assert.deepEqual(page.foreign, []);
});

test("a page that is opened while the server is away comes up when it is back", async () => {
  const page = await tools.signedIn("/dashboard/targets");
  await tools.scene.control("stop");
  await page.waitForSelector("[data-live=disconnected]");
  await page.click("a[href='/dashboard/audit']");
  await says(page, ".notice", /does not answer/);
  await tools.scene.control("start");
  await page.waitForSelector("[data-live=live]");
  await page.waitForFunction(() => !document.querySelector(".notice.tone-bad"));
});
