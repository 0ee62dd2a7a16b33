//! What messages may take of this process: bytes of those that are not whole yet, all calls together, and members of one.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Code, Status};

/// Messages up to this size count nothing: most methods need no more.
const FREE: usize = 64 << 10;
/// Bytes of all messages that are announced and not taken yet.
const MOST: usize = 96 << 20;
/// Members of one message, those of its members included. A member takes up to a hundred bytes when it is decoded, and
/// two on the wire.
const MEMBERS: usize = 500_000;
/// How deep messages are looked into: no deeper than they are decoded.
const DEPTH: usize = 32;

/// Bytes of messages that are on their way to this process.
static UNFINISHED: Budget = Budget {
    taken: AtomicUsize::new(0),
    most: MOST,
};

/// So many bytes, for everybody together.
#[derive(Debug)]
struct Budget {
    taken: AtomicUsize,
    most: usize,
}

/// A part of it; given back when this goes.
#[derive(Debug)]
pub(super) struct Reserved {
    budget: &'static Budget,
    bytes: usize,
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.budget.taken.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Budget {
    fn reserve(&'static self, bytes: usize) -> Option<Reserved> {
        let room = |taken: usize| taken.checked_add(bytes).filter(|sum| *sum <= self.most);
        let reserved = self
            .taken
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, room);
        reserved.is_ok().then(|| Reserved { budget: self, bytes })
    }
}

/// Room for a message that is announced with this length; none is needed for a small one.
///
/// # Errors
/// Others have announced too much already.
pub(super) fn reserve(length: usize) -> Result<Option<Reserved>, Status> {
    if length <= FREE {
        return Ok(None);
    }
    let full = || {
        let sentence = format!("{MOST} bytes of unfinished messages are on their way already");
        Status::new(Code::ResourceExhausted, sentence)
    };
    UNFINISHED.reserve(length).map(Some).ok_or_else(full)
}

/// Refuses what would take many times its size when it is decoded.
///
/// # Errors
/// It has too many members.
pub(super) fn check(message: &[u8]) -> Result<(), Status> {
    if message.len() <= FREE {
        return Ok(());
    }
    match members(message, DEPTH) {
        Some(count) if count > MEMBERS => {
            let sentence = format!("a message of more than {MEMBERS} members");
            Err(Status::new(Code::ResourceExhausted, sentence))
        }
        // What is no message the decoder refuses.
        _ => Ok(()),
    }
}

/// The members of a message, those of its members included; `None` if it is none. Bytes and texts that happen to read as
/// messages count as such, so this is a bound and no count.
fn members(mut bytes: &[u8], depth: usize) -> Option<usize> {
    let mut count = 0;
    while !bytes.is_empty() {
        let tag = varint(&mut bytes)?;
        if tag >> 3 == 0 {
            return None;
        }
        count += 1;
        match tag & 7 {
            0 => drop(varint(&mut bytes)?),
            1 => bytes = bytes.get(8..)?,
            2 => {
                let length = usize::try_from(varint(&mut bytes)?).ok()?;
                let (inner, rest) = bytes.split_at_checked(length)?;
                bytes = rest;
                if depth > 0 && !inner.is_empty() {
                    count += members(inner, depth - 1).unwrap_or(0);
                }
            }
            5 => bytes = bytes.get(4..)?,
            // Groups are in none of these protocols.
            _ => return None,
        }
    }
    Some(count)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for place in 0..10 {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message as _;

    use super::*;
    use crate::proto::control::{Exporter, SolveRequest};

    fn exporters(count: usize) -> Vec<u8> {
        let asked = SolveRequest {
            exporters: vec![Exporter::default(); count],
            ..SolveRequest::default()
        };
        asked.encode_to_vec()
    }

    #[test]
    fn members_are_counted_however_deep() {
        assert_eq!(members(&exporters(3), DEPTH), Some(3));
        assert!(check(&exporters(MEMBERS)).is_ok());
        let refused = check(&exporters(MEMBERS + 1)).unwrap_err();
        assert_eq!(refused.code, Code::ResourceExhausted);
        let mut nested = exporters(MEMBERS + 1);
        for _ in 0..10 {
            let mut outer = vec![0x0a];
            prost::encoding::encode_varint(nested.len() as u64, &mut outer);
            outer.append(&mut nested);
            nested = outer;
        }
        assert!(check(&nested).is_err());
        // A file's bytes are one member.
        let file = crate::proto::filesync::BytesMessage {
            data: vec![0; 1 << 20].into(),
        };
        assert_eq!(members(&file.encode_to_vec(), DEPTH), Some(1));
    }

    #[test]
    fn a_budget_is_everybodys() {
        static BUDGET: Budget = Budget {
            taken: AtomicUsize::new(0),
            most: 10,
        };
        let first = BUDGET.reserve(6).unwrap();
        assert!(BUDGET.reserve(5).is_none() && BUDGET.reserve(usize::MAX).is_none());
        let second = BUDGET.reserve(4).unwrap();
        drop(first);
        assert!(BUDGET.reserve(7).is_none());
        drop(second);
        assert!(BUDGET.reserve(10).is_some());
    }

    proptest! {
        #[test]
        fn any_bytes_are_counted_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let counted = members(&bytes, DEPTH);
            prop_assert!(counted.is_none_or(|count| count <= bytes.len()));
        }
    }
}
