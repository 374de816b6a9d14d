//! Name resolution for the HTTP client.

use std::io;
use std::net::{IpAddr, Ipv4Addr};

use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::dns::{DnsFuture, ResolveDns, ResolveDnsError};
use aws_smithy_runtime_api::client::http::SharedHttpClient;

/// The one HTTP client of the process, so that connections are shared between accounts.
pub(super) fn http_client() -> SharedHttpClient {
    aws_smithy_http_client::Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
        .build_with_resolver(SystemResolver)
}

/// The system's resolver, plus the rule of [RFC 6761, section 6.3](https://www.rfc-editor.org/rfc/rfc6761#section-6.3)
/// that every name under `localhost.` is the loopback address, which glibc leaves to a plugin. S3
/// Control puts the account id in front of the host name, also of a custom endpoint.
#[derive(Debug, Clone)]
struct SystemResolver;

impl ResolveDns for SystemResolver {
    fn resolve_dns<'a>(&'a self, name: &'a str) -> DnsFuture<'a> {
        DnsFuture::new(async move {
            if is_localhost(name) {
                return Ok(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)]);
            }
            let addresses: Vec<IpAddr> = tokio::net::lookup_host((name, 0))
                .await
                .map_err(ResolveDnsError::new)?
                .map(|address| address.ip())
                .collect();
            if addresses.is_empty() {
                return Err(ResolveDnsError::new(io::Error::other(format!("no address for `{name}`"))));
            }
            Ok(addresses)
        })
    }
}

fn is_localhost(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn names_under_localhost_are_loopback_and_no_other_is() {
        for name in ["localhost", "123456789012.localhost", "A.LocalHost."] {
            assert_eq!(
                SystemResolver.resolve_dns(name).await.unwrap(),
                [IpAddr::V4(Ipv4Addr::LOCALHOST)],
                "{name}"
            );
        }
        assert!(!is_localhost("localhost.example.com"));
        assert!(!is_localhost("notlocalhost"));
    }
}
