//! The order of groups: the priorities that upstream gives its own APIServices.

/// How a group stands among others (`APIService.spec`): greater comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupPriority {
    /// `groupPriorityMinimum`
    pub group: i32,
    /// `versionPriority` of a version
    pub version: i32,
}

/// Built-in groups; the core group is not among those under `/apis`.
const GROUPS: &[(&str, i32)] = &[
    ("", 18_000),
    ("admissionregistration.k8s.io", 16_700),
    ("apiextensions.k8s.io", 16_700),
    ("apiregistration.k8s.io", 20_000),
    ("apps", 17_800),
    ("authentication.k8s.io", 17_700),
    ("authorization.k8s.io", 17_600),
    ("autoscaling", 17_500),
    ("batch", 17_400),
    ("certificates.k8s.io", 17_300),
    ("coordination.k8s.io", 16_500),
    ("discovery.k8s.io", 16_200),
    ("events.k8s.io", 17_750),
    ("flowcontrol.apiserver.k8s.io", 16_100),
    ("internal.apiserver.k8s.io", 16_000),
    ("networking.k8s.io", 17_200),
    ("node.k8s.io", 16_300),
    ("policy", 17_100),
    ("rbac.authorization.k8s.io", 17_000),
    ("resource.k8s.io", 15_900),
    ("scheduling.k8s.io", 16_600),
    ("storage.k8s.io", 16_800),
    ("storagemigration.k8s.io", 16_800),
];

/// Versions whose priority is not that of their stability.
const VERSIONS: &[(&str, &str, i32)] = &[("", "v1", 1), ("autoscaling", "v2", 30)];

/// The priorities of a group's version; those of custom resources if the group is not built in.
pub fn group_priority(group: &str, version: &str) -> GroupPriority {
    let Ok(at) = GROUPS.binary_search_by_key(&group, |(name, _)| name) else {
        return GroupPriority {
            group: 1000,
            version: 100,
        };
    };
    let special = VERSIONS
        .iter()
        .find(|(name, of, _)| (*name, *of) == (group, version));
    let version = match special {
        Some((.., priority)) => *priority,
        None if version.contains("alpha") => 1,
        None if version.contains("beta") => 9,
        None => 15,
    };
    GroupPriority {
        group: GROUPS[at].1,
        version,
    }
}

/// The key by which versions of equal priority are sorted, greatest first: upstream's "kube-aware" order, stable
/// before beta before alpha, newer before older, and other names last, by name.
pub fn version_rank(version: &str) -> (u8, u32, u32, std::cmp::Reverse<&str>) {
    let name = std::cmp::Reverse(version);
    parse(version).map_or((0, 0, 0, name), |(stability, major, minor)| {
        (stability, major, minor, name)
    })
}

fn parse(version: &str) -> Option<(u8, u32, u32)> {
    let rest = version.strip_prefix('v')?;
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (major, rest) = rest.split_at(end);
    let major = major.parse().ok()?;
    if rest.is_empty() {
        return Some((3, major, 0));
    }
    let (stability, minor) = match (rest.strip_prefix("beta"), rest.strip_prefix("alpha")) {
        (Some(minor), _) => (2, minor),
        (_, Some(minor)) => (1, minor),
        (None, None) => return None,
    };
    Some((stability, major, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_sorted_by_name() {
        assert!(GROUPS.is_sorted_by_key(|(name, _)| *name));
    }

    #[test]
    fn versions_are_ranked_as_upstream_does() {
        let mut versions = [
            "v1alpha1",
            "foo1",
            "v10",
            "v2beta1",
            "v1",
            "v2",
            "v11alpha2",
            "foo10",
            "v3beta1",
        ];
        versions.sort_by_key(|version| std::cmp::Reverse(version_rank(version)));
        let expected = [
            "v10",
            "v2",
            "v1",
            "v3beta1",
            "v2beta1",
            "v11alpha2",
            "v1alpha1",
            "foo1",
            "foo10",
        ];
        assert_eq!(versions, expected);
    }
}
