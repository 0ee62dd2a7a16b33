//! Messages and attributes: length, type, value, padding to four bytes. netlink(7)

/// `NLA_F_NESTED`.
const NESTED: u16 = 0x8000;
/// Type bits without flags (`NLA_TYPE_MASK`).
const TYPE: u16 = 0x3fff;
/// `NLM_F_REQUEST`.
const REQUEST: u16 = 1;
/// `NLM_F_CREATE | NLM_F_EXCL`.
pub(crate) const CREATE_NEW: u16 = 0x400 | 0x200;
/// `NLM_F_CREATE`.
pub(crate) const CREATE: u16 = 0x400;
/// `NLM_F_CREATE | NLM_F_REPLACE`.
pub(crate) const REPLACE: u16 = 0x400 | 0x100;
/// `NLM_F_CREATE | NLM_F_APPEND`.
pub(crate) const APPEND: u16 = 0x400 | 0x800;

/// Complete messages one after the other, ready to be numbered and sent.
#[derive(Debug, Default)]
pub(crate) struct Messages(pub(crate) Vec<u8>);

impl Messages {
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Appends a message: its type, its flags, its fixed part, and what `body` writes.
    pub(crate) fn push(
        &mut self,
        kind: u16,
        flags: u16,
        fixed: &[u8],
        body: impl FnOnce(&mut Attributes<'_>),
    ) {
        let start = self.0.len();
        self.0.extend([0; 4]);
        self.0.extend(kind.to_ne_bytes());
        self.0.extend((flags | REQUEST).to_ne_bytes());
        self.0.extend([0; 8]);
        self.0.extend(fixed);
        pad(&mut self.0);
        body(&mut Attributes(&mut self.0));
        let length = u32::try_from(self.0.len() - start).unwrap_or(0);
        self.0[start..start + 4].copy_from_slice(&length.to_ne_bytes());
    }
}

/// The attributes of a message, or of an attribute, being written.
pub(crate) struct Attributes<'a>(&'a mut Vec<u8>);

impl Attributes<'_> {
    /// Bytes as they are.
    pub(crate) fn bytes(&mut self, kind: u16, value: &[u8]) -> &mut Self {
        self.wrap(kind, |inner| inner.0.extend(value))
    }

    /// Attributes that somebody else has written.
    pub(crate) fn raw(&mut self, attributes: &[u8]) {
        self.0.extend(attributes);
    }

    /// A text with its NUL.
    pub(crate) fn text(&mut self, kind: u16, value: &str) -> &mut Self {
        self.wrap(kind, |inner| {
            inner.0.extend(value.as_bytes());
            inner.0.push(0);
        })
    }

    /// A number in the machine's order (rtnetlink).
    pub(crate) fn u32(&mut self, kind: u16, value: u32) -> &mut Self {
        self.bytes(kind, &value.to_ne_bytes())
    }

    /// A number in network order (nf_tables, ctnetlink).
    pub(crate) fn be32(&mut self, kind: u16, value: u32) -> &mut Self {
        self.bytes(kind, &value.to_be_bytes())
    }

    /// A number in network order (nf_tables handles).
    pub(crate) fn be64(&mut self, kind: u16, value: u64) -> &mut Self {
        self.bytes(kind, &value.to_be_bytes())
    }

    /// Attributes within an attribute.
    pub(crate) fn nest(&mut self, kind: u16, body: impl FnOnce(&mut Attributes<'_>)) -> &mut Self {
        self.wrap(kind | NESTED, body)
    }

    /// An attribute that begins with a fixed part and goes on with attributes (veth's peer).
    pub(crate) fn nest_after(
        &mut self,
        kind: u16,
        fixed: &[u8],
        body: impl FnOnce(&mut Attributes<'_>),
    ) -> &mut Self {
        self.wrap(kind | NESTED, |inner| {
            inner.0.extend(fixed);
            body(inner);
        })
    }

    fn wrap(&mut self, kind: u16, body: impl FnOnce(&mut Attributes<'_>)) -> &mut Self {
        let start = self.0.len();
        self.0.extend([0; 2]);
        self.0.extend(kind.to_ne_bytes());
        body(&mut Attributes(self.0));
        // Longer lists are cut into several messages by their writers.
        let length = u16::try_from(self.0.len() - start).unwrap_or(u16::MAX);
        self.0[start..start + 2].copy_from_slice(&length.to_ne_bytes());
        pad(self.0);
        self
    }
}

fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

/// The attributes in `bytes`: type and value. What is malformed ends the list.
pub(crate) fn attributes(bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (&[a, b, c, d], _) = rest.split_first_chunk::<4>()?;
        let length = usize::from(u16::from_ne_bytes([a, b]));
        let value = rest.get(4..length)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((u16::from_ne_bytes([c, d]) & TYPE, value))
    })
}

/// The value of the first attribute of this type.
pub(crate) fn find(bytes: &[u8], kind: u16) -> Option<&[u8]> {
    attributes(bytes)
        .find(|(found, _)| *found == kind)
        .map(|(_, value)| value)
}

/// A text attribute's value without its NUL.
pub(crate) fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value.split(|byte| *byte == 0).next().unwrap_or_default()).into_owned()
}

/// A number in the machine's order.
pub(crate) fn u32_of(value: &[u8]) -> Option<u32> {
    value.first_chunk().copied().map(u32::from_ne_bytes)
}

/// A number in network order.
pub(crate) fn be32_of(value: &[u8]) -> Option<u32> {
    value.first_chunk().copied().map(u32::from_be_bytes)
}

/// A number in network order.
pub(crate) fn be64_of(value: &[u8]) -> Option<u64> {
    value.first_chunk().copied().map(u64::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lengths_are_of_the_value_and_padding_is_not_counted() {
        let mut messages = Messages::new();
        messages.push(16, 0x400, &[1, 2], |body| {
            body.text(3, "lo").nest(4, |inner| {
                inner.bytes(1, &[9]);
            });
        });
        #[rustfmt::skip]
        let expected = [
            40, 0, 0, 0, 16, 0, 1, 4, 0, 0, 0, 0, 0, 0, 0, 0,
            1, 2, 0, 0,
            7, 0, 3, 0, b'l', b'o', 0, 0,
            12, 0, 4, 0x80, 5, 0, 1, 0, 9, 0, 0, 0,
        ];
        assert_eq!(messages.0, expected);
        assert_eq!(find(&messages.0[20..], 3).map(text).as_deref(), Some("lo"));
        assert_eq!(find(find(&messages.0[20..], 4).unwrap(), 1), Some(&[9][..]));
    }

    proptest! {
        #[test]
        fn reading_never_fails_and_ends(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(attributes(&bytes).count() <= bytes.len() / 4);
        }

        #[test]
        fn what_is_written_is_read(list in proptest::collection::vec((0_u16..100, proptest::collection::vec(any::<u8>(), 0..40)), 0..20)) {
            let mut messages = Messages::new();
            messages.push(20, 0, &[], |body| list.iter().for_each(|(kind, value)| { body.bytes(*kind, value); }));
            let read: Vec<_> = attributes(&messages.0[16..]).map(|(kind, value)| (kind, value.to_vec())).collect();
            prop_assert_eq!(read, list);
        }
    }
}
