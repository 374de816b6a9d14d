// The page keeps to itself: it runs its own script, and nothing leaves it or comes into it.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";

import { address, assertQuiet, eventually, launch, matches, open, written } from "./chromium.mjs";

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser?.close());

test("a file loads nothing and says nothing on the console", async () => {
  const opened = await open(browser, address("ordinary"));
  await opened.page.locator("#rows [data-id]").first().click();
  await opened.page.locator(".detail").first().waitFor();
  assertQuiet(opened);
});

test("served over HTTP it is one request", async () => {
  const asked = [];
  const server = createServer((request, response) => {
    asked.push(request.url);
    response.setHeader("content-type", "text/html; charset=utf-8");
    response.end(readFileSync(written("ordinary", "report.html")));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    const opened = await open(browser, `http://127.0.0.1:${server.address().port}/report.html#findings`);
    assertQuiet(opened);
    // The icon is the browser's own idea, and no harm: the page does not name one.
    assert.deepEqual(asked.filter((path) => path !== "/favicon.ico"), ["/report.html"]);
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

test("the policy refuses scripts, styles, images and requests that are not the page's own", async () => {
  const attempts = {
    "script-src-elem": () => {
      const script = document.createElement("script");
      script.textContent = "globalThis.owned = 1";
      document.body.append(script);
    },
    "script-src-attr": () => {
      const button = document.createElement("button");
      button.setAttribute("onclick", "globalThis.owned = 1");
      document.body.append(button);
      button.click();
    },
    "style-src-elem": () => {
      const style = document.createElement("style");
      style.textContent = "body { display: none }";
      document.body.append(style);
    },
    "style-src-attr": () => document.body.setAttribute("style", "display: none"),
    "img-src": () => {
      document.body.append(Object.assign(document.createElement("img"), { src: "data:image/gif;base64,R0lGODlhAQABAAAAACw=" }));
    },
    "connect-src": () => void fetch("http://127.0.0.1:9/").catch(() => {}),
    "frame-src": () => {
      document.body.append(Object.assign(document.createElement("iframe"), { src: "http://127.0.0.1:9/" }));
    },
    "base-uri": () => {
      document.head.append(Object.assign(document.createElement("base"), { href: "http://127.0.0.1:9/" }));
    },
    "form-action": () => {
      const form = Object.assign(document.createElement("form"), { action: "http://127.0.0.1:9/" });
      document.body.append(form);
      form.submit();
    },
  };
  for (const [directive, attempt] of Object.entries(attempts)) {
    const { context, page, seen } = await open(browser, address("ordinary"));
    await page.evaluate(attempt);
    const refused = () => seen.violations.some((violation) => violation.startsWith(directive));
    await eventually(refused, true, `${directive} is not refused; refused were ${seen.violations}`);
    assert.equal(await page.evaluate(() => globalThis.owned), undefined, directive);
    await context.close();
  }
});

test("without scripts everything but the list is there, and the page says where the list is", async () => {
  const { page, seen } = await open(browser, address("ordinary"), { javaScriptEnabled: false });
  for (const part of ["answer", "changes", "not-observed", "frameworks", "controls", "accounts", "findings", "calls"]) {
    const text = (await page.locator(`#${part}`).textContent()).trim();
    assert.notEqual(text, "", `#${part} is empty`);
  }
  const says = await page.locator("#findings noscript").innerText();
  assert.match(says, /JavaScript/i);
  assert.match(says, /report\.json|report\.csv/);
  assert.deepEqual(seen.requests.length, 1);
  assert.deepEqual(seen.console, []);
});

test("data that cannot be decoded is said, not shown as no findings", async () => {
  const html = readFileSync(written("ordinary", "report.html"), "utf8");
  const broken = html.replace(/(<script type="application\/octet-stream" id="data">\s*[\w+/]{200})[\w+/]{8}/, "$1AAAAAAAA");
  assert.notEqual(broken, html, "the data block is not where it was expected");
  const file = written("ordinary", "broken.html");
  writeFileSync(file, broken);
  const page = await browser.newPage();
  await page.goto(pathToFileURL(file).href);
  const says = () => page.locator("#findings").innerText().then((text) => text.includes("report.json"));
  await eventually(says, true, "nothing says that the data is broken and report.json has everything");
  assert.equal(await page.evaluate(() => document.documentElement.dataset.ready), undefined);
});

test("a page that was opened shows what failed or could not be decided", async () => {
  const { page } = await open(browser, address("ordinary"));
  assert.ok((await matches(page)) > 0);
  assert.ok(await page.locator("#rows [data-id]").count());
});
