//! [`Report::rate`]: how much each failure matters, from what the rest of the report says about where it is.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::civil::Date;

use super::Report;
use crate::controls::VerdictKind;
use crate::findings::Finding;
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
        let surroundings = Surroundings::of(self, known.production_tags);
        for finding in &mut self.findings {
            finding.risk = (finding.verdict == VerdictKind::Fail)
                .then(|| Risk::of(finding.severity, surroundings.context(finding, known)));
        }
    }
}

/// An account and the ARN of a resource in it.
type Place = (String, String);

/// What the report as a whole says about where its findings are.
struct Surroundings {
    /// Tags of each control.
    tags: HashMap<String, Vec<String>>,
    /// Resources on which a control about public access fails, with that control.
    public: HashMap<Place, String>,
    /// The same of controls about administrators.
    admin: HashMap<Place, String>,
    /// What says of an account that it is production.
    production: HashMap<String, String>,
}

impl Surroundings {
    fn of(report: &Report, production_tags: &BTreeMap<String, Vec<String>>) -> Self {
        let tags = report.controls.iter().map(|control| (control.id.clone(), control.tags.clone()));
        let production = report.accounts.iter().filter_map(|account| {
            let tag = production(production_tags, account.tags.iter().flatten())?;
            Some((account.id.clone(), format!("account tagged {tag}")))
        });
        let mut found = Self {
            tags: tags.collect(),
            public: HashMap::new(),
            admin: HashMap::new(),
            production: production.collect(),
        };
        found.public = found.failing(report, PUBLIC);
        found.admin = found.failing(report, ADMIN);
        found
    }

    /// The resources on which a control with that tag fails, with the first such control.
    fn failing(&self, report: &Report, tag: &str) -> HashMap<Place, String> {
        let mut failing = HashMap::new();
        for finding in report.findings.iter().filter(|finding| finding.verdict == VerdictKind::Fail) {
            if let Some(arn) = finding.own_arn().filter(|_| self.has(&finding.control, tag)) {
                let place = (finding.account.clone(), arn.to_owned());
                failing.entry(place).or_insert_with(|| finding.control.clone());
            }
        }
        failing
    }

    fn has(&self, control: &str, tag: &str) -> bool {
        self.tags.get(control).is_some_and(|tags| tags.iter().any(|one| one == tag))
    }

    fn context(&self, finding: &Finding, known: Known<'_>) -> Context {
        let arn = finding.own_arn().unwrap_or_default();
        let place = (finding.account.clone(), arn.to_owned());
        let on_it = |failing: &HashMap<Place, String>| {
            failing.get(&place).map(|control| format!("`{control}` fails on it"))
        };
        let about = |tag, words: &str| self.has(&finding.control, tag).then(|| words.to_owned());
        let tagged = production(known.production_tags, &finding.tags).map(|tag| format!("tagged {tag}"));
        let since = known.failing_since.get(&finding.id);
        Context {
            exposed: about(PUBLIC, "about public access").or_else(|| on_it(&self.public)),
            privileged: about(ROOT, "about the root user")
                .or_else(|| about(ADMIN, "about administrators"))
                .or_else(|| on_it(&self.admin)),
            production: tagged.or_else(|| self.production.get(&finding.account).cloned()),
            detected: !arn.is_empty() && known.detected.contains(arn),
            failing_days: since.and_then(|since| Some(known.day.since(*since).ok()?.get_days())),
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
