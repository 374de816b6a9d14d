// Text that other people wrote, made safe to show. The same as `printable` in src/report/text.rs.

const HIDDEN =
  /[\p{Cc}\u{ad}\u{61c}\u{180e}\u{200b}-\u{200f}\u{2028}-\u{202e}\u{2060}-\u{206f}\u{feff}\u{fff9}-\u{fffb}\u{e0000}-\u{e007f}]/gu;
const NAMED = { "\t": "\\t", "\n": "\\n", "\r": "\\r" };

/** The text on one line, with every character that would not show itself written out. */
export function printable(text) {
  return text.replace(HIDDEN, (c) => NAMED[c] ?? `\\u{${c.codePointAt(0).toString(16)}}`);
}

/** The same, with line breaks and tabs left as they are: for commands and policies. */
export function printableLines(text) {
  return text.replace(HIDDEN, (c) => (c === "\n" || c === "\t" ? c : printable(c)));
}

/** Whether the text has characters that do not show themselves. */
export function hides(text) {
  return text.search(HIDDEN) >= 0;
}

/** The number with a comma at every third digit. */
export function thousands(n) {
  return String(n).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** `1 finding`, `1,234 findings`. */
export function count(n, one, many) {
  return `${thousands(n)} ${n === 1 ? one : many}`;
}
