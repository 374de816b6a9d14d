//! Server certificates that are kept in IAM; those of AWS Certificate Manager are elsewhere.
//!
//! Calls: `ListServerCertificates`.

use aws_sdk_iam::Client;
use aws_sdk_iam::types::ServerCertificateMetadata;
use schemars::JsonSchema;
use serde::Serialize;

use super::{PAGE_SIZE, page, part, text};
use crate::aws::Call;
use crate::collect::touch::{Change, Target};
use crate::collect::{Ask, Collected, Kind, Observed, Scope, time};
use crate::inventory::{Resource, Unseen};

static LIST_SERVER_CERTIFICATES: Call =
    Call::list("iam", "ListServerCertificates", "<ServerCertificateMetadataList");

/// The resource type of server certificates.
pub static SERVER_CERTIFICATE: Kind = Kind {
    name: "aws.iam.server_certificate",
    collection: "server_certificates",
    single: false,
    scope: Scope::Global,
    list: &[&LIST_SERVER_CERTIFICATES],
    facets: &[],
    events: &[Change {
        source: "iam.amazonaws.com",
        names: &["DeleteServerCertificate", "UpdateServerCertificate", "UploadServerCertificate"],
        target: Target::At(&[
            "requestParameters.serverCertificateName",
            "requestParameters.newServerCertificateName",
        ]),
    }],
    schema: ServerCertificate::json_schema,
};

/// A server certificate.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ServerCertificate {
    /// Path, such as `/` or `/cloudfront/`.
    path: String,
    /// When it expires; null when AWS does not tell.
    expires: Option<String>,
    /// When it was uploaded; null when AWS does not tell.
    uploaded: Option<String>,
}

impl Observed for ServerCertificate {
    const KIND: &'static Kind = &SERVER_CERTIFICATE;
}

/// Collects the server certificates.
pub async fn collect(ask: Ask<'_>, client: &Client) -> Collected {
    if !ask.wanted.kind(&SERVER_CERTIFICATE) {
        return Collected::nothing();
    }
    let listed = ask
        .place
        .pages(
            &LIST_SERVER_CERTIFICATES,
            || client.list_server_certificates().into_paginator().page_size(PAGE_SIZE).send(),
            |p| page(p.is_truncated, p.marker.as_ref(), Some(p.server_certificate_metadata_list)),
        )
        .await;
    let read = listed.items.into_iter().map(|certificate| read_certificate(ask, certificate));
    part(ask, &SERVER_CERTIFICATE, listed.end, read)
}

fn read_certificate(
    ask: Ask<'_>,
    certificate: ServerCertificateMetadata,
) -> Result<Option<Resource>, Unseen> {
    let call = &LIST_SERVER_CERTIFICATES;
    let arn = text(ask.place, call, "Arn", certificate.arn)?;
    let name = text(ask.place, call, "ServerCertificateName", certificate.server_certificate_name)?;
    let observed = ServerCertificate {
        path: text(ask.place, call, "Path", certificate.path)?,
        expires: certificate.expiration.map(time),
        uploaded: certificate.upload_date.map(time),
    };
    Ok(Some(ask.resource(arn, name, &observed)))
}
