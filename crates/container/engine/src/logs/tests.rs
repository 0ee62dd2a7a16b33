//! A log as the supervisor writes and rotates it, read while it grows.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::Path;

use proptest::prelude::*;
use tempfile::TempDir;
use tokio::sync::oneshot;

use super::*;

/// A log file beside its older ones.
struct Log {
    directory: TempDir,
    file: File,
    written: i64,
}

impl Log {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = Self::open(&directory.path().join("c.log"));
        Self {
            directory,
            file,
            written: 0,
        }
    }

    fn open(path: &Path) -> File {
        OpenOptions::new().append(true).create(true).open(path).unwrap()
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("c.log")
    }

    fn source(&self) -> LogSource {
        LogSource {
            path: self.path(),
            format: Format::Json,
        }
    }

    /// Writes entries whose text is their number; odd ones to standard error. Entry n is written
    /// n seconds after the epoch.
    fn write(&mut self, count: usize) {
        for _ in 0..count {
            let stream = if self.written % 2 == 0 { "stdout" } else { "stderr" };
            let time = Timestamp::from_second(self.written).unwrap();
            let line = format!(
                "{{\"log\":\"{}\\n\",\"stream\":\"{stream}\",\"time\":\"{time}\"}}\n",
                self.written
            );
            self.file.write_all(line.as_bytes()).unwrap();
            self.written += 1;
        }
    }

    /// As the supervisor does: `.1` is the youngest, at most `keep` old ones.
    fn rotate(&mut self, keep: usize) {
        let numbered = |number: usize| self.directory.path().join(format!("c.log.{number}"));
        for number in (1..keep).rev() {
            drop(fs::rename(numbered(number), numbered(number + 1)));
        }
        match keep {
            0 => fs::remove_file(self.path()).unwrap(),
            _ => fs::rename(self.path(), numbered(1)).unwrap(),
        }
        self.file = Self::open(&self.path());
    }
}

fn everything() -> LogQuery {
    LogQuery {
        stdout: true,
        stderr: true,
        ..LogQuery::default()
    }
}

fn second(second: i64) -> Option<Timestamp> {
    Timestamp::from_second(second).ok()
}

fn number(entry: &LogEntry) -> i64 {
    std::str::from_utf8(&entry.line).unwrap().trim().parse().unwrap()
}

/// What a query that does not follow answers.
fn read_all(log: &Log, query: LogQuery) -> Vec<i64> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut entries = read(log.source(), query, Timestamp::UNIX_EPOCH, std::future::pending());
        let mut numbers = Vec::new();
        while let Some(entry) = entries.recv().await {
            numbers.push(number(&entry.unwrap()));
        }
        numbers
    })
}

#[test]
fn a_query_leaves_out_what_it_does_not_want() {
    let mut log = Log::new();
    log.write(3);
    log.rotate(2);
    log.write(3);
    let check =
        |query: LogQuery, expected: &[i64]| assert_eq!(read_all(&log, query.clone()), expected, "{query:?}");
    check(everything(), &[0, 1, 2, 3, 4, 5]);
    check(
        LogQuery {
            stderr: false,
            ..everything()
        },
        &[0, 2, 4],
    );
    check(
        LogQuery {
            stdout: false,
            ..everything()
        },
        &[1, 3, 5],
    );
    check(
        LogQuery {
            since: second(2),
            ..everything()
        },
        &[2, 3, 4, 5],
    );
    check(
        LogQuery {
            until: second(3),
            ..everything()
        },
        &[0, 1, 2, 3],
    );
    check(
        LogQuery {
            tail: Some(4),
            ..everything()
        },
        &[2, 3, 4, 5],
    );
    check(
        LogQuery {
            tail: Some(0),
            ..everything()
        },
        &[],
    );
    check(
        LogQuery {
            tail: Some(99),
            ..everything()
        },
        &[0, 1, 2, 3, 4, 5],
    );
    // The tail is taken first, as upstream has it.
    check(
        LogQuery {
            tail: Some(3),
            stdout: false,
            ..everything()
        },
        &[3, 5],
    );
    check(
        LogQuery {
            tail: Some(2),
            until: second(3),
            ..everything()
        },
        &[],
    );
}

#[test]
fn a_container_that_never_wrote_has_an_empty_log() {
    let log = Log::new();
    fs::remove_file(log.path()).unwrap();
    assert!(read_all(&log, everything()).is_empty());
}

#[test]
fn a_torn_entry_is_passed_over() {
    let mut log = Log::new();
    log.write(1);
    log.file.write_all(b"{\"log\":\"torn\n").unwrap();
    log.write(1);
    log.file.write_all(b"{\"log\":\"not yet").unwrap();
    assert_eq!(read_all(&log, everything()), [0, 1]);
}

#[test]
fn a_log_that_is_not_kept_cannot_be_read() {
    let error = LogSource::of(&LogDriver::None, "/x".into()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "configured logging driver does not support reading"
    );
    let cri = LogSource::of(
        &LogDriver::Cri {
            path: "/pod/0.log".into(),
            max_size: 0,
            max_files: 0,
        },
        "/x".into(),
    )
    .unwrap();
    assert_eq!((cri.path, cri.format), ("/pod/0.log".into(), Format::Cri));
}

/// Receives `count` entries.
async fn take(entries: &mut mpsc::Receiver<io::Result<LogEntry>>, count: usize) -> Vec<i64> {
    let mut numbers = Vec::new();
    for _ in 0..count {
        numbers.push(number(&entries.recv().await.unwrap().unwrap()));
    }
    numbers
}

#[test]
fn who_does_not_follow_sees_what_was_there() {
    for rotated in [false, true] {
        let mut log = Log::new();
        log.write(3);
        let mut reader = Reader::open(log.source(), Some(2), false).unwrap();
        if rotated {
            log.rotate(2);
        }
        log.write(200);
        let seen: Vec<i64> = reader.batch(BATCH).unwrap().iter().map(number).collect();
        assert_eq!(seen, [1, 2], "rotated: {rotated}");
        assert!(reader.batch(BATCH).unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_follower_sees_what_comes_through_rotations_and_ends_with_the_container() {
    let mut log = Log::new();
    log.write(2);
    let (end, ended) = oneshot::channel::<()>();
    let query = LogQuery {
        follow: true,
        tail: Some(1),
        ..everything()
    };
    let mut entries = read(log.source(), query, Timestamp::UNIX_EPOCH, async {
        drop(ended.await);
    });
    assert_eq!(take(&mut entries, 1).await, [1]);
    log.write(2);
    assert_eq!(take(&mut entries, 2).await, [2, 3]);
    log.write(1);
    log.rotate(3);
    log.write(1);
    log.rotate(3);
    log.write(2);
    assert_eq!(take(&mut entries, 4).await, [4, 5, 6, 7]);
    log.write(1);
    drop(end);
    assert_eq!(
        take(&mut entries, 1).await,
        [8],
        "the last line comes after the end"
    );
    assert!(entries.recv().await.is_none());
}

#[tokio::test]
async fn a_follower_goes_on_where_no_old_file_is_kept() {
    let mut log = Log::new();
    log.write(1);
    let query = LogQuery {
        follow: true,
        ..everything()
    };
    let mut entries = read(log.source(), query, Timestamp::UNIX_EPOCH, std::future::pending());
    assert_eq!(take(&mut entries, 1).await, [0]);
    log.rotate(0);
    log.write(1);
    assert_eq!(take(&mut entries, 1).await, [1]);
}

#[tokio::test]
async fn a_follower_may_come_before_the_log() {
    let mut log = Log::new();
    fs::remove_file(log.path()).unwrap();
    let query = LogQuery {
        follow: true,
        ..everything()
    };
    let mut entries = read(log.source(), query, Timestamp::UNIX_EPOCH, std::future::pending());
    log.file = Log::open(&log.path());
    log.write(1);
    assert_eq!(take(&mut entries, 1).await, [0]);
}

#[tokio::test(start_paused = true)]
async fn a_follower_ends_at_its_time_and_at_an_entry_beyond_it() {
    let mut log = Log::new();
    log.write(3);
    let query = LogQuery {
        follow: true,
        until: second(1),
        ..everything()
    };
    let mut entries = read(
        log.source(),
        query.clone(),
        Timestamp::UNIX_EPOCH,
        std::future::pending(),
    );
    assert_eq!(take(&mut entries, 2).await, [0, 1]);
    assert!(entries.recv().await.is_none());
    let query = LogQuery {
        until: second(60),
        ..query
    };
    let mut entries = read(log.source(), query, Timestamp::UNIX_EPOCH, std::future::pending());
    assert_eq!(take(&mut entries, 3).await, [0, 1, 2]);
    assert!(entries.recv().await.is_none(), "a minute has passed");
}

#[tokio::test]
async fn a_client_that_leaves_ends_the_reading() {
    let mut log = Log::new();
    log.write(BACKLOG * 3);
    let query = LogQuery {
        follow: true,
        ..everything()
    };
    let (alive, mut gone) = mpsc::channel::<()>(1);
    let ended = async move {
        let _alive = alive;
        std::future::pending::<()>().await;
    };
    let entries = read(log.source(), query, Timestamp::UNIX_EPOCH, ended);
    drop(entries);
    assert!(gone.recv().await.is_none(), "the task has dropped what it held");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// The tail of a log is the last n entries of what its files still hold.
    #[test]
    fn the_tail_is_the_last_entries_of_the_model(
        parts in proptest::collection::vec(0_usize..5, 1..5),
        keep in 1_usize..4,
        tail in 0_u64..14,
    ) {
        let mut log = Log::new();
        for (number, part) in parts.iter().enumerate() {
            if number > 0 {
                log.rotate(keep);
            }
            log.write(*part);
        }
        let kept: usize = parts.iter().rev().take(keep + 1).sum();
        let all: Vec<i64> = (0..log.written).collect();
        let count = kept.min(usize::try_from(tail).unwrap());
        let found = read_all(&log, LogQuery { tail: Some(tail), ..everything() });
        prop_assert_eq!(found, &all[all.len() - count..]);
        prop_assert_eq!(read_all(&log, everything()), &all[all.len() - kept..]);
    }
}
