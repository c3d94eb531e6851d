import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const ROOT = fileURLToPath(new URL("../../../api/dashboard/", import.meta.url));

// What the dashboard may weigh on its way to the browser, which accepts gzip.
const SCRIPT_BUDGET = 150_000;

async function files(extension) {
  const entries = await readdir(ROOT, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile() && entry.name.endsWith(extension)).map((entry) => relative(ROOT, join(entry.parentPath, entry.name))).sort();
}

const read = (name) => readFile(join(ROOT, name), "utf8");

test("vendored files are the released ones", async () => {
  const lines = (await read("vendor/CHECKSUMS")).split("\n").filter((line) => line && !line.startsWith("#"));
  const listed = lines.map((line) => line.split(/\s+/));
  for (const [sum, name] of listed) {
    const bytes = await readFile(join(ROOT, "vendor", name));
    assert.equal(createHash("sha256").update(bytes).digest("hex"), sum, name);
  }
  const present = (await readdir(join(ROOT, "vendor"), { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile() && entry.name !== "CHECKSUMS");
  assert.equal(present.length, listed.length, "every file has its line");
});

test("the page announces every module, and nothing that is not there", async () => {
  const page = await read("index.html");
  const announced = [...page.matchAll(/(?:href|src)="\/dashboard\/assets\/([^"]+\.js)"/g)].map(([, name]) => name).sort();
  const modules = (await files(".js")).filter((name) => !name.endsWith(".iife.min.js"));
  assert.deepEqual(announced, modules);
});

test("nothing is inline and nothing comes from elsewhere", async () => {
  const page = await read("index.html");
  assert.doesNotMatch(page, /<style|style=|<script(?![^>]*src=)|\son\w+=/);
  for (const name of [...(await files(".css")), ...(await files(".js"))].filter((each) => !each.startsWith("vendor/"))) {
    assert.doesNotMatch(await read(name), /https?:\/\/|@import|url\(/, name);
  }
});

test("all scripts together weigh less than their budget", async () => {
  const names = await files(".js");
  const sizes = await Promise.all(names.map(async (name) => gzipSync(await readFile(join(ROOT, name))).length));
  const total = sizes.reduce((sum, size) => sum + size, 0);
  assert.ok(total < SCRIPT_BUDGET, `${total} bytes`);
});

test("own modules stay small enough to be read", async () => {
  for (const name of (await files(".js")).filter((each) => !each.startsWith("vendor/"))) {
    const lines = (await read(name)).split("\n").length;
    assert.ok(lines <= 400, `${name} has ${lines} lines`);
  }
});
