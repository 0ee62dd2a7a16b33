//! The probe itself works on the host.

#![allow(clippy::unwrap_used, reason = "a test's helpers fail the test by panicking")]

use std::process::Command;

fn probe(arguments: &[&str]) -> (String, Option<i32>) {
    let output = Command::new(env!("CARGO_BIN_EXE_probe"))
        .args(arguments)
        .output()
        .unwrap();
    (
        String::from_utf8_lossy(&output.stdout).into_owned(),
        output.status.code(),
    )
}

#[test]
fn commands_run_in_order_until_one_fails() {
    assert_eq!(
        probe(&["echo", "a", "b", "--", "exit", "7"]),
        ("a b\n".to_owned(), Some(7))
    );
    let (text, code) = probe(&["cat", "/nowhere", "--", "echo", "unreached"]);
    assert!(text.starts_with("cat /nowhere: No such file"), "{text}");
    assert_eq!(code, Some(1));
}

#[test]
fn the_probe_is_found_beside_the_tests() {
    assert_eq!(
        testkit::probe(),
        std::path::Path::new(env!("CARGO_BIN_EXE_probe"))
    );
}
