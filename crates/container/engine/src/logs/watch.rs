//! Waiting for a log to grow: inotify(7) on its directory, which also tells of rotations.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::inotify;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A watch on the directory of a log.
#[derive(Debug)]
pub(super) struct Watch(AsyncFd<OwnedFd>);

impl Watch {
    /// Watches from now on; needs a runtime with I/O.
    #[expect(
        deprecated,
        reason = "unsound only for types whose descriptor changes; an OwnedFd's does not"
    )]
    pub(super) fn new(log: &Path) -> io::Result<Self> {
        let directory = log.parent().unwrap_or(Path::new("/"));
        let watch = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
        let wanted = inotify::WatchFlags::MODIFY
            | inotify::WatchFlags::CREATE
            | inotify::WatchFlags::MOVED_TO
            | inotify::WatchFlags::ONLYDIR;
        inotify::add_watch(&watch, directory, wanted)?;
        Ok(Self(AsyncFd::with_interest(watch, Interest::READABLE)?))
    }

    /// Waits until something has changed since the last call. Cancel-safe: an event that was not
    /// waited for stays until the next call.
    pub(super) async fn changed(&mut self) -> io::Result<()> {
        loop {
            let mut ready = self.0.readable_mut().await?;
            match ready.try_io(|watch| drain(watch.get_ref())) {
                Ok(done) => return done,
                Err(_would_block) => {}
            }
        }
    }
}

/// Takes all events at once: what they are does not matter. An overflow is an event too.
fn drain(watch: &OwnedFd) -> io::Result<()> {
    let mut buffer = [MaybeUninit::<u8>::uninit(); 4096];
    let mut events = inotify::Reader::new(watch, &mut buffer);
    events.next()?;
    while !events.is_buffer_empty() {
        events.next()?;
    }
    Ok(())
}
