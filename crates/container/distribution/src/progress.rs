//! What is told of a pull or push while it goes on.

use image::{Descriptor, Digest};
use tokio::sync::mpsc::Sender;

/// Something to tell. The words are Docker's; a door makes its own form of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// `Pulling from library/busybox`.
    PullingFrom {
        /// The repository without its registry.
        path: String,
        /// The tag or digest.
        subject: String,
    },
    /// `The push refers to repository [docker.io/library/busybox]`.
    PushingTo(String),
    /// A layer.
    Layer {
        /// The first twelve digits of its digest: of its blob in a pull, of its content in a push.
        id: String,
        /// What becomes of it.
        step: Step,
    },
    /// `Digest: sha256:…`, at the end of a pull.
    Digest(Digest),
    /// A tag that was pushed: `latest: digest: sha256:… size: 528`.
    Tagged {
        /// The tag.
        tag: String,
        /// What it is in the registry now.
        digest: Digest,
        /// Bytes of the manifest.
        size: u64,
    },
    /// One platform's manifest was pushed, since neither this node nor the registry has the rest of the index.
    InsteadOf {
        /// What the name stands for here.
        index: Box<Descriptor>,
        /// What it is in the registry now.
        manifest: Box<Descriptor>,
    },
}

/// What becomes of a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// It will be pulled.
    PullingFsLayer,
    /// It is here.
    AlreadyExists,
    /// Bytes of it that have come, and all.
    Downloading(u64, u64),
    /// All of it is here, and is what it should be.
    DownloadComplete,
    /// It is unpacked.
    PullComplete,
    /// It will be pushed.
    Preparing,
    /// The registry has it.
    LayerAlreadyExists,
    /// The registry took it from another of its repositories.
    MountedFrom(String),
    /// Bytes of it that have gone, and all.
    Pushing(u64, u64),
    /// The registry has it now.
    Pushed,
}

/// Bytes between two reports of one layer.
const OFTEN: u64 = 512 << 10;

/// Who is told. Whoever reads slowly hears less of bytes; the steps themselves, which are few, wait to be heard.
#[derive(Clone, Debug)]
pub struct Progress(pub Sender<Event>);

impl Progress {
    pub(crate) async fn tell(&self, event: Event) {
        // Nobody has to listen.
        drop(self.0.send(event).await);
    }

    pub(crate) async fn layer(&self, id: &str, step: Step) {
        self.tell(Event::Layer {
            id: id.to_owned(),
            step,
        })
        .await;
    }

    /// Tells how far a layer is, if that is news and there is room to say it.
    pub(crate) fn bytes(&self, last: &mut u64, id: &str, done: u64, step: impl FnOnce(u64) -> Step) {
        if done.abs_diff(*last) >= OFTEN {
            *last = done;
            drop(self.0.try_send(Event::Layer {
                id: id.to_owned(),
                step: step(done),
            }));
        }
    }
}
