//! The program: arguments, rights, limits, filter.

use runtime::capability::{self, Capability, CapabilitySet};
use runtime::seccomp::{Profile, docker_default};
use runtime::spec::{ConsoleSize, LinuxCapabilities, LinuxSeccomp, PosixRlimit, Process, RlimitType};

use super::identity::User;
use super::validate::{Invalid, capabilities};
use super::{Facts, Inputs, TranslateError, environment};
use crate::spec::{ContainerSpec, Isolation, Seccomp, Ulimit};

pub(super) fn translate(
    spec: &ContainerSpec,
    inputs: &Inputs<'_>,
    user: &User,
    warnings: &mut Vec<String>,
) -> Result<Process, TranslateError> {
    let isolation = &spec.isolation;
    Ok(Process {
        cwd: if spec.cwd.is_empty() {
            "/".to_owned()
        } else {
            spec.cwd.clone()
        },
        terminal: spec.tty,
        console_size: spec
            .terminal_size
            .filter(|_| spec.tty)
            .map(|(rows, columns)| ConsoleSize {
                height: rows.into(),
                width: columns.into(),
            }),
        user: runtime::spec::User {
            uid: user.uid,
            gid: user.gid,
            additional_gids: user.groups.clone(),
            ..runtime::spec::User::default()
        },
        args: spec.args.clone(),
        env: environment::of_container(spec, inputs, user),
        capabilities: Some(capability_sets(capabilities_of(isolation, inputs.facts)?)),
        rlimits: rlimits(&spec.resources.ulimits, inputs.facts, warnings)?,
        no_new_privileges: isolation.no_new_privileges,
        apparmor_profile: apparmor(isolation, inputs.facts),
        oom_score_adj: Some(spec.resources.oom_score_adj),
        ..Process::default()
    })
}

/// The bounding set of a container.
pub(super) fn capabilities_of(isolation: &Isolation, facts: &Facts) -> Result<CapabilitySet, Invalid> {
    let available = facts.runtime.capabilities;
    let changes = &isolation.capabilities;
    capabilities(&changes.add, &changes.drop)?;
    let basis = CapabilitySet::DOCKER_DEFAULT;
    let tweaked = capability::tweak(
        basis,
        &changes.add,
        &changes.drop,
        isolation.privileged,
        available,
    );
    tweaked.map_err(|error| Invalid::new(format!("invalid capabilities: {error}")))
}

/// Upstream gives the same three sets to every user; the kernel takes the effective ones from a
/// program that does not run as root.
pub(crate) fn capability_sets(set: CapabilitySet) -> LinuxCapabilities {
    let names: Vec<String> = set.iter().map(|capability| capability.to_string()).collect();
    LinuxCapabilities {
        bounding: names.clone(),
        effective: names.clone(),
        permitted: names,
        ..LinuxCapabilities::default()
    }
}

/// The profile asked for; else Docker's where the host has loaded it. A host without AppArmor
/// has nothing to apply, as upstream has it.
fn apparmor(isolation: &Isolation, facts: &Facts) -> String {
    const DEFAULT: &str = "docker-default";
    match isolation.apparmor.as_str() {
        _ if !facts.runtime.apparmor => String::new(),
        "" if isolation.privileged => "unconfined".to_owned(),
        "" if !facts.docker_apparmor => String::new(),
        "" => DEFAULT.to_owned(),
        profile => profile.to_owned(),
    }
}

fn rlimits(
    ulimits: &[Ulimit],
    facts: &Facts,
    warnings: &mut Vec<String>,
) -> Result<Vec<PosixRlimit>, TranslateError> {
    ulimits
        .iter()
        .map(|ulimit| {
            let kind = rlimit_type(&ulimit.name)
                .ok_or_else(|| Invalid::new(format!("invalid ulimit type: {}", ulimit.name)))?;
            let wanted = PosixRlimit {
                kind,
                soft: limit(ulimit.soft),
                hard: limit(ulimit.hard),
            };
            Ok(within_reach(wanted, facts, warnings))
        })
        .collect()
}

/// A hard limit above our own takes CAP_SYS_RESOURCE; without it ours is the most there is.
fn within_reach(wanted: PosixRlimit, facts: &Facts, warnings: &mut Vec<String>) -> PosixRlimit {
    let own = facts.hard_limits.get(&wanted.kind).copied().unwrap_or(u64::MAX);
    if facts.runtime.capabilities.contains(Capability::SysResource) || wanted.hard <= own {
        return wanted;
    }
    warnings.push(format!(
        "{} is limited to {own}: this node may not raise it",
        wanted.kind
    ));
    PosixRlimit {
        kind: wanted.kind,
        soft: wanted.soft.min(own),
        hard: own,
    }
}

/// -1 is no limit.
fn limit(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

pub(super) fn rlimit_type(name: &str) -> Option<RlimitType> {
    RlimitType::ALL.iter().copied().find(|kind| {
        kind.as_str()
            .strip_prefix("RLIMIT_")
            .is_some_and(|bare| bare.eq_ignore_ascii_case(name))
    })
}

/// The filter: none for a privileged container unless it names a profile.
pub(super) fn seccomp(spec: &ContainerSpec, facts: &Facts) -> Result<Option<LinuxSeccomp>, TranslateError> {
    let isolation = &spec.isolation;
    let profile = match &isolation.seccomp {
        Seccomp::Unconfined => return Ok(None),
        Seccomp::Default if isolation.privileged => return Ok(None),
        Seccomp::Default => docker_default(),
        Seccomp::Profile(text) => parse_profile(text)?,
    };
    let capabilities = capabilities_of(isolation, facts)?;
    let resolved = profile.resolve(capabilities, facts.machine, facts.kernel);
    resolved.map_err(|error| TranslateError::Seccomp(error.to_string()))
}

fn parse_profile(text: &str) -> Result<Profile, TranslateError> {
    Profile::parse(text.as_bytes()).map_err(|error| {
        let source = std::error::Error::source(&error).map(ToString::to_string);
        TranslateError::Seccomp(source.unwrap_or_else(|| error.to_string()))
    })
}

#[cfg(test)]
mod tests {
    use super::super::facts::tests::facts;
    use super::*;

    #[test]
    fn every_limit_has_a_name() {
        assert_eq!(rlimit_type("nofile"), Some(RlimitType::Nofile));
        assert_eq!(rlimit_type("NPROC"), Some(RlimitType::Nproc));
        for bad in ["", "RLIMIT_NOFILE", "files"] {
            assert_eq!(rlimit_type(bad), None, "{bad}");
        }
    }

    #[test]
    fn limits_above_our_own_degrade_only_where_they_have_to() {
        let mut facts = facts();
        facts.hard_limits.insert(RlimitType::Nofile, 20_000);
        let ulimit = |soft, hard| {
            [Ulimit {
                name: "nofile".into(),
                soft,
                hard,
            }]
        };
        let mut check = |capabilities, soft, hard, expected: (u64, u64), warned: usize| {
            facts.runtime.capabilities = capabilities;
            let mut warnings = Vec::new();
            let found = rlimits(&ulimit(soft, hard), &facts, &mut warnings).unwrap();
            assert_eq!(
                (found[0].soft, found[0].hard, warnings.len()),
                (expected.0, expected.1, warned)
            );
        };
        let plain = CapabilitySet::DOCKER_DEFAULT;
        check(plain, 1024, 4096, (1024, 4096), 0);
        check(plain, 1024, 65_536, (1024, 20_000), 1);
        check(plain, -1, -1, (20_000, 20_000), 1);
        check(CapabilitySet::KNOWN, -1, -1, (u64::MAX, u64::MAX), 0);
    }

    #[test]
    fn apparmor_is_applied_where_the_host_has_it() {
        let check = |host: bool, loaded: bool, privileged: bool, asked: &str, expected: &str| {
            let mut facts = facts();
            (facts.runtime.apparmor, facts.docker_apparmor) = (host, loaded);
            let isolation = Isolation {
                privileged,
                apparmor: asked.into(),
                ..Isolation::default()
            };
            assert_eq!(apparmor(&isolation, &facts), expected);
        };
        check(false, true, false, "mine", "");
        check(true, true, false, "", "docker-default");
        check(true, false, false, "", "");
        check(true, true, true, "", "unconfined");
        check(true, true, true, "mine", "mine");
    }

    #[test]
    fn which_filter_a_container_has() {
        let check = |seccomp: Seccomp, privileged: bool| {
            let mut spec = ContainerSpec::default();
            (spec.isolation.seccomp, spec.isolation.privileged) = (seccomp, privileged);
            super::seccomp(&spec, &facts()).map(|filter| filter.map(|filter| filter.syscalls.len()))
        };
        assert!(
            check(Seccomp::Default, false)
                .unwrap()
                .is_some_and(|rules| rules > 10)
        );
        assert_eq!(check(Seccomp::Default, true).unwrap(), None);
        assert_eq!(check(Seccomp::Unconfined, false).unwrap(), None);
        let own = r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["swapon"],"action":"SCMP_ACT_ERRNO"}]}"#;
        for privileged in [false, true] {
            assert_eq!(check(Seccomp::Profile(own.into()), privileged).unwrap(), Some(1));
        }
        let error = check(Seccomp::Profile("{".into()), false)
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("decoding seccomp profile failed: "), "{error}");
    }
}
