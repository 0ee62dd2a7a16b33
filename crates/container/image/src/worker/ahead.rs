//! Reading ahead: a second thread decompresses and hashes while the first one unpacks.

use std::io::{self, BufRead, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

/// Bytes that are handed over at once, and how often before whoever reads has to catch up.
const PIECE: usize = 256 << 10;
const PIECES: usize = 4;

type Task = Box<dyn FnOnce() + Send>;

/// A thread that waits for something to do. It ends with this value.
pub(super) struct Hand(SyncSender<Task>);

impl Hand {
    /// Starts it, and waits until it is set up.
    ///
    /// # Errors
    /// No thread can be had; or what the set-up says.
    pub(super) fn hire(set_up: impl FnOnce() -> io::Result<()> + Send + 'static) -> io::Result<Self> {
        let (give, tasks) = sync_channel::<Task>(1);
        let (say, said) = sync_channel(1);
        thread::Builder::new().spawn(move || {
            let is_set_up = set_up();
            let goes_on = is_set_up.is_ok();
            // Whoever hires waits for it.
            drop(say.send(is_set_up));
            if goes_on {
                tasks.into_iter().for_each(|task| task());
            }
        })?;
        said.recv().map_err(|_| panicked())??;
        Ok(Self(give))
    }
}

fn panicked() -> io::Error {
    io::Error::other("the thread that reads ahead panicked")
}

/// What another thread has read.
pub(super) struct Ahead {
    pieces: Receiver<io::Result<Vec<u8>>>,
    /// Where pieces go that have been read, to be filled again.
    empty: SyncSender<Vec<u8>>,
    piece: Vec<u8>,
    read: usize,
}

/// Has `source` read by another thread while `work` reads what it gives; answers what came of the work, and the source.
///
/// # Errors
/// The other thread has panicked.
pub(super) fn ahead<R: Read + Send + 'static, T>(
    hand: &Hand,
    mut source: R,
    work: impl FnOnce(Ahead) -> T,
) -> io::Result<(T, R)> {
    let (full, pieces) = sync_channel(PIECES);
    let (empty, emptied) = sync_channel(PIECES + 2);
    let (give_back, given_back) = sync_channel(1);
    let task = move || {
        fill(&mut source, &full, &emptied);
        // Pieces end with their sender, and only then is it looked for.
        drop(full);
        drop(give_back.send(source));
    };
    hand.0.send(Box::new(task)).map_err(|_| panicked())?;
    let done = work(Ahead {
        pieces,
        empty,
        piece: Vec::new(),
        read: 0,
    });
    Ok((done, given_back.recv().map_err(|_| panicked())?))
}

/// Until the end, an error, or until nobody wants any more.
fn fill(source: &mut impl Read, full: &SyncSender<io::Result<Vec<u8>>>, emptied: &Receiver<Vec<u8>>) {
    loop {
        let mut piece = emptied.try_recv().unwrap_or_default();
        piece.resize(PIECE, 0);
        let mut length = 0;
        let outcome = loop {
            match source.read(&mut piece[length..]) {
                Ok(0) => break Ok(()),
                Ok(count) => length += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
            if length == PIECE {
                break Ok(());
            }
        };
        piece.truncate(length);
        let ended = length < PIECE;
        let gone = length > 0 && full.send(Ok(piece)).is_err();
        if let Err(error) = outcome {
            // Nobody hears of it who has left.
            drop(full.send(Err(error)));
            return;
        }
        if ended || gone {
            return;
        }
    }
}

impl BufRead for Ahead {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.read == self.piece.len() {
            // It is full of pieces only if they come faster than they are wanted.
            drop(self.empty.try_send(std::mem::take(&mut self.piece)));
            self.read = 0;
            if let Ok(piece) = self.pieces.recv() {
                self.piece = piece?;
            }
        }
        Ok(&self.piece[self.read..])
    }

    fn consume(&mut self, count: usize) {
        self.read = self.piece.len().min(self.read + count);
    }
}

impl Read for Ahead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(buffer)?;
        self.consume(count);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives `left` bytes in pieces of odd sizes, and then what it is told to.
    struct Source {
        left: usize,
        end: Option<io::ErrorKind>,
    }

    impl Read for Source {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.left == 0 {
                return self.end.map_or(Ok(0), |kind| Err(kind.into()));
            }
            let count = buffer.len().min(self.left).min(77_777);
            for byte in &mut buffer[..count] {
                *byte = self.left.to_le_bytes()[0];
                self.left -= 1;
            }
            Ok(count)
        }
    }

    fn hand() -> Hand {
        Hand::hire(|| Ok(())).unwrap()
    }

    fn bytes(left: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        Source { left, end: None }.read_to_end(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn a_hand_that_cannot_be_set_up_is_not_hired() {
        let error = Hand::hire(|| Err(io::ErrorKind::PermissionDenied.into()))
            .err()
            .unwrap();
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
    }

    #[test]
    fn all_of_it_comes_in_order() {
        for left in [0, 1, PIECE - 1, PIECE, PIECE + 1, 3_000_001] {
            let source = Source { left, end: None };
            let (read, source) = ahead(&hand(), source, |mut ahead| {
                let mut read = Vec::new();
                ahead.read_to_end(&mut read).map(|_| read)
            })
            .unwrap();
            assert_eq!(read.unwrap(), bytes(left));
            assert_eq!(source.left, 0);
        }
    }

    #[test]
    fn an_error_comes_after_what_was_before_it() {
        let source = Source {
            left: 1_000_000,
            end: Some(io::ErrorKind::InvalidData),
        };
        let ((read, error), _) = ahead(&hand(), source, |mut ahead| {
            let mut read = Vec::new();
            let error = ahead.read_to_end(&mut read).unwrap_err();
            (read, error)
        })
        .unwrap();
        assert_eq!(read, bytes(1_000_000));
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn whoever_reads_may_leave() {
        let source = Source {
            left: usize::MAX,
            end: None,
        };
        let (first, _) = ahead(&hand(), source, |mut ahead| {
            let mut first = [0; 3];
            ahead.read_exact(&mut first).map(|()| first)
        })
        .unwrap();
        assert!(first.is_ok());
    }
}
