//! Hostile clients against a real daemon: whatever they send, each request is answered and the daemon lives on.
//!
//! Decoders recurse, and a stack that ends takes Docker and Kubernetes along. The bodies here are as deep as they may be
//! and deeper, in every format and by every way in. The build under test has the largest frames there are: a debug one.

#![allow(clippy::unwrap_used, reason = "a test's helpers fail the test by panicking")]

mod bodies;
mod table;

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use testkit::daemon::Daemon;

use crate::kubectl::kubectl;
use table::{Attack, JSON, TREES, YAML, documents, expressions, patches};

/// A node and the administrator's curl.
struct Node {
    daemon: Daemon,
    server: String,
}

impl Node {
    fn start() -> Self {
        let daemon = Daemon::api();
        let said = |path: &str| {
            let words = format!("config view --raw --minify -o jsonpath={{{path}}}");
            let output = kubectl(&daemon, &words).output().unwrap();
            String::from_utf8(output.stdout).unwrap()
        };
        for (file, path) in [
            ("ca", ".clusters[0].cluster.certificate-authority-data"),
            ("cert", ".users[0].user.client-certificate-data"),
            ("key", ".users[0].user.client-key-data"),
        ] {
            std::fs::write(daemon.directory.join(file), decoded(&said(path))).unwrap();
        }
        let server = said(".clusters[0].cluster.server");
        Self { daemon, server }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.daemon.directory.join(name)
    }

    fn curl(&self) -> Command {
        let mut curl = self.daemon.namespace.command("curl -s --max-time 60 --cacert");
        curl.arg(self.file("ca"));
        curl.arg("--cert").arg(self.file("cert"));
        curl.arg("--key").arg(self.file("key"));
        curl
    }

    /// The status of an answer (0: none), and its text.
    fn answer(&self, attack: &Attack) -> (u16, String) {
        let (body, out) = (self.file("body"), self.file("answer"));
        std::fs::write(&body, &attack.body).unwrap();
        let mut curl = self.curl();
        curl.args(["-w", "%{http_code}", "-X", attack.method, "-o"])
            .arg(&out);
        curl.args(["-H", &format!("content-type: {}", attack.content)]);
        curl.args(["--data-binary", &format!("@{}", body.display())]);
        let code = curl
            .arg(format!("{}{}", self.server, attack.path))
            .output()
            .unwrap();
        let text = std::fs::read(&out).unwrap_or_default();
        let code = String::from_utf8_lossy(&code.stdout).parse().unwrap_or(0);
        (code, String::from_utf8_lossy(&text).chars().take(300).collect())
    }

    fn pid(&self) -> Value {
        let status = self.daemon.gantry_ok(&["status", "-o", "json"]);
        serde_json::from_str::<Value>(&status).unwrap()["pid"].clone()
    }
}

/// Base64, by a program: it is what a script would do.
fn decoded(text: &str) -> Vec<u8> {
    let script = format!("printf %s '{text}' | base64 -d");
    Command::new("sh").args(["-c", &script]).output().unwrap().stdout
}

#[test]
fn nesting_is_answered_and_the_daemon_lives() {
    let node = Node::start();
    let first = node.pid();
    let attacks = [documents(), patches(), expressions()];
    let mut failures = Vec::new();
    for attack in attacks.iter().flatten() {
        let (code, text) = node.answer(attack);
        if !attack.codes.contains(&code) {
            let Attack {
                what,
                method,
                path,
                codes,
                ..
            } = attack;
            failures.push(format!("{what}: {method} {path}: {code}, not {codes:?}: {text}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    // What was taken can be read again, in every encoding.
    for accept in [JSON, YAML, "application/json;as=Table;v=v1;g=meta.k8s.io"] {
        let mut curl = node.curl();
        curl.args([
            "-H",
            &format!("accept: {accept}"),
            "-o",
            "/dev/null",
            "-w",
            "%{http_code}",
        ]);
        let output = curl.arg(format!("{}{TREES}", node.server)).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "200", "{accept}");
    }
    assert_eq!(node.pid(), first);
}

/// A client that never sends the rest of its body is not waited for.
#[test]
fn a_half_sent_body_does_not_hold_up_the_end() {
    let node = Node::start();
    let mut half = node.curl();
    half.args(["-T", "-", "-X", "POST", "-H", "content-type: application/json"]);
    half.arg(format!(
        "{}{}",
        node.server, "/api/v1/namespaces/default/configmaps"
    ));
    let mut half = half.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let mut body = half.stdin.take().unwrap();
    body.write_all(b"{\"metadata\":").unwrap();
    body.flush().unwrap();
    let writing = "apiserver_current_inflight_requests{request_kind=\"mutating\"} 1";
    let metrics = || {
        kubectl(&node.daemon, "get --raw /metrics")
            .output()
            .unwrap()
            .stdout
    };
    while !String::from_utf8_lossy(&metrics()).contains(writing) {}
    let begun = sys::clock::boottime();
    node.daemon.gantry_ok(&["down"]);
    let took = sys::clock::boottime() - begun;
    assert!(took < Duration::from_secs(30), "{took:?}");
    assert!(!half.wait().unwrap().success());
    drop(body);
}
