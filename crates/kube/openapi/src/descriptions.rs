//! What types and members are for, in upstream's words: the table that `build.rs` makes, unpacked while a document is
//! printed.

use std::collections::BTreeMap;
use std::io::Read;

use flate2::read::DeflateDecoder;

static PACKED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptions.deflate"));

/// Descriptions by type. Large: to be dropped with the document that it was made for.
#[derive(Debug, Default)]
pub(crate) struct Descriptions {
    text: String,
    /// Where a type's lines begin and end.
    types: BTreeMap<String, (usize, usize)>,
}

impl Descriptions {
    /// All of them.
    pub(crate) fn unpack() -> Self {
        let mut text = String::new();
        // It is ours: a table that cannot be unpacked is an empty one, and a test says so.
        drop(DeflateDecoder::new(PACKED).read_to_string(&mut text));
        let mut types = BTreeMap::new();
        let (mut at, mut current) = (0, None);
        for line in text.split_inclusive('\n') {
            if !line.starts_with('\t') {
                let name = line.trim_end().split('\t').next().unwrap_or_default();
                current = Some(name.to_owned());
                types.insert(name.to_owned(), (at, at));
            }
            at += line.len();
            if let Some((_, end)) = current.as_ref().and_then(|name| types.get_mut(name)) {
                *end = at;
            }
        }
        Self { text, types }
    }

    fn lines(&self, name: &str) -> std::str::Lines<'_> {
        let (begin, end) = self.types.get(name).copied().unwrap_or_default();
        self.text[begin..end].lines()
    }

    /// What a type is for: `io.k8s.api.core.v1.Pod`.
    pub(crate) fn of_type(&self, name: &str) -> Option<String> {
        let (_, text) = self.lines(name).next()?.split_once('\t')?;
        serde_json::from_str(text).ok()
    }

    /// What a type's members are for.
    pub(crate) fn of_members(&self, name: &str) -> BTreeMap<&str, String> {
        self.lines(name)
            .skip(1)
            .filter_map(|line| {
                let (member, text) = line.strip_prefix('\t')?.split_once('\t')?;
                Some((member, serde_json::from_str(text).ok()?))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_and_members_are_described() {
        let all = Descriptions::unpack();
        assert!(all.types.len() > 600, "{}", all.types.len());
        let pod = "io.k8s.api.core.v1.Pod";
        assert!(
            all.of_type(pod)
                .unwrap()
                .starts_with("Pod is a collection of containers")
        );
        let members = all.of_members("io.k8s.api.core.v1.Container");
        assert!(members["image"].starts_with("Container image name."));
        assert!(members["resources"].starts_with("Compute Resources required by this container."));
        assert_eq!(all.of_type("io.k8s.api.core.v1.Nothing"), None);
    }
}
