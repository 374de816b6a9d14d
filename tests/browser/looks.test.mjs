// The page can be used by everyone: with a keyboard, a screen reader, a phone, in the dark, on paper.
// Pictures of each state are left for people to look at.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";

import { address, eventually, follow, launch, matches, open, pictures, readJson } from "./chromium.mjs";
import { matching } from "./oracle.mjs";

const AXE = readFileSync(new URL("./node_modules/axe-core/axe.min.js", import.meta.url), "utf8");
const report = readJson("ordinary", "report.json");
const failing = report.findings.find(({ verdict }) => verdict === "fail");
let browser;
before(async () => {
  browser = await launch();
});
after(() => browser?.close());

const DESKTOP = { viewport: { width: 1280, height: 900 } };
const PHONE = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true, deviceScaleFactor: 2 };
const SMALL_PHONE = { ...PHONE, viewport: { width: 360, height: 640 } };
const STATES = {
  "desktop-light": { ...DESKTOP, colorScheme: "light" },
  "desktop-dark": { ...DESKTOP, colorScheme: "dark" },
  "phone-light": { ...PHONE, colorScheme: "light" },
  "phone-dark": { ...PHONE, colorScheme: "dark" },
  "small-phone": { ...SMALL_PHONE, colorScheme: "light" },
  // What a window of 1280 pixels is at 200 %.
  "zoomed": { viewport: { width: 640, height: 450 }, deviceScaleFactor: 2 },
};

async function shot(page, name, fullPage = false) {
  await page.screenshot({ path: path.join(pictures(), `${name}.png`), fullPage });
}

async function assertAccessible(page, where) {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
  const told = violations.map(({ id, help, nodes }) => {
    const some = nodes.slice(0, 3).map(({ html, failureSummary }) => `    ${html.slice(0, 200)}\n    ${failureSummary}`);
    return `${id}: ${help} (${nodes.length} times)\n${some.join("\n")}`;
  });
  assert.equal(told.length, 0, `${where}:\n${told.join("\n")}`);
}

async function assertNoSidewaysScroll(page, where) {
  const wide = await page.evaluate(() => {
    const width = document.documentElement.clientWidth;
    const scrolls = (element) => {
      for (let at = element.parentElement; at && at !== document.body; at = at.parentElement) {
        if (getComputedStyle(at).overflowX !== "visible") return true;
      }
      return false;
    };
    const beyond = [...document.body.querySelectorAll("*")]
      .filter((element) => element.getBoundingClientRect().right > width + 1 && !scrolls(element))
      .slice(0, 5)
      .map((element) => element.outerHTML.slice(0, 120));
    return { width, scrollWidth: document.documentElement.scrollWidth, beyond };
  });
  assert.ok(wide.scrollWidth <= wide.width, `${where} scrolls sideways: ${JSON.stringify(wide)}`);
}

/// Fails when an element cannot be seen in what scrolls it, or on the screen.
async function assertInView(page, selector, within, what) {
  const place = await page.evaluate(([selector, within]) => {
    const box = (one) => document.querySelector(one)?.getBoundingClientRect();
    const inner = box(selector);
    const outer = within ? box(within) : { top: 0, bottom: innerHeight };
    return { found: Boolean(inner), isIn: inner && inner.top >= outer.top - 1 && inner.bottom <= outer.bottom + 1, inner, outer };
  }, [selector, within]);
  assert.ok(place.isIn, `${what} is not in view: ${JSON.stringify(place)}`);
}

for (const [name, options] of Object.entries(STATES)) {
  test(`${name}: accessible and no wider than the screen, with the list and with a finding open`, async () => {
    const { context, page } = await open(browser, address("ordinary"), options);
    await shot(page, name);
    await shot(page, `${name}-whole`, true);
    await assertNoSidewaysScroll(page, name);
    await assertAccessible(page, name);

    await follow(page, "#findings?verdict=fail,unknown&severity=critical,high");
    await page.locator("#findings").scrollIntoViewIfNeeded();
    await shot(page, `${name}-findings`);
    await follow(page, `#finding-${failing.id}`);
    await page.locator(".detail").waitFor();
    await shot(page, `${name}-detail`);
    await assertInView(page, "#opened h3", null, `${name}: the opened finding`);
    await assertInView(page, "#rows .current", "#rows", `${name}: its row`);
    await assertNoSidewaysScroll(page, `${name} with a finding open`);
    await assertAccessible(page, `${name} with a finding open`);

    await page.evaluate(() => document.querySelectorAll("details").forEach((details) => (details.open = true)));
    await assertNoSidewaysScroll(page, `${name} with everything unfolded`);
    await assertAccessible(page, `${name} with everything unfolded`);
    await context.close();
  });
}

test("the resources are accessible as well, and their numbers stand under what they count", async () => {
  for (const [name, options] of [["resources", DESKTOP], ["resources-phone", PHONE]]) {
    const { context, page } = await open(browser, address("ordinary", "#findings?view=resources"), options);
    await shot(page, name);
    const astray = await page.evaluate(() => {
      const centres = (row) => [...row.children].slice(2).map((cell) => {
        const { left, right } = cell.getBoundingClientRect();
        return Math.round((left + right) / 2);
      });
      const rows = [...document.querySelectorAll("#rows [role=row]")].map(centres);
      return rows.filter((row) => row.join() !== rows[0].join());
    });
    assert.deepEqual(astray, [], `${name}: numbers of rows are not under the heads`);
    await assertNoSidewaysScroll(page, name);
    await assertAccessible(page, name);
    await context.close();
  }
});

test("no findings at all is a sentence, not an empty box", async () => {
  const { context, page } = await open(browser, address("ordinary", "#findings?q=no-such-thing-anywhere"), DESKTOP);
  await eventually(() => matches(page), 0, "matches");
  await shot(page, "no-matches");
  assert.match(await page.locator("#findings").innerText(), /\b0 findings of 3,000\b/);
  await assertAccessible(page, "no matches");
  await context.close();
});

test("an index of pages is accessible", async () => {
  for (const [name, options] of [["index", DESKTOP], ["index-phone", PHONE]]) {
    const { context, page } = await open(browser, address("split"), options, { isIndex: true });
    await shot(page, name);
    await assertNoSidewaysScroll(page, name);
    await assertAccessible(page, name);
    await context.close();
  }
});

const focused = (page) => page.evaluate(() => {
  const at = document.activeElement;
  return { tag: at.tagName, id: at.id, inRows: Boolean(at.closest?.("#rows")), inDetail: Boolean(at.closest?.(".detail")) };
});

/// Presses a key until the focus is where it should be.
async function pressUntil(page, key, reached, what, limit = 400) {
  for (let presses = 0; presses < limit; presses += 1) {
    if (reached(await focused(page))) return;
    await page.keyboard.press(key);
  }
  assert.fail(`${what} is not reached by pressing ${key} ${limit} times; focus is on ${JSON.stringify(await focused(page))}`);
}

test("the list is searched, walked and read with the keyboard alone", async () => {
  const { context, page } = await open(browser, address("ordinary", "#findings"), DESKTOP);
  await pressUntil(page, "Tab", ({ id }) => id === "q", "the search");
  const visible = await page.evaluate(() => {
    const style = getComputedStyle(document.activeElement);
    return style.outlineStyle !== "none" || style.boxShadow !== "none";
  });
  assert.ok(visible, "the focus on the search cannot be seen");
  await page.keyboard.type("s3");
  const expected = matching(report, { verdict: ["fail", "unknown"], q: ["s3"] }).length;
  await eventually(() => matches(page), expected, "typed");

  await pressUntil(page, "Tab", ({ inRows }) => inRows, "the list");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowDown");
  await shot(page, "keyboard-row");
  await assertInView(page, '#rows .current[aria-rowindex="3"]', "#rows", "the second row, two presses down");
  for (let presses = 0; presses < 30; presses += 1) await page.keyboard.press("ArrowDown");
  await assertInView(page, "#rows .current", "#rows", "the current row, after many presses");
  await page.keyboard.press("Enter");
  await page.locator(".detail").waitFor();
  await shot(page, "keyboard-detail");
  await page.keyboard.press("Escape");
  await eventually(() => page.locator(".detail").count(), 0, "Escape closes the finding");
  assert.ok((await focused(page)).inRows, "after Escape the focus is back on the list");

  await page.keyboard.press("End");
  const last = () => page.locator("#rows [data-id]").evaluateAll((rows) => {
    const indexes = rows.map((row) => Number(row.getAttribute("aria-rowindex")));
    return Math.max(...indexes);
  });
  const all = Number(await page.locator("[aria-rowcount]").first().getAttribute("aria-rowcount"));
  await eventually(last, all, "End shows the last row");
  await context.close();
});

test("the skip link comes first and leads to the content", async () => {
  const { context, page } = await open(browser, address("ordinary"), DESKTOP);
  await page.keyboard.press("Tab");
  const href = await page.evaluate(() => document.activeElement.getAttribute("href"));
  assert.match(href ?? "", /^#/, "the first stop is no skip link");
  assert.ok(await page.locator(href).count(), `${href} is not there`);
  await context.close();
});

test("who wants less motion gets none", async () => {
  const { context, page } = await open(browser, address("ordinary"), { ...DESKTOP, reducedMotion: "reduce" });
  const moving = await page.evaluate(() => document.getAnimations().length);
  assert.equal(moving, 0);
  await context.close();
});

test("on paper the rows are listed, with how many of how many", async () => {
  const { context, page } = await open(browser, address("ordinary", "#findings?verdict=fail"), DESKTOP);
  await page.emulateMedia({ media: "print" });
  await page.evaluate(() => dispatchEvent(new Event("beforeprint")));
  const text = await page.locator("#findings").innerText();
  const failing = matching(report, { verdict: ["fail"] });
  const listed = failing.filter(({ resource_name: name }) => text.includes(name)).length;
  assert.ok(listed >= Math.min(failing.length, 2_000) * 0.99, `${listed} of ${failing.length} findings are on paper`);
  await page.evaluate(() => dispatchEvent(new Event("afterprint")));
  await page.emulateMedia({ media: null });
  await eventually(() => matches(page), failing.length, "back on the screen");

  const pdf = await page.pdf({ path: path.join(pictures(), "report.pdf"), format: "A4" });
  assert.equal(pdf.subarray(0, 5).toString(), "%PDF-");
  await context.close();
});

test("coverage and requirements are filled in when they are unfolded", async () => {
  const { context, page } = await open(browser, address("ordinary"), DESKTOP);
  for (const hook of ["details.by-account", "details.coverage"]) {
    const first = page.locator(hook).first();
    await first.evaluate((details) => {
      for (let at = details; at; at = at.parentElement.closest("details")) at.open = true;
    });
    const filled = () => first.evaluate((details) => details.textContent.trim().length > details.querySelector("summary").textContent.trim().length);
    await eventually(filled, true, `${hook} stays empty`);
  }
  await context.close();
});
