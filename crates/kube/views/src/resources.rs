//! What a pod needs in all, as the scheduler counts it (upstream's `component-helpers/resource`, KEP-753, KEP-2837).
//!
//! The same sums as `kinds::quota::requests` makes from a tree, made from borrowed bytes: a property test holds the two
//! equal. Amounts are added in nanos and rounded up once, at the end.

use std::fmt;

use schema::quantity::Quantity;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::text::Text;

/// What a container without a request counts for in scores: thousandths of a CPU.
pub const DEFAULT_MILLI_CPU: i64 = 100;
/// What a container without a request counts for in scores: bytes.
pub const DEFAULT_MEMORY: i64 = 200 << 20;

/// Amounts of what nodes have and pods ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Requests {
    /// Thousandths of a CPU.
    pub milli_cpu: i64,
    /// Bytes.
    pub memory: i64,
    /// Bytes of `ephemeral-storage`.
    pub ephemeral: i64,
    /// Huge pages in bytes and extended resources in pieces, by name; sorted, without zeros.
    pub other: Box<[(Box<str>, i64)]>,
}

impl Requests {
    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The amount of a resource that is not one of the three.
    pub fn other(&self, name: &str) -> i64 {
        let found = self.other.binary_search_by(|(known, _)| (**known).cmp(name));
        found.map_or(0, |at| self.other[at].1)
    }
}

/// A map of quantities as it stands in a body. What is not there is not zero: a container without a request for CPU
/// counts for something in scores, one that asks for 0 does not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Amounts<'a> {
    cpu: Option<i128>,
    memory: Option<i128>,
    ephemeral: Option<i128>,
    other: Vec<(Text<'a>, i128)>,
}

const NANO: i128 = 1_000_000_000;
const MILLI: i128 = 1_000_000;

impl<'a> Amounts<'a> {
    fn of(&mut self, name: Text<'a>) -> &mut Option<i128> {
        match &*name {
            "cpu" => &mut self.cpu,
            "memory" => &mut self.memory,
            _ => &mut self.ephemeral,
        }
    }

    fn put(&mut self, name: Text<'a>, nanos: i128) {
        if ["cpu", "memory", "ephemeral-storage"].contains(&&*name) {
            *self.of(name) = Some(nanos);
        } else {
            self.other.push((name, nanos));
        }
    }

    /// Joins each amount of `more` to the own one of the same name.
    fn join(&mut self, more: &Self, how: impl Fn(i128, i128) -> i128) {
        let join = |own: &mut Option<i128>, more: Option<i128>| {
            if let Some(more) = more {
                *own = Some(own.map_or(more, |own| how(own, more)));
            }
        };
        join(&mut self.cpu, more.cpu);
        join(&mut self.memory, more.memory);
        join(&mut self.ephemeral, more.ephemeral);
        for (name, more) in &more.other {
            match self.other.iter_mut().find(|(known, _)| known == name) {
                Some((_, own)) => *own = how(*own, *more),
                None => self.other.push((name.clone(), *more)),
            }
        }
    }

    fn add(&mut self, more: &Self) {
        self.join(more, i128::saturating_add);
    }

    /// What is asked for a pod as a whole stands in place of its containers' sum (KEP-2837).
    fn replace(&mut self, whole: &Self) {
        let for_pods = Amounts {
            cpu: whole.cpu,
            memory: whole.memory,
            ephemeral: None,
            other: huge_pages(&whole.other),
        };
        self.join(&for_pods, |_, whole| whole);
    }

    /// CPU and memory, with the defaults of scores where nothing is said.
    pub(crate) fn or_default(&self) -> Self {
        Self {
            cpu: self.cpu.or(Some(i128::from(DEFAULT_MILLI_CPU) * MILLI)),
            memory: self.memory.or(Some(i128::from(DEFAULT_MEMORY) * NANO)),
            ..Self::default()
        }
    }

    /// In the units of [`Requests`].
    pub(crate) fn rounded(&self) -> Requests {
        let other = self
            .other
            .iter()
            .map(|(name, nanos)| (name.boxed(), up(Some(*nanos), NANO)));
        let mut other: Vec<_> = other.filter(|(_, amount)| *amount != 0).collect();
        other.sort_unstable();
        Requests {
            milli_cpu: up(self.cpu, MILLI),
            memory: up(self.memory, NANO),
            ephemeral: up(self.ephemeral, NANO),
            other: other.into(),
        }
    }

    /// The number of `pods` that a node takes, which is no request.
    pub(crate) fn take_pods(&mut self) -> i64 {
        let at = self.other.iter().position(|(name, _)| &**name == "pods");
        up(at.map(|at| self.other.swap_remove(at).1), NANO)
    }
}

fn huge_pages<'a>(amounts: &[(Text<'a>, i128)]) -> Vec<(Text<'a>, i128)> {
    let huge = amounts.iter().filter(|(name, _)| name.starts_with("hugepages-"));
    huge.cloned().collect()
}

/// Whole units, rounded up, within 64 bits.
fn up(nanos: Option<i128>, unit: i128) -> i64 {
    let nanos = nanos.unwrap_or(0);
    let whole = nanos.div_euclid(unit) + i128::from(nanos.rem_euclid(unit) > 0);
    i64::try_from(whole).unwrap_or(if nanos < 0 { i64::MIN } else { i64::MAX })
}

/// One container's part in a sum.
pub(crate) struct Part<'p, 'a> {
    pub(crate) requests: &'p Amounts<'a>,
    /// It starts before the containers and runs beside them.
    pub(crate) sidecar: bool,
}

/// A pod's containers and what stands beside them.
pub(crate) struct Whole<'p, 'a> {
    pub(crate) containers: Vec<Part<'p, 'a>>,
    pub(crate) initial: Vec<Part<'p, 'a>>,
    pub(crate) pod: &'p Amounts<'a>,
    pub(crate) overhead: &'p Amounts<'a>,
}

impl<'a> Whole<'_, 'a> {
    /// The sum of what `of` makes of each container's requests: init containers run one after the other before the
    /// others, sidecars beside all that come later.
    pub(crate) fn total(&self, of: impl Fn(&Amounts<'a>) -> Amounts<'a>) -> Amounts<'a> {
        let mut all = Amounts::default();
        for container in &self.containers {
            all.add(&of(container.requests));
        }
        let (mut sidecars, mut initial) = (Amounts::default(), Amounts::default());
        for container in &self.initial {
            let mut own = of(container.requests);
            if container.sidecar {
                all.add(&own);
                sidecars.add(&own);
                own = sidecars.clone();
            } else {
                own.add(&sidecars);
            }
            initial.join(&own, i128::max);
        }
        all.join(&initial, i128::max);
        all.replace(self.pod);
        all.add(self.overhead);
        all
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Amounts<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Map;
        impl<'de> Visitor<'de> for Map {
            type Value = Amounts<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of quantities")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut amounts = Amounts::default();
                while let Some((name, quantity)) = map.next_entry::<Text<'de>, Text<'de>>()? {
                    amounts.put(name, nanos(&quantity));
                }
                Ok(amounts)
            }
        }
        deserializer.deserialize_map(Map)
    }
}

/// The amount of a canonical text in nanos; zero for what is none. Texts of stored bodies are short: the general parser
/// (which allocates) sees only those with fractions, exponents or many digits.
fn nanos(text: &str) -> i128 {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let unit = match &text[digits..] {
        "" => Some(NANO),
        "m" => Some(MILLI),
        "Ki" => Some(NANO << 10),
        "Mi" => Some(NANO << 20),
        "Gi" => Some(NANO << 30),
        "k" => Some(NANO * 1_000),
        "M" => Some(NANO * 1_000_000),
        "G" => Some(NANO * 1_000_000_000),
        _ => None,
    };
    let short = text[..digits].parse::<u32>().ok();
    match short.zip(unit) {
        Some((number, unit)) => i128::from(number) * unit,
        None => Quantity::parse(text).unwrap_or_default().nanos(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn short_texts_are_read_as_the_general_parser_reads(text in "[0-9]{0,12}(\\.[0-9]{1,3})?(m|u|n|k|M|G|T|Ki|Mi|Gi|Ti|e3)?") {
            prop_assert_eq!(nanos(&text), Quantity::parse(&text).unwrap_or_default().nanos());
        }
    }
}
