//! `upright iam-policy`.

use std::collections::BTreeSet;
use std::str::FromStr;

use clap::Args;
use jiff::Timestamp;

use super::output::print_json;
use super::scan::day;
use super::settings::{self, ScopeArguments};
use super::{Done, Stopped};
use crate::events::remote::policy::{self, Wanted};
use crate::events::remote::queue;
use crate::events::remote::s3::Address;
use crate::notify::Receiver;
use crate::run::{policies, trust_policy};

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    upright iam-policy                                   for the account of your credentials\n  \
    upright iam-policy --organization --role scanner     for the credentials the scan starts with\n  \
    upright iam-policy --organization --role member      for the role in every other account\n  \
    upright iam-policy --events s3://trail-bucket/AWSLogs/    for `upright events scan` of that\n  \
    upright iam-policy --trust 111122223333 --external-id X   who may assume that role")]
pub(super) struct IamPolicyArguments {
    #[command(flatten)]
    scope: ScopeArguments,
    /// Whose policy
    #[arg(long, value_enum, default_value_t = Role::Scanner)]
    role: Role,
    /// Print the trust policy of the member role instead, for a scanner with this ARN or in this account
    #[arg(long, value_name = "ARN_OR_ACCOUNT")]
    trust: Option<String>,
    /// With what `upright scan --send` needs as well: securityhub
    #[arg(long, value_delimiter = ',', value_name = "SERVICE", value_parser = Receiver::from_str)]
    send: Vec<Receiver>,
    /// With what `upright scan --who-changed` needs as well
    #[arg(long)]
    who_changed: bool,
    /// Print what `upright events scan` needs instead, for this address; may be given several times
    #[arg(long, value_name = "ADDRESS", value_parser = Address::from_str)]
    events: Vec<Address>,
    /// The same for this queue, by ARN or URL
    #[arg(long, value_name = "QUEUE")]
    sqs: Vec<String>,
    /// The same for the event history
    #[arg(long)]
    lookup: bool,
    /// The same for the verification of digests
    #[arg(long)]
    verify: bool,
    /// With --events or --sqs: the KMS key that encrypts them, by ARN [default: any, through S3 and SQS alone]
    #[arg(long, value_name = "ARN")]
    kms_key: Vec<String>,
    /// Partition of the accounts
    #[arg(long, default_value = "aws", value_parser = ["aws", "aws-us-gov", "aws-cn"])]
    partition: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Role {
    /// The credentials that the scan starts with.
    Scanner,
    /// The role in every other account.
    Member,
}

impl IamPolicyArguments {
    /// What `upright events scan` is to read; `None` where the policy of `upright scan` is asked for.
    fn of_events(&self) -> Result<Option<Wanted>, Stopped> {
        let queues = self.sqs.iter().map(|queue| queue::arn_of(queue, &self.partition));
        let queues: Result<Vec<_>, _> = queues.collect();
        let wanted = Wanted {
            addresses: self.events.clone(),
            queues: queues.map_err(|error| Stopped::usage(miette::miette!("{error}")))?,
            history: self.lookup,
            digests: self.verify,
            keys: self.kms_key.clone(),
        };
        let is_none = wanted == Wanted { keys: self.kms_key.clone(), ..Wanted::default() };
        Ok((!is_none).then_some(wanted))
    }
}

pub(super) fn run(arguments: IamPolicyArguments) -> Done {
    if let Some(wanted) = arguments.of_events()? {
        return print_json(&policy::policy(&wanted, &arguments.partition));
    }
    let config = arguments.scope.config()?;
    if let Some(scanner) = &arguments.trust {
        return print_json(&trust_policy(scanner, config.external_id.as_deref(), &arguments.partition));
    }
    let controls = settings::controls(&config)?;
    let today = day(Timestamp::now());
    let waivers = settings::Waivers::read(&config, today)?;
    let wanted = settings::wanted(&controls, waivers.as_ref());
    let scope = settings::scope(&config, waivers.as_ref());
    let mut policies = policies(&wanted, &scope, &arguments.partition, None);
    for receiver in BTreeSet::from_iter(arguments.send.iter().chain(&config.send)) {
        policies.allow_sending(*receiver, &arguments.partition);
    }
    if arguments.who_changed || config.who_changed {
        policies.allow_history(&arguments.partition);
    }
    if let Some(archive) = &config.archive {
        policies.allow_archive(archive, &arguments.partition);
    }
    if let Some(notify) = &config.notify {
        policies.allow_telling(notify, &arguments.partition);
    }
    match arguments.role {
        Role::Scanner => print_json(&policies.scanner),
        Role::Member => match policies.member {
            Some(policy) => print_json(&policy),
            None => Err(Stopped::usage(miette::miette!(
                help = "add --organization, or --accounts with their ids",
                "only the account of the credentials is scanned, so that there is no member role"
            ))),
        },
    }
}
