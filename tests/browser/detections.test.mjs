// Detections: what the list shows is what report.json has, and what they lead to leads back.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";

import { address, assertQuiet, eventually, follow, launch, open, pictures, readJson } from "./chromium.mjs";

const AXE = readFileSync(new URL("./node_modules/axe-core/axe.min.js", import.meta.url), "utf8");
const report = readJson("detected", "report.json");
const { detections, rules } = report.detections;
const ruleOf = (row) => rules.find(({ id }) => id === row.rule);
const withTactic = (name) => detections.filter((row) => ruleOf(row).tactics.some((tactic) => tactic.name === name));
const linked = detections.find((row) => row.findings.length > 0);
let browser;
let opened;
let page;
before(async () => {
  browser = await launch();
  opened = await open(browser, address("detected"));
  ({ page } = opened);
});
after(() => browser?.close());

const explorer = () => page.locator("#detection-explorer");

/// How many detections the page says match.
async function shown(on = page) {
  const said = await on.locator("#detection-explorer .matches").textContent();
  return Number(/^\s*([\d,]+)/.exec(said)[1].replaceAll(",", ""));
}

async function choose(key, value) {
  const list = explorer().locator(`.choice[data-key="${key}"]`);
  await list.locator("summary").click();
  // A list is filled when the browser tells that it was opened, which is after the click.
  await list.locator("label").first().waitFor();
  await list.locator("input[type=checkbox]").evaluateAll((boxes, wanted) => boxes.find((box) => box.value === wanted).click(), value);
  await list.locator("summary").click();
}

test("the sample has something of everything", () => {
  assert.ok(detections.length > 20 && linked && rules.some(({ found }) => found === 0));
  assert.equal(report.detections.read.rules_left_out, 1);
  assert.equal(report.detections.read.unread_inputs, 1);
});

test("the start says what happened and what was not looked at", async () => {
  const start = await page.locator("#happened").innerText();
  assert.match(start, new RegExp(`${detections.length} detections by`));
  assert.match(start, /1 event rule did not run; 1 of 2 inputs of events could not be read/);
  assert.match(await page.locator("#not-observed").innerText(), /Events and event rules/);
});

test("every filter shows what the report has", async () => {
  const tactic = ruleOf(linked).tactics[0].name;
  const technique = ruleOf(linked).techniques[0].id.split(".")[0];
  const wanted = {
    severity: [linked.severity, detections.filter((row) => row.severity === linked.severity)],
    rule: [linked.rule, detections.filter((row) => row.rule === linked.rule)],
    tactic: [tactic, withTactic(tactic)],
    technique: [technique, detections.filter((row) => ruleOf(row).techniques.some(({ id }) => id.split(".")[0] === technique))],
    account: [linked.account, detections.filter((row) => row.account === linked.account)],
    region: [linked.region, detections.filter((row) => row.region === linked.region)],
    actor: [linked.actor.name, detections.filter((row) => row.actor.name === linked.actor.name)],
  };
  for (const [key, [value, expected]] of Object.entries(wanted)) {
    await choose(key, value);
    await eventually(shown, expected.length, `${key} ${value}`);
    assert.ok((await page.evaluate(() => location.hash)).includes(`${key}=`), key);
    await explorer().locator(".reset").click();
    await eventually(shown, detections.length, "after the reset");
  }
});

test("a link of the sums filters, and the text is searched in the event too", async () => {
  const tactic = ruleOf(linked).tactics[0].name;
  await page.locator("#detections .chart a", { hasText: tactic }).first().click();
  await eventually(shown, withTactic(tactic).length, tactic);
  await follow(page, `#detections?q=${linked.event_id}`);
  await eventually(shown, 1, "the id of an event");
  await follow(page, "#detections");
  await eventually(shown, detections.length, "all of them");
});

test("an opened row tells all, and leads to a finding and back", async () => {
  await follow(page, `#detections?rule=${linked.rule}`);
  await explorer().locator('.rows [data-index="0"]').click();
  const detail = explorer().locator(".detail");
  await detail.waitFor();
  await follow(page, `#detection-${linked.id}`);
  const event = await detail.locator("pre").last().textContent();
  assert.equal(JSON.parse(event).eventID, linked.event_id);
  assert.ok((await detail.innerText()).includes(ruleOf(linked).name));
  assert.ok((await detail.innerText()).includes(ruleOf(linked).author));
  await detail.locator(`a[href="#finding-${linked.findings[0]}"]`).click();
  const finding = page.locator("#opened .detail");
  await finding.waitFor();
  assert.ok(linked.findings[0].startsWith(await finding.getAttribute("data-id")));
  await detail.getByRole("button", { name: "Close" }).click();
  await finding.locator(`a[href="#detection-${linked.id}"]`).click();
  await detail.waitFor();
  assert.equal(await detail.getAttribute("data-id"), linked.id);
});

test("nothing of an event becomes markup, and the page asks for nothing", async () => {
  for (const row of detections.slice(0, 30)) {
    await follow(page, `#detection-${row.id}`);
    const found = await explorer().locator(".opened").evaluate((element) => ({
      id: element.firstElementChild?.dataset.id,
      strange: [...element.querySelectorAll("img, script, iframe, svg, style, object, embed, form, input")].length,
      handlers: [...element.querySelectorAll("*")].flatMap((one) => one.getAttributeNames()).filter((name) => name.startsWith("on")),
      addresses: [...element.querySelectorAll("a")].map((link) => link.getAttribute("href")).filter((to) => !/^(#|https:\/\/)/.test(to)),
      text: element.textContent,
    }));
    assert.equal(found.id, row.id);
    assert.deepEqual([found.strange, found.handlers, found.addresses], [0, [], []]);
    assert.doesNotMatch(found.text, /[\u202e\u200b\u0007\u001b]/);
  }
  assertQuiet(opened);
});

test("the index of a split report has the list, with links into the pages of the accounts", async () => {
  const index = await open(browser, address("detected-split"), {}, { isIndex: true });
  await index.page.locator("html[data-ready=yes]").waitFor({ state: "attached" });
  assert.equal(await shown(index.page), detections.length);
  await follow(index.page, `#detection-${linked.id}`);
  const to = `report-accounts/${linked.account}.html#finding-${linked.findings[0]}`;
  await index.page.locator(`#detection-explorer a[href="${to}"]`).click();
  await index.page.locator("#opened .detail").waitFor();
  const text = await index.page.locator("#opened .detail").innerText();
  assert.match(text, /What happened to this resource/);
  await index.context.close();
});

const STATES = {
  "detections-light": { viewport: { width: 1280, height: 900 }, colorScheme: "light" },
  "detections-dark": { viewport: { width: 1280, height: 900 }, colorScheme: "dark" },
  "detections-phone": { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true, deviceScaleFactor: 2, colorScheme: "light" },
};

for (const [name, options] of Object.entries(STATES)) {
  test(`${name}: accessible and no wider than the screen`, async () => {
    const { context, page: on } = await open(browser, address("detected"), options);
    const shot = (what) => on.screenshot({ path: path.join(pictures(), `${name}${what}.png`) });
    const check = async (where) => {
      await on.evaluate(AXE);
      const { violations } = await on.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
      assert.deepEqual(violations.map(({ id, nodes }) => `${id}: ${nodes[0].html.slice(0, 200)} ${nodes[0].failureSummary}`), [], where);
      const [wide, width] = await on.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
      assert.ok(wide <= width, `${where} scrolls sideways: ${wide} of ${width}`);
    };
    await shot("-start");
    await on.locator("#detections").evaluate((element) => element.scrollIntoView());
    await shot("-sums");
    await on.locator("#detection-explorer").evaluate((element) => element.scrollIntoView());
    await shot("-list");
    await check(name);
    await follow(on, `#detection-${linked.id}`);
    await shot("-detail");
    await check(`${name} with a detection open`);
    await follow(on, `#finding-${linked.findings[0]}`);
    await shot("-finding");
    await check(`${name} with its finding open`);
    await context.close();
  });
}
