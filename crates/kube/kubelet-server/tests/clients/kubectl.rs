//! The kubectls of this machine.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use crate::cluster::Cluster;

/// Versions whose ways to stream differ: SPDY, WebSocket exec, tunnelled port-forward.
const OLDER: [&str; 5] = ["1.27", "1.29", "1.30", "1.31", "1.33"];

/// Those that are there: older ones stand beside the kubectl of PATH, the newest is installed by `cargo xtask test`.
#[expect(
    clippy::disallowed_methods,
    reason = "cargo's own word of where clients are, and PATH"
)]
pub(crate) fn clients() -> Vec<PathBuf> {
    let installed = std::env::var("GANTRY_CLIENTS").expect("cargo sets it (.cargo/config.toml)");
    let newest = PathBuf::from(installed).join("kubectl-1.36.4/bin/kubectl");
    assert!(
        newest.exists(),
        "`cargo xtask test` installs {}",
        newest.display()
    );
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut found = std::env::split_paths(&path).map(|directory| directory.join("kubectl"));
    let beside = found.find_map(|kubectl| kubectl.canonicalize().ok());
    let beside = beside.and_then(|kubectl| kubectl.parent().map(Path::to_path_buf));
    let older = beside
        .into_iter()
        .flat_map(|directory| OLDER.map(|version| directory.join(format!("kubectl.{version}"))));
    older.filter(|kubectl| kubectl.exists()).chain([newest]).collect()
}

impl Cluster {
    /// A kubectl that acts as the administrator.
    pub(crate) fn kubectl(&self, client: &Path, words: &[&str]) -> Command {
        let mut command = Command::new(client);
        command
            .env("KUBECONFIG", self.directory.path().join("admin.kubeconfig"))
            .env("HOME", self.directory.path())
            .current_dir(self.directory.path())
            .args(words)
            .stdin(Stdio::null());
        command
    }

    /// What it says, given this input.
    pub(crate) fn says(&self, client: &Path, words: &[&str], input: &[u8]) -> Output {
        let mut command = self.kubectl(client, words);
        let mut child: Child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (mut to, input) = (child.stdin.take().unwrap(), input.to_vec());
        let writer = std::thread::spawn(move || drop(to.write_all(&input)));
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        output
    }

    /// The same as text: exit code, standard output, standard error.
    pub(crate) fn told(&self, client: &Path, words: &[&str], input: &str) -> (i32, String, String) {
        let output = self.says(client, words, input.as_bytes());
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (
            output.status.code().unwrap_or(-1),
            text(output.stdout),
            text(output.stderr),
        )
    }
}
