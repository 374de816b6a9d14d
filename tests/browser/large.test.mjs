// A hundred thousand findings in two hundred accounts are one page of five megabytes that stays light.

import assert from "node:assert/strict";
import { statSync } from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";

import { address, assertQuiet, eventually, follow, launch, matches, open, pictures, written } from "./chromium.mjs";

const FINDINGS = 100_000;
const MAX_BYTES = 5_000_000;
const MAX_ROWS = 200;

let browser;
let opened;
before(async () => {
  browser = await launch();
  opened = await open(browser, address("large", "#findings?verdict=pass,fail,unknown,not_applicable"));
});
after(() => browser?.close());

const drawn = () => opened.page.locator("#rows [data-id]").count();

test("the page is not larger than five megabytes", () => {
  const { size } = statSync(written("large", "report.html"));
  assert.ok(size <= MAX_BYTES, `report.html has ${size} bytes`);
});

test("all findings are there, and few rows are drawn", async () => {
  await eventually(() => matches(opened.page), FINDINGS, "all");
  const rows = await drawn();
  assert.ok(rows > 0 && rows < MAX_ROWS, `${rows} rows are drawn`);
  await opened.page.screenshot({ path: path.join(pictures(), "large.png") });
});

test("scrolled to its end the list shows its last row", async () => {
  const rows = opened.page.locator("#rows");
  const all = Number(await opened.page.locator("[aria-rowcount]").first().getAttribute("aria-rowcount"));
  assert.ok(all === FINDINGS || all === FINDINGS + 1, `aria-rowcount is ${all}`);
  await rows.evaluate((element) => void (element.scrollTop = element.scrollHeight));
  const last = () =>
    rows.locator("[data-id]").evaluateAll((each) => Math.max(...each.map((row) => Number(row.ariaRowIndex))));
  await eventually(last, all, "the last row");
  const inView = await rows.evaluate((element) => {
    const row = [...element.querySelectorAll("[data-id]")].reduce((a, b) => (+a.ariaRowIndex > +b.ariaRowIndex ? a : b));
    const [outer, inner] = [element.getBoundingClientRect(), row.getBoundingClientRect()];
    return inner.bottom > outer.top && inner.bottom <= outer.bottom + 1;
  });
  assert.ok(inView, "the last row is not in view");
  assert.ok((await drawn()) < MAX_ROWS);
});

test("filters answer, and no number of them draws more rows", async () => {
  for (const verdict of ["fail", "pass", "unknown", "fail,unknown"]) {
    await follow(opened.page, `#findings?verdict=${verdict}`);
    await eventually(async () => (await matches(opened.page)) < FINDINGS, true, verdict);
    assert.ok((await drawn()) < MAX_ROWS);
  }
  assertQuiet(opened);
});
