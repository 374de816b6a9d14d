// The filtered findings as CSV (RFC 4180), safe to open in a spreadsheet.

import { printable } from "./printable.mjs";

const HEADER = [
  "id_prefix", "verdict", "severity", "account", "account_name", "region", "service", "control", "title",
  "resource_type", "resource_name", "resource_arn", "reason", "requirements", "tags", "waived",
];

/** What begins a formula: at the start of a cell, and behind a `;`, where some spreadsheets begin the next. */
const FORMULA = /(^|;)([\s"]*)(?=[=+\-@＝＋－＠])/g;

/** One cell: nothing in it is a formula, a line break or the end of the cell. The same as in `report.csv`. */
export function cell(text) {
  const safe = printable(text).replace(FORMULA, "$1$2'");
  return /[",]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** The same words as in `report.csv`. */
function waivedCell(waiver) {
  if (!waiver || waiver.ending) return "";
  const { reason, author, ticket, expires } = waiver;
  return `until ${expires} by ${author}${ticket ? ` (${ticket})` : ""}: ${reason}`;
}

/** The rows of these findings, with a header. */
export function csv(data, rows) {
  const lines = [HEADER.join(",")];
  for (const row of rows) {
    const finding = data.finding(row);
    const { control } = finding;
    const requirements = Object.entries(control.requirements)
      .flatMap(([framework, ids]) => ids.map((id) => `${framework} ${id}`))
      .join("; ");
    const tags = Object.entries(finding.tags).map(([key, value]) => `${key}=${value}`).join("; ");
    const cells = [
      finding.id, finding.verdict, finding.severity, finding.account, finding.accountName, finding.region,
      control.service, control.id, control.title, finding.type, finding.name, finding.arn, finding.reason,
      requirements, tags, waivedCell(finding.waiver),
    ];
    lines.push(cells.map(cell).join(","));
  }
  // Without the mark in front Excel takes names for another encoding.
  return `\ufeff${lines.join("\r\n")}\r\n`;
}
