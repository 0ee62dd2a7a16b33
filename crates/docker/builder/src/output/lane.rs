//! What a stage tells while it is not its turn.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::{Output, size};
use crate::{BuildError, Progress};

/// At most so many bytes wait; whoever tells more waits for its turn.
const MOST: usize = 4 << 20;

/// Messages of a stage, in their order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lane(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    queue: Mutex<Queue>,
    /// There is something to read, or nothing will come any more.
    readable: Notify,
    writable: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    messages: VecDeque<Progress>,
    bytes: usize,
    ended: bool,
}

/// Ends a lane when it goes.
pub(crate) struct End(Lane);

impl Drop for End {
    fn drop(&mut self) {
        self.0.queue().ended = true;
        self.0.0.readable.notify_one();
    }
}

impl Lane {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What ends it.
    pub(crate) fn end(&self) -> End {
        End(self.clone())
    }

    /// Adds a message, as soon as there is room.
    pub(super) async fn push(&self, message: Progress, output: &Output) -> Result<(), BuildError> {
        loop {
            if output.is_cancelled() {
                return Err(BuildError::Cancelled);
            }
            // One writer and one reader: a permit that is kept is heard.
            {
                let mut queue = self.queue();
                if queue.bytes < MOST {
                    queue.bytes += size(&message);
                    queue.messages.push_back(message);
                    drop(queue);
                    self.0.readable.notify_one();
                    return Ok(());
                }
            }
            tokio::select! {
                () = self.0.writable.notified() => {}
                () = output.cancelled() => return Err(BuildError::Cancelled),
            }
        }
    }

    /// Tells everything until the lane has ended.
    pub(crate) async fn drain(&self, output: &Output) -> Result<(), BuildError> {
        loop {
            let (message, ended) = {
                let mut queue = self.queue();
                let message = queue.messages.pop_front();
                queue.bytes -= message.as_ref().map_or(0, size);
                (message, queue.ended)
            };
            match message {
                Some(message) => {
                    self.0.writable.notify_one();
                    output.send(message).await?;
                }
                None if ended => return Ok(()),
                None => self.0.readable.notified().await,
            }
        }
    }
}
