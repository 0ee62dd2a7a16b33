//! Port specifications of `EXPOSE` as BuildKit reads them: `[ip:][host:]80-81[/tcp]`.

use crate::golang;

/// What is wrong with a specification that is still understood.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Odd {
    /// The protocol is not in lower case.
    pub(super) casing: bool,
    /// It says an address or a port of the host.
    pub(super) mapping: bool,
}

/// Judges a specification.
///
/// # Errors
/// Upstream's sentence.
pub(super) fn judge(port: &str) -> Result<Odd, String> {
    let mut parts = port.rsplitn(3, ':');
    let container = parts.next().unwrap_or_default();
    let (host, ip) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let (range, protocol) = container.split_once('/').unwrap_or((container, ""));
    let invalid = |what: &str| Err(format!("invalid port: {}: {what}", golang::quote(port)));
    if range.is_empty() {
        return invalid("no port specified");
    }
    if !["", "tcp", "udp", "sctp"].contains(&protocol.to_lowercase().as_str()) {
        return invalid(&format!("invalid proto: {protocol}"));
    }
    let address = ip
        .strip_prefix('[')
        .and_then(|ip| ip.strip_suffix(']'))
        .unwrap_or(ip);
    if !ip.is_empty() && address.parse::<std::net::IpAddr>().is_err() {
        return Err(format!("invalid IP address: {ip}"));
    }
    let Some(ports) = ports(range) else {
        return Err(format!("invalid containerPort: {range}"));
    };
    if !host.is_empty() {
        let Some(hosts) = self::ports(host) else {
            return Err(format!("invalid hostPort: {host}"));
        };
        if hosts != ports && ports != 0 {
            return Err(format!(
                "invalid ranges specified for container and host Ports: {range} and {host}"
            ));
        }
    }
    Ok(Odd {
        casing: protocol != protocol.to_lowercase(),
        mapping: !ip.is_empty() || !host.is_empty(),
    })
}

/// How many ports a range has beyond its first.
fn ports(range: &str) -> Option<u16> {
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    let (first, last): (u16, u16) = (first.parse().ok()?, last.parse().ok()?);
    last.checked_sub(first)
}
