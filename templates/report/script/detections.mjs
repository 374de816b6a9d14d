// The detections of the page, and which of them a view shows. The data is described in src/report/html/detections.rs.

import { lower } from "./filter.mjs";

/** Keys of which several values may be chosen, in the order in which they are written. */
export const DETECTION_KEYS = ["severity", "rule", "tactic", "technique", "account", "region", "actor"];
/** Keys with one value. */
const DETECTION_SINGLE = ["resource", "q", "sort"];
const UNKNOWN = "not said";

/** The view that leaves nothing out. */
export function allDetections() {
  const view = {};
  for (const key of DETECTION_KEYS) view[key] = [];
  for (const key of DETECTION_SINGLE) view[key] = "";
  return view;
}

/** What a fragment asks for: `{ detection }`, `{ view }`, or null where it is about another part of the page. */
export function parseDetections(fragment) {
  const text = fragment.replace(/^#/, "");
  const detection = /^detection-([0-9a-f]+)$/.exec(text);
  if (detection) return { detection: detection[1] };
  if (text !== "detections" && !text.startsWith("detections?")) return null;
  const view = allDetections();
  for (const [key, value] of new URLSearchParams(text.slice("detections?".length))) {
    if (value === "") continue;
    // Names of rules and people may have commas, so a key stands once for each value.
    if (DETECTION_KEYS.includes(key)) view[key] = [...new Set([...view[key], value])];
    else if (DETECTION_SINGLE.includes(key)) view[key] = value;
  }
  return { view };
}

/** The fragment of a view. */
export function printDetections(view) {
  const pairs = new URLSearchParams();
  for (const key of DETECTION_KEYS) for (const value of view[key]) pairs.append(key, value);
  for (const key of DETECTION_SINGLE) if (view[key]) pairs.append(key, view[key]);
  const text = pairs.toString();
  return text === "" ? "#detections" : `#detections?${text}`;
}

/** The fragment of the detections with one value of a key. */
export function detectionsBy(key, value) {
  const view = allDetections();
  view[key] = DETECTION_KEYS.includes(key) ? [value] : value;
  return printDetections(view);
}

/** The detections, each with its rule and the findings that it leads to, and what a view shows of them. */
export class Detections {
  constructor(block) {
    if (block.format !== 1) throw new Error(`the data has layout ${block.format}, and this page reads 1`);
    this.accounts = block.accounts;
    this.severities = block.severities;
    this.all = block.detections.map((row) => ({
      ...row,
      rule: block.rules[row.rule],
      findings: row.findings.map((at) => block.findings[at]),
    }));
    this.values = this.all.map(valuesOf);
    this.ruleNames = new Map(block.rules.map(({ id, name }) => [id, name]));
    this.techniques = new Map(block.rules.flatMap(({ techniques }) => techniques.map(({ id, name }) => [id, name])));
    this.linked = [...new Set(this.all.flatMap(({ findings }) => findings.map(({ id }) => id)))];
  }

  /** What a value is called in the list of its key. */
  label(key, value) {
    const name = { account: this.accounts[value], rule: this.ruleNames.get(value), technique: this.techniques.get(value) }[key];
    if (key === "rule") return name ?? value;
    return name ? `${value} ${name}` : value;
  }

  /** The rows of a view, sorted as it wants. */
  rows(view) {
    const tests = this.#tests(view);
    const rows = [...this.all.keys()].filter((row) => tests.every((test) => test(row)));
    const { all } = this;
    const newest = (a, b) => compare(all[b].time ?? "", all[a].time ?? "") || a - b;
    if (view.sort === "newest") return rows.sort(newest);
    if (view.sort === "rule") return rows.sort((a, b) => compare(all[a].rule.name, all[b].rule.name) || a - b);
    return rows;
  }

  /** How many detections there would be for each value of a key, if no value of that key were chosen. */
  counts(view, key) {
    const tests = this.#tests({ ...view, [key]: [] });
    const values = [...new Set(this.values.flatMap((of) => of[key]))];
    const order = key === "severity" ? this.severities.filter((one) => values.includes(one)) : values.sort();
    const counts = new Map(order.map((value) => [value, 0]));
    this.values.forEach((of, row) => {
      if (!tests.every((test) => test(row))) return;
      for (const value of of[key]) counts.set(value, counts.get(value) + 1);
    });
    return counts;
  }

  /** The row of the detection with that id, or with the only id that starts like that; -1 without one. */
  rowOf(id) {
    const found = [...this.all.keys()].filter((row) => this.all[row].id.startsWith(id));
    return found.length === 1 ? found[0] : -1;
  }

  /** What was detected on the resource of a finding, of whose id the beginning is given. */
  ofFinding(prefix) {
    return this.all.filter(({ findings }) => findings.some(({ id }) => id.startsWith(prefix)));
  }

  #tests(view) {
    const tests = DETECTION_KEYS.filter((key) => view[key].length > 0).map(
      (key) => (row) => this.values[row][key].some((value) => view[key].includes(value)),
    );
    if (view.resource) {
      const within = `${view.resource}/`;
      tests.push((row) => this.all[row].resources.some(({ arn }) => arn === view.resource || arn.startsWith(within)));
    }
    const words = view.q.split(/\s+/).filter(Boolean).map(lower);
    if (words.length > 0) {
      this.texts ??= this.all.map((one) => lower(textOf(one, this.accounts)));
      tests.push((row) => words.every((word) => this.texts[row].includes(word)));
    }
    return tests;
  }
}

/** Who did it, in a word. */
export function actorName({ actor }) {
  return actor.name ?? actor.arn ?? UNKNOWN;
}

/** The values of a detection by key. A sub-technique is one of its technique too. */
function valuesOf(one) {
  const { tactics, techniques } = one.rule;
  return {
    severity: [one.severity],
    rule: [one.rule.id],
    tactic: tactics.length > 0 ? tactics.map(({ name }) => name) : ["none named"],
    technique: [...new Set(techniques.flatMap(({ id }) => [id.split(".", 1)[0], id]))],
    account: [one.account ?? UNKNOWN],
    region: [one.region ?? UNKNOWN],
    actor: [actorName(one)],
  };
}

/** Everything of a detection that is text. */
function textOf(one, accounts) {
  const { rule, actor, resources } = one;
  const texts = [
    rule.name, rule.id, rule.author, one.output, one.account, accounts[one.account], one.region, one.event_source,
    one.event_name, one.event_id, one.error_code, one.source_address, ...Object.values(actor),
    ...resources.flatMap(({ arn, kind }) => [arn, kind]),
    ...[...rule.tactics, ...rule.techniques].flatMap(({ id, name }) => [id, name]),
    one.event,
  ];
  return texts.filter(Boolean).join("\n");
}

function compare(a, b) {
  return a < b ? -1 : a > b ? 1 : 0;
}
