import assert from "node:assert/strict";
import { test } from "node:test";
import { ask, assertQuiet, says, stage, text } from "./browser.mjs";

const tools = stage();
let relays = 0;
const subdomain = () => `night-${Date.now().toString(36)}-${(relays += 1)}`;

test("an operator finds a failed sync by its subdomain, reads why, retries, and watches it turn green", async () => {
  const name = subdomain();
  const { relay_id: id } = await tools.scene.control("relay", { subdomain: name, fails: true });
  const page = await tools.signedIn();

  await page.type("[data-search]", name);
  await page.keyboard.press("Enter");
  const row = `[data-row][data-relay="${id}"]`;
  await page.waitForSelector(`${row}[data-row-state=failed]`);
  assert.match(await text(page, `${row} .c-cause`), /zooid refused the configuration/);
  assert.match(page.url(), new RegExp(`/dashboard/syncs\\?q=${name}$`));

  await page.click(`${row} [data-row-focus]`);
  await page.waitForSelector("[data-explanation=failed_final]");
  const newest = "[data-attempt] details[open]";
  assert.match(await text(page, `${newest} .status`), /400/);
  const excerpt = await text(page, `${newest} .excerpt`);
  assert.match(excerpt, /\[redacted\]/);
  await says(page, "[data-diff]", /differs?/);
  assert.match(await text(page, "[data-next-request]"), /<secret>|POST|PATCH/);

  await tools.scene.control("heal");
  await page.evaluate(() => (window.sameDocument = true));
  await page.click("[data-key=retry]");
  await page.waitForSelector("[data-explanation=in_step]");
  assert.equal(await page.evaluate(() => window.sameDocument), true, "the page was not loaded again");
  await says(page, ".relay-head .badge", /Synced/);
  assertQuiet(page);
});

test("a double click retries once", async () => {
  const name = subdomain();
  const { relay_id: id } = await tools.scene.control("relay", { subdomain: name, fails: true });
  const page = await tools.signedIn(`/dashboard/syncs?q=${name}`);
  const button = `[data-relay="${id}"] [data-key=retry]`;
  await page.waitForSelector(button);

  await page.click(button, { count: 2 });

  await says(page, ".toast", /enqueued again/);
  const { items } = await ask(page, `/operator/audit?resource_id=${id}`);
  assert.equal(items.length, 1, "one line in the audit log");
  assertQuiet(page);
});

test("the address holds the filters, so a link shows a colleague the same rows", async () => {
  const name = subdomain();
  const { relay_id: id } = await tools.scene.control("relay", { subdomain: name, fails: true });
  const page = await tools.signedIn("/dashboard/syncs");
  await page.waitForSelector(".rail [data-state=failed]");
  await page.click(".rail [data-state=failed]");
  await page.type("[data-search]", name);
  await page.waitForFunction((wanted) => window.location.search.includes(wanted), {}, `q=${name}`);

  const colleague = await tools.signedIn(new URL(page.url()).pathname + new URL(page.url()).search);

  await colleague.waitForSelector(`[data-relay="${id}"][data-row-state=failed]`);
  assert.match(colleague.url(), /state=failed/);
  assert.equal((await colleague.$$("[data-row]")).length, 1);
});

test("a search that finds nothing says what was searched", async () => {
  const page = await tools.signedIn("/dashboard/syncs?q=no-such-relay-anywhere");
  await says(page, ".notice", /No relay matches “no-such-relay-anywhere”/);
  assertQuiet(page);
});

test("an address with a secret link signs in once and leaves nothing in the address bar", async () => {
  const { url } = await tools.scene.control("login-link");
  const page = await tools.newPage();
  await page.goto(url);
  await page.waitForSelector("[data-live=live]");
  assert.doesNotMatch(page.url(), /token/);

  const second = await tools.newPage();
  await second.goto(url);
  await says(second, "[role=alert]", /./);
  assert.equal(await second.$("[data-live]"), null);
});

test("a reader sees the actions, and why they are not theirs", async () => {
  const name = subdomain();
  const { relay_id: id } = await tools.scene.control("relay", { subdomain: name, fails: true });
  const page = await tools.signedIn(`/dashboard/syncs?q=${name}`, { role: "readonly" });
  const button = `[data-relay="${id}"] [data-key=retry][aria-disabled=true]`;
  await page.waitForSelector(button);

  await page.click(button);

  await says(page, ".toast", /may look but not change/);
  assert.equal((await ask(page, `/operator/audit?resource_id=${id}`)).items.length, 0);
  assertQuiet(page);
});

test("a Nostr extension signs in where the link led, and signing out ends it", async () => {
  const page = await tools.newPage();
  await page.exposeFunction("signElsewhere", (event) => tools.scene.control("sign", { event }));
  await page.evaluateOnNewDocument(() => {
    window.nostr = { signEvent: (event) => window.signElsewhere(event) };
  });
  await page.goto(`${tools.scene.base}/dashboard/audit`);
  await page.waitForSelector(".sign-in button:not([disabled])");

  await page.click(".sign-in button");

  await page.waitForSelector("[data-live=live]");
  assert.match(page.url(), /\/dashboard\/audit$/);
  await page.click(".account summary");
  await page.evaluate(() => [...document.querySelectorAll(".account button")].find((button) => button.innerText.includes("Sign out")).click());
  await page.waitForSelector(".sign-in");
});
