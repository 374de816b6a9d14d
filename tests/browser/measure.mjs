// Times a page for benches/report.rs: from navigation until it is ready, and from a typed letter until the matches
// are shown. Prints JSON. Usage: node measure.mjs PAGE RUNS

import { performance } from "node:perf_hooks";
import { pathToFileURL } from "node:url";

import { launch } from "./chromium.mjs";

const [, , file, runs] = process.argv;
const url = `${pathToFileURL(file).href}#findings?verdict=pass,fail,unknown,not_applicable`;
const opening = [];
const filtering = [];
const browser = await launch();
try {
  for (let run = 0; run < Number(runs); run += 1) {
    const page = await browser.newPage();
    const started = performance.now();
    await page.goto(url, { waitUntil: "commit" });
    await page.locator("html[data-ready=yes]").waitFor({ state: "attached", timeout: 120_000 });
    opening.push(performance.now() - started);
    filtering.push(await page.evaluate(typed));
    await page.close();
  }
} finally {
  await browser.close();
}
console.log(JSON.stringify({ open_ms: median(opening), filter_ms: median(filtering) }));

/// Types into the search; how long until the number of matches and the rows are drawn, the pause in typing included.
async function typed() {
  const q = document.getElementById("q");
  const matches = document.getElementById("matches");
  const before = matches.textContent;
  const changed = new Promise((resolve) => {
    const observer = new MutationObserver(() => {
      if (matches.textContent === before) return;
      observer.disconnect();
      requestAnimationFrame(() => requestAnimationFrame(resolve));
    });
    observer.observe(matches, { childList: true, characterData: true, subtree: true });
  });
  const started = performance.now();
  q.value = "eu-west-1";
  q.dispatchEvent(new Event("input", { bubbles: true }));
  await changed;
  return performance.now() - started;
}

function median(values) {
  return values.sort((a, b) => a - b)[Math.floor(values.length / 2)];
}
