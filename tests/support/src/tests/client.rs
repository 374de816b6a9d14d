//! A client that sees what is on the wire, and keeps what a library would hide.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

/// What a request of a test asks for.
pub(super) struct Ask<'a> {
    pub(super) method: &'a str,
    pub(super) uri: &'a str,
    pub(super) host: &'a str,
    pub(super) key: &'a str,
    pub(super) scope: &'a str,
    pub(super) target: Option<&'a str>,
    pub(super) body: &'a str,
}

/// A form for IAM, STS or EC2, such as `form("iam", "Action=ListUsers")`.
pub(super) fn form<'a>(scope: &'a str, body: &'a str) -> Ask<'a> {
    Ask { method: "POST", uri: "/", host: "localhost", key: "testing", scope, target: None, body }
}

/// What came back: status, headers and body, as far as they came.
#[derive(Debug)]
pub(super) struct Came {
    pub(super) status: u16,
    pub(super) length: usize,
    pub(super) body: String,
    /// Why reading ended, if not in order.
    pub(super) error: Option<std::io::ErrorKind>,
}

impl Ask<'_> {
    pub(super) fn by<'a>(self, key: &'a str) -> Ask<'a>
    where
        Self: 'a,
    {
        Ask { key, ..self }
    }

    /// Sends it, and reads until the connection ends or nothing comes for half a second.
    pub(super) fn send(&self, port: u16) -> Came {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        let target = self.target.map_or_else(String::new, |target| format!("X-Amz-Target: {target}\r\n"));
        let request = format!(
            "{} {} HTTP/1.1\r\nHost: {}:{port}\r\nAuthorization: AWS4-HMAC-SHA256 \
             Credential={}/20261124/us-east-1/{}/aws4_request, SignedHeaders=host, Signature=00\r\n{target}\
             Content-Length: {}\r\nConnection: close\r\n\r\n{}",
            self.method,
            self.uri,
            self.host,
            self.key,
            self.scope,
            self.body.len(),
            self.body
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut bytes = Vec::new();
        let error = stream.read_to_end(&mut bytes).err().map(|error| error.kind());
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).map_or(0, |status| status.parse().unwrap());
        let lower = head.to_ascii_lowercase();
        let length = lower.lines().find_map(|line| line.strip_prefix("content-length: "));
        Came {
            status,
            length: length.map_or(0, |length| length.parse().unwrap()),
            body: body.to_owned(),
            error,
        }
    }
}
