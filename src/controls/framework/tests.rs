use super::*;
use crate::controls::VerdictKind;

fn requirement(controls: usize, planned: usize) -> Requirement {
    Requirement {
        id: "1".to_owned(),
        title: String::new(),
        section: String::new(),
        level: None,
        assessment: Assessment::Automated,
        controls: (0..controls).map(|n| format!("c{n}")).collect(),
        planned: (0..planned).map(|n| format!("p{n}")).collect(),
        parameters: BTreeMap::new(),
        look_at: String::new(),
        offset: 0,
    }
}

fn outcome(verdicts: &[VerdictKind]) -> ControlOutcome {
    ControlOutcome {
        evidence_only: false,
        failed: verdicts.contains(&VerdictKind::Fail),
        unknown: verdicts.contains(&VerdictKind::Unknown),
        passed: verdicts.contains(&VerdictKind::Pass),
    }
}

#[test]
fn one_failure_decides_and_one_gap_keeps_it_open() {
    use VerdictKind::{Fail, NotApplicable, Pass, Unknown};
    let two = requirement(2, 0);
    assert_eq!(
        two.status(Relation::Decides, &[outcome(&[Pass]), outcome(&[Unknown, Fail])]),
        RequirementStatus::Fail
    );
    assert_eq!(
        two.status(Relation::Decides, &[outcome(&[Pass]), outcome(&[Pass, Unknown])]),
        RequirementStatus::Unknown
    );
    assert_eq!(
        two.status(Relation::Decides, &[outcome(&[Pass]), outcome(&[NotApplicable])]),
        RequirementStatus::Pass
    );
    assert_eq!(
        two.status(Relation::Decides, &[outcome(&[NotApplicable]), outcome(&[])]),
        RequirementStatus::NotApplicable
    );
}

#[test]
fn what_is_not_covered_can_fail_but_not_pass() {
    use VerdictKind::{Fail, Pass};
    assert_eq!(
        requirement(1, 1).status(Relation::Decides, &[outcome(&[Pass])]),
        RequirementStatus::NotCovered
    );
    assert_eq!(requirement(1, 1).status(Relation::Decides, &[outcome(&[Fail])]), RequirementStatus::Fail);
    assert_eq!(requirement(0, 1).status(Relation::Decides, &[]), RequirementStatus::NotCovered);
    assert_eq!(
        requirement(2, 0).status(Relation::Decides, &[outcome(&[Pass])]),
        RequirementStatus::NotCovered
    );
    assert_eq!(requirement(0, 0).status(Relation::Decides, &[]), RequirementStatus::Manual);
}

#[test]
fn evidence_alone_leaves_it_to_a_person() {
    let mut evidence = ControlOutcome { evidence_only: true, failed: false, unknown: false, passed: false };
    assert_eq!(requirement(1, 0).status(Relation::Decides, &[evidence]), RequirementStatus::Manual);
    evidence.failed = true;
    assert_eq!(requirement(1, 0).status(Relation::Decides, &[evidence]), RequirementStatus::Fail);
}

#[test]
fn evidence_never_meets_a_requirement() {
    use VerdictKind::{Fail, NotApplicable, Pass, Unknown};
    let status = |outcomes: &[ControlOutcome]| requirement(2, 1).status(Relation::Contributes, outcomes);
    assert_eq!(status(&[outcome(&[Pass]), outcome(&[Unknown, Fail])]), RequirementStatus::FailingEvidence);
    assert_eq!(status(&[outcome(&[Pass]), outcome(&[Unknown])]), RequirementStatus::Unknown);
    assert_eq!(status(&[outcome(&[Pass]), outcome(&[NotApplicable])]), RequirementStatus::NoFailingEvidence);
    assert_eq!(status(&[outcome(&[NotApplicable])]), RequirementStatus::NotApplicable);
    assert_eq!(status(&[]), RequirementStatus::NotCovered);
    let evidence = ControlOutcome { evidence_only: true, ..outcome(&[NotApplicable]) };
    assert_eq!(status(&[evidence]), RequirementStatus::Manual);
    for verdicts in [&[Pass][..], &[Fail], &[Unknown], &[NotApplicable], &[Pass, Fail, Unknown]] {
        for relation in [Relation::Decides, Relation::Contributes] {
            let status = requirement(1, 0).status(relation, &[outcome(verdicts)]);
            assert!(status.is_of(relation), "{relation:?} {verdicts:?} {status:?}");
            assert_eq!(status.is_failing(), verdicts.contains(&Fail), "{relation:?} {verdicts:?}");
        }
    }
}

/// A framework file with these lines for its relation, and these requirements.
fn file(relation: &str, requirements: &str) -> String {
    format!("id: acme\ntitle: Acme\nversion: '1'\n{relation}requirements:\n{requirements}")
}

fn mistake(text: &str) -> String {
    let error = Framework::parse(Path::new("acme.yaml"), text).expect_err(text);
    format!("{error}{}", error.help.as_ref().map(|help| format!("; {help}")).unwrap_or_default())
}

#[test]
fn mistakes_name_file_line_and_column() {
    const ONE: &str = "  - { id: '1', title: t, section: s, controls: [c] }\n";
    let decides = |requirements: &str| mistake(&file("", requirements));
    assert_eq!(decides(&format!("{ONE}{ONE}")), "acme.yaml:6:5: requirement `1` is listed twice");
    assert_eq!(
        decides("  - { id: '1', titel: t, section: s }\n"),
        "acme.yaml:5:16: there is no key `titel` here; did you mean `title`?"
    );
    assert_eq!(
        decides(&format!("{ONE}  - {{ id: '2', title: t, section: s, level: 1 }}\n")),
        "acme.yaml:5:5: requirement `1` has no level, and others have one"
    );
    assert_eq!(
        decides("  - { id: '2', title: t, section: s, level: 0 }\n"),
        "acme.yaml:5:5: requirement `2` has level 0; levels count from 1"
    );
    assert_eq!(
        decides("  - { id: '2', title: t, section: s, level: two }\n"),
        "acme.yaml:5:45: expected a whole number"
    );
    assert_eq!(
        decides("  - { id: '2', title: t, section: s, controls: [c], planned: [c] }\n"),
        "acme.yaml:5:5: requirement `2` names control `c` twice"
    );
    assert_eq!(
        decides("  - { id: '2', title: t, section: s, controls: [c], parameters: { d: { n: 1 } } }\n"),
        "acme.yaml:5:5: requirement `2` sets parameters of `d`, which is none of its controls"
    );
    assert_eq!(
        mistake(&file("relation: satisfies\n", ONE)),
        "acme.yaml:4:11: `satisfies` is not known here; it can be decides, contributes"
    );
    assert_eq!(
        mistake(&file("relation: contributes\n", ONE)),
        "acme.yaml:1:1: controls only contribute evidence, and `covers` does not say to what"
    );
    assert_eq!(
        mistake(&file("relation: contributes\ncovers: c\n", "  - { id: '1', title: t, section: s }\n")),
        "acme.yaml:7:5: nothing contributes to requirement `1`; leave it out, and say so in `covers`"
    );
    assert_eq!(
        mistake("id: acmee\ntitle: t\nversion: '1'\nrequirements: []\n"),
        "acme.yaml:1:5: the id `acmee` is not the name of the file"
    );
}

#[test]
fn a_profile_holds_its_level_and_those_below() {
    let levels =
        "  - { id: '1', title: t, section: s, level: 2 }\n  - { id: '2', title: t, section: s, level: 1 }\n";
    let framework = Framework::parse(Path::new("acme.yaml"), &file("", levels)).expect("fine");
    let ids = |level: u8| {
        let mut framework = framework.clone();
        framework.limit_to_level(level)?;
        assert_eq!(framework.level, Some(level));
        assert_eq!(framework.covers, format!("Requirements above level {level} are left out."));
        Ok::<_, String>(framework.requirements.into_iter().map(|r| r.id).collect::<Vec<_>>())
    };
    assert_eq!(ids(1).expect("a level"), ["2"]);
    assert_eq!(ids(2).expect("a level"), ["1", "2"]);
    for wrong in [0, 3] {
        let expected = format!("framework `acme` has no level {wrong}; there are 1, 2");
        assert_eq!(ids(wrong).expect_err("no level"), expected);
    }
    let without = file("", "  - { id: '1', title: t, section: s }\n");
    let mut without = Framework::parse(Path::new("acme.yaml"), &without).expect("fine");
    assert_eq!(without.limit_to_level(1).expect_err("no levels"), "framework `acme` has no levels");
}
