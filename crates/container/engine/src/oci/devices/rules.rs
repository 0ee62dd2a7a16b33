//! Rules of the device cgroup.

use runtime::spec::{DeviceRuleType, LinuxDeviceCgroup};

use super::super::validate::Invalid;
use super::{Device, DeviceKind};

/// Type, major, minor, allowed: upstream's rules for every container after "nothing".
const BASICS: &[(DeviceRuleType, i64, i64, bool)] = &[
    (DeviceRuleType::Char, 1, 5, true),
    (DeviceRuleType::Char, 1, 3, true),
    (DeviceRuleType::Char, 1, 9, true),
    (DeviceRuleType::Char, 1, 8, true),
    (DeviceRuleType::Char, 5, 0, true),
    (DeviceRuleType::Char, 5, 1, true),
    (DeviceRuleType::Char, 10, 229, false),
];

/// What every container may use: nothing but these.
pub(super) fn basics() -> Vec<LinuxDeviceCgroup> {
    let nothing = rule(None, None, None, false, "rwm");
    let basics = BASICS
        .iter()
        .map(|(kind, major, minor, allow)| rule(Some(*kind), Some(*major), Some(*minor), *allow, "rwm"));
    std::iter::once(nothing).chain(basics).collect()
}

/// What a privileged container may use.
pub(super) fn everything() -> LinuxDeviceCgroup {
    rule(None, None, None, true, "rwm")
}

pub(super) fn access(device: Device, permissions: &str) -> LinuxDeviceCgroup {
    let kind = match device.kind {
        DeviceKind::Char => DeviceRuleType::Char,
        DeviceKind::Block => DeviceRuleType::Block,
    };
    let permissions = if permissions.is_empty() {
        "rwm"
    } else {
        permissions
    };
    rule(
        Some(kind),
        Some(device.major.into()),
        Some(device.minor.into()),
        true,
        permissions,
    )
}

fn rule(
    kind: Option<DeviceRuleType>,
    major: Option<i64>,
    minor: Option<i64>,
    allow: bool,
    access: &str,
) -> LinuxDeviceCgroup {
    LinuxDeviceCgroup {
        allow,
        kind,
        major,
        minor,
        access: access.to_owned(),
    }
}

/// Reads `TYPE MAJOR:MINOR ACCESS` of `--device-cgroup-rule`; `*` is every number.
pub(crate) fn parse(text: &str) -> Result<LinuxDeviceCgroup, Invalid> {
    let read = || {
        let mut words = text.split(' ');
        let kind = match words.next()? {
            "a" => DeviceRuleType::All,
            "b" => DeviceRuleType::Block,
            "c" => DeviceRuleType::Char,
            _ => return None,
        };
        let (major, minor) = words.next()?.split_once(':')?;
        let access = words.next().filter(|access| is_access(access))?;
        let rule = rule(
            Some(kind),
            Some(number(major)?),
            Some(number(minor)?),
            true,
            access,
        );
        words.next().is_none().then_some(rule)
    };
    read().ok_or_else(|| Invalid::new(format!("invalid device cgroup rule format: '{text}'")))
}

fn number(text: &str) -> Option<i64> {
    match text {
        "*" => Some(-1),
        digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok(),
        _ => None,
    }
}

/// One to three of `r`, `w`, `m`.
pub(crate) fn is_access(access: &str) -> bool {
    (1..=3).contains(&access.len()) && access.bytes().all(|byte| b"rwm".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read_strictly() {
        let good = parse("c 42:* rmw").unwrap();
        assert_eq!(
            (good.kind, good.major, good.minor),
            (Some(DeviceRuleType::Char), Some(42), Some(-1))
        );
        assert_eq!(good.access, "rmw");
        assert!(parse("a *:* m").is_ok());
        for bad in [
            "",
            "c",
            "c 1:3",
            "d 1:3 r",
            "c 1 r",
            "c 1:3 x",
            "c 1:3 rwmr",
            "c -1:3 r",
            "c 1:3 r ",
            "c  1:3 r",
        ] {
            let error = parse(bad).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("invalid device cgroup rule format: '{bad}'")
            );
        }
    }
}
