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

/// Whether an image of one platform is what is asked for. One that does not say what it is for is for all, and where one of
/// both does not say its variant, that is no difference.
pub(crate) fn fits(wanted: &Platform, image: &Platform) -> bool {
    let (asked, own) = (normal(wanted.clone()), normal(image.clone()));
    own.architecture.is_empty()
        || asked.runs(&own)
            && (asked.variant.is_none() || own.variant.is_none() || asked.variant == own.variant)
}

/// A platform without what goes without saying (containerd's `Normalize`).
pub(crate) fn normal(mut platform: Platform) -> Platform {
    platform.variant = match (&*platform.architecture, platform.variant.as_deref()) {
        ("arm64", Some("v8" | "8")) | ("amd64", Some("v1")) | (_, Some("")) => None,
        ("arm", None | Some("7")) => Some("v7".to_owned()),
        ("arm", Some(number @ ("5" | "6" | "8"))) => Some(format!("v{number}")),
        _ => platform.variant,
    };
    platform
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
        assert!(fits(&host, &host) && !fits(&host, &other));
        for (wanted, image, expected) in [
            ("linux/arm64", "linux/arm64/v8", true),
            ("linux/arm64/v8", "linux/arm64", true),
            ("linux/arm", "linux/arm/v7", true),
            ("linux/arm", "linux/arm/v6", false),
            ("linux/arm/v6", "linux/arm/v6", true),
            ("linux/arm64", "linux/arm", false),
        ] {
            let [wanted, image] = [wanted, image].map(|text| parse(text).unwrap());
            assert_eq!(fits(&wanted, &image), expected, "{wanted:?} {image:?}");
        }
        let said = |text: &str| super::text(&normal(parse(text).unwrap()));
        assert_eq!(said("linux/arm64/v8"), "linux/arm64");
        assert_eq!(said("linux/amd64/v2"), "linux/amd64/v2");
        assert_eq!(said("linux/arm"), "linux/arm/v7");
    }
}
