//! The platform that is built for: this machine's, by whatever name it is asked for.

use image::Platform;

use crate::{BuildError, golang};

/// Refuses what is no platform, and what is not this machine's.
///
/// # Errors
/// [`BuildError::Invalid`], [`BuildError::Unsupported`].
pub(crate) fn check_platform(asked: &str, host: &Platform) -> Result<(), BuildError> {
    let parts: Vec<&str> = asked.split('/').collect();
    let word = |part: &&str| {
        !part.is_empty()
            && part
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
    };
    if parts.len() > 3 || !parts.iter().all(word) {
        let asked = golang::quote(asked);
        return Err(BuildError::Invalid(format!(
            "{asked}: cannot parse platform specifier: invalid argument"
        )));
    }
    let fits = match parts[..] {
        [one] => one == host.os || alias(one) == host.architecture,
        [os, architecture, ..] => os == host.os && alias(architecture) == host.architecture,
        [] => true,
    };
    if fits {
        return Ok(());
    }
    let (asked, here) = (golang::quote(asked), format!("{}/{}", host.os, host.architecture));
    Err(BuildError::Unsupported(format!(
        "building for platform {asked} is not supported on {here}"
    )))
}

/// This machine's.
pub(crate) fn host() -> Platform {
    Platform::host()
}

/// A platform as it is written.
pub(crate) fn text(platform: &Platform) -> String {
    let variant = platform
        .variant
        .as_ref()
        .map(|variant| format!("/{variant}"))
        .unwrap_or_default();
    format!("{}/{}{variant}", platform.os, platform.architecture)
}

/// A platform that is written as `os/architecture[/variant]` or as one of the two; the other is this
/// machine's.
pub(crate) fn parse(text: &str) -> Option<Platform> {
    const SYSTEMS: [&str; 8] = [
        "linux", "windows", "darwin", "freebsd", "netbsd", "openbsd", "solaris", "plan9",
    ];
    let host = Platform::host();
    let word = |part: &&str| {
        !part.is_empty()
            && part
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_.()+".contains(c))
    };
    let parts: Vec<&str> = text.split('/').collect();
    if !parts.iter().all(word) {
        return None;
    }
    let (os, architecture, variant) = match parts[..] {
        [one] if SYSTEMS.contains(&one) => (one, host.architecture.as_str(), None),
        [one] => (host.os.as_str(), alias(one), None),
        [os, architecture] => (os, alias(architecture), None),
        [os, architecture, variant] => (os, alias(architecture), Some(variant.to_owned())),
        _ => return None,
    };
    Some(Platform {
        os: os.to_owned(),
        architecture: architecture.to_owned(),
        variant,
    })
}

/// Architectures by the names that others have for them.
fn alias(architecture: &str) -> &str {
    match architecture {
        "x86_64" | "x86-64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_built_for() {
        let host = Platform {
            architecture: "amd64".into(),
            os: "linux".into(),
            variant: None,
        };
        let answer = |asked| check_platform(asked, &host).map_err(|error| error.to_string());
        for asked in ["linux/amd64", "linux", "amd64", "linux/x86_64", "linux/amd64/v2"] {
            assert_eq!(answer(asked), Ok(()), "{asked}");
        }
        let other = "building for platform \"linux/arm64\" is not supported on linux/amd64";
        assert_eq!(answer("linux/arm64").unwrap_err(), other);
        for asked in ["foo/bar/baz/x", "linux//", "a b"] {
            let expected = format!("\"{asked}\": cannot parse platform specifier: invalid argument");
            assert_eq!(answer(asked).unwrap_err(), expected);
        }
    }
}
