//! Verdicts that events change: what they touched is looked at again, and people are told of what is different.
//!
//! [`Touched`] gathers what the events of a batch touched while the rules are asked, and [`follow`] hands it to the library.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use serde_json::{Value, json};
use upright::events::batch::Node;
use upright::incremental::{Entry, Touch, coalesce};
use upright::notify::Telling;
use upright::remedy::remedy;
use upright::report::printable;
use upright::scan::{Stopped, settings, telling};

use crate::ready::Ready;

/// Touches that are kept one by one.
const MANY: usize = 256;

/// What was seen of an input.
#[derive(Default)]
struct Seen {
    touches: Vec<Touch>,
    /// How many of them were different when it was looked at last.
    distinct: usize,
}

/// What the events of a batch touched, and which deliveries they came in.
#[derive(Default)]
pub(crate) struct Touched {
    /// By the number of the input in the reading that is under way.
    seen: BTreeMap<usize, Seen>,
    /// Of inputs that were read to their end.
    settled: Vec<(Node, Touch)>,
}

impl Touched {
    /// Notes what an event of an input touched.
    pub(crate) fn see(&mut self, touches: Vec<Touch>, input: usize) {
        let seen = self.seen.entry(input).or_default();
        seen.touches.extend(touches);
        // A burst about one resource is one touch: memory is that of the resources, not of the events.
        if seen.touches.len() > 2 * seen.distinct + MANY {
            seen.touches = coalesce(std::mem::take(&mut seen.touches));
            seen.distinct = seen.touches.len();
        }
    }

    /// What an input touched is that of a node.
    pub(crate) fn settle(&mut self, input: usize, node: Node) {
        let touches = self.seen.remove(&input).unwrap_or_default().touches;
        self.settled.extend(coalesce(touches).into_iter().map(|touch| (node, touch)));
    }

    /// The nodes whose events touched the same.
    fn nodes_of(&self, touch: &Touch) -> Vec<Node> {
        let is_same = |other: &Touch| {
            (&other.account, &other.region, other.kind.name, &other.id)
                == (&touch.account, &touch.region, touch.kind.name, &touch.id)
        };
        self.settled.iter().filter(move |(_, other)| is_same(other)).map(|(node, _)| *node).collect()
    }
}

/// What came of following a batch.
#[derive(Default)]
pub(crate) struct Followed {
    /// The nodes that are to be delivered again.
    pub(crate) lost: BTreeSet<Node>,
    /// Why, of the first.
    pub(crate) why: Option<String>,
    /// In numbers.
    pub(crate) summary: Value,
}

/// Looks again at what was touched, and tells people of verdicts that changed. It blocks.
pub(crate) fn follow(ready: &Ready, touched: &Touched, deadline: Instant) -> Followed {
    if touched.settled.is_empty() {
        return Followed { summary: json!({ "touched": 0 }), ..Followed::default() };
    }
    match try_to_follow(ready, touched, deadline) {
        Ok(followed) => followed,
        Err(stopped) => {
            let why = stopped.in_a_line();
            tracing::error!(why, "What events touched is not looked at.");
            Followed {
                lost: touched.settled.iter().map(|(node, _)| *node).collect(),
                why: Some(why),
                summary: json!({ "touched": touched.settled.len(), "looked": 0 }),
            }
        }
    }
}

fn try_to_follow(ready: &Ready, touched: &Touched, deadline: Instant) -> Result<Followed, Stopped> {
    let follower = ready.follower()?;
    let config = &ready.config;
    let failed = |error: &dyn std::fmt::Display| Stopped::could_not_run(miette::miette!("{error}"));
    let (source, limits) = (settings::source(config), settings::limits(config));
    let runtime = tokio::runtime::Handle::current();
    runtime.block_on(async {
        // A connection of its own: its limits, and what it learns of throttling, are those of this batch.
        let aws = settings::connect(config).await?;
        let (caller, own) = aws.caller().await.map_err(|error| failed(&error))?;
        let entry = Entry { caller, own, role: settings::role(config) };
        let touches = touched.settled.iter().map(|(_, touch)| touch.clone());
        let outcome = follower.follow(&entry, touches, deadline).await;
        let mut followed = Followed::default();
        let remedied = remedy(&config.remediation, &outcome.changes, &entry.own).await;
        for one in &remedied {
            match &one.outcome {
                Ok(_) => tracing::info!("{one}"),
                Err(_) => tracing::error!("{one}"),
            }
        }
        for left in &outcome.left {
            let text = format!("{} of {}: {}", left.touch.kind.name, left.touch.account, left.why);
            tracing::warn!(left = %printable(&text), "What an event touched is to be looked at again.");
            followed.why.get_or_insert(text);
            followed.lost.extend(touched.nodes_of(&left.touch));
        }
        for passed in &outcome.passed_over {
            let text = format!("{} of {}: {}", passed.touch.kind.name, passed.touch.account, passed.why);
            tracing::info!(passed_over = %printable(&text), "What an event touched is not looked at.");
        }
        for unseen in &outcome.not_observed {
            tracing::warn!(unseen = %printable(&unseen.to_string()), "What an event touched was not seen.");
        }
        // Also those whose events were followed by a process that died before it told people.
        let accounts: BTreeSet<String> =
            touched.settled.iter().map(|(_, touch)| touch.account.clone()).collect();
        let mut told = 0;
        if let Some(notify) = &config.notify {
            let telling = Telling {
                notify,
                source: &source,
                limits: &limits,
                html_max_findings: config.html_max_findings,
            };
            match follower.announce(&accounts, &telling, deadline).await {
                Ok(announced) => {
                    told = announced.deliveries.iter().filter(|delivery| delivery.is_delivered()).count();
                    announced
                        .deliveries
                        .iter()
                        .for_each(|delivery| tracing::info!("{}", telling::line(delivery)));
                    if announced.pending > 0 {
                        let why = format!("{} changes are not told yet", announced.pending);
                        lose_all(&mut followed, touched, why);
                    }
                }
                Err(error) => lose_all(&mut followed, touched, error.to_string()),
            }
        }
        followed.summary = json!({
            "touched": touched.settled.len(),
            "looked": outcome.looked,
            "answered": outcome.answered,
            "passed_over": outcome.passed_over.len(),
            "left": outcome.left.len(),
            "changes": outcome.changes.len(),
            "messages": told,
            "remedies": remedied.iter().filter(|one| matches!(one.outcome, Ok(Some(_)))).count(),
        });
        Ok(followed)
    })
}

/// Has everything that touched something delivered again, so that somebody tells people.
fn lose_all(followed: &mut Followed, touched: &Touched, why: String) {
    tracing::warn!(why = %printable(&why), "People are to be told later.");
    followed.why.get_or_insert(why);
    followed.lost.extend(touched.settled.iter().map(|(node, _)| *node));
}
