// What the list shows is what report.json has, for every filter alone and for filters together.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { address, eventually, exported, follow, launch, matches, open, readJson } from "./chromium.mjs";
import { parseCsv } from "./csv.mjs";
import { fragmentOf, matching } from "./oracle.mjs";

const report = readJson("ordinary", "report.json");
let browser;
let page;
before(async () => {
  browser = await launch();
  ({ page } = await open(browser, address("ordinary")));
});
after(() => browser?.close());

const distinct = (values) => [...new Set(values)].sort();
const VALUES = {
  verdict: ["pass", "fail", "unknown", "not_applicable"],
  severity: distinct(report.findings.map((finding) => finding.severity)),
  account: report.accounts.map((account) => account.id),
  region: distinct(report.findings.map((finding) => finding.region)),
  service: distinct(report.controls.map((control) => control.service)),
  control: report.controls.map((control) => control.id),
  framework: report.frameworks.map((framework) => framework.id),
  requirement: report.frameworks.flatMap(({ id, requirements }) =>
    requirements.filter(({ controls }) => controls.length).map((requirement) => `${id}/${requirement.id}`),
  ),
  resource: distinct(report.findings.map((finding) => finding.resource_arn)).filter((_, n) => n % 97 === 0),
  tag: distinct(
    report.findings.flatMap(({ tags = {} }) => Object.entries(tags).flatMap(([key, of]) => [key, `${key}=${of}`])),
  ),
  change: ["new"],
  waiver: ["none", "waived", "ended"],
};

/// Follows the fragment, and holds number and export against the report.
async function assertShows(wanted) {
  const fragment = fragmentOf(wanted);
  const expected = matching(report, wanted);
  await follow(page, fragment);
  await eventually(() => matches(page), expected.length, fragment);
  const csv = await exported(page).catch((error) => assert.fail(`${fragment} is not exported: ${error.message}`));
  const ids = parseCsv(csv).map((row) => row.id_prefix);
  assert.deepEqual(whole(ids), expected.map((finding) => finding.id).sort(), fragment);
}

/// Ids of the report from their beginnings, which the page may have cut.
function whole(ids) {
  const known = report.findings.map((finding) => finding.id).sort();
  return ids
    .map((id) => {
      const of = known.filter((candidate) => candidate.startsWith(id));
      assert.equal(of.length, 1, `${id} is the beginning of ${of.length} ids`);
      return of[0];
    })
    .sort();
}

for (const [key, values] of Object.entries(VALUES)) {
  test(`each value of ${key} alone`, async () => {
    assert.ok(values.length, `the report has no ${key} to filter by`);
    const some = values.filter((_, n) => n % Math.ceil(values.length / 8) === 0);
    for (const value of some) await assertShows({ [key]: [value] });
  });
}

test("several values of a key are any of them", async () => {
  for (const [key, values] of Object.entries(VALUES)) {
    if (values.length > 1 && key !== "resource" && key !== "requirement") {
      await assertShows({ [key]: [values[0], values.at(-1)] });
    }
  }
});

test("several keys are all of them", async () => {
  // Always the same numbers, so that a failure comes again.
  let state = 20261124;
  const below = (n) => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    // The low digits of such a number have a short period.
    return (state >>> 16) % n;
  };
  let hits = 0;
  for (let round = 0; round < 40; round += 1) {
    const keys = Object.keys(VALUES).filter((key) => key !== "resource" && below(4) === 0);
    const wanted = Object.fromEntries(
      keys.map((key) => {
        const values = VALUES[key];
        const several = ["verdict", "severity", "region", "service"].includes(key) ? 1 + below(2) : 1;
        return [key, distinct(Array.from({ length: several }, () => values[below(values.length)]))];
      }),
    );
    hits += keys.length > 1 && matching(report, wanted).length > 0 ? 1 : 0;
    if (keys.length) await assertShows(wanted);
  }
  assert.ok(hits >= 5, `only ${hits} of the combinations have any findings`);
});

test("a filter that leaves out the finding that is open closes it", async () => {
  const last = matching(report, { verdict: ["pass"] }).at(-1);
  await follow(page, "#findings?verdict=pass,fail,unknown,not_applicable");
  await follow(page, `#finding-${last.id}`);
  await page.locator(".detail").waitFor();
  const errors = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  await page.locator("#q").fill("no-such-thing-anywhere");
  await eventually(() => matches(page), 0, "nothing matches");
  assert.equal(await page.locator(".detail").count(), 0);
  await page.locator("#reset").click();
  await eventually(() => matches(page), matching(report).length, "after the reset");
  assert.deepEqual(errors, []);
});

test("a search finds text in names, ARNs, accounts, controls, reasons, regions and tags", async () => {
  const one = report.findings.find((finding) => finding.verdict === "fail" && finding.tags);
  const tag = Object.entries(one.tags)[0];
  const name = report.accounts.find((account) => account.id === one.account).name;
  const title = report.controls.find((control) => control.id === one.control).title;
  const word = (text) => text.split(/\s+/).reduce((longest, next) => (next.length > longest.length ? next : longest));
  const texts = [
    one.resource_name,
    one.resource_name.toUpperCase(),
    one.resource_arn.slice(-12),
    one.account,
    word(name),
    one.control,
    word(title),
    word(one.reason.replaceAll("`", " ")),
    one.region,
    tag[1],
    "no-such-thing-anywhere",
  ];
  for (const text of texts) {
    for (const verdict of [["fail"], VALUES.verdict]) {
      const wanted = { verdict, q: [text] };
      await follow(page, fragmentOf({ verdict }));
      await page.locator("#q").fill(text);
      const expected = matching(report, wanted).length;
      await eventually(() => matches(page), expected, `${text} among ${verdict}`);
    }
  }
});

test("choices in the form filter, stay in the address, and are taken back by the button", async () => {
  for (const key of ["verdict", "severity", "account", "region", "service", "control", "framework"]) {
    await follow(page, "#findings?verdict=pass,fail,unknown,not_applicable");
    await eventually(() => matches(page), report.findings.length, "all findings");
    const value = key === "verdict" ? "fail" : VALUES[key].at(-1);
    const wanted = { verdict: VALUES.verdict, [key]: key === "verdict" ? VALUES.verdict.filter((v) => v !== value) : [value] };
    await choose(key, value);
    await eventually(() => matches(page), matching(report, wanted).length, `${key} ${value}`);
    const query = new URLSearchParams((await page.evaluate(() => location.hash)).replace(/^#findings\?/, ""));
    const chosen = query.get(key)?.split(",");
    assert.deepEqual(chosen?.includes(value), key !== "verdict", `the address does not say ${key}: ${query}`);
    await page.locator("#reset").click();
    await eventually(() => matches(page), matching(report).length, "after the reset");
  }
});

/// Unfolds the choices of a key, clicks on one and folds them again.
async function choose(key, value) {
  const list = page.locator("#filters details").filter({ has: page.locator("summary", { hasText: new RegExp(`^${key}\\b`) }) });
  await list.locator("summary").click();
  await list.locator(`[name="${key}"][value="${value}"]`).click();
  await list.locator("summary").click();
}

test("scrolling from the first to the last row passes every finding once", async () => {
  const wanted = { verdict: ["fail"] };
  const expected = matching(report, wanted);
  await follow(page, fragmentOf(wanted));
  await eventually(() => matches(page), expected.length, "failing findings");
  const rows = page.locator("#rows");
  const ids = new Set();
  const collect = async () => {
    for (const id of await rows.locator("[data-id]").evaluateAll((all) => all.map((row) => row.dataset.id))) ids.add(id);
  };
  await rows.evaluate((element) => void (element.scrollTop = 0));
  for (let before = -1, top = 0; top !== before; ) {
    before = top;
    await page.evaluate(() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn))));
    await collect();
    top = await rows.evaluate((element) => {
      element.scrollTop += element.clientHeight / 2;
      return element.scrollTop;
    });
  }
  assert.deepEqual(whole([...ids]), expected.map((finding) => finding.id).sort());
});

test("resources can be listed instead, with the same findings behind them", async () => {
  await follow(page, "#findings?view=resources&verdict=fail");
  const failing = matching(report, { verdict: ["fail"] });
  const resources = new Set(failing.map((finding) => finding.resource_arn));
  await eventually(() => matches(page), resources.size, "resources with failures");
});
