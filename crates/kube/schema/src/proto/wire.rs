//! The wire format: tags, varints and length-delimited slices, with bounds checked.

/// Why bytes are not a message of the type asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProtoError {
    /// The bytes end inside a field.
    #[error("unexpected EOF")]
    End,
    /// A varint of more than 64 bits.
    #[error("proto: integer overflow")]
    Overflow,
    /// A tag that is none.
    #[error("proto: illegal tag {0}")]
    Tag(u64),
    /// A known field with another wire type.
    #[error("proto: wrong wireType = {wire} for field {number}")]
    WireType {
        /// The wire type found.
        wire: u8,
        /// The field's number.
        number: u32,
    },
    /// Larger than the caller allows.
    #[error("limit is {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: usize,
    },
    /// Messages nested deeper than [`crate::MAX_TREE_DEPTH`].
    #[error("proto: message nested too deep")]
    Depth,
    /// A string that is not UTF-8. Upstream accepts it, and then cannot print it as JSON.
    #[error("proto: string is not UTF-8")]
    Utf8,
    /// Text that its type does not accept.
    #[error("{0}")]
    Value(String),
    /// The bytes do not begin with [`super::MAGIC`].
    #[error("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]")]
    Magic,
    /// The type has no protobuf form (`Table`).
    #[error("the type has no protobuf form")]
    Unsupported,
}

/// A field's value on the wire.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wired<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    /// Fixed32 and groups, which no type uses.
    Other(u8),
}

impl Wired<'_> {
    pub(crate) fn wire_type(self) -> u8 {
        match self {
            Self::Varint(_) => 0,
            Self::Fixed64(_) => 1,
            Self::Bytes(_) => 2,
            Self::Other(wire) => wire,
        }
    }
}

pub(crate) struct Fields<'a> {
    rest: &'a [u8],
}

type Result<T> = std::result::Result<T, ProtoError>;

impl<'a> Fields<'a> {
    pub(crate) fn new(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    /// The next field, or nothing at the end.
    pub(crate) fn next(&mut self) -> Result<Option<(u32, Wired<'a>)>> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let number = u32::try_from(tag >> 3)
            .ok()
            .filter(|n| *n > 0)
            .ok_or(ProtoError::Tag(tag))?;
        let value = match tag & 7 {
            0 => Wired::Varint(self.varint()?),
            1 => Wired::Fixed64(self.fixed()?),
            2 => Wired::Bytes(self.bytes()?),
            3 => {
                self.skip_group()?;
                Wired::Other(3)
            }
            5 => {
                self.take(4)?;
                Wired::Other(5)
            }
            _ => return Err(ProtoError::Tag(tag)),
        };
        Ok(Some((number, value)))
    }

    /// Steps over a group. Nested groups are counted, not recursed into.
    fn skip_group(&mut self) -> Result<()> {
        let mut depth = 1_u32;
        while depth > 0 {
            let tag = self.varint()?;
            match tag & 7 {
                0 => drop(self.varint()?),
                1 => drop(self.take(8)?),
                2 => drop(self.bytes()?),
                3 => depth += 1,
                4 => depth -= 1,
                5 => drop(self.take(4)?),
                _ => return Err(ProtoError::Tag(tag)),
            }
        }
        Ok(())
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8]> {
        let (head, rest) = self.rest.split_at_checked(len).ok_or(ProtoError::End)?;
        self.rest = rest;
        Ok(head)
    }

    fn bytes(&mut self) -> Result<&'a [u8]> {
        let len = usize::try_from(self.varint()?).map_err(|_| ProtoError::End)?;
        self.take(len)
    }

    fn fixed(&mut self) -> Result<u64> {
        let bytes = self.take(8)?;
        Ok(bytes.iter().rev().fold(0, |n, byte| n << 8 | u64::from(*byte)))
    }

    pub(crate) fn varint(&mut self) -> Result<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let [byte] = *self.take(1)? else {
                return Err(ProtoError::End);
            };
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                // The tenth byte has room for one bit.
                return if shift == 63 && byte > 1 {
                    Err(ProtoError::Overflow)
                } else {
                    Ok(value)
                };
            }
        }
        Err(ProtoError::Overflow)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }
}

pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

pub(crate) fn put_tag(out: &mut Vec<u8>, number: u16, wire: u8) {
    put_varint(out, u64::from(number) << 3 | u64::from(wire));
}

pub(crate) fn put_bytes(out: &mut Vec<u8>, number: u16, bytes: &[u8]) {
    put_tag(out, number, 2);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

pub(crate) fn put_int(out: &mut Vec<u8>, number: u16, int: i64) {
    put_tag(out, number, 0);
    put_varint(out, int.cast_unsigned());
}

/// Writes a nested message: one byte is left for the length, and the message moves up where the
/// length turns out to need more.
pub(crate) fn put_message(out: &mut Vec<u8>, number: u16, write: impl FnOnce(&mut Vec<u8>)) {
    put_tag(out, number, 2);
    out.push(0);
    let start = out.len();
    write(out);
    let mut length = Vec::new();
    put_varint(&mut length, (out.len() - start) as u64);
    out.splice(start - 1..start, length);
}
