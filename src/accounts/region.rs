//! Which regions of an account are scanned.
//!
//! Call: `ec2:DescribeRegions`, once in each account at the home region
//! ([DescribeRegions](https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeRegions.html)).

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::aws::{Call, Reply, Session};
use crate::inventory::{Cause, GLOBAL, Unseen};

pub(super) static DESCRIBE_REGIONS: Call = Call::one("ec2", "DescribeRegions", "regionInfo");

/// The regions of one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Regions {
    /// Those to scan, by name; or why it is not known what is to be scanned.
    pub scanned: Result<Vec<String>, Unseen>,
    /// Those that were asked for and that the account does not have enabled, by name.
    pub absent: Vec<String>,
}

/// The regions of an account that are to be scanned, of those that were `asked` for; all when that is empty.
///
/// Where regions were asked for and the account does not tell which it has, all of them are scanned: each
/// one's calls show whether it is there.
pub async fn regions(session: &Arc<Session>, asked: &[String]) -> Regions {
    narrow(session.account(), asked, enabled_regions(session).await)
}

fn narrow(account: &str, asked: &[String], enabled: Result<Vec<String>, Unseen>) -> Regions {
    let asked: BTreeSet<String> = asked.iter().cloned().collect();
    if asked.is_empty() {
        return Regions { scanned: enabled, absent: Vec::new() };
    }
    let (scanned, absent): (Vec<String>, Vec<String>) = match enabled {
        Ok(enabled) => asked.into_iter().partition(|region| enabled.contains(region)),
        Err(_) => (asked.into_iter().collect(), Vec::new()),
    };
    if scanned.is_empty() {
        let message =
            format!("none of the regions asked for ({}) is enabled in the account", absent.join(", "));
        let unseen = Unseen::without_call(account, GLOBAL, Cause::OutOfScope, message);
        return Regions { scanned: Err(unseen), absent };
    }
    Regions { scanned: Ok(scanned), absent }
}

/// The enabled regions of an account, by name.
///
/// # Errors
/// Why they are not known.
pub async fn enabled_regions(session: &Arc<Session>) -> Result<Vec<String>, Unseen> {
    let place = session.home();
    let client = place.ec2();
    let reply = place.call(&DESCRIBE_REGIONS, || client.describe_regions().all_regions(false).send()).await?;
    let missing = |what: &str| place.malformed(&DESCRIBE_REGIONS, what);
    let Reply::Answer(output) = reply else {
        return Err(missing("no regions are named"));
    };
    let listed = output.regions.ok_or_else(|| missing("`Regions` is missing"))?;
    let mut enabled = BTreeSet::new();
    for region in listed {
        // `AllRegions=false` leaves them out already; a service that ignores it must not widen the scan.
        if region.opt_in_status.as_deref() != Some("not-opted-in") {
            enabled.insert(region.region_name.ok_or_else(|| missing("a region has no `RegionName`"))?);
        }
    }
    if enabled.is_empty() {
        return Err(missing("no region is enabled, and every account has some"));
    }
    Ok(enabled.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn denied() -> Unseen {
        Unseen::denied("111122223333", GLOBAL, "ec2:DescribeRegions", "UnauthorizedOperation", "")
    }

    #[test]
    fn all_enabled_regions_are_scanned_unless_some_are_asked_for() {
        let enabled = || Ok(names(&["eu-west-1", "us-east-1"]));
        assert_eq!(narrow("1", &[], enabled()).scanned, enabled());
        assert_eq!(
            narrow("1", &names(&["us-east-1", "me-south-1", "us-east-1"]), enabled()),
            Regions { scanned: Ok(names(&["us-east-1"])), absent: names(&["me-south-1"]) }
        );
    }

    #[test]
    fn when_the_account_does_not_tell_only_the_regions_asked_for_are_known() {
        assert_eq!(narrow("1", &names(&["eu-west-1"]), Err(denied())).scanned, Ok(names(&["eu-west-1"])));
        assert_eq!(narrow("1", &[], Err(denied())).scanned, Err(denied()));
    }

    #[test]
    fn no_region_at_all_is_unknown_and_not_clean() {
        let regions = narrow("1", &names(&["me-south-1"]), Ok(names(&["eu-west-1"])));
        assert_eq!(regions.scanned.unwrap_err().cause, Cause::OutOfScope);
        assert_eq!(regions.absent, ["me-south-1"]);
    }
}
