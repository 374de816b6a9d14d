//! [`Secret`]: a password, key or address, read when it is needed and never shown.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use super::Services;
use crate::aws::Call;
use crate::config::{SecretArn, SecretSource};

/// `secretsmanager:GetSecretValue`: a secret that `notify` names by its ARN.
pub static GET_SECRET_VALUE: Call = Call::one("secretsmanager", "GetSecretValue", "ARN");

/// A larger secret is refused: it is not one.
const MAX_BYTES: usize = 64 * 1024;

/// A text that no log, error or report ever shows. Copies are the same text.
#[derive(Clone)]
pub(super) struct Secret(Arc<str>);

impl Secret {
    fn new(text: &str) -> Self {
        Self(Arc::from(text.trim_end_matches(['\r', '\n'])))
    }

    /// The text itself, for whom it is meant.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Why a secret could not be read. It names the place and never what is there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{source_name} {why}")]
pub(super) struct NoSecret {
    source_name: String,
    why: String,
}

/// Secrets that were read, each once.
#[derive(Debug, Default)]
pub(super) struct Secrets {
    read: HashMap<SecretSource, Result<Secret, NoSecret>>,
}

impl Secrets {
    /// The secret at that place.
    ///
    /// # Errors
    /// When it cannot be read, or is empty.
    pub(super) async fn get(
        &mut self,
        source: &SecretSource,
        services: &mut Services<'_>,
    ) -> Result<Secret, NoSecret> {
        if let Some(known) = self.read.get(source) {
            return known.clone();
        }
        let secret = read(source, services)
            .await
            .and_then(|secret| match secret.reveal().len() {
                0 => Err("is empty".to_owned()),
                1..=MAX_BYTES => Ok(secret),
                _ => Err("is too large to be a secret".to_owned()),
            })
            .map_err(|why| NoSecret { source_name: source.to_string(), why });
        self.read.insert(source.clone(), secret.clone());
        secret
    }
}

async fn read(source: &SecretSource, services: &mut Services<'_>) -> Result<Secret, String> {
    match source {
        SecretSource::File(path) => match tokio::fs::read_to_string(path).await {
            Ok(text) => Ok(Secret::new(&text)),
            Err(error) => Err(format!("cannot be read: {error}")),
        },
        SecretSource::Env(name) => match std::env::var(name) {
            Ok(text) => Ok(Secret::new(&text)),
            Err(std::env::VarError::NotPresent) => Err("is not set".to_owned()),
            Err(std::env::VarError::NotUnicode(_)) => Err("is not text".to_owned()),
        },
        SecretSource::Secret(arn) => from_secrets_manager(arn, services).await,
    }
}

async fn from_secrets_manager(arn: &SecretArn, services: &mut Services<'_>) -> Result<Secret, String> {
    let place = services.place(Some(arn.region())).await?;
    let client = place.secretsmanager();
    let reply = place
        .call(&GET_SECRET_VALUE, || client.get_secret_value().secret_id(arn.as_str()).send())
        .await
        .map_err(|unseen| format!("cannot be read: {unseen}; {}", unseen.remedy()))?;
    let text = reply.found().and_then(|value| value.secret_string);
    text.map(|text| Secret::new(&text)).ok_or_else(|| "has no text".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_printed() {
        let secret = Secret::new("hunter2\r\n");
        assert_eq!(secret.reveal(), "hunter2");
        assert_eq!(format!("{secret:?} {:?}", Some(secret.clone())), "Secret(…) Some(Secret(…))");
    }
}
