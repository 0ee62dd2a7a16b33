//! A web server of files, and whoever asks it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use builder::Fetch as _;
use fetch::Sources;

/// What a path answers: status, headers, body.
pub(crate) type Answer = (u16, Vec<(&'static str, String)>, Vec<u8>);
/// What a server answers to a path.
pub(crate) type Answers = dyn Fn(&str) -> Option<Answer> + Send + Sync;

/// A server; it ends with the test's process.
pub(crate) struct Server {
    pub(crate) address: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub(crate) fn start(answers: impl Fn(&str) -> Option<Answer> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let (heard, answers) = (asked.clone(), Arc::new(answers));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (heard, answers) = (heard.clone(), answers.clone());
                std::thread::spawn(move || serve(&stream, &heard, &*answers));
            }
        });
        Self { address, asked }
    }

    /// Files of a directory, as any web server has them.
    pub(crate) fn files(directory: &Path) -> Self {
        let directory = directory.to_owned();
        Self::start(move |path| {
            let path = path.split('?').next()?.trim_start_matches('/');
            let body = std::fs::read(directory.join(path)).ok()?;
            Some((200, Vec::new(), body))
        })
    }

    /// Methods and paths, in the order in which they were asked for, and who asked is told.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

fn serve(stream: &TcpStream, heard: &Mutex<Vec<String>>, answers: &Answers) {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    while let Some(first) = lines.next() {
        let headers: Vec<String> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
        let mut words = first.split(' ');
        let (method, path) = (words.next().unwrap(), words.next().unwrap_or_default().to_owned());
        let who = headers
            .iter()
            .filter_map(|line| line.split_once(": "))
            .find_map(|(name, value)| name.eq_ignore_ascii_case("authorization").then_some(value));
        let who = who.map(|who| format!(" as {who}")).unwrap_or_default();
        heard.lock().unwrap().push(format!("{method} {path}{who}"));
        let (status, more, body) = answers(&path).unwrap_or((404, Vec::new(), b"nothing here".to_vec()));
        let mut head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n", body.len());
        for (name, value) in more {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let body = if method == "HEAD" { &[][..] } else { &body };
        let mut stream = stream;
        if stream.write_all(head.as_bytes()).is_err()
            || stream.write_all(b"\r\n").is_err()
            || stream.write_all(body).is_err()
        {
            return;
        }
    }
}

/// Who asks, and where it keeps what it gets.
pub(crate) struct Asker {
    pub(crate) sources: Sources,
    pub(crate) directory: tempfile::TempDir,
}

impl Asker {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let client = distribution::Client::new(
            distribution::Config::default(),
            distribution::Settings::default(),
            driver::Rng::from_os().unwrap(),
        );
        let sources = Sources::open(client, directory.path().join("fetched")).unwrap();
        Self { sources, directory }
    }

    pub(crate) async fn repository(&self, url: &str) -> Result<builder::Repository, String> {
        let source = builder::GitSource::parse(url)?.unwrap_or_else(|| panic!("{url} is no repository"));
        self.sources.git(&source, None).await
    }

    pub(crate) fn kept(&self) -> PathBuf {
        self.directory.path().join("fetched")
    }
}
