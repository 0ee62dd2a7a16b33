//! What a build tells on its way: vertices, their output and their ends, kept so that whoever asks later hears it from
//! the beginning (`Control.Status`).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;
use driver::Clock;
use image::Digest;
use tokio::sync::watch;

use crate::proto::control::{StatusResponse, Vertex, VertexLog, VertexStatus, VertexWarning};
use crate::proto::{Timestamp, pb};

/// Output of a step that is kept, in bytes; upstream's figure.
const MAX_STEP_OUTPUT: usize = 2 << 20;
/// Output of a build that is kept.
const MAX_OUTPUT: usize = 8 << 20;
/// Messages of a build that are kept; beginnings and ends of steps always are.
const MAX_MESSAGES: usize = 1 << 16;

/// A build's progress.
pub struct Progress {
    clock: Arc<dyn Clock>,
    name: String,
    told: Mutex<Told>,
    changed: watch::Sender<()>,
}

impl std::fmt::Debug for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Progress")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
struct Told {
    messages: Vec<StatusResponse>,
    output: BTreeMap<String, usize>,
    bytes: usize,
    vertices: u32,
    completed: u32,
    cached: u32,
    warnings: u32,
    ended: bool,
}

/// A linter's warning.
#[derive(Clone, Copy, Debug)]
pub struct Warning<'a> {
    /// A line.
    pub short: &'a str,
    /// What it is about.
    pub detail: &'a str,
    /// Where more is said.
    pub url: &'a str,
    /// The Dockerfile's name.
    pub file: &'a str,
    /// The Dockerfile.
    pub text: &'a [u8],
    /// The first and the last line.
    pub lines: (u32, u32),
}

/// Figures of a build.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) vertices: u32,
    pub(crate) completed: u32,
    pub(crate) cached: u32,
    pub(crate) warnings: u32,
}

impl Progress {
    /// Of a build with this name.
    pub fn new(name: &str, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self {
            clock,
            name: name.to_owned(),
            told: Mutex::default(),
            changed: watch::Sender::default(),
        })
    }

    /// One that nobody hears, of a build within this one.
    pub(crate) fn unheard(&self) -> Arc<Self> {
        Self::new(&self.name, self.clock.clone())
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now(&self) -> Option<Timestamp> {
        timestamp(self.clock.wall())
    }

    /// Begins a step. It fails when it is dropped without an end.
    pub fn begin(self: &Arc<Self>, name: impl Into<String>) -> Step {
        self.begin_upon(name, Vec::new())
    }

    /// Begins a step that follows upon others, by their digests.
    pub fn begin_upon(self: &Arc<Self>, name: impl Into<String>, inputs: Vec<String>) -> Step {
        let name = name.into();
        let number = {
            let mut told = self.told();
            told.vertices += 1;
            told.vertices
        };
        let digest = Digest::of(format!("{}\0{number}\0{name}", self.name).as_bytes());
        self.begun(Vertex {
            digest: digest.to_string(),
            name,
            inputs,
            ..Vertex::default()
        })
    }

    /// Begins a vertex of LLB, which has a digest of its own and may be shown together with others.
    pub fn begin_vertex(
        self: &Arc<Self>,
        digest: &str,
        name: &str,
        inputs: Vec<String>,
        group: Option<pb::ProgressGroup>,
    ) -> Step {
        self.told().vertices += 1;
        self.begun(Vertex {
            digest: digest.to_owned(),
            name: name.to_owned(),
            inputs,
            progress_group: group,
            ..Vertex::default()
        })
    }

    fn begun(self: &Arc<Self>, vertex: Vertex) -> Step {
        let vertex = Vertex {
            started: self.now(),
            ..vertex
        };
        self.vertex(vertex.clone());
        Step {
            progress: self.clone(),
            vertex: Some(vertex),
        }
    }

    fn vertex(&self, vertex: Vertex) {
        self.tell(StatusResponse {
            vertexes: vec![vertex],
            ..StatusResponse::default()
        });
    }

    /// A warning about lines of the Dockerfile, shown with the step that read it.
    pub fn warn_of(&self, warning: Warning<'_>) {
        let vertex = self
            .told()
            .messages
            .iter()
            .flat_map(|message| &message.vertexes)
            .next()
            .cloned();
        let position = |line: u32| {
            Some(pb::Position {
                line: i32::try_from(line).unwrap_or(i32::MAX),
                character: 0,
            })
        };
        self.warn(VertexWarning {
            vertex: vertex.map(|vertex| vertex.digest).unwrap_or_default(),
            level: 1,
            short: Bytes::copy_from_slice(warning.short.as_bytes()),
            detail: vec![Bytes::copy_from_slice(warning.detail.as_bytes())],
            url: warning.url.to_owned(),
            info: Some(pb::SourceInfo {
                filename: warning.file.to_owned(),
                data: Bytes::copy_from_slice(warning.text),
                language: "Dockerfile".to_owned(),
                ..pb::SourceInfo::default()
            }),
            ranges: vec![pb::Range {
                start: position(warning.lines.0),
                end: position(warning.lines.1),
            }],
        });
    }

    pub(crate) fn warn(&self, warning: VertexWarning) {
        self.told().warnings += 1;
        self.tell(StatusResponse {
            warnings: vec![warning],
            ..StatusResponse::default()
        });
    }

    fn tell(&self, message: StatusResponse) {
        let mut told = self.told();
        if told.messages.len() < MAX_MESSAGES || !message.vertexes.is_empty() {
            told.messages.push(message);
            drop(told);
            self.changed.send_replace(());
        }
    }

    /// Says that nothing more comes.
    pub(crate) fn end(&self) {
        self.told().ended = true;
        self.changed.send_replace(());
    }

    /// All that was told.
    pub(crate) fn messages(&self) -> Vec<StatusResponse> {
        self.told().messages.clone()
    }

    pub(crate) fn counts(&self) -> Counts {
        let told = self.told();
        Counts {
            vertices: told.vertices,
            completed: told.completed,
            cached: told.cached,
            warnings: told.warnings,
        }
    }

    /// The messages from a number on; waits for one, and gives none at the end.
    pub(crate) async fn after(&self, number: usize) -> Vec<StatusResponse> {
        let mut changed = self.changed.subscribe();
        loop {
            {
                let told = self.told();
                if told.messages.len() > number || told.ended {
                    return told.messages[number.min(told.messages.len())..].to_vec();
                }
            }
            // The sender lives in `self`.
            let _ = changed.changed().await;
        }
    }

    /// How much of an output is kept.
    fn room(&self, vertex: &str, length: usize) -> Room {
        let mut told = self.told();
        let bytes = told.bytes;
        let output = told.output.entry(vertex.to_owned()).or_default();
        if *output > MAX_STEP_OUTPUT {
            return Room::Full;
        }
        *output += length;
        if *output > MAX_STEP_OUTPUT || bytes > MAX_OUTPUT {
            *output = MAX_STEP_OUTPUT + 1;
            return Room::Last;
        }
        told.bytes += length;
        Room::Enough
    }
}

enum Room {
    Enough,
    /// The limit is reached with this.
    Last,
    Full,
}

/// A time on the wire.
pub(crate) fn timestamp(time: SystemTime) -> Option<Timestamp> {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(Timestamp {
        seconds: i64::try_from(since.as_secs()).ok()?,
        nanos: i32::try_from(since.subsec_nanos()).ok()?,
    })
}

/// A time as people and documents write it (RFC 3339); nothing, if there is none.
pub(crate) fn rfc3339(time: Option<Timestamp>) -> String {
    let time = time.and_then(|time| jiff::Timestamp::new(time.seconds, time.nanos).ok());
    time.map(|time| time.to_string()).unwrap_or_default()
}

/// A step that is under way.
#[derive(Debug)]
pub struct Step {
    progress: Arc<Progress>,
    vertex: Option<Vertex>,
}

impl Step {
    /// What it is called on the wire.
    #[must_use]
    pub fn digest(&self) -> String {
        self.vertex
            .as_ref()
            .map(|vertex| vertex.digest.clone())
            .unwrap_or_default()
    }

    /// Output of it: 1 for standard output, 2 for standard error.
    pub fn output(&self, stream: u8, text: &[u8]) {
        let vertex = self.digest();
        let text = match self.progress.room(&vertex, text.len()) {
            Room::Enough => Bytes::copy_from_slice(text),
            Room::Last => Bytes::from_static(b"\n[output clipped, log limit 2MiB reached]\n"),
            Room::Full => return,
        };
        self.progress.tell(StatusResponse {
            logs: vec![VertexLog {
                vertex,
                timestamp: self.progress.now(),
                stream: stream.into(),
                msg: text,
            }],
            ..StatusResponse::default()
        });
    }

    /// How far a part of it is: so many of so many bytes; a total of 0 is unknown.
    pub fn part(&self, id: &str, current: u64, total: u64, completed: bool) {
        let now = self.progress.now();
        let status = VertexStatus {
            id: id.to_owned(),
            vertex: self.digest(),
            name: id.to_owned(),
            current: i64::try_from(current).unwrap_or(i64::MAX),
            total: i64::try_from(total).unwrap_or(i64::MAX),
            timestamp: now,
            started: self.vertex.as_ref().and_then(|vertex| vertex.started),
            completed: now.filter(|_| completed),
        };
        self.progress.tell(StatusResponse {
            statuses: vec![status],
            ..StatusResponse::default()
        });
    }

    /// Ends it.
    pub fn done(mut self, cached: bool) {
        self.end(cached, String::new());
    }

    /// Ends it with an error.
    pub fn failed(mut self, error: impl Into<String>) {
        self.end(false, error.into());
    }

    fn end(&mut self, cached: bool, error: String) {
        let Some(vertex) = self.vertex.take() else {
            return;
        };
        {
            let mut told = self.progress.told();
            told.completed += 1;
            told.cached += u32::from(cached);
        }
        self.progress.vertex(Vertex {
            completed: self.progress.now(),
            cached,
            error,
            ..vertex
        });
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        self.end(false, "context canceled".to_owned());
    }
}

#[cfg(test)]
mod tests;
