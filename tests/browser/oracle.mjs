// Which findings of a report.json a view shows, by the plainest way to say it.

const DEFAULT = { verdict: ["fail", "unknown"] };

/// The findings that match the keys of a fragment: all keys, and of each key one of its values.
export function matching(report, wanted = DEFAULT) {
  const controls = new Map(report.controls.map((control) => [control.id, control]));
  const accounts = new Map(report.accounts.map((account) => [account.id, account]));
  return report.findings.filter((finding) => {
    const control = controls.get(finding.control);
    const about = { finding, control, account: accounts.get(finding.account), report };
    return Object.entries(wanted).every(([key, values]) => values.some((value) => HAS[key](about, value)));
  });
}

/// A fragment for the same.
export function fragmentOf(wanted) {
  const query = new URLSearchParams();
  for (const [key, values] of Object.entries(wanted)) {
    if (REPEATED.has(key)) values.forEach((value) => query.append(key, value));
    else query.set(key, values.join(","));
  }
  return `#findings?${query}`;
}

const REPEATED = new Set(["tag", "resource", "requirement", "q", "change"]);

const HAS = {
  verdict: ({ finding }, value) => finding.verdict === value,
  severity: ({ finding }, value) => finding.severity === value,
  account: ({ finding }, value) => finding.account === value,
  region: ({ finding }, value) => finding.region === value,
  control: ({ finding }, value) => finding.control === value,
  resource: ({ finding }, value) => finding.resource_arn === value,
  service: ({ control }, value) => control.service === value,
  framework: ({ control }, value) => value in control.requirements,
  requirement: ({ control }, value) =>
    Object.entries(control.requirements).some(([framework, ids]) => ids.some((id) => `${framework}/${id}` === value)),
  tag: ({ finding }, value) =>
    Object.entries(finding.tags ?? {}).some(([key, of]) => key === value || `${key}=${of}` === value),
  change: ({ finding, report }, value) => value === "new" && (report.changes?.new ?? []).includes(finding.id),
  waiver: ({ finding }, value) =>
    value === (finding.waived ? "waived" : finding.waiver_ended ? "ended" : "none"),
  q: (about, value) => searched(about).some((text) => text.toLowerCase().includes(value.toLowerCase())),
};

const searched = ({ finding, control, account }) => [
  finding.resource_name,
  finding.resource_arn,
  finding.account,
  account.name,
  finding.control,
  control.title,
  finding.reason,
  finding.region,
  ...Object.entries(finding.tags ?? {}).flatMap(([key, value]) => [key, value, `${key}=${value}`]),
];
