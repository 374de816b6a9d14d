//! Who is scanned, skipped and unknown, given what the organization says.

use std::collections::BTreeMap;

use super::*;
use crate::aws::{Aws, Limits};
use crate::inventory::GLOBAL;
use organization::{About, Unit};

const OWN: &str = "100000000001";

fn caller() -> Caller {
    Caller {
        account: OWN.to_owned(),
        arn: format!("arn:aws-us-gov:iam::{OWN}:user/scanner"),
        partition: "aws-us-gov".to_owned(),
    }
}

fn denied(operation: &str) -> Unseen {
    Unseen::denied(OWN, GLOBAL, operation, "AccessDeniedException", "")
}

fn strings(values: &[&str]) -> Vec<String> {
    values.iter().map(|value| (*value).to_owned()).collect()
}

/// A member at `path`, written `ou-1-a:Workloads/ou-1-b:Prod`, with `tags` written `key=value`.
fn member(id: &str, path: &str, tags: &[&str]) -> Member {
    let root = Unit { id: "r-1".to_owned(), name: "Root".to_owned() };
    let units = path.split('/').filter_map(|part| part.split_once(':'));
    let pairs = tags.iter().filter_map(|tag| tag.split_once('='));
    Member {
        id: id.to_owned(),
        name: format!("account {id}"),
        lifecycle: Lifecycle::InUse,
        units: Facet::Known(
            [root]
                .into_iter()
                .chain(units.map(|(id, name)| Unit { id: id.to_owned(), name: name.to_owned() }))
                .collect(),
        ),
        tags: Facet::Known(pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()),
    }
}

fn scope() -> Scope {
    Scope { organization: true, ..Scope::own() }
}

fn found(scope: &Scope, members: Vec<Member>) -> Discovery {
    let about = About { id: "o-1".to_owned(), management_account: OWN.to_owned() };
    sort(scope, Organization::partly_read(Facet::Known(about), members))
}

fn sort(scope: &Scope, organization: Organization) -> Discovery {
    let own = Aws::at("http://127.0.0.1:9", &Limits::standard()).own_session(OWN);
    scope.check().unwrap();
    sort_out(&caller(), &own, scope, organization).unwrap()
}

fn targets(discovery: &Discovery) -> Vec<&str> {
    discovery.targets.iter().map(|target| target.account.id.as_str()).collect()
}

fn reason<'a>(discovery: &'a Discovery, id: &str) -> &'a str {
    match discovery.left_out.iter().find(|account| account.id == id).map(|account| &account.state) {
        Some(AccountState::Skipped { reason }) => reason,
        other => panic!("{id}: {other:?}"),
    }
}

#[test]
fn without_configuration_the_callers_own_account_is_scanned() {
    let own = Aws::at("http://127.0.0.1:9", &Limits::standard()).own_session(OWN);
    let discovery = by_id(&caller(), &own, &Scope::own());
    assert_eq!(targets(&discovery), [OWN]);
    assert!(Arc::ptr_eq(&discovery.targets[0].session, &own));
    assert_eq!(discovery.targets[0].account.is_management, None);
    assert_eq!(discovery.targets[0].account.partition, "aws-us-gov");
}

#[test]
fn a_list_of_accounts_is_that_list_and_the_own_account_needs_no_role() {
    let own = Aws::at("http://127.0.0.1:9", &Limits::standard()).own_session(OWN);
    let mut scope = Scope { accounts: strings(&["100000000003", OWN, "100000000003"]), ..Scope::own() };
    let discovery = by_id(&caller(), &own, &scope);
    assert_eq!(targets(&discovery), [OWN, "100000000003"]);
    assert!(Arc::ptr_eq(&discovery.targets[0].session, &own));
    assert!(!Arc::ptr_eq(&discovery.targets[1].session, &own));
    scope.exclude.accounts = strings(&[OWN]);
    let discovery = by_id(&caller(), &own, &scope);
    assert_eq!(targets(&discovery), ["100000000003"]);
    assert_eq!(reason(&discovery, OWN), "excluded: by its id");
}

#[test]
fn all_accounts_in_use_are_scanned_and_the_others_told_of() {
    let mut suspended = member("100000000002", "", &[]);
    suspended.lifecycle = Lifecycle::Ended("closed".to_owned());
    let discovery = found(&scope(), vec![suspended, member(OWN, "", &[]), member("100000000003", "", &[])]);
    assert_eq!(targets(&discovery), [OWN, "100000000003"]);
    assert_eq!(reason(&discovery, "100000000002"), "closed");
    let first = &discovery.targets[0].account;
    assert_eq!((first.is_management, first.organization.as_deref()), (Some(true), Some("o-1")));
    assert_eq!(discovery.targets[1].account.is_management, Some(false));
}

#[test]
fn units_match_what_is_nested_in_them() {
    let members = || {
        vec![
            member("100000000001", "", &[]),
            member("100000000002", "ou-1-a:Workloads", &[]),
            member("100000000003", "ou-1-a:Workloads/ou-1-b:Prod", &[]),
            member("100000000004", "ou-1-c:Sandbox/ou-1-d:Prod", &[]),
        ]
    };
    let mut by_id = scope();
    by_id.include.units = strings(&["ou-1-a"]);
    let shuffled = members().into_iter().rev().collect();
    assert_eq!(targets(&found(&by_id, shuffled)), ["100000000002", "100000000003"]);
    let mut by_name = scope();
    by_name.include.units = strings(&["Prod"]);
    let discovery = found(&by_name, members());
    assert_eq!(targets(&discovery), ["100000000003", "100000000004"]);
    assert_eq!(reason(&discovery, "100000000001"), "not included");
    assert_eq!(discovery.targets[0].account.units.as_deref().unwrap(), ["Workloads", "Prod"]);
    let mut by_root = scope();
    by_root.include.units = strings(&["r-1"]);
    assert_eq!(targets(&found(&by_root, members())).len(), 4);
}

#[test]
fn tags_match_by_any_of_their_values_and_without_values_by_the_key() {
    let members = || {
        vec![
            member("100000000001", "", &["env=prod"]),
            member("100000000002", "", &["env=dev"]),
            member("100000000003", "", &["team=x"]),
        ]
    };
    let mut scope = scope();
    scope.include.tags = BTreeMap::from([("env".to_owned(), strings(&["prod", "stage"]))]);
    let discovery = found(&scope, members());
    assert_eq!(targets(&discovery), ["100000000001"]);
    assert_eq!(discovery.targets[0].account.tags.as_ref().unwrap()["env"], "prod");
    scope.include.tags = BTreeMap::from([("env".to_owned(), Vec::new())]);
    assert_eq!(targets(&found(&scope, members())), ["100000000001", "100000000002"]);
}

#[test]
fn exclude_wins_over_include_and_over_the_list() {
    let mut scope = scope();
    scope.accounts = strings(&["100000000002", "100000000009"]);
    scope.include.units = strings(&["Workloads"]);
    scope.exclude.units = strings(&["Sandbox"]);
    scope.exclude.accounts = strings(&["100000000009"]);
    let discovery = found(
        &scope,
        vec![
            member("100000000001", "ou-1-a:Workloads", &[]),
            member("100000000002", "ou-1-c:Sandbox", &[]),
            member("100000000003", "ou-1-a:Workloads/ou-1-c:Sandbox", &[]),
        ],
    );
    assert_eq!(targets(&discovery), ["100000000001"]);
    let by_unit = "excluded: by its organizational unit Sandbox (ou-1-c)";
    assert_eq!(reason(&discovery, "100000000002"), by_unit);
    assert_eq!(reason(&discovery, "100000000003"), by_unit);
    assert_eq!(reason(&discovery, "100000000009"), "excluded: by its id");
}

#[test]
fn listed_accounts_are_scanned_besides_the_included_ones() {
    let mut scope = scope();
    scope.accounts = strings(&["100000000002", "100000000009"]);
    scope.include.accounts = strings(&["100000000001", "100000000008"]);
    let members = ["100000000001", "100000000002", "100000000003"].map(|id| member(id, "", &[]));
    let discovery = found(&scope, members.into());
    assert_eq!(targets(&discovery), ["100000000001", "100000000002", "100000000009"]);
    assert_eq!(discovery.targets[2].account.organization, None, "it is outside the organization");
    assert_eq!(reason(&discovery, "100000000008"), "named in `include`, but not in the organization");
}

#[test]
fn an_account_of_which_it_is_not_known_whether_it_belongs_is_unknown() {
    let unread = denied("organizations:ListTagsForResource");
    let hidden = || {
        let mut hidden = member("100000000002", "ou-1-a:Workloads", &[]);
        hidden.tags = Facet::Unknown(unread.clone());
        hidden
    };
    let mut by_tag = scope();
    by_tag.exclude.tags = BTreeMap::from([("scan".to_owned(), strings(&["no"]))]);
    let discovery = found(&by_tag, vec![member(OWN, "", &[]), hidden()]);
    assert_eq!(targets(&discovery), [OWN]);
    assert_eq!(discovery.left_out[0].state, AccountState::Failed { unseen: unread.clone() });

    // What is known decides where it can.
    let mut decided = by_tag.clone();
    decided.exclude.units = strings(&["Workloads"]);
    let discovery = found(&decided, vec![member(OWN, "", &[]), hidden()]);
    assert_eq!(reason(&discovery, "100000000002"), "excluded: by its organizational unit Workloads (ou-1-a)");

    let mut included = scope();
    included.include.tags = BTreeMap::from([("scan".to_owned(), Vec::new())]);
    included.include.accounts = strings(&["100000000002"]);
    assert_eq!(targets(&found(&included, vec![member(OWN, "", &[]), hidden()])), ["100000000002"]);
}

#[test]
fn an_organization_that_cannot_be_described_leaves_its_facts_unknown() {
    let unseen = denied("organizations:DescribeOrganization");
    let members = vec![member(OWN, "", &[])];
    let discovery = sort(&scope(), Organization::partly_read(Facet::Unknown(unseen.clone()), members));
    assert_eq!(discovery.targets[0].account.is_management, None);
    assert_eq!(discovery.unseen, Some(unseen));
}

#[test]
fn settings_that_cannot_work_are_told_before_anything_is_asked() {
    let mut scope = Scope::own();
    scope.accounts = strings(&["12345"]);
    let error = scope.check().unwrap_err().to_string();
    assert_eq!(error, "`accounts` is `12345`; an account id is twelve digits");
    let mut scope = Scope::own();
    scope.exclude.units = strings(&["Sandbox"]);
    assert!(matches!(scope.check(), Err(DiscoverError::SelectorNeedsOrganization)));
}

#[test]
fn a_denied_list_says_who_may_list() {
    let error = DiscoverError::Accounts { unseen: denied("organizations:ListAccounts") }.to_string();
    assert!(error.contains("management account or a delegated administrator"), "{error}");
    assert!(error.contains("`organizations:ListAccounts` allowed"), "{error}");
}
