//! Messages to SNS topics: the text of the mail, with a subject that SNS takes.

use super::digest::{Digest, ascii};
use super::{Channel, Delivery, News, Services, Telling, mail};
use crate::aws::Call;
use crate::config::Topic;

/// `sns:Publish`: a message to a topic that the configuration names.
pub static PUBLISH: Call = Call::one("sns", "Publish", "MessageId");

/// Characters of a subject; SNS takes less than 100.
const MAX_SUBJECT: usize = 99;
/// Bytes of a message. SNS takes 256 KiB, and the attributes count too.
const MAX_BYTES: usize = 200 * 1024;

/// Sends what is due to one topic, and says what became of it.
pub(super) async fn send(
    telling: &Telling<'_>,
    topic: &Topic,
    news: &News<'_>,
    services: &mut Services<'_>,
) -> Option<Delivery> {
    let digest = news.digest(topic.rule(), telling.wording())?;
    let sent = publish(topic, &digest, news.sample_notice(), services).await;
    Some(Delivery::new(Channel::Sns, topic.arn.as_str(), &digest.subject, (1, sent)))
}

async fn publish(
    topic: &Topic,
    digest: &Digest,
    sample: &str,
    services: &mut Services<'_>,
) -> Result<(), String> {
    let place = services.place(Some(topic.arn.region())).await?;
    let client = place.sns();
    let subject = ascii(&digest.subject, MAX_SUBJECT);
    let message = cut(mail::text(digest, sample, &[]));
    let reply = place
        .call(&PUBLISH, || {
            client.publish().topic_arn(topic.arn.as_str()).subject(&subject).message(&message).send()
        })
        .await;
    reply.map(drop).map_err(|unseen| format!("{unseen}; {}", unseen.remedy()))
}

/// The beginning, where it is too long.
fn cut(mut message: String) -> String {
    if message.len() > MAX_BYTES {
        let end = message.floor_char_boundary(MAX_BYTES);
        message.truncate(end);
        message.push_str("\n…");
    }
    message
}
