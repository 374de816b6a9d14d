//! Mails by a mail server.

use std::error::Error;
use std::time::Duration;

use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};

use super::super::retry::{Pace, Refused, trying};
use super::super::secret::Secret;
use super::compose::Letter;
use crate::config::{Security, Smtp};

/// A larger file of certificates is refused: it is none.
const MAX_CA_BYTES: u64 = 4 << 20;

/// A mail server, ready to be connected to.
#[derive(Debug)]
pub(super) struct Server {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    pace: Pace,
    called: String,
}

impl Server {
    /// # Errors
    /// When the certificates cannot be read. Nothing is connected yet.
    pub(super) fn new(smtp: &Smtp, password: Option<&Secret>) -> Result<Self, String> {
        let tls = match smtp.security {
            Security::Starttls => Tls::Required(parameters(smtp)?),
            Security::Tls => Tls::Wrapper(parameters(smtp)?),
            Security::None => Tls::None,
        };
        let limit = Duration::from_secs(smtp.timeout_seconds);
        // It is dangerous only without `tls`, and the configuration allows that on this machine only.
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(smtp.host.clone())
            .port(smtp.port)
            .tls(tls)
            .timeout(Some(limit));
        if let (Some(user), Some(password)) = (&smtp.username, password) {
            builder = builder.credentials(Credentials::new(user.clone(), password.reveal().to_owned()));
        }
        let called = format!("mail server {}:{}", smtp.host, smtp.port);
        Ok(Self { transport: builder.build(), pace: Pace::of(limit), called })
    }

    /// Sends one mail, again where the failure may pass.
    pub(super) async fn send(&self, letter: &Letter) -> (u32, Result<(), String>) {
        trying(self.pace, || async {
            let sent = self.transport.send_raw(&letter.envelope, &letter.bytes).await;
            sent.map(drop).map_err(|error| self.refused(&error))
        })
        .await
    }

    fn refused(&self, error: &lettre::transport::smtp::Error) -> Refused {
        let why = format!("{}: {error}", self.called);
        let is_certificate = is_about_a_certificate(error);
        if is_certificate {
            return Refused::for_good(format!(
                "{why}; `ca_file` names the certificates to trust besides the system's"
            ));
        }
        // What is left are broken and refused connections, and time that ran out.
        let stays = error.is_permanent() || error.is_client() || error.is_tls() || error.is_response();
        if error.is_transient() || !stays { Refused::for_now(why) } else { Refused::for_good(why) }
    }
}

fn parameters(smtp: &Smtp) -> Result<TlsParameters, String> {
    let mut parameters = TlsParameters::builder(smtp.host.clone());
    if let Some(path) = &smtp.ca_file {
        let named = |why: &dyn std::fmt::Display| format!("`ca_file` `{}`: {why}", path.display());
        let bytes = std::fs::metadata(path).map_err(|error| named(&error))?.len();
        if bytes > MAX_CA_BYTES {
            return Err(named(&format_args!("{bytes} bytes are more than certificates have")));
        }
        let pem = std::fs::read(path).map_err(|error| named(&error))?;
        let certificate = Certificate::from_pem(&pem).map_err(|error| named(&error))?;
        parameters = parameters.add_root_certificate(certificate);
    }
    parameters.build().map_err(|error| format!("TLS cannot be set up: {error}"))
}

/// Whether the server's certificate is what the client does not take: the next attempt will not take it either.
fn is_about_a_certificate(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let of_io = error.downcast_ref::<std::io::Error>();
        if of_io.is_some_and(|error| error.kind() == std::io::ErrorKind::InvalidData) {
            return true;
        }
        cause = error.source();
    }
    false
}
