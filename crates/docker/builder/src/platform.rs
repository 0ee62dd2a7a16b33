//! The platform that is built for. Files can be put together for any; what is run is for this machine.

use image::Platform;

use crate::{BuildError, golang};

/// The platform that is asked for.
///
/// # Errors
/// [`BuildError::Invalid`] for what is none.
pub(crate) fn wanted(asked: &str) -> Result<Platform, BuildError> {
    let parts = asked.split('/').count();
    parse(asked).filter(|_| parts <= 3).ok_or_else(|| {
        let asked = golang::quote(asked);
        BuildError::Invalid(format!(
            "{asked}: cannot parse platform specifier: invalid argument"
        ))
    })
}

/// Refuses a base that is for another platform than its stage.
///
/// # Errors
/// [`BuildError::Unsupported`].
pub(crate) fn check_base(base: &Platform, wanted: &Platform) -> Result<(), BuildError> {
    let (asked, here) = (golang::quote(&text(wanted)), text(&host()));
    if base.architecture.is_empty() || wanted.runs(base) {
        return Ok(());
    }
    Err(BuildError::Unsupported(format!(
        "building for platform {asked} is not supported on {here}"
    )))
}

/// Refuses to run what is for another machine.
///
/// # Errors
/// [`BuildError::Unsupported`].
pub(crate) fn check_run(program: &Platform) -> Result<(), BuildError> {
    if program.architecture.is_empty() || host().runs(program) {
        return Ok(());
    }
    let (asked, here) = (golang::quote(&text(program)), text(&host()));
    Err(BuildError::Unsupported(format!(
        "RUN for platform {asked} is not supported on {here}: there is no emulator here"
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
    fn platforms_are_read_and_others_are_refused() {
        let (host, other) = (host(), parse("linux/s390x").unwrap());
        for asked in ["linux/arm64", "linux", "amd64", "linux/x86_64", "linux/arm/v7"] {
            assert!(wanted(asked).is_ok(), "{asked}");
        }
        for asked in ["foo/bar/baz/x", "linux//", "a b"] {
            let expected = format!("\"{asked}\": cannot parse platform specifier: invalid argument");
            assert_eq!(wanted(asked).unwrap_err().to_string(), expected);
        }
        assert!(check_base(&host, &host).is_ok() && check_run(&host).is_ok());
        let here = text(&host);
        assert_eq!(
            check_base(&host, &other).unwrap_err().to_string(),
            format!("building for platform \"linux/s390x\" is not supported on {here}")
        );
        assert_eq!(
            check_run(&other).unwrap_err().to_string(),
            format!("RUN for platform \"linux/s390x\" is not supported on {here}: there is no emulator here")
        );
    }
}
