// A headless Chromium that notes what a page must never do: ask another origin, or write an error to the console.

import assert from "node:assert/strict";
import { after, before } from "node:test";
import puppeteer from "puppeteer-core";
import { openScene } from "./scene.mjs";

const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
const PATIENCE_MS = 15_000;

/** Opens a scene and a browser for the tests of a file; answers with what they use. */
export function stage() {
  const tools = {};
  before(async () => {
    tools.scene = openScene();
    tools.browser = await puppeteer.launch({ executablePath: CHROMIUM, headless: true, args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"] });
  });
  after(async () => {
    await tools.browser?.close();
  });

  /** A page in a browser profile of its own, not signed in. `expected`: console errors that belong to the test. */
  tools.newPage = async ({ width = 1280, height = 800, scheme = "light" } = {}) => {
    const context = await tools.browser.createBrowserContext();
    const page = await context.newPage();
    page.setDefaultTimeout(PATIENCE_MS);
    await page.setViewport({ width, height });
    await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
    page.foreign = [];
    page.complaints = [];
    page.on("request", (request) => {
      const url = new URL(request.url());
      if (url.protocol !== "data:" && url.origin !== tools.scene.base) page.foreign.push(request.url());
    });
    page.on("console", (message) => message.type() === "error" && page.complaints.push(`${message.text()} ${message.location().url ?? ""}`));
    page.on("pageerror", (error) => page.complaints.push(String(error)));
    return page;
  };

  /** A page that is signed in, at `path`. */
  tools.signedIn = async (path = "/dashboard", { role = "admin", ...options } = {}) => {
    const page = await tools.newPage(options);
    const { url } = await tools.scene.control("login-link", { role });
    await page.goto(url);
    await page.waitForSelector("[data-live=live]");
    // Asking who is signed in, before anybody is, is answered 401, and the browser notes that.
    page.complaints = [];
    await page.goto(tools.scene.base + path);
    await page.waitForSelector("[data-live=live]");
    return page;
  };
  return tools;
}

export const text = (page, selector) => page.$eval(selector, (element) => element.innerText);

/** Waits until the text of `selector` matches. */
export async function says(page, selector, pattern) {
  const found = (where, source, flags) => [...document.querySelectorAll(where)].some((element) => new RegExp(source, flags).test(element.innerText));
  try {
    await page.waitForFunction(found, {}, selector, pattern.source, pattern.flags);
  } catch {
    const texts = await page.$$eval(selector, (elements) => elements.map((element) => element.innerText));
    assert.fail(`no ${selector} says ${pattern}, but: ${JSON.stringify(texts.slice(0, 5))}`);
  }
}

/** The page asked nobody else for anything and had nothing to complain about. */
export function assertQuiet(page) {
  assert.deepEqual(page.foreign, [], "requests to other origins");
  assert.deepEqual(page.complaints, [], "errors on the console");
}

/** An answer of the operator API, as the page's session gets it. */
export const ask = (page, path) => page.evaluate(async (where) => (await (await fetch(where)).json()).data, path);
