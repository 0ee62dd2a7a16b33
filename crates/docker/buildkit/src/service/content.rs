//! `containerd.services.content.v1.Content`, as far as it is read: documents of the history, and whatever the image store has.

use bytes::Bytes;
use prost::Message;

use super::Door;
use crate::build::ContentBytes;
use crate::filesync::At;
use crate::grpc::{Code, Reply, Status};
use crate::thread::on_thread;

/// Bytes in a message.
const PIECE: usize = 256 << 10;

#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct InfoRequest {
    #[prost(string, tag = "1")]
    pub(super) digest: String,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct InfoResponse {
    #[prost(message, optional, tag = "1")]
    pub(super) info: Option<Info>,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct Info {
    #[prost(string, tag = "1")]
    pub(super) digest: String,
    #[prost(int64, tag = "2")]
    pub(super) size: i64,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct ReadRequest {
    #[prost(string, tag = "1")]
    pub(super) digest: String,
    #[prost(int64, tag = "2")]
    pub(super) offset: i64,
    /// 0 for all that there is.
    #[prost(int64, tag = "3")]
    pub(super) size: i64,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct ReadResponse {
    #[prost(int64, tag = "1")]
    pub(super) offset: i64,
    #[prost(bytes = "bytes", tag = "2")]
    pub(super) data: Bytes,
}

impl Door {
    pub(super) async fn content_info(&self, asked: InfoRequest) -> Result<InfoResponse, Status> {
        let content = self.content(&asked.digest).await?;
        let info = Info {
            digest: asked.digest,
            size: i64::try_from(content.size).unwrap_or(i64::MAX),
        };
        Ok(InfoResponse { info: Some(info) })
    }

    /// `Read`: the bytes from an offset on, so many of them.
    pub(super) async fn read_content(&self, asked: ReadRequest, reply: &Reply) -> Result<(), Status> {
        let content = self.content(&asked.digest).await?;
        let outside = || Status::new(Code::OutOfRange, "read past object length");
        let offset = u64::try_from(asked.offset).map_err(|_| outside())?;
        let wanted = match u64::try_from(asked.size).map_err(|_| outside())? {
            0 => content.size.checked_sub(offset),
            wanted => Some(wanted),
        };
        let end = wanted.and_then(|wanted| offset.checked_add(wanted));
        let end = end.filter(|end| *end <= content.size).ok_or_else(outside)?;
        let mut at = offset;
        while at < end {
            let length = usize::try_from(end - at).unwrap_or(PIECE).min(PIECE);
            let data = match &content.bytes {
                ContentBytes::Memory(bytes) => {
                    let at = usize::try_from(at).unwrap_or(usize::MAX);
                    bytes.slice(at..at + length)
                }
                ContentBytes::File(file) => {
                    let file = file.try_clone().map_err(failed)?;
                    on_thread(Box::pin(
                        async move { At::piece(&file, at, length).map_err(failed) },
                    ))
                    .await?
                }
            };
            let offset = i64::try_from(at).unwrap_or(i64::MAX);
            at += data.len() as u64;
            reply.send(&ReadResponse { offset, data }).await?;
        }
        Ok(())
    }

    async fn content(&self, digest: &str) -> Result<crate::build::Content, Status> {
        if let Some(bytes) = self.jobs.document(digest).await? {
            return Ok(crate::build::Content {
                digest: digest.to_owned(),
                size: bytes.len() as u64,
                bytes: ContentBytes::Memory(bytes),
            });
        }
        let found = self.builds.content(digest).await?;
        found.ok_or_else(|| Status::new(Code::NotFound, format!("content {digest}: not found")))
    }
}

fn failed(cause: std::io::Error) -> Status {
    Status::new(Code::Internal, format!("reading content: {cause}"))
}
