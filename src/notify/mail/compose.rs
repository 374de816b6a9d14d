//! A mail as bytes: `multipart/mixed( multipart/alternative( text, html ), report )`.

use lettre::Message;
use lettre::address::Envelope;
use lettre::message::header::ContentType;
use lettre::message::{Attachment as File, Mailbox, MultiPart, SinglePart};

use super::attachment::Attachment;
use super::body::Body;
use crate::config::MailAddress;
use crate::hex::hex;

/// What a mail says, to whomever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) subject: String,
    pub(super) body: Body,
    pub(super) attachment: Attachment,
}

/// A mail to one address, as it is sent.
#[derive(Debug)]
pub(super) struct Letter {
    pub(super) envelope: Envelope,
    pub(super) bytes: Vec<u8>,
}

impl Content {
    /// The mail to one address. Other receivers are not named in it.
    ///
    /// # Errors
    /// Why an address or the message cannot be written.
    pub(super) fn letter(&self, from: &MailAddress, to: &MailAddress) -> Result<Letter, String> {
        let mailbox = |address: &MailAddress| {
            address.as_str().parse::<Mailbox>().map_err(|error| format!("`{}`: {error}", address.as_str()))
        };
        let from = mailbox(from)?;
        let id = message_id(&from)?;
        let alternative = MultiPart::alternative_plain_html(self.body.text.clone(), self.body.html.clone());
        let mut parts = MultiPart::mixed().multipart(alternative);
        if let Some((name, bytes)) = &self.attachment.file {
            parts = parts.singlepart(attached(name, bytes.to_vec())?);
        }
        let message = Message::builder()
            .from(from)
            .to(mailbox(to)?)
            .subject(self.subject.clone())
            .message_id(Some(id))
            .date_now()
            // Vacation notices do not answer what says this, RFC 3834.
            .header(AutoSubmitted)
            .multipart(parts)
            .map_err(|error| format!("the message could not be made: {error}"))?;
        Ok(Letter { envelope: message.envelope().clone(), bytes: message.formatted() })
    }
}

fn attached(name: &str, bytes: Vec<u8>) -> Result<SinglePart, String> {
    let kind = if name == "report.html.zip" { "application/zip" } else { "text/html; charset=utf-8" };
    let kind = ContentType::parse(kind).map_err(|error| format!("`{kind}`: {error}"))?;
    Ok(File::new(name.to_owned()).body(bytes, kind))
}

/// An id that no other message has. Every attempt sends the same, so that a mail that arrives twice is known as one.
fn message_id(from: &Mailbox) -> Result<String, String> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| "the system gives no random numbers".to_owned())?;
    let random = hex(&bytes);
    Ok(format!("<{random}.upright@{}>", from.email.domain()))
}

/// `Auto-Submitted: auto-generated`.
#[derive(Debug, Clone)]
struct AutoSubmitted;

impl lettre::message::header::Header for AutoSubmitted {
    fn name() -> lettre::message::header::HeaderName {
        lettre::message::header::HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> lettre::message::header::HeaderValue {
        lettre::message::header::HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}
