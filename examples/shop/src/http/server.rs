//! Serving: so many threads, each with one connection at a time. Who comes when all are busy waits in the socket's
//! queue, which is bounded too.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::client::Sibling;
use super::{Answer, Request, Service};
use crate::journal::Journal;

const THREADS: usize = 32;
/// Small: a thread holds one request.
const STACK: usize = 256 << 10;
/// For each piece of a request, and of an answer.
const PATIENCE: Duration = Duration::from_secs(5);

struct Server {
    listener: TcpListener,
    service: Box<dyn Service>,
    journal: Journal,
    was_ready: AtomicBool,
}

/// Serves until the process ends.
pub(crate) fn run(listen: &str, service: Box<dyn Service>, journal: Journal) -> io::Result<()> {
    let listener = TcpListener::bind(listen)?;
    journal.say(&format!("serves on {listen}"));
    let server = Server {
        listener,
        service,
        journal,
        was_ready: AtomicBool::new(false),
    };
    thread::scope(|scope| {
        for _ in 0..THREADS {
            thread::Builder::new()
                .stack_size(STACK)
                .spawn_scoped(scope, || server.work())?;
        }
        Ok(())
    })
}

/// Whether the service that listens there is ready: a health check for images that have no other program.
pub(crate) fn check(listen: &str) -> Result<(), &'static str> {
    let port = listen.rsplit_once(':').map_or("8080", |(_, port)| port);
    let own = Sibling::new(format!("127.0.0.1:{port}"));
    own.is_ready().then_some(()).ok_or("not ready")
}

impl Server {
    fn work(&self) {
        loop {
            // A client that was gone before it was accepted, or one that breaks off, is no matter of the next one's.
            if let Ok((stream, _)) = self.listener.accept() {
                drop(self.serve(stream));
            }
        }
    }

    fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let request = match Request::read(&mut stream) {
            Ok(request) => request,
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                return Answer::text(format!("{error}\n"))
                    .status(400)
                    .write(&mut stream, true);
            }
            Err(error) => return Err(error),
        };
        self.answer(&request).write(&mut stream, request.method != "HEAD")
    }

    fn answer(&self, request: &Request) -> Answer {
        match request.path.as_str() {
            "/healthz" => Answer::text("ok\n"),
            "/readyz" if self.ready() => Answer::text("ok\n"),
            "/readyz" => Answer::text("not ready\n").status(503),
            path => {
                let answer = self.service.answer(request).unwrap_or_else(Answer::from);
                if self.service.is_logged() {
                    self.journal
                        .say(&format!("{} {path} {}", request.method, answer.status));
                }
                answer
            }
        }
    }

    /// Once it was ready it stays so: where a sibling fails later, an answer that says so is better than none.
    fn ready(&self) -> bool {
        if !self.was_ready.load(Ordering::Relaxed) && self.service.ready() {
            self.was_ready.store(true, Ordering::Relaxed);
        }
        self.was_ready.load(Ordering::Relaxed)
    }
}
