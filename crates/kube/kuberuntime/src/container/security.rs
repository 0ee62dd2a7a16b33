//! Whom a container runs as and what it may do there: the container's `securityContext` over the pod's over the image's.

use std::fs;
use std::path::Path;

use engine::spec::{Capabilities, ListedGroups, Seccomp};
use kubelet::Pod;
use kubelet::pod::{Container, Profile, ProfileType, SupplementalGroupsPolicy};

/// The largest seccomp profile that is read.
const MAX_PROFILE: u64 = 1 << 20;

/// Whom a container runs as, as the engine takes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct RunAs {
    /// `USER[:GROUP]`
    pub(super) user: String,
    pub(super) groups: Vec<String>,
    pub(super) listed: ListedGroups,
}

/// Whom a container runs as. `image` is the image's `USER`.
///
/// # Errors
/// The container must not run as root and would, or might: upstream's sentence.
pub(super) fn run_as(pod: &Pod, container: &Container, image: &str) -> Result<RunAs, String> {
    let (own, all) = (&container.security_context, &pod.spec.security_context);
    let user = own.run_as_user.or(all.run_as_user);
    if own.run_as_non_root.or(all.run_as_non_root) == Some(true) {
        refuse_root(pod, container, user, image)?;
    }
    let (image_user, image_group) = image.split_once(':').unwrap_or((image, ""));
    let group = own
        .run_as_group
        .or(all.run_as_group)
        .map(|group| group.to_string());
    let group = match (group, user) {
        (Some(group), _) => group,
        // The image's group is that of the image's user.
        (None, None) => image_group.to_owned(),
        (None, Some(_)) => String::new(),
    };
    let user = match user {
        Some(user) => user.to_string(),
        None if image_user.is_empty() && !group.is_empty() => "0".to_owned(),
        None => image_user.to_owned(),
    };
    let groups = all.supplemental_groups.iter().chain(&all.fs_group);
    Ok(RunAs {
        user: if group.is_empty() {
            user
        } else {
            format!("{user}:{group}")
        },
        groups: groups.map(ToString::to_string).collect(),
        listed: match all.supplemental_groups_policy {
            SupplementalGroupsPolicy::Merge => ListedGroups::Always,
            SupplementalGroupsPolicy::Strict => ListedGroups::Never,
        },
    })
}

/// Upstream's `verifyRunAsNonRoot`.
fn refuse_root(pod: &Pod, container: &Container, user: Option<i64>, image: &str) -> Result<(), String> {
    let whose = format!("(pod: {:?}, container: {})", pod.described(), container.name);
    let named = image.split(':').next().unwrap_or_default();
    match (user, named.parse::<i64>()) {
        (Some(0), _) => Err(format!("container's runAsUser breaks non-root policy {whose}")),
        (Some(_), _) => Ok(()),
        (None, Ok(0)) => Err(format!(
            "container has runAsNonRoot and image will run as root {whose}"
        )),
        (None, Ok(_)) => Ok(()),
        (None, Err(_)) if named.is_empty() => Err(format!(
            "container has runAsNonRoot and image will run as root {whose}"
        )),
        (None, Err(_)) => Err(format!(
            "container has runAsNonRoot and image has non-numeric user ({named}), cannot verify user is non-root {whose}"
        )),
    }
}

/// Changes to the default capabilities.
pub(super) fn capabilities(container: &Container) -> Capabilities {
    let asked = &container.security_context.capabilities;
    Capabilities {
        add: asked.add.clone(),
        drop: asked.drop.clone(),
    }
}

/// The profile of AppArmor in the engine's words: empty for the default one.
pub(super) fn apparmor(pod: &Pod, container: &Container) -> String {
    match profile(
        &container.security_context.app_armor_profile,
        &pod.spec.security_context.app_armor_profile,
    ) {
        None => String::new(),
        Some(profile) => match profile.kind {
            ProfileType::RuntimeDefault => String::new(),
            ProfileType::Unconfined => "unconfined".to_owned(),
            ProfileType::Localhost => profile.localhost_profile.clone(),
        },
    }
}

/// The filter of system calls. Where nothing is said it is the runtime's own (house: secure by default; upstream's
/// `--seccomp-default`). Profiles of the node lie in `directory`.
///
/// # Errors
/// A profile of the node that cannot be read.
pub(super) fn seccomp(pod: &Pod, container: &Container, directory: &Path) -> Result<Seccomp, String> {
    let own = &container.security_context.seccomp_profile;
    match profile(own, &pod.spec.security_context.seccomp_profile) {
        None => Ok(Seccomp::Default),
        Some(profile) => match profile.kind {
            ProfileType::RuntimeDefault => Ok(Seccomp::Default),
            ProfileType::Unconfined => Ok(Seccomp::Unconfined),
            ProfileType::Localhost => read_profile(&directory.join(&profile.localhost_profile)),
        },
    }
}

fn profile<'a>(own: &'a Option<Profile>, pod: &'a Option<Profile>) -> Option<&'a Profile> {
    own.as_ref().or(pod.as_ref())
}

fn read_profile(path: &Path) -> Result<Seccomp, String> {
    let failed = |reason: String| format!("cannot load seccomp profile {:?}: {reason}", path.display());
    let size = fs::metadata(path)
        .map_err(|error| failed(error.to_string()))?
        .len();
    if size > MAX_PROFILE {
        return Err(failed(format!("it is larger than {MAX_PROFILE} bytes")));
    }
    let text = fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    Ok(Seccomp::Profile(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(pod: &str, container: &str) -> Pod {
        let json = format!(
            r#"{{"metadata":{{"name":"p","namespace":"n","uid":"u"}},"spec":{{"securityContext":{pod},
                "containers":[{{"name":"c","securityContext":{container}}}]}}}}"#
        );
        Pod::parse(json.as_bytes()).unwrap()
    }

    fn who(of_pod: &str, own: &str, image: &str) -> Result<(String, Vec<String>), String> {
        let pod = pod(of_pod, own);
        run_as(&pod, &pod.spec.all[0], image).map(|who| (who.user, who.groups))
    }

    #[test]
    fn users_and_groups() {
        let cases = [
            ("{}", "{}", "", ""),
            ("{}", "{}", "web", "web"),
            ("{}", "{}", "web:us", "web:us"),
            (r#"{"runAsUser":1}"#, "{}", "web:us", "1"),
            (r#"{"runAsUser":1}"#, r#"{"runAsUser":2}"#, "", "2"),
            (r#"{"runAsUser":1,"runAsGroup":3}"#, "{}", "", "1:3"),
            (r#"{"runAsGroup":3}"#, "{}", "web:us", "web:3"),
            (r#"{"runAsGroup":3}"#, "{}", "", "0:3"),
        ];
        for (of_pod, own, image, expected) in cases {
            assert_eq!(
                who(of_pod, own, image).unwrap().0,
                expected,
                "{of_pod} {own} {image}"
            );
        }
        let groups = r#"{"supplementalGroups":[5,6],"fsGroup":7,"supplementalGroupsPolicy":"Strict"}"#;
        assert_eq!(who(groups, "{}", "").unwrap().1, ["5", "6", "7"]);
        let strict = pod(groups, "{}");
        assert_eq!(
            run_as(&strict, &strict.spec.all[0], "").unwrap().listed,
            ListedGroups::Never
        );
    }

    #[test]
    fn root_is_refused_in_upstream_s_words() {
        let non_root = r#"{"runAsNonRoot":true}"#;
        let whose = r#"(pod: "p_n(u)", container: c)"#;
        let cases = [
            (
                r#"{"runAsNonRoot":true,"runAsUser":0}"#,
                "web",
                "container's runAsUser breaks non-root policy ",
            ),
            (
                non_root,
                "",
                "container has runAsNonRoot and image will run as root ",
            ),
            (
                non_root,
                "0:5",
                "container has runAsNonRoot and image will run as root ",
            ),
            (
                non_root,
                "web:5",
                "container has runAsNonRoot and image has non-numeric user (web), cannot verify user is non-root ",
            ),
        ];
        for (own, image, text) in cases {
            assert_eq!(who("{}", own, image).unwrap_err(), format!("{text}{whose}"));
        }
        assert_eq!(who("{}", non_root, "33:0").unwrap().0, "33:0");
        assert_eq!(who(non_root, r#"{"runAsNonRoot":false}"#, "").unwrap().0, "");
        assert_eq!(who(r#"{"runAsUser":4}"#, non_root, "web").unwrap().0, "4");
    }

    #[test]
    fn profiles_are_the_container_s_then_the_pod_s_then_the_runtime_s() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("own.json"), "{}").unwrap();
        let check = |of_pod: &str, own: &str| {
            let pod = pod(of_pod, own);
            seccomp(&pod, &pod.spec.all[0], directory.path())
        };
        let unconfined = r#"{"seccompProfile":{"type":"Unconfined"}}"#;
        let default = r#"{"seccompProfile":{"type":"RuntimeDefault"}}"#;
        let own = r#"{"seccompProfile":{"type":"Localhost","localhostProfile":"own.json"}}"#;
        assert_eq!(check("{}", "{}"), Ok(Seccomp::Default));
        assert_eq!(check(unconfined, "{}"), Ok(Seccomp::Unconfined));
        assert_eq!(check(unconfined, default), Ok(Seccomp::Default));
        assert_eq!(check("{}", own), Ok(Seccomp::Profile("{}".into())));
        let missing = check("{}", &own.replace("own.json", "none.json")).unwrap_err();
        assert!(missing.starts_with("cannot load seccomp profile "), "{missing}");
    }

    #[test]
    fn apparmor_in_the_engine_s_words() {
        let check = |own: &str| {
            let pod = pod("{}", own);
            apparmor(&pod, &pod.spec.all[0])
        };
        assert_eq!(check("{}"), "");
        assert_eq!(check(r#"{"appArmorProfile":{"type":"RuntimeDefault"}}"#), "");
        assert_eq!(
            check(r#"{"appArmorProfile":{"type":"Unconfined"}}"#),
            "unconfined"
        );
        assert_eq!(
            check(r#"{"appArmorProfile":{"type":"Localhost","localhostProfile":"mine"}}"#),
            "mine"
        );
    }
}
