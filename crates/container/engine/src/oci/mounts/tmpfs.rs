//! Options of a tmpfs (`--tmpfs`, `--mount type=tmpfs`), merged as upstream merges them.

use std::collections::BTreeSet;

use super::super::defaults;
use super::super::validate::Invalid;
use super::ReadOnly;

/// Words that a tmpfs takes, with what they are a choice of: the last word of a choice wins.
const WORDS: &[(&str, &str)] = &[
    ("async", "sync"),
    ("atime", "atime"),
    ("dev", "dev"),
    ("diratime", "diratime"),
    ("dirsync", "dirsync"),
    ("exec", "exec"),
    ("mand", "mand"),
    ("noatime", "atime"),
    ("nodev", "dev"),
    ("nodiratime", "diratime"),
    ("noexec", "exec"),
    ("nomand", "mand"),
    ("norelatime", "relatime"),
    ("nostrictatime", "strictatime"),
    ("nosuid", "suid"),
    ("private", "propagation"),
    ("relatime", "relatime"),
    ("ro", "ro"),
    ("rprivate", "propagation"),
    ("rshared", "propagation"),
    ("rslave", "propagation"),
    ("rw", "ro"),
    ("shared", "propagation"),
    ("slave", "propagation"),
    ("strictatime", "strictatime"),
    ("suid", "suid"),
    ("sync", "sync"),
    ("unbindable", "propagation"),
];

/// Names that a tmpfs takes with a value.
const VALUES: &[&str] = &["gid", "mode", "mpol", "nr_blocks", "nr_inodes", "size", "uid"];

/// The choice a tmpfs option belongs to.
fn choice(option: &str) -> Option<&'static str> {
    if let Some((name, _)) = option.split_once('=') {
        return VALUES.iter().copied().find(|known| *known == name);
    }
    WORDS
        .iter()
        .find(|(word, _)| *word == option)
        .map(|(_, choice)| *choice)
}

/// Checks the options of a tmpfs: `--tmpfs` takes any of mount(8) that a tmpfs has.
pub(crate) fn check(options: &[String]) -> Result<(), Invalid> {
    let known = |option: &&String| *option != "defaults" && choice(option).is_none();
    match options.iter().find(known) {
        // Upstream prints what it split at the equals sign, as a list.
        Some(bad) => Err(Invalid::new(format!("invalid tmpfs option [{}]", quoted(bad)))),
        None => Ok(()),
    }
}

fn quoted(option: &str) -> String {
    let parts: Vec<String> = option.splitn(2, '=').map(|part| format!("{part:?}")).collect();
    parts.join(" ")
}

/// Upstream's defaults, then the user's; of each choice the last one stays, in its place.
pub(super) fn merged(options: &[String], read_only: ReadOnly) -> Result<Vec<String>, Invalid> {
    check(options)?;
    let mut all = defaults::owned(&["noexec", "nosuid", "nodev", "rprivate"]);
    all.extend((read_only != ReadOnly::No).then(|| "ro".to_owned()));
    all.extend(options.iter().filter(|option| *option != "defaults").cloned());
    let mut seen = BTreeSet::new();
    let mut merged: Vec<String> = all
        .into_iter()
        .rev()
        .filter(|option| seen.insert(choice(option)))
        .collect();
    merged.reverse();
    Ok(merged)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::defaults::owned;

    #[test]
    fn tmpfs_options_are_merged_the_last_of_a_choice_wins() {
        let merge = |options: &[&str], read_only| merged(&owned(options), read_only);
        let check = |options: &[&str], expected: &[&str]| {
            assert_eq!(
                merge(options, ReadOnly::No).unwrap(),
                owned(expected),
                "{options:?}"
            );
        };
        check(&[], &["noexec", "nosuid", "nodev", "rprivate"]);
        check(
            &["exec", "size=64m"],
            &["nosuid", "nodev", "rprivate", "exec", "size=64m"],
        );
        check(
            &["rw", "size=1", "size=2"],
            &["noexec", "nosuid", "nodev", "rprivate", "rw", "size=2"],
        );
        check(&["defaults", "shared"], &["noexec", "nosuid", "nodev", "shared"]);
        assert!(
            merge(&[], ReadOnly::Recursive)
                .unwrap()
                .contains(&"ro".to_owned())
        );
        for (bad, shown) in [
            ("wibble", r#"["wibble"]"#),
            ("wobble=1", r#"["wobble" "1"]"#),
            ("size", r#"["size"]"#),
        ] {
            let error = merge(&[bad], ReadOnly::No).unwrap_err();
            assert_eq!(error.to_string(), format!("invalid tmpfs option {shown}"));
        }
    }

    #[test]
    fn the_words_of_a_tmpfs_are_sorted() {
        assert!(WORDS.is_sorted_by(|a, b| a.0 < b.0));
    }
}
