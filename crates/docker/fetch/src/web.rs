//! Files of web servers. A body is kept as a file without a name; a server that gave it a tag (`ETag`) is asked first whether
//! it is still the same.

use std::collections::HashMap;
use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use builder::Fetched;
use distribution::{Client, WebAnswer, WebError};
use jiff::fmt::rfc2822;
use rustix::fs::{Mode, OFlags};
use tokio::io::AsyncWriteExt as _;

use crate::MOST;

/// At most so many bodies are kept, and so many bytes of them.
const BODIES: usize = 64;
const BYTES: u64 = 2 << 30;
/// Who asks; told to the address' own server only.
const AUTHORIZATION: &str = "Authorization";

/// Why a file was not fetched.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed {
    #[error("invalid response status {0}")]
    Status(u16),
    #[error("the answer is larger than {MOST} bytes")]
    TooLarge,
    #[error("Get {url:?}: {why}")]
    Web { url: String, why: WebError },
    #[error("keeping what was fetched: {0}")]
    Disk(#[from] std::io::Error),
}

pub(crate) struct Web {
    client: Client,
    directory: PathBuf,
    bodies: Mutex<Bodies>,
}

#[derive(Default)]
struct Bodies {
    by_url: HashMap<String, Body>,
    uses: u64,
    /// Who fetches an address waits for who fetches it already.
    turns: HashMap<String, Arc<tokio::sync::Mutex<()>>>,
}

/// A body that may be of use again.
struct Body {
    file: Arc<File>,
    size: u64,
    tag: String,
    modified: i64,
    name: Option<String>,
    media_type: String,
    used: u64,
}

impl Body {
    fn fetched(&self) -> std::io::Result<Fetched> {
        Ok(Fetched {
            file: self.file.try_clone()?,
            modified: self.modified,
            name: self.name.clone(),
            media_type: self.media_type.clone(),
        })
    }
}

impl Web {
    pub(crate) fn new(client: Client, directory: PathBuf) -> Self {
        Self {
            client,
            directory,
            bodies: Mutex::default(),
        }
    }

    fn bodies(&self) -> MutexGuard<'_, Bodies> {
        self.bodies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The file at an address, which is asked for as somebody, or nobody. What somebody is given is nobody else's, so it is
    /// not kept.
    pub(crate) async fn file(&self, url: &str, who: &str) -> Result<Fetched, Failed> {
        if !who.is_empty() {
            let answer = self.ask(false, url, &[(AUTHORIZATION, who.to_owned())]).await?;
            return self.taken(url, answer).await?.fetched().map_err(Failed::Disk);
        }
        let turn = self.bodies().turns.entry(url.to_owned()).or_default().clone();
        let fetched = {
            let _turn = turn.lock().await;
            self.fetch(url).await
        };
        drop(turn);
        let mut bodies = self.bodies();
        bodies.turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        drop(bodies);
        fetched
    }

    async fn fetch(&self, url: &str) -> Result<Fetched, Failed> {
        let tag = self.bodies().by_url.get(url).map(|body| body.tag.clone());
        if let Some(tag) = tag
            && self.is_same(url, &tag).await
            && let Some(fetched) = self.known(url)
        {
            return Ok(fetched?);
        }
        let answer = self.ask(false, url, &[]).await?;
        let body = self.taken(url, answer).await?;
        let fetched = body.fetched()?;
        self.keep(url, body);
        Ok(fetched)
    }

    async fn ask(&self, head: bool, url: &str, headers: &[(&str, String)]) -> Result<WebAnswer, Failed> {
        let asked = self.client.web(head, url, headers).await;
        asked.map_err(|why| Failed::Web { url: shown(url), why })
    }

    /// Whether the server still has what it had. Some heed `If-None-Match` wrongly, so only heads are asked for and the tags
    /// compared; one that does not answer is asked for all of it.
    async fn is_same(&self, url: &str, tag: &str) -> bool {
        let Ok(answer) = self.ask(true, url, &[("If-None-Match", tag.to_owned())]).await else {
            return false;
        };
        let said = answer.header("etag");
        match answer.status.as_u16() {
            200 => said == Some(tag),
            304 => said.is_none_or(|said| said == tag),
            _ => false,
        }
    }

    fn known(&self, url: &str) -> Option<std::io::Result<Fetched>> {
        let mut bodies = self.bodies();
        bodies.uses += 1;
        let now = bodies.uses;
        let body = bodies.by_url.get_mut(url)?;
        body.used = now;
        Some(body.fetched())
    }

    async fn taken(&self, url: &str, mut answer: WebAnswer) -> Result<Body, Failed> {
        if !answer.status.is_success() {
            return Err(Failed::Status(answer.status.as_u16()));
        }
        let file = rustix::fs::open(
            &self.directory,
            OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC,
            Mode::from_raw_mode(0o600),
        );
        let mut file = tokio::fs::File::from_std(File::from(file.map_err(std::io::Error::from)?));
        let mut size = 0;
        while let Some(piece) = answer.piece().await.map_err(|why| Failed::Web {
            url: shown(url),
            why: why.into(),
        })? {
            size += piece.len() as u64;
            if size > MOST {
                return Err(Failed::TooLarge);
            }
            file.write_all(&piece).await?;
        }
        file.flush().await?;
        let text = |name| answer.header(name).unwrap_or_default().to_owned();
        Ok(Body {
            file: Arc::new(file.into_std().await),
            size,
            tag: text("etag"),
            modified: answer.header("last-modified").map_or(0, seconds),
            name: answer.header("content-disposition").and_then(file_name),
            media_type: text("content-type"),
            used: 0,
        })
    }

    fn keep(&self, url: &str, mut body: Body) {
        let mut bodies = self.bodies();
        bodies.by_url.remove(url);
        if body.tag.is_empty() || body.size > BYTES {
            return;
        }
        bodies.uses += 1;
        body.used = bodies.uses;
        bodies.by_url.insert(url.to_owned(), body);
        while bodies.by_url.len() > BODIES
            || bodies.by_url.values().map(|body| body.size).sum::<u64>() > BYTES
        {
            let oldest = bodies.by_url.iter().min_by_key(|(_, body)| body.used);
            let Some(oldest) = oldest.map(|(url, _)| url.clone()) else {
                return;
            };
            bodies.by_url.remove(&oldest);
        }
    }

    /// Forgets everything; how many bytes that were.
    pub(crate) fn clear(&self) -> u64 {
        let kept = std::mem::take(&mut self.bodies().by_url);
        kept.values().map(|body| body.size).sum()
    }
}

/// An address without a name and password in it.
pub(crate) fn shown(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    match authority.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://xxxxx:xxxxx@{host}{path}"),
        None => url.to_owned(),
    }
}

/// A time as HTTP writes it (RFC 9110 §5.6.7); 0 if it is none.
fn seconds(text: &str) -> i64 {
    let text = text.trim().replace("GMT", "+0000");
    rfc2822::parse(&text).map_or(0, |time| time.timestamp().as_second())
}

/// The name in `Content-Disposition` (RFC 6266).
fn file_name(header: &str) -> Option<String> {
    let (_, parameters) = header.split_once(';')?;
    let value = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("filename")
            .then(|| value.trim().trim_matches('"'))
    })?;
    let name = value.rsplit('/').next().unwrap_or_default();
    let usual = !matches!(name, "" | "." | "..") && !name.contains('\0');
    usual.then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read() {
        assert_eq!(seconds("Sun, 06 Nov 1994 08:49:37 GMT"), 784_111_777);
        assert_eq!(seconds("yesterday"), 0);
        for (header, name) in [
            ("attachment; filename=\"a b.tar\"; size=1", Some("a b.tar")),
            ("attachment; filename=/etc/x", Some("x")),
            ("attachment; filename=..", None),
            ("inline", None),
        ] {
            assert_eq!(file_name(header).as_deref(), name, "{header}");
        }
        assert_eq!(shown("https://a:b@h/x@y"), "https://xxxxx:xxxxx@h/x@y");
        assert_eq!(shown("https://h/x@y"), "https://h/x@y");
    }
}
