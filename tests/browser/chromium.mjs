// Opens pages in Chromium and remembers all that they do beside showing themselves.

import assert from "node:assert/strict";
import { accessSync, constants, mkdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";

import { chromium } from "playwright-core";

const FLAGS = [
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-gpu",
  "--disable-sync",
  "--no-first-run",
  "--no-sandbox",
];

/// The environment that tests/all/report_page.rs makes; what is missing is said by its name.
function given(name) {
  const value = process.env[name];
  assert.ok(value, `${name} is not set: these tests are run by \`cargo nextest run report_page\``);
  return value;
}

/// Where screenshots go, to be looked at.
export const pictures = () => {
  const folder = given("UPRIGHT_PICTURES");
  mkdirSync(folder, { recursive: true });
  return folder;
};

/// A file of one of the reports that were written for the tests.
export const written = (...names) => path.join(given("UPRIGHT_PAGES"), ...names);

export const readJson = (...names) => JSON.parse(readFileSync(written(...names), "utf8"));

/// Address of a report's page as a file, with a fragment that begins with `#`.
export const address = (name, fragment = "") => pathToFileURL(written(name, "report.html")).href + fragment;

/// The browser: `UPRIGHT_CHROMIUM`, or the first that is installed where Debian and others put it.
function executable() {
  const named = process.env.UPRIGHT_CHROMIUM;
  const inPath = (process.env.PATH ?? "").split(path.delimiter).map((folder) => path.join(folder, "chromium"));
  const candidates = named ? [named] : [...inPath, "/usr/bin/chromium"];
  const found = candidates.find((candidate) => {
    try {
      accessSync(candidate, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
  assert.ok(
    found,
    `there is no Chromium at ${named ?? "`chromium` in PATH or /usr/bin/chromium"}; \`make browser\` installs it, ` +
      "and UPRIGHT_CHROMIUM names another",
  );
  return found;
}

/// Starts a browser with a profile of its own.
export const launch = () => chromium.launch({ executablePath: executable(), headless: true, args: FLAGS });

/// Opens an address in a context of its own and says what happened since: messages of the console, errors,
/// requests (of every scheme), violations of the policy, dialogs and windows. An index of pages has no list to
/// wait for.
export async function open(browser, url, options = {}, { isIndex = false } = {}) {
  const context = await browser.newContext({ acceptDownloads: true, ...options });
  const page = await context.newPage();
  const seen = { console: [], errors: [], requests: [], violations: [], dialogs: [], windows: [] };
  page.on("console", (message) => seen.console.push(`${message.type()}: ${message.text()}`));
  page.on("pageerror", (error) => seen.errors.push(String(error)));
  page.on("dialog", (dialog) => {
    seen.dialogs.push(dialog.message());
    return dialog.dismiss();
  });
  page.on("popup", (popup) => seen.windows.push(popup.url()));
  // Playwright's own events leave out what has no host, such as `data:`.
  const protocol = await context.newCDPSession(page);
  protocol.on("Network.requestWillBeSent", ({ request }) => seen.requests.push(request.url));
  await protocol.send("Network.enable");
  await page.exposeBinding("toldOfViolation", (_, told) => seen.violations.push(told));
  await page.addInitScript(() => {
    addEventListener("securitypolicyviolation", (event) => {
      globalThis.toldOfViolation(`${event.violatedDirective}: ${event.blockedURI} ${event.sample}`);
    });
  });
  await page.goto(url);
  if (options.javaScriptEnabled !== false && !isIndex) await ready(page);
  return { context, page, seen, url };
}

/// Waits until the findings can be used, or fails with what the page says instead.
export async function ready(page) {
  try {
    await page.locator("html[data-ready=yes]").waitFor({ state: "attached", timeout: 30_000 });
  } catch (error) {
    const says = await page.locator("#findings").innerText({ timeout: 1_000 }).catch(() => "nothing");
    assert.fail(`the page did not become ready (${error.message}); its findings say: ${says.slice(0, 500)}`);
  }
}

/// Fails when a page did anything but load itself.
export function assertQuiet({ seen, url }) {
  const document = url.split("#", 1)[0];
  const { requests, ...rest } = seen;
  assert.deepEqual(rest, { console: [], errors: [], violations: [], dialogs: [], windows: [] });
  assert.deepEqual(requests, [document], "the page asked for something");
}

/// Calls until the answer is the expected one; after some seconds fails with the last answer.
export async function eventually(ask, expected, what, seconds = 10) {
  const until = Date.now() + 1000 * seconds;
  let answer = await ask();
  while (!Object.is(answer, expected) && Date.now() < until) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    answer = await ask();
  }
  assert.equal(answer, expected, what);
}

/// How many findings the page says match.
export async function matches(page) {
  const said = await page.locator("#matches").textContent();
  const number = /^\s*([\d,]+)/.exec(said);
  assert.ok(number, `#matches does not begin with a number: ${said}`);
  return Number(number[1].replaceAll(",", ""));
}

/// Follows a fragment as a link in the page would, and waits until the page has seen that.
export const follow = (page, fragment) =>
  page.evaluate((to) => {
    const before = location.href;
    // The page's own listener is the earlier one, so that its work is done when this one is called.
    const seen = new Promise((resolve) => addEventListener("hashchange", resolve, { once: true }));
    location.hash = to;
    return location.href === before ? undefined : seen.then(() => {});
  }, fragment);

/// Presses the export's button; the text of the file.
export async function exported(page) {
  const [download] = await Promise.all([page.waitForEvent("download"), page.locator("#export").click()]);
  assert.equal(download.suggestedFilename(), "upright-findings.csv");
  // Of more than ten downloads in a second Chromium drops some without a word; no person presses so often.
  await page.waitForTimeout(150);
  return readFileSync(await download.path(), "utf8");
}
