//! Debian's docker-registry runs the same suite, which so is proven itself.
//!
//! What 2.8 has not, and the suite leaves out for it: a single POST, tags by `?tag=`, `OCI-Subject`, referrers, mounting
//! without `from`, `digest-algorithm`, pages of tags, deleting tags; it takes several ranges at once, sends `/v2` on to
//! `/v2/`, looks at no Content-Range, and sorts no tags, and has other words for some manifests that are wrong.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::suite;
use crate::suite::http::Remote;

struct Peer(Child);

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts it on a port that the kernel chooses, and reads which one that is.
fn start(directory: &Path) -> (Peer, Remote) {
    let config = directory.join("config.yml");
    let text = format!(
        "version: 0.1\nlog: {{level: info}}\nstorage:\n  delete: {{enabled: true}}\n  filesystem: {{rootdirectory: {}}}\n\
         http: {{addr: '127.0.0.1:0'}}\n",
        directory.join("data").display()
    );
    std::fs::write(&config, text).unwrap();
    let mut command = Command::new("docker-registry");
    command
        .arg("serve")
        .arg(&config)
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("docker-registry is installed");
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let address = lines.find_map(|line| {
        let line = line.unwrap();
        let (_, rest) = line.split_once("listening on ")?;
        rest.split(['"', ' ', ',']).next()?.parse().ok()
    });
    // What it says later has to be taken.
    std::thread::spawn(move || lines.for_each(drop));
    let remote = Remote {
        address: address.unwrap(),
        ours: false,
        credentials: None,
    };
    (Peer(child), remote)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn docker_registry_passes_the_same_suite() {
    let directory = tempfile::tempdir().unwrap();
    let (_peer, remote) = start(directory.path());
    suite::run(&remote).await;
}
