//! Content stores of a client (`containerd.services.content.v1.Content` on its session): where caches lie that it keeps in
//! a directory. Messages are written out here: they are containerd's, and these are all that are spoken.

use std::io::{self, Read};

use bytes::Bytes;
use prost::Message;

use crate::grpc::{Code, Status};
use crate::session::Session;

/// Metadata: which store is meant.
const STORE: &str = "buildkit-attachable-store-id";
/// Bytes in a message.
const PIECE: usize = 256 << 10;

#[derive(Clone, PartialEq, Message)]
struct ReadRequest {
    #[prost(string, tag = "1")]
    digest: String,
    #[prost(int64, tag = "2")]
    offset: i64,
    #[prost(int64, tag = "3")]
    size: i64,
}

#[derive(Clone, PartialEq, Message)]
struct ReadAnswer {
    #[prost(int64, tag = "1")]
    offset: i64,
    #[prost(bytes = "bytes", tag = "2")]
    data: Bytes,
}

/// Action: 0 tells how far it is, 1 writes, 2 ends.
#[derive(Clone, PartialEq, Message)]
struct WriteRequest {
    #[prost(int32, tag = "1")]
    action: i32,
    #[prost(string, tag = "2")]
    r#ref: String,
    #[prost(int64, tag = "3")]
    total: i64,
    #[prost(string, tag = "4")]
    expected: String,
    #[prost(int64, tag = "5")]
    offset: i64,
    #[prost(bytes = "bytes", tag = "6")]
    data: Bytes,
}

#[derive(Clone, PartialEq, Message)]
struct WriteAnswer {
    #[prost(int32, tag = "1")]
    action: i32,
    #[prost(int64, tag = "4")]
    offset: i64,
}

impl Session {
    /// Reads content of a client's store, piece by piece, at most `limit` bytes. Nothing is said of what it is: whoever
    /// reads checks.
    ///
    /// # Errors
    /// The client's, more than the limit, or `take`'s.
    pub async fn read_content(
        &self,
        store: &str,
        digest: &str,
        limit: u64,
        mut take: impl FnMut(&[u8]) -> io::Result<()> + Send,
    ) -> Result<(), Status> {
        const READ: &str = "/containerd.services.content.v1.Content/Read";
        let (mut sender, mut incoming) = self.serves(READ)?.open(READ, &[(STORE, store)]).await?;
        let asked = ReadRequest {
            digest: digest.to_owned(),
            ..ReadRequest::default()
        };
        sender.send(&asked).await?;
        sender.close();
        let mut taken: u64 = 0;
        while let Some(answer) = incoming.message::<ReadAnswer>().await? {
            taken += answer.data.len() as u64;
            if taken > limit {
                let sentence = format!("{digest} is longer than it is said to be");
                return Err(Status::new(Code::ResourceExhausted, sentence));
            }
            take(&answer.data).map_err(|cause| {
                Status::new(Code::Internal, format!("keeping what the client sends: {cause}"))
            })?;
        }
        Ok(())
    }

    /// Writes content into a client's store. What it has already is not written again. Blocks on the reader.
    ///
    /// # Errors
    /// The client's, and the reader's.
    pub async fn write_content(
        &self,
        store: &str,
        digest: &str,
        size: u64,
        content: &mut (dyn Read + Send),
    ) -> Result<(), Status> {
        const WRITE: &str = "/containerd.services.content.v1.Content/Write";
        let (mut sender, mut incoming) = self.serves(WRITE)?.open(WRITE, &[(STORE, store)]).await?;
        let total = i64::try_from(size).map_err(|_| Status::invalid("content of that size"))?;
        let name = format!("gantry-{digest}");
        let request = |action: i32, offset: i64, data: Bytes| WriteRequest {
            action,
            r#ref: name.clone(),
            total,
            expected: digest.to_owned(),
            offset,
            data,
        };
        sender.send(&request(0, 0, Bytes::new())).await?;
        let begun: WriteAnswer = match incoming.single().await {
            Err(status) if status.code == Code::AlreadyExists => return Ok(()),
            begun => begun?,
        };
        let mut offset: i64 = 0;
        // What an earlier try left there is not trusted to be the same.
        if begun.offset != 0 {
            let sentence = format!("the client has a part of {digest} already");
            return Err(Status::new(Code::FailedPrecondition, sentence));
        }
        let mut piece = vec![0; PIECE];
        loop {
            let read = content.read(&mut piece).map_err(|cause| {
                Status::new(
                    Code::Internal,
                    format!("reading what the client is sent: {cause}"),
                )
            })?;
            if read == 0 {
                break;
            }
            let data = Bytes::copy_from_slice(&piece[..read]);
            if let Err(broken) = sender.send(&request(1, offset, data)).await {
                return Err(incoming.fate(broken).await);
            }
            let answer: WriteAnswer = incoming.single().await?;
            offset = answer.offset;
        }
        sender.send(&request(2, offset, Bytes::new())).await?;
        let ended = incoming.single::<WriteAnswer>().await;
        sender.close();
        match ended {
            Err(status) if status.code != Code::AlreadyExists => Err(status),
            _ => Ok(()),
        }
    }
}
