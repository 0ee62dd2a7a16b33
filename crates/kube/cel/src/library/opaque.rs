//! Values of the libraries' own types.

use std::net::IpAddr;
use std::rc::Rc;

use schema::json::write_string;

use super::authz::{AuthorizerValue, Check, Verdict};
use super::formats::NamedFormat;
use super::network::Cidr;
use super::quantity::Quantity;
use super::semver::Semver;
use super::url::Url;

/// A value of one of the libraries' types.
#[derive(Clone, Debug, PartialEq)]
pub enum Opaque<'a> {
    /// An amount.
    Quantity(Quantity),
    /// An address.
    Ip(IpAddr),
    /// A network.
    Cidr(Cidr),
    /// An URL.
    Url(Rc<Url>),
    /// A version.
    Semver(Rc<Semver>),
    /// A format that texts may have.
    Format(&'static NamedFormat),
    /// Who can be asked for permission.
    Authorizer(AuthorizerValue<'a>),
    /// A question to it in the making.
    Check(Rc<Check<'a>>),
    /// Its answer.
    Verdict(Rc<Verdict>),
}

impl Opaque<'_> {
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Self::Quantity(_) => "kubernetes.Quantity",
            Self::Ip(_) => "net.IP",
            Self::Cidr(_) => "net.CIDR",
            Self::Url(_) => "kubernetes.URL",
            Self::Semver(_) => "kubernetes.Semver",
            Self::Format(_) => "kubernetes.NamedFormat",
            Self::Authorizer(_) => "kubernetes.authorization.Authorizer",
            Self::Check(check) => check.type_name(),
            Self::Verdict(_) => "kubernetes.authorization.Decision",
        }
    }

    /// Upstream's size for costs: the bytes of an address or network.
    pub(crate) fn size(&self) -> u64 {
        match self {
            Self::Ip(address) | Self::Cidr(Cidr { address, .. }) => {
                if address.is_ipv4() {
                    4
                } else {
                    16
                }
            }
            Self::Format(format) => format.name.len() as u64,
            _ => 1,
        }
    }

    /// What `string()` makes of it.
    pub(crate) fn text(&self) -> Option<String> {
        match self {
            Self::Ip(address) => Some(address.to_string()),
            Self::Cidr(cidr) => Some(cidr.to_string()),
            _ => None,
        }
    }

    pub(crate) fn write_json(&self, out: &mut Vec<u8>) {
        let text = match self {
            Self::Quantity(quantity) => quantity.to_string(),
            Self::Url(url) => url.to_string(),
            Self::Semver(version) => version.to_string(),
            Self::Format(format) => format.name.to_owned(),
            other => other.text().unwrap_or_else(|| other.type_name().to_owned()),
        };
        write_string(out, &text);
    }
}
