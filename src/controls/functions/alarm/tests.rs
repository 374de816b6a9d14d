//! Every link of the way broken once, in doubt once, and in other accounts.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::collect::{Kind, cloudwatch, sns};
use crate::inventory::{Account, AccountState, Facet, Listing};

const OWN: &str = "111122223333";
const OTHER: &str = "444455556666";
const REGION: &str = "us-east-1";
const ROOT: &str = "{ $.userIdentity.type = \"Root\" && $.userIdentity.invokedBy NOT EXISTS && $.eventType != \"AwsServiceEvent\" }";

/// A world that is whole until a test breaks it.
#[derive(Clone)]
struct Made {
    resources: Vec<Resource>,
    scanned: Vec<&'static str>,
    unread: Vec<(&'static str, &'static str)>,
}

fn resource(kind: &Kind, account: &str, arn: &str, name: &str, fields: Value) -> Resource {
    let fields = fields.as_object().unwrap().clone();
    Resource {
        kind: kind.name.to_owned(),
        arn: arn.to_owned(),
        account: account.to_owned(),
        region: REGION.to_owned(),
        name: name.to_owned(),
        fields: fields.into_iter().map(|(name, value)| (name, Facet::Known(value))).collect(),
    }
}

fn trail(account: &str, owner: &str) -> Resource {
    let fields = json!({
        "is_multi_region": true,
        "is_organization": account != owner,
        "is_owned": account == owner,
        "log_group": group(owner),
        "status": { "is_logging": true },
        "event_selectors": { "classic": [{
            "read_write_type": "All", "include_management_events": true,
            "data_resources": [], "excluded_management_sources": [],
        }], "advanced": [] },
    });
    resource(
        &cloudtrail::TRAIL,
        account,
        &format!("arn:aws:cloudtrail:{REGION}:{owner}:trail/main"),
        "main",
        fields,
    )
}

fn group(owner: &str) -> String {
    format!("arn:aws:logs:{REGION}:{owner}:log-group:trail:*")
}

fn filter(owner: &str, name: &str, pattern: &str) -> Resource {
    let fields = json!({
        "log_group": "trail", "log_group_arn": group(owner), "pattern": pattern,
        "metrics": [{ "namespace": "CIS", "name": "Root", "value": "1", "dimensions": [] }],
        "field_selection": null, "is_on_transformed": false,
    });
    resource(&logs::METRIC_FILTER, owner, &format!("{}:metric-filter:{name}", group(owner)), name, fields)
}

fn alarm(owner: &str, name: &str, topic_owner: &str) -> Resource {
    let topic = topic_arn(topic_owner);
    let fields = json!({
        "actions_enabled": true, "alarm_actions": [topic], "topics": [topic], "expressions": [], "rule": null,
        "metrics": [{ "account": null, "namespace": "CIS", "name": "Root", "dimensions": [] }],
    });
    resource(
        &cloudwatch::ALARM,
        owner,
        &format!("arn:aws:cloudwatch:{REGION}:{owner}:alarm:{name}"),
        name,
        fields,
    )
}

fn composite(owner: &str, rule: &str) -> Resource {
    let mut made = alarm(owner, "composite", owner);
    made.fields.insert("metrics".to_owned(), Facet::Known(json!([])));
    made.fields.insert("rule".to_owned(), Facet::Known(json!(rule)));
    made
}

fn topic_arn(owner: &str) -> String {
    format!("arn:aws:sns:{REGION}:{owner}:alarms")
}

fn topic(owner: &str) -> Resource {
    let fields = json!({ "subscriptions": [{ "protocol": "email", "is_confirmed": true }] });
    resource(&sns::TOPIC, owner, &topic_arn(owner), "alarms", fields)
}

impl Made {
    /// Everything in the account itself.
    fn whole() -> Self {
        Self::of(vec![trail(OWN, OWN), filter(OWN, "root", ROOT), alarm(OWN, "root", OWN), topic(OWN)])
    }

    fn of(resources: Vec<Resource>) -> Self {
        Self { resources, scanned: vec![OWN], unread: Vec::new() }
    }

    fn set(mut self, kind: &Kind, field: &str, value: Value) -> Self {
        for resource in self.resources.iter_mut().filter(|resource| resource.kind == kind.name) {
            resource.fields.insert(field.to_owned(), Facet::Known(value.clone()));
        }
        self
    }

    fn denied(mut self, kind: &Kind, field: &str) -> Self {
        for resource in self.resources.iter_mut().filter(|resource| resource.kind == kind.name) {
            resource.fields.insert(field.to_owned(), Facet::Unknown(denied(kind.name)));
        }
        self
    }

    fn without(mut self, kind: &Kind) -> Self {
        self.resources.retain(|resource| resource.kind != kind.name);
        self
    }

    fn unread(mut self, account: &'static str, kind: &'static Kind) -> Self {
        self.unread.push((account, kind.name));
        self.without(kind)
    }

    fn with(mut self, more: impl IntoIterator<Item = Resource>) -> Self {
        self.resources.extend(more);
        self
    }

    fn scanning(mut self, account: &'static str) -> Self {
        self.scanned.push(account);
        self
    }

    fn follow(self) -> Result<Chain, Unseen> {
        self.follow_for("root-usage", &[])
    }

    fn follow_for(self, requirement: &str, ignored: &[&str]) -> Result<Chain, Unseen> {
        let kinds = [&cloudtrail::TRAIL, &logs::METRIC_FILTER, &cloudwatch::ALARM, &sns::TOPIC];
        let listings = self.scanned.iter().flat_map(|account| {
            kinds.map(|kind| Listing {
                account: (*account).to_owned(),
                region: REGION.to_owned(),
                kind: kind.name.to_owned(),
                count: if self.unread.contains(&(*account, kind.name)) {
                    Facet::Unknown(denied(kind.name))
                } else {
                    Facet::Known(0)
                },
            })
        });
        let accounts = self.scanned.iter().map(|id| Account {
            id: (*id).to_owned(),
            name: String::new(),
            partition: "aws".to_owned(),
            is_management: None,
            organization: None,
            units: None,
            unit_ids: None,
            tags: None,
            regions: vec![REGION.to_owned()],
            state: AccountState::Scanned,
        });
        let (accounts, listings) = (accounts.collect(), listings.collect());
        let world = Inventory::new(Timestamp::UNIX_EPOCH, accounts, self.resources, listings, Vec::new());
        follow_events(&world, OWN, &Wanted { requirement, version: "7.0", ignored })
    }
}

fn denied(kind: &str) -> Unseen {
    Unseen::denied(OWN, REGION, kind, "AccessDenied", "no")
}

#[track_caller]
fn breaks(made: Made) -> String {
    let chain = made.follow().unwrap();
    assert_eq!(chain.holds, Vec::<String>::new());
    let [only] = chain.breaks.as_slice() else { panic!("{chain:?}") };
    only.clone()
}

#[test]
fn a_whole_way_is_told() {
    let chain = Made::whole().follow().unwrap();
    assert_eq!(chain.breaks, Vec::<String>::new());
    let [way] = chain.holds.as_slice() else { panic!("{chain:?}") };
    for link in ["trail \"main\"", "metric filter \"root\"", "alarm \"root\"", &topic_arn(OWN)] {
        assert!(way.contains(link), "{way}");
    }
}

#[test]
fn each_link_broken_breaks_the_way_there() {
    let (trails, filters, alarms, topics) =
        (&cloudtrail::TRAIL, &logs::METRIC_FILTER, &cloudwatch::ALARM, &sns::TOPIC);
    let metric = |namespace: &str, name: &str, dimensions: Value| json!([{ "account": null, "namespace": namespace, "name": name, "value": "1", "dimensions": dimensions }]);
    let writes = json!({ "classic": [{
        "read_write_type": "WriteOnly", "include_management_events": true,
        "data_resources": [], "excluded_management_sources": [],
    }], "advanced": [] });
    let pending = json!([{ "protocol": "email", "is_confirmed": false }]);
    for (made, said) in [
        (Made::whole().without(trails), "there is no trail"),
        (Made::whole().set(trails, "is_multi_region", json!(false)), "records one region only"),
        (Made::whole().set(trails, "status", json!({ "is_logging": false })), "is not logging"),
        (Made::whole().set(trails, "event_selectors", writes), "does not record all management events"),
        (Made::whole().set(trails, "log_group", Value::Null), "delivers to no CloudWatch log group"),
        (Made::whole().without(filters), "has no metric filter"),
        (Made::whole().set(filters, "log_group_arn", json!("another")), "has no metric filter"),
        (
            Made::whole().set(filters, "pattern", json!("{ $.eventName = X }")),
            "no metric filter on the log group",
        ),
        (Made::whole().set(filters, "pattern", json!("")), "it matches every event"),
        (Made::whole().without(alarms), "no alarm watches metric \"CIS/Root\""),
        (Made::whole().set(alarms, "metrics", metric("Other", "Root", json!([]))), "no alarm watches"),
        (Made::whole().set(alarms, "metrics", metric("CIS", "Other", json!([]))), "no alarm watches"),
        (Made::whole().set(alarms, "metrics", metric("CIS", "Root", json!(["Who"]))), "no alarm watches"),
        (
            Made::whole().set(filters, "metrics", metric("CIS", "Root", json!(["Who"]))),
            "divided by dimensions",
        ),
        (Made::whole().set(alarms, "actions_enabled", json!(false)), "are switched off"),
        (Made::whole().set(alarms, "topics", json!([])), "tells no SNS topic"),
        (Made::whole().without(topics), "does not exist"),
        (Made::whole().set(topics, "subscriptions", json!([])), "has no confirmed subscription"),
        (Made::whole().set(topics, "subscriptions", pending), "has no confirmed subscription"),
    ] {
        let found = breaks(made);
        assert!(found.contains(said), "{said}: {found}");
    }
}

#[test]
fn each_link_denied_leaves_the_way_in_doubt_unless_another_is_whole() {
    let kinds = [&cloudtrail::TRAIL, &logs::METRIC_FILTER, &cloudwatch::ALARM, &sns::TOPIC];
    let fields = [
        (&cloudtrail::TRAIL, "status"),
        (&cloudtrail::TRAIL, "event_selectors"),
        (&sns::TOPIC, "subscriptions"),
    ];
    let lists = kinds.map(|kind| (Made::whole().unread(OWN, kind), kind.name));
    let facets = fields.map(|(kind, field)| (Made::whole().denied(kind, field), kind.name));
    for (made, denied_in) in lists.into_iter().chain(facets) {
        let unseen = made.clone().follow().unwrap_err();
        assert_eq!(unseen.operation, denied_in);
        let Made { resources, .. } = Made::whole();
        let known: Vec<Resource> = resources
            .into_iter()
            .filter(|one| !made.resources.iter().any(|r| (&r.kind, &r.arn) == (&one.kind, &one.arn)))
            .collect();
        // What the list that was not read to its end did show.
        let shown = made.clone().with(known);
        let is_list = made.resources.len() < shown.resources.len();
        if is_list {
            assert_eq!(shown.follow().unwrap().breaks, Vec::<String>::new(), "{denied_in}");
        }
    }
    let mut second = trail(OWN, OWN);
    second.arn.push('2');
    let one_is_denied = Made::whole().denied(&cloudtrail::TRAIL, "status").with([second]);
    assert_eq!(one_is_denied.follow().unwrap().breaks, Vec::<String>::new());
}

#[test]
fn what_is_broken_anyway_is_broken_whatever_is_in_doubt_before_it() {
    let made =
        Made::whole().denied(&cloudtrail::TRAIL, "status").set(&cloudwatch::ALARM, "topics", json!([]));
    assert!(breaks(made).contains("tells no SNS topic"));
    let made = Made::whole().denied(&cloudtrail::TRAIL, "status").set(
        &cloudtrail::TRAIL,
        "is_multi_region",
        json!(false),
    );
    assert!(breaks(made).contains("records one region only"));
}

fn of_the_organization() -> Vec<Resource> {
    vec![
        trail(OWN, OTHER),
        trail(OTHER, OTHER),
        filter(OTHER, "root", ROOT),
        alarm(OTHER, "root", OTHER),
        topic(OTHER),
    ]
}

#[test]
fn a_member_has_what_the_organization_provides() {
    let made = Made::of(of_the_organization()).scanning(OTHER);
    assert_eq!(made.clone().follow().unwrap().breaks, Vec::<String>::new());
    // A member may not see the log group, nor ask about the trail.
    let mut blind = made.clone();
    let shadow = blind.resources.iter_mut().find(|one| one.account == OWN).unwrap();
    shadow.fields.insert("log_group".to_owned(), Facet::Known(Value::Null));
    shadow.fields.insert("status".to_owned(), Facet::Unknown(denied("status")));
    assert_eq!(blind.follow().unwrap().breaks, Vec::<String>::new());
    let broken = made.set(&sns::TOPIC, "subscriptions", json!([]));
    assert!(breaks(broken).contains("has no confirmed subscription"));
}

#[test]
fn what_lies_outside_the_scan_is_unknown_and_named() {
    let unseen = Made::of(vec![trail(OWN, OTHER)]).follow().unwrap_err();
    assert_eq!(unseen.cause, Cause::OutOfScope);
    assert!(unseen.message.contains(OTHER), "{unseen:?}");
    let hidden = Made::of(vec![trail(OWN, OTHER)]).set(&cloudtrail::TRAIL, "log_group", Value::Null);
    let unseen = hidden.follow().unwrap_err();
    assert_eq!(unseen.cause, Cause::OutOfScope);
    assert!(unseen.message.contains(OTHER), "{unseen:?}");
    let told = vec![trail(OWN, OWN), filter(OWN, "root", ROOT), alarm(OWN, "root", OTHER)];
    let unseen = Made::of(told).follow().unwrap_err();
    assert_eq!(unseen.cause, Cause::OutOfScope);
    assert!(unseen.message.contains(&topic_arn(OTHER)), "{unseen:?}");
}

#[test]
fn a_topic_and_an_alarm_of_another_account_count_where_they_were_scanned() {
    let topic_there =
        vec![trail(OWN, OWN), filter(OWN, "root", ROOT), alarm(OWN, "root", OTHER), topic(OTHER)];
    assert_eq!(Made::of(topic_there).scanning(OTHER).follow().unwrap().breaks, Vec::<String>::new());
    let watched = json!([{ "account": OWN, "namespace": "CIS", "name": "Root", "dimensions": [] }]);
    let alarm_there =
        vec![trail(OWN, OWN), filter(OWN, "root", ROOT), alarm(OTHER, "root", OTHER), topic(OTHER)];
    let made = Made::of(alarm_there).scanning(OTHER);
    assert!(breaks(made.clone()).contains("no alarm watches"), "its metric is another account's own");
    let made = made.set(&cloudwatch::ALARM, "metrics", watched);
    assert_eq!(made.follow().unwrap().breaks, Vec::<String>::new());
}

#[test]
fn a_composite_alarm_tells_for_an_alarm_that_tells_nobody() {
    let silent = || Made::whole().set(&cloudwatch::ALARM, "topics", json!([]));
    let sure = silent().with([composite(OWN, "ALARM(other) OR ALARM(root)")]);
    assert_eq!(sure.follow().unwrap().breaks, Vec::<String>::new());
    let maybe = silent().with([composite(OWN, "ALARM(root) AND NOT ALARM(maintenance)")]);
    assert_eq!(maybe.follow().unwrap_err().cause, Cause::ControlError);
    let never = silent().with([composite(OWN, "ALARM(other)")]);
    assert!(breaks(never).contains("tells no SNS topic"));
}

#[test]
fn a_query_that_names_the_metric_is_not_guessed() {
    let query = Made::whole().set(&cloudwatch::ALARM, "metrics", json!([])).set(
        &cloudwatch::ALARM,
        "expressions",
        json!(["SELECT SUM(Root) FROM SCHEMA(\"CIS\")"]),
    );
    assert_eq!(query.follow().unwrap_err().cause, Cause::ControlError);
}

#[test]
fn a_filter_that_takes_only_some_accounts_or_changed_events_is_not_guessed() {
    for (field, value) in
        [("field_selection", json!("@aws.account = \"111122223333\"")), ("is_on_transformed", json!(true))]
    {
        let unseen = Made::whole().set(&logs::METRIC_FILTER, field, value).follow().unwrap_err();
        assert!(unseen.message.contains("is not evaluated"), "{unseen:?}");
    }
}

#[test]
fn filters_share_the_work_and_ignored_events_need_no_filter() {
    let halves = |names: &[&str]| {
        let conditions: Vec<String> = names.iter().map(|name| format!("$.eventName = {name}")).collect();
        format!("{{ {} }}", conditions.join(" || "))
    };
    let rest = [alarm(OWN, "root", OWN), topic(OWN), trail(OWN, OWN)];
    let some = filter(OWN, "a", &halves(&["CreateTrail", "UpdateTrail"]));
    let others = filter(OWN, "b", &halves(&["DeleteTrail", "StartLogging"]));
    let made = Made::of(rest.to_vec()).with([some, others]);
    let chain = made.clone().follow_for("cloudtrail-changes", &[]).unwrap();
    let missed = "no metric filter on the log group of a trail matches StopLogging";
    assert_eq!(chain.breaks, [missed]);
    let chain = made.follow_for("cloudtrail-changes", &["StopLogging"]).unwrap();
    assert_eq!((chain.breaks.len(), chain.holds.len()), (0, 2));
}

#[test]
fn an_unknown_requirement_is_a_mistake_and_no_verdict() {
    let unseen = Made::whole().follow_for("root", &[]).unwrap_err();
    assert_eq!(unseen.cause, Cause::ControlError);
}
