//! An organization of as many accounts as are wanted, each like one of the demo's, in 17 regions.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use jiff::Timestamp;
use upright::aws::{Metered, OperationCount};
use upright::inventory::{self, Account, Inventory, Listing, Resource};
use upright::run::Observed;
use upright::scan::fanout::Accounts;
use upright_testkit::{Server, Shared, World};

/// The regions that are enabled in an account from the start.
const REGIONS: [&str; 17] = [
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ca-central-1",
    "eu-central-1",
    "eu-north-1",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
];
/// The region of the demo that the others are copies of.
const PATTERN: &str = "us-east-1";

/// The account that all are copies of.
pub struct Organization {
    account: Account,
    resources: Vec<Resource>,
    listings: Vec<Listing>,
    /// Calls in one account: those that are made once, and those that are made in each region.
    pub global_calls: u64,
    pub regional_calls: u64,
}

impl Organization {
    /// Scans the demo, and takes the account that has most.
    pub fn of_the_demo(upright: &Path) -> Self {
        let scope = ["--organization", "--role-name", "UprightScanner", "--regions", "us-east-1,eu-west-1"];
        let scan = [&["scan"], &scope[..], &["--out", "out"]].concat();
        let demo = Shared::scan(upright, &scan, &[1, 4]).unwrap();
        let server = Server::replay(&demo.recording).start().unwrap();
        let world = World::new(upright).unwrap();
        let run =
            world.run(&server.env(), &[&scan[..], &["--save-inventory", "state.zst"]].concat()).unwrap();
        let inventory =
            inventory::load(&world.dir().join("state.zst")).unwrap_or_else(|error| panic!("{error}: {run}"));
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for resource in inventory.resources() {
            *counts.entry(&resource.account).or_default() += 1;
        }
        let id = (*counts.iter().max_by_key(|(_, count)| **count).unwrap().0).to_owned();
        let account = inventory.account(&id).unwrap().clone();
        let calls = |is_global: bool| {
            let rows = inventory.coverage.iter().filter(|row| row.account == id);
            let rows =
                rows.filter(|row| if is_global { row.region == "global" } else { row.region == PATTERN });
            rows.map(|row| row.answered + row.unanswered).sum()
        };
        let (global_calls, regional_calls) = (calls(true), calls(false));
        let (resources, listings) = inventory.into_parts();
        let is_pattern = |account: &str, region: &str| account == id && region != "eu-west-1";
        Self {
            resources: resources.into_iter().filter(|r| is_pattern(&r.account, &r.region)).collect(),
            listings: listings.into_iter().filter(|l| is_pattern(&l.account, &l.region)).collect(),
            account,
            global_calls,
            regional_calls,
        }
    }

    pub fn words(&self) -> String {
        let regional = self.resources.iter().filter(|resource| resource.region == PATTERN).count();
        format!(
            "Each account has {} resources of its own and {regional} in each of {} regions; {} calls, and {} in each region.",
            self.resources.len() - regional,
            REGIONS.len(),
            self.global_calls,
            self.regional_calls,
        )
    }

    pub fn calls(&self) -> u64 {
        self.global_calls + self.regional_calls * REGIONS.len() as u64
    }

    fn id(number: usize) -> String {
        format!("{:012}", 100_000_000_000 + number)
    }

    fn account(&self, number: usize) -> Account {
        Account {
            id: Self::id(number),
            name: format!("account {number}"),
            regions: REGIONS.map(str::to_owned).into(),
            is_management: Some(number == 0),
            ..self.account.clone()
        }
    }

    pub fn accounts(&self, accounts: usize) -> Accounts {
        Accounts {
            to_scan: (0..accounts).map(|n| self.account(n)).collect(),
            left_out: Vec::new(),
            unseen: None,
            metered: Metered::default(),
        }
    }

    /// What a scan of one account would observe.
    pub fn observed(&self, number: usize) -> Observed {
        let id = Self::id(number);
        let mut resources = Vec::new();
        let mut listings = Vec::new();
        for (at, region) in REGIONS.iter().enumerate() {
            let is_here = |of: &str| of == PATTERN || at == 0;
            let copied = self.resources.iter().filter(|resource| is_here(&resource.region));
            resources.extend(copied.map(|resource| self.copy(resource, &id, region)));
            let copied = self.listings.iter().filter(|listing| is_here(&listing.region));
            listings.extend(copied.map(|listing| self.copy(listing, &id, region)));
        }
        let inventory =
            Inventory::new(Timestamp::now(), vec![self.account(number)], resources, listings, Vec::new());
        let calls = vec![OperationCount {
            operation: "all:Calls".to_owned(),
            requests: self.calls(),
            retries: 0,
            throttles: 0,
            busy_ms: 0,
        }];
        Observed { inventory, calls }
    }

    /// The same in another account and region: ids and ARNs name them, and names of buckets are nobody else's.
    fn copy<T: serde::Serialize + serde::de::DeserializeOwned>(&self, of: &T, id: &str, region: &str) -> T {
        let text = serde_json::to_string(of).unwrap();
        serde_json::from_str(
            &text
                .replace("upright-demo", &format!("demo-{id}-{PATTERN}"))
                .replace(&self.account.id, id)
                .replace(PATTERN, region),
        )
        .unwrap()
    }
}

/// What a folder holds.
pub fn mebibytes(folder: &Path) -> f64 {
    let size = Command::new("du").arg("-sk").arg(folder).output().unwrap();
    let size =
        String::from_utf8_lossy(&size.stdout).split_whitespace().next().unwrap().parse::<f64>().unwrap();
    size / 1024.0
}
