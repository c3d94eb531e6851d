import assert from "node:assert/strict";
import { test } from "node:test";
import { assertQuiet, says, stage } from "./browser.mjs";

const tools = stage();

test("a failed sync is found, opened and retried by the keyboard alone", async () => {
  const name = `keys-${Date.now().toString(36)}`;
  const { relay_id: id } = await tools.scene.control("relay", { subdomain: name, fails: true });
  await tools.scene.control("heal");
  const page = await tools.signedIn();

  await page.keyboard.press("/");
  await page.keyboard.type(name);
  await page.keyboard.press("Enter");
  await page.waitForSelector(`[data-relay="${id}"]`);
  await page.keyboard.press("j");
  await page.waitForFunction((relay) => document.activeElement?.closest("[data-row]")?.dataset.relay === relay, {}, id);
  await page.keyboard.press("Enter");
  await page.waitForSelector("[data-explanation=failed_final]");
  await page.keyboard.press("r");

  await page.waitForSelector("[data-explanation=in_step]");
  assertQuiet(page);
});

test("j and k move, x selects, Escape lets go, ? helps", async () => {
  const prefix = `move-${Date.now().toString(36)}`;
  await tools.scene.control("failures", { prefix, relays: 4 });
  const page = await tools.signedIn(`/dashboard/syncs?q=${prefix}`);
  await page.waitForSelector("[data-row]");
  const at = () => page.evaluate(() => [...document.querySelectorAll("[data-row]")].indexOf(document.activeElement?.closest("[data-row]")));

  await page.keyboard.press("j");
  await page.keyboard.press("j");
  await page.keyboard.press("j");
  await page.keyboard.press("k");
  assert.equal(await at(), 1);

  await page.keyboard.press("x");
  await says(page, ".selection-bar", /1 row selected/);
  await page.keyboard.press("Escape");
  await page.waitForFunction(() => !document.querySelector(".selection-bar"));

  await page.keyboard.press("?");
  await says(page, "dialog[open]", /Next row, previous row/);
  await page.keyboard.press("Escape");
  await page.waitForFunction(() => !document.querySelector("dialog[open]"));
  await page.keyboard.press("5");
  await page.waitForFunction(() => window.location.pathname === "/dashboard/audit");
  assertQuiet(page);
});

test("a focus that the keyboard brings is visible", async () => {
  const page = await tools.signedIn("/dashboard/targets");
  await page.waitForSelector(".target");
  for (let press = 0; press < 12; press += 1) {
    await page.keyboard.press("Tab");
    const seen = await page.evaluate(() => {
      const element = document.activeElement;
      return element === document.body || parseFloat(getComputedStyle(element).outlineWidth) >= 2;
    });
    assert.ok(seen, await page.evaluate(() => document.activeElement.outerHTML.slice(0, 120)));
  }
});
