//! What belongs to a build of the history besides its row: what it told, its trace, what is said of its results, and their
//! root documents. Clients find each by a descriptor in the row, and read it through the daemon's content service.

use std::collections::BTreeMap;

use bytes::{BufMut as _, Bytes, BytesMut};
use image::Digest;
use prost::Message;

use crate::proto::control::{BuildHistoryRecord, BuildResultInfo, Descriptor, StatusResponse};

/// What a build told.
const STATUS: &str = "application/vnd.buildkit.status.v0";
/// An in-toto predicate, and the note that says of which type.
const IN_TOTO: &str = "application/vnd.in-toto+json";
const PREDICATE: &str = "in-toto.io/predicate-type";
/// Documents of one build together, in bytes; those beyond are left out.
const MAX_BYTES: usize = 8 << 20;

/// A document.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct Attachment {
    /// `sha256:…`
    #[prost(string, tag = "1")]
    pub(crate) digest: String,
    #[prost(bytes = "bytes", tag = "2")]
    pub(crate) data: Bytes,
}

/// What a build leaves.
#[derive(Clone, Debug, Default)]
pub(crate) struct Left {
    /// Of the only result, and what the exporters made.
    result: BuildResultInfo,
    /// By platforms, where there are several.
    results: BTreeMap<String, BuildResultInfo>,
    documents: Vec<Attachment>,
    bytes: usize,
}

impl Left {
    /// Keeps a document, if there is room.
    fn keep(&mut self, media_type: &str, data: Bytes) -> Option<Descriptor> {
        let descriptor = descriptor(media_type, &data);
        self.bytes = self.bytes.saturating_add(data.len());
        if self.bytes > MAX_BYTES {
            return None;
        }
        let digest = descriptor.digest.clone();
        if self.documents.iter().all(|known| known.digest != digest) {
            self.documents.push(Attachment { digest, data });
        }
        Some(descriptor)
    }

    /// What is said of a result: of the only one, or of a platform's.
    pub(crate) fn predicate(&mut self, platform: Option<&str>, kind: &str, text: Bytes) {
        let Some(mut descriptor) = self.keep(IN_TOTO, text) else {
            return;
        };
        descriptor
            .annotations
            .insert(PREDICATE.to_owned(), kind.to_owned());
        match platform {
            None => self.result.attestations.push(descriptor),
            Some(platform) => {
                let of_platform = self.results.entry(platform.to_owned()).or_default();
                of_platform.attestations.push(descriptor);
            }
        }
    }

    /// What an exporter made, by its number: its descriptor, and the document itself if that is at hand.
    pub(crate) fn exported(&mut self, number: usize, descriptor: Descriptor, document: Option<Bytes>) {
        if let Some(document) =
            document.filter(|document| Digest::of(document).to_string() == descriptor.digest)
        {
            self.keep(&descriptor.media_type, document);
        }
        self.result
            .result_deprecated
            .get_or_insert_with(|| descriptor.clone());
        let number = i64::try_from(number).unwrap_or(i64::MAX);
        self.result.results.insert(number, descriptor);
    }

    /// Writes into a row what there is; what stays besides are the documents.
    pub(crate) fn into_row(self, record: &mut BuildHistoryRecord) -> Vec<Attachment> {
        record.result = Some(self.result).filter(|result| result.encoded_len() > 0);
        record.results = self.results;
        self.documents
    }
}

/// Names a document.
pub(crate) fn descriptor(media_type: &str, data: &[u8]) -> Descriptor {
    Descriptor {
        media_type: media_type.to_owned(),
        digest: Digest::of(data).to_string(),
        size: i64::try_from(data.len()).unwrap_or(i64::MAX),
        ..Descriptor::default()
    }
}

/// What a build told, as one document: each message behind its length.
pub(crate) fn logs(messages: &[StatusResponse]) -> Bytes {
    let mut bytes = BytesMut::new();
    for message in messages {
        bytes.put_u32_le(u32::try_from(message.encoded_len()).unwrap_or(u32::MAX));
        bytes.extend_from_slice(&message.encode_to_vec());
    }
    bytes.freeze()
}

/// Says in a row what its build told.
pub(crate) fn with_logs(record: &mut BuildHistoryRecord, messages: &[StatusResponse]) {
    record.logs = Some(descriptor(STATUS, &logs(messages)));
}

/// Whether a row names a document.
pub(crate) fn names(record: &BuildHistoryRecord, digest: &str) -> bool {
    let infos = record.result.iter().chain(record.results.values());
    let of_results = infos.flat_map(|info| {
        let made = info.results.values().chain(&info.result_deprecated);
        made.chain(&info.attestations)
    });
    let all = of_results.chain(&record.logs).chain(&record.trace);
    all.into_iter().any(|descriptor| descriptor.digest == digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_names_what_its_build_left() {
        let mut left = Left::default();
        left.predicate(None, "slsa", Bytes::from_static(b"{}"));
        left.predicate(Some("linux/arm64"), "slsa", Bytes::from_static(b"{1}"));
        left.exported(0, descriptor("m", b"root"), Some(Bytes::from_static(b"root")));
        left.exported(1, descriptor("m", b"other"), Some(Bytes::from_static(b"no")));
        left.predicate(None, "large", vec![0; MAX_BYTES].into());
        let mut record = BuildHistoryRecord::default();
        let documents = left.into_row(&mut record);
        assert_eq!(documents.len(), 3);
        for text in [&b"{}"[..], b"{1}", b"root", b"other"] {
            assert!(names(&record, &Digest::of(text).to_string()));
        }
        assert!(!names(&record, &Digest::of(b"no").to_string()));
        let info = record.result.unwrap();
        assert_eq!((info.attestations.len(), info.results.len()), (1, 2));
        assert_eq!(info.attestations[0].annotations[PREDICATE], "slsa");
    }

    #[test]
    fn messages_stand_behind_their_lengths() {
        let message = StatusResponse {
            logs: vec![Default::default(); 2],
            ..StatusResponse::default()
        };
        let bytes = logs(&[message.clone(), StatusResponse::default()]);
        let length = message.encoded_len();
        assert_eq!(bytes[..4], u32::try_from(length).unwrap().to_le_bytes());
        assert_eq!(StatusResponse::decode(&bytes[4..4 + length]).unwrap(), message);
        assert_eq!(bytes[4 + length..], [0; 4]);
    }
}
