//! Uploads that an earlier run of the registry has left open: whoever began one goes on with it.
//!
//! They are found when the registry begins, before anybody can ask. There are no more of them than may be open, and none
//! that nobody has worked on for as long as uploads are kept: those are cleared.

use std::time::{Duration, SystemTime};

use image::{DigestAlgorithm, LeftUpload};
use serde::{Deserialize, Serialize};

use super::table::{UploadId, Uploads};
use crate::content::Content;
use crate::error::{Fault, internal};

/// What is to be known of an upload again (docs/formats/images.md, `content/uploads`).
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Note {
    /// The repository's whole name.
    pub(crate) repository: String,
    /// Who began it.
    pub(crate) client: String,
    /// `sha256` or `sha512`.
    pub(crate) algorithm: String,
}

impl Note {
    pub(crate) fn bytes(&self) -> Result<Vec<u8>, Fault> {
        serde_json::to_vec(self).map_err(|error| internal(&error))
    }
}

/// Takes up what was left.
pub(crate) fn take_up(uploads: &Uploads, content: &dyn Content, clock: &dyn driver::Clock, idle: Duration) {
    let mut left = match content.left_uploads() {
        Ok(left) => left,
        Err(error) => {
            tracing::warn!(%error, "uploads that were open cannot be found again");
            return;
        }
    };
    // What was worked on last goes first, should there be too many.
    left.sort_by_key(|upload| std::cmp::Reverse(upload.written));
    for upload in left {
        let taken = is_young(&upload, clock.wall(), idle) && take(uploads, content, &upload, clock.now());
        if !taken && let Err(error) = content.drop_upload(&upload.name) {
            tracing::warn!(%error, name = upload.name, "an upload is left to the next start");
        }
    }
}

fn is_young(upload: &LeftUpload, now: SystemTime, idle: Duration) -> bool {
    // One of the future was written before the clock was set back.
    now.duration_since(upload.written).unwrap_or_default() < idle
}

fn take(uploads: &Uploads, content: &dyn Content, upload: &LeftUpload, now: driver::Instant) -> bool {
    let (Some(id), Ok(note)) = (
        UploadId::parse(&upload.name),
        serde_json::from_slice::<Note>(&upload.note),
    ) else {
        return false;
    };
    let Some(algorithm) = DigestAlgorithm::named(&note.algorithm) else {
        return false;
    };
    let Ok(incoming) = content.resume_upload(&upload.name, algorithm) else {
        return false;
    };
    uploads
        .add(id, &note.repository, &note.client, incoming, now)
        .is_ok()
}
