//! Which calls change a resource, as CloudTrail tells of them: the types of the tables beside the collectors.
//!
//! CloudTrail writes the parameters of a call under the
//! [names of the API with a small first letter](https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html),
//! EC2's lists as `…Set.items`, and those of EC2's younger calls as AWS's request has them, in an object
//! `…Request` with capital letters.

/// Calls of one service that change resources of a type, and how their events name the resource.
#[derive(Debug, Clone, Copy)]
pub struct Change {
    /// `eventSource`, such as `s3.amazonaws.com`.
    pub source: &'static str,
    /// `eventName`s, sorted: only calls that write.
    pub names: &'static [&'static str],
    /// Which resource of the type is meant.
    pub target: Target,
}

/// How an event names the resource.
///
/// Paths lead through the record, steps parted by `.`, `*` being every element of a list. Where paths are parted by
/// `|`, the first that is there counts.
#[derive(Debug, Clone, Copy)]
pub enum Target {
    /// It need not: the type has one resource in a place, such as the settings of a region.
    Place,
    /// By what stands at these paths, name, id or ARN. Where nothing does, any of the type may be meant.
    At(&'static [&'static str]),
    /// As [`Target::At`], but only what begins like this is of the type, and an event without is about another.
    Starting(&'static str, &'static [&'static str]),
    /// By a part of its ARN, made by putting what stands at the paths for each `{}`. An event without them is about
    /// another type.
    In(&'static str, &'static [&'static str]),
    /// Not at all, for this reason: any of the type may be meant.
    Any(&'static str),
}

/// The resources that are asked about, where not all of a type are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Only {
    /// Name of the type.
    pub kind: &'static str,
    /// What they are called: see [`fits`].
    pub ids: Vec<String>,
}

impl Only {
    /// Whether a resource of the type is asked about.
    #[must_use]
    pub fn takes(&self, arn: &str, name: &str) -> bool {
        self.ids.iter().any(|id| fits(id, arn, name))
    }

    /// The same by what AWS may say of it in a list. One without its ARN or its name may be any: it is looked at, which tells
    /// what is missing, and not taken for another.
    #[must_use]
    pub fn takes_listed(&self, arn: Option<&str>, name: Option<&str>) -> bool {
        let (Some(arn), Some(name)) = (arn, name) else { return true };
        self.takes(arn, name)
    }
}

/// Whether an event that names a resource so may mean the one with this ARN and name.
///
/// Events name by ARN, also that of a version or a part, by name or by id, which is how ARNs end, or by the address of
/// a queue. What ends with `:` or `/` is a part of the ARN. In doubt the answer is yes: the worst is a call too many.
#[must_use]
pub fn fits(id: &str, arn: &str, name: &str) -> bool {
    if id.is_empty() {
        return false;
    }
    if id.ends_with([':', '/']) {
        return arn.contains(id);
    }
    if id.starts_with("arn:") {
        let is_part = |rest: &str| rest.is_empty() || rest.starts_with([':', '/']);
        // A secret's ARN has a hyphen and six letters more than what people may call it by.
        let is_suffix = |rest: &str| rest.len() == 7 && rest.starts_with('-') && arn.contains(":secret:");
        return (!arn.is_empty() && id.strip_prefix(arn).is_some_and(is_part))
            || arn.strip_prefix(id).is_some_and(is_suffix);
    }
    let id = match id.split_once("://") {
        Some((_, address)) => address.rsplit('/').next().unwrap_or(address),
        None => id,
    };
    let is_name = |id: &str| {
        let tail = arn.len().checked_sub(id.len()).and_then(|at| arn.split_at_checked(at));
        name.eq_ignore_ascii_case(id)
            || tail.is_some_and(|(head, tail)| head.ends_with([':', '/']) && tail.eq_ignore_ascii_case(id))
    };
    // `function:3` is a version of `function`, `111122223333:function:name` the end of its ARN.
    is_name(id) || id.split_once(':').is_some_and(|(first, _)| is_name(first))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::process::{Command, Stdio};

    use super::super::KINDS;
    use super::*;

    #[test]
    fn every_type_says_which_calls_change_it() {
        for kind in KINDS {
            assert!(!kind.events.is_empty(), "{} has no events", kind.name);
            let mut known = BTreeSet::new();
            for change in kind.events {
                assert!(change.source.ends_with(".amazonaws.com"), "{}", change.source);
                assert!(change.names.is_sorted(), "{}: {:?}", kind.name, change.names);
                for name in change.names {
                    assert!(known.insert((change.source, *name)), "{}: {name} twice", kind.name);
                    let reads = ["Get", "List", "Describe", "Head", "Lookup"];
                    assert!(!reads.iter().any(|read| name.starts_with(read)), "{name} changes nothing");
                }
            }
        }
    }

    /// By AWS's own models of its APIs, as the SDK for Python has them.
    #[test]
    fn calls_and_parameters_are_those_of_the_apis() {
        let changes = KINDS.iter().flat_map(|kind| kind.events);
        let rows: Vec<serde_json::Value> = changes
            .map(|change| {
                let paths = match change.target {
                    Target::At(paths) | Target::Starting(_, paths) | Target::In(_, paths) => paths,
                    Target::Place | Target::Any(_) => &[],
                };
                serde_json::json!({ "source": change.source, "names": change.names, "paths": paths })
            })
            .collect();
        let root = upright_testkit::workspace().unwrap();
        let mut python = Command::new(root.join(".venv/bin/python"))
            .arg(root.join("tests/support/api_names.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        serde_json::to_writer(python.stdin.take().unwrap(), &rows).unwrap();
        let output = python.wait_with_output().unwrap();
        assert!(output.status.success());
        assert_eq!(String::from_utf8_lossy(&output.stdout), "");
    }

    #[test]
    fn settings_are_those_of_a_place_and_nothing_else_is() {
        for kind in KINDS {
            for change in kind.events {
                let is_place = matches!(change.target, Target::Place);
                assert_eq!(is_place, kind.single, "{}: {:?}", kind.name, change.names);
            }
        }
    }

    #[test]
    fn what_a_list_does_not_name_may_be_meant() {
        let arn = "arn:aws:kms:eu-west-1:111122223333:key/k1";
        let only = Only { kind: "aws.kms.key", ids: vec![arn.to_owned()] };
        assert!(only.takes_listed(Some(arn), Some("k1")));
        assert!(!only.takes_listed(Some("arn:aws:kms:eu-west-1:111122223333:key/k2"), Some("k2")));
        for (arn, name) in
            [(None, Some("k2")), (Some("arn:aws:kms:eu-west-1:111122223333:key/k2"), None), (None, None)]
        {
            assert!(only.takes_listed(arn, name), "{arn:?} {name:?}");
        }
    }

    #[test]
    fn a_resource_is_meant_by_any_of_its_names() {
        let group = "arn:aws:ec2:eu-west-1:111122223333:security-group/sg-1";
        let function = "arn:aws:lambda:eu-west-1:111122223333:function:pay";
        let secret = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:db/main-AbCdEf";
        let stage = "arn:aws:apigateway:eu-west-1::/restapis/a1b2/stages/prod";
        let filter = "arn:aws:logs:eu-west-1:111122223333:log-group:trail:metric-filter:root";
        for (id, arn, name) in [
            ("sg-1", group, "web"),
            (group, group, "web"),
            ("pay", function, "pay"),
            ("pay:PROD", function, "pay"),
            ("111122223333:function:pay", function, "pay"),
            ("arn:aws:lambda:eu-west-1:111122223333:function:pay:3", function, "pay"),
            ("db/main", secret, "db/main"),
            ("arn:aws:secretsmanager:eu-west-1:111122223333:secret:db/main", secret, "db/main"),
            ("/restapis/a1b2/", stage, "shop/prod"),
            ("log-group:trail:metric-filter:root", filter, "root"),
            (":log-group:trail:metric-filter:", filter, "root"),
            (
                "https://sqs.eu-west-1.amazonaws.com/111122223333/jobs",
                "arn:aws:sqs:eu-west-1:111122223333:jobs",
                "jobs",
            ),
            ("Alice", "arn:aws:iam::111122223333:user/x/alice", "alice"),
        ] {
            assert!(fits(id, arn, name), "{id}");
        }
        for (id, arn, name) in [
            ("", group, ""),
            ("g-1", group, "web"),
            ("sg-11", group, "web"),
            ("arn:aws:ec2:eu-west-1:111122223333:security-group/sg-11", group, "web"),
            ("arn:aws:ec2:eu-west-1:111122223333:security-group/sg-", group, "web"),
            ("/restapis/a1b/", stage, "shop/prod"),
            (":log-group:tra:metric-filter:", filter, "root"),
            ("log-group:trail:metric-filter:oot", filter, "root"),
            ("arn:x", "", "x"),
        ] {
            assert!(!fits(id, arn, name), "{id}");
        }
    }
}
