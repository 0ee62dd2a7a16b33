//! The `local` driver's rules: names, and the options `type`, `device`, `o`, `size`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use rustix::mount::MountFlags;

/// What a volume is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Options {
    /// A directory.
    Plain,
    /// A directory elsewhere on the host.
    Bind {
        source: PathBuf,
        recursive: bool,
        read_only: bool,
    },
    /// A file system in memory, there while a container uses it.
    Tmpfs { flags: MountFlags, data: String },
}

/// Words of `o` that are flags of mount(2).
const FLAGS: &[(&str, MountFlags)] = &[
    ("dirsync", MountFlags::DIRSYNC),
    ("noatime", MountFlags::NOATIME),
    ("nodev", MountFlags::NODEV),
    ("nodiratime", MountFlags::NODIRATIME),
    ("noexec", MountFlags::NOEXEC),
    ("nosuid", MountFlags::NOSUID),
    ("relatime", MountFlags::RELATIME),
    ("ro", MountFlags::RDONLY),
    ("strictatime", MountFlags::STRICTATIME),
    ("sync", MountFlags::SYNCHRONOUS),
];

/// Words of `o` that say the default.
const DEFAULTS: &[&str] = &[
    "async", "atime", "defaults", "dev", "diratime", "exec", "rw", "suid",
];

/// An option, and the options it needs beside it.
const NEEDS: &[(&str, &[&str])] = &[
    ("device", &["type"]),
    ("o", &["device", "type"]),
    ("type", &["device"]),
];

impl Options {
    /// Reads the options; the error is upstream's text.
    pub(super) fn parse(options: &BTreeMap<String, String>) -> Result<Self, String> {
        const KNOWN: [&str; 4] = ["device", "o", "size", "type"];
        if let Some(unknown) = options.keys().find(|name| !KNOWN.contains(&name.as_str())) {
            return Err(format!("invalid option: {unknown:?}"));
        }
        if let Some(size) = options.get("size") {
            check_quota(size)?;
        }
        for (option, needed) in NEEDS.iter().filter(|(option, _)| options.contains_key(*option)) {
            debug_assert!(KNOWN.contains(option), "a rule about an option that exists");
            if let Some(missing) = needed.iter().find(|name| !options.contains_key(**name)) {
                return Err(format!("missing required option: {missing:?}"));
            }
        }
        let get = |name: &str| options.get(name).map_or("", String::as_str);
        let words: Vec<&str> = get("o").split(',').filter(|word| !word.is_empty()).collect();
        match get("type") {
            "" => Ok(Self::Plain),
            "tmpfs" => Ok(tmpfs(&words)),
            "none" | "bind" => bind(get("device"), &words),
            other => Err(format!(
                "volumes of type {other:?} are not supported yet: use \"tmpfs\", or \"none\" with o=bind"
            )),
        }
    }
}

fn tmpfs(words: &[&str]) -> Options {
    let mut flags = MountFlags::empty();
    let mut data = Vec::new();
    for word in words.iter().filter(|word| !DEFAULTS.contains(word)) {
        match FLAGS.iter().find(|(name, _)| name == word) {
            Some((_, flag)) => flags |= *flag,
            None => data.push(*word),
        }
    }
    Options::Tmpfs {
        flags,
        data: data.join(","),
    }
}

/// A bind is made in the container's own mount namespace, where only these words have a meaning.
fn bind(device: &str, words: &[&str]) -> Result<Options, String> {
    const MEANT: [&str; 4] = ["bind", "rbind", "ro", "rw"];
    if !words.contains(&"bind") && !words.contains(&"rbind") {
        return Err("a volume of type \"none\" needs o=bind or o=rbind".to_owned());
    }
    let unknown = words
        .iter()
        .find(|word| !MEANT.contains(word) && !DEFAULTS.contains(word));
    if let Some(word) = unknown {
        return Err(format!("option {word:?} of a bind volume is not supported yet"));
    }
    if !device.starts_with('/') {
        return Err(format!(
            "device of a bind volume must be an absolute path: {device:?}"
        ));
    }
    Ok(Options::Bind {
        source: PathBuf::from(device),
        recursive: words.contains(&"rbind"),
        read_only: words.contains(&"ro"),
    })
}

/// There are no quotas of directories here, so a size can only be none.
fn check_quota(size: &str) -> Result<(), String> {
    let digits = size
        .trim_end_matches(|unit: char| unit.is_ascii_alphabetic())
        .trim();
    let bytes: f64 = digits.parse().map_err(|_| format!("invalid size: '{size}'"))?;
    if bytes > 0.0 {
        Err("quota size requested but no quota support".to_owned())
    } else {
        Ok(())
    }
}

/// Checks a name: `[a-zA-Z0-9][a-zA-Z0-9_.-]+`. The error is upstream's text.
pub(super) fn check_name(name: &str) -> Result<(), String> {
    if name.len() == 1 {
        return Err(
            "volume name is too short, names should be at least two alphanumeric characters".to_owned(),
        );
    }
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    let begins = name
        .bytes()
        .next()
        .is_some_and(|first| first.is_ascii_alphanumeric());
    // A longer one would be no name of a directory.
    if begins && name.bytes().all(fits) && name.len() <= 255 - super::REMOVING.len() {
        return Ok(());
    }
    Err(format!(
        "{name:?} includes invalid characters for a local volume name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host directory, use absolute path"
    ))
}

/// Checks a driver's name; plugins do not exist.
pub(super) fn check_driver(name: &str) -> Result<(), String> {
    match name {
        "" | super::LOCAL => Ok(()),
        other => Err(format!(
            "error looking up volume plugin {other}: plugin {other:?} not found"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(options: &[(&str, &str)]) -> Result<Options, String> {
        Options::parse(
            &options
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect(),
        )
    }

    #[test]
    fn what_a_volume_can_be() {
        assert_eq!(parse(&[]), Ok(Options::Plain));
        assert_eq!(parse(&[("size", "0")]), Ok(Options::Plain));
        let memory = parse(&[
            ("type", "tmpfs"),
            ("device", "tmpfs"),
            ("o", "size=1m,uid=5,noexec,rw"),
        ]);
        assert_eq!(
            memory,
            Ok(Options::Tmpfs {
                flags: MountFlags::NOEXEC,
                data: "size=1m,uid=5".into()
            })
        );
        let bind = |recursive, read_only| {
            Ok(Options::Bind {
                source: "/srv".into(),
                recursive,
                read_only,
            })
        };
        assert_eq!(
            parse(&[("type", "none"), ("device", "/srv"), ("o", "bind")]),
            bind(false, false)
        );
        assert_eq!(
            parse(&[("type", "none"), ("device", "/srv"), ("o", "rbind,ro")]),
            bind(true, true)
        );
    }

    #[test]
    fn what_it_cannot_be_is_said() {
        for (options, text) in [
            (&[("color", "red")][..], "invalid option: \"color\""),
            (&[("type", "tmpfs")], "missing required option: \"device\""),
            (&[("device", "/x")], "missing required option: \"type\""),
            (&[("o", "bind")], "missing required option: \"device\""),
            (&[("size", "1g")], "quota size requested but no quota support"),
            (&[("size", "big")], "invalid size: 'big'"),
            (
                &[("type", "nfs"), ("device", ":/x")],
                "volumes of type \"nfs\" are not supported yet: use \"tmpfs\", or \"none\" with o=bind",
            ),
            (
                &[("type", "none"), ("device", "/x")],
                "a volume of type \"none\" needs o=bind or o=rbind",
            ),
            (
                &[("type", "none"), ("device", "x"), ("o", "bind")],
                "device of a bind volume must be an absolute path: \"x\"",
            ),
            (
                &[("type", "none"), ("device", "/x"), ("o", "bind,noexec")],
                "option \"noexec\" of a bind volume is not supported yet",
            ),
        ] {
            assert_eq!(parse(options), Err(text.to_owned()));
        }
    }

    #[test]
    fn names() {
        for good in ["ab", "a.b", "A_9-x", &"x".repeat(200)] {
            assert_eq!(check_name(good), Ok(()), "{good}");
        }
        assert!(
            check_name("a")
                .unwrap_err()
                .starts_with("volume name is too short")
        );
        for bad in ["", ".a", "-a", "a/b", "a b", "é", "_a", &"x".repeat(255)] {
            assert!(
                check_name(bad)
                    .unwrap_err()
                    .contains("includes invalid characters"),
                "{bad}"
            );
        }
    }
}
