//! Bytes and values: little-endian numbers, length-prefixed strings and lists, tagged options.
//!
//! Messages and the state that survives a re-exec are both declared with the macros here, so a
//! field is written once and its encoding, its decoding and (in tests) its sampling follow.

use std::collections::{BTreeMap, VecDeque};

/// Bytes that are not what they should be. Nothing is said about where: the peer is at fault, and
/// a log line with the message kind is enough to find it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed message")]
pub struct Malformed;

/// A value with a byte layout.
pub(crate) trait Wire: Sized {
    fn put(&self, out: &mut Vec<u8>);
    fn get(input: &mut Reader<'_>) -> Result<Self, Malformed>;

    /// A value made from a stream of numbers, for property tests.
    #[cfg(test)]
    fn sample(source: &mut Source) -> Self;
}

/// What is left of a message.
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (head, rest) = self.0.split_at_checked(length).ok_or(Malformed)?;
        self.0 = rest;
        Ok(head)
    }
}

/// Numbers for [`Wire::sample`]; zeros once they run out.
#[cfg(test)]
pub(crate) struct Source(pub(crate) Vec<u64>);

#[cfg(test)]
impl Source {
    pub(crate) fn next(&mut self) -> u64 {
        self.0.pop().unwrap_or(0)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).unwrap()
    }

    pub(crate) fn list<T: Wire>(&mut self) -> Vec<T> {
        (0..self.below(4)).map(|_| T::sample(self)).collect()
    }
}

macro_rules! number {
    ($($type:ty),*) => { $(
        impl Wire for $type {
            fn put(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }
            fn get(input: &mut Reader<'_>) -> Result<Self, Malformed> {
                let bytes = input.take(size_of::<Self>())?;
                Ok(Self::from_le_bytes(bytes.try_into().map_err(|_| Malformed)?))
            }
            #[cfg(test)]
            fn sample(source: &mut Source) -> Self {
                let bytes = source.next().to_le_bytes();
                Self::from_le_bytes(bytes[..size_of::<Self>()].try_into().unwrap())
            }
        }
    )* };
}
number!(u8, u16, u32, u64, i32);

impl Wire for bool {
    fn put(&self, out: &mut Vec<u8>) {
        u8::from(*self).put(out);
    }
    fn get(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        match u8::get(input)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Malformed),
        }
    }
    #[cfg(test)]
    fn sample(source: &mut Source) -> Self {
        source.next() & 1 == 1
    }
}

impl<T: Wire> Wire for Option<T> {
    fn put(&self, out: &mut Vec<u8>) {
        self.is_some().put(out);
        if let Some(value) = self {
            value.put(out);
        }
    }
    fn get(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        bool::get(input)?.then(|| T::get(input)).transpose()
    }
    #[cfg(test)]
    fn sample(source: &mut Source) -> Self {
        (source.next() & 1 == 1).then(|| T::sample(source))
    }
}

impl<A: Wire, B: Wire> Wire for (A, B) {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
        self.1.put(out);
    }
    fn get(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok((A::get(input)?, B::get(input)?))
    }
    #[cfg(test)]
    fn sample(source: &mut Source) -> Self {
        (A::sample(source), B::sample(source))
    }
}

/// Uninterpreted bytes: a u32 length, then the bytes.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub Vec<u8>);

impl std::fmt::Debug for Bytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(&self.0))
    }
}

impl<T: AsRef<[u8]>> From<T> for Bytes {
    fn from(bytes: T) -> Self {
        Self(bytes.as_ref().to_vec())
    }
}

impl Wire for Bytes {
    fn put(&self, out: &mut Vec<u8>) {
        put_count(self.0.len(), out);
        out.extend_from_slice(&self.0);
    }
    fn get(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        let length = u32::get(input)? as usize;
        Ok(Self(input.take(length)?.to_vec()))
    }
    #[cfg(test)]
    fn sample(source: &mut Source) -> Self {
        let length = source.below(20);
        Self((0..length).map(|_| u8::sample(source)).collect())
    }
}

/// Lengths are written as u32. A longer list cannot be built: messages and state are far smaller.
fn put_count(length: usize, out: &mut Vec<u8>) {
    u32::try_from(length).unwrap_or(u32::MAX).put(out);
}

macro_rules! list {
    ($([$($bound:tt)*] $type:ty),* $(,)?) => { $(
        impl<$($bound)*> Wire for $type {
            fn put(&self, out: &mut Vec<u8>) {
                put_count(self.len(), out);
                for item in self {
                    item.put(out);
                }
            }
            fn get(input: &mut Reader<'_>) -> Result<Self, Malformed> {
                // No capacity is reserved: the count is the peer's claim, the bytes are its proof.
                let count = u32::get(input)?;
                (0..count).map(|_| Wire::get(input)).collect()
            }
            #[cfg(test)]
            fn sample(source: &mut Source) -> Self {
                source.list().into_iter().collect()
            }
        }
    )* };
}
list!([T: Wire] Vec<T>, [T: Wire] VecDeque<T>);

impl<K: Wire + Ord, V: Wire> Wire for BTreeMap<K, V> {
    fn put(&self, out: &mut Vec<u8>) {
        put_count(self.len(), out);
        for (key, value) in self {
            key.put(out);
            value.put(out);
        }
    }
    fn get(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        let count = u32::get(input)?;
        (0..count).map(|_| Wire::get(input)).collect()
    }
    #[cfg(test)]
    fn sample(source: &mut Source) -> Self {
        source.list::<(K, V)>().into_iter().collect()
    }
}

/// Declares a struct whose layout is its fields in order.
macro_rules! wire_struct {
    ($(#[$doc:meta])* $vis:vis struct $name:ident { $( $(#[$fdoc:meta])* $fvis:vis $field:ident : $type:ty ),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        $vis struct $name { $( $(#[$fdoc])* $fvis $field: $type ),* }

        impl $crate::protocol::wire::Wire for $name {
            fn put(&self, _out: &mut Vec<u8>) {
                $( self.$field.put(_out); )*
            }
            fn get(
                _input: &mut $crate::protocol::wire::Reader<'_>,
            ) -> Result<Self, $crate::protocol::wire::Malformed> {
                Ok(Self { $( $field: $crate::protocol::wire::Wire::get(_input)? ),* })
            }
            #[cfg(test)]
            fn sample(_source: &mut $crate::protocol::wire::Source) -> Self {
                Self { $( $field: $crate::protocol::wire::Wire::sample(_source) ),* }
            }
        }
    };
}

/// Declares an enum whose layout is a u8 tag, then the variant's fields in order.
macro_rules! wire_enum {
    ($(#[$doc:meta])* $vis:vis enum $name:ident {
        $( $(#[$vdoc:meta])* $tag:literal $variant:ident { $( $(#[$fdoc:meta])* $field:ident : $type:ty ),* $(,)? } )*
    }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        $vis enum $name { $( $(#[$vdoc])* $variant { $( $(#[$fdoc])* $field: $type ),* } ),* }

        impl $crate::protocol::wire::Wire for $name {
            fn put(&self, out: &mut Vec<u8>) {
                match self {
                    $( Self::$variant { $( $field ),* } => {
                        out.push($tag);
                        $( $field.put(out); )*
                    } )*
                }
            }
            fn get(
                input: &mut $crate::protocol::wire::Reader<'_>,
            ) -> Result<Self, $crate::protocol::wire::Malformed> {
                Ok(match u8::get(input)? {
                    $( $tag => Self::$variant { $( $field: $crate::protocol::wire::Wire::get(input)? ),* }, )*
                    _ => return Err($crate::protocol::wire::Malformed),
                })
            }
            #[cfg(test)]
            fn sample(source: &mut $crate::protocol::wire::Source) -> Self {
                let tags = [$( $tag ),*];
                match tags[source.below(tags.len())] {
                    $( $tag => Self::$variant { $( $field: $crate::protocol::wire::Wire::sample(source) ),* }, )*
                    _ => unreachable!("the tag comes from the list of tags"),
                }
            }
        }
    };
}
pub(crate) use {wire_enum, wire_struct};
