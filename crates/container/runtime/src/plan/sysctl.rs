//! `linux.sysctl`: which parameters belong to a namespace, so that setting one in a container
//! cannot change the host.

use super::PlanError;
use super::namespaces::bit;
use crate::spec::NamespaceType;

/// A parameter, or a family of them where the name ends with a dot, and its namespace.
const NAMESPACED: &[(&str, NamespaceType)] = &[
    ("fs.mqueue.", NamespaceType::Ipc),
    ("kernel.domainname", NamespaceType::Uts),
    ("kernel.hostname", NamespaceType::Uts),
    ("kernel.msgmax", NamespaceType::Ipc),
    ("kernel.msgmnb", NamespaceType::Ipc),
    ("kernel.msgmni", NamespaceType::Ipc),
    ("kernel.sem", NamespaceType::Ipc),
    ("kernel.shm_rmid_forced", NamespaceType::Ipc),
    ("kernel.shmall", NamespaceType::Ipc),
    ("kernel.shmmax", NamespaceType::Ipc),
    ("kernel.shmmni", NamespaceType::Ipc),
    ("net.", NamespaceType::Network),
];

/// The file below `/proc` for `key`, if the container has the namespace it belongs to.
pub(super) fn file(key: &str, has: impl Fn(u32) -> bool) -> Result<String, PlanError> {
    let property = || format!("linux.sysctl[{key}]");
    let invalid = |_| PlanError::invalid(property(), "not the name of a parameter");
    let dotted = sys::sysctl::dotted(key).map_err(invalid)?;
    let entry = NAMESPACED.iter().find(|(name, _)| {
        if name.ends_with('.') {
            dotted.starts_with(name)
        } else {
            dotted == *name
        }
    });
    let Some((_, namespace)) = entry else {
        return Err(PlanError::invalid(
            property(),
            "not in a namespace of its own: it would change the host",
        ));
    };
    if !has(bit(*namespace)) {
        return Err(PlanError::invalid(
            property(),
            format!("not allowed in the host's {namespace} namespace"),
        ));
    }
    let path = sys::sysctl::below_proc_sys(key).map_err(invalid)?;
    Ok(format!("sys/{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_notations_name_the_same_file() {
        let all = |_| true;
        assert_eq!(
            file("net.ipv4.ip_forward", all).unwrap(),
            "sys/net/ipv4/ip_forward"
        );
        assert_eq!(
            file("net/ipv4/conf/eth0.100/forwarding", all).unwrap(),
            "sys/net/ipv4/conf/eth0.100/forwarding"
        );
        assert_eq!(
            file("net.ipv4.conf.eth0/100.forwarding", all).unwrap(),
            "sys/net/ipv4/conf/eth0.100/forwarding"
        );
    }

    #[test]
    fn no_name_leads_out_of_its_family() {
        for key in [
            "net/../kernel/core_pattern",
            "net.//.kernel.core_pattern",
            "net/ipv4/../../kernel/core_pattern",
            "fs.mqueue.//.//.kernel.core_pattern",
            "net/./ipv4",
            "net..ipv4",
            "net.",
            "net.ipv4.",
        ] {
            let error = file(key, |_| true).unwrap_err();
            assert!(
                error.to_string().contains("not the name of a parameter"),
                "{key}: {error}"
            );
        }
    }

    #[test]
    fn the_host_is_out_of_reach() {
        let error = file("kernel.pid_max", |_| true).unwrap_err();
        assert!(error.to_string().contains("would change the host"), "{error}");
        let error = file("net.core.somaxconn", |_| false).unwrap_err();
        assert!(error.to_string().contains("host's network namespace"), "{error}");
    }
}
