import assert from "node:assert/strict";
import { test } from "node:test";
import { ask, assertQuiet, says, stage } from "./browser.mjs";

const tools = stage();

/** A relay that zooid refuses, with so many attempts. */
async function refused(page, attempts) {
  const name = `past-${Date.now().toString(36)}`;
  const { relay_id: id } = await tools.scene.control("relay", { subdomain: name, fails: true });
  for (let number = 1; number < attempts; number += 1) {
    await page.goto(`${tools.scene.base}/dashboard/relays/${id}`);
    await page.waitForSelector(`[data-attempt="${number}"]`);
    await page.waitForSelector("[data-explanation=failed_final] [data-key=retry]");
    await page.click("[data-key=retry]");
    await page.waitForSelector(`[data-attempt="${number + 1}"]`);
  }
  return id;
}

test("every attempt of a relay can be reached, page by page, and its answer read", async () => {
  const page = await tools.signedIn();
  const id = await refused(page, 3);
  await page.waitForSelector("[data-explanation=failed_final]");
  await page.click("[data-all-attempts]");
  await says(page, "h1", /Attempts/);
  await page.waitForSelector("[data-attempt=\"1\"]");
  assert.equal((await page.$$("[data-attempt]")).length, 3);

  // Pages are as long as the server makes them; the way through them is the same for two rows.
  const first = await ask(page, `/operator/attempts?relay=${id}&limit=2`);
  assert.equal(first.items.length, 2);
  await page.goto(`${tools.scene.base}/dashboard/attempts?relay=${id}&cursor=${first.next}`);
  await page.waitForSelector("[data-attempt=\"1\"]");
  assert.equal((await page.$$("[data-attempt]")).length, 1, "the oldest alone");
  await page.click("[data-attempt] summary");
  await says(page, "[data-attempt] .excerpt", /invalid relay/);
  await says(page, ".pages", /First page/);
  assertQuiet(page);
});

test("the history of all relays is narrowed by what is chosen, and the address says so", async () => {
  const page = await tools.signedIn();
  const id = await refused(page, 1);
  await page.goto(`${tools.scene.base}/dashboard/attempts`);
  await page.waitForSelector("[data-attempt]");

  await page.select(".filters select", "accepted");
  await page.waitForFunction(() => window.location.search === "?outcome=accepted");
  await page.select(".filters select", "failed,lost");
  await page.waitForFunction(() => window.location.search === "?outcome=failed,lost");
  await says(page, "[data-attempt] .host", /past-/);

  await page.click("[data-attempt] summary");
  await page.click("[data-attempt] .facts a");
  await page.waitForFunction((relay) => window.location.pathname === `/dashboard/relays/${relay}`, {}, id);
  assertQuiet(page);
});
