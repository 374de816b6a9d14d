//! `upright iam-policy`.

use std::collections::BTreeSet;
use std::str::FromStr;

use clap::Args;

use super::output::print_json;
use super::settings::{self, ScopeArguments};
use super::{Done, Stopped};
use crate::notify::Receiver;
use crate::run::{policies, trust_policy};

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    upright iam-policy                                   for the account of your credentials\n  \
    upright iam-policy --organization --role scanner     for the credentials the scan starts with\n  \
    upright iam-policy --organization --role member      for the role in every other account\n  \
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

pub(super) fn run(arguments: IamPolicyArguments) -> Done {
    let config = arguments.scope.config()?;
    if let Some(scanner) = &arguments.trust {
        return print_json(&trust_policy(scanner, config.external_id.as_deref(), &arguments.partition));
    }
    let controls = settings::controls(&config)?;
    let mut policies = policies(&controls.wanted(), &settings::scope(&config), &arguments.partition, None);
    for receiver in BTreeSet::from_iter(arguments.send.iter().chain(&config.send)) {
        policies.allow_sending(*receiver, &arguments.partition);
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
