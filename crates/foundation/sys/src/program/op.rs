//! The operations of an init program: one table, from which the enum, its 40-byte records and
//! its listing derive. `docs/formats/init-program.md` says what each operation does.

use super::format::FormatError;

/// Index of a descriptor in the interpreter's register file of [`SLOTS`](super::SLOTS) entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot(pub u8);

impl Slot {
    /// No descriptor: paths start at the working directory, optional results are dropped.
    pub const NONE: Self = Self(0xff);
}

/// Offset of a NUL-terminated string in the program's string area.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text(pub(super) u32);

/// Index, in the program's word area, of a list of strings as `execve` wants it: the count, then
/// one word for each string, then zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Texts(pub(super) u32);

/// Index, in the program's word area, of a count followed by that many raw 64-bit words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Words(pub(super) u32);

/// One operation as it lies in the arena: little-endian, unused columns zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) code: u8,
    pub(crate) s0: u8,
    pub(crate) s1: u8,
    pub(crate) s2: u8,
    pub(crate) a: u32,
    pub(crate) b: u32,
    pub(crate) c: u32,
    pub(crate) x: u64,
    pub(crate) y: u64,
    pub(crate) z: u64,
}

impl Record {
    pub(crate) const SIZE: usize = 40;

    pub(crate) fn to_bytes(self) -> [u8; Self::SIZE] {
        let mut out = [0; Self::SIZE];
        out[0..4].copy_from_slice(&[self.code, self.s0, self.s1, self.s2]);
        for (at, word) in [(4, self.a), (8, self.b), (12, self.c)] {
            out[at..at + 4].copy_from_slice(&word.to_le_bytes());
        }
        for (at, long) in [(16, self.x), (24, self.y), (32, self.z)] {
            out[at..at + 8].copy_from_slice(&long.to_le_bytes());
        }
        out
    }

    pub(crate) fn from_bytes(bytes: &[u8; Self::SIZE]) -> Self {
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let long = |at: usize| u64::from(word(at)) | u64::from(word(at + 4)) << 32;
        Self {
            code: bytes[0],
            s0: bytes[1],
            s1: bytes[2],
            s2: bytes[3],
            a: word(4),
            b: word(8),
            c: word(12),
            x: long(16),
            y: long(24),
            z: long(32),
        }
    }
}

/// How a field's type lies in a record's column, and what it must point at to be valid.
pub(super) trait Field<Column>: Copy {
    fn to_column(self) -> Column;
    fn from_column(column: Column) -> Self;
    fn visit(self, _: &mut dyn Visitor) -> Result<(), FormatError> {
        Ok(())
    }
}

/// Sees every reference that an operation makes into the rest of the arena: the verifier checks
/// them, the relocator resolves them, the listing prints what they name.
pub(super) trait Visitor {
    fn slot(&mut self, slot: Slot) -> Result<(), FormatError>;
    fn text(&mut self, text: Text) -> Result<(), FormatError>;
    fn texts(&mut self, texts: Texts) -> Result<(), FormatError>;
    fn words(&mut self, words: Words) -> Result<(), FormatError>;
    fn number(&mut self, number: u64) -> Result<(), FormatError>;
}

macro_rules! reference_field {
    ($type:ident, $column:ty, $visit:ident) => {
        impl Field<$column> for $type {
            fn to_column(self) -> $column {
                self.0
            }
            fn from_column(column: $column) -> Self {
                Self(column)
            }
            fn visit(self, visitor: &mut dyn Visitor) -> Result<(), FormatError> {
                visitor.$visit(self)
            }
        }
    };
}
reference_field!(Slot, u8, slot);
reference_field!(Text, u32, text);
reference_field!(Texts, u32, texts);
reference_field!(Words, u32, words);

macro_rules! number_field {
    ($type:ty) => {
        impl Field<$type> for $type {
            fn to_column(self) -> $type {
                self
            }
            fn from_column(column: $type) -> Self {
                column
            }
            fn visit(self, visitor: &mut dyn Visitor) -> Result<(), FormatError> {
                visitor.number(self.into())
            }
        }
    };
}
number_field!(u32);
number_field!(u64);

macro_rules! operations {
    ($( $(#[$doc:meta])* $code:literal $name:ident { $( $field:ident : $type:ty = $column:ident ),* } )*) => {
        /// One step of a container's start, between `clone3` and `execve`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[expect(missing_docs, reason = "the fields are described by the operation they belong to")]
        pub enum Op {
            $( $(#[$doc])* $name { $( $field: $type ),* }, )*
        }

        impl Op {
            pub(super) fn to_record(self) -> Record {
                match self {
                    $( Self::$name { $( $field ),* } => Record {
                        code: $code,
                        $( $column: Field::to_column($field), )*
                        ..Record::default()
                    }, )*
                }
            }

            /// `None` for a code that this version does not know.
            pub(crate) fn from_record(record: &Record) -> Option<Self> {
                Some(match record.code {
                    $( $code => Self::$name { $( $field: Field::from_column(record.$column) ),* }, )*
                    _ => return None,
                })
            }

            /// The operation's name, as listings and errors print it.
            pub fn name(self) -> &'static str {
                match self {
                    $( Self::$name { .. } => stringify!($name), )*
                }
            }

            pub(super) fn visit(self, visitor: &mut dyn Visitor) -> Result<(), FormatError> {
                match self {
                    $( Self::$name { $( $field ),* } => { $( $field.visit(visitor)?; )* } )*
                }
                Ok(())
            }

            /// Names of the operation's fields, in the order in which they are visited.
            pub(super) fn field_names(self) -> &'static [&'static str] {
                match self {
                    $( Self::$name { .. } => &[ $( stringify!($field) ),* ], )*
                }
            }
        }
    };
}

operations! {
    /// Open `path` below `dir` for writing, without following magic links or leaving its mount,
    /// and write `data`. With no `dir` the path is absolute. `flags` bit 0: a refusal (EPERM,
    /// EACCES) is a warning, not a failure.
    1 Write { dir: Slot = s0, path: Text = a, data: Text = b, flags: u32 = c }
    /// `setns` to the namespaces `kinds` (CLONE_NEW* bits) of `of`, a namespace file or a pidfd.
    2 Join { of: Slot = s0, kinds: u32 = a }
    /// `unshare(kinds)`.
    3 Unshare { kinds: u32 = a }
    /// Go on in a new child of the launcher, so that namespaces meant for children take effect.
    4 Clone {}
    /// Tell the launcher `code` and wait for its answer.
    5 Sync { code: u32 = a }
    /// `prctl(option, value, 0, 0, 0)`.
    6 Prctl { option: u32 = a, value: u64 = x }
    /// `setsid()`.
    7 Setsid {}
    /// `umask(mode)`.
    8 Umask { mode: u32 = a }
    /// `prlimit(resource)`. Where the hard limit may not be raised it stays, with a warning.
    9 Rlimit { resource: u32 = a, soft: u64 = x, hard: u64 = y }
    /// `sethostname(name)`.
    10 Hostname { name: Text = a }
    /// `setdomainname(name)`.
    11 Domainname { name: Text = a }
    /// Change the propagation of the mount at `path`: `mount(NULL, path, NULL, flags)`.
    12 Propagation { path: Text = a, flags: u32 = b }
    /// Make the mount that holds `path` private, as `pivot_root` demands of the new root's parent.
    13 PrivateParent { path: Text = a }
    /// Open `path` as `O_PATH` (with `flags`) into `out`: inside `dir`, or without one as it is.
    14 Open { out: Slot = s0, dir: Slot = s1, path: Text = a, flags: u32 = b }
    /// `open_tree` of `path` below `dir` (empty: `dir` itself) into `out`.
    15 Tree { out: Slot = s0, dir: Slot = s1, path: Text = a, flags: u32 = b }
    /// A new filesystem `kind` with its `options` (`key` or `key=value`), as a detached mount with
    /// the MOUNT_ATTR_* `attributes`, into `out`.
    16 Filesystem { out: Slot = s0, kind: Text = a, options: Texts = b, attributes: u64 = x }
    /// `mount_setattr` on `tree`: bits to `set` and `clear`, then `propagation`; `flags` bit 0:
    /// the whole tree below it.
    17 Attributes { tree: Slot = s0, set: u64 = x, clear: u64 = y, propagation: u64 = z, flags: u32 = a }
    /// `move_mount` of `tree` to `path` inside `root`, where a missing target is made: a directory
    /// for a directory, an empty file for anything else. `flags` bit 0: no symbolic link may be
    /// passed on the way; bit 1: the mount's root gets the target's mode. With no `root` the path is the launcher's and must exist.
    18 Attach { tree: Slot = s0, root: Slot = s1, path: Text = a, flags: u32 = b }
    /// `pivot_root` into `root` and detach the old root.
    19 Pivot { root: Slot = s0 }
    /// `mknod` of `path` inside `root`; `owner` is uid << 32 | gid. An equal node is kept.
    20 Device { root: Slot = s0, path: Text = a, mode: u32 = b, device: u64 = x, owner: u64 = y }
    /// A symbolic link at `path` inside `root`. Whatever exists there already is kept.
    21 Symlink { root: Slot = s0, target: Text = a, path: Text = b }
    /// Cover `path` below `base` with `directory` or `file`, whichever it is, or a clone of it. A path
    /// that does not exist needs no cover.
    22 Mask { base: Slot = s0, directory: Slot = s1, file: Slot = s2, path: Text = a }
    /// Make `path` below `base` a read-only mount. A path that does not exist is passed over.
    23 Readonly { base: Slot = s0, path: Text = a }
    /// Open a pseudo-terminal from the devpts mount `pts`, send its master over `socket`, keep the
    /// other end in `out`. `size` is rows << 16 | columns, `owner` uid << 32 | gid.
    24 Console { pts: Slot = s0, socket: Slot = s1, out: Slot = s2, size: u64 = x, owner: u64 = y }
    /// Make the terminal `tty` the session's controlling terminal.
    25 ControllingTerminal { tty: Slot = s0 }
    /// `dup2` of `from` to the descriptor number `to`, without close-on-exec.
    26 Dup { from: Slot = s0, to: u32 = a }
    /// Close every slot but `keep`, and mark every descriptor from `first` on close-on-exec.
    27 CloseFrom { first: u32 = a, keep: Slot = s0 }
    /// `chdir(path)`. `flags` bit 0: a refusal is left to a later `Chdir`.
    28 Chdir { path: Text = a, flags: u32 = b }
    /// `setgroups`: each word is one group id.
    29 Groups { groups: Words = a }
    /// `setresgid` and `setresuid`, all three ids each.
    30 Ids { uid: u32 = a, gid: u32 = b }
    /// Drop every capability outside `keep` from the bounding set.
    31 BoundingSet { keep: u64 = x }
    /// `capset`.
    32 Capabilities { effective: u64 = x, permitted: u64 = y, inheritable: u64 = z }
    /// Make `set` the ambient capabilities.
    33 Ambient { set: u64 = x }
    /// Load a seccomp filter: each word is one `sock_filter`. `flags` are SECCOMP_FILTER_FLAG_*.
    34 Seccomp { filter: Words = a, flags: u32 = b }
    /// Join a new session keyring of this name.
    35 Keyring { name: Text = a }
    /// `sched_setattr`: the words are a `sched_attr`.
    36 Scheduler { attributes: Words = a }
    /// `ioprio_set` of this thread.
    37 IoPriority { priority: u32 = a }
    /// `personality(persona)`.
    38 Personality { persona: u32 = a }
    /// `sched_setaffinity`: the words are a CPU mask.
    39 Affinity { mask: Words = a }
    /// Find the executable for `name`: itself if it has a slash, else in the directories of
    /// `search` (PATH syntax).
    40 Lookup { name: Text = a, search: Text = b }
    /// Tell the launcher that the container is created, then wait until someone opens the FIFO
    /// `gate` for reading.
    41 WaitStart { gate: Slot = s0 }
    /// Fork: the parent stays as process 1, reaps, forwards signals and exits as the child does;
    /// the child goes on.
    42 Init {}
    /// `execve` of what `Lookup` found.
    43 Exec { arguments: Texts = a, environment: Texts = b }
    /// Make the directory `path` inside `root`, and those above it, where they do not exist.
    44 Directory { root: Slot = s0, path: Text = a }
    /// Give the standard streams to a user.
    45 OwnStreams { uid: u32 = a, gid: u32 = b }
    /// `mount(kind, path, kind, 0, data)`: a filesystem whose options do not fit into fsconfig's
    /// values, put in place at once.
    46 Mount { kind: Text = a, path: Text = b, data: Text = c }
}

/// Flag of [`Op::Write`]: a refusal is a warning.
pub const TOLERATE_REFUSAL: u32 = 1;
/// Flag of [`Op::Attributes`]: AT_RECURSIVE.
pub const RECURSIVE: u32 = 1;
/// Flag of [`Op::Attach`]: refuse symbolic links on the way (CVE-2019-19921).
pub const NO_SYMLINKS: u32 = 1;
/// Flag of [`Op::Attach`]: the mount's root gets the mode of what it covers.
pub const INHERIT_MODE: u32 = 2;
/// Flag of [`Op::Chdir`]: a refusal is left to a later `Chdir`.
pub const MAY_RETRY: u32 = 1;
