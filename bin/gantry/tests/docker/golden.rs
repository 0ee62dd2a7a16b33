//! Recorded answers of a real dockerd 20.10, asked of Gantry: statuses, messages, members.
//!
//! The facts are `crates/docker/engine-api/facts/golden-20.10.jsonl`. What differs has a row in
//! [`DIFFERS`] with the reason; a row that no longer differs fails the test too.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use serde_json::{Value, json};
use testkit::daemon::{Daemon, Kind};

const FACTS: &str = include_str!("../../../../crates/docker/engine-api/facts/golden-20.10.jsonl");

/// What the recording did between its cases: before which case, and the request.
const BETWEEN: [(&str, &str, &str, &str); 7] = [
    (
        "start",
        "POST",
        "/containers/create?name=aa",
        r#"{"Image":"busybox:latest","Cmd":["/bin/sh","-c","echo out; echo err >&2; sleep 1000"]}"#,
    ),
    ("rm again", "DELETE", "/containers/bb?force=1", ""),
    (
        "start bad network",
        "POST",
        "/containers/create?name=bad-network",
        r#"{"Image":"busybox:latest","HostConfig":{"NetworkMode":"nope"}}"#,
    ),
    ("inspect cmd not found", "POST", "/containers/nf/start", ""),
    ("network rm", "POST", "/networks/create", r#"{"Name":"n1"}"#),
    (
        "volume create same",
        "POST",
        "/volumes/create",
        r#"{"Name":"v1","Labels":{"a":"b"}}"#,
    ),
    ("rmi tag", "POST", "/images/busybox/tag?repo=x/y&tag=1", ""),
];

/// What is answered otherwise, why, and how.
struct Differs {
    case: &'static str,
    why: &'static str,
    status: u16,
    message: Option<&'static str>,
}

const fn differs(
    case: &'static str,
    why: &'static str,
    status: u16,
    message: Option<&'static str>,
) -> Differs {
    Differs {
        case,
        why,
        status,
        message,
    }
}

const NEWER: &str = "28.2 words it so";

const DIFFERS: &[Differs] = &[
    differs(
        "create no content type",
        NEWER,
        400,
        Some("unsupported Content-Type header (text/plain): must be 'application/json'"),
    ),
    differs("list bad filter", NEWER, 400, Some("invalid filter 'zz'")),
    differs(
        "wait bad condition",
        "28.2 refuses what 20.10 passed over",
        400,
        Some("invalid condition: \"zz\""),
    ),
    differs(
        "create bad restart policy",
        NEWER,
        400,
        Some(
            "invalid restart policy: unknown policy 'zz'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'",
        ),
    ),
    differs(
        "create cpus too many",
        NEWER,
        400,
        Some("range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available"),
    ),
    differs(
        "kill stopped",
        NEWER,
        409,
        Some("cannot kill container: bb: container <id> is not running"),
    ),
    differs(
        "start bad network",
        NEWER,
        404,
        Some("failed to set up container networking: network nope not found"),
    ),
    differs(
        "start bad pid mode",
        "it was refused at create",
        404,
        Some("No such container: bad-pid-mode"),
    ),
    differs(
        "create bad ulimit order",
        "28.2 refuses what 20.10 passed over",
        400,
        Some("ulimit soft limit must be less than or equal to hard limit: 10 > 5"),
    ),
    differs(
        "start bad ulimit order",
        "it was refused at create",
        404,
        Some("No such container: bad-ulimit-order"),
    ),
    differs(
        "network bad subnet",
        NEWER,
        400,
        Some("invalid network config:\ninvalid subnet zz: invalid CIDR block notation"),
    ),
    differs(
        "create bad pid mode",
        "28.2 refuses what 20.10 passed over",
        400,
        Some("invalid PID mode: zz"),
    ),
];

struct Answer {
    status: u16,
    body: Value,
}

fn ask(socket: &Path, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let mut stream = UnixStream::connect(socket).unwrap();
    let length = body.len();
    let headers = headers.iter().filter(|(_, value)| !value.is_empty());
    let headers: String = headers
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: d\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let text = String::from_utf8_lossy(&answer).into_owned();
    let (head, rest) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    let rest = if chunked { unchunked(rest) } else { rest.to_owned() };
    Answer {
        status,
        body: serde_json::from_str(&rest).unwrap_or(Value::Null),
    }
}

fn unchunked(mut rest: &str) -> String {
    let mut whole = String::new();
    while let Some((length, tail)) = rest.split_once("\r\n") {
        let length = usize::from_str_radix(length, 16).unwrap();
        whole.push_str(&tail[..length]);
        rest = tail[length..].trim_start_matches("\r\n");
    }
    whole
}

/// A message with every full id replaced, as the recording has it.
fn without_ids(message: &str) -> String {
    let id = |word: &str| word.len() == 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    message
        .split(' ')
        .map(|word| if id(word) { "<id>" } else { word })
        .collect::<Vec<_>>()
        .join(" ")
}

/// Cases of the recording whose bodies were archives; `build.rs` and `files.rs` have them.
fn is_archive(fact: &Value) -> bool {
    let media_type = fact["headers"]["Content-Type"].as_str().unwrap_or("");
    media_type == "application/x-tar"
}

fn check(socket: &Path, fact: &Value) -> Result<(), String> {
    let text = |name: &str| fact[name].as_str().unwrap_or("");
    let header = |name: &str| fact["headers"][name].as_str();
    let headers = [
        (
            "Content-Type",
            header("Content-Type").unwrap_or("application/json"),
        ),
        ("X-Registry-Auth", header("X-Registry-Auth").unwrap_or("")),
    ];
    let body = if fact["body"].is_null() {
        Vec::new()
    } else {
        fact["body"].to_string().into_bytes()
    };
    let answer = ask(socket, text("method"), text("path"), &headers, &body);
    let shown = answer.body.get(0).unwrap_or(&answer.body);
    let differs = DIFFERS.iter().find(|differs| differs.case == text("case"));
    let recorded = (fact["status"].clone(), fact["message"].as_str());
    let wanted = differs.map_or(recorded.clone(), |differs| {
        (json!(differs.status), differs.message)
    });
    let message = shown["message"].as_str().map(without_ids);
    let got = (json!(answer.status), message.as_deref());
    if got != wanted {
        return Err(format!("{}: {got:?} in place of {wanted:?}", text("case")));
    }
    if differs.is_some() && wanted == recorded {
        return Err(format!("{} does not differ any more", text("case")));
    }
    let absent = fact["members"].as_array().into_iter().flatten();
    let absent: Vec<_> = absent
        .filter(|name| shown.get(name.as_str().unwrap()).is_none())
        .collect();
    if answer.status == 200
        && !absent.is_empty()
        && differs.is_none()
        && !GONE.iter().any(|gone| gone.0 == text("case"))
    {
        return Err(format!("{}: without {absent:?}", text("case")));
    }
    Ok(())
}

/// Cases whose answers have lost members since, and why.
const GONE: [(&str, &str); 1] = [("image list", "VirtualSize left the API with 1.44")];

#[test]
fn what_dockerd_answered() {
    let daemon = Daemon::start(Kind::Gantry);
    daemon.load_images();
    let socket = daemon.socket();
    let mut failures = Vec::new();
    for line in FACTS.lines() {
        let fact: Value = serde_json::from_str(line).unwrap();
        for (_, method, path, body) in BETWEEN.iter().filter(|step| step.0 == fact["case"]) {
            ask(
                &socket,
                method,
                path,
                &[(
                    "Content-Type",
                    if body.is_empty() { "" } else { "application/json" },
                )],
                body.as_bytes(),
            );
        }
        if !is_archive(&fact) {
            failures.extend(check(&socket, &fact).err());
        }
    }
    let reasons = DIFFERS.iter().filter(|differs| differs.why.is_empty()).count();
    assert!(failures.is_empty() && reasons == 0, "{}", failures.join("\n"));
}
