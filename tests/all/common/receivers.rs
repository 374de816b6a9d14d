//! A mail server and a web server that keep what they take.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;
use upright_testkit::workspace;

/// The key that requests to the web server are signed with.
pub const KEY: &str = "k3y-of-the-test";

/// The servers of `tests/support/receivers.py`, for as long as the value lives.
pub struct Receivers {
    child: Child,
    dir: TempDir,
    /// Port of the mail server.
    pub smtp: u64,
    /// Port of the web server.
    pub http: u64,
}

impl Receivers {
    /// Starts them; the options are those of the program.
    pub fn start(options: &[&str]) -> Self {
        let (root, dir) = (workspace().unwrap(), TempDir::new().unwrap());
        let mut child = Command::new(root.join(".venv/bin/python"))
            .arg(root.join("tests/support/receivers.py"))
            .arg(dir.path())
            .args(["--key", KEY])
            .args(options)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ports: Value = serde_json::from_str(&line).unwrap();
        let port = |name: &str| ports[name].as_u64().unwrap();
        Self { smtp: port("smtp"), http: port("http"), child, dir }
    }

    /// The messages of a kind that were taken, in order.
    pub fn taken(&self, kind: &str) -> Vec<Value> {
        let mut files: Vec<_> = std::fs::read_dir(self.dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.file_name().unwrap().to_string_lossy().starts_with(kind))
            .collect();
        files.sort();
        files
            .iter()
            .map(|path| serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap())
            .collect()
    }

    /// The file with the authority of the certificate.
    pub fn ca(&self) -> String {
        self.dir.path().join("ca.pem").display().to_string()
    }

    /// A configuration that mails to these addresses.
    pub fn mailing(&self, security: &str, more: &str, to: &str) -> String {
        let port = self.smtp;
        format!(
            "notify:\n  name: ACME org\n  mail:\n    from: Upright <upright@example.com>\n    via: {{ smtp: {{ host: \
             localhost, port: {port}, security: {security}, timeout_seconds: 20{more} }} }}\n    to:\n{to}"
        )
    }

    /// What makes a configuration trust the mail server.
    pub fn trusted(&self) -> String {
        format!(", ca_file: '{}'", self.ca())
    }
}

impl Drop for Receivers {
    fn drop(&mut self) {
        // Both fail only when it has ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
