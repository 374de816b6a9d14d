//! [`synthetic_report`]: a report as large as wanted, for measuring what is made of one.
//!
//! It is built as JSON, so that this crate need not know the program's types. Nothing in it is random: the
//! same numbers give the same report.

#![expect(
    clippy::indexing_slicing,
    reason = "positions are taken modulo the length, and a key that JSON lacks is null"
)]

mod catalog;

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use catalog::{Control, KINDS, Kind};

const REGIONS: [&str; 4] = ["eu-central-1", "eu-west-1", "us-east-1", "us-west-2"];

/// A name as an attacker would choose it; one resource in 500 has it.
const HOSTILE: &str = "</script><img src=x onerror=alert(1)>\u{202e}";

/// The report of a run with exactly that many findings over that many accounts. It adds up: `Report::check`
/// has nothing to say about it.
///
/// Resources of a kind are judged by all controls of the kind, ids are 32 hexadecimal digits, and names, tags,
/// reasons and evidence are as long and as various as those of a real run.
///
/// # Errors
/// When there are too few findings for every control to say something about every account, or `R` is not a
/// report.
pub fn synthetic_report<R: DeserializeOwned>(findings: usize, accounts: usize) -> Result<R> {
    let ids: Vec<String> =
        (0..accounts).map(|n| format!("{:012}", 100_000_000_000_u64 + mix(n) % 900_000_000_000)).collect();
    let mut all = Vec::with_capacity(findings);
    for (index, account) in ids.iter().enumerate() {
        let share = findings / accounts + usize::from(index < findings % accounts);
        all.extend(account_findings(account, index, share)?);
    }
    let report = json!({
        "schema_version": 1,
        "run": run(),
        "totals": totals(all.iter()),
        "gaps": gaps(&all),
        "coverage": coverage(&ids),
        "accounts": ids.iter().enumerate().map(|(n, id)| account(id, n)).collect::<Vec<_>>(),
        "controls": controls().map(|(kind, control)| control_row(kind, control, &all)).collect::<Vec<_>>(),
        "frameworks": [framework("cis-aws-3.0", &all, &ids), framework("cis-aws-7.0", &all, &ids)],
        "findings": all,
    });
    serde_json::from_value(report).context("the synthetic report is not one that this program reads")
}

/// Numbers without a pattern that gzip could find.
fn mix(n: usize) -> u64 {
    let mut z = (n as u64).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn controls() -> impl Iterator<Item = (&'static Kind, &'static Control)> {
    KINDS.iter().flat_map(|kind| kind.controls.iter().map(move |control| (kind, control)))
}

/// Exactly `share` findings, sorted as those of a run: by control, region and ARN.
fn account_findings(account: &str, index: usize, share: usize) -> Result<Vec<Value>> {
    let needed = controls().count();
    ensure!(share >= needed, "{share} findings in an account are too few for {needed} controls");
    let many: Vec<&Kind> = KINDS.iter().filter(|kind| kind.is_many).collect();
    let mut findings = Vec::with_capacity(share);
    let (mut resource, mut room) = (0, share);
    while room > 0 {
        // One of each kind comes first, so that no control is silent; then those that there can be many of.
        let kind = match KINDS.get(resource) {
            Some(kind) => kind,
            None => many.get(resource % many.len()).copied().context("a kind of which there are many")?,
        };
        let seed = index * 100_000 + resource;
        for (n, control) in kind.controls.iter().enumerate().take(room) {
            findings.push(finding(account, kind, control, seed, n)?);
        }
        room = room.saturating_sub(kind.controls.len());
        resource += 1;
    }
    let key = |f: &Value| {
        ["control", "region", "resource_arn"].map(|k| f[k].as_str().unwrap_or_default().to_owned())
    };
    findings.sort_by_cached_key(key);
    Ok(findings)
}

fn finding(account: &str, kind: &Kind, control: &Control, seed: usize, nth: usize) -> Result<Value> {
    let region = if kind.is_global { "global" } else { REGIONS[seed % REGIONS.len()] };
    let code = format!("{:016x}{:x}", mix(seed), seed % 16);
    let name = if mix(seed).is_multiple_of(500) {
        format!("{HOSTILE}{}", &code[..6])
    } else {
        fill(kind.name, account, region, &code, "")
    };
    let arn = fill(kind.arn, account, region, &code, &name);
    let draw = mix(seed * 64 + nth + 7);
    let verdict = match draw % 100 {
        0..30 => "fail",
        30..33 => "unknown",
        _ => "pass",
    };
    let unseen = (verdict == "unknown").then(|| unseen(account, region, control.operation));
    let reason = match verdict {
        "fail" => control.fail.to_owned(),
        "pass" => format!("{}.", control.title),
        _ => format!("Not observed: {} denied in {account} {region} (AccessDenied)", control.operation),
    };
    let evidence = match verdict {
        "unknown" => &[],
        "fail" => control.bad,
        _ => control.good,
    };
    let evidence: Vec<Value> = evidence
        .iter()
        .map(|(path, value)| {
            let value: Value = serde_json::from_str(&fill(value, account, region, &code, &name))
                .with_context(|| format!("evidence of `{}`: `{value}`", control.id))?;
            Ok(json!({ "path": path, "value": value }))
        })
        .collect::<Result<_>>()?;
    let mut finding = json!({
        "id": format!("{:016x}{:016x}", mix(seed * 64 + nth + 1_000_003), draw),
        "control": control.id, "severity": control.severity, "verdict": verdict, "reason": reason,
        "account": account, "region": region, "resource_type": kind.id, "resource_arn": arn,
        "resource_name": name, "tags": tags(kind, seed, &name), "evidence": evidence,
    });
    if let Some(unseen) = unseen {
        finding["unseen"] = unseen;
    }
    Ok(finding)
}

fn fill(template: &str, account: &str, region: &str, code: &str, name: &str) -> String {
    template
        .replace("{account}", account)
        .replace("{region}", region)
        .replace("{code}", code)
        .replace("{short}", &code[..6])
        .replace("{name}", name)
}

fn tags(kind: &Kind, seed: usize, name: &str) -> Value {
    if !kind.is_many || kind.is_global || !mix(seed + 5).is_multiple_of(3) {
        return json!({});
    }
    let teams = ["payments", "search", "platform", "data", "mobile", "identity", "ops"];
    json!({ "Name": name, "team": teams[seed % teams.len()], "env": if seed.is_multiple_of(2) { "prod" } else { "dev" } })
}

fn unseen(account: &str, region: &str, operation: &str) -> Value {
    json!({
        "account": account, "region": region, "operation": operation, "code": "AccessDenied",
        "cause": { "kind": "denied", "by": "unstated", "action": operation, "resource": null },
        "message": format!(
            "User: arn:aws:sts::{account}:assumed-role/UprightScanner/upright is not authorized to perform: \
             {operation} because no identity-based policy allows the {operation} action"
        ),
    })
}

fn totals<'a>(findings: impl Iterator<Item = &'a Value>) -> Value {
    let mut counts = BTreeMap::from([("pass", 0), ("fail", 0), ("unknown", 0), ("not_applicable", 0)]);
    for finding in findings {
        if let Some(count) = finding["verdict"].as_str().and_then(|verdict| counts.get_mut(verdict)) {
            *count += 1;
        }
    }
    json!(counts)
}

fn run() -> Value {
    json!({
        "id": "20261124T030000Z", "version": "0.1.0", "started_at": "2026-11-24T03:00:00Z",
        "finished_at": "2026-11-24T03:09:30Z", "duration_ms": 570_000, "observed_at": "2026-11-24T03:00:00Z",
        "complete": false, "requests": 182_000, "retries": 310, "throttles": 121,
        "calls": [{ "operation": "s3:GetBucketPolicy", "requests": 182_000, "retries": 310, "throttles": 121, "busy_ms": 9_000_000 }],
        "absent_regions": {},
    })
}

/// What is missing, once for each call, with the findings that it leaves undecided.
fn gaps(findings: &[Value]) -> Value {
    let mut gaps: BTreeMap<String, (Value, usize, Vec<&str>)> = BTreeMap::new();
    for finding in findings.iter().filter(|f| f["verdict"] == "unknown") {
        let gap = gaps
            .entry(finding["unseen"].to_string())
            .or_insert_with(|| (finding["unseen"].clone(), 0, Vec::new()));
        gap.1 += 1;
        gap.2.extend(finding["control"].as_str());
    }
    let rows = gaps.into_values().map(|(unseen, findings, mut controls)| {
        controls.sort_unstable();
        controls.dedup();
        let remedy =
            format!("Allow the scanner's role `{}`.", unseen["operation"].as_str().unwrap_or_default());
        json!({ "unseen": unseen, "findings": findings, "controls": controls, "remedy": remedy })
    });
    rows.collect()
}

fn coverage(accounts: &[String]) -> Value {
    let mut rows = Vec::new();
    for account in accounts {
        for (kind, control) in controls() {
            let regions: &[&str] = if kind.is_global { &["global"] } else { &REGIONS };
            let (service, operation) = control.operation.split_once(':').unwrap_or_default();
            rows.extend(regions.iter().map(|region| {
                json!({
                    "account": account, "region": region, "service": service, "operation": operation,
                    "state": "ok", "answered": 3, "unanswered": 0, "gone": 0, "errors": [],
                })
            }));
        }
    }
    json!(rows)
}

fn account(id: &str, index: usize) -> Value {
    let units = ["Core", "Workloads", "Sandbox"];
    json!({
        "id": id, "name": format!("acme-{:03}", index + 1), "partition": "aws", "is_management": index == 0,
        "organization": "o-a1b2c3d4e5", "units": ["Root", units[index % units.len()]],
        "tags": { "owner": format!("team-{}", index % 17) }, "regions": REGIONS, "state": { "state": "scanned" },
    })
}

/// Each control serves one requirement of each framework; two controls share one.
fn requirement_of(position: usize) -> String {
    format!("{}.{}", position / 12 + 1, position % 12 / 2 + 1)
}

fn control_row(kind: &Kind, control: &Control, findings: &[Value]) -> Value {
    let position = controls().position(|(_, other)| other.id == control.id).unwrap_or_default();
    let requirement = requirement_of(position);
    let own = findings.iter().filter(|f| f["control"] == control.id);
    let service = control.id.split('-').next();
    json!({
        "id": control.id, "title": control.title, "severity": control.severity, "service": service,
        "resource_type": kind.id, "evidence_only": false, "totals": totals(own),
        "rationale": format!("{} Whoever finds it first decides what happens next, and nobody is told.", control.fail),
        "remediation": "1. Open the resource in the console.\n2. Choose Edit and set what is wanted.\n3. Save, and check that nothing that needs the old setting is left.\n",
        "remediation_cli": "# the id is the last part of ${arn}\naws service change --name ${name} --region ${region} \\\n  --role arn:aws:iam::${account}:role/ROLE\n",
        "remediation_terraform": "resource \"aws_thing\" \"this\" {\n  name = \"${name}\"\n  arn  = \"${arn}\"\n}\n",
        "references": ["https://docs.aws.amazon.com/securityhub/latest/userguide/what-is-securityhub.html"],
        "tags": if control.severity == "critical" { vec!["public-access"] } else { vec!["hardening"] },
        "requirements": { "cis-aws-3.0": [requirement], "cis-aws-7.0": [requirement] },
    })
}

fn framework(id: &str, findings: &[Value], accounts: &[String]) -> Value {
    let mut requirements: Vec<(String, Vec<&str>)> = Vec::new();
    for (position, (_, control)) in controls().enumerate() {
        let requirement = requirement_of(position);
        match requirements.last_mut().filter(|(last, _)| *last == requirement) {
            Some((_, controls)) => controls.push(control.id),
            None => requirements.push((requirement, vec![control.id])),
        }
    }
    let rows = requirements.into_iter().map(|(requirement, controls)| {
        let own: Vec<&Value> =
            findings.iter().filter(|f| controls.iter().any(|control| f["control"] == *control)).collect();
        let mut by_account: BTreeMap<&str, Vec<&Value>> =
            accounts.iter().map(|id| (id.as_str(), Vec::new())).collect();
        for finding in &own {
            by_account.entry(finding["account"].as_str().unwrap_or_default()).or_default().push(finding);
        }
        let by_account: Map<String, Value> =
            by_account.into_iter().map(|(account, own)| (account.to_owned(), status(&own))).collect();
        json!({
            "id": requirement, "title": "Settings are as the benchmark wants them",
            "section": format!("{} Section", &requirement[..1]), "level": 1, "assessment": "automated",
            "controls": controls, "planned": [], "status": status(&own), "accounts": by_account,
            "totals": totals(own.into_iter()),
        })
    });
    json!({ "id": id, "title": id, "version": "3.0", "requirements": rows.collect::<Vec<_>>() })
}

fn status(findings: &[&Value]) -> Value {
    let any = |verdict: &str| findings.iter().any(|f| f["verdict"] == verdict);
    json!(["fail", "unknown", "pass"].into_iter().find(|verdict| any(verdict)).unwrap_or("not_applicable"))
}
