// A report that is too large for one page is an index and a page for each account; together they are the report.

import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";

import { address, assertQuiet, eventually, follow, launch, matches, open, readJson, written } from "./chromium.mjs";

const ALL = "#findings?verdict=pass,fail,unknown,not_applicable";
const report = readJson("split", "report.json");
const folder = written("split", "report-accounts");
let browser;
before(async () => {
  browser = await launch();
});
after(() => browser?.close());

const openIndex = () => open(browser, address("split"), {}, { isIndex: true });

test("the index leads to every page, and every page is led to", async () => {
  const opened = await openIndex();
  const links = await opened.page.locator('#findings a[href*="report-accounts/"]').evaluateAll((all) =>
    all.map((link) => link.href.split("#", 1)[0]));
  const linked = [...new Set(links)].map((link) => path.basename(fileURLToPath(link))).sort();
  assert.deepEqual(linked, readdirSync(folder).sort());
  const judged = report.accounts.filter(({ id }) => report.findings.some(({ account }) => account === id));
  assert.deepEqual(linked, judged.map(({ id }) => `${id}.html`).sort());
  assertQuiet(opened);
  await opened.context.close();
});

test("the index has no data block, and says how many findings are where", async () => {
  const { context, page } = await openIndex();
  assert.equal(await page.locator("#data").count(), 0);
  const text = (await page.locator("#findings").innerText()).replaceAll(",", "");
  for (const { id } of report.accounts) {
    const count = report.findings.filter(({ account }) => account === id).length;
    if (count) assert.match(text, new RegExp(`${id}[^]*?\\b${count}\\b`), `the index does not say ${count} for ${id}`);
  }
  await context.close();
});

test("the pages of the accounts have all findings of the report, each its own", async () => {
  let sum = 0;
  for (const file of readdirSync(folder)) {
    const account = path.basename(file, ".html");
    const url = pathToFileURL(path.join(folder, file)).href + ALL;
    const opened = await open(browser, url);
    const expected = report.findings.filter((finding) => finding.account === account).length;
    await eventually(() => matches(opened.page), expected, account);
    await follow(opened.page, `#findings?verdict=pass,fail,unknown,not_applicable&account=${account}`);
    await eventually(() => matches(opened.page), expected, `${account} filtered by itself`);
    assertQuiet(opened);
    sum += expected;
    await opened.context.close();
  }
  assert.equal(sum, report.findings.length);
});

test("links of the index and of the pages to files lead to files", async () => {
  const pages = [written("split", "report.html"), path.join(folder, readdirSync(folder)[0])];
  for (const file of pages) {
    const { context, page } = await open(browser, pathToFileURL(file).href, {}, { isIndex: file === pages[0] });
    const files = await page.locator("a[href]").evaluateAll((all) =>
      all.map((link) => link.href.split("#", 1)[0]).filter((href) => href.startsWith("file:")));
    for (const link of new Set(files)) {
      assert.ok(existsSync(fileURLToPath(link)), `${file} links to ${link}, which is not there`);
    }
    await context.close();
  }
});
