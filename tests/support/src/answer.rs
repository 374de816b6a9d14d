//! [`Answer`]: what a server says, with errors in each service's own form.

use quick_xml::escape::escape;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::wire::{Call, Protocol};

/// An HTTP answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Headers that matter to a client; the length is not among them.
    pub headers: Vec<(String, String)>,
    /// The text of the body.
    pub body: String,
}

impl Answer {
    /// A success answer of IAM, SNS, STS, EC2 or S3.
    #[must_use]
    pub fn xml(body: &str) -> Self {
        Self::of(200, "text/xml", body.to_owned())
    }

    /// A success answer of a JSON service.
    #[must_use]
    pub fn json(body: &Value) -> Self {
        Self::of(200, "application/x-amz-json-1.1", body.to_string())
    }

    /// An error, in the form of the service that was called.
    #[must_use]
    pub fn error(call: &Call, status: u16, code: &str, message: &str) -> Self {
        if call.protocol() == Protocol::Json {
            let body = json!({ "__type": code, "Message": message });
            return Self { status, ..Self::json(&body) };
        }
        let error = format!("<Code>{}</Code><Message>{}</Message>", escape(code), escape(message));
        let body = match call.protocol() {
            Protocol::Ec2 => format!(
                "<Response><Errors><Error>{error}</Error></Errors><RequestID>testkit</RequestID></Response>"
            ),
            Protocol::S3 => format!("<Error>{error}<RequestId>testkit</RequestId></Error>"),
            Protocol::Query | Protocol::S3Control | Protocol::Json => format!(
                "<ErrorResponse><Error><Type>Sender</Type>{error}</Error>\
                 <RequestId>testkit</RequestId></ErrorResponse>"
            ),
        };
        let declared = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{body}");
        Self { status, ..Self::xml(&declared) }
    }

    /// Whether it is a success.
    #[must_use]
    pub const fn is_success(&self) -> bool {
        self.status >= 200 && self.status < 300
    }

    /// The same in CBOR, with what belongs to it in the headers. A body that is no JSON, such as one that was broken
    /// on purpose, stays as it is.
    pub(crate) fn in_cbor(&self) -> (Vec<(String, String)>, Vec<u8>) {
        let encoded = serde_json::from_str(&self.body).ok().and_then(|body| crate::cbor::encode(&body).ok());
        let headers = [("content-type", "application/cbor"), ("smithy-protocol", "rpc-v2-cbor")];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        (headers, encoded.unwrap_or_else(|| self.body.clone().into_bytes()))
    }

    fn of(status: u16, content_type: &str, body: String) -> Self {
        Self { status, headers: vec![("content-type".to_owned(), content_type.to_owned())], body }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn body(operation: &str) -> String {
        let call = Call {
            account: "123456789012".to_owned(),
            region: "us-east-1".to_owned(),
            operation: operation.to_owned(),
            params: BTreeMap::new(),
        };
        Answer::error(&call, 403, "Denied", "no <way>").body
    }

    #[test]
    fn errors_in_each_form() {
        let escaped = "<Code>Denied</Code><Message>no &lt;way&gt;</Message>";
        assert!(
            body("iam:ListUsers").contains(&format!("<ErrorResponse><Error><Type>Sender</Type>{escaped}"))
        );
        assert!(body("s3control:GetPublicAccessBlock").contains("<ErrorResponse><Error>"));
        assert!(body("ec2:DescribeVpcs").contains(&format!("<Response><Errors><Error>{escaped}")));
        assert!(body("s3:GetBucketAcl").contains(&format!("\n<Error>{escaped}")));
        assert_eq!(body("kms:DescribeKey"), r#"{"Message":"no <way>","__type":"Denied"}"#);
    }
}
