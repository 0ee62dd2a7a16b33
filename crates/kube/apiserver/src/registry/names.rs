//! What the server makes up: uids, and names from `generateName`.

use std::sync::{Mutex, PoisonError};

use driver::Rng;

/// The server's one stream of chance, shared by all requests.
pub(crate) struct Chance(Mutex<Rng>);

/// No vowels and nothing that looks like one: a generated name spells nothing.
const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// A generated name fits a DNS label: 63 bytes, five of them chance.
const MAX_BASE: usize = 58;

impl Chance {
    /// Draws from this stream.
    pub(crate) fn new(rng: Rng) -> Self {
        Self(Mutex::new(rng))
    }

    fn draw(&self) -> u64 {
        let mut rng = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        rng.next_u64()
    }

    /// A number below `bound`.
    pub(crate) fn below(&self, bound: u64) -> u64 {
        let mut rng = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        rng.below(bound)
    }

    /// A random UUID (RFC 9562 §5.4).
    pub(crate) fn uuid(&self) -> String {
        let (high, low) = (self.draw(), self.draw());
        let high = high & !0xf000 | 0x4000;
        let low = low & (u64::MAX >> 2) | 1 << 63;
        format!(
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            high >> 32,
            high >> 16 & 0xffff,
            high & 0xffff,
            low >> 48,
            low & 0xffff_ffff_ffff
        )
    }

    /// A name that begins with `base`.
    pub(crate) fn name(&self, base: &str) -> String {
        let mut end = base.len().min(MAX_BASE);
        while !base.is_char_boundary(end) {
            end -= 1;
        }
        let mut name = base[..end].to_owned();
        for _ in 0..5 {
            let at = usize::try_from(self.below(ALPHABET.len() as u64)).unwrap_or(0);
            name.push(char::from(ALPHABET[at]));
        }
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uids_and_names_have_their_form() {
        let chance = Chance::new(Rng::from_seed(1));
        let uid = chance.uuid();
        assert_eq!((uid.len(), &uid[14..15]), (36, "4"));
        assert!(matches!(&uid[19..20], "8" | "9" | "a" | "b"), "{uid}");
        assert_ne!(uid, chance.uuid());
        let name = chance.name(&"a".repeat(80));
        assert_eq!(name.len(), 63);
        assert_eq!(chance.name("web-").len(), 9);
    }
}
