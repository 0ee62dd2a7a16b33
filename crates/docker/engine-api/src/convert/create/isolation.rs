//! Namespaces, privileges and filters.

use engine::spec::{
    Capabilities, CgroupNamespace, IpcNamespace, Isolation, PidNamespace, Seccomp, UserNamespace,
    UtsNamespace,
};

use super::Lookup;
use super::checks::normal_capability;
use crate::error::ApiError;
use crate::wire::host_config::HostConfig;

/// What a `HostConfig` says about isolation. Containers named in modes are looked up, and the mode
/// is rewritten to their id, so that a rename changes nothing.
pub(crate) fn isolation(host: &mut HostConfig, lookup: &dyn Lookup) -> Result<Isolation, ApiError> {
    for mode in [&mut host.pid_mode, &mut host.ipc_mode] {
        by_id(mode, lookup);
    }
    let mut isolation = Isolation {
        privileged: host.privileged,
        capabilities: Capabilities {
            add: names(&host.cap_add),
            drop: names(&host.cap_drop),
        },
        masked_paths: host.masked_paths.clone(),
        readonly_paths: host.readonly_paths.clone(),
        sysctls: host.sysctls.clone().unwrap_or_default(),
        ipc: ipc(&host.ipc_mode),
        pid: pid(&host.pid_mode),
        uts: if host.uts_mode == "host" {
            UtsNamespace::Host
        } else {
            UtsNamespace::Private
        },
        cgroup: cgroup(&host.cgroupns_mode),
        user: if host.userns_mode == "host" {
            UserNamespace::Host
        } else {
            UserNamespace::Default
        },
        ..Isolation::default()
    };
    host.security_opt
        .iter()
        .flatten()
        .try_for_each(|option| security_option(&mut isolation, option))?;
    Ok(isolation)
}

fn names(list: &Option<Vec<String>>) -> Vec<String> {
    list.iter()
        .flatten()
        .map(|name| normal_capability(name))
        .collect()
}

/// `container:NAME` with the name replaced by the id. Nobody of that name yet is for the start to say, as
/// upstream has it: a 404 here would make clients pull the image.
pub(crate) fn by_id(mode: &mut String, lookup: &dyn Lookup) {
    if let Some(Ok(id)) = mode.strip_prefix("container:").map(|name| lookup.container(name)) {
        *mode = format!("container:{id}");
    }
}

fn of_container(mode: &str) -> Option<String> {
    mode.strip_prefix("container:").map(String::from)
}

fn ipc(mode: &str) -> IpcNamespace {
    match mode {
        "none" => IpcNamespace::None,
        "shareable" => IpcNamespace::Shareable,
        "host" => IpcNamespace::Host,
        mode => of_container(mode).map_or(IpcNamespace::Private, IpcNamespace::Container),
    }
}

fn pid(mode: &str) -> PidNamespace {
    match mode {
        "host" => PidNamespace::Host,
        mode => of_container(mode).map_or(PidNamespace::Private, PidNamespace::Container),
    }
}

fn cgroup(mode: &str) -> CgroupNamespace {
    match mode {
        "private" => CgroupNamespace::Private,
        "host" => CgroupNamespace::Host,
        _ => CgroupNamespace::HostDefault,
    }
}

/// One `--security-opt`. What is malformed is upstream's 500.
fn security_option(isolation: &mut Isolation, option: &str) -> Result<(), ApiError> {
    match option {
        "no-new-privileges" => isolation.no_new_privileges = true,
        "disable" => isolation.selinux.push("disable".into()),
        "systempaths=unconfined" => {
            (isolation.masked_paths, isolation.readonly_paths) = (Some(Vec::new()), Some(Vec::new()));
        }
        option => {
            let pair = option.split_once('=').or_else(|| option.split_once(':'));
            let (key, value) =
                pair.ok_or_else(|| ApiError::internal(format!("invalid --security-opt 1: {option:?}")))?;
            keyed_option(isolation, option, key, value)?;
        }
    }
    Ok(())
}

fn keyed_option(isolation: &mut Isolation, option: &str, key: &str, value: &str) -> Result<(), ApiError> {
    match key {
        "label" => isolation.selinux.push(value.into()),
        "apparmor" => isolation.apparmor = value.into(),
        "seccomp" => isolation.seccomp = seccomp(value)?,
        "no-new-privileges" => {
            isolation.no_new_privileges = go_bool(value).ok_or_else(|| malformed(option))?;
        }
        "writable-cgroups" => match go_bool(value) {
            Some(false) => {}
            Some(true) => {
                return Err(ApiError::unsupported(
                    "HostConfig.SecurityOpt writable-cgroups is not supported yet",
                ));
            }
            None => return Err(malformed(option)),
        },
        _ => return Err(malformed(option)),
    }
    Ok(())
}

fn malformed(option: &str) -> ApiError {
    ApiError::internal(format!("invalid --security-opt 2: {option:?}"))
}

/// A profile comes as its text: the client reads the file.
fn seccomp(value: &str) -> Result<Seccomp, ApiError> {
    match value {
        "unconfined" => Ok(Seccomp::Unconfined),
        "" | "builtin" => Ok(Seccomp::Default),
        text => match serde_json::from_str::<serde_json::Value>(text) {
            Ok(serde_json::Value::Object(_)) => Ok(Seccomp::Profile(text.into())),
            Ok(_) => Err(ApiError::internal(
                "Decoding seccomp profile failed: it is no JSON object",
            )),
            Err(cause) => Err(ApiError::internal(format!(
                "Decoding seccomp profile failed: {cause}"
            ))),
        },
    }
}

/// Go's `strconv.ParseBool`.
pub(crate) fn go_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    struct One;

    impl Lookup for One {
        fn container(&self, name: &str) -> Result<String, ApiError> {
            if name == "peer" {
                Ok("f".repeat(64))
            } else {
                Err(ApiError::not_found(format!("No such container: {name}")))
            }
        }
    }

    fn read(host: serde_json::Value) -> Result<(Isolation, HostConfig), ApiError> {
        let mut host: HostConfig = serde_json::from_value(host).unwrap();
        isolation(&mut host, &One).map(|isolation| (isolation, host))
    }

    #[test]
    fn names_of_containers_become_ids() {
        let (isolation, host) =
            read(json!({"PidMode": "container:peer", "IpcMode": "container:peer"})).unwrap();
        assert_eq!(isolation.pid, PidNamespace::Container("f".repeat(64)));
        assert_eq!(host.ipc_mode, format!("container:{}", "f".repeat(64)));
        // Nobody of that name is the start's to say.
        let (isolation, _) = read(json!({"PidMode": "container:x"})).unwrap();
        assert_eq!(isolation.pid, PidNamespace::Container("x".into()));
    }

    #[test]
    fn security_options_are_read() {
        let (isolation, _) = read(json!({"SecurityOpt": [
            "no-new-privileges:true", "seccomp=unconfined", "apparmor:x", "label=user:a", "systempaths=unconfined"
        ]})).unwrap();
        assert!(isolation.no_new_privileges);
        assert_eq!(
            (isolation.seccomp, isolation.apparmor.as_str()),
            (Seccomp::Unconfined, "x")
        );
        assert_eq!(
            (isolation.selinux, isolation.masked_paths),
            (vec!["user:a".into()], Some(vec![]))
        );
    }

    #[test]
    fn malformed_security_options_are_refused() {
        for (option, sentence) in [
            ("zz", "invalid --security-opt 1: \"zz\""),
            ("zz=1", "invalid --security-opt 2: \"zz=1\""),
            (
                "no-new-privileges=maybe",
                "invalid --security-opt 2: \"no-new-privileges=maybe\"",
            ),
            (
                "writable-cgroups=1",
                "HostConfig.SecurityOpt writable-cgroups is not supported yet",
            ),
            (
                "seccomp=[]",
                "Decoding seccomp profile failed: it is no JSON object",
            ),
        ] {
            assert_eq!(
                read(json!({"SecurityOpt": [option]})).unwrap_err().message,
                sentence
            );
        }
    }
}
