//! What is uploaded.

use std::io;
use std::path::PathBuf;

use bytes::Bytes;
use driver::env::Doing;
use tokio::io::{AsyncRead, AsyncSeekExt};

/// A reader of bytes to upload.
pub type Reader = Box<dyn AsyncRead + Send + Unpin>;

/// Bytes to upload. They can be read again from any place, because a connection may break.
pub trait Source: Send + Sync {
    /// How many.
    fn size(&self) -> u64;
    /// A reader of what follows the first `from` bytes.
    fn open(&self, from: u64) -> Doing<io::Result<Reader>>;
}

/// What is in memory.
impl Source for Bytes {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn open(&self, from: u64) -> Doing<io::Result<Reader>> {
        let from = usize::try_from(from).unwrap_or(usize::MAX).min(self.len());
        let rest = io::Cursor::new(self.slice(from..));
        Box::pin(async move { Ok(Box::new(rest) as Reader) })
    }
}

/// A file that nobody changes meanwhile.
#[derive(Clone, Debug)]
pub struct FileSource {
    path: PathBuf,
    size: u64,
}

impl FileSource {
    /// The first `size` bytes of the file at `path`.
    #[must_use]
    pub const fn new(path: PathBuf, size: u64) -> Self {
        Self { path, size }
    }
}

impl Source for FileSource {
    fn size(&self) -> u64 {
        self.size
    }

    fn open(&self, from: u64) -> Doing<io::Result<Reader>> {
        let path = self.path.clone();
        Box::pin(async move {
            let mut file = tokio::fs::File::open(path).await?;
            file.seek(io::SeekFrom::Start(from)).await?;
            Ok(Box::new(file) as Reader)
        })
    }
}
