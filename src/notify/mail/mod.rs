//! Mails: who gets which, composed once and sent to each address by itself.
//!
//! An address that stands in several entries gets one mail for each different content. No receiver is named to
//! another, and an address that is refused holds no other up.

mod attachment;
mod body;
mod compose;
mod ses;
mod smtp;
#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use futures::{StreamExt, stream};

use super::digest::Digest;
use super::secret::Secrets;
use super::{Channel, Delivery, News, Services, Telling};
use crate::aws::Place;
use crate::config::{Mail, MailAddress, Recipients, Via};
use attachment::Attachment;
pub(super) use body::text;
use compose::Content;
pub use ses::SEND_EMAIL;

/// Mails that are sent at once.
const MAX_IN_FLIGHT: usize = 4;
/// Time after which no further mail is begun: a server that hangs must not hold a nightly scan until the next night.
const MAX_TIME: Duration = Duration::from_mins(10);

/// A mail and who gets it.
#[derive(Debug)]
struct Post<'a> {
    content: Content,
    to: Vec<&'a MailAddress>,
}

/// What mails are handed to.
#[derive(Debug)]
enum Carrier {
    Smtp(smtp::Server),
    Ses(Place),
}

/// Sends every mail that is due, and says what became of each.
pub(super) async fn send(
    telling: &Telling<'_>,
    mail: &Mail,
    news: &News<'_>,
    secrets: &mut Secrets,
    services: &mut Services<'_>,
) -> Vec<Delivery> {
    let channel = match &mail.via {
        Via::Smtp(_) => Channel::Smtp,
        Via::Ses(_) => Channel::Ses,
    };
    let posts = match posts(telling, mail, news) {
        Ok(posts) => posts,
        Err(why) => return vec![Delivery::new(channel, "everyone", "", (0, Err(why)))],
    };
    if posts.is_empty() {
        return Vec::new();
    }
    let carrier = carrier(mail, secrets, services).await;
    let started = Instant::now();
    let addressed = posts.iter().flat_map(|post| post.to.iter().map(move |to| (&post.content, *to)));
    stream::iter(addressed)
        .map(|(content, to)| {
            let carrier = &carrier;
            async move {
                let sent = match carrier {
                    Err(why) => (0, Err(why.clone())),
                    Ok(_) if started.elapsed() > MAX_TIME => {
                        (0, Err("not tried: the mails before it took too long".to_owned()))
                    }
                    Ok(carrier) => one(carrier, content, &mail.from, to).await,
                };
                Delivery::new(channel, to.as_str(), &content.subject, sent)
            }
        })
        .buffered(MAX_IN_FLIGHT)
        .collect()
        .await
}

async fn one(
    carrier: &Carrier,
    content: &Content,
    from: &MailAddress,
    to: &MailAddress,
) -> (u32, Result<(), String>) {
    match (content.letter(from, to), carrier) {
        (Err(why), _) => (0, Err(why)),
        (Ok(letter), Carrier::Smtp(server)) => server.send(&letter).await,
        (Ok(letter), Carrier::Ses(place)) => (1, ses::send(place, &letter).await),
    }
}

async fn carrier(mail: &Mail, secrets: &mut Secrets, services: &mut Services<'_>) -> Result<Carrier, String> {
    match &mail.via {
        Via::Smtp(settings) => {
            let password = match &settings.password {
                Some(source) => Some(secrets.get(source, services).await.map_err(|error| error.to_string())?),
                None => None,
            };
            smtp::Server::new(settings, password.as_ref()).map(Carrier::Smtp)
        }
        Via::Ses(settings) => {
            let region = settings.region.as_ref().map(crate::config::RegionName::as_str);
            services.place(region).await.map(Carrier::Ses)
        }
    }
}

/// The mails that are due, each content once.
fn posts<'a>(telling: &Telling<'_>, mail: &'a Mail, news: &News<'_>) -> Result<Vec<Post<'a>>, String> {
    let due: Vec<(&Recipients, Digest)> =
        mail.to.iter().filter_map(|to| Some((to, news.digest(to.rule(), telling.wording())?))).collect();
    let full = full_report(telling, mail, news, &due);
    let mut posts: Vec<Post<'a>> = Vec::new();
    for (to, digest) in due {
        let attachment = if is_about_all_accounts(to) { full.clone() } else { Attachment::none() };
        let content = content(&digest, news, attachment)?;
        let at = posts.iter().position(|post| post.content == content);
        let at = at.unwrap_or_else(|| {
            posts.push(Post { content, to: Vec::new() });
            posts.len() - 1
        });
        if let Some(post) = posts.get_mut(at) {
            for address in &to.addresses {
                if !post.to.contains(&address) {
                    post.to.push(address);
                }
            }
        }
    }
    Ok(posts)
}

fn content(digest: &Digest, news: &News<'_>, attachment: Attachment) -> Result<Content, String> {
    let mut report: Vec<String> = Vec::new();
    if !digest.link.is_empty() {
        report.push("The full report".to_owned());
    } else if !attachment.said.is_empty() {
        report.push(attachment.said.clone());
    }
    let body = body::Body::of(digest, news.sample_notice(), &report)
        .map_err(|error| format!("the mail could not be made, which is a fault of this program: {error}"))?;
    Ok(Content { subject: digest.subject.clone(), body, attachment })
}

/// The full report is made only where somebody gets it.
fn full_report(
    telling: &Telling<'_>,
    mail: &Mail,
    news: &News<'_>,
    due: &[(&Recipients, Digest)],
) -> Attachment {
    let is_wanted = mail.attach_report
        && telling.notify.report_url.is_none()
        && due.iter().any(|(to, _)| is_about_all_accounts(to));
    match news {
        News::Report(report) if is_wanted => Attachment::of(report, mail, telling.html_max_findings),
        _ => Attachment::none(),
    }
}

/// Whether its receivers may see what is about any account.
fn is_about_all_accounts(to: &Recipients) -> bool {
    to.accounts.is_empty() && to.tags.is_empty()
}
