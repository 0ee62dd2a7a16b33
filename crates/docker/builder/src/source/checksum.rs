//! `--checksum` of what is fetched: `sha256:`, `sha384:` or `sha512:` and its digits.

use std::io::{self, Read};

use ring::digest::{Algorithm, Context, SHA256, SHA384, SHA512};

/// What a file is expected to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Checksum {
    algorithm: &'static Algorithm,
    text: String,
}

impl Checksum {
    /// Reads it.
    ///
    /// # Errors
    /// Upstream's sentences.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let (name, digits) = text.split_once(':').ok_or("invalid checksum digest format")?;
        let (algorithm, length) = match name {
            "sha256" => (&SHA256, 64),
            "sha384" => (&SHA384, 96),
            "sha512" => (&SHA512, 128),
            name if !name.is_empty()
                && name.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()) =>
            {
                return Err("unsupported digest algorithm");
            }
            _ => return Err("invalid checksum digest format"),
        };
        if digits.len() != length {
            return Err("invalid checksum digest length");
        }
        if !digits
            .bytes()
            .all(|c| c.is_ascii_digit() || (b'a'..=b'f').contains(&c))
        {
            return Err("invalid checksum digest format");
        }
        let text = text.to_owned();
        Ok(Self { algorithm, text })
    }

    /// As it was written.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// What a content is instead; nothing, if it is what is expected.
    ///
    /// # Errors
    /// The content's.
    pub(crate) fn differs(&self, content: &mut dyn Read) -> io::Result<Option<String>> {
        let (name, _) = self.text.split_once(':').unwrap_or_default();
        let found = format!("{name}:{}", digits(self.algorithm, content)?);
        Ok((found != self.text).then_some(found))
    }
}

fn digits(algorithm: &'static Algorithm, content: &mut dyn Read) -> io::Result<String> {
    let mut hasher = Context::new(algorithm);
    let mut buffer = vec![0; 64 << 10];
    loop {
        match content.read(&mut buffer)? {
            0 => break,
            read => hasher.update(&buffer[..read]),
        }
    }
    Ok(hasher
        .finish()
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_algorithms_and_what_is_none() {
        let empty = [
            "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "sha384:38b060a751ac96384cd9327eb1b1e36a21fdb71114be07434c0cc7bf63f6e1da274edebfe76f65fbd51ad2f14898b95b",
            "sha512:cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e",
        ];
        for text in empty {
            let checksum = Checksum::parse(text).unwrap();
            assert_eq!(checksum.differs(&mut io::empty()).unwrap(), None);
            assert!(
                checksum
                    .differs(&mut &b"x"[..])
                    .unwrap()
                    .unwrap()
                    .starts_with(&text[..7])
            );
        }
        for (text, sentence) in [
            (
                "7e55db001d319a94b0b713529a756623",
                "invalid checksum digest format",
            ),
            (
                "md5:7e55db001d319a94b0b713529a756623",
                "unsupported digest algorithm",
            ),
            ("unknown:00", "unsupported digest algorithm"),
            ("sha256:00", "invalid checksum digest length"),
            ("SHA256:00", "invalid checksum digest format"),
        ] {
            assert_eq!(Checksum::parse(text).unwrap_err(), sentence, "{text}");
        }
    }
}
