//! `gantry supervisor` as a command: what its crate's own tests do through a program of theirs.

#![allow(clippy::unwrap_used, reason = "a test's helpers fail the test by panicking")]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use supervisor::client::Client;
use supervisor::protocol::{Leftovers, Reply, Request, Role};

/// Ends it if the test does not: a supervisor outlives whoever started it.
struct Supervisor(Child);

impl Drop for Supervisor {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn it_starts_its_daemon_executes_itself_anew_and_ends() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("supervisor.sock");
    let probe = testkit::probe();
    let supervisor = Command::new(env!("CARGO_BIN_EXE_gantry"))
        .args(["supervisor", "--socket"])
        .arg(&socket)
        .arg("--")
        .arg(&probe)
        .args(["echo", "daemon is up", "--", "wait"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut supervisor = Supervisor(supervisor);
    // The daemon's first words are the sign that the socket is there.
    let mut line = String::new();
    BufReader::new(supervisor.0.stdout.as_mut().unwrap())
        .read_line(&mut line)
        .unwrap();
    assert_eq!(line, "daemon is up\n");

    let mut client = Client::connect(&socket, Role::Operator {}).unwrap();
    let (reply, _) = client.call(&Request::Reexec { executable: None }, &[]).unwrap();
    assert!(matches!(reply, Reply::Done { .. }), "{reply:?}");
    let mut client = Client::connect(&socket, Role::Operator {}).unwrap();
    let shutdown = Request::Shutdown {
        leftovers: Leftovers::Kill {},
        grace: 1000,
    };
    client.call(&shutdown, &[]).unwrap();
    assert!(supervisor.0.wait().unwrap().success());
    assert!(!socket.exists());
}
