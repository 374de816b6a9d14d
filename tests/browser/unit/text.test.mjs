import assert from "node:assert/strict";
import test from "node:test";

import { cell } from "../../../templates/report/script/csv.mjs";
import { count, hides, printable, printableLines } from "../../../templates/report/script/printable.mjs";

test("what steers or hides is written out, as in src/report/text.rs", () => {
  for (const [text, shown] of [
    ["plain-name_1", "plain-name_1"],
    ["Größe 日本 شركة", "Größe 日本 شركة"],
    ["a\nb\tc\r", "a\\nb\\tc\\r"],
    ["\u{1b}[31mred\u{7}", "\\u{1b}[31mred\\u{7}"],
    ["\u{9b}31m", "\\u{9b}31m"],
    ["log\u{202e}fdp.exe\u{2069}", "log\\u{202e}fdp.exe\\u{2069}"],
    ["zero\u{200b}width\u{feff}\u{e0041}", "zero\\u{200b}width\\u{feff}\\u{e0041}"],
  ]) {
    assert.equal(printable(text), shown);
    assert.equal(hides(text), text !== shown);
  }
  assert.equal(printableLines("a\n\tb\r\u{202e}"), "a\n\tb\\r\\u{202e}");
});

test("no cell is a formula or ends early", () => {
  for (const [text, wanted] of [
    ["plain", "plain"],
    ['a "b", c', '"a ""b"", c"'],
    ['=HYPERLINK("x")', `"'=HYPERLINK(""x"")"`],
    ["+1", "'+1"], ["-1", "'-1"], ["@a", "'@a"], ["\t=1", "\\t=1"], ["\r=1", "\\r=1"],
    ["＝1", "'＝1"], [" =1", " '=1"], ["a;=cmd|' /C calc'!A0", "a;'=cmd|' /C calc'!A0"], ["a-b=c", "a-b=c"],
    ["a\r\nb", "a\\r\\nb"],
  ]) assert.equal(cell(text), wanted);
});

test("numbers are for people", () => {
  assert.equal(count(1, "finding", "findings"), "1 finding");
  assert.equal(count(1234567, "finding", "findings"), "1,234,567 findings");
});
