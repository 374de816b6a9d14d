// What comes after the `#` of the page's address: a place, a finding, or a view of the findings.

/** Keys of which several values may be chosen, in the order in which they are written. */
export const CHOICES = ["verdict", "severity", "account", "region", "service", "control", "framework", "waiver"];
/** Keys with one value. */
const SINGLE = ["requirement", "resource", "q", "change", "view", "sort"];

/** The view without a fragment. */
export function usual() {
  return { ...everything(), verdict: ["fail", "unknown"] };
}

/** A view that leaves nothing out. */
export function everything() {
  const view = { tag: [] };
  for (const key of CHOICES) view[key] = [];
  for (const key of SINGLE) view[key] = "";
  return view;
}

/**
 * What a fragment asks for: `{ finding }`, `{ view }`, or null where it is a place in the page or nothing.
 * `#findings` alone is the usual view.
 */
export function parse(fragment) {
  const text = fragment.replace(/^#/, "");
  const finding = /^finding-([0-9a-f]+)$/.exec(text);
  if (finding) return { finding: finding[1] };
  if (text === "findings") return { view: usual() };
  if (!text.startsWith("findings?")) return null;
  const view = everything();
  for (const [key, value] of new URLSearchParams(text.slice("findings?".length))) {
    if (value === "") continue;
    if (CHOICES.includes(key)) view[key] = [...new Set([...view[key], ...value.split(",").filter(Boolean)])];
    else if (key === "tag") view.tag.push(value);
    else if (SINGLE.includes(key)) view[key] = value;
  }
  return { view };
}

/** The fragment of a view. */
export function print(view) {
  const pairs = new URLSearchParams();
  for (const key of CHOICES) if (view[key].length > 0) pairs.append(key, view[key].join(","));
  for (const tag of view.tag) pairs.append("tag", tag);
  for (const key of SINGLE) if (view[key]) pairs.append(key, view[key]);
  // A comma needs no escape, and reads better.
  const text = pairs.toString().replaceAll("%2C", ",");
  // An empty query would be the usual view.
  return text === "" ? "#findings?view=findings" : `#findings?${text}`;
}

/** The name of a place in the page; the same as `anchor` in src/report/html/mod.rs. */
export function anchor(kind, id) {
  const escape = (c) => (/[A-Za-z0-9.-]/.test(c) ? c : `_${c.codePointAt(0).toString(16)}_`);
  return `${kind}-${Array.from(id, escape).join("")}`;
}

/** The fragment of all findings of a resource. */
export function ofResource(arn) {
  return print({ ...everything(), resource: arn });
}
