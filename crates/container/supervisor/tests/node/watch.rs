//! Waiting for files: inotify(7).

use std::fs::File;
use std::io::Read;
use std::path::Path;

use rustix::fs::inotify;

/// Waits for changes in a directory.
pub(crate) struct Watch(File);

impl Watch {
    pub(crate) fn new(directory: &Path) -> Self {
        let watch = inotify::init(inotify::CreateFlags::CLOEXEC).unwrap();
        let changes =
            inotify::WatchFlags::CREATE | inotify::WatchFlags::MODIFY | inotify::WatchFlags::CLOSE_WRITE;
        inotify::add_watch(&watch, directory, changes).unwrap();
        Self(watch.into())
    }

    /// Asks `ready` now and after every change, until it has an answer.
    pub(crate) fn until<T>(&mut self, mut ready: impl FnMut() -> Option<T>) -> T {
        loop {
            if let Some(answer) = ready() {
                return answer;
            }
            assert!(self.0.read(&mut [0; 4096]).unwrap() > 0);
        }
    }
}
