//! Debian's docker-registry: a registry that is not ours, for tests and benchmarks.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use crate::daemon::{Namespace, all};

/// A running docker-registry, in a network namespace; it goes with this value.
#[derive(Debug)]
pub struct Registry {
    process: Child,
    namespace: Arc<Namespace>,
    directory: tempfile::TempDir,
    port: u16,
}

/// Who is let in by [`Registry::with_users`].
pub const USER: (&str, &str) = ("user", "secret");
/// The same with bcrypt.
const HTPASSWD: &str = "user:$2y$05$TACC2U1tEfz8K2vm92Bb/er4Ul0g1ew97bsGV5UZ6THP5nq6RbnaO\n";

impl Registry {
    /// One that lets everybody in, over plain HTTP.
    ///
    /// # Panics
    /// It does not start.
    #[must_use]
    pub fn start(namespace: &Arc<Namespace>, port: u16) -> Self {
        Self::with(namespace, port, "")
    }

    /// One that lets [`USER`] in.
    ///
    /// # Panics
    /// It does not start.
    #[must_use]
    pub fn with_users(namespace: &Arc<Namespace>, port: u16) -> Self {
        Self::with(namespace, port, HTPASSWD)
    }

    fn with(namespace: &Arc<Namespace>, port: u16, users: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let at = |name: &str| directory.path().join(name);
        fs::write(at("users"), users).expect("a file");
        let auth = match users {
            "" => String::new(),
            _ => format!(
                "auth: {{htpasswd: {{realm: test, path: {}}}}}\n",
                at("users").display()
            ),
        };
        let config = format!(
            "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\n\
             storage: {{filesystem: {{rootdirectory: {}}}, delete: {{enabled: true}}}}\n\
             http: {{addr: \"127.0.0.1:{port}\"}}\n{auth}",
            at("registry").display()
        );
        fs::write(at("registry.yml"), config).expect("a file");
        let mut command = namespace.command("docker-registry serve");
        command.arg(at("registry.yml"));
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let registry = Self {
            process: command.spawn().expect("docker-registry"),
            namespace: namespace.clone(),
            directory,
            port,
        };
        registry.answers();
        registry
    }

    /// It says nothing when it listens, so it is asked until it answers, with yes or no.
    fn answers(&self) {
        let script = format!(
            "until curl --silent --output /dev/null http://127.0.0.1:{}/v2/; do :; done",
            self.port
        );
        let asked = self.namespace.command("timeout 20 sh -c").arg(script).output();
        let asked = asked.expect("a shell");
        assert!(asked.status.success(), "docker-registry: {}", all(&asked));
    }

    /// `127.0.0.1:PORT`
    #[must_use]
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Where its files are, and where there is room for others.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// A command in its namespace; its words are separated by blanks.
    #[must_use]
    pub fn command(&self, words: &str) -> Command {
        self.namespace.command(words)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
