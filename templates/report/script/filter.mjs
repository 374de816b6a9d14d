// Which findings a view shows, in which order.

import { printable } from "./printable.mjs";

/** Finds rows by the parts of a view. */
export class Filter {
  constructor(data) {
    this.data = data;
    const { controls, verdicts, severities, accounts, regions } = data.block;
    const ofControl = (name) => ({ column: data.control, values: controls.map((control) => control[name]) });
    this.keys = {
      verdict: { column: data.verdict, values: verdicts },
      severity: { column: data.severity, values: severities },
      account: { column: data.account, values: accounts.id },
      region: { column: data.region, values: regions },
      service: ofControl("service"),
      control: ofControl("id"),
      waiver: { column: data.waiverState, values: ["none", "waived", "ended"] },
    };
  }

  /** The rows of a view, sorted as it wants. */
  rows(view) {
    const tests = this.#tests(view);
    const rows = [];
    for (let row = 0; row < this.data.size; row += 1) if (tests.every((test) => test(row))) rows.push(row);
    return this.#sorted(rows, view.sort);
  }

  /** The name of an account; empty where it is not known. */
  accountName(id) {
    return this.data.block.accounts.name[this.data.accountIndex.get(id)] ?? "";
  }

  /** What a value is called in the list of its key. */
  label(key, value) {
    return key === "account" ? `${value} ${this.accountName(value)}` : value.replaceAll("_", " ");
  }

  /** How many findings there would be for each value of a key, if no value of that key were chosen. */
  counts(view, key) {
    const tests = this.#tests({ ...view, [key]: [] });
    const all = new Map();
    const { controls, frameworks } = this.data.block;
    const values = key === "framework" ? frameworks.map(({ id }) => id) : this.keys[key].values;
    for (const value of values) all.set(value, 0);
    const add = (value) => all.set(value, (all.get(value) ?? 0) + 1);
    for (let row = 0; row < this.data.size; row += 1) {
      if (!tests.every((test) => test(row))) continue;
      if (key === "framework") Object.keys(controls[this.data.control[row]].requirements).forEach(add);
      else add(values[this.keys[key].column[row]]);
    }
    return all;
  }

  #tests(view) {
    const { data } = this;
    const { controls, resources, tags } = data.block;
    const tests = [];
    const among = (column, isWanted) => tests.push((row) => isWanted[column[row]] === 1);
    for (const [key, { column, values }] of Object.entries(this.keys)) {
      if (view[key].length > 0) among(column, flags(values, (value) => view[key].includes(value)));
    }
    if (view.framework.length > 0) {
      among(data.control, flags(controls, (c) => view.framework.some((id) => Object.hasOwn(c.requirements, id))));
    }
    if (view.requirement) among(data.control, flags(controls, (control) => serves(control, view.requirement)));
    if (view.resource) among(data.resource, flags(resources.arn, (arn) => arn === view.resource));
    if (view.tag.length > 0) {
      const isTagged = flags(tags, (one) => view.tag.some((wanted) => hasTag(one, wanted)));
      tests.push((row) => isTagged[resources.tags[data.resource[row]]] === 1);
    }
    if (view.change === "new") tests.push((row) => data.isNew?.has(row) ?? false);
    if (view.q.trim()) tests.push(this.#search(view.q));
    return tests;
  }

  /** Every word must be somewhere in the finding. Texts are shared, so each is looked at once. */
  #search(q) {
    const { data } = this;
    const texts = (this.texts ??= lowered(data.block));
    const words = q.split(/\s+/).filter(Boolean).map(lower).map((word) => {
      const hits = (table) => flags(table, (text) => text.includes(word));
      const [controls, accounts, regions] = [hits(texts.controls), hits(texts.accounts), hits(texts.regions)];
      const [reasons, resources] = [hits(texts.reasons), hits(texts.resources)];
      return (row) =>
        (resources[data.resource[row]] | controls[data.control[row]] | reasons[data.reason[row]] |
          accounts[data.account[row]] | regions[data.region[row]]) === 1;
    });
    return (row) => words.every((word) => word(row));
  }

  #sorted(rows, sort) {
    const { data } = this;
    const { accounts, resources, regions, controls } = data.block;
    // The worst first: verdict, then risk, then severity, then as the report has them.
    const worst = (a, b) =>
      data.verdict[a] - data.verdict[b] || data.score[b] - data.score[a] || data.severity[a] - data.severity[b] || a - b;
    const ranked = (column, texts) => {
      const rank = ranks(texts);
      return (a, b) => rank[column[a]] - rank[column[b]] || worst(a, b);
    };
    switch (sort) {
      case "account": return rows.sort(ranked(data.account, accounts.id));
      case "region": return rows.sort(ranked(data.region, regions));
      case "resource": return rows.sort(ranked(data.resource, resources.name));
      case "control": return rows.sort(ranked(data.control, controls.map(({ id }) => id)));
      case "severity": return rows.sort((a, b) => data.severity[a] - data.severity[b] || worst(a, b));
      default: return rows.sort(worst);
    }
  }
}

/** One row per resource of these findings: its verdicts and the worst severity of a failure, the worst first. */
export function byResource(data, rows) {
  const groups = new Map();
  for (const row of rows) {
    const arn = data.block.resources.arn[data.resource[row]];
    let group = groups.get(arn);
    if (!group) groups.set(arn, (group = { row, arn, counts: [0, 0, 0, 0], worst: Infinity }));
    group.counts[data.verdict[row]] += 1;
    if (data.verdict[row] === 0) group.worst = Math.min(group.worst, data.severity[row]);
  }
  const by = (a, b) =>
    (a.worst === b.worst ? 0 : a.worst - b.worst) || b.counts[0] - a.counts[0] || b.counts[1] - a.counts[1] || a.row - b.row;
  return [...groups.values()].sort(by);
}

function flags(table, isWanted) {
  return Uint8Array.from(table, (value) => (isWanted(value) ? 1 : 0));
}

function serves(control, requirement) {
  const slash = requirement.indexOf("/");
  const [framework, id] = [requirement.slice(0, slash), requirement.slice(slash + 1)];
  return Object.hasOwn(control.requirements, framework) && control.requirements[framework].includes(id);
}

function hasTag(tags, wanted) {
  return Object.entries(tags).some(([key, value]) => key === wanted || `${key}=${value}` === wanted);
}

/** Text as it is shown, so that what was copied from the page is found again; in small letters. */
export const lower = (text) => printable(text).toLowerCase();

function lowered({ controls, accounts, regions, reasons, resources, tags }) {
  const lines = (...texts) => texts.map(lower).join("\n");
  const tagged = tags.map((one) => lines(...Object.entries(one).map(([key, value]) => `${key}=${value}`)));
  return {
    controls: controls.map(({ id, title }) => lines(id, title)),
    accounts: accounts.id.map((id, at) => lines(id, accounts.name[at])),
    regions: regions.map(lower),
    reasons: reasons.map(lower),
    resources: resources.arn.map((arn, at) => `${lines(arn, resources.name[at])}\n${tagged[resources.tags[at]]}`),
  };
}

/** Place of each text in alphabetical order. */
function ranks(texts) {
  const order = Array.from(texts.keys()).sort((a, b) => (texts[a] < texts[b] ? -1 : texts[a] > texts[b] ? 1 : 0));
  const rank = new Uint32Array(texts.length);
  order.forEach((at, place) => (rank[at] = place > 0 && texts[at] === texts[order[place - 1]] ? rank[order[place - 1]] : place));
  return rank;
}
