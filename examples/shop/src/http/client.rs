//! Asking a sibling.

use std::io::{self, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::message::read_answer;
use crate::refusal::Refusal;

const CONNECTING: Duration = Duration::from_secs(2);
/// For each piece of an answer.
const ANSWERING: Duration = Duration::from_secs(5);

/// NAME:PORT of another service. The name is looked up for each request, so an address that changes is followed.
#[derive(Clone, Debug)]
pub(crate) struct Sibling {
    address: String,
    /// `Authorization: Bearer ...`
    key: Option<String>,
}

impl Sibling {
    pub(crate) fn new(address: String) -> Self {
        Self { address, key: None }
    }

    pub(crate) fn with_key(self, key: String) -> Self {
        Self {
            key: Some(key),
            ..self
        }
    }

    pub(crate) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Refusal> {
        self.read(&self.ask("GET", path, b"")?)
    }

    pub(crate) fn post<T: DeserializeOwned>(&self, path: &str, value: &impl Serialize) -> Result<T, Refusal> {
        let body = serde_json::to_vec(value).map_err(|error| Refusal::Bad(error.to_string()))?;
        self.read(&self.ask("POST", path, &body)?)
    }

    pub(crate) fn delete(&self, path: &str) -> Result<(), Refusal> {
        self.ask("DELETE", path, b"").map(drop)
    }

    /// Sends a body that is no JSON and reads none.
    pub(crate) fn tell(&self, path: &str, text: &str) -> Result<(), Refusal> {
        self.ask("POST", path, text.as_bytes()).map(drop)
    }

    /// Whether it is there and ready.
    pub(crate) fn is_ready(&self) -> bool {
        self.ask("GET", "/readyz", b"").is_ok()
    }

    fn read<T: DeserializeOwned>(&self, body: &[u8]) -> Result<T, Refusal> {
        serde_json::from_slice(body).map_err(|error| self.unreachable(error.into()))
    }

    fn ask(&self, method: &str, path: &str, body: &[u8]) -> Result<Vec<u8>, Refusal> {
        let answer = self.exchange(method, path, body);
        match answer.map_err(|error| self.unreachable(error))? {
            (200..=299, body) => Ok(body),
            (status, body) => Err(Refusal::Sibling {
                address: self.address.clone(),
                status,
                text: String::from_utf8_lossy(&body).trim_end().to_owned(),
            }),
        }
    }

    fn exchange(&self, method: &str, path: &str, body: &[u8]) -> io::Result<(u16, Vec<u8>)> {
        let mut stream = self.connect()?;
        let key = self
            .key
            .as_ref()
            .map(|key| format!("Authorization: Bearer {key}\r\n"));
        let mut bytes = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\n{}Content-Length: {}\r\nConnection: close\r\n\r\n",
            self.address,
            key.unwrap_or_default(),
            body.len()
        )
        .into_bytes();
        bytes.extend_from_slice(body);
        stream.write_all(&bytes)?;
        read_answer(&mut stream)
    }

    fn connect(&self) -> io::Result<TcpStream> {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "its name has no address");
        for address in self.address.to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, CONNECTING) {
                Ok(stream) => {
                    stream.set_read_timeout(Some(ANSWERING))?;
                    stream.set_write_timeout(Some(ANSWERING))?;
                    return Ok(stream);
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn unreachable(&self, source: io::Error) -> Refusal {
        Refusal::Unreachable {
            address: self.address.clone(),
            source,
        }
    }
}
