// The pictures in the documentation. Taken before the tests, while the scene has nothing of theirs.

import assert from "node:assert/strict";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { stage } from "./browser.mjs";

const FOLDER = fileURLToPath(new URL("../../../docs/screenshots/", import.meta.url));

// No picture is worth more to those who clone the repository.
const BYTES_MAX = 250_000;

const tools = stage();

/** Name, address and size of every picture. */
async function pictures() {
  const { relay_id: id } = await tools.scene.control("relay", { subdomain: "bakery", fails: true });
  for (const subdomain of ["harbour", "orchard", "juniper", "saffron", "lagoon", "pebble"]) await tools.scene.control("relay", { subdomain });
  await tools.scene.control("failures", { prefix: "night", relays: 20 });
  return [
    ["overview", "/dashboard", {}],
    ["syncs", "/dashboard/syncs?state=failed", {}],
    ["relay", `/dashboard/relays/${id}`, {}],
    ["targets", "/dashboard/targets", {}],
    ["audit", "/dashboard/audit", {}],
    ["overview-dark", "/dashboard", { scheme: "dark" }],
    ["syncs-phone", "/dashboard/syncs?state=failed", { width: 390, height: 844 }],
  ];
}

test("the documentation shows every page", async () => {
  const taken = [];
  for (const [name, path, options] of await pictures()) {
    const page = await tools.signedIn(path, options);
    await page.waitForFunction(() => document.querySelector("main h1") && !document.querySelector("main .loading"));
    // Charts come last.
    if (path === "/dashboard") await page.waitForSelector(".uplot canvas");
    await page.evaluate(() => document.activeElement?.blur());
    const bytes = await page.screenshot({ type: "png", optimizeForSpeed: false });
    assert.ok(bytes.length < BYTES_MAX, `${name} has ${bytes.length} bytes`);
    taken.push(`${name}.png`);
    if (process.env.SCREENSHOTS) {
      await mkdir(FOLDER, { recursive: true });
      await writeFile(join(FOLDER, `${name}.png`), bytes);
    }
    await page.close();
  }
  assert.deepEqual((await readdir(FOLDER)).sort(), taken.sort());
});
