//! [`Report::rate`]: how much each failure matters, from what the rest of the report says about where it is.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::civil::Date;

use super::Report;
use crate::controls::VerdictKind;
use crate::findings::risk::{Context, Risk, production};

/// The tag of controls about what everybody can reach, those about the root user, and those about administrators.
const PUBLIC: &str = "public-access";
const ROOT: &str = "root";
const ADMIN: &str = "admin";

/// What is known beside the report.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// Tags that say production: key, then the values; any where there are none.
    pub production_tags: &'a BTreeMap<String, Vec<String>>,
    /// ARNs of the resources that a detection touched.
    pub detected: &'a HashSet<String>,
    /// Since when findings fail, by id.
    pub failing_since: &'a HashMap<String, Date>,
    /// The day.
    pub day: Date,
}

impl Report {
    /// Rates every failing finding, and no other.
    pub fn rate(&mut self, known: Known<'_>) {
        let tags: HashMap<String, Vec<String>> =
            self.controls.iter().map(|control| (control.id.clone(), control.tags.clone())).collect();
        let has = |control: &str, tag: &str| {
            tags.get(control).is_some_and(|tags| tags.iter().any(|one| one == tag))
        };
        let mut public: HashMap<(String, String), String> = HashMap::new();
        let mut admin: HashMap<(String, String), String> = HashMap::new();
        for finding in self.findings.iter().filter(|finding| finding.verdict == VerdictKind::Fail) {
            let Some(arn) = finding.own_arn() else { continue };
            for (tag, failing) in [(PUBLIC, &mut public), (ADMIN, &mut admin)] {
                if has(&finding.control, tag) {
                    let key = (finding.account.clone(), arn.to_owned());
                    failing.entry(key).or_insert_with(|| finding.control.clone());
                }
            }
        }
        let accounts: HashMap<String, Option<String>> = self
            .accounts
            .iter()
            .map(|account| {
                let told = production(known.production_tags, account.tags.iter().flatten());
                (account.id.clone(), told.map(|tag| format!("account tagged {tag}")))
            })
            .collect();
        for finding in &mut self.findings {
            if finding.verdict != VerdictKind::Fail {
                finding.risk = None;
                continue;
            }
            let arn = finding.own_arn().unwrap_or_default();
            let place = (finding.account.clone(), arn.to_owned());
            let on_it = |failing: &HashMap<(String, String), String>| {
                failing.get(&place).map(|control| format!("`{control}` fails on it"))
            };
            let about = |tag: &str, words: &str| has(&finding.control, tag).then(|| words.to_owned());
            let tagged = production(known.production_tags, &finding.tags);
            let since = known.failing_since.get(&finding.id);
            let context = Context {
                exposed: about(PUBLIC, "about public access").or_else(|| on_it(&public)),
                privileged: about(ROOT, "about the root user")
                    .or_else(|| about(ADMIN, "about administrators"))
                    .or_else(|| on_it(&admin)),
                production: tagged
                    .map(|tag| format!("tagged {tag}"))
                    .or_else(|| accounts.get(&finding.account).cloned().flatten()),
                detected: !arn.is_empty() && known.detected.contains(arn),
                failing_days: since.and_then(|since| Some(known.day.since(*since).ok()?.get_days())),
            };
            finding.risk = Some(Risk::of(finding.severity, context));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn rated(change: impl Fn(&mut Report), detected: &[&str], since: &[(&str, Date)]) -> Report {
        let mut report = sample::report();
        for control in &mut report.controls {
            control.tags.clear();
        }
        change(&mut report);
        let tags = BTreeMap::from([("env".to_owned(), vec!["prod".to_owned()])]);
        report.rate(Known {
            production_tags: &tags,
            detected: &detected.iter().map(|arn| (*arn).to_owned()).collect(),
            failing_since: &since.iter().map(|(id, day)| ((*id).to_owned(), *day)).collect(),
            day: "2026-11-24".parse().expect("a day"),
        });
        report.check().expect("it adds up");
        report
    }

    fn words(report: &Report, control: &str, name: &str) -> String {
        let is_it = |f: &&crate::findings::Finding| {
            f.control == control && f.resource_name == name && f.verdict == VerdictKind::Fail
        };
        report.findings.iter().find(is_it).expect("it fails").risk.as_ref().expect("rated").words()
    }

    fn tag(report: &mut Report, control: &str, tag: &str) {
        let row = report.controls.iter_mut().find(|row| row.id == control);
        row.expect("it ran").tags.push(tag.to_owned());
    }

    #[test]
    fn only_failures_are_rated_and_without_context_by_severity_alone() {
        let report = rated(|_| (), &[], &[]);
        for finding in &report.findings {
            assert_eq!(finding.risk.is_some(), finding.verdict == VerdictKind::Fail);
        }
        assert_eq!(words(&report, "iam-root-mfa", ""), "40 of 100: severity critical 40");
    }

    #[test]
    fn what_fails_on_the_same_resource_is_context_and_what_passes_there_is_not() {
        let report = rated(|report| tag(report, "s3-bucket-not-public", PUBLIC), &[], &[]);
        let own = words(&report, "s3-bucket-not-public", "acme-website");
        assert_eq!(own, "60 of 100: severity critical 40, about public access 20");
        // It passes `s3-bucket-not-public`.
        assert_eq!(
            words(&report, "s3-bucket-secure-transport", "acme-logs"),
            "20 of 100: severity medium 20"
        );
        let exposed = |report: &mut Report| {
            tag(report, "s3-bucket-not-public", PUBLIC);
            let website = report.findings.iter().find(|f| f.resource_name == "acme-website").cloned();
            let website = website.expect("there");
            let logs = |f: &&mut crate::findings::Finding| {
                f.resource_name == "acme-logs" && f.control == "s3-bucket-secure-transport"
            };
            let finding = report.findings.iter_mut().find(logs).expect("there");
            finding.resource_arn = website.resource_arn;
        };
        let report = rated(exposed, &[], &[]);
        assert_eq!(
            words(&report, "s3-bucket-secure-transport", "acme-logs"),
            "40 of 100: severity medium 20, `s3-bucket-not-public` fails on it 20"
        );
    }

    #[test]
    fn root_production_detections_and_time_count() {
        let id = sample::report()
            .findings
            .into_iter()
            .find(|f| f.control == "s3-bucket-secure-transport" && f.resource_name == "acme-logs")
            .expect("there")
            .id;
        let report = rated(
            |report| {
                tag(report, "iam-root-mfa", ROOT);
                for account in report.accounts.iter_mut().filter(|account| account.id == sample::PROD) {
                    account.tags = Some([("Env".to_owned(), "prod".to_owned())].into());
                }
            },
            &["arn:aws:s3:::acme-logs"],
            &[(&id, "2026-10-01".parse().expect("a day"))],
        );
        assert_eq!(
            words(&report, "iam-root-mfa", ""),
            "65 of 100: severity critical 40, about the root user 15, account tagged Env=prod 10"
        );
        assert_eq!(
            words(&report, "s3-bucket-secure-transport", "acme-logs"),
            "45 of 100: severity medium 20, account tagged Env=prod 10, touched by a detection 10, failing for 54 days 5"
        );
    }
}
