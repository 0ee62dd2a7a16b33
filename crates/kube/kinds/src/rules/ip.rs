//! IP addresses and ranges, as v1.36 validates them (KEP-4858): fields that are older than strict parsing take
//! every spelling of an address but the ambiguous ones; newer fields take the canonical one alone.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use schema::field::Errors;

use crate::Place;

const NOT_AN_IP: &str = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
const NOT_A_CIDR: &str = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";

/// An address as old software reads it: zeros may lead an octet, and IPv4 may be dressed up as IPv6.
pub fn parse_sloppy(text: &str) -> Option<IpAddr> {
    let address = text.parse().ok().or_else(|| without_zeros(text))?;
    Some(match address {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    })
}

fn without_zeros(text: &str) -> Option<IpAddr> {
    let mut octets = [0; 4];
    let mut parts = text.split('.');
    for octet in &mut octets {
        let part = parts.next()?;
        let digits = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        *octet = part.parse().ok().filter(|_| digits)?;
    }
    parts.next().is_none().then(|| Ipv4Addr::from(octets).into())
}

/// A range as old software reads it: host bits may be set. The address and the length of the prefix.
pub fn parse_cidr_sloppy(text: &str) -> Option<(IpAddr, u8)> {
    let (address, prefix) = text.split_once('/')?;
    let address = parse_sloppy(address)?;
    let digits = !prefix.is_empty() && prefix.bytes().all(|byte| byte.is_ascii_digit());
    let prefix: u8 = prefix.parse().ok().filter(|_| digits)?;
    (prefix <= bits(address)).then_some((address, prefix))
}

const fn bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// The first address of the range that this one is in.
pub fn masked(address: IpAddr, prefix: u8) -> IpAddr {
    let host = u32::from(bits(address).saturating_sub(prefix));
    match address {
        IpAddr::V4(v4) => Ipv4Addr::from(u32::from(v4) & u32::MAX.checked_shl(host).unwrap_or(0)).into(),
        IpAddr::V6(v6) => Ipv6Addr::from(u128::from(v6) & u128::MAX.checked_shl(host).unwrap_or(0)).into(),
    }
}

fn is_mapped(text: &str) -> bool {
    text.parse::<Ipv6Addr>()
        .is_ok_and(|address| address.to_ipv4_mapped().is_some())
}

/// An address in a field that is older than strict parsing; what the old object had is not questioned.
pub fn ip_for_legacy_field(place: &Place<'_, '_>, errors: &mut Errors, old: &[&str]) {
    if !old.contains(&place.str()) {
        parsed_ip(place, errors);
    }
}

/// An address, in its canonical spelling.
pub fn ip(place: &Place<'_, '_>, errors: &mut Errors) {
    if let Some(address) = parsed_ip(place, errors)
        && address.to_string() != place.str()
    {
        place.invalid(errors, format!("must be in canonical form (\"{address}\")"));
    }
}

fn parsed_ip(place: &Place<'_, '_>, errors: &mut Errors) -> Option<IpAddr> {
    let text = place.str();
    let wrong = match (parse_sloppy(text), text.parse::<IpAddr>()) {
        (None, _) => NOT_AN_IP,
        (_, Err(_)) => "must not have leading 0s",
        _ if is_mapped(text) => "must not be an IPv4-mapped IPv6 address",
        (address, _) => return address,
    };
    place.invalid(errors, wrong);
    None
}

/// A range in a field that is older than strict parsing; what the old object had is not questioned.
pub fn cidr_for_legacy_field(place: &Place<'_, '_>, errors: &mut Errors, old: &[&str]) {
    if !old.contains(&place.str()) {
        cidr_text(place, place.str(), errors);
    }
}

/// A range, in its canonical spelling.
pub fn cidr(place: &Place<'_, '_>, errors: &mut Errors) {
    if let Some((address, prefix)) = cidr_text(place, place.str(), errors) {
        let canonical = format!("{address}/{prefix}");
        if canonical != place.str() {
            place.invalid(errors, format!("must be in canonical form (\"{canonical}\")"));
        }
    }
}

/// The same of a text that stands here among others, or between blanks.
pub fn cidr_text(place: &Place<'_, '_>, text: &str, errors: &mut Errors) -> Option<(IpAddr, u8)> {
    let strict = text.split_once('/').and_then(|(address, prefix)| {
        let exact = prefix == "0" || !prefix.starts_with('0');
        Some((
            address.parse::<IpAddr>().ok()?,
            prefix.parse::<u8>().ok().filter(|_| exact)?,
        ))
    });
    let wrong = match (parse_cidr_sloppy(text), strict) {
        (None, _) => NOT_A_CIDR,
        (_, None) => "must not have leading 0s in IP or prefix length",
        (_, Some((IpAddr::V6(v6), _))) if v6.to_ipv4_mapped().is_some() => {
            "must not have an IPv4-mapped IPv6 address"
        }
        (_, Some((address, prefix))) if masked(address, prefix) != address => {
            "must not have bits set beyond the prefix length"
        }
        (parsed, _) => return parsed,
    };
    place.invalid_value(errors, text, wrong);
    None
}

/// What a client is told about an address that is valid but unusually spelled.
pub fn ip_warning(place: &Place<'_, '_>) -> Option<String> {
    let (text, path) = (place.str(), place.path());
    let address = parse_sloppy(text)?;
    match text.parse::<IpAddr>() {
        Ok(IpAddr::V4(_)) => None,
        Ok(IpAddr::V6(v6)) if v6.to_ipv4_mapped().is_none() => (v6.to_string() != text).then(|| {
            format!("{path}: IPv6 address {text:?} should be in RFC 5952 canonical format (\"{v6}\")")
        }),
        _ => Some(format!(
            "{path}: non-standard IP address {text:?} is invalid: use \"{address}\""
        )),
    }
}

/// The same for a range.
pub fn cidr_warning(place: &Place<'_, '_>) -> Option<String> {
    let (text, path) = (place.str().trim(), place.path());
    let (address, prefix) = parse_cidr_sloppy(text)?;
    let network = masked(address, prefix);
    let (spelled, length) = text.split_once('/')?;
    let exact = spelled.parse::<IpAddr>().is_ok() && !is_mapped(spelled) && length == prefix.to_string();
    if !exact {
        return Some(format!(
            "{path}: non-standard CIDR value {text:?} is invalid: use \"{network}/{prefix}\""
        ));
    }
    if network != address {
        return Some(format!(
            "{path}: CIDR value {text:?} is ambiguous in this context (should be \"{network}/{prefix}\" or \"{address}/{}\"?)",
            bits(address)
        ));
    }
    (address.is_ipv6() && address.to_string() != spelled).then(|| {
        format!(
            "{path}: IPv6 CIDR value {text:?} should be in RFC 5952 canonical format (\"{address}/{prefix}\")"
        )
    })
}

/// An address that a Service may send traffic to: not the host's own, nor one that means something else on each
/// link.
pub fn non_special_ip(place: &Place<'_, '_>, errors: &mut Errors) {
    let text = place.str();
    let Some(address) = parse_sloppy(text) else {
        return place.invalid(errors, "must be a valid IP address");
    };
    let unspecified = format!("may not be unspecified ({text})");
    for (wrong, detail) in [
        (address.is_unspecified(), unspecified.as_str()),
        (
            address.is_loopback(),
            "may not be in the loopback range (127.0.0.0/8, ::1/128)",
        ),
        (
            is_link_local(address),
            "may not be in the link-local range (169.254.0.0/16, fe80::/10)",
        ),
        (
            is_link_local_multicast(address),
            "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)",
        ),
    ] {
        if wrong {
            place.invalid(errors, detail);
        }
    }
}

const fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

const fn is_link_local_multicast(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => matches!(v4.octets(), [224, 0, 0, _]),
        IpAddr::V6(v6) => v6.segments()[0] & 0xff0f == 0xff02,
    }
}

/// What is wrong with an address that is an object's name.
pub fn wrong_name(name: &str) -> Option<String> {
    match (parse_sloppy(name), name.parse::<IpAddr>()) {
        (None, _) => Some(NOT_AN_IP.to_owned()),
        (_, Err(_)) => Some("must not have leading 0s".to_owned()),
        _ if is_mapped(name) => Some("must not be an IPv4-mapped IPv6 address".to_owned()),
        (_, Ok(address)) => {
            let canonical = address.to_string();
            (canonical != name).then(|| format!("must be in canonical form (\"{canonical}\")"))
        }
    }
}
