//! What a build is to this door, in its own words; whoever has a builder implements [`Builds`].

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use tokio::io::DuplexStream;
use tokio::sync::mpsc;

use crate::filesync::{Archive, go_mode};
use crate::grpc::{Boxed, Status};
use crate::policy::Policies;
use crate::progress::{Progress, Step};
use crate::proto::fsutil::Stat;
use crate::session::Session;
use crate::statement::Predicate;

/// A Dockerfile, and the files around it.
#[derive(Debug)]
pub struct BuildRequest {
    /// The main context. The Dockerfile need not be in it.
    pub context: Context,
    /// What the client calls the Dockerfile.
    pub name: String,
    /// The Dockerfile itself.
    pub text: Vec<u8>,
    /// Named contexts.
    pub contexts: BTreeMap<String, NamedContext>,
    /// `--build-arg`.
    pub args: BTreeMap<String, String>,
    /// `--label`.
    pub labels: BTreeMap<String, String>,
    /// The stage to stop after.
    pub target: Option<String>,
    /// The stage to stop after, by its number; as the target says, if there is none.
    pub stage: Option<usize>,
    /// `linux/amd64`; `None` for this machine's.
    pub platform: Option<String>,
    /// Whether steps are called by their platforms too: there are builds for others.
    pub platform_shown: bool,
    /// Whether every step is carried out.
    pub no_cache: bool,
    /// Stages of which every step is carried out.
    pub no_cache_stages: Vec<String>,
    /// Limits of programs: name, soft, hard.
    pub ulimits: Vec<(String, i64, i64)>,
    /// Whether bases are pulled although they are here.
    pub pull: bool,
    /// `--network`: empty, `default`, `none` or `host`.
    pub network: String,
    /// `NAME:ADDRESS` lines.
    pub extra_hosts: Vec<String>,
    /// `/dev/shm` in bytes; 0 for the default.
    pub shm_size: u64,
    /// Where steps' groups are; empty for the default.
    pub cgroup_parent: String,
    /// Caches whose steps may be used.
    pub cache_from: Vec<CacheImport>,
    /// What steps may do: `network.host`, `security.insecure`.
    pub entitlements: Vec<String>,
    /// Which sources it may have.
    pub policies: Arc<Policies>,
    /// Whoever asked: secrets, agents, credentials.
    pub session: Arc<Session>,
}

/// A cache whose steps may be used (`--cache-from`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheImport {
    /// Where it is.
    pub from: CacheSource,
    /// Which of its cache mounts new ones may begin with (`mounts=`).
    pub mounts: Mounts,
}

impl From<CacheSource> for CacheImport {
    /// None of its cache mounts.
    fn from(from: CacheSource) -> Self {
        let mounts = Mounts::None;
        Self { from, mounts }
    }
}

/// Where a cache comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CacheSource {
    /// A cache, or an image with one in it, in a registry.
    Registry(String),
    /// A directory of the client.
    Local {
        /// What the client calls it.
        store: String,
        /// The manifest in it.
        digest: String,
    },
}

/// Where a cache goes (`--cache-to`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheExport {
    /// The place.
    pub to: CacheTarget,
    /// Every step, and not only those of the result (`mode=max`).
    pub all: bool,
    /// How layers go.
    pub packing: Packing,
    /// Whether layers are listed in an index, as older BuildKits have it, and not in a manifest.
    pub index: bool,
    /// Whether media types are OCI's.
    pub oci: bool,
    /// Whether a failure is nobody's concern.
    pub ignore_error: bool,
    /// Which cache mounts go along (`mounts=`).
    pub mounts: Mounts,
}

/// Which cache mounts go out with a build's cache, or come from one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Mounts {
    /// None of them.
    #[default]
    None,
    /// All of them.
    All,
    /// Those with these ids.
    Named(Vec<String>),
}

impl Mounts {
    /// Whether the one with this id is among them.
    #[must_use]
    pub fn has(&self, id: &str) -> bool {
        match self {
            Self::None => false,
            Self::All => true,
            Self::Named(ids) => ids.iter().any(|named| named == id),
        }
    }

    /// Has those of another as well.
    pub fn add(&mut self, other: Self) {
        match (self, other) {
            (Self::All, _) | (_, Self::None) => {}
            (Self::Named(ids), Self::Named(more)) => ids.extend(more),
            (mounts, other) => *mounts = other,
        }
    }

    /// `all`, or ids with `;` or `|` between them: clients part attributes by commas.
    pub(crate) fn parse(value: &str) -> Option<Self> {
        if value == "all" {
            return Some(Self::All);
        }
        let ids = value.split([';', '|']).map(str::trim).filter(|id| !id.is_empty());
        let ids: Vec<String> = ids.map(str::to_owned).collect();
        (!ids.is_empty()).then_some(Self::Named(ids))
    }
}

/// A cache mount that a step of a build has.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CacheMount {
    /// What the build calls it: its `id`, or where it is mounted.
    pub id: String,
    /// Of everything that must agree for a step to get it.
    pub key: String,
}

/// A cache that has gone out.
#[derive(Clone, Debug)]
pub struct ExportedCache {
    /// A descriptor of its manifest, as JSON.
    pub descriptor: serde_json::Value,
    /// What was done besides, a line each.
    pub lines: Vec<String>,
}

/// The place a cache goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CacheTarget {
    /// The image itself.
    Inline,
    /// A name in a registry.
    Registry(String),
    /// A directory of the client, by what it calls it.
    Local(String),
}

/// The files of a build.
#[derive(Clone, Debug)]
pub enum Context {
    /// Files of the client, whose lists of what is left out it has heeded.
    Client(Arc<Archive>),
    /// What [`Builds::open`] opened, as it is.
    Opened(Opened),
}

/// Where a context comes from that is no directory of the client.
#[derive(Debug)]
pub enum Remote {
    /// An archive that the client sent.
    Sent(File),
    /// An address: a repository's, an archive's, or a Dockerfile's.
    Address {
        /// The address.
        url: String,
        /// Whether a repository comes with `.git`, unless its address says otherwise.
        history: bool,
    },
    /// An address that stands for its file alone, whatever that is, or for a repository.
    File(String),
}

/// Files that somebody opened, for whoever opened them. Clones are the same files.
#[derive(Clone)]
pub struct Opened {
    files: Arc<dyn Any + Send + Sync>,
    /// What they were made of, if that has a name that others know.
    pub material: Option<Material>,
}

impl Opened {
    /// Of files.
    #[must_use]
    pub fn new(files: impl Any + Send + Sync, material: Option<Material>) -> Self {
        let files = Arc::new(files);
        Self { files, material }
    }

    /// The files, if they are of that kind.
    #[must_use]
    pub fn files<T: Any>(&self) -> Option<&T> {
        self.files.downcast_ref()
    }
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Opened").field(&self.material).finish()
    }
}

/// What a result was made of, besides the client's own files: what it is called, and which it was.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Material {
    /// An image.
    Image {
        /// Its name.
        reference: String,
        /// `linux/amd64`
        platform: String,
        /// Of its manifest, or of its configuration if it has no manifest: `sha256:…`
        digest: String,
    },
    /// A repository.
    Git {
        /// Its address, and what was asked for of it.
        url: String,
        /// The commit.
        commit: String,
    },
    /// A file of a web server.
    Http {
        /// Its address.
        url: String,
        /// `sha256:…`
        digest: String,
    },
}

/// A named context (`--build-context`).
#[derive(Clone, Debug)]
pub enum NamedContext {
    /// Files.
    Files(Context),
    /// An image.
    Image(String),
    /// What another build has made, by its image's id: its sources were judged there.
    Result(String),
    /// An image in a layout of the client.
    Layout {
        /// What the client calls it.
        store: String,
        /// The manifest or index in it.
        digest: String,
    },
}

/// What keeps a result where it is until it has gone out: nobody removes it meanwhile, whether it has a name or not.
#[derive(Clone, Default)]
pub struct Held(Option<Arc<dyn Any + Send + Sync>>);

impl Held {
    /// By whatever ends with the last of these.
    #[must_use]
    pub fn by(guard: impl Any + Send + Sync) -> Self {
        Self(Some(Arc::new(guard)))
    }

    /// What it is held by, if that is of this type.
    #[must_use]
    pub fn get<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        self.0.clone()?.downcast().ok()
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Held").field(&self.0.is_some()).finish()
    }
}

/// What a build made.
#[derive(Clone, Debug)]
pub struct Built {
    /// The image's id (`sha256:…`).
    pub image: String,
    /// Its configuration, as it is.
    pub config: Vec<u8>,
    /// The steps that it was built of: the key of each, and its image.
    pub steps: Vec<(String, String)>,
    /// The cache mounts of its steps, whether those were carried out or not.
    pub mounts: Vec<CacheMount>,
    /// The caches that it was given, for whoever made it.
    pub caches: Held,
    /// What it was made of besides the client's own files.
    pub materials: Vec<Material>,
    /// What was asked for; nothing, if it came without a frontend of ours.
    pub request: Option<Arc<Request>>,
    /// What keeps it.
    pub held: Held,
}

/// A graph of LLB.
#[derive(Debug)]
pub struct Solving {
    /// What is asked for.
    pub graph: llb::Graph,
    /// The client's directories and other contexts, by the digests of the vertices that name them.
    pub files: BTreeMap<String, Context>,
    /// Results of ours, by the digests of the vertices that name them.
    pub images: BTreeMap<String, String>,
    /// Caches whose steps may be used.
    pub cache_from: Vec<CacheImport>,
    /// Which caches it may have; its own sources have been judged.
    pub policies: Arc<Policies>,
    /// Whoever carries out definitions that it makes itself (`BuildOp`).
    pub nested: Arc<dyn Nested>,
    /// What commands may do: `network.host`, `security.insecure`.
    pub entitlements: Vec<String>,
    /// Whoever asked: secrets, agents, credentials, layouts.
    pub session: Arc<Session>,
}

/// Carries out definitions that are files of what others have made.
pub trait Nested: fmt::Debug + Send + Sync {
    /// What a definition makes.
    fn solve(&self, definition: Vec<u8>) -> Boxed<'static, Result<Built, Status>>;
}

/// A frontend that is a program of an image.
pub struct Program {
    /// The image it is in, with its configuration.
    pub image: Built,
    /// What it is told in its environment, besides what its image says.
    pub env: Vec<String>,
    /// Its own definition, which it finds in a file.
    pub definition: Bytes,
    /// What it speaks to over its standard input and output.
    pub stream: DuplexStream,
    /// What it writes to its standard error.
    pub said: Step,
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Program")
            .field("image", &self.image.image)
            .finish_non_exhaustive()
    }
}

/// A container of a frontend that is asked for.
#[derive(Debug)]
pub struct ContainerRequest {
    /// What is mounted; one is the root.
    pub mounts: Vec<llb::Mount>,
    /// Results, by the numbers that mounts know them by.
    pub images: Vec<Built>,
    /// Its network.
    pub network: llb::Network,
    /// Its name; empty for its own.
    pub hostname: String,
    /// `NAME:ADDRESS` each.
    pub hosts: Vec<String>,
    /// What its processes may do: `network.host`, `security.insecure`.
    pub entitlements: Vec<String>,
    /// Whoever asked: secrets, agents.
    pub session: Arc<Session>,
}

/// A process that is asked for.
#[derive(Clone, Debug, Default)]
pub struct Command {
    /// The program and its arguments.
    pub args: Vec<String>,
    /// `NAME=value` each.
    pub env: Vec<String>,
    /// The working directory; empty for the root.
    pub cwd: String,
    /// `USER[:GROUP]`; empty for root.
    pub user: String,
    /// Whether it has a terminal.
    pub tty: bool,
    /// Whether it has an input.
    pub stdin: bool,
    /// Everything is allowed.
    pub insecure: bool,
    /// Secrets in its environment.
    pub secret_env: Vec<llb::SecretEnv>,
}

/// A process of a container.
pub struct Running {
    /// What it writes: 1 or 2, and bytes. All of it has come when this ends.
    pub output: mpsc::Receiver<(u32, Bytes)>,
    /// Its input, if it has one; closed by being dropped.
    pub input: Option<mpsc::Sender<Bytes>>,
    /// What else is asked of it.
    pub control: mpsc::Sender<Control>,
    /// Its code.
    pub ended: Boxed<'static, Result<i32, Status>>,
}

/// What is asked of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// Another size of its terminal: rows and columns.
    Resize(u16, u16),
    /// A signal.
    Signal(i32),
}

/// What lies at a path of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its last name.
    pub name: String,
    /// What it is.
    pub kind: EntryKind,
    /// Permission bits, with set-user-id and its kin.
    pub mode: u32,
    /// Whose.
    pub uid: u32,
    /// Whose.
    pub gid: u32,
    /// Seconds since 1970.
    pub modified: i64,
}

/// What something is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A directory.
    Directory,
    /// A file of so many bytes.
    File(u64),
    /// A link to this.
    Symlink(String),
    /// Anything else.
    Special,
}

impl Entry {
    /// As it is told to clients.
    pub(crate) fn stat(self) -> Stat {
        let (kind, size, linkname) = match self.kind {
            EntryKind::Directory => (tar::EntryType::Directory, 0, String::new()),
            EntryKind::File(size) => (tar::EntryType::Regular, size, String::new()),
            EntryKind::Symlink(target) => (tar::EntryType::Symlink, 0, target),
            EntryKind::Special => (tar::EntryType::Fifo, 0, String::new()),
        };
        Stat {
            path: self.name,
            mode: go_mode(self.mode, kind),
            uid: self.uid,
            gid: self.gid,
            size: i64::try_from(size).unwrap_or(i64::MAX),
            mod_time: self.modified.saturating_mul(1_000_000_000),
            linkname,
            ..Stat::default()
        }
    }
}

/// A container of a frontend. It goes when it is dropped, or earlier by being released. Places are those of its mounts,
/// paths are below them.
pub trait Container: Send + Sync {
    /// Runs a process: the first, or one beside it. With the first one's end all end.
    fn start(&self, command: Command) -> Boxed<'static, Result<Running, Status>>;

    /// Ends all its processes and throws it away.
    fn release(&self) -> Boxed<'static, Result<(), Status>>;

    /// A file's bytes from an offset on, so many at most.
    fn read(&self, place: &str, path: &str, range: (u64, u64)) -> Boxed<'static, Result<Bytes, Status>>;

    /// What is in a directory, by names.
    fn list(&self, place: &str, path: &str) -> Boxed<'static, Result<Vec<Entry>, Status>>;

    /// What lies at a path; a link itself, if it is one.
    fn stat(&self, place: &str, path: &str) -> Boxed<'static, Result<Entry, Status>>;
}

/// What a result was asked for with, as far as its frontend knows: a provenance says it.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The frontend.
    pub frontend: String,
    /// Its options.
    pub options: BTreeMap<String, String>,
    /// What the main context is, where it is no directory of the client.
    pub context: Option<Material>,
    /// The client's directories, by what it calls them.
    pub locals: Vec<String>,
    /// Secrets that the Dockerfile names, and whether it cannot do without.
    pub secrets: Vec<(String, bool)>,
    /// The same of agents.
    pub agents: Vec<(String, bool)>,
    /// The Dockerfile's name.
    pub name: String,
    /// The Dockerfile.
    pub text: Vec<u8>,
    /// Whether nothing but materials went into it: no file of the client, no other build's result.
    pub is_whole: bool,
}

/// A question about a Dockerfile (`--call`, `--check`).
#[derive(Clone, Debug, Default)]
pub struct Question {
    /// `frontend.outline`, `frontend.targets`, `frontend.lint`, `frontend.subrequests.describe`.
    pub request: String,
    /// The Dockerfile's name.
    pub name: String,
    /// The Dockerfile.
    pub text: Vec<u8>,
    /// `.dockerignore`.
    pub ignore: Option<Vec<u8>>,
    /// `--build-arg`.
    pub args: BTreeMap<String, String>,
    /// The stage it is about.
    pub target: Option<String>,
    /// The platform it is about.
    pub platform: Option<String>,
}

/// What a scanner is shown besides the result (`--sbom`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scans {
    /// The main context.
    pub context: bool,
    /// Stages: what each is called, and its number.
    pub stages: Vec<(String, usize)>,
}

/// Results that go out as an image.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// An image for each platform.
    pub images: Vec<(String, Built)>,
    /// What is said of each.
    pub predicates: Vec<Vec<Predicate>>,
    /// Whether there is an index although there is one platform.
    pub index: bool,
    /// Its names.
    pub names: Vec<String>,
    /// How layers go.
    pub packing: Packing,
    /// Nothing in layers is younger, in seconds since 1970: those of bases are rewritten.
    pub epoch: Option<i64>,
    /// Whether each name is given with the digest as well.
    pub canonical: bool,
    /// The name that the result has with its digest, besides its own.
    pub dangling: Option<String>,
    /// Whether what is said of images is an artifact about them.
    pub artifact: bool,
    /// Whether manifests are in OCI's form, and not in Docker's.
    pub oci: bool,
    /// Notes on manifests and indexes.
    pub annotations: Vec<Annotation>,
    /// Where to.
    pub destination: Destination,
    /// Whoever asked: credentials.
    pub session: Arc<Session>,
}

/// How layers go out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Packing {
    /// How those are compressed that are not; as `docker push` does it if nobody says.
    pub compression: Option<Compression>,
    /// How hard: 0 to 9 of gzip, 0 to 22 of Zstandard.
    pub level: Option<i32>,
    /// Whether those that came compressed in another way are made anew.
    pub force: bool,
}

/// How layers are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstd,
    /// gzip of which single files can be fetched.
    Estargz,
}

/// Where an image goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// The image store, and perhaps the registries of its names.
    Store {
        /// It is pushed.
        push: bool,
        /// It stays here.
        keep: bool,
    },
    /// Away: its content is wanted.
    Content,
}

/// A note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Annotation {
    /// What it is on.
    pub on: Annotated,
    /// Of which platform; of all if none is said.
    pub platform: Option<String>,
    /// Its name.
    pub key: String,
    /// What it says.
    pub value: String,
}

/// What a note is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Annotated {
    /// A manifest.
    Manifest,
    /// What names a manifest in an index.
    ManifestDescriptor,
    /// An index.
    Index,
    /// What names the index.
    IndexDescriptor,
}

/// An image that went out.
#[derive(Debug)]
pub struct Exported {
    /// What names it: a descriptor of a manifest or an index, as JSON.
    pub descriptor: serde_json::Value,
    /// The id of the one image.
    pub config: Option<String>,
    /// Its names, in full.
    pub names: Vec<String>,
    /// What was done, a line each.
    pub lines: Vec<String>,
    /// All that it is made of, where that was asked for; the manifests behind what they name.
    pub content: Vec<Content>,
}

/// A piece of content.
#[derive(Debug)]
pub struct Content {
    /// `sha256:…`
    pub digest: String,
    /// Its bytes.
    pub size: u64,
    /// Where they are.
    pub bytes: ContentBytes,
}

/// Where bytes are.
#[derive(Debug)]
pub enum ContentBytes {
    /// In a file of their own; read by position.
    File(File),
    /// Here.
    Memory(Bytes),
}

/// An image that is here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its full name.
    pub reference: String,
    /// Its id or digest.
    pub digest: String,
    /// Its configuration.
    pub config: Vec<u8>,
}

/// A record of the build cache.
#[derive(Clone, Debug)]
pub struct Usage {
    /// Its id.
    pub id: String,
    /// The record it was made upon.
    pub parents: Vec<String>,
    /// What it is.
    pub description: String,
    /// Of which kind: `regular`, `exec.cachemount`.
    pub kind: String,
    /// Bytes.
    pub size: u64,
    /// When it was made.
    pub created: SystemTime,
    /// When it was used last.
    pub last_used: SystemTime,
    /// How often.
    pub uses: u64,
    /// Whether it is an image's, too.
    pub shared: bool,
    /// Whether a build uses it now.
    pub in_use: bool,
}

/// Which records go.
#[derive(Clone, Debug, Default)]
pub struct Prune {
    /// Also those that are images', too.
    pub all: bool,
    /// Only those that were not used since.
    pub unused_since: Option<SystemTime>,
    /// Bytes that stay.
    pub reserved: u64,
    /// Bytes that stay at most; 0 if nothing is said.
    pub max_used: u64,
    /// Bytes of the disk that shall be free; 0 if nothing is said.
    pub min_free: u64,
    /// Only these, by their ids.
    pub ids: Option<Vec<String>>,
}

/// A builder behind this door. Futures that are dropped are builds that nobody waits for.
pub trait Builds: Send + Sync + 'static {
    /// Builds.
    fn build(&self, request: BuildRequest, progress: Arc<Progress>) -> Boxed<'static, Result<Built, Status>>;

    /// Carries out a graph of LLB.
    fn solve(&self, solving: Solving, progress: Arc<Progress>) -> Boxed<'static, Result<Built, Status>>;

    /// A result with another configuration, of which layers are the result's own.
    fn dressed(&self, built: &Built, config: &[u8]) -> Boxed<'static, Result<Built, Status>>;

    /// Makes a container ready.
    fn container(&self, request: ContainerRequest) -> Boxed<'static, Result<Arc<dyn Container>, Status>>;

    /// Runs a frontend until it ends.
    fn run(&self, program: Program) -> Boxed<'static, Result<(), Status>>;

    /// Lets results go out as an image.
    fn export(&self, outgoing: Outgoing) -> Boxed<'static, Result<Exported, Status>>;

    /// Lets the cache of a result go to a registry or to the client.
    fn export_cache(
        &self,
        built: &Built,
        export: CacheExport,
        session: Arc<Session>,
    ) -> Boxed<'static, Result<ExportedCache, Status>>;

    /// The result with its cache in it (`--cache-to type=inline`).
    fn inline_cache(&self, built: &Built) -> Boxed<'static, Result<Built, Status>>;

    /// Opens a context that is no directory of the client.
    fn open(&self, remote: Remote, session: Arc<Session>) -> Boxed<'static, Result<Opened, Status>>;

    /// The Dockerfile of such a context: what it is called there, and its text.
    fn dockerfile(&self, context: &Opened, name: &str) -> Boxed<'static, Result<(String, Vec<u8>), Status>>;

    /// Answers a question about a Dockerfile, by the names of the frontend's metadata (`result.json`).
    fn answer(&self, question: Question) -> Boxed<'static, Result<BTreeMap<String, Vec<u8>>, Status>>;

    /// The paths of the main context that a Dockerfile uses; `None` for all of them.
    fn uses(&self, question: &Question) -> Option<Vec<String>>;

    /// What a Dockerfile shows to a scanner.
    ///
    /// # Errors
    /// It cannot be parsed.
    fn scans(&self, question: &Question) -> Result<Scans, Status>;

    /// All files of a result, as a plain tar archive in a file without a name: sorted, with numeric owners.
    fn files(&self, built: &Built) -> Boxed<'static, Result<File, Status>>;

    /// Content of the image store, by its digest: a blob, a manifest, a configuration.
    fn content(&self, digest: &str) -> Boxed<'static, Result<Option<Content>, Status>>;

    /// The image of a reference, if it is here.
    fn find(&self, reference: &str) -> Boxed<'static, Result<Option<Found>, Status>>;

    /// A file without a name, for what a client sends.
    ///
    /// # Errors
    /// The disk's.
    fn spool(&self) -> io::Result<File>;

    /// The build cache.
    fn usage(&self) -> Boxed<'static, Result<Vec<Usage>, Status>>;

    /// Removes records, and tells which.
    fn prune(&self, prune: Prune) -> Boxed<'static, Result<Vec<Usage>, Status>>;

    /// This machine's platform: operating system and architecture as OCI names them.
    fn platform(&self) -> (String, String);
}
