//! [`Env`]: the environment that points a program at a local AWS, and at nothing else.

use std::process::Command;

/// The region that is asked where a service has none.
const REGION: &str = "us-east-1";

/// Environment variables for a program that is to find AWS at a port of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Env {
    vars: Vec<(&'static str, String)>,
}

impl Env {
    /// `http://localhost:port`: a name, since S3 puts buckets and S3 Control the account in front of it.
    pub(crate) fn of_port(port: u16) -> Self {
        let vars = [
            ("AWS_ENDPOINT_URL", format!("http://localhost:{port}")),
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_DEFAULT_REGION", REGION.to_owned()),
            ("AWS_ACCESS_KEY_ID", "testing".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "testing".to_owned()),
            ("AWS_CONFIG_FILE", "/nonexistent/config".to_owned()),
            ("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent/credentials".to_owned()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ];
        Self { vars: vars.to_vec() }
    }

    /// Sets or replaces a variable.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.vars.retain(|(known, _)| *known != name);
        self.vars.push((name, value.to_owned()));
        self
    }

    /// The variables.
    #[must_use]
    pub fn vars(&self) -> &[(&'static str, String)] {
        &self.vars
    }

    /// Gives the environment to a program that is to be started, and takes from it what the person at
    /// the keyboard has set for AWS and for proxies.
    pub fn apply(&self, command: &mut Command) {
        let is_foreign = |name: &str| {
            let name = name.to_ascii_uppercase();
            name.starts_with("AWS_") || ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"].contains(&name.as_str())
        };
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(is_foreign) {
                command.env_remove(name);
            }
        }
        command.envs(self.vars.iter().map(|(name, value)| (name, value)));
    }
}
