//! `/etc/hosts` of a container.

use std::net::IpAddr;

use crate::Error;

/// What users write for the address of the host itself.
const HOST_GATEWAY: &str = "host-gateway";

/// The lines that every hosts file begins with.
const HOSTS4: &str = "127.0.0.1\tlocalhost\n";
const HOSTS6: &str = "::1\tlocalhost ip6-localhost ip6-loopback\nfe00::\tip6-localnet\n\
    ff00::\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n";

/// A line of a hosts file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Host {
    pub(crate) address: IpAddr,
    pub(crate) names: String,
}

/// A hosts file: the usual lines, what the user added, the container's own addresses. A container
/// whose user has switched IPv6 off reads nothing of it.
pub(crate) fn hosts(extra: &[Host], own: &[Host], ipv6: bool) -> String {
    let usual = [HOSTS4, if ipv6 { HOSTS6 } else { "" }].concat();
    let hosts = extra
        .iter()
        .chain(own)
        .filter(|host| ipv6 || host.address.is_ipv4());
    hosts.fold(usual, |text, host| {
        format!("{text}{}\t{}\n", host.address, host.names)
    })
}

/// `--add-host` lines, `NAME:ADDRESS`; the address `host-gateway` means `gateways`. The address may
/// have colons and brackets. Lines that [`refuse_extra_hosts`] refuses are none.
pub(crate) fn extra_hosts(lines: &[String], gateways: &[IpAddr]) -> Vec<Host> {
    let hosts = lines.iter().filter_map(|line| extra_host(line, gateways).ok());
    hosts.flatten().collect()
}

/// Judges `--add-host` lines.
///
/// # Errors
/// [`Error::Invalid`], in upstream's words.
pub(crate) fn refuse_extra_hosts(lines: &[String], gateways: &[IpAddr]) -> Result<(), Error> {
    lines
        .iter()
        .try_for_each(|line| extra_host(line, gateways).map(drop))
}

fn extra_host(line: &str, gateways: &[IpAddr]) -> Result<Vec<Host>, Error> {
    let bad = || Error::Invalid(format!("bad format for add-host: {line:?}"));
    let (name, address) = line
        .split_once([':', '='])
        .filter(|(name, _)| !name.is_empty())
        .ok_or_else(bad)?;
    let host = |address| Host {
        address,
        names: name.to_owned(),
    };
    if address == HOST_GATEWAY {
        let unknown = || Error::Invalid("unable to derive the IP value for host-gateway".to_owned());
        let known = (!gateways.is_empty()).then_some(gateways).ok_or_else(unknown)?;
        return Ok(known.iter().copied().map(host).collect());
    }
    let invalid = |_| Error::Invalid(format!("invalid IP address in add-host: {address:?}"));
    let parsed = address.trim().trim_matches(['[', ']']).parse().map_err(invalid)?;
    Ok(vec![host(parsed)])
}

/// The names of a container in its own hosts file: with its domain, and without.
pub(crate) fn own_names(hostname: &str, domainname: &str) -> String {
    let full = match domainname {
        "" => hostname.to_owned(),
        domain => format!("{hostname}.{domain}"),
    };
    match full.split_once('.') {
        Some((short, _)) => format!("{full} {short}"),
        None => full,
    }
}

/// The names of a linked container in the hosts file of the other: how it is called there, its host
/// name, and its own name.
pub(crate) fn linked_names(alias: &str, hostname: &str, name: &str) -> String {
    let own = if name == alias {
        String::new()
    } else {
        format!(" {name}")
    };
    format!("{alias} {hostname}{own}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn hosts_files() {
        let lines = [
            "a:10.0.0.9",
            "b:[fd00::1]",
            "host.docker.internal:host-gateway",
            "c=10.0.0.8",
        ]
        .map(str::to_owned);
        let extra = extra_hosts(&lines, &addresses(&["172.17.0.1", "fd00::2"]));
        let names = own_names("web", "example");
        let own: Vec<_> = addresses(&["172.18.0.2", "fd01::2"])
            .into_iter()
            .map(|address| Host {
                address,
                names: names.clone(),
            })
            .collect();
        let with = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::\tip6-localnet\n\
                    ff00::\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n10.0.0.9\ta\nfd00::1\tb\n\
                    172.17.0.1\thost.docker.internal\nfd00::2\thost.docker.internal\n10.0.0.8\tc\n\
                    172.18.0.2\tweb.example web\nfd01::2\tweb.example web\n";
        let without = "127.0.0.1\tlocalhost\n10.0.0.9\ta\n172.17.0.1\thost.docker.internal\n10.0.0.8\tc\n\
                       172.18.0.2\tweb.example web\n";
        assert_eq!(
            [hosts(&extra, &own, true), hosts(&extra, &own, false)],
            [with, without]
        );
    }

    #[test]
    fn a_container_has_a_short_name_and_a_long_one() {
        for (hostname, domainname, names) in [
            ("web", "", "web"),
            ("web", "example.com", "web.example.com web"),
            ("web.example.com", "", "web.example.com web"),
            ("web.example", "com", "web.example.com web"),
        ] {
            assert_eq!(own_names(hostname, domainname), names);
        }
    }

    #[test]
    fn a_linked_container_has_all_its_names() {
        assert_eq!(linked_names("cache", "89ab", "redis"), "cache 89ab redis");
        assert_eq!(linked_names("redis", "89ab", "redis"), "redis 89ab");
    }

    #[test]
    fn wrong_extra_hosts_are_named() {
        for (line, problem) in [
            ("web", "bad format for add-host: \"web\""),
            (":1.2.3.4", "bad format for add-host: \":1.2.3.4\""),
            ("web:1.2.3", "invalid IP address in add-host: \"1.2.3\""),
            ("web:", "invalid IP address in add-host: \"\""),
            (
                "web:host-gateway",
                "unable to derive the IP value for host-gateway",
            ),
        ] {
            let lines = [line.to_owned()];
            assert_eq!(refuse_extra_hosts(&lines, &[]).unwrap_err().to_string(), problem);
            assert!(extra_hosts(&lines, &[]).is_empty());
        }
    }
}
