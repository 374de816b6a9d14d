//! How AWS is reached: one connection for the whole run, a session for each account, a place for each
//! region in it, and the one way to make a call.
//!
//! Everything that a call needs beside its own arguments lives here: credentials and their renewal,
//! time limits, retries, rate limits, counting, and the reading of errors. Collectors only say which
//! operation they want and what they make of the answer.

mod call;
mod credentials;
mod endpoints;
mod errors;
mod meter;
mod paging;
mod resolver;
mod window;

use std::num::NonZeroU32;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_smithy_runtime::client::identity::IdentityCache;
use aws_smithy_runtime::client::retries::RetryPartition;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use tokio::sync::Semaphore;
use tokio::time::Instant;

pub use call::{Call, Listed, Reply};
pub use credentials::{RoleRequest, Session};
pub use meter::{Metered, Meters, OperationCount, Tally};
pub use paging::by_token;

use crate::inventory::{GLOBAL, Unseen};
use endpoints::Endpoints;
use meter::Meter;
use window::Windows;

/// `sts:GetCallerIdentity`: who is asking. Needs no permission.
pub static GET_CALLER_IDENTITY: Call = Call::one("sts", "GetCallerIdentity", "Account").without_permission();
/// `sts:AssumeRole`: entering a member account.
pub static ASSUME_ROLE: Call = Call::one("sts", "AssumeRole", "Credentials");

/// The limits that a run keeps towards AWS.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Calls in flight at once over the whole run.
    pub concurrency: usize,
    /// Calls a second to one service in one account and region; `None` for no limit beyond AWS's own.
    pub max_rate: Option<NonZeroU32>,
    /// To open a connection.
    pub connect_timeout: Duration,
    /// For one attempt, from sending to the last byte of the answer.
    pub attempt_timeout: Duration,
    /// For one call with all its attempts.
    pub call_timeout: Duration,
    /// Attempts of one call, the first included.
    pub max_attempts: u32,
}

impl Limits {
    /// What suits a scan from a laptop or a server: 3 s to connect, 15 s an attempt, 60 s a call.
    #[must_use]
    pub const fn standard() -> Self {
        Self {
            concurrency: 128,
            max_rate: None,
            connect_timeout: Duration::from_secs(3),
            attempt_timeout: Duration::from_secs(15),
            call_timeout: Duration::from_secs(60),
            max_attempts: 8,
        }
    }
}

/// Where the caller's own credentials come from.
#[derive(Debug, Clone, Default)]
pub struct Source {
    /// A profile of the shared configuration files; otherwise the SDK's default chain.
    pub profile: Option<String>,
    /// The region for services without one; otherwise the SDK's default chain.
    pub region: Option<String>,
}

/// Why AWS could not be reached at all.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The configuration names no region.
    #[error("no region is configured; set AWS_REGION, a profile with a region, or `--home-region`")]
    NoRegion,
    /// There are no credentials, or they do not work.
    #[error(
        "who is calling could not be asked: {0}; check the credentials with `aws sts get-caller-identity`"
    )]
    Caller(Unseen),
    /// AWS answered without an account or ARN.
    #[error("sts:GetCallerIdentity answered without account or ARN")]
    NoIdentity,
}

/// The connection of a run: configuration, limits, counters.
#[derive(Debug)]
pub struct Aws {
    sdk: SdkConfig,
    home_region: String,
    permits: Semaphore,
    limiter: Option<DefaultKeyedRateLimiter<(String, String, &'static str)>>,
    endpoints: Endpoints,
    windows: Windows,
    attempt_timeout: Duration,
    /// When the run ends: what was not answered by then is unknown.
    end: OnceLock<Instant>,
    /// What was called and how it went.
    pub meters: Meters,
}

/// Who is calling.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Account of the credentials.
    pub account: String,
    /// ARN of the credentials.
    pub arn: String,
    /// Partition, as in the ARN.
    pub partition: String,
}

impl Caller {
    /// Whether the caller is itself in an assumed role. AWS then caps the sessions it assumes further
    /// ([role chaining](https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles.html#iam-term-role-chaining)) at one hour.
    #[must_use]
    pub fn is_assumed_role(&self) -> bool {
        self.arn.splitn(6, ':').nth(5).is_some_and(|resource| resource.starts_with("assumed-role/"))
    }
}

impl Aws {
    /// Reads the configuration that the SDK reads. Calls nothing yet.
    ///
    /// # Errors
    /// When no region is configured.
    pub async fn connect(source: &Source, limits: &Limits) -> Result<Arc<Self>, ConnectError> {
        let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .http_client(resolver::http_client())
            .retry_config(RetryConfig::standard().with_max_attempts(limits.max_attempts))
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(limits.connect_timeout)
                    .operation_attempt_timeout(limits.attempt_timeout)
                    .operation_timeout(limits.call_timeout)
                    .build(),
            );
        if let Some(profile) = &source.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(region) = &source.region {
            loader = loader.region(Region::new(region.clone()));
        }
        let sdk = loader.load().await;
        // `AWS_REGION=` is how shells leave it unset.
        let home_region = sdk.region().map(ToString::to_string).filter(|region| !region.is_empty());
        let home_region = home_region.ok_or(ConnectError::NoRegion)?;
        Ok(Self::new(sdk, home_region, limits))
    }

    fn new(sdk: SdkConfig, home_region: String, limits: &Limits) -> Arc<Self> {
        Arc::new(Self {
            sdk,
            home_region,
            permits: Semaphore::new(limits.concurrency),
            limiter: limits.max_rate.map(|rate| RateLimiter::keyed(Quota::per_second(rate))),
            endpoints: Endpoints::new(),
            windows: Windows::new(),
            attempt_timeout: limits.attempt_timeout,
            end: OnceLock::new(),
            meters: Meters::new(),
        })
    }

    /// Asks who is calling, and opens the session of that account.
    ///
    /// # Errors
    /// When there are no credentials or AWS does not take them.
    pub async fn caller(self: &Arc<Self>) -> Result<(Caller, Arc<Session>), ConnectError> {
        let nobody = Session::own(Arc::clone(self), String::new());
        let place = nobody.home();
        let client = place.sts();
        let reply = place
            .call(&GET_CALLER_IDENTITY, || client.get_caller_identity().send())
            .await
            .map_err(ConnectError::Caller)?;
        let Reply::Answer(identity) = reply else {
            return Err(ConnectError::NoIdentity);
        };
        let (Some(account), Some(arn)) = (identity.account, identity.arn) else {
            return Err(ConnectError::NoIdentity);
        };
        let partition = arn.split(':').nth(1).unwrap_or_default().to_owned();
        let session = Session::own(Arc::clone(self), account.clone());
        self.meters.attribute_to(&account);
        Ok((Caller { account, arn, partition }, session))
    }

    /// A client of S3 in a region, with the caller's own credentials, for what the program keeps for itself: its
    /// calls are no part of a scan, and neither counted nor limited.
    #[must_use]
    pub fn own_s3(&self, region: &str) -> aws_sdk_s3::Client {
        let config = aws_sdk_s3::config::Builder::from(&self.sdk).region(Region::new(region.to_owned()));
        aws_sdk_s3::Client::from_conf(config.build())
    }

    /// Ends the run then, for good: calls that are under way are given up, no other is begun, and each of them is unknown
    /// for want of time. What was answered before stays. The first time that is set counts.
    pub fn end_at(&self, time: std::time::Instant) {
        self.end.get_or_init(|| Instant::from_std(time));
    }

    /// Whether the run has ended.
    fn is_over(&self) -> bool {
        self.end.get().is_some_and(|end| Instant::now() >= *end)
    }

    /// Waits for the end of the run; for ever where none is set.
    async fn over(&self) {
        match self.end.get() {
            Some(end) => tokio::time::sleep_until(*end).await,
            None => std::future::pending().await,
        }
    }

    /// The region that services without one are asked through.
    #[must_use]
    pub fn home_region(&self) -> &str {
        &self.home_region
    }

    /// How long one attempt may take, and so how long anything that is read later may keep silent.
    #[must_use]
    pub const fn attempt_timeout(&self) -> Duration {
        self.attempt_timeout
    }
}

/// One region of one account, or the account's global services: where a call goes.
#[derive(Debug, Clone)]
pub struct Place {
    session: Arc<Session>,
    endpoint_region: String,
    label: String,
    clients: Arc<Clients>,
    entering: Option<String>,
}

impl Place {
    fn new(session: Arc<Session>, endpoint_region: String, label: String) -> Self {
        let clients = session.clients(&label, || {
            let config = session.aws().sdk.clone().into_builder();
            let config = config
                .region(Region::new(endpoint_region.clone()))
                .credentials_provider(session.credentials())
                .identity_cache(IdentityCache::no_cache());
            Clients::new(config.build())
        });
        Self { session, endpoint_region, label, clients, entering: None }
    }

    /// Account that is asked.
    #[must_use]
    pub fn account(&self) -> &str {
        self.session.account()
    }

    /// The same place, for entering `account` from it.
    pub(super) fn entering(self, account: &str) -> Self {
        Self { entering: Some(account.to_owned()), ..self }
    }

    /// The account that calls from here are about: the one that is entered, or the one that is asked.
    fn subject(&self) -> &str {
        self.entering.as_deref().unwrap_or_else(|| self.account())
    }

    /// The region, or [`GLOBAL`].
    #[must_use]
    pub fn region(&self) -> &str {
        &self.label
    }

    /// The region whose endpoint is asked, also for global services.
    #[must_use]
    pub fn endpoint_region(&self) -> &str {
        &self.endpoint_region
    }

    /// The session that this place belongs to.
    #[must_use]
    pub fn session(&self) -> &Arc<Session> {
        &self.session
    }

    fn aws(&self) -> &Arc<Aws> {
        self.session.aws()
    }

    /// The SDK keys its retry tokens by service and region only; with them in one partition a throttled
    /// account would starve every other.
    fn partition(&self, service: &str) -> RetryPartition {
        RetryPartition::custom(format!("{}-{service}-{}", self.account(), self.endpoint_region)).build()
    }

    fn meter(&self, service: &'static str) -> Meter {
        Meter::new(
            Arc::clone(self.aws()),
            self.account().to_owned(),
            self.label.clone(),
            self.endpoint_region.clone(),
            service,
        )
    }
}

impl Session {
    /// The place of the account's global services.
    #[must_use]
    pub fn home(self: &Arc<Self>) -> Place {
        Place::new(Arc::clone(self), self.aws().home_region.clone(), GLOBAL.to_owned())
    }

    /// One region of the account.
    #[must_use]
    pub fn region(self: &Arc<Self>, region: &str) -> Place {
        Place::new(Arc::clone(self), region.to_owned(), region.to_owned())
    }
}

/// One client a service, made when it is first asked for. The name is the service's IAM prefix, as in the call
/// table, or else that stands in parentheses.
macro_rules! clients {
    (@prefix $name:ident) => { stringify!($name) };
    (@prefix $name:ident $prefix:literal) => { $prefix };
    ($($name:ident $(($prefix:literal))? => $krate:ident),* $(,)?) => {
        /// The clients of one place. Making one costs as much as a call, and a bucket's place is that of
        /// every other bucket in the region.
        #[derive(Debug)]
        pub(crate) struct Clients {
            sdk: SdkConfig,
            $($name: OnceLock<$krate::Client>,)*
        }

        impl Clients {
            fn new(sdk: SdkConfig) -> Self {
                Self { sdk, $($name: OnceLock::new(),)* }
            }
        }

        impl Place {
            $(
                #[doc = concat!("A client of `", stringify!($krate), "` for this place.")]
                #[must_use]
                pub fn $name(&self) -> $krate::Client {
                    let make = || {
                        let config = $krate::config::Builder::from(&self.clients.sdk)
                            .retry_partition(self.partition(clients!(@prefix $name $($prefix)?)))
                            .interceptor(self.meter(clients!(@prefix $name $($prefix)?)))
                            .build();
                        $krate::Client::from_conf(config)
                    };
                    self.clients.$name.get_or_init(make).clone()
                }
            )*
        }
    };
}

clients! {
    access_analyzer("access-analyzer") => aws_sdk_accessanalyzer,
    account_management("account") => aws_sdk_account,
    apigateway => aws_sdk_apigateway,
    apigatewayv2 => aws_sdk_apigatewayv2,
    cloudfront => aws_sdk_cloudfront,
    cloudtrail => aws_sdk_cloudtrail,
    cloudwatch => aws_sdk_cloudwatch,
    config => aws_sdk_config,
    ec2 => aws_sdk_ec2,
    ecs => aws_sdk_ecs,
    eks => aws_sdk_eks,
    elasticfilesystem => aws_sdk_efs,
    elasticloadbalancing => aws_sdk_elasticloadbalancingv2,
    events => aws_sdk_eventbridge,
    glacier => aws_sdk_glacier,
    iam => aws_sdk_iam,
    kms => aws_sdk_kms,
    lambda => aws_sdk_lambda,
    logs => aws_sdk_cloudwatchlogs,
    macie2 => aws_sdk_macie2,
    organizations => aws_sdk_organizations,
    rds => aws_sdk_rds,
    s3 => aws_sdk_s3,
    s3control => aws_sdk_s3control,
    secretsmanager => aws_sdk_secretsmanager,
    securityhub => aws_sdk_securityhub,
    ses => aws_sdk_sesv2,
    sns => aws_sdk_sns,
    sqs => aws_sdk_sqs,
    ssm => aws_sdk_ssm,
    sso => aws_sdk_ssoadmin,
    sts => aws_sdk_sts,
}

#[cfg(test)]
mod tests {
    use aws_credential_types::Credentials;
    use aws_credential_types::provider::SharedCredentialsProvider;

    use super::*;

    impl Aws {
        /// A session of the made-up credentials in an account.
        pub(crate) fn own_session(self: &Arc<Self>, account: &str) -> Arc<Session> {
            Session::own(Arc::clone(self), account.to_owned())
        }

        /// A connection to a server of the test, with made-up credentials.
        pub(crate) fn at(url: &str, limits: &Limits) -> Arc<Self> {
            let sdk = SdkConfig::builder()
                .behavior_version(BehaviorVersion::v2026_01_12())
                .http_client(resolver::http_client())
                .region(Region::new("eu-west-1"))
                .endpoint_url(url)
                .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
                    "A", "s", None, None, "test",
                )))
                .retry_config(RetryConfig::standard().with_max_attempts(limits.max_attempts))
                .timeout_config(TimeoutConfig::builder().operation_timeout(limits.call_timeout).build())
                .sleep_impl(aws_smithy_async::rt::sleep::SharedAsyncSleep::new(
                    aws_smithy_async::rt::sleep::TokioSleep::new(),
                ))
                .build();
            Self::new(sdk, "eu-west-1".to_owned(), limits)
        }
    }

    #[test]
    fn an_assumed_role_is_told_from_a_user_that_looks_like_one() {
        let caller = |arn: &str| Caller {
            account: "111122223333".to_owned(),
            arn: arn.to_owned(),
            partition: "aws".to_owned(),
        };
        assert!(caller("arn:aws-cn:sts::111122223333:assumed-role/Scanner/i-0abc").is_assumed_role());
        assert!(!caller("arn:aws:iam::111122223333:user/x:assumed-role/y").is_assumed_role());
        assert!(!caller("arn:aws:iam::111122223333:root").is_assumed_role());
    }
}
