import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { test } from "node:test";
import { assertQuiet, stage } from "./browser.mjs";

const tools = stage();
const axeSource = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** What axe finds serious on the page as it is. */
async function serious(page) {
  await page.evaluate(axeSource);
  const found = await page.evaluate(async () => (await window.axe.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] })).violations);
  return found
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id: rule, nodes }) => `${rule}: ${nodes.slice(0, 3).map(({ html, failureSummary }) => `${html.slice(0, 160)} ${failureSummary}`).join(" | ")}`);
}

/** Every page of the dashboard, with something on it. */
async function pages() {
  const name = `look-${Date.now().toString(36)}`;
  const { relay_id: id } = await tools.scene.control("relay", { subdomain: name, fails: true });
  return ["/dashboard", "/dashboard/syncs", "/dashboard/syncs?state=failed", `/dashboard/relays/${id}`, "/dashboard/attempts", `/dashboard/attempts?relay=${id}&outcome=failed`, "/dashboard/targets", "/dashboard/audit", "/dashboard/no-such-page"];
}

async function settled(page, path) {
  await page.goto(tools.scene.base + path);
  await page.waitForSelector("[data-live=live]");
  await page.waitForFunction(() => document.querySelector("main h1") && !document.querySelector("main .loading"));
}

for (const scheme of ["light", "dark"]) {
  for (const width of [1280, 390]) {
    test(`at ${width} px in ${scheme} every page fits, is quiet, and axe finds nothing serious`, async () => {
      const page = await tools.signedIn("/dashboard", { width, scheme, height: width === 390 ? 844 : 800 });
      for (const path of await pages()) {
        await settled(page, path);
        const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        assert.ok(over <= 0, `${path} is ${over} px too wide`);
        assert.deepEqual(await serious(page), [], path);
      }
      assertQuiet(page);
    });
  }
}

test("light and dark follow the system, also while the page is open", async () => {
  const page = await tools.signedIn("/dashboard", { scheme: "light" });
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await ground();
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: "dark" }]);
  assert.notEqual(await ground(), light);
  assertQuiet(page);
});

test("the first paint and the first answer are on the clock", async (context) => {
  const page = await tools.signedIn("/dashboard");
  await page.reload();
  await page.waitForSelector(".headline");
  const [paint, asked] = await page.evaluate(() => [
    performance.getEntriesByName("first-contentful-paint")[0]?.startTime,
    performance.getEntriesByType("resource").find(({ name }) => name.includes("/operator/"))?.responseEnd,
  ]);
  // How long they take is the machine's affair: it is told, not judged.
  context.diagnostic(`first paint after ${paint} ms, the first answer after ${asked} ms`);
  assert.ok(paint > 0 && asked > 0, `painted ${paint}, answered ${asked}`);
});

test("the sign-in page is as careful as the others", async () => {
  const page = await tools.newPage({ width: 390, height: 844 });
  await page.goto(`${tools.scene.base}/dashboard`);
  await page.waitForSelector(".sign-in");
  assert.deepEqual(await serious(page), []);
  assert.deepEqual(page.foreign, []);
});

test("what lies above the page is as careful, too: the selection, a question, the help", async () => {
  await tools.scene.control("failures", { prefix: `above-${Date.now().toString(36)}`, relays: 3 });
  const page = await tools.signedIn("/dashboard/syncs?state=failed");
  await page.waitForSelector("[data-row]");
  await page.click("thead input[type=checkbox]");
  await page.waitForSelector(".selection-bar");
  assert.deepEqual(await serious(page), [], "the selection");

  await page.click(".selection-bar button");
  await page.waitForSelector("dialog .primary");
  assert.deepEqual(await serious(page), [], "a question");
  await page.keyboard.press("Escape");

  await page.keyboard.press("Escape");
  await page.keyboard.press("?");
  await page.waitForSelector("dialog .keys");
  assert.deepEqual(await serious(page), [], "the help");
});
