//! The whole shop without a platform: its services on loopback addresses that no other test run has.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail the test by panicking")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::process::{Pid, Signal, kill_process};

/// In the order of their ports; each needs some before it.
const SERVICES: [&str; 6] = ["log", "catalogue", "payment", "cart", "order", "web"];

struct Shop {
    /// All of 127/8 is this host.
    ip: String,
    /// The port of the first service.
    port: usize,
    data: tempfile::TempDir,
    running: Vec<(Child, BufReader<ChildStdout>)>,
}

impl Shop {
    fn open() -> Self {
        static OPENED: AtomicUsize = AtomicUsize::new(0);
        let [a, b, c, d] = std::process::id().to_be_bytes();
        assert_eq!(a, 0, "a process id has 22 bits");
        let mut shop = Self {
            ip: format!("127.{}.{c}.{d}", 64 + b),
            port: 8080 + SERVICES.len() * OPENED.fetch_add(1, Ordering::Relaxed),
            data: tempfile::tempdir().unwrap(),
            running: Vec::new(),
        };
        SERVICES.iter().for_each(|service| shop.start(service));
        shop
    }

    fn address(&self, service: &str) -> String {
        let at = SERVICES.iter().position(|known| *known == service).unwrap();
        format!("{}:{}", self.ip, self.port + at)
    }

    fn command(&self, service: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_shop"));
        for sibling in SERVICES {
            command.env(format!("SHOP_{}", sibling.to_uppercase()), self.address(sibling));
        }
        command
            .env("SHOP_LISTEN", self.address(service))
            .env("SHOP_DATA", self.data.path())
            .env("SHOP_PAYMENT_KEY", "key");
        command
    }

    /// Returns when it serves.
    fn start(&mut self, service: &str) {
        let mut child = self
            .command(service)
            .arg(service)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        assert_eq!(line, format!("{service}: serves on {}\n", self.address(service)));
        self.running.push((child, out));
    }

    /// Status line, fields and body of an answer to the visitor `me`.
    fn ask(&self, service: &str, head: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(self.address(service)).unwrap();
        let length = body.len();
        write!(
            stream,
            "{head} HTTP/1.1\r\nCookie: cart=me\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn seed(&self) {
        let articles = concat!(env!("CARGO_MANIFEST_DIR"), "/articles.json");
        let seed = self.command("web").args(["seed", articles]).output().unwrap();
        assert_eq!(
            String::from_utf8_lossy(&seed.stdout),
            "the catalogue has 3 articles\n"
        );
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        for (child, _) in &mut self.running {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[track_caller]
fn says(answer: &str, status: &str, text: &str) {
    assert!(
        answer.starts_with(&format!("HTTP/1.1 {status} ")) && answer.contains(text),
        "{answer}"
    );
}

#[test]
fn a_visitor_buys_a_mug() {
    let shop = Shop::open();
    says(&shop.ask("web", "GET /readyz", ""), "200", "ok");
    shop.seed();
    says(&shop.ask("web", "GET /", ""), "200", "Mug with a crane 7.50 EUR");
    says(&shop.ask("web", "POST /order", ""), "409", "the cart is empty");
    says(
        &shop.ask("web", "POST /cart", "article=anchor"),
        "404",
        "no such article",
    );
    says(
        &shop.ask("web", "POST /cart", "article=mug"),
        "303",
        "Location: /",
    );
    says(&shop.ask("web", "GET /", ""), "200", "Together: 7.50 EUR");
    says(
        &shop.ask("web", "POST /order", ""),
        "200",
        "order 1, 7.50 EUR, is paid",
    );
    says(&shop.ask("web", "GET /", ""), "200", "Together: 0.00 EUR");
    says(
        &shop.ask("order", "GET /orders", ""),
        "200",
        r#"[{"id":1,"total":750,"payment":1}]"#,
    );
    says(
        &shop.ask("payment", "POST /payments", r#"{"amount":1}"#),
        "401",
        "a key is needed",
    );
    // Lines are sent beside the requests; the log has them in the end.
    while !shop
        .ask("log", "GET /lines", "")
        .contains("order: POST /orders 201")
    {}
}

#[test]
fn a_service_ends_at_once_when_it_is_told_to() {
    let mut shop = Shop::open();
    let (web, _) = shop.running.last_mut().unwrap();
    kill_process(Pid::from_child(web), Signal::TERM).unwrap();
    assert_eq!(web.wait().unwrap().code(), Some(0));
}
