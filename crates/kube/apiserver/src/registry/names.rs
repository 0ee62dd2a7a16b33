//! Names that the server makes up, from `generateName`.

use driver::Rng;

/// No vowels and nothing that looks like one: a generated name spells nothing.
const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// A generated name fits a DNS label: 63 bytes, five of them chance.
const MAX_BASE: usize = 58;

/// A name that begins with `base`.
pub(crate) fn generate(rng: &mut Rng, base: &str) -> String {
    let mut end = base.len().min(MAX_BASE);
    while !base.is_char_boundary(end) {
        end -= 1;
    }
    let mut name = base[..end].to_owned();
    for _ in 0..5 {
        let at = usize::try_from(rng.below(ALPHABET.len() as u64)).unwrap_or(0);
        name.push(char::from(ALPHABET[at]));
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_name_begins_as_asked_and_fits_a_label() {
        let mut rng = Rng::from_seed(1);
        assert_eq!(generate(&mut rng, &"a".repeat(80)).len(), 63);
        let name = generate(&mut rng, "web-");
        assert!(name.starts_with("web-") && name.len() == 9, "{name}");
        assert_ne!(name, generate(&mut rng, "web-"));
    }
}
