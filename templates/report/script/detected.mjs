// The list of detections, and one of them with everything that is known about it.

import { Choices, TYPING, chips } from "./choices.mjs";
import { facts, lines, opening, part, references } from "./detail.mjs";
import { DETECTION_KEYS, actorName, allDetections, detectionsBy, parseDetections, printDetections } from "./detections.mjs";
import { badge, element, link, named, separated } from "./element.mjs";
import { anchor } from "./fragment.mjs";
import { count, thousands } from "./printable.mjs";
import { Table, columnHeader, gridCell } from "./table.mjs";

/** Detections of a finding that are listed with it. */
const LISTED = 20;
/** A string of JSON, from where it begins. */
const STRING = /"(?:[^"\\]|\\.)*"?/sy;
/** Detections that are drawn for paper. */
const PRINTED_DETECTIONS = 2_000;

/** What is shown is a view, and the view stands in the page's address. */
export class DetectionExplorer {
  constructor(data) {
    this.data = data;
    this.root = document.getElementById("detection-explorer");
    this.root.hidden = false;
    this.form = this.#at(".filters");
    this.list = this.#at(".rows");
    this.table = new Table(this.list, {
      open: (index) => this.#open(this.rows[index]), close: () => this.#close(), name: "detection-row",
    });
    this.choices = new Choices(this.#at(".choices"), data, DETECTION_KEYS, (view) => this.change(view));
    this.#listen();
    this.show(allDetections());
  }

  /** Shows a view that a person chose, and writes it into the address. */
  change(view) {
    history.replaceState(null, "", printDetections(view));
    this.show(view);
  }

  /** Shows a view. */
  show(view) {
    this.#close();
    this.view = view;
    this.rows = this.data.rows(view);
    const headers = ["Severity", "Rule", "Actor and call", "Time", "Account", "Region"].map(columnHeader);
    this.table.show(this.rows.length, headers, (index) => this.#row(this.data.all[this.rows[index]]));
    this.#at(".matches").value = `${count(this.rows.length, "detection", "detections")} of ${thousands(this.data.all.length)}`;
    this.choices.show(view);
    const chosen = { several: DETECTION_KEYS, single: ["resource"], label: (key, value) => this.data.label(key, value) };
    chips(this.#at(".chips"), view, chosen, (without) => this.change(without));
    const { q, sort } = this.form.elements;
    if (q.value.trim() !== view.q.trim()) q.value = view.q;
    sort.value = view.sort;
  }

  /** Obeys the address; false where it is about another part of the page. */
  obey(fragment) {
    const wanted = parseDetections(fragment);
    if (!wanted) return false;
    if (wanted.detection) this.#openById(wanted.detection);
    else this.show(wanted.view);
    const opened = this.#at(".opened");
    (opened.firstChild ? opened : fragment === "#detections" ? document.getElementById("detections") : this.root).scrollIntoView();
    return true;
  }

  #at(selector) {
    return this.root.querySelector(selector);
  }

  #row(one) {
    const call = one.event_name ? ` · ${one.event_name}` : "";
    const cells = [
      gridCell(badge(one.severity)),
      gridCell(named(one.rule.name)),
      gridCell(named(actorName(one)), call, one.error_code ? element("span", "unknown", " (failed)") : ""),
      gridCell(minute(one.time)),
      gridCell(named(this.data.accounts[one.account] || one.account || "")),
      gridCell(one.region ?? ""),
    ];
    return { id: one.id, cells };
  }

  #open(row) {
    const opened = detectionDetail(this.data.all[row], this.data, () => this.#close());
    this.#at(".opened").replaceChildren(opened);
    this.#at(".explored").classList.add("has-opened");
    this.table.restore();
    opened.querySelector("h3").focus({ preventScroll: true });
    opened.scrollIntoView({ block: "nearest" });
  }

  #openById(id) {
    const row = this.data.rowOf(id);
    if (row < 0) {
      this.show(allDetections());
      this.#at(".matches").value = `0 detections have the id ${id}, or it is not kept in full; these are ${thousands(this.rows.length)} others`;
      return;
    }
    // A view that leaves the detection out gives way.
    if (!this.rows.includes(row)) this.show(allDetections());
    this.#open(row);
    this.table.select(this.rows.indexOf(row));
  }

  #close() {
    const opened = this.#at(".opened");
    if (!opened.firstChild) return;
    const hadFocus = opened.contains(document.activeElement);
    opened.replaceChildren();
    this.#at(".explored").classList.remove("has-opened");
    this.table.restore();
    if (hadFocus) this.list.focus();
  }

  #listen() {
    let typing;
    const { q, sort } = this.form.elements;
    this.form.addEventListener("submit", (event) => event.preventDefault());
    q.addEventListener("input", () => {
      clearTimeout(typing);
      typing = setTimeout(() => this.change({ ...this.view, q: q.value }), TYPING);
    });
    sort.addEventListener("change", () => this.change({ ...this.view, sort: sort.value }));
    this.#at(".reset").addEventListener("click", () => {
      clearTimeout(typing);
      q.value = "";
      this.change(allDetections());
    });
    this.#at(".opened").addEventListener("keydown", (event) => event.key === "Escape" && this.#close());
    addEventListener("hashchange", () => this.obey(location.hash));
    addEventListener("beforeprint", () => this.#print());
    addEventListener("afterprint", () => {
      this.#at(".printed").hidden = true;
      this.table.restore();
    });
  }

  #print() {
    const all = this.rows.length;
    this.table.all(PRINTED_DETECTIONS);
    const printed = this.#at(".printed");
    printed.textContent = `Printed: the first ${thousands(Math.min(PRINTED_DETECTIONS, all))} of ${thousands(all)} that match.`;
    printed.hidden = false;
  }
}

/** What was detected on the resource of a finding, for the finding's details. */
export function detectedOn(detections, arn) {
  if (detections.length === 0) return [];
  const items = detections.slice(0, LISTED).map((one) =>
    element("li", "", badge(one.severity), " ", link(`#detection-${one.id}`, named(one.rule.name)), ` ${minute(one.time)}`),
  );
  if (detections.length > LISTED) {
    items.push(element("li", "", link(detectionsBy("resource", arn), `All ${thousands(detections.length)} detections`)));
  }
  return part("What happened to this resource", element("ul", "linked", ...items));
}

/** A time to the minute, as in a list. */
function minute(time) {
  return time ? time.replace("T", " ").slice(0, 16) : "";
}

function detectionDetail(one, data, close) {
  const { rule } = one;
  const opened = element(
    "article", `detail of-${one.severity}`,
    opening(rule.name, close),
    element("p", "", badge(one.severity), " ", link(`#detection-${one.id}`, "Link to this detection")),
    element("p", "reason", one.output),
    ...(one.error_code ? [element("p", "unseen", `The call was refused or failed: ${one.error_code}`)] : []),
    facts(factsOf(one, data)),
    ...resourcesOf(one),
    ...findingsOf(one),
    ...relatedTo(one),
    ...(rule.description ? part("What the rule looks for", element("p", "steps", rule.description)) : []),
    ...references(rule.references),
    ...eventOf(one),
  );
  opened.dataset.id = one.id;
  return opened;
}

function factsOf(one, { accounts }) {
  const { rule, actor } = one;
  const tactics = rule.tactics.map(({ id, name }) => element("span", "", link(detectionsBy("tactic", name), name), ` ${id}`));
  const techniques = rule.techniques.map(({ id, name }) => element("span", "", link(detectionsBy("technique", id), id), ` ${name}`));
  const isListed = Object.hasOwn(accounts, one.account ?? "");
  const account = isListed ? link(`#${anchor("account", one.account)}`, one.account) : (one.account ?? "");
  const code = (text) => (text ? [element("code", "", text)] : []);
  const text = (...parts) => (parts.some(Boolean) ? [parts.filter(Boolean).join(", ")] : []);
  return [
    ["Time", text(one.time)],
    ["Account", one.account ? [account, " ", named(accounts[one.account] ?? "")] : []],
    ["Region", text(one.region)],
    ["Call", code([one.event_source, one.event_name].filter(Boolean).join(" "))],
    ["Actor", actor.name || actor.kind ? [link(detectionsBy("actor", actorName(one)), named(actorName(one))), actor.kind ? ` ${actor.kind}` : ""] : []],
    ["Actor’s ARN", code(actor.arn)],
    ["Actor’s account", code(actor.account_id === one.account ? "" : actor.account_id)],
    ["Session", code(actor.session_name)],
    ["Access key", code(actor.access_key_id)],
    ["Through", code(actor.invoked_by)],
    ["Source", code(one.source_address)],
    ["Tactics", separated(tactics)],
    ["Techniques", separated(techniques)],
    ["Rule", [link(detectionsBy("rule", rule.id), named(rule.id))]],
    ["Written in", text({ falco: "Falco", sigma: "Sigma", sigma_correlation: "Sigma (correlation)" }[rule.language], rule.level)],
    ["Author", text(rule.author)],
    ["Licence", text(rule.license)],
    ["File", code(`${rule.file}:${rule.line}`)],
    ["Event", code(one.event_id)],
  ];
}

function resourcesOf({ resources }) {
  if (resources.length === 0) return [];
  const items = resources.map(({ arn, kind, account }) =>
    element("li", "", link(detectionsBy("resource", arn), element("code", "", arn)), kind ? ` ${kind}` : "", account ? ` in ${account}` : ""),
  );
  return part("What it was done to", element("ul", "linked", ...items));
}

function findingsOf({ findings }) {
  if (findings.length === 0) return [];
  // What fails says most about what happened.
  const place = ({ verdict }) => ["fail", "unknown", "pass"].indexOf(verdict) >>> 0;
  const worst = [...findings].sort((a, b) => place(a) - place(b));
  const items = worst.map(({ href, verdict, severity, title, name, arn, account }) =>
    element("li", "", badge(verdict), " ", badge(severity), " ", link(href, title), " ", named(name || arn), ` ${account}`),
  );
  return part("Findings about the same resources", element("ul", "linked", ...items));
}

function relatedTo({ related_event_count: all, related_events: ids }) {
  if (all === 0) return [];
  const more = all > ids.length ? [element("p", "", `and ${thousands(all - ids.length)} more`)] : [];
  return part(`Events that it is about: ${thousands(all)}`, element("ul", "linked", ...ids.map((id) => element("li", "", element("code", "", id)))), ...more);
}

function eventOf({ event, event_bytes: bytes }) {
  if (event === null) {
    return part("Event", element("p", "", `The event has ${thousands(bytes)} bytes and is not kept in the report.`));
  }
  return part("Event", lines(indented(event)));
}

/** JSON as a person can read it. It is not taken apart, which would change large numbers. */
function indented(json) {
  let [text, depth, at] = ["", 0, 0];
  const newLine = () => `\n${"  ".repeat(depth)}`;
  while (at < json.length) {
    const c = json[at];
    if (c === '"') {
      STRING.lastIndex = at;
      const string = STRING.exec(json)[0];
      text += string;
      at += string.length;
      continue;
    }
    const isEmpty = (c === "{" || c === "[") && (json[at + 1] === "}" || json[at + 1] === "]");
    if (isEmpty) {
      text += c + json[at + 1];
      at += 2;
      continue;
    }
    if (c === "{" || c === "[") depth += 1;
    if (c === "}" || c === "]") {
      depth -= 1;
      text += newLine();
    }
    text += c;
    if (c === "{" || c === "[" || c === ",") text += newLine();
    if (c === ":") text += " ";
    at += 1;
  }
  return text;
}
