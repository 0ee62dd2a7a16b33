//! What messages are made of.

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

use sys::pidfd::ExitStatus;

#[cfg(test)]
use super::wire::Source;
use super::wire::{Bytes, Malformed, Reader, Wire, wire_enum, wire_struct};

/// An identifier: 1 to 128 bytes of `A-Z a-z 0-9 _ . -`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Box<str>);

/// Longest [`Name`], in bytes.
pub const MAX_NAME: usize = 128;

/// Why a string is not a [`Name`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a name is 1 to {MAX_NAME} characters of A-Z a-z 0-9 _ . -")]
pub struct InvalidName;

impl FromStr for Name {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
        let valid = (1..=MAX_NAME).contains(&text.len()) && text.bytes().all(allowed);
        if valid {
            Ok(Self(text.into()))
        } else {
            Err(InvalidName)
        }
    }
}

impl Display for Name {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Wire for Name {
    fn put(&self, out: &mut Vec<u8>) {
        Bytes::from(self.0.as_bytes()).put(out);
    }
    fn get(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        let bytes = Bytes::get(input)?;
        std::str::from_utf8(&bytes.0)
            .ok()
            .and_then(|text| text.parse().ok())
            .ok_or(Malformed)
    }
    #[cfg(test)]
    fn sample(source: &mut Source) -> Self {
        format!("n{}", source.next()).parse().unwrap()
    }
}

wire_enum! {
    /// What of a container a [`Key`] names.
    #[derive(PartialOrd, Ord)]
    pub enum Task {
        /// The container's first process.
        0 Main {}
        /// A further process in it (`docker exec`, a probe, a hook).
        1 Exec {
            /// The exec's own id.
            id: Name
        }
        /// A short-lived process of the daemon's own, with a result and no exit record.
        2 Worker {}
    }
}

wire_struct! {
    /// One process and one life of it. Requests are idempotent by key.
    #[derive(PartialOrd, Ord)]
    pub struct Key {
        /// Container (or, for a worker, whatever the daemon calls it).
        pub container: Name,
        /// Which of its processes.
        pub task: Task,
        /// Counts restarts; a lower one than the supervisor knows is refused as stale.
        pub generation: u64,
    }
}

impl Key {
    /// The container's first process in its life `generation`.
    pub fn main(container: Name, generation: u64) -> Self {
        Self {
            container,
            task: Task::Main {},
            generation,
        }
    }

    /// The process `id` in `container`.
    pub fn exec(container: Name, id: Name, generation: u64) -> Self {
        Self {
            container,
            task: Task::Exec { id },
            generation,
        }
    }

    /// The worker called `name`.
    pub fn worker(name: Name, generation: u64) -> Self {
        Self {
            container: name,
            task: Task::Worker {},
            generation,
        }
    }
}

wire_enum! {
    /// What the other side of a connection is.
    pub enum Role {
        /// The daemon: gets the events; the newest one wins.
        1 Daemon {}
        /// A command line: asks and goes, gets no events.
        2 Operator {}
    }
}

wire_struct! {
    /// Who owns pipes and terminals.
    #[derive(Copy, Default)]
    pub struct Owner {
        /// User id on the host.
        pub uid: u32,
        /// Group id on the host.
        pub gid: u32,
    }
}

wire_enum! {
    /// Where a process's standard streams go. They are the program's slots 0, 1 and 2, but for
    /// `Console`.
    pub enum Stdio {
        /// `/dev/null`, all three.
        0 Null {}
        /// Pipes; without `stdin`, standard input is `/dev/null`.
        1 Pipes {
            /// Whether there is a pipe for input.
            stdin: bool
        }
        /// A pseudo-terminal, all three.
        2 Terminal {
            /// Lines.
            rows: u16,
            /// Characters in a line.
            columns: u16
        }
        /// The first three descriptors of the request, which the supervisor does not keep.
        3 Given {}
        /// A pseudo-terminal, all three, that the program opens in the container's own devpts
        /// (`Console`): slot 0 is the socket that it sends the master to, the request's slots
        /// follow from 1 on.
        4 Console {
            /// Lines; 0 to leave the size as it is.
            rows: u16,
            /// Characters in a line.
            columns: u16
        }
    }
}

wire_enum! {
    /// What is written for each line of output.
    pub enum Format {
        /// CRI: `TIME STREAM TAG LINE`.
        1 Cri {}
        /// Docker json-file.
        2 Json {
            /// A JSON object to put into every entry as `attrs`; empty for none.
            attributes: Bytes
        }
    }
}

wire_struct! {
    /// Where output is logged.
    pub struct LogSpec {
        /// The file, an absolute path. Its directory must exist.
        pub path: Bytes,
        /// The form of an entry.
        pub format: Format,
        /// Bytes after which the file is rotated; 0 for never (the kubelet rotates by request).
        pub max_size: u64,
        /// Files kept, the current one included; 0 counts as 1.
        pub max_files: u16,
    }
}

wire_struct! {
    /// What has become of a process's output.
    #[derive(Copy, Default)]
    pub struct LogStats {
        /// Entries written.
        pub entries: u64,
        /// Entries dropped because the disk refused them.
        pub dropped_entries: u64,
        /// Bytes of output in the dropped entries.
        pub dropped_bytes: u64,
        /// The errno of the refusal if the latest entry was dropped, else 0.
        pub errno: i32,
    }
}

wire_enum! {
    /// How a process ended.
    #[derive(Copy)]
    pub enum Outcome {
        /// As `wait(2)` encodes it.
        0 Ended {
            /// The wait status.
            wait: i32
        }
        /// It has ended, and nobody can say how (an adopted process on Linux before 6.15).
        1 Unknown {}
    }
}

impl Stdio {
    /// Whether the process has a terminal.
    pub fn is_terminal(&self) -> bool {
        matches!(self, Self::Terminal { .. } | Self::Console { .. })
    }
}

impl Outcome {
    /// The exit status, if it is known.
    pub fn status(self) -> Option<ExitStatus> {
        match self {
            Self::Ended { wait } => Some(ExitStatus::from_wait(wait)),
            Self::Unknown {} => None,
        }
    }
}

impl From<Option<ExitStatus>> for Outcome {
    fn from(status: Option<ExitStatus>) -> Self {
        status.map_or(Self::Unknown {}, |status| Self::Ended {
            wait: status.to_wait(),
        })
    }
}

wire_struct! {
    /// The end of a process, kept until it is acknowledged.
    pub struct ExitRecord {
        /// Grows by one for each record; [`Ack`](super::Request::Ack) names it.
        pub sequence: u64,
        /// Whose end.
        pub key: Key,
        /// How.
        pub outcome: Outcome,
        /// When, in nanoseconds since the epoch.
        pub at: u64,
        /// The log as it was when the record was made: everything the process wrote is in it.
        pub log: LogStats,
    }
}

wire_enum! {
    /// Where in its life a process is.
    pub enum Phase {
        /// Its init program runs; `point` is set while it waits for [`Continue`](super::Request::Continue).
        0 Starting {
            /// The sync point at which it waits.
            point: Option<u32>
        }
        /// It has executed its own image.
        1 Running {}
        /// It has ended and its last output is being logged.
        2 Draining {}
        /// It has ended, and the record waits for an acknowledgement.
        3 Exited {
            /// The record.
            record: ExitRecord
        }
        /// It waits at the start gate that its program names (OCI `create`), or has passed it: who
        /// opens a gate does not tell the supervisor, so this lasts until the end.
        4 Created {}
    }
}

wire_enum! {
    /// Why a request was not carried out. Nothing has changed.
    #[derive(Copy)]
    pub enum Reason {
        /// The first request of a connection must be `Hello`.
        0 NotGreeted {}
        /// A newer daemon has connected.
        1 Superseded {}
        /// A bound of the descriptor budget is reached.
        2 Full {}
        /// The key's generation is older than one that the supervisor knows.
        3 Stale {}
        /// An earlier life of the same process has not ended, or the process is in another phase.
        4 WrongPhase {}
        /// There is nothing of that name.
        5 NotFound {}
        /// The descriptors that came along are not those that the request needs.
        6 Descriptors {}
        /// The request's contents are not valid (a program that does not verify, a bad path).
        7 Invalid {}
        /// No version in common.
        8 Version {}
        /// The supervisor is ending.
        9 Ending {}
        /// The supervisor's image is being replaced: ask again.
        10 Replacing {}
    }
}

wire_enum! {
    /// What happens to containers when the supervisor ends.
    #[derive(Copy)]
    pub enum Leftovers {
        /// They go on without a parent; nobody logs for them until someone adopts them.
        0 Leave {}
        /// They are killed and their exits are recorded first.
        1 Kill {}
    }
}
