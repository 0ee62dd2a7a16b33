//! Visitors of the shop's page: plain requests to the node's port, each on a connection of its own.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sys::clock::boottime;

/// For each step of a request.
const PATIENCE: Duration = Duration::from_secs(10);
/// At most so many bytes of an answer.
const MAX_ANSWER: u64 = 1 << 20;
/// Every visitor's cart.
const COOKIE: &str = "cart=demo";

/// How a visitor fared.
#[derive(Default)]
pub(super) struct Visits {
    pub(super) times: Vec<Duration>,
    /// What went wrong; no more than a few.
    pub(super) failures: Vec<String>,
}

/// The page, if it comes with status 200.
pub(super) fn page(port: u16) -> io::Result<String> {
    let answer = ask(port, "GET / HTTP/1.1", "")?;
    if answer.starts_with("HTTP/1.1 200 ") {
        return Ok(answer);
    }
    let status = answer.lines().next().unwrap_or("nothing");
    Err(io::Error::other(format!("the page answers {status}")))
}

/// Sends a form; the whole answer.
pub(super) fn send(port: u16, path: &str, form: &str) -> io::Result<String> {
    ask(port, &format!("POST {path} HTTP/1.1"), form)
}

/// Asks for the page again and again: `least` times, and until `enough`. Gives up where most of it fails.
pub(super) fn visit(port: u16, least: usize, enough: &AtomicBool) -> Visits {
    let mut visits = Visits::default();
    while visits.failures.len() < 10 && (visits.times.len() < least || !enough.load(Ordering::Relaxed)) {
        let begun = boottime();
        match page(port) {
            Ok(_) => visits.times.push(boottime() - begun),
            Err(error) => visits.failures.push(error.to_string()),
        }
    }
    visits
}

fn ask(port: u16, line: &str, body: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&(Ipv4Addr::LOCALHOST, port).into(), PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let length = body.len();
    let fields = format!("Host: shop\r\nCookie: {COOKIE}\r\nContent-Length: {length}\r\nConnection: close");
    stream.write_all(format!("{line}\r\n{fields}\r\n\r\n{body}").as_bytes())?;
    let mut answer = String::new();
    stream.take(MAX_ANSWER).read_to_string(&mut answer)?;
    Ok(answer)
}
