//! Reading requests: which account asks which operation of which service, where and with what.
//!
//! Nothing is verified: the signature only tells the key, the region and the service.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::{Context, Result, bail};
use http::Method;
use http::request::Parts;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One request, without its signature and date: equal calls get equal answers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Call {
    /// Account of the credentials, twelve digits.
    pub account: String,
    /// Region that the request is signed for.
    pub region: String,
    /// `service:Operation`.
    pub operation: String,
    /// Parameters by name; what is not a string is its JSON text. S3 calls its bucket `Bucket`.
    pub params: BTreeMap<String, String>,
}

impl Call {
    /// The service, such as `s3control`.
    #[must_use]
    pub fn service(&self) -> &str {
        self.operation.split_once(':').map_or(self.operation.as_str(), |(service, _)| service)
    }

    /// The form in which the service is asked and answers.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        Protocol::of(self.service())
    }

    /// A parameter.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params.get(name).map(String::as_str)
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.operation, self.account, self.region)?;
        self.params.iter().try_for_each(|(name, value)| write!(f, " {name}={value}"))
    }
}

/// How a service is asked and answers, its errors included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// CloudFront's errors, Elastic Load Balancing, IAM, RDS, SNS, STS.
    Query,
    /// EC2.
    Ec2,
    /// S3.
    S3,
    /// S3 Control: S3 with the errors of Query.
    S3Control,
    /// Everything else.
    Json,
}

impl Protocol {
    /// The protocol of a service.
    #[must_use]
    pub fn of(service: &str) -> Self {
        match service {
            "cloudfront" | "elasticloadbalancing" | "iam" | "rds" | "sns" | "sts" => Self::Query,
            "ec2" => Self::Ec2,
            "s3" => Self::S3,
            "s3control" => Self::S3Control,
            _ => Self::Json,
        }
    }
}

/// A call with the key that signed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Signed {
    pub(crate) key: String,
    pub(crate) call: Call,
}

/// Reads a request; `account_of` knows the account of an access key id.
pub(crate) fn read(head: &Parts, body: &[u8], account_of: impl Fn(&str) -> String) -> Result<Signed> {
    let scope = Scope::of(head)?;
    let decoded = if is_cbor(head) { Some(crate::cbor::decode(body)?.to_string()) } else { None };
    let body = match &decoded {
        Some(json) => json,
        None => std::str::from_utf8(body).context("the body is not UTF-8")?,
    };
    let service = match scope.service.as_str() {
        // Both APIs of API Gateway sign with the same name.
        "apigateway" if head.uri.path().starts_with("/v2/") => "apigatewayv2",
        service => service,
    };
    let (operation, params) = match service {
        "s3" => rest(head),
        "securityhub" => security_hub(head, body)?,
        // Its name in the signature is not the one in IAM.
        "monitoring" => {
            let (name, params) = cloud_watch(head, body)?;
            (format!("cloudwatch:{name}"), params)
        }
        service if head.headers.contains_key("x-amz-target") => {
            let (name, params) = json(head, body)?;
            (format!("{service}:{name}"), params)
        }
        service if ROUTES.iter().any(|(of, ..)| *of == service) => {
            let (name, params) = route(head, body, service)?;
            (format!("{service}:{name}"), params)
        }
        service => {
            let (name, params) = query(head, body)?;
            (format!("{service}:{name}"), params)
        }
    };
    let account = account_of(&scope.key);
    Ok(Signed { key: scope.key, call: Call { account, region: scope.region, operation, params } })
}

/// The credential scope of a [signed request](https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html).
struct Scope {
    key: String,
    region: String,
    service: String,
}

impl Scope {
    fn of(head: &Parts) -> Result<Self> {
        let header = header(head, "authorization").context("the request is not signed")?;
        let credential = header
            .split_once("Credential=")
            .and_then(|(_, rest)| rest.split([',', ' ']).next())
            .with_context(|| format!("`{header}` names no credential"))?;
        match credential.split('/').collect::<Vec<_>>().as_slice() {
            [key, _date, region, service, "aws4_request"] => Ok(Self {
                key: (*key).to_owned(),
                region: (*region).to_owned(),
                service: (*service).to_owned(),
            }),
            _ => bail!("`{credential}` is no credential scope"),
        }
    }
}

fn header<'a>(head: &'a Parts, name: &str) -> Option<&'a str> {
    head.headers.get(name).and_then(|value| value.to_str().ok())
}

type Named = (String, BTreeMap<String, String>);

/// IAM, STS, EC2: a form, in the body or in the address.
fn query(head: &Parts, body: &str) -> Result<Named> {
    let mut params = form(head.uri.query().unwrap_or_default());
    params.extend(form(body));
    params.remove("Version");
    let operation = params.remove("Action").context("the form has no Action")?;
    Ok((operation, params))
}

/// Whether a request is in CBOR, and is to be answered in it.
pub(crate) fn is_cbor(head: &Parts) -> bool {
    header(head, "smithy-protocol") == Some("rpc-v2-cbor")
}

/// The operation of a request in CBOR: the last part of its path.
pub(crate) fn cbor_operation(head: &Parts) -> &str {
    head.uri.path().rsplit('/').next().unwrap_or_default()
}

/// CloudWatch is asked in CBOR by the SDK, in JSON or by a form by others.
fn cloud_watch(head: &Parts, body: &str) -> Result<Named> {
    if is_cbor(head) {
        return Ok((cbor_operation(head).to_owned(), members(body)?));
    }
    if head.headers.contains_key("x-amz-target") { json(head, body) } else { query(head, body) }
}

fn json(head: &Parts, body: &str) -> Result<Named> {
    let target = header(head, "x-amz-target").context("X-Amz-Target is not text")?;
    let operation = target.rsplit('.').next().unwrap_or(target).to_owned();
    Ok((operation, members(body)?))
}

/// The members of a JSON body.
fn members(body: &str) -> Result<BTreeMap<String, String>> {
    let members: BTreeMap<String, Value> = match body.trim() {
        "" => BTreeMap::new(),
        body => serde_json::from_str(body).context("the body is no JSON object")?,
    };
    let text = |value| match value {
        Value::String(text) => text,
        other => other.to_string(),
    };
    Ok(members.into_iter().map(|(name, value)| (name, text(value))).collect())
}

/// Operations of services that say what they are asked in the path: service, method, path, operation. What stands
/// in braces is a parameter.
const ROUTES: &[(&str, Method, &str, &str)] = &[
    ("access-analyzer", Method::GET, "/analyzer", "ListAnalyzers"),
    ("account", Method::POST, "/getAlternateContact", "GetAlternateContact"),
    ("account", Method::POST, "/getContactInformation", "GetContactInformation"),
    ("apigateway", Method::GET, "/restapis", "GetRestApis"),
    ("apigateway", Method::GET, "/restapis/{restApiId}/stages", "GetStages"),
    ("apigatewayv2", Method::GET, "/v2/apis", "GetApis"),
    ("apigatewayv2", Method::GET, "/v2/apis/{apiId}/stages", "GetStages"),
    ("cloudfront", Method::GET, "/2020-05-31/distribution", "ListDistributions"),
    ("cloudfront", Method::GET, "/2020-05-31/distribution/{Id}/config", "GetDistributionConfig"),
    ("eks", Method::GET, "/clusters", "ListClusters"),
    ("elasticfilesystem", Method::GET, "/2015-02-01/file-systems", "DescribeFileSystems"),
    ("glacier", Method::GET, "/{accountId}/vaults", "ListVaults"),
    ("glacier", Method::GET, "/{accountId}/vaults/{vaultName}/access-policy", "GetVaultAccessPolicy"),
    ("lambda", Method::GET, "/2015-03-31/functions", "ListFunctions"),
    ("lambda", Method::GET, "/2015-03-31/functions/{FunctionName}/aliases", "ListAliases"),
    ("lambda", Method::GET, "/2015-03-31/functions/{FunctionName}/policy", "GetPolicy"),
    ("macie2", Method::GET, "/administrator", "GetAdministratorAccount"),
    ("macie2", Method::GET, "/automated-discovery/configuration", "GetAutomatedDiscoveryConfiguration"),
    ("macie2", Method::GET, "/macie", "GetMacieSession"),
    ("macie2", Method::POST, "/jobs/list", "ListClassificationJobs"),
];

/// A request that says what it asks in the path, and the rest in the address and in a JSON body.
fn route(head: &Parts, body: &str, service: &str) -> Result<Named> {
    let mut params = form(head.uri.query().unwrap_or_default());
    params.extend(members(body)?);
    let path = head.uri.path().trim_end_matches('/');
    let path: Vec<String> = path.split('/').map(|part| decode(part, false)).collect();
    let found = ROUTES
        .iter()
        .filter(|(of, method, ..)| *of == service && *method == head.method)
        .find_map(|(_, _, pattern, operation)| Some((operation, in_path(pattern, &path)?)));
    match found {
        Some((operation, named)) => {
            params.extend(named);
            Ok(((*operation).to_owned(), params))
        }
        None => Ok((format!("{} {}", head.method, head.uri.path()), params)),
    }
}

/// The parameters of a path, if it is of that pattern.
fn in_path(pattern: &str, path: &[String]) -> Option<Vec<(String, String)>> {
    let pattern: Vec<&str> = pattern.split('/').collect();
    if pattern.len() != path.len() {
        return None;
    }
    let mut named = Vec::new();
    for (part, text) in pattern.iter().zip(path) {
        match part.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            Some(name) => named.push((name.to_owned(), text.clone())),
            None if part == text => {}
            None => return None,
        }
    }
    Some(named)
}

/// Security Hub says what it is asked in the path, and with what in a JSON body.
fn security_hub(head: &Parts, body: &str) -> Result<Named> {
    let operation = match (&head.method, head.uri.path()) {
        (&Method::GET, "/accounts") => "DescribeHub".to_owned(),
        (&Method::GET, "/hubv2") => "DescribeSecurityHubV2".to_owned(),
        (&Method::POST, "/findings") => "GetFindings".to_owned(),
        (&Method::POST, "/findings/import") => "BatchImportFindings".to_owned(),
        (method, path) => format!("{method} {path}"),
    };
    Ok((format!("securityhub:{operation}"), members(body)?))
}

/// S3 and S3 Control share a name in the signature and differ in the path.
fn rest(head: &Parts) -> Named {
    let path = head.uri.path();
    let mut params = form(head.uri.query().unwrap_or_default());
    // The SDK repeats the operation's name for the server's log.
    params.remove("x-id");
    if let Some(resource) = path.strip_prefix("/v20180820/") {
        let account = header(head, "x-amz-account-id").map(str::to_owned).or_else(|| host_prefix(head));
        params.extend(account.map(|account| ("AccountId".to_owned(), account)));
        let operation = match (&head.method, resource) {
            (&Method::GET, "configuration/publicAccessBlock") => "GetPublicAccessBlock".to_owned(),
            (method, resource) => format!("{method} {resource}"),
        };
        return (format!("s3control:{operation}"), params);
    }
    let (bucket, key) = bucket_and_key(head);
    let operation = match (bucket.is_empty(), key.is_empty()) {
        (true, _) if head.method == Method::GET => "ListBuckets".to_owned(),
        (true, _) => head.method.to_string(),
        (false, true) => bucket_operation(&head.method, &mut params),
        (false, false) => object_operation(&head.method),
    };
    params.extend(
        [("Bucket", bucket), ("Key", key)]
            .into_iter()
            .filter_map(|(name, value)| (!value.is_empty()).then(|| (name.to_owned(), value))),
    );
    (format!("s3:{operation}"), params)
}

/// The bucket is in front of the host name (virtual-host style) or first in the path.
fn bucket_and_key(head: &Parts) -> (String, String) {
    let path = decode(head.uri.path().trim_start_matches('/'), false);
    if let Some(bucket) = host_prefix(head) {
        return (bucket, path);
    }
    match path.split_once('/') {
        Some((bucket, key)) => (bucket.to_owned(), key.to_owned()),
        None => (path, String::new()),
    }
}

/// What stands in front of the server's own name.
fn host_prefix(head: &Parts) -> Option<String> {
    let host = header(head, "host").or_else(|| head.uri.host())?;
    let name = host.rsplit_once(':').map_or(host, |(name, _port)| name);
    let prefix = name.strip_suffix(".localhost").or_else(|| name.strip_suffix(".127.0.0.1"))?;
    (!prefix.is_empty()).then(|| prefix.to_owned())
}

/// Query names that select what of a bucket is asked for.
const SUBRESOURCES: &[(&str, &str)] = &[
    ("accelerate", "BucketAccelerateConfiguration"),
    ("acl", "BucketAcl"),
    ("cors", "BucketCors"),
    ("encryption", "BucketEncryption"),
    ("lifecycle", "BucketLifecycleConfiguration"),
    ("location", "BucketLocation"),
    ("logging", "BucketLogging"),
    ("notification", "BucketNotificationConfiguration"),
    ("object-lock", "ObjectLockConfiguration"),
    ("ownershipControls", "BucketOwnershipControls"),
    ("policy", "BucketPolicy"),
    ("policyStatus", "BucketPolicyStatus"),
    ("publicAccessBlock", "PublicAccessBlock"),
    ("replication", "BucketReplication"),
    ("requestPayment", "BucketRequestPayment"),
    ("tagging", "BucketTagging"),
    ("versioning", "BucketVersioning"),
    ("website", "BucketWebsite"),
];

/// The query name that selects what `GetBucket…` asks for.
pub(crate) fn subresource(operation: &str) -> Option<&'static str> {
    let name = operation.strip_prefix("Get")?;
    SUBRESOURCES.iter().find(|(_, known)| *known == name).map(|(query, _)| *query)
}

fn bucket_operation(method: &Method, params: &mut BTreeMap<String, String>) -> String {
    let subresource = SUBRESOURCES.iter().find(|(query, _)| params.remove(*query).is_some());
    match (method.as_str(), subresource) {
        ("GET", Some((_, name))) => format!("Get{name}"),
        ("PUT", Some((_, name))) => format!("Put{name}"),
        ("DELETE", Some((_, name))) => format!("Delete{name}"),
        ("GET", None) => "ListObjectsV2".to_owned(),
        ("HEAD", None) => "HeadBucket".to_owned(),
        ("PUT", None) => "CreateBucket".to_owned(),
        ("DELETE", None) => "DeleteBucket".to_owned(),
        (method, _) => method.to_owned(),
    }
}

fn object_operation(method: &Method) -> String {
    match method.as_str() {
        "GET" => "GetObject".to_owned(),
        "HEAD" => "HeadObject".to_owned(),
        "PUT" => "PutObject".to_owned(),
        "DELETE" => "DeleteObject".to_owned(),
        method => method.to_owned(),
    }
}

fn form(text: &str) -> BTreeMap<String, String> {
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name, true), decode(value, true))
        })
        .collect()
}

/// Undoes percent-encoding; what is not validly encoded stays as it is.
fn decode(text: &str, plus_is_space: bool) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'+' if plus_is_space => bytes.push(b' '),
            b'%' => {
                let code = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
                match code.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
                    Some(decoded) => {
                        bytes.push(decoded);
                        rest = after.get(2..).unwrap_or_default();
                    }
                    None => bytes.push(byte),
                }
            }
            byte => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A request signed by `key` for `region/service`.
    pub(crate) fn signed(method: &str, uri: &str, host: &str, scope: &str) -> http::request::Builder {
        http::Request::builder().method(method).uri(uri).header("host", host).header(
            "authorization",
            format!(
                "AWS4-HMAC-SHA256 Credential={scope}/aws4_request, SignedHeaders=host;x-amz-date, Signature=0a"
            ),
        )
    }

    fn call(request: http::request::Builder, body: &str) -> Call {
        let (head, ()) = request.body(()).unwrap().into_parts();
        read(&head, body.as_bytes(), |key| format!("account of {key}")).unwrap().call
    }

    fn s3(method: &str, uri: &str, host: &str) -> String {
        let call = call(signed(method, uri, host, "K/20261124/eu-west-1/s3"), "");
        assert_eq!((call.account.as_str(), call.region.as_str()), ("account of K", "eu-west-1"));
        let params: Vec<_> = call.params.iter().map(|(k, v)| format!(" {k}={v}")).collect();
        format!("{}{}", call.operation, params.concat())
    }

    #[test]
    fn forms_in_body_and_address() {
        let scope = "K/20261124/us-east-1/iam";
        let body = "Action=ListUsers&Version=2010-05-08&PathPrefix=%2Fa+b%2F&Empty=";
        let from_body = call(signed("POST", "/", "localhost:5000", scope), body);
        assert_eq!(from_body.operation, "iam:ListUsers");
        assert_eq!(from_body.param("PathPrefix"), Some("/a b/"));
        assert_eq!(from_body.param("Empty"), Some(""));
        assert_eq!(from_body.params.len(), 2);
        assert_eq!(from_body, call(signed("GET", &format!("/?{body}"), "localhost:5000", scope), ""));
    }

    #[test]
    fn json_targets() {
        let request = || {
            signed("POST", "/", "localhost", "K/20261124/us-east-1/organizations")
                .header("x-amz-target", "AWSOrganizationsV20161128.ListAccounts")
        };
        let one = call(request(), r#"{"MaxResults":2,"NextToken":"t","Filter":{"A":[1]}}"#);
        assert_eq!(one.operation, "organizations:ListAccounts");
        let params = ["Filter", "MaxResults", "NextToken"].map(|name| one.param(name).unwrap());
        assert_eq!(params, [r#"{"A":[1]}"#, "2", "t"]);
        assert!(call(request(), "").params.is_empty());
    }

    #[test]
    fn what_is_asked_in_the_path() {
        let asked = |service: &str, method: &str, uri: &str| {
            let call = call(signed(method, uri, "localhost", &format!("K/20261124/us-east-1/{service}")), "");
            let params: Vec<_> = call.params.iter().map(|(k, v)| format!(" {k}={v}")).collect();
            format!("{}{}", call.operation, params.concat())
        };
        let second = asked("access-analyzer", "GET", "/analyzer?nextToken=t");
        assert_eq!(second, "access-analyzer:ListAnalyzers nextToken=t");
        assert_eq!(asked("macie2", "POST", "/macie"), "macie2:POST /macie");
        assert_eq!(asked("securityhub", "GET", "/accounts"), "securityhub:DescribeHub");
        let systems = "/2015-02-01/file-systems?MaxItems=1000";
        let expected = "elasticfilesystem:DescribeFileSystems MaxItems=1000";
        assert_eq!(asked("elasticfilesystem", "GET", systems), expected);
        assert_eq!(asked("glacier", "GET", "/-/vaults?marker=m"), "glacier:ListVaults accountId=- marker=m");
        let policy = "glacier:GetVaultAccessPolicy accountId=- vaultName=a b";
        assert_eq!(asked("glacier", "GET", "/-/vaults/a%20b/access-policy"), policy);
        assert_eq!(asked("glacier", "PUT", "/-/vaults/v"), "glacier:PUT /-/vaults/v");
        assert_eq!(asked("apigateway", "GET", "/v2/apis"), "apigatewayv2:GetApis");
        assert_eq!(asked("apigateway", "GET", "/restapis/a1/stages"), "apigateway:GetStages restApiId=a1");
        let functions = "/2015-03-31/functions/?FunctionVersion=ALL";
        assert_eq!(asked("lambda", "GET", functions), "lambda:ListFunctions FunctionVersion=ALL");
    }

    #[test]
    fn cloud_watch_in_cbor() {
        let path = "/service/GraniteServiceVersion20100801/operation/DescribeAlarms";
        let request = signed("POST", path, "localhost", "K/20261124/us-east-1/monitoring")
            .header("smithy-protocol", "rpc-v2-cbor");
        let (head, ()) = request.body(()).unwrap().into_parts();
        let one = read(&head, b"\xbf\x69NextToken\x61t\xff", str::to_owned).unwrap().call;
        assert_eq!(
            (one.operation.as_str(), one.param("NextToken")),
            ("cloudwatch:DescribeAlarms", Some("t"))
        );
    }

    #[test]
    fn buckets_by_path_and_by_host() {
        for (method, uri, host, expected) in [
            ("GET", "/", "localhost:5000", "s3:ListBuckets"),
            ("GET", "/?x-id=ListBuckets&max-buckets=2", "127.0.0.1:5000", "s3:ListBuckets max-buckets=2"),
            ("GET", "/logs?policy", "localhost:5000", "s3:GetBucketPolicy Bucket=logs"),
            ("GET", "/logs/?policy=", "localhost", "s3:GetBucketPolicy Bucket=logs"),
            ("GET", "/?policyStatus", "logs.localhost:5000", "s3:GetBucketPolicyStatus Bucket=logs"),
            ("GET", "/?publicAccessBlock", "a.b.127.0.0.1:5000", "s3:GetPublicAccessBlock Bucket=a.b"),
            ("HEAD", "/", "logs.localhost", "s3:HeadBucket Bucket=logs"),
            ("GET", "/logs?list-type=2", "localhost", "s3:ListObjectsV2 Bucket=logs list-type=2"),
            ("GET", "/logs/a/b%20c", "localhost", "s3:GetObject Bucket=logs Key=a/b c"),
            ("PUT", "/?acl", "logs.localhost", "s3:PutBucketAcl Bucket=logs"),
        ] {
            assert_eq!(s3(method, uri, host), expected);
        }
    }

    #[test]
    fn s3_control_is_told_by_its_path() {
        let path = "/v20180820/configuration/publicAccessBlock";
        let expected = "s3control:GetPublicAccessBlock AccountId=123456789012";
        assert_eq!(s3("GET", path, "123456789012.localhost:5000"), expected);
        let request = signed("GET", path, "localhost", "K/20261124/us-east-1/s3")
            .header("x-amz-account-id", "123456789012");
        assert_eq!(call(request, "").param("AccountId"), Some("123456789012"));
    }

    #[test]
    fn unreadable_requests_say_why() {
        let reason = |request: http::request::Builder| {
            let (head, ()) = request.body(()).unwrap().into_parts();
            read(&head, b"", str::to_owned).unwrap_err().to_string()
        };
        assert_eq!(reason(http::Request::builder().uri("/")), "the request is not signed");
        assert!(reason(signed("GET", "/", "localhost", "K/iam")).contains("no credential scope"));
        assert!(reason(signed("GET", "/", "localhost", "K/d/r/iam")).contains("no Action"));
    }
}
