//! What may happen to an upload next, decided without I/O.

use http::StatusCode;

use crate::error::{Code, Fault};
use crate::range::Chunk;

/// How many bytes a request may add.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Length {
    /// As many as come, up to this.
    AtMost(u64),
    /// So many.
    Exactly(u64),
}

/// Judges a request that adds to an upload which has `received` bytes: `range` is its Content-Range, `length` its
/// Content-Length, `most` the most bytes of any blob.
///
/// # Errors
/// 416 for a chunk that is out of order, `SIZE_INVALID` for lengths that contradict each other, 413 for too much.
pub(crate) fn judge(
    received: u64,
    range: Option<&str>,
    length: Option<u64>,
    most: u64,
) -> Result<Length, Fault> {
    let left = most.saturating_sub(received);
    let too_large = |length: u64| {
        let fault = Fault::from(Code::SizeInvalid).status(StatusCode::PAYLOAD_TOO_LARGE);
        (length > left).then(|| fault.detail(format!("a blob has {most} bytes at most")))
    };
    let wanted = match range {
        Some(header) => {
            let chunk = Chunk::parse(header).filter(|chunk| chunk.first == received);
            let chunk = chunk.ok_or_else(out_of_order)?;
            if length.is_some_and(|length| length != chunk.length()) {
                return Err(Code::SizeInvalid.into());
            }
            Length::Exactly(chunk.length())
        }
        None => length.map_or(Length::AtMost(left), Length::Exactly),
    };
    match wanted {
        Length::Exactly(length) => too_large(length).map_or(Ok(wanted), Err),
        Length::AtMost(_) => Ok(wanted),
    }
}

fn out_of_order() -> Fault {
    Fault::from(Code::BlobUploadInvalid).status(StatusCode::RANGE_NOT_SATISFIABLE)
}

impl Length {
    /// How many of the bytes that have come may still be taken; an error if more came than may.
    pub(crate) fn take(self, taken: u64, next: usize) -> Result<(), Fault> {
        let (Self::AtMost(most) | Self::Exactly(most)) = self;
        if taken.saturating_add(next as u64) > most {
            return Err(Code::SizeInvalid.into());
        }
        Ok(())
    }

    /// Whether all that was announced has come.
    pub(crate) fn end(self, taken: u64) -> Result<(), Fault> {
        match self {
            Self::Exactly(length) if taken != length => Err(Code::SizeInvalid.into()),
            _ => Ok(()),
        }
    }
}

/// `Range` of an upload that has `received` bytes. Of one without any it is docker-registry's, which says the same as for
/// one byte.
pub(crate) fn range(received: u64) -> String {
    format!("0-{}", received.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MOST: u64 = 1000;

    #[test]
    fn chunks_come_in_order() {
        use Length::{AtMost, Exactly};
        for (received, range, length, expected) in [
            (0, None, None, Ok(AtMost(1000))),
            (400, None, None, Ok(AtMost(600))),
            (0, None, Some(5), Ok(Exactly(5))),
            (0, Some("0-4"), Some(5), Ok(Exactly(5))),
            (0, Some("0-4"), None, Ok(Exactly(5))),
            (5, Some("5-9"), Some(5), Ok(Exactly(5))),
            (5, Some("0-4"), Some(5), Err(416)),
            (5, Some("6-9"), Some(4), Err(416)),
            (5, Some("nonsense"), Some(4), Err(416)),
            (0, Some("0-4"), Some(4), Err(400)),
            (0, None, Some(1001), Err(413)),
            (999, Some("999-1000"), None, Err(413)),
        ] {
            let judged = judge(received, range, length, MOST).map_err(|fault| fault.status.as_u16());
            assert_eq!(judged, expected, "{received} {range:?} {length:?}");
        }
    }

    #[test]
    fn the_range_tells_the_last_byte() {
        assert_eq!([range(0), range(1), range(1024)], ["0-0", "0-0", "0-1023"]);
    }

    proptest! {
        /// Whatever is sent in whatever order: what was taken is a beginning of the blob, without hole or overlap.
        #[test]
        fn no_byte_is_lost_or_taken_twice(
            steps in proptest::collection::vec((0u64..40, 0u64..12, any::<bool>(), 0usize..14), 0..40)
        ) {
            let blob: Vec<u8> = (0..60).collect();
            let mut taken: Vec<u8> = Vec::new();
            for (first, length, ranged, sent) in steps {
                let received = taken.len() as u64;
                let header = format!("{first}-{}", (first + length).saturating_sub(1));
                let range = ranged.then_some(header.as_str());
                let Ok(allowed) = judge(received, range, (!ranged).then_some(length), 60) else { continue };
                let first = if ranged { first } else { received };
                prop_assert_eq!(first, received);
                // The body has another length than announced now and then.
                let from = usize::try_from(first).unwrap();
                let body = &blob[from.min(60)..(from + sent).min(60)];
                if allowed.take(0, body.len()).is_ok() {
                    taken.extend_from_slice(body);
                }
                prop_assert_eq!(&taken[..], &blob[..taken.len()]);
            }
        }
    }
}
