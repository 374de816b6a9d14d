//! Mails by Amazon SES: the same bytes as a mail server gets, through the SDK, which retries by itself.

use aws_sdk_sesv2::primitives::Blob;
use aws_sdk_sesv2::types::{Destination, EmailContent, RawMessage};

use super::compose::Letter;
use crate::aws::{Call, Place};

/// `ses:SendEmail` with a raw message, which needs the action
/// [`ses:SendRawEmail`](https://docs.aws.amazon.com/ses/latest/dg/control-user-access.html) too.
pub static SEND_EMAIL: Call = Call::one("ses", "SendEmail", "MessageId");

/// Sends one mail.
///
/// # Errors
/// What AWS said, and what to do.
pub(super) async fn send(place: &Place, letter: &Letter) -> Result<(), String> {
    let raw = RawMessage::builder()
        .data(Blob::new(letter.bytes.as_slice()))
        .build()
        .map_err(|error| format!("the message could not be made: {error}"))?;
    let to = letter.envelope.to().iter().map(ToString::to_string).collect();
    let destination = Destination::builder().set_to_addresses(Some(to)).build();
    let content = EmailContent::builder().raw(raw).build();
    let from = letter.envelope.from().map(ToString::to_string);
    let client = place.ses();
    let reply = place
        .call(&SEND_EMAIL, || {
            client
                .send_email()
                .set_from_email_address(from.clone())
                .destination(destination.clone())
                .content(content.clone())
                .send()
        })
        .await;
    reply.map(drop).map_err(|unseen| format!("{unseen}; {}", unseen.remedy()))
}
