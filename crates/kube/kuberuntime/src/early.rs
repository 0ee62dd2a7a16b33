//! What a container with an input writes before its first client comes.
//!
//! `kubectl run -i` makes a pod, waits until it is ready and attaches. A short program has said everything by then, or
//! half of it, and a client that has what comes from now on would never see the rest, nor know that there was any. So
//! somebody is attached from before the start, as `docker run -i` is, and the first client takes that place over: it has
//! every byte once, in order, unfinished lines too. Who comes later has what is written from then on, as upstream; who
//! comes after the end is refused and reads the log.
//!
//! It costs memory up to [`MOST`] for each such container, and is kept by this daemon: after a restart of the daemon the
//! first client is one like any other.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use engine::{Attach, ContainerId, Stream, WaitCondition};
use tokio::sync::mpsc::Receiver;
use tokio::sync::oneshot;

use crate::Pods;

/// Most that is kept for one container, in bytes.
const MOST: usize = 256 << 10;

/// What a chunk costs besides its bytes.
const EACH: usize = 64;

/// How long after its start a program that has written more than [`MOST`] may be kept waiting for its one client. After
/// that what was kept is given up, and is in the log alone.
const PATIENCE: Duration = Duration::from_secs(10);

/// The place of a container's first client.
#[derive(Debug)]
pub(crate) struct Early {
    /// What was written before.
    pub(crate) said: Vec<(Stream, Bytes)>,
    /// What comes.
    pub(crate) rest: Receiver<(Stream, Bytes)>,
}

/// A client that takes the place.
type Claim = oneshot::Sender<Early>;

/// Containers that still wait for their first client.
#[derive(Debug, Default)]
pub(crate) struct Places(Mutex<HashMap<ContainerId, oneshot::Sender<Claim>>>);

impl Places {
    fn lock(&self) -> MutexGuard<'_, HashMap<ContainerId, oneshot::Sender<Claim>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The place of the first client, for whoever asks first.
    pub(crate) async fn take(&self, id: &ContainerId) -> Option<Early> {
        let place = self.lock().remove(id)?;
        let (claim, early) = oneshot::channel();
        place.send(claim).ok()?;
        early.await.ok()
    }

    /// Nobody is waited for any more.
    pub(crate) fn give_up(&self, id: &ContainerId) {
        self.lock().remove(id);
    }
}

impl Pods {
    /// Attaches to a container that is about to start, in the place of its first client. Without it a client has what
    /// comes after it.
    pub(crate) async fn keep_place(&self, id: &ContainerId) {
        let engine = &self.0.engine;
        let Ok(row) = engine.find(id) else { return };
        if !row.spec.open_stdin {
            return;
        }
        let outputs = Attach {
            stdout: true,
            stderr: !row.spec.tty,
            stream: true,
            ..Attach::default()
        };
        let (Ok(end), Ok(attached)) = (
            engine.waiter(id, WaitCondition::NextExit),
            engine.attach(id, outputs).await,
        ) else {
            return;
        };
        // Others serve whoever comes, or nobody: they do not wait.
        let patience = if row.spec.stdin_once {
            PATIENCE
        } else {
            Duration::ZERO
        };
        let (place, claimed) = oneshot::channel();
        self.0.places.lock().insert(id.clone(), place);
        let (pods, id) = (self.clone(), id.clone());
        tokio::spawn(async move {
            keep(attached.output, claimed, patience, end).await;
            pods.0.places.give_up(&id);
        });
    }
}

/// Keeps what comes until a client takes it, the container has ended, or it is too much for too long.
async fn keep(
    mut output: Receiver<(Stream, Bytes)>,
    claimed: oneshot::Receiver<Claim>,
    patience: Duration,
    end: impl Future,
) {
    let (mut claimed, mut end) = (pin!(claimed), pin!(end));
    let mut late = pin!(tokio::time::sleep(patience));
    let (mut said, mut cost, mut over) = (Vec::new(), 0, false);
    loop {
        let full = cost >= MOST;
        tokio::select! {
            biased;
            claim = claimed.as_mut() => {
                if let Ok(claim) = claim {
                    // The client may have gone meanwhile.
                    let _ = claim.send(Early { said, rest: output });
                }
                return;
            }
            chunk = output.recv(), if !full && !over => match chunk {
                Some((stream, bytes)) => {
                    cost += EACH + bytes.len();
                    said.push((stream, bytes));
                }
                // A client who comes before the end is known has it all.
                None => over = true,
            },
            () = late.as_mut(), if full => return,
            // From here on a client is refused, and reads the log.
            _ = end.as_mut() => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::pending;
    use tokio::sync::mpsc;

    fn chunk(text: &'static str) -> (Stream, Bytes) {
        (Stream::Stdout, Bytes::from_static(text.as_bytes()))
    }

    async fn taken(place: oneshot::Sender<Claim>) -> Early {
        let (claim, early) = oneshot::channel();
        place.send(claim).unwrap();
        early.await.unwrap()
    }

    #[tokio::test]
    async fn the_first_client_has_all_of_it_in_order() {
        let (sender, output) = mpsc::channel(4);
        let (place, claimed) = oneshot::channel();
        let keeper = tokio::spawn(keep(output, claimed, PATIENCE, pending::<()>()));
        for text in ["a", "b", "c", "d", "e", "f"] {
            sender.send(chunk(text)).await.unwrap();
        }
        let mut early = taken(place).await;
        sender.send(chunk("g")).await.unwrap();
        drop(sender);
        let mut all = early.said;
        while let Some(chunk) = early.rest.recv().await {
            all.push(chunk);
        }
        assert_eq!(all, ["a", "b", "c", "d", "e", "f", "g"].map(chunk));
        keeper.await.unwrap();
    }

    #[tokio::test]
    async fn a_program_that_has_closed_its_output_still_has_its_client() {
        let (sender, output) = mpsc::channel(4);
        let (place, claimed) = oneshot::channel();
        let keeper = tokio::spawn(keep(output, claimed, PATIENCE, pending::<()>()));
        sender.send(chunk("a")).await.unwrap();
        drop(sender);
        tokio::task::yield_now().await;
        let mut early = taken(place).await;
        assert_eq!(early.said, [chunk("a")]);
        assert_eq!(early.rest.recv().await, None);
        keeper.await.unwrap();
    }

    #[tokio::test]
    async fn what_has_ended_waits_for_nobody() {
        let (sender, output) = mpsc::channel(4);
        let (place, claimed) = oneshot::channel();
        sender.send(chunk("a")).await.unwrap();
        keep(output, claimed, PATIENCE, std::future::ready(())).await;
        assert!(place.is_closed() && sender.is_closed());
    }

    /// Bytes that a program has written before it waits, and those that it could write in the end.
    #[tokio::test(start_paused = true)]
    async fn too_much_is_kept_for_a_while_and_then_given_up() {
        for (patience, waits) in [(PATIENCE, true), (Duration::ZERO, false)] {
            let (sender, output) = mpsc::channel(1);
            let (place, claimed) = oneshot::channel();
            let keeper = tokio::spawn(keep(output, claimed, patience, pending::<()>()));
            let begun = tokio::time::Instant::now();
            let block = Bytes::from(vec![0; 16 << 10]);
            let mut sent = 0;
            while sender.send((Stream::Stdout, block.clone())).await.is_ok() {
                sent += block.len();
            }
            keeper.await.unwrap();
            assert!(place.is_closed() && sent <= MOST + 2 * block.len(), "{sent}");
            assert_eq!(begun.elapsed() >= PATIENCE, waits);
        }
    }
}
