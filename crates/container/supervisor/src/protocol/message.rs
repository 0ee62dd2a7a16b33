//! The messages, one row each: kind, name, fields in wire order.
//!
//! A message is one SEQPACKET packet: kind (u16), number of descriptors (u16), request id (u32),
//! then the fields. `docs/formats/supervisor-protocol.md` says what each of them does.

use super::types::{
    ExitRecord, Key, Leftovers, LogSpec, LogStats, Name, Outcome, Owner, Phase, Reason, Role, Stdio,
};
#[cfg(test)]
use super::wire::Source;
use super::wire::{Bytes, Malformed, Reader, Wire, wire_struct};

/// The version of the protocol that this build speaks.
pub const VERSION: u16 = 1;
/// The oldest version that this build understands.
pub const OLDEST: u16 = 1;
/// Most bytes in a message. What may be larger (init programs) travels in a sealed memfd.
pub const MAX_MESSAGE: usize = 32 * 1024;

const HEADER: usize = 8;

/// Why a packet is not a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Too short for a header; the connection is beyond repair.
    #[error("packet is shorter than a header")]
    Short,
    /// A kind that this version does not know: answered with `Unsupported`, and nothing is lost.
    #[error("message kind {kind:#06x} is not known")]
    Unknown {
        /// The request id to answer.
        id: u32,
        /// The kind.
        kind: u16,
    },
    /// Fields that do not parse, or a descriptor count that does not match the packet's.
    #[error("message {kind:#06x} is malformed")]
    Malformed {
        /// The request id to answer.
        id: u32,
        /// The kind.
        kind: u16,
    },
}

/// A table of messages that travel in one direction.
pub trait Message: Sized {
    /// The bytes of a packet that goes with `descriptors` descriptors.
    fn encode(&self, id: u32, descriptors: usize) -> Vec<u8>;
    /// The request id and the message in a packet that came with `descriptors` descriptors.
    fn decode(packet: &[u8], descriptors: usize) -> Result<(u32, Self), DecodeError>;
}

fn header(kind: u16, descriptors: usize, id: u32) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    kind.put(&mut out);
    // More than 128 descriptors never leave sys::socket.
    u16::try_from(descriptors).unwrap_or(u16::MAX).put(&mut out);
    id.put(&mut out);
    out
}

/// (kind, announced descriptors, id, body)
fn split(packet: &[u8]) -> Result<(u16, u16, u32, &[u8]), DecodeError> {
    let (head, body) = packet.split_at_checked(HEADER).ok_or(DecodeError::Short)?;
    let kind = u16::from_le_bytes([head[0], head[1]]);
    let descriptors = u16::from_le_bytes([head[2], head[3]]);
    Ok((
        kind,
        descriptors,
        u32::from_le_bytes([head[4], head[5], head[6], head[7]]),
        body,
    ))
}

macro_rules! messages {
    ($(#[$doc:meta])* $table:ident {
        $( $(#[$vdoc:meta])* $kind:literal $name:ident { $( $(#[$fdoc:meta])* $field:ident : $type:ty ),* $(,)? } )*
    }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[expect(missing_docs, reason = "fields are described by their message and by the document")]
        pub enum $table { $( $(#[$vdoc])* $name { $( $(#[$fdoc])* $field: $type ),* } ),* }

        impl $table {
            /// Kind and name of every row, in order.
            pub const KINDS: &[(u16, &str)] = &[ $( ($kind, stringify!($name)) ),* ];

            fn kind(&self) -> u16 {
                match self { $( Self::$name { .. } => $kind ),* }
            }

            fn put_fields(&self, out: &mut Vec<u8>) {
                match self { $( Self::$name { $( $field ),* } => { $( $field.put(out); )* } )* }
            }

            /// `None` for a kind that this version does not know.
            fn get_fields(kind: u16, input: &mut Reader<'_>) -> Option<Result<Self, Malformed>> {
                let fields = |input: &mut Reader<'_>| Ok(match kind {
                    $( $kind => Self::$name { $( $field: <$type>::get(input)? ),* }, )*
                    _ => return Err(Malformed),
                });
                Self::KINDS.iter().any(|(known, _)| *known == kind).then(|| fields(input))
            }

            #[cfg(test)]
            pub(crate) fn sample(kind: u16, _source: &mut Source) -> Self {
                match kind {
                    $( $kind => Self::$name { $( $field: <$type>::sample(_source) ),* }, )*
                    _ => unreachable!("the kind comes from the table"),
                }
            }
        }

        impl Message for $table {
            fn encode(&self, id: u32, descriptors: usize) -> Vec<u8> {
                let mut out = header(self.kind(), descriptors, id);
                self.put_fields(&mut out);
                out
            }

            fn decode(packet: &[u8], descriptors: usize) -> Result<(u32, Self), DecodeError> {
                let (kind, announced, id, body) = split(packet)?;
                let fields = Self::get_fields(kind, &mut Reader(body)).ok_or(DecodeError::Unknown { id, kind })?;
                let whole = usize::from(announced) == descriptors;
                fields.ok().filter(|_| whole).map(|message| (id, message)).ok_or(DecodeError::Malformed { id, kind })
            }
        }
    };
}

wire_struct! {
    /// The fields of [`Request::Start`].
    pub struct Start {
        /// The process.
        pub key: Key,
        /// `CLONE_NEW*` bits for `clone3`.
        pub namespaces: u64,
        /// Standard streams, which become the program's slots 0 to 2.
        pub stdio: Stdio,
        /// Owner of pipes and terminal.
        pub owner: Owner,
        /// Where output is logged; without it the daemon reads the pipes or the terminal itself.
        pub log: Option<LogSpec>,
        /// Whether `Started` brings copies of logged output from its first byte on, as
        /// [`Request::Attach`] would later.
        pub attach: bool,
        /// Whether a cgroup directory is among the descriptors.
        pub cgroup: bool,
        /// The init program, or nothing if it is the first descriptor (a sealed memfd).
        pub program: Option<Bytes>,
    }
}

wire_struct! {
    /// The fields of [`Request::Worker`].
    pub struct Worker {
        /// The worker; its task must be [`Task::Worker`](super::Task::Worker).
        pub key: Key,
        /// `CLONE_NEW*` bits for `clone3`.
        pub namespaces: u64,
        /// Executable (absolute) and arguments.
        pub arguments: Vec<Bytes>,
        /// Environment, `NAME=VALUE`.
        pub environment: Vec<Bytes>,
        /// Whether a cgroup directory is the first descriptor.
        pub cgroup: bool,
        /// Milliseconds after which it is killed.
        pub deadline: u32,
    }
}

wire_struct! {
    /// The fields of [`Reply::Entry`].
    pub struct Entry {
        /// The process.
        pub key: Key,
        /// Its process id in the supervisor's PID namespace; 0 before `clone3` has returned.
        pub pid: u32,
        /// Where it is in its life.
        pub phase: Phase,
        /// Its standard streams.
        pub stdio: Stdio,
        /// Whether the supervisor logs its output.
        pub logged: bool,
        /// The log as it is now.
        pub log: LogStats,
        /// Which descriptors follow.
        pub streams: Streams,
    }
}

wire_struct! {
    /// Which descriptors follow the pidfd, in this order.
    #[derive(Copy, Default)]
    pub struct Streams {
        /// Write end of standard input, or the terminal.
        pub input: bool,
        /// Read end of standard output, or of a copy of it where it is logged.
        pub output: bool,
        /// Read end of standard error, or of a copy of it where it is logged.
        pub error: bool,
        /// Read end of standard output (or the terminal) that the supervisor logs from: to be held
        /// for an [`Adopt`](Request::Adopt) by the next supervisor, never to be read.
        pub logged_output: bool,
        /// The same of standard error.
        pub logged_error: bool,
    }
}

messages! {
    /// What a daemon or an operator asks.
    Request {
        /// Opens the conversation.
        0x0001 Hello { oldest: u16, newest: u16, role: Role, software: Bytes }
        /// Starts a process. Descriptors: program?, cgroup?, stdio × 3 if given, the slots from 3 on.
        0x0002 Start { start: Start }
        /// Lets a process go on from a sync point.
        0x0003 Continue { key: Key, point: u32 }
        /// Sends a signal to a process.
        0x0004 Signal { key: Key, number: u32 }
        /// Changes the size of a process's terminal.
        0x0005 Resize { key: Key, rows: u16, columns: u16 }
        /// Closes the supervisor's write end of a process's input.
        0x0006 CloseStdin { key: Key }
        /// Asks for a process's streams; of logged output for a copy from now on.
        0x0007 Attach { key: Key }
        /// Keeps descriptors under a name across deaths of the daemon.
        0x0008 Hold { name: Name }
        /// Asks for the descriptors held under a name.
        0x0009 Retrieve { name: Name }
        /// Closes the descriptors held under a name.
        0x000a Release { name: Name }
        /// Asks for the next name after this one.
        0x000b NextHeld { after: Option<Name> }
        /// Asks for the next process after this one.
        0x000c NextEntry { after: Option<Key> }
        /// Asks for exit records after this sequence number.
        0x000d Exits { after: u64 }
        /// Forgets exit records up to and including this sequence number.
        0x000e Ack { through: u64 }
        /// Takes over a process of an earlier supervisor. Descriptors: pidfd, then by `streams`.
        0x000f Adopt { key: Key, pid: u32, stdio: Stdio, streams: Streams, log: Option<LogSpec> }
        /// Runs a short-lived process. Descriptors: cgroup?, then its descriptors from 0 on.
        0x0010 Worker { worker: Worker }
        /// Reopens a log file, after renaming it to `path.suffix` if a suffix is given.
        0x0011 ReopenLog { key: Key, suffix: Option<Name> }
        /// What to run as the daemon from its next start on; without arguments none, once the one that runs has ended.
        0x0012 SetDaemon { arguments: Vec<Bytes>, environment: Vec<Bytes> }
        /// Replaces the supervisor's image in place.
        0x0013 Reexec { executable: Option<Bytes> }
        /// Ends the daemon and the supervisor.
        0x0014 Shutdown { leftovers: Leftovers, grace: u32 }
    }
}

messages! {
    /// What the supervisor answers, with the request's id.
    Reply {
        /// To `Hello`: the version that both speak from now on.
        0x0101 Welcome { version: u16, pid: u32, software: Bytes, containers: u32, exits: u32 }
        /// It is done.
        0x0102 Done {}
        /// Nothing was done.
        0x0103 Refused { reason: Reason }
        /// The request's kind is not known here.
        0x0104 Unsupported { kind: u16 }
        /// To `Start`: the process runs its own image, or waits at its start gate. Descriptors: pidfd, then by `streams`.
        0x0105 Started { key: Key, pid: u32, streams: Streams }
        /// A system call failed; `operation` counts the init program's, `u32::MAX` stands for the
        /// supervisor's own work before it.
        0x0106 Failed { operation: u32, errno: i32 }
        /// To `NextEntry`. Descriptors: pidfd while it runs, then by `streams`.
        0x0107 Entry { entry: Entry }
        /// To `NextEntry` and `NextHeld`: there is nothing after that.
        0x0108 End {}
        /// To `NextHeld` and `Retrieve`, with the descriptors.
        0x0109 Held { name: Name }
        /// To `Exits`: in order; ask again after the last one if there are `more`.
        0x010a ExitList { records: Vec<ExitRecord>, more: bool }
        /// To `Attach`, with descriptors by `streams`.
        0x010b Attached { streams: Streams }
        /// To `Worker`: it has ended.
        0x010c WorkerDone { outcome: Outcome }
    }
}

messages! {
    /// What the supervisor tells the daemon unasked, with request id 0.
    Event {
        /// A newer daemon has connected; this connection is of no more use.
        0x0201 Superseded {}
        /// A starting process waits for `Continue`.
        0x0202 Synced { key: Key, point: u32 }
        /// A process has ended and its output is logged.
        0x0203 Exited { record: ExitRecord }
        /// An operation of a process's init program failed where the program tolerates it.
        0x0204 Warning { key: Key, operation: u32, errno: i32 }
        /// A log began (`errno` set) or ceased (0) to drop entries.
        0x0205 LogTrouble { key: Key, log: LogStats }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn round_trip<M: Message + PartialEq + std::fmt::Debug>(message: M, id: u32, newer: &[u8]) {
        let mut packet = message.encode(id, 2);
        assert_eq!(
            M::decode(&packet, 1)
                .map(drop)
                .map_err(|error| matches!(error, DecodeError::Malformed { .. })),
            Err(true)
        );
        packet.extend_from_slice(newer);
        assert_eq!(M::decode(&packet, 2), Ok((id, message)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn every_message_survives_and_what_a_newer_neighbour_appends_is_ignored(
            numbers in prop::collection::vec(any::<u64>(), 0..200), id: u32, newer: [u8; 3],
        ) {
            for (kind, _) in Request::KINDS {
                round_trip(Request::sample(*kind, &mut Source(numbers.clone())), id, &newer);
            }
            for (kind, _) in Reply::KINDS {
                round_trip(Reply::sample(*kind, &mut Source(numbers.clone())), id, &newer);
            }
            for (kind, _) in Event::KINDS {
                round_trip(Event::sample(*kind, &mut Source(numbers.clone())), id, &newer);
            }
        }

        #[test]
        fn arbitrary_bytes_never_panic(kind in 0_u16..0x20, bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut packet = header(kind, 0, 1);
            packet.extend(&bytes);
            drop(Request::decode(&packet, 0));
            drop(Request::decode(&bytes, 0));
            drop(Reply::decode(&bytes, 0));
            drop(Event::decode(&bytes, 0));
        }
    }

    #[test]
    fn a_kind_from_the_future_is_named_in_the_error() {
        let packet = header(0x00ff, 0, 9);
        assert_eq!(
            Request::decode(&packet, 0),
            Err(DecodeError::Unknown { id: 9, kind: 0x00ff })
        );
        assert_eq!(Request::decode(&packet[..7], 0), Err(DecodeError::Short));
    }

    #[test]
    fn the_document_lists_every_message() {
        let document = include_str!("../../../../../docs/formats/supervisor-protocol.md");
        for (kind, name) in [Request::KINDS, Reply::KINDS, Event::KINDS].concat() {
            let row = format!("| `{kind:#06x}` | {name} |");
            assert!(document.contains(&row), "no row {row}");
        }
    }
}
