//! Containers as a kubelet speaks of them with whoever runs them: ids, what was found, how they ended, why they could not.

use std::fmt;
use std::net::IpAddr;
use std::ops::Deref;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// `metadata.uid` of a pod.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uid(Arc<str>);

/// The id of a container, without a scheme: what `docker ps --no-trunc` shows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContainerId(Arc<str>);

macro_rules! text {
    ($name:ident) => {
        impl $name {
            /// From its text.
            pub fn new(text: &str) -> Self {
                Self(text.into())
            }
        }

        impl Deref for $name {
            type Target = str;

            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text!(Uid);
text!(ContainerId);

/// A container's place in its pod: init containers, then those of the pod, then ephemeral ones. Places stay, since only
/// ephemeral containers are ever added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContainerIx(pub u16);

/// Which start of a container: 0 for the first. It is the container's restart count.
pub type Attempt = u32;

/// What containers of a pod share: its network namespace and address, its IPC namespace, its groups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sandbox {
    /// The pod's address; none with the node's network.
    pub address: Option<IpAddr>,
    /// What people should know of its name service: messages of `DNSConfigForming`.
    pub warnings: Vec<String>,
}

/// Whom the processes of a container run as, at its start (`status.containerStatuses[].user.linux`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunsAs {
    /// User.
    pub uid: i64,
    /// Group.
    pub gid: i64,
    /// Further groups.
    pub supplemental_groups: Vec<i64>,
}

/// An image that is here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageFound {
    /// As statuses show it: `docker.io/library/nginx:1.27`.
    pub image: String,
    /// Its id: `sha256:…`.
    pub id: String,
}

/// Where an image is, by its pull policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sought {
    /// Here, and to be used.
    Here(ImageFound),
    /// In its registry: it has to be pulled, or asked whether what is here is still what it names.
    Elsewhere,
}

/// An image that was pulled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pulled {
    /// What it is.
    pub found: ImageFound,
    /// From the wish to the end.
    pub took: Duration,
    /// Bytes of it.
    pub size: u64,
}

/// Why an image is not to be had: the reason of the waiting container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageReason {
    /// It could not be brought here.
    ErrImagePull,
    /// It is not here, and is not to be brought.
    ErrImageNeverPull,
    /// Its name is none.
    InvalidImageName,
    /// It is here and cannot be read.
    ImageInspectError,
}

impl ImageReason {
    /// As statuses show it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ErrImagePull => "ErrImagePull",
            Self::ErrImageNeverPull => "ErrImageNeverPull",
            Self::InvalidImageName => "InvalidImageName",
            Self::ImageInspectError => "ImageInspectError",
        }
    }
}

/// An image is not to be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageFault {
    /// In one word.
    pub reason: ImageReason,
    /// In a sentence. Of [`ImageReason::ErrImagePull`]: what the registry said.
    pub message: String,
}

/// A container runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Started {
    /// Its id.
    pub id: ContainerId,
    /// Since when.
    pub at: SystemTime,
    /// Of which image.
    pub image: ImageFound,
    /// As whom.
    pub user: Option<RunsAs>,
}

/// Why a container does not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StartFault {
    /// What it asks for cannot be given (`CreateContainerConfigError`). Nothing was made.
    Config(String),
    /// It could not be made (`CreateContainerError`). Nothing was left.
    Create(String),
    /// It was made, and its program could not be started (`RunContainerError`, then `StartError`). It is there as one
    /// that has ended.
    Run {
        /// Its id.
        id: ContainerId,
        /// Of which image.
        image: ImageFound,
        /// 128; 127 for a program that is not there, 126 for one that cannot be executed.
        code: i32,
        /// When.
        at: SystemTime,
        /// The runtime's text.
        message: String,
    },
    /// Its image went away between looking and starting.
    Image(ImageFault),
}

/// How a container ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// By itself or by a signal.
    Exited,
    /// For want of memory.
    OutOfMemory,
    /// Its program never started.
    NotStarted,
    /// Nobody knows.
    Unknown,
}

/// A container that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// How.
    pub how: How,
    /// Its exit code; 128 + the signal's number if a signal ended it.
    pub code: i32,
    /// When it was started; none if it never was.
    pub started: Option<SystemTime>,
    /// When it ended.
    pub finished: SystemTime,
    /// Its last words, by its policy: of the file, or the end of its log.
    pub message: String,
}

/// How a container stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Made, and never started.
    Created,
    /// It runs, since then.
    Running(SystemTime),
    /// It has ended.
    Ended(Ended),
}

/// A container that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedContainer {
    /// Its id.
    pub id: ContainerId,
    /// Its name in the pod.
    pub name: String,
    /// Which start.
    pub attempt: Attempt,
    /// [`spec_hash`] of what it was made from.
    pub hash: u64,
    /// Of which image.
    pub image: ImageFound,
    /// As whom it runs.
    pub user: Option<RunsAs>,
    /// How it stands.
    pub standing: Standing,
}

/// What is there of a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// Its sandbox, if it has one that works.
    pub sandbox: Option<Sandbox>,
    /// Its containers, ended ones too, in any order.
    pub containers: Vec<ObservedContainer>,
}

/// What is there of a pod, whoever it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedPod {
    /// Its uid.
    pub uid: Uid,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// How long its containers may take to end; for pods that the API does not have any more.
    pub grace: Duration,
    /// What is there.
    pub observed: Observed,
}

/// What a container is made from, as a number: another image or another program is another number. Kept as a label of
/// the container, so it has to stay what it is over versions.
pub fn spec_hash(container: &crate::pod::Container) -> u64 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    // FNV-1a of the name and the image: of a running container only the image may be changed.
    let bytes = container.name.bytes().chain([0]).chain(container.image.bytes());
    bytes.fold(OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME))
}
