// Whoever gets a link sees what its sender saw, and a link cannot do more than choose what is shown.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { address, assertQuiet, eventually, follow, launch, matches, open, readJson } from "./chromium.mjs";
import { fragmentOf, matching } from "./oracle.mjs";

const report = readJson("ordinary", "report.json");
const failing = report.findings.find(({ verdict, tags }) => verdict === "fail" && tags);
const passing = report.findings.findLast(({ verdict }) => verdict === "pass");
let browser;
before(async () => {
  browser = await launch();
});
after(() => browser?.close());

async function opened(fragment, use) {
  const it = await open(browser, address("ordinary", fragment));
  await use(it.page, it);
  await it.context.close();
}

test("a link to a finding opens it, whole id or beginning, whatever the filter would be", async () => {
  for (const finding of [failing, passing]) {
    for (const id of [finding.id, finding.id.slice(0, 14)]) {
      await opened(`#finding-${id}`, async (page) => {
        const detail = page.locator(".detail");
        await detail.waitFor();
        const text = await detail.textContent();
        for (const said of [finding.resource_arn, finding.reason.replaceAll("`", ""), finding.control]) {
          assert.ok(text.replaceAll("`", "").includes(said), `the detail of ${id} does not say ${said}`);
        }
        assert.ok(await detail.evaluate((at) => {
          const { top, bottom } = at.getBoundingClientRect();
          return bottom > 0 && top < innerHeight;
        }), "the detail is not in view");
      });
    }
  }
});

test("a link to a finding that is not there says so", async () => {
  await opened("#finding-ffffffffffffffffffffffffffffffff", async (page) => {
    assert.equal(await page.locator(".detail").count(), 0);
    assert.match(await page.locator("#findings").innerText(), /\b0 findings have the id f{32}/);
  });
});

test("a link to a view shows it", async () => {
  for (const wanted of [
    { verdict: ["pass"], severity: ["high", "critical"] },
    { account: [failing.account], q: [failing.resource_name] },
    { resource: [failing.resource_arn] },
    { tag: Object.entries(failing.tags).map(([key, value]) => `${key}=${value}`) },
  ]) {
    const fragment = fragmentOf(wanted);
    const expected = matching(report, wanted).length;
    await opened(fragment, (page) => eventually(() => matches(page), expected, fragment));
  }
});

test("without a fragment the list shows what failed or could not be decided", async () => {
  await opened("", (page) => eventually(() => matches(page), matching(report).length, "no fragment"));
});

test("what was filtered by hand is in the address, and opens again the same", async () => {
  let link;
  let count;
  await opened("#findings?verdict=pass,fail", async (page) => {
    await page.locator("#q").fill("s3");
    await eventually(() => matches(page), matching(report, { verdict: ["pass", "fail"], q: ["s3"] }).length, "typed");
    link = await page.evaluate(() => location.hash);
    count = await matches(page);
  });
  assert.notEqual(link, "#findings?verdict=pass,fail");
  await opened(link, async (page) => {
    await eventually(() => matches(page), count, link);
    assert.equal(await page.locator("#q").inputValue(), "s3");
  });
});

test("back and forward go through the views", async () => {
  await opened("#findings?verdict=pass", async (page) => {
    const count = (verdict) => matching(report, { verdict: [verdict] }).length;
    await follow(page, "#findings?verdict=unknown");
    await eventually(() => matches(page), count("unknown"), "unknown");
    await follow(page, "#findings?verdict=fail");
    await eventually(() => matches(page), count("fail"), "fail");
    await page.evaluate(() => history.back());
    await eventually(() => matches(page), count("unknown"), "back");
    await page.evaluate(() => history.back());
    await eventually(() => matches(page), count("pass"), "back again");
    await page.evaluate(() => history.forward());
    await eventually(() => matches(page), count("unknown"), "forward");
  });
});

test("keys and values that do not exist are ignored or match nothing, and break nothing", async () => {
  const pass = matching(report, { verdict: ["pass"] }).length;
  for (const [fragment, expected] of [
    ["#findings?verdict=pass&colour=red", pass],
    ["#findings?verdict=pass&__proto__=x&constructor=y&toString=z&=&&%", pass],
    ["#findings?verdict=pass&account=999999999999", 0],
    ["#findings?verdict=pass&control=__proto__", 0],
    ["#findings?verdict=pass&requirement=nothing", 0],
    ["#findings?verdict=pass&resource=arn%3Aaws%3As3%3A%3A%3Anone", 0],
    ["#findings?verdict=pass&tag=hasOwnProperty", 0],
    ["#findings?verdict=pass&sort=nonsense&view=nonsense", pass],
  ]) {
    await opened(fragment, async (page, it) => {
      await eventually(() => matches(page), expected, fragment);
      assertQuiet(it);
    });
  }
});

test("markup in a fragment stays text", async () => {
  const markup = `"><img src=x onerror="globalThis.owned=1"><script>globalThis.owned=1</script>`;
  const count = (page) => page.evaluate(() => document.querySelectorAll("img, script").length);
  let before;
  await opened("", async (page) => {
    before = await count(page);
  });
  for (const key of ["q", "account", "region", "control", "resource", "tag", "requirement", "sort", "view", "change"]) {
    await opened(`#findings?${new URLSearchParams({ [key]: markup })}`, async (page, it) => {
      assert.equal(await page.evaluate(() => globalThis.owned), undefined, key);
      assert.equal(await count(page), before, key);
      if (key === "q") assert.equal(await page.locator("#q").inputValue(), markup);
      assertQuiet(it);
    });
  }
  for (const fragment of [`#finding-${markup}`, `#${markup}`, "#findings?q=%", "#%E0%A4%A", "#findings?tag=%00"]) {
    await opened(fragment, async (page, it) => {
      assert.equal(await page.evaluate(() => globalThis.owned), undefined, fragment);
      assertQuiet(it);
    });
  }
});

test("every link within the page leads somewhere", async () => {
  await opened("", async (page) => {
    const broken = await page.evaluate(() =>
      [...document.querySelectorAll('a[href^="#"]')]
        .map((link) => link.getAttribute("href"))
        .filter((href) => !/^#find(ing-|ings\?)/.test(href) && href !== "#")
        .filter((href) => !document.getElementById(decodeURIComponent(href.slice(1)))),
    );
    assert.deepEqual([...new Set(broken)], []);
    const keys = new Set(Object.keys({ verdict: 0, severity: 0, account: 0, region: 0, service: 0, control: 0,
      framework: 0, waiver: 0, requirement: 0, resource: 0, tag: 0, q: 0, change: 0, view: 0, sort: 0 }));
    const views = await page.evaluate(() =>
      [...document.querySelectorAll('a[href^="#findings?"]')].map((link) => link.getAttribute("href")));
    const misspelt = views.filter((href) =>
      [...new URLSearchParams(href.slice("#findings?".length)).keys()].some((key) => !keys.has(key)));
    assert.deepEqual(misspelt, []);
  });
});
