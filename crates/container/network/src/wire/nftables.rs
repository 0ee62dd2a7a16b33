//! nf_tables: transactions of tables, chains, sets, elements and rules.
//! linux/netfilter/nfnetlink.h, linux/netfilter/nf_tables.h

use super::attribute::{APPEND, CREATE, CREATE_NEW, Messages, attributes, be32_of, be64_of, find, text};
use super::expression::{Expression, value};

/// nf_tables' number among the users of nfnetlink.
const SUBSYSTEM: u16 = 10;
/// `NFPROTO_INET`: IPv4 and IPv6 in one table.
pub(crate) const INET: u8 = 1;
/// `NFPROTO_IPV4`.
pub(crate) const IPV4: u8 = 2;
/// `NFPROTO_IPV6`.
pub(crate) const IPV6: u8 = 10;

/// `NF_INET_LOCAL_IN`.
pub(crate) const HOOK_INPUT: u32 = 1;
/// `NF_INET_FORWARD`.
pub(crate) const HOOK_FORWARD: u32 = 2;
/// `NF_INET_LOCAL_OUT`.
pub(crate) const HOOK_OUTPUT: u32 = 3;
/// `NF_INET_POST_ROUTING`.
pub(crate) const HOOK_POSTROUTING: u32 = 4;
/// Room that a list of elements has in one message, with a margin for its frame: an attribute is
/// no longer than 64 KiB.
const ELEMENTS: usize = 60_000;
/// Room that the name of a chain of ours takes in an element.
const CHAIN: usize = 64;

/// Kinds of messages (`enum nf_tables_msg_types`).
pub(crate) mod kind {
    use super::SUBSYSTEM;

    pub(crate) const NEW_TABLE: u16 = SUBSYSTEM << 8;
    pub(crate) const GET_TABLE: u16 = NEW_TABLE + 1;
    pub(crate) const DELETE_TABLE: u16 = NEW_TABLE + 2;
    pub(crate) const NEW_CHAIN: u16 = NEW_TABLE + 3;
    pub(crate) const GET_CHAIN: u16 = NEW_TABLE + 4;
    pub(crate) const DELETE_CHAIN: u16 = NEW_TABLE + 5;
    pub(crate) const NEW_RULE: u16 = NEW_TABLE + 6;
    pub(crate) const GET_RULE: u16 = NEW_TABLE + 7;
    pub(crate) const DELETE_RULE: u16 = NEW_TABLE + 8;
    pub(crate) const NEW_SET: u16 = NEW_TABLE + 9;
    pub(crate) const NEW_ELEMENT: u16 = NEW_TABLE + 12;
    pub(crate) const GET_ELEMENT: u16 = NEW_TABLE + 13;
    pub(crate) const DELETE_ELEMENT: u16 = NEW_TABLE + 14;
}

/// A chain that a hook runs.
#[derive(Debug)]
pub(crate) struct Chain {
    pub(crate) name: &'static str,
    /// `filter` or `nat`.
    pub(crate) kind: &'static str,
    pub(crate) hook: u32,
    pub(crate) priority: i32,
}

/// A field of a key or value: how long it is, and the number by which `nft list` knows its type.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    length: u32,
    kind: u32,
}

pub(crate) const ADDRESS4: Field = Field { length: 4, kind: 7 };
pub(crate) const ADDRESS6: Field = Field { length: 16, kind: 8 };
pub(crate) const PROTOCOL: Field = Field { length: 1, kind: 12 };
pub(crate) const PORT: Field = Field { length: 2, kind: 13 };
pub(crate) const LINK: Field = Field { length: 16, kind: 41 };
pub(crate) const FAMILY: Field = Field { length: 1, kind: 2 };
/// A number in the machine's order, which `nft list` shows as it shows marks.
pub(crate) const INDEX: Field = Field { length: 4, kind: 19 };
/// Where to go on: `NFT_DATA_VERDICT`. As long as the kernel wants it to be.
pub(crate) const VERDICT: Field = Field {
    length: 0,
    kind: 0xffff_ff00,
};

/// A set, or a map if it has a value.
#[derive(Debug)]
pub(crate) struct Set {
    pub(crate) name: &'static str,
    pub(crate) key: &'static [Field],
    pub(crate) value: &'static [Field],
    /// Elements are ranges.
    pub(crate) interval: bool,
    /// Rules add elements, which go after their time; so many at most.
    pub(crate) remembers: Option<u32>,
}

/// An element of a set.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Element {
    pub(crate) key: Vec<u8>,
    /// The end of a range in a set of concatenations, which belongs to it.
    pub(crate) key_end: Option<Vec<u8>>,
    /// What a map has for the key.
    pub(crate) value: Option<Vec<u8>>,
    /// The chain to go to, in a map of verdicts.
    pub(crate) chain: Option<String>,
    /// This key ends the range that the key before begins, and does not belong to it.
    pub(crate) ends: bool,
}

impl Element {
    pub(crate) const fn of(key: Vec<u8>) -> Self {
        Self {
            key,
            key_end: None,
            value: None,
            chain: None,
            ends: false,
        }
    }
}

impl Messages {
    /// Begins a transaction; [`Self::end`] ends it.
    pub(crate) fn begin() -> Self {
        let mut messages = Self::new();
        messages.push(16, 0, &[0, 0, 0, 10], |_| {});
        messages
    }

    /// Ends a transaction.
    pub(crate) fn end(mut self) -> Self {
        self.push(17, 0, &[0, 0, 0, 10], |_| {});
        self
    }

    /// Makes a table unless it is there.
    pub(crate) fn add_table(&mut self, table: &str) {
        self.push(kind::NEW_TABLE, CREATE, &header(INET), |body| {
            body.text(1, table);
        });
    }

    /// Makes a table that is not there; the transaction fails if it is.
    pub(crate) fn add_new_table(&mut self, table: &str) {
        self.push(kind::NEW_TABLE, CREATE_NEW, &header(INET), |body| {
            body.text(1, table);
        });
    }

    /// Takes a table away with all that is in it.
    pub(crate) fn delete_table(&mut self, table: &str) {
        self.push(kind::DELETE_TABLE, 0, &header(INET), |body| {
            body.text(1, table);
        });
    }

    /// Asks for a table.
    pub(crate) fn get_table(&mut self, table: &str) {
        self.push(kind::GET_TABLE, 0, &header(INET), |body| {
            body.text(1, table);
        });
    }

    /// Makes a chain on a hook. What it does not decide is accepted.
    pub(crate) fn add_chain(&mut self, table: &str, chain: &Chain) {
        self.push(kind::NEW_CHAIN, CREATE, &header(INET), |body| {
            body.text(1, table).text(3, chain.name);
            body.nest(4, |hook| {
                hook.be32(1, chain.hook).be32(2, chain.priority.cast_unsigned());
            });
            body.text(7, chain.kind);
        });
    }

    /// Makes a chain that others go to, without rules, whatever it had before.
    pub(crate) fn add_empty_chain(&mut self, table: &str, chain: &str) {
        self.push(kind::NEW_CHAIN, CREATE, &header(INET), |body| {
            body.text(1, table).text(3, chain);
        });
        self.push(kind::DELETE_RULE, 0, &header(INET), |body| {
            body.text(1, table).text(2, chain);
        });
    }

    /// Takes a chain away that nobody goes to any more.
    pub(crate) fn delete_chain(&mut self, table: &str, chain: &str) {
        self.push(kind::DELETE_CHAIN, 0, &header(INET), |body| {
            body.text(1, table).text(3, chain);
        });
    }

    /// Makes a set. `id` is unique within the transaction.
    pub(crate) fn add_set(&mut self, table: &str, set: &Set, id: u32) {
        const INTERVAL: u32 = 4;
        const MAP: u32 = 8;
        const TIMEOUT: u32 = 0x10;
        const BY_RULES: u32 = 0x20;
        const CONCATENATION: u32 = 0x80;
        let concatenated = set.interval && set.key.len() > 1;
        let flags = [
            (set.interval, INTERVAL),
            (!set.value.is_empty(), MAP),
            (concatenated, CONCATENATION),
            (set.remembers.is_some(), TIMEOUT | BY_RULES),
        ];
        let flags = flags.iter().filter(|(on, _)| *on).map(|(_, flag)| flag).sum();
        self.push(kind::NEW_SET, CREATE, &header(INET), |body| {
            body.text(1, table).text(2, set.name).be32(3, flags);
            body.be32(4, kind_of(set.key)).be32(5, length_of(set.key));
            if !set.value.is_empty() {
                body.be32(6, kind_of(set.value)).be32(7, length_of(set.value));
            }
            if let Some(size) = set.remembers {
                body.nest(9, |description| {
                    description.be32(1, size);
                });
            }
            if concatenated {
                body.nest(9, |description| {
                    description.nest(2, |fields| {
                        for field in set.key {
                            fields.nest(1, |element| {
                                element.be32(1, field.length);
                            });
                        }
                    });
                });
            }
            body.be32(10, id);
        });
    }

    /// Adds elements; as many messages as it takes.
    pub(crate) fn add_elements(&mut self, table: &str, set: &str, elements: &[Element]) {
        self.elements(kind::NEW_ELEMENT, CREATE, table, set, elements);
    }

    /// Takes elements away. One that is not there makes the transaction fail.
    pub(crate) fn delete_elements(&mut self, table: &str, set: &str, elements: &[Element]) {
        self.elements(kind::DELETE_ELEMENT, 0, table, set, elements);
    }

    /// Asks for the elements of a set.
    pub(crate) fn get_elements(&mut self, table: &str, set: &str) {
        self.push(kind::GET_ELEMENT, 0, &header(INET), |body| {
            body.text(1, table).text(2, set);
        });
    }

    /// Takes all elements away.
    pub(crate) fn flush_set(&mut self, table: &str, set: &str) {
        self.push(kind::DELETE_ELEMENT, 0, &header(INET), |body| {
            body.text(1, table).text(2, set);
        });
    }

    fn elements(&mut self, kind: u16, flags: u16, table: &str, set: &str, elements: &[Element]) {
        let Some(first) = elements.first() else { return };
        let data = first.value.as_ref().map_or(0, Vec::len) + first.chain.as_ref().map_or(0, |_| CHAIN);
        let size = 40 + first.key.len() * 2 + data;
        for chunk in elements.chunks(ELEMENTS / size) {
            self.push(kind, flags, &header(INET), |body| {
                body.text(1, table).text(2, set);
                body.nest(3, |list| {
                    chunk.iter().for_each(|element| write_element(list, element));
                });
            });
        }
    }

    /// Adds a rule at the end of a chain of ours.
    pub(crate) fn add_rule(&mut self, table: &str, chain: &str, rule: &[Expression]) {
        self.push(kind::NEW_RULE, APPEND, &header(INET), |body| {
            body.text(1, table).text(2, chain);
            body.nest(4, |list| Expression::write(rule, list));
        });
    }

    /// Puts a rule in front of a chain of anybody's, with a comment by which it is known again.
    pub(crate) fn insert_rule(&mut self, place: &Place, rule: &[Expression], comment: &str) {
        self.push(kind::NEW_RULE, CREATE, &header(place.family), |body| {
            body.text(1, &place.table).text(2, &place.chain);
            body.nest(4, |list| Expression::write(rule, list));
            body.bytes(7, &comment_data(comment));
        });
    }

    /// Takes a rule away.
    pub(crate) fn delete_rule(&mut self, place: &Place, handle: u64) {
        self.push(kind::DELETE_RULE, 0, &header(place.family), |body| {
            body.text(1, &place.table).text(2, &place.chain).be64(3, handle);
        });
    }

    /// Asks for all chains.
    pub(crate) fn get_chains(&mut self) {
        self.push(kind::GET_CHAIN, 0, &header(0), |_| {});
    }

    /// Asks for the rules of a chain.
    pub(crate) fn get_rules(&mut self, place: &Place) {
        self.push(kind::GET_RULE, 0, &header(place.family), |body| {
            body.text(1, &place.table).text(2, &place.chain);
        });
    }
}

/// `struct nfgenmsg`.
const fn header(family: u8) -> [u8; 4] {
    [family, 0, 0, 0]
}

fn length_of(fields: &[Field]) -> u32 {
    match fields {
        [only] => only.length,
        several => several.iter().map(|field| field.length.next_multiple_of(4)).sum(),
    }
}

/// Types of a concatenation take six bits each.
fn kind_of(fields: &[Field]) -> u32 {
    fields.iter().fold(0, |kind, field| kind << 6 | field.kind)
}

fn write_element(list: &mut super::attribute::Attributes<'_>, element: &Element) {
    list.nest(1, |body| {
        if element.ends {
            body.be32(3, 1);
        }
        value(body, 1, &element.key);
        if let Some(end) = &element.key_end {
            value(body, 10, end);
        }
        if let Some(data) = &element.value {
            value(body, 2, data);
        }
        if let Some(chain) = &element.chain {
            body.nest(2, |data| {
                data.nest(2, |verdict| {
                    const GOTO: i32 = -4;
                    verdict.be32(1, GOTO.cast_unsigned()).text(2, chain);
                });
            });
        }
    });
}

/// User data of a rule: a comment as `nft` writes it (type 0, length, text with NUL).
fn comment_data(comment: &str) -> Vec<u8> {
    let length = u8::try_from(comment.len() + 1).unwrap_or(u8::MAX);
    let mut data = vec![0, length];
    data.extend(comment.bytes().take(254));
    data.push(0);
    data
}

/// A chain of anybody's.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) family: u8,
    pub(crate) table: String,
    pub(crate) chain: String,
}

/// A chain as the kernel lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FoundChain {
    pub(crate) place: Place,
    /// The hook that runs it, if one does.
    pub(crate) hook: Option<u32>,
    /// What it does not decide is dropped.
    pub(crate) drops: bool,
}

/// Reads the payload of a chain.
pub(crate) fn chain(payload: &[u8]) -> Option<FoundChain> {
    let body = payload.get(4..)?;
    let hook = find(body, 4).and_then(|hook| find(hook, 1)).and_then(be32_of);
    Some(FoundChain {
        place: place(payload, 3)?,
        hook,
        drops: hook.is_some() && find(body, 5).and_then(be32_of) == Some(0),
    })
}

/// Reads the payload of a rule: its handle and its comment.
pub(crate) fn rule(payload: &[u8]) -> Option<(u64, Option<String>)> {
    let body = payload.get(4..)?;
    let comment = find(body, 7)
        .and_then(|data| data.strip_prefix(&[0]))
        .and_then(|data| data.get(1..));
    Some((find(body, 3).and_then(be64_of)?, comment.map(text)))
}

/// Reads the payload of a list of elements: their keys, values and chains.
pub(crate) fn elements(payload: &[u8]) -> Vec<Element> {
    let list = payload
        .get(4..)
        .and_then(|body| find(body, 3))
        .unwrap_or_default();
    attributes(list)
        .filter_map(|(_, element)| read_element(element))
        .collect()
}

fn read_element(body: &[u8]) -> Option<Element> {
    let data = find(body, 2).unwrap_or_default();
    let chain = find(data, 2).and_then(|verdict| find(verdict, 2));
    Some(Element {
        value: find(data, 1).map(<[u8]>::to_vec),
        chain: chain.map(text),
        ..Element::of(find(find(body, 1)?, 1)?.to_vec())
    })
}

/// Reads which table a message about anything is about.
pub(crate) fn table_of(payload: &[u8]) -> Option<String> {
    find(payload.get(4..)?, 1).map(text)
}

fn place(payload: &[u8], chain: u16) -> Option<Place> {
    let body = payload.get(4..)?;
    Some(Place {
        family: *payload.first()?,
        table: find(body, 1).map(text)?,
        chain: find(body, chain).map(text)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_read_as_they_are_written() {
        let way = Element {
            chain: Some("lb-3".to_owned()),
            ..Element::of(vec![10, 43, 0, 9, 6, 0, 0, 0, 0, 80, 0, 0])
        };
        let backend = Element {
            value: Some(vec![10, 42, 0, 5, 0, 80, 0, 0]),
            ..Element::of(vec![1; 16])
        };
        let plain = Element::of(vec![2; 12]);
        let mut messages = Messages::new();
        messages.add_elements(
            "gantry",
            "services",
            &[way.clone(), backend.clone(), plain.clone()],
        );
        let payload = &messages.0[16..];
        assert_eq!(elements(payload), [way, backend, plain]);
        assert!((0..payload.len()).all(|end| elements(&payload[..end]).len() <= 3));
    }
}
