//! What a proxy and a name server see of an EndpointSlice (`discovery.k8s.io/v1`).

use std::net::IpAddr;

use schema::object::{Meta, ScanError, View};
use serde::Deserialize;

use crate::Protocol;
use crate::text::Text;

/// Names the service that a slice belongs to.
pub const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// One port that every endpoint of a slice serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlicePort {
    /// The name of the service's port.
    pub name: Box<str>,
    /// What is spoken.
    pub protocol: Protocol,
    /// None is any port; nothing can be balanced to it.
    pub port: Option<u16>,
}

/// One endpoint of a slice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointView {
    /// All of one endpoint's; proxies use the first. Names (`addressType: FQDN`) are left out.
    pub addresses: Box<[IpAddr]>,
    /// Whether new connections may go there. Unknown is yes, as the API says.
    pub ready: bool,
    /// Whether it answers, even where it is about to end. Unknown is yes.
    pub serving: bool,
    /// Whether it is about to end.
    pub terminating: bool,
    /// The node it is on, if it is on one.
    pub node: Option<Box<str>>,
    /// Its own name below the service's, if it has one.
    pub hostname: Option<Box<str>>,
    /// The uid of its pod; none if there is no pod behind it.
    pub pod: Option<Box<str>>,
}

/// An EndpointSlice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SliceView {
    /// The service it belongs to, of the same namespace; empty if it says none.
    pub service: Box<str>,
    /// `ports`
    pub ports: Box<[SlicePort]>,
    /// `endpoints`
    pub endpoints: Box<[EndpointView]>,
}

impl View for SliceView {
    fn read(meta: &Meta, body: &[u8]) -> Result<Self, ScanError> {
        let body: Body<'_> =
            serde_json::from_slice(body).map_err(|error| ScanError::Unreadable(error.to_string()))?;
        let (ports, endpoints) = (body.ports.unwrap_or_default(), body.endpoints.unwrap_or_default());
        Ok(Self {
            service: meta.label(SERVICE_NAME).unwrap_or_default().into(),
            ports: ports.into_iter().map(Port::view).collect(),
            endpoints: endpoints.into_iter().map(Endpoint::view).collect(),
        })
    }
}

/// Both lists are `null` in a slice of no endpoints.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Body<'a> {
    #[serde(borrow)]
    endpoints: Option<Vec<Endpoint<'a>>>,
    #[serde(borrow)]
    ports: Option<Vec<Port<'a>>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Port<'a> {
    #[serde(borrow)]
    name: Option<Text<'a>>,
    protocol: Option<Protocol>,
    port: Option<u16>,
}

impl Port<'_> {
    fn view(self) -> SlicePort {
        SlicePort {
            name: self.name.unwrap_or_default().boxed(),
            protocol: self.protocol.unwrap_or_default(),
            port: self.port,
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Endpoint<'a> {
    #[serde(borrow)]
    addresses: Option<Vec<Text<'a>>>,
    conditions: Conditions,
    #[serde(borrow)]
    hostname: Option<Text<'a>>,
    #[serde(borrow)]
    target_ref: Option<Reference<'a>>,
    #[serde(borrow)]
    node_name: Option<Text<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Conditions {
    ready: Option<bool>,
    serving: Option<bool>,
    terminating: Option<bool>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Reference<'a> {
    #[serde(borrow)]
    kind: Text<'a>,
    #[serde(borrow)]
    uid: Text<'a>,
}

impl Endpoint<'_> {
    fn view(self) -> EndpointView {
        let addresses = self.addresses.unwrap_or_default();
        EndpointView {
            addresses: addresses.iter().filter_map(|text| text.parse().ok()).collect(),
            ready: self.conditions.ready.unwrap_or(true),
            serving: self.conditions.serving.unwrap_or(true),
            terminating: self.conditions.terminating.unwrap_or(false),
            node: self.node_name.as_ref().map(Text::boxed),
            hostname: self.hostname.as_ref().map(Text::boxed),
            pod: self
                .target_ref
                .filter(|to| &*to.kind == "Pod")
                .map(|to| to.uid.boxed()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> SliceView {
        let meta = Meta {
            labels: [(SERVICE_NAME.into(), "web".into())].into(),
            ..Meta::default()
        };
        SliceView::read(&meta, json.as_bytes()).unwrap()
    }

    #[test]
    fn a_slice_with_everything() {
        let slice = read(
            r#"{"metadata":{},"addressType":"IPv4","endpoints":[{"addresses":["10.42.0.5"],
            "conditions":{"ready":false,"serving":true,"terminating":true},"hostname":"db-0",
            "targetRef":{"kind":"Pod","namespace":"x","name":"db-0","uid":"u"},"nodeName":"n","zone":"z"}],
            "ports":[{"name":"http","protocol":"UDP","port":80},{"name":"any"}]}"#,
        );
        let expected = SliceView {
            service: "web".into(),
            ports: [
                SlicePort {
                    name: "http".into(),
                    protocol: Protocol::Udp,
                    port: Some(80),
                },
                SlicePort {
                    name: "any".into(),
                    protocol: Protocol::Tcp,
                    port: None,
                },
            ]
            .into(),
            endpoints: [EndpointView {
                addresses: ["10.42.0.5".parse().unwrap()].into(),
                ready: false,
                serving: true,
                terminating: true,
                node: Some("n".into()),
                hostname: Some("db-0".into()),
                pod: Some("u".into()),
            }]
            .into(),
        };
        assert_eq!(slice, expected);
    }

    #[test]
    fn what_is_not_said_is_ready_and_nulls_are_nothing() {
        let empty = read(r#"{"addressType":"IPv4","endpoints":null,"ports":null}"#);
        assert!(empty.endpoints.is_empty() && empty.ports.is_empty());
        let bare =
            read(r#"{"addressType":"FQDN","endpoints":[{"addresses":["a.example"],"conditions":{}}]}"#);
        let endpoint = &bare.endpoints[0];
        assert!(endpoint.addresses.is_empty() && endpoint.ready && endpoint.serving && !endpoint.terminating);
        assert_eq!((&endpoint.node, &endpoint.pod), (&None, &None));
    }
}
