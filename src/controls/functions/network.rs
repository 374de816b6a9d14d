//! Address ranges, and what the rules of security groups and network ACLs open to the whole internet.
//!
//! A port is open to the internet when TCP or UDP packets from half of all addresses or more reach it: whoever
//! writes `0.0.0.0/1` shuts nobody out, and means to pass a check for `0.0.0.0/0`. Rules add up: `0.0.0.0/2` in one
//! rule and `128.0.0.0/2` in another are as much. In ICMP rules the two port fields are
//! [type and code](https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_IpPermission.html), so they
//! open no port; protocol `-1` has no port range and opens all.
//!
//! A range whose host bits are set, such as `10.0.0.1/8`, means its network, as EC2 reads it.

use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::{Map, Value};

use super::{Mistake, shape};

/// More entries than any network ACL can have (AWS allows 40 in each direction).
const MOST_ENTRIES: usize = 1_000;

/// Those of the ports that the rules of a security group open to the internet, in their order.
///
/// A rule is `{ protocol, from_port, to_port, ipv4: [range], ipv6: [range], prefix_lists: [id] }`.
/// `prefix_lists` maps the ids to their ranges; when it is null only the ranges in the rules are looked at.
///
/// # Errors
///
/// The arguments do not have that shape, or a prefix list that would decide about a port is not in the map.
pub(crate) fn open_ports(
    rules: &Value,
    prefix_lists: &Value,
    family: &str,
    ports: &[i64],
) -> Result<Vec<i64>, Mistake> {
    let family = Family::parse(family)?;
    let rules = shape::list(rules, "the rules")?
        .iter()
        .map(|rule| Rule::parse(rule, family))
        .collect::<Result<Vec<_>, _>>()?;
    let lists = match prefix_lists {
        Value::Null => None,
        lists => Some(shape::map(lists, "the prefix lists")?),
    };
    let mut open = Vec::new();
    for &port in ports {
        let port_number = port_number(port)?;
        let mut undecided = None;
        let mut is_open = false;
        for protocol in Protocol::BOTH {
            let reaching = rules.iter().filter(|rule| rule.traffic.reaches(protocol, port_number));
            match reach(reaching, lists, family)? {
                Reach::Everyone => is_open = true,
                Reach::Some => {}
                Reach::Undecided(list) => undecided = Some(list),
            }
        }
        match undecided {
            _ if is_open => open.push(port),
            Some(list) => {
                return Err(Mistake::new(format!("the entries of prefix list `{list}` are not known")));
            }
            None => {}
        }
    }
    Ok(open)
}

/// Those of the ports that a network ACL opens to the internet, in their order.
///
/// An entry is `{ number, egress, action, protocol, from_port, to_port, ipv4, ipv6 }`. The entries are
/// read in the order of their numbers, and the first that fits a packet decides about it. An `allow` counts
/// with the addresses that it is written for, as long as any packet gets as far as to it: a `deny` of a few
/// addresses in front of an `allow` of all does not close the port, a `deny` of all does. This is the question
/// of CIS, which asks what the first entry says that speaks about the whole internet.
///
/// # Errors
///
/// The arguments do not have that shape.
pub(crate) fn nacl_open_ports(entries: &Value, family: &str, ports: &[i64]) -> Result<Vec<i64>, Mistake> {
    let family = Family::parse(family)?;
    let entries = ingress(entries, family)?;
    let mut open = Vec::new();
    for &port in ports {
        let number = port_number(port)?;
        let is_open = Protocol::BOTH.into_iter().any(|protocol| {
            let fitting = entries.iter().filter(|entry| entry.traffic.reaches(protocol, number));
            family.is_open_to(allowed(fitting, family))
        });
        if is_open {
            open.push(port);
        }
    }
    Ok(open)
}

/// Whether one address range contains another. A bare address is a range of one; ranges of different
/// families contain nothing of each other.
///
/// # Errors
///
/// One of them is not an address range.
pub(crate) fn cidr_covers(outer: &str, inner: &str) -> Result<bool, Mistake> {
    let (outer, inner) = (network(outer)?, network(inner)?);
    Ok(Family::of(outer) == Family::of(inner) && Range::of(outer).contains(Range::of(inner)))
}

/// Whether some ranges are narrow enough to name networks that somebody knows. AWS calls a policy public when
/// a range is [broader than /8, or /32 for IPv6](https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html);
/// many narrow ones that together are every address are no better.
pub(super) fn are_known_networks(ranges: &[&str]) -> Result<bool, Mistake> {
    let networks = ranges.iter().map(|range| network(range)).collect::<Result<Vec<_>, _>>()?;
    let narrow = networks.iter().all(|network| match network {
        IpNet::V4(network) => network.prefix_len() >= 8,
        IpNet::V6(network) => network.prefix_len() >= 32,
    });
    let every_address = [Family::V4, Family::V6].into_iter().any(|family| {
        let members = networks.iter().filter(|network| Family::of(**network) == family);
        family.is_covered_by(members.map(|network| Range::of(*network)).collect())
    });
    Ok(narrow && !every_address)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    V4,
    V6,
}

impl Family {
    fn parse(name: &str) -> Result<Self, Mistake> {
        match name {
            "ipv4" => Ok(Self::V4),
            "ipv6" => Ok(Self::V6),
            _ => Err(Mistake::new("the address family must be 'ipv4' or 'ipv6'")),
        }
    }

    const fn of(network: IpNet) -> Self {
        match network {
            IpNet::V4(_) => Self::V4,
            IpNet::V6(_) => Self::V6,
        }
    }

    const fn field(self) -> &'static str {
        match self {
            Self::V4 => "ipv4",
            Self::V6 => "ipv6",
        }
    }

    fn whole(self) -> Range {
        let last = match self {
            Self::V4 => u128::from(u32::MAX),
            Self::V6 => u128::MAX,
        };
        Range { first: 0, last }
    }

    /// Whether the union of the ranges is half of all addresses, or more.
    fn is_open_to(self, mut ranges: Vec<Range>) -> bool {
        ranges.sort_unstable_by_key(|range| range.first);
        let half = self.whole().last / 2;
        // What is counted is one less than there are, since the number of all IPv6 addresses does not fit.
        let mut counted: u128 = 0;
        let mut next = 0;
        for range in ranges {
            let first = range.first.max(next);
            if range.last < first {
                continue;
            }
            if counted.saturating_add(range.last - first) >= half {
                return true;
            }
            counted += range.last - first + 1;
            // Past the half for certain, if there is no next address.
            next = range.last.saturating_add(1);
        }
        false
    }

    /// Whether the union of the ranges is every address.
    fn is_covered_by(self, mut ranges: Vec<Range>) -> bool {
        let whole = self.whole();
        ranges.sort_unstable_by_key(|range| range.first);
        let mut next = whole.first;
        for range in ranges {
            if range.first > next {
                return false;
            }
            if range.last >= whole.last {
                return true;
            }
            next = next.max(range.last.saturating_add(1));
        }
        false
    }
}

/// Addresses as numbers, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Range {
    first: u128,
    last: u128,
}

impl Range {
    fn of(network: IpNet) -> Self {
        let number = |address| match address {
            IpAddr::V4(address) => u128::from(u32::from(address)),
            IpAddr::V6(address) => u128::from(address),
        };
        Self { first: number(network.network()), last: number(network.broadcast()) }
    }

    const fn contains(self, other: Self) -> bool {
        self.first <= other.first && other.last <= self.last
    }

    const fn meets(self, other: Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }

    /// What is left of it without another range: nothing, or what is below and above.
    fn without(self, other: Self) -> impl Iterator<Item = Self> {
        let (below, above) = if self.meets(other) {
            let below = other.first.checked_sub(1).map(|last| Self { first: self.first, last });
            let above = other.last.checked_add(1).map(|first| Self { first, last: self.last });
            (below, above)
        } else {
            (Some(self), None)
        };
        below.into_iter().chain(above).filter(|range| range.first <= range.last)
    }
}

fn network(range: &str) -> Result<IpNet, Mistake> {
    // `IpNet` takes `010.0.0.0/8`, which is 10 to some and 8 to others; `IpAddr` does not.
    let address = range.split('/').next().and_then(|address| address.parse::<IpAddr>().ok());
    let network = match address {
        Some(address) if !range.contains('/') => Some(IpNet::from(address)),
        Some(_) => range.parse().ok(),
        None => None,
    };
    network.ok_or_else(|| {
        let start: String = range.chars().filter(|c| !c.is_control()).take(60).collect();
        Mistake::new(format!("`{start}` is not an address range"))
    })
}

fn port_number(port: i64) -> Result<u16, Mistake> {
    u16::try_from(port).map_err(|_| Mistake::new(format!("{port} is not a port")))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Tcp,
    Udp,
}

impl Protocol {
    const BOTH: [Self; 2] = [Self::Tcp, Self::Udp];
}

/// The packets that a rule or entry speaks about, apart from their addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Traffic {
    Everything,
    Ports {
        protocol: Protocol,
        first: u16,
        last: u16,
    },
    /// A protocol that has no ports.
    Portless,
}

impl Traffic {
    /// # Errors
    ///
    /// The protocol is none, or TCP or UDP without a port range.
    fn parse(rule: &Map<String, Value>, what: &str) -> Result<Self, Mistake> {
        let protocol = shape::text(shape::member(rule, "protocol", what)?, "a protocol")?;
        let protocol = match protocol.to_ascii_lowercase().as_str() {
            "-1" | "all" => return Ok(Self::Everything),
            "tcp" | "6" => Protocol::Tcp,
            "udp" | "17" => Protocol::Udp,
            "icmp" | "icmpv6" => return Ok(Self::Portless),
            number if number.parse::<u8>().is_ok() => return Ok(Self::Portless),
            _ => return Err(Mistake::new("a protocol is neither a known name nor a number")),
        };
        let end = |field: &str| match shape::optional(rule, field) {
            Some(port) => shape::integer(port, "a port").and_then(port_number),
            None => Err(Mistake::new(format!("{what} for TCP or UDP has no `{field}`"))),
        };
        let (first, last) = (end("from_port")?, end("to_port")?);
        if first > last {
            return Err(Mistake::new(format!("{what} has a port range that ends before it starts")));
        }
        Ok(Self::Ports { protocol, first, last })
    }

    fn reaches(self, wanted: Protocol, port: u16) -> bool {
        match self {
            Self::Everything => true,
            Self::Ports { protocol, first, last } => protocol == wanted && (first..=last).contains(&port),
            Self::Portless => false,
        }
    }
}

/// A rule of a security group.
struct Rule<'a> {
    traffic: Traffic,
    ranges: Vec<Range>,
    prefix_lists: Vec<&'a str>,
}

impl<'a> Rule<'a> {
    fn parse(rule: &'a Value, family: Family) -> Result<Self, Mistake> {
        let rule = shape::map(rule, "a rule")?;
        let ranges = shape::texts(shape::member(rule, family.field(), "a rule")?, "the ranges of a rule")?;
        Ok(Self {
            traffic: Traffic::parse(rule, "a rule")?,
            ranges: family_ranges(&ranges, family)?,
            prefix_lists: shape::texts(
                shape::member(rule, "prefix_lists", "a rule")?,
                "the prefix lists of a rule",
            )?,
        })
    }
}

fn family_ranges(ranges: &[&str], family: Family) -> Result<Vec<Range>, Mistake> {
    let mut found = Vec::new();
    for range in ranges {
        let network = network(range)?;
        if Family::of(network) == family {
            found.push(Range::of(network));
        }
    }
    Ok(found)
}

/// Who gets through some rules that reach a port.
enum Reach<'a> {
    /// Half of all addresses, or more.
    Everyone,
    Some,
    /// It depends on a prefix list that is not known.
    Undecided(&'a str),
}

fn reach<'a>(
    rules: impl Iterator<Item = &'a Rule<'a>>,
    lists: Option<&Map<String, Value>>,
    family: Family,
) -> Result<Reach<'a>, Mistake> {
    let mut ranges = Vec::new();
    let mut unknown = None;
    for rule in rules {
        ranges.extend_from_slice(&rule.ranges);
        let Some(lists) = lists else { continue };
        for id in &rule.prefix_lists {
            match shape::optional(lists, id) {
                Some(entries) => {
                    let entries = shape::texts(entries, "the entries of a prefix list")?;
                    ranges.extend(family_ranges(&entries, family)?);
                }
                None => unknown = Some(*id),
            }
        }
    }
    Ok(match unknown {
        _ if family.is_open_to(ranges) => Reach::Everyone,
        Some(list) => Reach::Undecided(list),
        None => Reach::Some,
    })
}

/// An ingress entry of a network ACL.
struct Entry {
    number: i64,
    allows: bool,
    traffic: Traffic,
    range: Range,
}

/// The ingress entries for a family, in the order of their numbers.
fn ingress(entries: &Value, family: Family) -> Result<Vec<Entry>, Mistake> {
    let entries = shape::list(entries, "the entries")?;
    if entries.len() > MOST_ENTRIES {
        return Err(Mistake::new("a network ACL has more entries than AWS allows"));
    }
    let mut found = Vec::new();
    for entry in entries {
        let entry = shape::map(entry, "an entry")?;
        if shape::boolean(shape::member(entry, "egress", "an entry")?, "`egress`")? {
            continue;
        }
        found.extend(parse_entry(entry, family)?);
    }
    found.sort_by_key(|entry| entry.number);
    let contradicts = |pair: &[Entry]| match pair {
        [one, next] => one.number == next.number && one.allows != next.allows,
        _ => false,
    };
    if found.windows(2).any(contradicts) {
        return Err(Mistake::new("two entries of a network ACL have the same number"));
    }
    Ok(found)
}

/// The entry, unless it is for the other family.
fn parse_entry(entry: &Map<String, Value>, family: Family) -> Result<Option<Entry>, Mistake> {
    let what = "an entry";
    let number = shape::integer(shape::member(entry, "number", what)?, "the number of an entry")?;
    let allows = match shape::text(shape::member(entry, "action", what)?, "the action of an entry")? {
        "allow" => true,
        "deny" => false,
        _ => return Err(Mistake::new("an entry neither allows nor denies")),
    };
    let traffic = Traffic::parse(entry, what)?;
    let Some(range) = shape::optional(entry, family.field()) else {
        let other = shape::optional(entry, "ipv4").or_else(|| shape::optional(entry, "ipv6"));
        return other.map(|_| None).ok_or_else(|| Mistake::new("an entry has no address range"));
    };
    let network = network(shape::text(range, "the range of an entry")?)?;
    if Family::of(network) != family {
        return Err(Mistake::new(format!("the `{}` of an entry is of the other family", family.field())));
    }
    Ok(Some(Entry { number, allows, traffic, range: Range::of(network) }))
}

/// The ranges of those entries that let packets in, for packets that all the entries fit but for the address.
fn allowed<'a>(entries: impl Iterator<Item = &'a Entry>, family: Family) -> Vec<Range> {
    let mut undecided = vec![family.whole()];
    let mut allowed = Vec::new();
    for entry in entries {
        if !undecided.iter().any(|range| range.meets(entry.range)) {
            continue;
        }
        if entry.allows {
            allowed.push(entry.range);
        }
        undecided = undecided.into_iter().flat_map(|range| range.without(entry.range)).collect();
    }
    allowed
}

#[cfg(test)]
mod tests;
