//! What a build tells whoever asked, in the classic builder's very words, and how it learns that
//! nobody listens any more.

mod lane;

use std::sync::{Arc, Mutex, PoisonError};

use image::Digest;
use tokio::sync::{mpsc, watch};

pub(crate) use lane::Lane;

use crate::watch::WatchedStep;
use crate::{BuildError, Progress};

/// At most so many bytes of a quiet build's output are kept for the case that it fails.
const MAX_KEPT: usize = 1 << 20;

/// The way out of a build. Clones share it.
#[derive(Clone)]
pub(crate) struct Output {
    sender: mpsc::Sender<Progress>,
    /// Closed when the build's future is dropped.
    alive: watch::Receiver<()>,
    /// A quiet build tells nothing unless it fails.
    kept: Option<Arc<Mutex<Kept>>>,
    /// Of a stage: what it tells waits here for its turn, and it ends when this says so.
    lane: Option<(Lane, watch::Receiver<bool>)>,
    /// The step that is watched: what a program says is its.
    step: Option<Arc<dyn WatchedStep>>,
}

impl std::fmt::Debug for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Output")
            .field("kept", &self.kept)
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
struct Kept {
    messages: Vec<Progress>,
    bytes: usize,
}

impl Output {
    pub(crate) fn new(sender: mpsc::Sender<Progress>, alive: watch::Receiver<()>, quiet: bool) -> Self {
        Self {
            sender,
            alive,
            kept: quiet.then(Arc::default),
            lane: None,
            step: None,
        }
    }

    /// The way out of a stage, and what it tells; it ends when `stop` says so.
    pub(crate) fn lane(&self, stop: watch::Receiver<bool>) -> (Self, Lane) {
        let lane = Lane::default();
        let output = Self {
            lane: Some((lane.clone(), stop)),
            ..self.clone()
        };
        (output, lane)
    }

    /// Whose output it is from now on.
    pub(crate) fn watch(&mut self, step: Option<Arc<dyn WatchedStep>>) {
        self.step = step;
    }

    /// What a program says: 1 for standard output, 2 for standard error, which upstream makes red.
    pub(crate) async fn program(&self, stream: u8, bytes: &[u8]) -> Result<(), BuildError> {
        if let Some(step) = &self.step {
            step.output(stream, bytes);
            return if self.is_cancelled() {
                Err(BuildError::Cancelled)
            } else {
                Ok(())
            };
        }
        let text = String::from_utf8_lossy(bytes);
        match stream {
            1 => self.text(text).await,
            _ => self.error_text(&text).await,
        }
    }

    /// A line about what is going on.
    pub(crate) async fn line(&self, line: &str) -> Result<(), BuildError> {
        if let Some(step) = &self.step {
            step.line(line);
        }
        self.text(format!("{line}\n")).await
    }

    /// Sends text as it is.
    pub(crate) async fn text(&self, text: impl Into<String>) -> Result<(), BuildError> {
        self.send(Progress::Stream(text.into())).await
    }

    /// `Step 1/3 : FROM busybox`; upstream sends the line feed by itself.
    pub(crate) async fn step(&self, number: usize, total: usize, source: &str) -> Result<(), BuildError> {
        self.text(format!("Step {number}/{total} : {source}")).await?;
        self.text("\n").await
    }

    /// ` ---> 0123456789ab`; nothing behind the arrow for an empty base.
    pub(crate) async fn result(&self, image: Option<&Digest>) -> Result<(), BuildError> {
        let id = image.map(Digest::short).unwrap_or_default();
        self.text(format!(" ---> {id}\n")).await
    }

    /// An image that a stage ended with.
    pub(crate) async fn aux(&self, image: Digest) -> Result<(), BuildError> {
        self.send(Progress::Aux(image)).await
    }

    /// Text on standard error, which upstream makes red.
    pub(crate) async fn error_text(&self, text: &str) -> Result<(), BuildError> {
        self.text(format!("\u{1b}[91m{text}\u{1b}[0m")).await
    }

    async fn send(&self, message: Progress) -> Result<(), BuildError> {
        if let Some((lane, _)) = &self.lane {
            return lane.push(message, self).await;
        }
        match &self.kept {
            Some(kept) => kept.lock().unwrap_or_else(PoisonError::into_inner).push(message),
            None => self
                .sender
                .send(message)
                .await
                .map_err(|_| BuildError::Cancelled)?,
        }
        if self.is_cancelled() {
            Err(BuildError::Cancelled)
        } else {
            Ok(())
        }
    }

    /// Sends what a quiet build did not tell, because it failed.
    pub(crate) async fn release(&self) {
        let Some(kept) = &self.kept else {
            return;
        };
        let messages = std::mem::take(&mut kept.lock().unwrap_or_else(PoisonError::into_inner).messages);
        for message in messages {
            if self.sender.send(message).await.is_err() {
                return;
            }
        }
    }

    /// Sends past the quiet.
    pub(crate) async fn last(&self, text: String) {
        // Nobody listening is no error at the very end.
        let _ = self.sender.send(Progress::Stream(text)).await;
    }

    pub(crate) const fn is_quiet(&self) -> bool {
        self.kept.is_some()
    }

    /// Whether nobody waits for the build any more.
    pub(crate) fn is_cancelled(&self) -> bool {
        let stopped = self.lane.as_ref().is_some_and(|(_, stop)| *stop.borrow());
        stopped || self.sender.is_closed() || self.alive.has_changed().is_err()
    }

    /// Returns once nobody waits for the build any more.
    pub(crate) async fn cancelled(&self) {
        let mut alive = self.alive.clone();
        let stopped = async {
            match &self.lane {
                Some((_, stop)) => drop(stop.clone().wait_for(|stop| *stop).await),
                None => std::future::pending().await,
            }
        };
        // All only end; it is enough that one has.
        tokio::select! {
            () = self.sender.closed() => {}
            () = async { while alive.changed().await.is_ok() {} } => {}
            () = stopped => {}
        }
    }
}

impl Kept {
    /// The newest output is what explains a failure, so the oldest makes room.
    fn push(&mut self, message: Progress) {
        self.bytes += size(&message);
        self.messages.push(message);
        let mut drop = 0;
        while self.bytes > MAX_KEPT && drop < self.messages.len() {
            self.bytes -= size(&self.messages[drop]);
            drop += 1;
        }
        self.messages.drain(..drop);
    }
}

const fn size(message: &Progress) -> usize {
    match message {
        Progress::Stream(text) => text.len(),
        Progress::Aux(_) => 64,
    }
}
