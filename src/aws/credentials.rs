//! [`Session`]: the credentials of one account, renewed when they run out.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{self, ProvideCredentials, SharedCredentialsProvider, future};
use futures::future::BoxFuture;

use super::call::Reply;
use super::{ASSUME_ROLE, Aws, Clients, Place};
use crate::inventory::{Cause, Unseen};

/// Credentials are renewed this long before they run out.
const RENEW_BEFORE: Duration = Duration::from_secs(5 * 60);

/// How a member account is entered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleRequest {
    /// ARN of the role in the member account.
    pub arn: String,
    /// The external id that its trust policy asks for.
    pub external_id: Option<String>,
    /// Name of the session, seen in the member's CloudTrail.
    pub session_name: String,
    /// How long the session may last.
    pub duration: Duration,
}

/// An account that is being scanned, with its credentials.
#[derive(Debug)]
pub struct Session {
    aws: Arc<Aws>,
    account: String,
    provider: Arc<Renewing>,
    /// By region, or `global`.
    clients: Mutex<HashMap<String, Arc<Clients>>>,
}

impl Session {
    pub(super) fn own(aws: Arc<Aws>, account: String) -> Arc<Self> {
        let source = aws.sdk.credentials_provider().map_or(Source::None, Source::Chain);
        Self::new(aws, account, source)
    }

    /// A session in `account` by a role, assumed with the credentials of `from`. Nothing is called yet.
    #[must_use]
    pub fn in_role(from: &Arc<Self>, account: &str, role: RoleRequest) -> Arc<Self> {
        let source = Source::Role { from: Box::new(from.home().entering(account)), role };
        Self::new(Arc::clone(&from.aws), account.to_owned(), source)
    }

    fn new(aws: Arc<Aws>, account: String, source: Source) -> Arc<Self> {
        Arc::new(Self {
            aws,
            account,
            provider: Arc::new(Renewing {
                source,
                generation: AtomicU64::new(0),
                current: RwLock::new(None),
                renewing: tokio::sync::Mutex::new(()),
            }),
            clients: Mutex::new(HashMap::new()),
        })
    }

    /// The clients of one place, made when it is entered first.
    pub(super) fn clients(&self, label: &str, make: impl FnOnce() -> Clients) -> Arc<Clients> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(clients.entry(label.to_owned()).or_insert_with(|| Arc::new(make())))
    }

    /// Twelve digits.
    #[must_use]
    pub fn account(&self) -> &str {
        &self.account
    }

    pub(super) fn aws(&self) -> &Arc<Aws> {
        &self.aws
    }

    /// The counters of the run.
    #[must_use]
    pub fn run(&self) -> &Arc<Aws> {
        &self.aws
    }

    /// Gets credentials, so that an account that cannot be entered is known before anything is asked. It
    /// waits until a call may be made.
    ///
    /// # Errors
    /// Why the role could not be assumed.
    pub async fn enter(&self) -> Result<(), Unseen> {
        // For the call that enters, which takes none itself. INVARIANT: it is taken before the lock of the
        // renewal, which calls that hold permits may be waiting for.
        let _permit = self.aws.permits.acquire().await;
        self.obtain().await
    }

    async fn obtain(&self) -> Result<(), Unseen> {
        self.provider.get().await.map(drop).map_err(|error| match error {
            Refusal::Entered(unseen) => unseen,
            Refusal::Chain(error) => Unseen {
                account: self.account.clone(),
                region: crate::inventory::GLOBAL.to_owned(),
                operation: String::new(),
                cause: Cause::NotEntered,
                code: "NoCredentials".to_owned(),
                message: error.to_string(),
            },
        })
    }

    /// Renews the role's credentials if they are due, before a call takes its permit and its time limit
    /// starts: entering again may take longer than one attempt is allowed to.
    pub(super) async fn refresh(&self) -> Result<(), Unseen> {
        match &self.provider.source {
            Source::Role { .. } => self.obtain().await,
            Source::Chain(_) | Source::None => Ok(()),
        }
    }

    pub(super) fn credentials(&self) -> SharedCredentialsProvider {
        SharedCredentialsProvider::new(SharedRenewing(Arc::clone(&self.provider)))
    }

    /// Which credentials a call that starts now will use.
    pub(super) fn generation(&self) -> u64 {
        self.provider.generation.load(Ordering::Acquire)
    }

    /// Drops the credentials of `generation`; later ones stay, another call has renewed them already.
    pub(super) fn renew(&self, generation: u64) {
        self.provider.drop_generation(generation);
    }
}

/// The role was refused; found again in the SDK's error by downcast.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct NotEntered(pub(super) Unseen);

enum Source {
    /// The SDK's default chain, or the profile.
    Chain(SharedCredentialsProvider),
    /// A role, assumed by another session at a place for entering its account.
    Role { from: Box<Place>, role: RoleRequest },
    /// The configuration has no credentials at all.
    None,
}

enum Refusal {
    Entered(Unseen),
    Chain(CredentialsError),
}

struct Renewing {
    source: Source,
    generation: AtomicU64,
    current: RwLock<Option<Credentials>>,
    renewing: tokio::sync::Mutex<()>,
}

impl fmt::Debug for Renewing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Renewing").finish_non_exhaustive()
    }
}

impl Renewing {
    fn cached(&self) -> Option<Credentials> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current
            .as_ref()
            .filter(|c| c.expiry().is_none_or(|expiry| expiry > SystemTime::now() + RENEW_BEFORE))
            .cloned()
    }

    fn drop_generation(&self, generation: u64) {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if self.generation.load(Ordering::Acquire) == generation {
            *current = None;
            self.generation.fetch_add(1, Ordering::Release);
        }
    }

    async fn get(&self) -> Result<Credentials, Refusal> {
        if let Some(credentials) = self.cached() {
            return Ok(credentials);
        }
        // One renewal at a time; whoever waited finds the result in the cache.
        let _renewing = self.renewing.lock().await;
        if let Some(credentials) = self.cached() {
            return Ok(credentials);
        }
        let fresh = self.fresh().await?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(fresh.clone());
        Ok(fresh)
    }

    async fn fresh(&self) -> Result<Credentials, Refusal> {
        match &self.source {
            Source::Chain(chain) => chain.provide_credentials().await.map_err(Refusal::Chain),
            Source::Role { from, role } => boxed_assume(from, role).await.map_err(Refusal::Entered),
            Source::None => {
                Err(Refusal::Chain(CredentialsError::not_loaded("no credentials are configured")))
            }
        }
    }
}

/// A call may renew credentials, which is a call: the box ends the recursion.
fn boxed_assume<'a>(from: &'a Place, role: &'a RoleRequest) -> BoxFuture<'a, Result<Credentials, Unseen>> {
    Box::pin(assume(from, role))
}

async fn assume(from: &Place, role: &RoleRequest) -> Result<Credentials, Unseen> {
    let client = from.sts();
    let seconds = i32::try_from(role.duration.as_secs()).unwrap_or(i32::MAX);
    let reply = from
        .call(&ASSUME_ROLE, || {
            client
                .assume_role()
                .role_arn(&role.arn)
                .role_session_name(&role.session_name)
                .set_external_id(role.external_id.clone())
                .duration_seconds(seconds)
                .send()
        })
        .await?;
    let Reply::Answer(output) = reply else {
        return Err(from.malformed(&ASSUME_ROLE, "no session was given"));
    };
    let Some(credentials) = output.credentials else {
        return Err(from.malformed(&ASSUME_ROLE, "no session was given"));
    };
    Ok(Credentials::new(
        credentials.access_key_id,
        credentials.secret_access_key,
        Some(credentials.session_token),
        SystemTime::try_from(credentials.expiration).ok(),
        "UprightAssumeRole",
    ))
}

#[derive(Debug)]
struct SharedRenewing(Arc<Renewing>);

impl ProvideCredentials for SharedRenewing {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            let result: provider::Result = self.0.get().await.map_err(|refusal| match refusal {
                Refusal::Entered(unseen) => CredentialsError::provider_error(NotEntered(unseen)),
                Refusal::Chain(error) => error,
            });
            result
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::sync::atomic::AtomicUsize;

    use super::*;
    use crate::aws::{GET_CALLER_IDENTITY, Limits};

    const MEMBER: &str = "222222222222";

    /// An STS whose sessions are due for renewal the moment they are given.
    fn sts(assumed: Arc<AtomicUsize>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let assumed = Arc::clone(&assumed);
                std::thread::spawn(move || answer(&mut stream.unwrap(), &assumed));
            }
        });
        url
    }

    fn answer(stream: &mut TcpStream, assumed: &AtomicUsize) {
        let mut request = String::new();
        let mut buffer = [0_u8; 4096];
        while !request.contains("Version=2011-06-15") {
            let read = stream.read(&mut buffer).unwrap();
            request.push_str(&String::from_utf8_lossy(&buffer[..read]));
        }
        let body = if request.contains("Action=AssumeRole") {
            assumed.fetch_add(1, Ordering::SeqCst);
            let soon = jiff::Timestamp::from_second(jiff::Timestamp::now().as_second() + 60).unwrap();
            format!(
                "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>A</AccessKeyId>\
                 <SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>\
                 <Expiration>{soon}</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"
            )
        } else {
            format!(
                "<GetCallerIdentityResponse><GetCallerIdentityResult><Account>{MEMBER}</Account>\
                 </GetCallerIdentityResult></GetCallerIdentityResponse>"
            )
        };
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
        stream.write_all((head + &body).as_bytes()).unwrap();
    }

    /// Renewing is a call made from within a call. It used to wait for a permit that the outer one held.
    #[tokio::test]
    async fn credentials_are_renewed_while_every_permit_is_taken() {
        let assumed = Arc::new(AtomicUsize::new(0));
        let url = sts(Arc::clone(&assumed));
        let limits = Limits { concurrency: 1, call_timeout: Duration::from_secs(10), ..Limits::standard() };
        let aws = Aws::at(&url, &limits);
        let own = aws.own_session("111111111111");
        let role = RoleRequest {
            arn: format!("arn:aws:iam::{MEMBER}:role/r"),
            external_id: None,
            session_name: "upright".to_owned(),
            duration: Duration::from_secs(3600),
        };
        let member = Session::in_role(&own, MEMBER, role);
        member.enter().await.unwrap();
        let place = member.home();
        let client = place.sts();
        let calls: Vec<_> = (0..4)
            .map(|_| place.call(&GET_CALLER_IDENTITY, || client.get_caller_identity().send()))
            .collect();
        // Collectors hold many of these on the stack at once.
        assert!(size_of_val(&calls[0]) < 4096, "{}", size_of_val(&calls[0]));
        for reply in futures::future::join_all(calls).await {
            assert!(matches!(reply, Ok(Reply::Answer(_))), "{reply:?}");
        }
        assert!(assumed.load(Ordering::SeqCst) > 1);
    }
}
