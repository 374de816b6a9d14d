use proptest::prelude::*;
use serde_json::json;

use super::*;

fn rule(protocol: &str, ports: (i64, i64), ipv4: &[&str], ipv6: &[&str]) -> Value {
    json!({
        "protocol": protocol, "from_port": ports.0, "to_port": ports.1,
        "ipv4": ipv4, "ipv6": ipv6, "prefix_lists": [], "groups": [],
    })
}

fn open(rules: &[Value], family: &str) -> Vec<i64> {
    open_ports(&json!(rules), &Value::Null, family, &[22, 445, 3389]).unwrap()
}

#[test]
fn a_range_of_ports_opens_those_within() {
    assert_eq!(open(&[rule("tcp", (22, 22), &["0.0.0.0/0"], &[])], "ipv4"), [22]);
    assert_eq!(open(&[rule("6", (20, 25), &["0.0.0.0/0"], &[])], "ipv4"), [22]);
    assert_eq!(open(&[rule("udp", (3389, 3389), &["0.0.0.0/0"], &[])], "ipv4"), [3389]);
    assert_eq!(open(&[rule("17", (0, 65535), &["0.0.0.0/0"], &[])], "ipv4"), [22, 445, 3389]);
    assert_eq!(open(&[rule("tcp", (23, 444), &["0.0.0.0/0"], &[])], "ipv4"), [0; 0]);
    assert_eq!(open(&[], "ipv4"), [0; 0]);
}

#[test]
fn families_are_asked_about_one_by_one() {
    let rules = [rule("tcp", (22, 22), &["0.0.0.0/0"], &[]), rule("tcp", (3389, 3389), &[], &["::/0"])];
    assert_eq!(open(&rules, "ipv4"), [22]);
    assert_eq!(open(&rules, "ipv6"), [3389]);
}

#[test]
fn every_protocol_opens_every_port_and_icmp_none() {
    let all = json!({ "protocol": "-1", "from_port": null, "to_port": null, "ipv4": ["0.0.0.0/0"], "ipv6": [],
                      "prefix_lists": [], "groups": [] });
    assert_eq!(open(&[all], "ipv4"), [22, 445, 3389]);
    let without_ports = json!({ "protocol": "-1", "ipv4": ["0.0.0.0/0"], "ipv6": [], "prefix_lists": [] });
    assert_eq!(open(&[without_ports], "ipv4"), [22, 445, 3389]);
    for protocol in ["icmp", "icmpv6", "1", "58", "47", "50"] {
        assert_eq!(open(&[rule(protocol, (3, 22), &["0.0.0.0/0"], &["::/0"])], "ipv4"), [0; 0], "{protocol}");
        assert_eq!(
            open(&[rule(protocol, (-1, -1), &["0.0.0.0/0"], &["::/0"])], "ipv6"),
            [0; 0],
            "{protocol}"
        );
    }
}

#[test]
fn half_of_the_internet_is_wide_open_and_less_is_not() {
    for half in ["0.0.0.0/1", "128.0.0.0/1", "0.0.0.0/0"] {
        assert_eq!(open(&[rule("tcp", (22, 22), &[half], &[])], "ipv4"), [22], "{half}");
    }
    for half in ["::/1", "8000::/1", "::/0"] {
        assert_eq!(open(&[rule("tcp", (22, 22), &[], &[half])], "ipv6"), [22], "{half}");
    }
    for part in ["0.0.0.0/2", "192.0.0.0/2", "10.0.0.0/24", "255.255.255.255/32"] {
        assert_eq!(open(&[rule("tcp", (22, 22), &[part], &[])], "ipv4"), [0; 0], "{part}");
    }
    for part in ["::/2", "c000::/2", "2001:db8::/32"] {
        assert_eq!(open(&[rule("tcp", (22, 22), &[], &[part])], "ipv6"), [0; 0], "{part}");
    }
}

#[test]
fn rules_add_up() {
    let parts = [
        rule("tcp", (22, 22), &["0.0.0.0/2"], &["::/2"]),
        rule("tcp", (0, 1024), &["128.0.0.0/2"], &["8000::/2"]),
    ];
    assert_eq!(open(&parts, "ipv4"), [22]);
    assert_eq!(open(&parts, "ipv6"), [22]);
    assert_eq!(open(&parts[..1], "ipv4"), [0; 0]);
    let eighths = rule("tcp", (22, 22), &["192.0.0.0/3", "0.0.0.0/3", "64.0.0.0/3", "96.0.0.0/3"], &[]);
    assert_eq!(open(&[eighths], "ipv4"), [22]);
    let counted_twice = rule("tcp", (22, 22), &["0.0.0.0/2", "0.0.0.0/2", "0.0.0.0/3", "64.0.0.0/3"], &[]);
    assert_eq!(open(&[counted_twice], "ipv4"), [0; 0]);
    let one_address_less = rule(
        "tcp",
        (22, 22),
        &[
            "0.0.0.0/2",
            "64.0.0.0/3",
            "96.0.0.0/4",
            "112.0.0.0/5",
            "120.0.0.0/6",
            "124.0.0.0/7",
            "126.0.0.0/8",
        ],
        &[],
    );
    assert_eq!(open(&[one_address_less], "ipv4"), [0; 0]);
}

#[test]
fn a_quarter_by_tcp_and_a_quarter_by_udp_is_not_a_half() {
    let rules = [rule("tcp", (22, 22), &["0.0.0.0/2"], &[]), rule("udp", (22, 22), &["128.0.0.0/2"], &[])];
    assert_eq!(open(&rules, "ipv4"), [0; 0]);
    let with_all = [rule("tcp", (22, 22), &["0.0.0.0/2"], &[]), rule("-1", (0, 0), &["128.0.0.0/2"], &[])];
    assert_eq!(open(&with_all, "ipv4"), [22]);
}

#[test]
fn every_spelling_of_the_whole_internet_is_it() {
    for range in ["::/0", "0::/0", "0:0:0:0:0:0:0:0/0", "2001:db8::1/0", "::0.0.0.0/0"] {
        assert_eq!(open(&[rule("tcp", (22, 22), &[], &[range])], "ipv6"), [22], "{range}");
    }
    assert_eq!(open(&[rule("tcp", (22, 22), &["203.0.113.7/0"], &[])], "ipv4"), [22]);
}

#[test]
fn prefix_lists_are_looked_up() {
    let mut with_list = rule("tcp", (22, 22), &["0.0.0.0/2"], &[]);
    with_list["prefix_lists"] = json!(["pl-1"]);
    let rules = json!([with_list]);
    let ask = |lists: Value, family| open_ports(&rules, &lists, family, &[22, 3389]);
    assert_eq!(ask(json!({ "pl-1": ["0.0.0.0/0"] }), "ipv4"), Ok(vec![22]));
    assert_eq!(ask(json!({ "pl-1": ["128.0.0.0/2", "10.0.0.0/8"] }), "ipv4"), Ok(vec![22]));
    assert_eq!(ask(json!({ "pl-1": ["10.0.0.0/8"] }), "ipv4"), Ok(vec![]));
    assert_eq!(ask(json!({ "pl-1": ["0.0.0.0/0"] }), "ipv6"), Ok(vec![]));
    assert_eq!(ask(json!({ "pl-1": ["::/0"] }), "ipv6"), Ok(vec![22]));
    assert_eq!(ask(Value::Null, "ipv4"), Ok(vec![]));
}

#[test]
fn an_unknown_prefix_list_is_a_mistake_only_where_it_decides() {
    let mut with_list = rule("tcp", (22, 22), &[], &[]);
    with_list["prefix_lists"] = json!(["pl-1"]);
    let ask = |rules: Value, lists: Value, ports: &[i64]| open_ports(&rules, &lists, "ipv4", ports);
    let mistake = ask(json!([with_list]), json!({}), &[22]).unwrap_err();
    assert_eq!(mistake.to_string(), "the entries of prefix list `pl-1` are not known");
    assert!(ask(json!([with_list]), json!({ "pl-1": null }), &[22]).is_err());
    assert_eq!(ask(json!([with_list]), json!({}), &[3389]), Ok(vec![]));
    let anyway = rule("-1", (0, 0), &["0.0.0.0/0"], &[]);
    assert_eq!(ask(json!([with_list, anyway]), json!({}), &[22, 3389]), Ok(vec![22, 3389]));
}

#[test]
fn what_is_no_rule_is_a_mistake() {
    let good = rule("tcp", (22, 22), &["0.0.0.0/0"], &[]);
    let broken = |key: &str, value: Value| {
        let mut rule = good.clone();
        rule[key] = value;
        open_ports(&json!([rule]), &Value::Null, "ipv4", &[22])
    };
    for (key, value) in [
        ("protocol", Value::Null),
        ("protocol", json!(6)),
        ("protocol", json!("tpc")),
        ("protocol", json!("256")),
        ("protocol", json!("")),
        ("from_port", Value::Null),
        ("to_port", json!("22")),
        ("to_port", json!(-1)),
        ("to_port", json!(65536)),
        ("to_port", json!(22.5)),
        ("from_port", json!(u64::MAX)),
        ("from_port", json!(23)),
        ("ipv4", Value::Null),
        ("ipv4", json!("0.0.0.0/0")),
        ("ipv4", json!([7])),
        ("ipv4", json!(["0.0.0.0/33"])),
        ("ipv4", json!(["10.0.0/8"])),
        ("ipv4", json!(["010.0.0.0/8"])),
        ("ipv4", json!(["everyone"])),
        ("prefix_lists", Value::Null),
    ] {
        assert!(broken(key, value.clone()).is_err(), "{key}: {value}");
    }
    let rules = json!([good]);
    assert!(open_ports(&rules, &Value::Null, "IPv4", &[22]).is_err());
    assert!(open_ports(&rules, &Value::Null, "ipv4", &[65536]).is_err());
    assert!(open_ports(&rules, &Value::Null, "ipv4", &[-1]).is_err());
    assert!(open_ports(&rules, &json!([]), "ipv4", &[22]).is_err());
    assert!(open_ports(&good, &Value::Null, "ipv4", &[22]).is_err());
}

fn entry(number: i64, action: &str, protocol: &str, ports: (i64, i64), range: &str) -> Value {
    let mut entry = json!({
        "number": number, "egress": false, "action": action, "protocol": protocol,
        "from_port": ports.0, "to_port": ports.1, "ipv4": null, "ipv6": null,
    });
    entry[if range.contains(':') { "ipv6" } else { "ipv4" }] = json!(range);
    entry
}

const SSH: (i64, i64) = (22, 22);

fn open_in_acl(entries: &[Value]) -> Vec<i64> {
    let mut entries = entries.to_vec();
    entries.push(
        json!({ "number": 32767, "egress": false, "action": "deny", "protocol": "-1", "ipv4": "0.0.0.0/0" }),
    );
    entries.reverse();
    nacl_open_ports(&json!(entries), "ipv4", &[22, 3389]).unwrap()
}

#[test]
fn the_first_entry_that_fits_decides() {
    let allow = |number| entry(number, "allow", "6", SSH, "0.0.0.0/0");
    let deny = |number| entry(number, "deny", "6", (0, 65535), "0.0.0.0/0");
    assert_eq!(open_in_acl(&[]), [0; 0]);
    assert_eq!(open_in_acl(&[allow(100)]), [22]);
    assert_eq!(open_in_acl(&[allow(80), deny(90)]), [22]);
    assert_eq!(open_in_acl(&[deny(90), allow(100)]), [0; 0]);
    let everything =
        json!({ "number": 100, "egress": false, "action": "allow", "protocol": "-1", "ipv4": "0.0.0.0/0" });
    assert_eq!(open_in_acl(std::slice::from_ref(&everything)), [22, 3389]);
    // UDP is still open behind a Deny of TCP.
    assert_eq!(open_in_acl(&[deny(90), everything]), [22, 3389]);
}

#[test]
fn a_deny_of_a_few_addresses_does_not_close_a_port() {
    let few = entry(90, "deny", "-1", SSH, "203.0.113.0/24");
    let allow = entry(100, "allow", "6", SSH, "0.0.0.0/0");
    assert_eq!(open_in_acl(&[few.clone(), allow]), [22]);
    let quarters =
        [few, entry(100, "allow", "6", SSH, "0.0.0.0/2"), entry(110, "allow", "17", (0, 100), "128.0.0.0/2")];
    assert_eq!(open_in_acl(&quarters), [0; 0], "one quarter by TCP, one by UDP");
    let [few, lower, _] = quarters;
    assert_eq!(open_in_acl(&[few, lower, entry(110, "allow", "6", (0, 100), "128.0.0.0/2")]), [22]);
}

#[test]
fn an_allow_that_no_packet_reaches_opens_nothing() {
    let lower = entry(100, "allow", "6", SSH, "0.0.0.0/2");
    let others_denied =
        [entry(110, "deny", "6", SSH, "128.0.0.0/1"), entry(111, "deny", "6", SSH, "64.0.0.0/2")];
    let allow = entry(120, "allow", "6", SSH, "0.0.0.0/0");
    let [upper_denied, middle_denied] = others_denied;
    assert_eq!(open_in_acl(&[lower.clone(), upper_denied, middle_denied, allow.clone()]), [0; 0]);
    let half = entry(100, "allow", "6", SSH, "0.0.0.0/1");
    assert_eq!(open_in_acl(std::slice::from_ref(&half)), [22]);
    assert_eq!(open_in_acl(&[entry(90, "deny", "6", SSH, "0.0.0.0/1"), half]), [0; 0]);
    let denied_in_parts = [
        entry(10, "deny", "6", SSH, "0.0.0.0/1"),
        entry(20, "deny", "6", SSH, "192.0.0.0/2"),
        entry(30, "deny", "6", SSH, "128.0.0.0/2"),
        allow,
    ];
    assert_eq!(open_in_acl(&denied_in_parts), [0; 0]);
}

#[test]
fn egress_and_the_other_family_are_left_out() {
    let mut egress = entry(100, "allow", "-1", (0, 0), "0.0.0.0/0");
    egress["egress"] = json!(true);
    let entries = json!([egress, entry(101, "allow", "6", SSH, "::/0")]);
    assert_eq!(nacl_open_ports(&entries, "ipv4", &[22]), Ok(vec![]));
    assert_eq!(nacl_open_ports(&entries, "ipv6", &[22]), Ok(vec![22]));
}

#[test]
fn what_is_no_entry_is_a_mistake() {
    let good = entry(100, "allow", "6", SSH, "0.0.0.0/0");
    for (key, value) in [
        ("number", json!("100")),
        ("egress", Value::Null),
        ("action", json!("Allow")),
        ("protocol", json!("any")),
        ("from_port", Value::Null),
        ("ipv4", json!("::/0")),
        ("ipv4", json!("anywhere")),
        ("ipv4", Value::Null),
    ] {
        let mut entry = good.clone();
        entry[key] = value.clone();
        assert!(nacl_open_ports(&json!([entry]), "ipv4", &[22]).is_err(), "{key}: {value}");
    }
    let same_number = json!([good, entry(100, "deny", "6", SSH, "0.0.0.0/0")]);
    assert!(nacl_open_ports(&same_number, "ipv4", &[22]).is_err());
    assert!(nacl_open_ports(&json!(vec![good; 100_000]), "ipv4", &[22]).is_err());
    assert!(nacl_open_ports(&Value::Null, "ipv4", &[22]).is_err());
}

#[test]
fn one_range_covers_another() {
    let covers = |outer, inner| cidr_covers(outer, inner).unwrap();
    assert!(covers("10.0.0.0/8", "10.1.0.0/16"));
    assert!(covers("10.0.0.0/8", "10.0.0.0/8"));
    assert!(covers("0.0.0.0/0", "255.255.255.255"));
    assert!(covers("10.1.2.3/8", "10.255.255.255/32"));
    assert!(covers("fc00::/7", "fd00::/8"));
    assert!(covers("::/0", "ffff::/16"));
    assert!(!covers("10.1.0.0/16", "10.0.0.0/8"));
    assert!(!covers("10.0.0.0/9", "10.128.0.0/9"));
    assert!(!covers("0.0.0.0/0", "::/0"));
    assert!(!covers("::/0", "0.0.0.0/0"));
    assert!(cidr_covers("10.0.0.0/8", "pl-1").is_err());
    assert!(cidr_covers("", "10.0.0.0/8").is_err());
}

#[test]
fn known_networks_are_narrow() {
    assert_eq!(are_known_networks(&["203.0.113.0/24", "10.0.0.0/8", "2001:db8::/32", "192.0.2.1"]), Ok(true));
    assert_eq!(are_known_networks(&["203.0.113.0/24", "0.0.0.0/0"]), Ok(false));
    assert_eq!(are_known_networks(&["10.0.0.0/7"]), Ok(false));
    assert_eq!(are_known_networks(&["2000::/3"]), Ok(false));
    assert_eq!(are_known_networks(&["0.0.0.0/1", "128.0.0.0/1"]), Ok(false));
    let eights: Vec<String> = (0..=255).map(|first| format!("{first}.0.0.0/8")).collect();
    let eights: Vec<&str> = eights.iter().map(String::as_str).collect();
    assert_eq!(are_known_networks(&eights), Ok(false));
    assert_eq!(are_known_networks(&eights[1..]), Ok(true));
    assert!(are_known_networks(&["*"]).is_err());
}

#[test]
fn large_rule_sets_are_quick() {
    let ranges: Vec<String> =
        (0..100_000_u32).map(|n| format!("{}/32", std::net::Ipv4Addr::from(n * 2))).collect();
    let rules =
        json!([{ "protocol": "tcp", "from_port": 0, "to_port": 65535, "ipv4": ranges, "prefix_lists": [] }]);
    assert_eq!(open_ports(&rules, &Value::Null, "ipv4", &[22, 3389]), Ok(vec![]));
    let entries: Vec<Value> = (0..1_000_u32)
        .map(|n| entry(n.into(), "deny", "6", SSH, &format!("{}/32", std::net::Ipv4Addr::from(n * 2))))
        .collect();
    assert_eq!(nacl_open_ports(&json!(entries), "ipv4", &[22, 3389]), Ok(vec![]));
}

/// Ranges with few leading bits, so that random ones often add up to everything.
fn small_range() -> impl Strategy<Value = (u8, u8)> {
    (any::<u8>(), prop::sample::select(vec![0, 0, 1, 1, 1, 2, 2, 3, 8]))
}

fn written((first_byte, length): (u8, u8), family: &str) -> String {
    if family == "ipv4" {
        format!("{first_byte}.0.0.0/{length}")
    } else {
        format!("{first_byte:x}00::/{length}")
    }
}

/// Whether it holds for the addresses of half of all first bytes.
fn is_half(holds: impl Fn(u8) -> bool) -> bool {
    (0..=255).filter(|address| holds(*address)).count() >= 128
}

/// Whether an address with this first byte is in the range.
fn fits((first_byte, length): (u8, u8), address: u8) -> bool {
    length == 0 || (first_byte ^ address) >> (8 - length) == 0
}

fn any_protocol() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["tcp", "6", "udp", "17", "-1", "icmp", "58", "50"])
}

fn carries(protocol: &str, ports: (i64, i64), packet: (&str, i64)) -> bool {
    match protocol {
        "-1" => true,
        "tcp" | "6" => packet.0 == "tcp" && ports.0 <= packet.1 && packet.1 <= ports.1,
        "udp" | "17" => packet.0 == "udp" && ports.0 <= packet.1 && packet.1 <= ports.1,
        _ => false,
    }
}

fn small_ports() -> impl Strategy<Value = (i64, i64)> {
    (20_i64..25, 0_i64..4).prop_map(|(from, more)| (from, from + more))
}

const PACKET_PORTS: [i64; 3] = [21, 22, 24];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Every first byte of an address is tried, which is finer than the ranges.
    #[test]
    fn security_groups_agree_with_trying_every_packet(
        rules in prop::collection::vec((any_protocol(), small_ports(), prop::collection::vec(small_range(), 0..4)), 0..5),
        family in prop::sample::select(vec!["ipv4", "ipv6"]),
        in_rule in 0_usize..4,
    ) {
        let mut lists = json!({});
        let document: Vec<Value> = rules
            .iter()
            .enumerate()
            .map(|(number, (protocol, ports, ranges))| {
                let mut ranges: Vec<String> = ranges.iter().map(|range| written(*range, family)).collect();
                // The others come from a prefix list, which may hold the other family as well.
                let mut listed = ranges.split_off(in_rule.min(ranges.len()));
                listed.push((if family == "ipv4" { "::/0" } else { "0.0.0.0/0" }).to_owned());
                let list = format!("pl-{number}");
                lists[&list] = json!(listed);
                // A group lets in those who are in it, and is no address.
                json!({ "protocol": protocol, "from_port": ports.0, "to_port": ports.1, family: ranges,
                        "prefix_lists": [list], "groups": ["sg-0123456789abcdef0"] })
            })
            .collect();
        let lets_in = |packet: (&str, i64), address: u8| {
            rules.iter().any(|(protocol, ports, ranges)| {
                carries(protocol, *ports, packet) && ranges.iter().any(|range| fits(*range, address))
            })
        };
        let expected: Vec<i64> = PACKET_PORTS
            .into_iter()
            .filter(|port| ["tcp", "udp"].iter().any(|p| is_half(|address| lets_in((p, *port), address))))
            .collect();
        prop_assert_eq!(open_ports(&json!(document), &lists, family, &PACKET_PORTS), Ok(expected));
    }

    /// The oracle sends a packet from every first byte and notes which entry decides about it.
    #[test]
    fn network_acls_agree_with_trying_every_packet(
        entries in prop::collection::vec((any::<bool>(), any_protocol(), small_ports(), small_range()), 0..7),
        family in prop::sample::select(vec!["ipv4", "ipv6"]),
        seed in any::<prop::sample::Index>(),
    ) {
        let mut document: Vec<Value> = entries
            .iter()
            .enumerate()
            .map(|(number, (allows, protocol, ports, range))| {
                json!({ "number": number, "egress": false, "action": if *allows { "allow" } else { "deny" },
                        "protocol": protocol, "from_port": ports.0, "to_port": ports.1, family: written(*range, family) })
            })
            .collect();
        if !document.is_empty() {
            let by = seed.index(document.len());
            document.rotate_left(by);
        }
        let decider = |packet: (&str, i64), address: u8| {
            entries.iter().position(|(_, protocol, ports, range)| {
                carries(protocol, *ports, packet) && fits(*range, address)
            })
        };
        let answer = nacl_open_ports(&json!(document), family, &PACKET_PORTS).unwrap();
        for port in PACKET_PORTS {
            let mut expected = false;
            let mut everyone_gets_in = false;
            let mut anyone_gets_in = false;
            for protocol in ["tcp", "udp"] {
                let deciders: Vec<Option<usize>> = (0..=255).map(|address| decider((protocol, port), address)).collect();
                let gets_in = |decider: &Option<usize>| decider.is_some_and(|entry| entries[entry].0);
                everyone_gets_in |= deciders.iter().all(gets_in);
                anyone_gets_in |= deciders.iter().any(gets_in);
                expected |= is_half(|address| {
                    deciders.iter().flatten().any(|entry| entries[*entry].0 && fits(entries[*entry].3, address))
                });
            }
            prop_assert_eq!(answer.contains(&port), expected);
            prop_assert!(!everyone_gets_in || expected);
            prop_assert!(anyone_gets_in || !expected);
        }
    }
}
