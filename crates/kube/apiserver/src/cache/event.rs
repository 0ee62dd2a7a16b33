//! What happened to an object, shared by all who watch it.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use schema::object::{Obj, Revision};

use crate::select::Selection;

/// What a watcher is told of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    /// It is there, or begins to be selected.
    Added,
    /// It is another.
    Modified,
    /// It is gone, or ceases to be selected.
    Deleted,
}

impl Change {
    /// `ADDED`
    pub const fn name(self) -> &'static str {
        match self {
            Self::Added => "ADDED",
            Self::Modified => "MODIFIED",
            Self::Deleted => "DELETED",
        }
    }
}

/// Which bytes of an event: what is told, in which version and encoding.
pub type FrameKey = (Change, Arc<str>);

/// One change of one object.
#[derive(Debug)]
pub struct Event {
    /// When.
    pub revision: Revision,
    /// The object as it is now; none if it was deleted.
    pub object: Option<Arc<Obj>>,
    /// As it was before; none if it was created.
    pub previous: Option<Arc<Obj>>,
    gone: OnceLock<Arc<Obj>>,
    frames: Mutex<Vec<(FrameKey, Bytes)>>,
}

impl Event {
    pub(super) fn new(revision: Revision, object: Option<Arc<Obj>>, previous: Option<Arc<Obj>>) -> Self {
        Self {
            revision,
            object,
            previous,
            gone: OnceLock::new(),
            frames: Mutex::default(),
        }
    }

    /// The object's key below its collection's prefix.
    pub fn key(&self) -> &str {
        let object = self.object.as_ref().or(self.previous.as_ref());
        object.map_or("", |object| &object.key)
    }

    /// What a watcher with this selection is told, and which object it is shown; nothing if it selects neither the
    /// object nor what it was.
    pub fn told(&self, selection: &Selection) -> Option<(Change, &Arc<Obj>)> {
        let selected = |object: &&Arc<Obj>| selection.matches(object);
        let now = self.object.as_ref().filter(selected);
        let before = self.previous.as_ref().filter(selected);
        match (now, before) {
            (Some(object), None) => Some((Change::Added, object)),
            (Some(object), Some(_)) => Some((Change::Modified, object)),
            (None, Some(object)) => Some((Change::Deleted, self.gone(object))),
            (None, None) => None,
        }
    }

    /// What is gone is shown as it was, at the revision at which it went.
    fn gone(&self, object: &Obj) -> &Arc<Obj> {
        self.gone.get_or_init(|| Arc::new(object.at(self.revision)))
    }

    /// The bytes of this event in an encoding: made by the first watcher that needs them, shared by the others.
    pub fn frame(&self, key: &FrameKey, make: impl FnOnce() -> Bytes) -> Bytes {
        let known = |frames: &[(FrameKey, Bytes)]| {
            let mut found = frames.iter().filter(|(other, _)| other == key);
            found.next().map(|(_, frame)| frame.clone())
        };
        if let Some(frame) = known(&self.frames()) {
            return frame;
        }
        // Made without the lock: two watchers may both make it, and then share the first one's.
        let frame = make();
        let mut frames = self.frames();
        known(&frames).unwrap_or_else(|| {
            frames.push((key.clone(), frame.clone()));
            frame
        })
    }

    /// Gives up the bytes: watchers that come this late make them again.
    pub(super) fn forget_frames(&self) {
        *self.frames() = Vec::new();
    }

    fn frames(&self) -> std::sync::MutexGuard<'_, Vec<(FrameKey, Bytes)>> {
        self.frames.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
