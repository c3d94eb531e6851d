// Signs in with the link that is given, visits the overview again and again, and prints, in milliseconds, when each visit
// first showed something, and when it showed the answer: a JSON array of pairs. For the benchmark.

import puppeteer from "puppeteer-core";

const VISITS = 7;

const link = process.argv[2];
const browser = await puppeteer.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  headless: true,
  args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
});
try {
  const page = await browser.newPage();
  await page.setViewport({ width: 1280, height: 800 });
  await page.goto(link);
  await page.waitForSelector("[data-live=live]");
  await page.evaluateOnNewDocument(() => {
    const look = () => {
      if (document.querySelector(".headline")) window.answeredAt = performance.now();
      else requestAnimationFrame(look);
    };
    look();
  });
  const visits = [];
  for (let visit = 0; visit < VISITS; visit += 1) {
    await page.goto(new URL("/dashboard", link).href);
    await page.waitForFunction(() => window.answeredAt && performance.getEntriesByName("first-contentful-paint").length > 0);
    visits.push(await page.evaluate(() => [performance.getEntriesByName("first-contentful-paint")[0].startTime, window.answeredAt]));
  }
  console.log(JSON.stringify(visits));
} finally {
  await browser.close();
}
