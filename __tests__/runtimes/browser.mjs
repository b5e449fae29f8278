// Drives a headless Chromium: one page from an origin that the gateway allows, one from another. Both come from npm, and
// neither is there when the project is type-checked, so this is a process of its own in plain JavaScript.
import chromium from "@sparticuz/chromium";
import { chromium as playwright } from "playwright-core";

const { allowed, foreign, world } = JSON.parse(process.argv[2]);

let browser;
try {
  const executablePath = await chromium.executablePath();
  browser = await playwright.launch({ executablePath, args: ["--no-sandbox"] });
} catch (error) {
  console.log(`CANNOT RUN ${String(error.message).split("\n").slice(0, 12).join(" ")}`);
  process.exit(0);
}

async function visit(origin, verb) {
  const page = await browser.newPage();
  page.on("console", (message) => console.log(message.text()));
  page.on("pageerror", (error) => console.log(error));
  await page.goto(`${origin}/`);
  const verdict = await page.evaluate(([name, given]) => globalThis.scenario[name](given), [verb, world]);
  await page.close();
  return verdict;
}

try {
  const first = await visit(allowed, "run");
  const second = await visit(foreign, "runForeign");
  console.log(`VERDICT ${JSON.stringify({ ...first, checks: [...first.checks, ...second.checks] })}`);
} finally {
  await browser.close();
}
