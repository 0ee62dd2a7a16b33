//! `/etc/hosts`, as upstream's kubelet writes it.

use std::fmt::Write as _;
use std::net::IpAddr;

use kubelet::pod::HostAlias;

use super::Names;

const HEADER: &str = "# Kubernetes-managed hosts file.\n";
const HEADER_OF_NODE: &str = "# Kubernetes-managed hosts file (host network).\n";

/// What every pod knows.
const LOCAL: &str = "127.0.0.1\tlocalhost\n\
                     ::1\tlocalhost ip6-localhost ip6-loopback\n\
                     fe00::0\tip6-localnet\n\
                     fe00::0\tip6-mcastprefix\n\
                     fe00::1\tip6-allnodes\n\
                     fe00::2\tip6-allrouters\n";

/// The file of a pod with a network of its own.
pub(super) fn managed(address: Option<IpAddr>, names: &Names, aliases: &[HostAlias]) -> String {
    let mut text = format!("{HEADER}{LOCAL}");
    if let Some(address) = address {
        let full = names.full().map(|full| format!("{full}\t")).unwrap_or_default();
        let _infallible = writeln!(text, "{address}\t{full}{}", names.host);
    }
    text + &of_aliases(aliases)
}

/// The file of a pod with the node's network: the node's.
pub(super) fn of_node(hosts: &str, aliases: &[HostAlias]) -> String {
    format!("{HEADER_OF_NODE}{hosts}{}", of_aliases(aliases))
}

fn of_aliases(aliases: &[HostAlias]) -> String {
    if aliases.is_empty() {
        return String::new();
    }
    let line = |alias: &HostAlias| format!("{}\t{}\n", alias.ip, alias.hostnames.join("\t"));
    let lines: String = aliases.iter().map(line).collect();
    format!("\n# Entries added by HostAliases.\n{lines}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(domain: &str) -> Names {
        Names {
            host: "web".to_owned(),
            domain: domain.to_owned(),
            full_in_kernel: false,
        }
    }

    #[test]
    fn a_pod_with_a_subdomain_has_both_names() {
        let address = Some([10, 42, 0, 5].into());
        let text = managed(address, &names("sub.x.svc.cluster.local"), &[]);
        let last = text.lines().last().unwrap();
        assert_eq!(last, "10.42.0.5\tweb.sub.x.svc.cluster.local\tweb");
        assert_eq!(text.lines().count(), 8);
    }

    #[test]
    fn aliases_come_last() {
        let alias = HostAlias {
            ip: "1.2.3.4".to_owned(),
            hostnames: vec!["a".to_owned(), "b".to_owned()],
        };
        let text = of_node("", &[alias]);
        assert_eq!(
            text,
            format!("{HEADER_OF_NODE}\n# Entries added by HostAliases.\n1.2.3.4\ta\tb\n")
        );
    }
}
