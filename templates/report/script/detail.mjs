// One finding with everything that is known about it.

import { badge, element, link, named, separated } from "./element.mjs";
import { anchor, everything, ofResource, print } from "./fragment.mjs";
import { printableLines } from "./printable.mjs";
import { command, terraform } from "./remediation.mjs";

/** The opened finding with what was detected on its resource; `close` is called by its button. */
export function detail(finding, detected, close) {
  const { control } = finding;
  const opened = element(
    "article", `detail is-${finding.verdict}`,
    opening(control.title, close),
    element("p", "", badge(finding.verdict), " ", badge(finding.severity), " ", link(`#finding-${finding.id}`, "Link to this finding")),
    element("p", "reason", finding.reason),
    ...acceptance(finding.waiver),
    ...rating(finding.risk),
    ...change(finding.changed),
    ...unseen(finding.unseen),
    ...detected,
    findingFacts(finding),
    ...evidence(finding.evidence),
    ...part("Why it matters", element("p", "", control.rationale)),
    ...remediation(finding),
    ...references(control.references),
  );
  opened.dataset.id = finding.id;
  return opened;
}

/** The title of something that was opened, with the button that closes it. */
export function opening(text, close) {
  const button = element("button", "", "Close");
  button.type = "button";
  button.addEventListener("click", close);
  const title = element("h3", "", text);
  title.tabIndex = -1;
  return element("header", "", title, button);
}

function findingFacts(finding) {
  const { control } = finding;
  const requirements = Object.entries(control.requirements).flatMap(([framework, ids]) =>
    ids.map((id) => link(`#${anchor("req", `${framework}-${id}`)}`, `${framework} ${id}`)),
  );
  const tags = Object.entries(finding.tags).map(([key, value]) =>
    link(print({ ...everything(), tag: [`${key}=${value}`] }), named(`${key}=${value}`)),
  );
  const rows = [
    ["Resource", [link(ofResource(finding.arn), named(finding.name || finding.arn))]],
    ["ARN", [element("code", "", finding.arn)]],
    ["Type", [element("code", "", finding.type)]],
    ["Account", [link(`#${anchor("account", finding.account)}`, finding.account), " ", named(finding.accountName)]],
    ["Region", [finding.region]],
    ["Control", [link(`#${anchor("control", control.id)}`, control.id)]],
    ["Requirements", separated(requirements)],
    ["Tags", separated(tags)],
  ];
  return facts(rows);
}

/** Terms with what is said of each; those of which nothing is said are left out. */
export function facts(rows) {
  const list = element("dl");
  for (const [term, parts] of rows) {
    if (parts.length > 0) list.append(element("dt", "", term), element("dd", "", ...parts));
  }
  return list;
}

function rating(risk) {
  if (!risk) return [];
  const parts = risk.parts.map(({ why, points }) => `${why} ${points}`).join(", ");
  return [element("p", "risk", `Risk ${risk.score} of 100: ${parts}`)];
}

function acceptance(accepted) {
  if (!accepted) return [];
  const { reason, author, ticket, expires, ending } = accepted;
  const state = ending ? `Waived no longer: ${ending}.` : `Waived until ${expires}. It fails all the same.`;
  const who = [author, ticket].filter(Boolean).flatMap((text) => [", ", named(text)]);
  return [element("p", "waiver", state, " ", element("q", "", reason), ...who)];
}

function change(last) {
  if (!last) return [];
  const agent = last.agent ? [element("br"), element("span", "meta", "with ", named(last.agent))] : [];
  return [element("p", "changed-by", "Last changed ", named(last.words), ...agent)];
}

function unseen(missing) {
  if (!missing) return [];
  const call = missing.operation ? [element("code", "", missing.operation), " in "] : [];
  const parts = [
    element("p", "unseen", ...call, `${missing.account} ${missing.region}: ${[missing.cause, missing.code].filter(Boolean).join(", ")}`),
  ];
  if (missing.message) parts.push(element("p", "", element("q", "", missing.message)));
  if (missing.remedy) parts.push(element("p", "remedy", `→ ${missing.remedy}`));
  if (missing.statement) parts.push(lines(JSON.stringify(missing.statement, null, 2)));
  return parts;
}

function evidence(read) {
  if (read.length === 0) return [];
  const list = element("ul", "evidence");
  for (const { path, value, cut } of read) {
    // Short values on one line, as they stand in policies; long ones as a person can read them.
    const short = JSON.stringify(value);
    const shown = short.length > 100 ? lines(JSON.stringify(value, null, 2)) : element("code", "value", short);
    list.append(element("li", "", element("code", "", path), " = ", shown, cut ? element("small", "", " (shortened)") : ""));
  }
  return part("What was read", list);
}

function remediation(finding) {
  const { control } = finding;
  const parts = part("What to do", ...filled("In the console", { text: control.remediation, byHand: [] }));
  parts.push(...filled("On the command line", command(control.remediation_cli, finding)));
  parts.push(...filled("In Terraform", terraform(control.remediation_terraform, finding)));
  return parts;
}

function filled(title, { text, byHand }) {
  if (!text.trim()) return [];
  const note = byHand.length === 0 ? [] : [
    element("p", "by-hand", `Fill in by hand: ${byHand.join(", ")}. The value is missing, or not safe to paste here.`),
  ];
  return [element("h5", "", title), ...note, lines(text.trimEnd())];
}

/** Addresses as links; those that lead nowhere safe are left out. */
export function references(addresses) {
  const links = addresses.filter((address) => address.startsWith("https://")).map((address) => {
    const made = link(address, address);
    made.rel = "noreferrer noopener";
    return element("li", "", made);
  });
  return links.length === 0 ? [] : part("References", element("ul", "references", ...links));
}

/** A part with a heading. */
export function part(title, ...content) {
  return [element("h4", "", title), ...content];
}

/** Text with its line breaks. */
export function lines(text) {
  const shown = document.createElement("pre");
  shown.textContent = printableLines(text);
  shown.tabIndex = 0;
  return shown;
}
