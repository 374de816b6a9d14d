// Names as an attacker would choose them are text on the page: whole, visible, and without any effect.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { address, assertQuiet, eventually, exported, follow, launch, matches, open, readJson } from "./chromium.mjs";
import { parseCsv } from "./csv.mjs";

const report = readJson("hostile", "report.json");
/// Account, name, and how a name may be shown.
const names = readJson("hostile", "names.json");
let browser;
let opened;
let page;
before(async () => {
  browser = await launch();
  opened = await open(browser, address("hostile"));
  page = opened.page;
});
after(() => browser?.close());

/// What is in the document beside text.
const census = () =>
  page.evaluate(() => {
    const all = [...document.querySelectorAll("*")];
    const attributes = all.flatMap((element) => [...element.attributes].map((at) => ({ element, at })));
    const foreign = "iframe, img, object, embed, base, video, audio, dialog, plaintext, xmp, math, marquee, template, " +
      "[popover], [autofocus], [srcdoc], foreignObject, animate, set, use, style ~ style, link";
    return {
      foreign: [...document.querySelectorAll(foreign)].map((element) => element.outerHTML.slice(0, 120)),
      scripts: document.querySelectorAll("script").length,
      custom: all.filter((element) => element.localName.includes("-")).map((element) => element.localName),
      // The list sets its height and place by itself, as the policy lets a script do.
      handlers: attributes
        .filter(({ element, at }) => /^on|^style$/.test(at.name) && !element.matches("#rows > .space, #rows > .space > .window"))
        .map(({ element }) => element.outerHTML.slice(0, 120)),
      links: attributes
        .filter(({ at }) => /^(xlink:)?href$|^src$|^action$|^formaction$/.test(at.name))
        .map(({ at }) => at.value)
        .filter((value) => !/^(#|https:\/\/docs\.aws\.amazon\.com\/)/.test(value)),
      owned: globalThis.owned,
      comments: document.createTreeWalker(document, NodeFilter.SHOW_COMMENT).nextNode()?.data ?? null,
    };
  });

/// The data block goes when it has been read; the page's own script stays.
const CLEAN = { foreign: [], scripts: 1, custom: [], handlers: [], links: [], owned: undefined, comments: null };

/// Characters that steer, turn around or hide, in what is shown.
const HIDDEN = /[\0-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/;

async function assertNothingHides(where) {
  const text = await page.evaluate(() => {
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const texts = [];
    while (walker.nextNode()) if (!walker.currentNode.parentElement.closest("script, style")) texts.push(walker.currentNode.data);
    return texts;
  });
  const hiding = text.filter((shown) => HIDDEN.test(shown)).map((shown) => JSON.stringify(shown.slice(0, 100)));
  assert.deepEqual(hiding, [], `${where} shows characters that hide`);
}

test("the page has no element, attribute or link that a name brought", async () => {
  assert.deepEqual(await census(), CLEAN);
  await assertNothingHides("the page");
});

test("every account's name stands there as text", async () => {
  const text = await page.locator("#accounts").evaluate((element) => element.textContent);
  const lost = names.filter(({ shown }) => !text.includes(shown));
  assert.deepEqual(lost.map(({ shown }) => shown.slice(0, 80)), []);
});

test("every finding opens with its name, tags, policy and message as text", async () => {
  const accounts = new Map(names.map((name) => [name.account, name]));
  for (const finding of report.findings) {
    await follow(page, `#finding-${finding.id}`);
    const detail = page.locator(`.detail`);
    const { shown, text } = accounts.get(finding.account);
    const says = () => detail.textContent({ timeout: 5_000 }).then((all) => all.includes(shown), () => false);
    await eventually(says, true, `the detail of ${finding.id} does not show ${JSON.stringify(text.slice(0, 80))}`);
  }
  assert.deepEqual(await census(), CLEAN);
  await assertNothingHides("the list");
});

test("every name is found by what it is shown as, and searching for it changes nothing else", async () => {
  for (const { shown } of names.filter(({ shown }) => shown.length < 200)) {
    const searched = shown.trim();
    if (!searched) continue;
    await follow(page, "#findings?verdict=fail");
    await page.locator("#q").fill(searched);
    const inAddress = () => page.evaluate(() => new URLSearchParams(location.hash.split("?")[1]).get("q"));
    await eventually(inAddress, searched, "the search is in the address");
    await eventually(async () => (await matches(page)) >= 1, true, `nothing is found by ${JSON.stringify(searched)}`);
  }
  assert.deepEqual(await census(), CLEAN);
});

test("the export has every name in one cell, and no cell is a formula", async () => {
  await follow(page, "#findings?verdict=fail");
  await eventually(() => matches(page), names.length, "all names");
  const text = await exported(page);
  const rows = parseCsv(text);
  assert.equal(rows.length, names.length);
  const formulas = rows.flatMap((row) => Object.entries(row)).filter(([, cell]) => /^[=+\-@\t\r\n\uff1d]/.test(cell));
  assert.deepEqual(formulas.map(([column, cell]) => `${column}: ${cell.slice(0, 60)}`), []);
  assert.doesNotMatch(text, /[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/);
  const cells = new Map(rows.map((row) => [row.account, row.resource_name]));
  for (const { account, shown } of names) {
    // A quotation mark that keeps a formula from being one is all that may be added.
    const has = cells.get(account) === shown || cells.get(account).replaceAll("'", "") === shown.replaceAll("'", "");
    assert.ok(has, `no cell of ${account} is ${JSON.stringify(shown.slice(0, 80))}`);
  }
});

test("unfolded, nothing else appears", async () => {
  await page.evaluate(() => document.querySelectorAll("details").forEach((details) => (details.open = true)));
  await page.waitForTimeout(500);
  assert.deepEqual(await census(), CLEAN);
  await assertNothingHides("the unfolded page");
  opened.seen.requests = opened.seen.requests.filter((url) => !url.startsWith("blob:"));
  assertQuiet(opened);
});
