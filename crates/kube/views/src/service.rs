//! What a proxy, a name server and the endpoints controllers see of a Service.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use schema::object::{Labels, Meta, ScanError, View};
use serde::Deserialize;

use crate::Protocol;
use crate::text::Text;

/// Services that say so are another proxy's.
const PROXY_NAME: &str = "service.kubernetes.io/service-proxy-name";

/// How long a client stays with its backend where the service does not say.
const AFFINITY: u64 = 10_800;

/// `spec.type`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum ServiceKind {
    /// Reached by its own address, if it has one.
    #[default]
    #[serde(rename = "ClusterIP")]
    ClusterIp,
    /// Also by a port of every node.
    NodePort,
    /// Also by addresses that somebody outside hands out.
    LoadBalancer,
    /// A name for a name; nothing is proxied.
    ExternalName,
}

/// To whose endpoints traffic of one direction goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum TrafficPolicy {
    /// Any.
    #[default]
    Cluster,
    /// Those of the node where it arrives.
    Local,
}

/// Which endpoints a client would rather have (`spec.trafficDistribution`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum TrafficDistribution {
    /// Those of its zone.
    #[serde(rename = "PreferSameZone", alias = "PreferClose")]
    SameZone,
    /// Those of its node, else of its zone.
    #[serde(rename = "PreferSameNode")]
    SameNode,
    /// No wish, or one that is not known.
    #[default]
    #[serde(other)]
    Anywhere,
}

/// `targetPort`: where pods listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetPort {
    /// The same number in each pod.
    Number(u16),
    /// The container port of this name, which each pod may have elsewhere.
    Name(Box<str>),
}

/// One port of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServicePort {
    /// Empty where the service has only this one.
    pub name: Box<str>,
    /// What is spoken.
    pub protocol: Protocol,
    /// The port of the service's addresses.
    pub port: u16,
    /// The port of its pods.
    pub target: TargetPort,
    /// The port of every node; 0 if there is none.
    pub node_port: u16,
    /// `appProtocol`, handed on to endpoints.
    pub app_protocol: Option<Box<str>>,
}

/// A Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceView {
    /// `spec.type`
    pub kind: ServiceKind,
    /// `spec.clusterIPs` that are addresses: none of a headless service.
    pub ips: Box<[IpAddr]>,
    /// The families of its endpoints, in its order; empty where an old server wrote none.
    pub families: Box<[Family]>,
    /// `spec.ports`
    pub ports: Box<[ServicePort]>,
    /// Labels that its pods have; none if endpoints are somebody else's.
    pub selector: Option<Labels>,
    /// How long a client stays with its backend after its last connection; none if it does not.
    pub affinity: Option<Duration>,
    /// `spec.externalIPs`
    pub external_ips: Box<[IpAddr]>,
    /// Addresses of a load balancer that leave packets' destinations alone (`ipMode: VIP`).
    pub ingress_ips: Box<[IpAddr]>,
    /// `spec.loadBalancerSourceRanges`; who may use the load balancer's addresses. Empty is everybody.
    pub source_ranges: Box<[Box<str>]>,
    /// `spec.internalTrafficPolicy`
    pub internal: TrafficPolicy,
    /// `spec.externalTrafficPolicy`
    pub external: TrafficPolicy,
    /// `spec.trafficDistribution`
    pub distribution: TrafficDistribution,
    /// Whether endpoints count as ready whatever their pods say.
    pub publish_not_ready: bool,
    /// `spec.externalName`
    pub external_name: Box<str>,
    /// Whether another proxy than the node's own deals with it.
    pub proxied_elsewhere: bool,
}

/// `IPv4` or `IPv6`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub enum Family {
    /// `IPv4`
    #[serde(rename = "IPv4")]
    V4,
    /// `IPv6`
    #[serde(rename = "IPv6")]
    V6,
}

impl Family {
    /// The family of an address.
    pub const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// As objects have it, `addressType` of slices too.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        }
    }
}

impl ServiceView {
    /// Whether it has no address of its own.
    pub fn is_headless(&self) -> bool {
        self.ips.is_empty()
    }

    /// Whether a pod of these labels is one of its backends. A service without a selector has none.
    pub fn selects(&self, labels: &Meta) -> bool {
        let has = |(key, value): &(Box<str>, Box<str>)| labels.label(key) == Some(value);
        self.selector
            .as_ref()
            .is_some_and(|selector| selector.iter().all(has))
    }

    /// The families that its endpoints are of. What says nothing is judged by its address, as upstream does.
    pub fn endpoint_families(&self) -> Vec<Family> {
        match (&*self.families, &*self.ips) {
            ([], []) => vec![Family::V4, Family::V6],
            ([], [first, ..]) => vec![Family::of(*first)],
            (families, _) => families.to_vec(),
        }
    }
}

impl View for ServiceView {
    fn read(meta: &Meta, body: &[u8]) -> Result<Self, ScanError> {
        let Body { spec, status } =
            serde_json::from_slice(body).map_err(|error| ScanError::Unreadable(error.to_string()))?;
        let vips = status.load_balancer.ingress.unwrap_or_default();
        Ok(Self {
            kind: spec.kind,
            ips: spec.addresses(),
            families: spec.ip_families.unwrap_or_default().into(),
            ports: spec
                .ports
                .unwrap_or_default()
                .into_iter()
                .map(Port::view)
                .collect(),
            selector: spec.selector.map(labels),
            affinity: (&*spec.session_affinity == "ClientIP").then(|| spec.session_affinity_config.timeout()),
            external_ips: parsed(spec.external_ips.iter().flatten()),
            ingress_ips: parsed(vips.iter().filter(|each| each.is_vip()).map(|each| &each.ip)),
            source_ranges: owned(spec.load_balancer_source_ranges),
            internal: spec.internal_traffic_policy,
            external: spec.external_traffic_policy,
            distribution: spec.traffic_distribution,
            publish_not_ready: spec.publish_not_ready_addresses,
            external_name: spec.external_name.boxed(),
            proxied_elsewhere: meta.label(PROXY_NAME).is_some(),
        })
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Body<'a> {
    #[serde(borrow)]
    spec: Spec<'a>,
    #[serde(borrow)]
    status: Status<'a>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Spec<'a> {
    #[serde(rename = "type")]
    kind: ServiceKind,
    #[serde(borrow, rename = "clusterIP")]
    cluster_ip: Text<'a>,
    #[serde(borrow, rename = "clusterIPs")]
    cluster_ips: Option<Vec<Text<'a>>>,
    ip_families: Option<Vec<Family>>,
    #[serde(borrow)]
    ports: Option<Vec<Port<'a>>>,
    #[serde(borrow)]
    selector: Option<BTreeMap<Text<'a>, Text<'a>>>,
    #[serde(borrow)]
    session_affinity: Text<'a>,
    session_affinity_config: AffinityConfig,
    #[serde(borrow, rename = "externalIPs")]
    external_ips: Option<Vec<Text<'a>>>,
    #[serde(borrow)]
    load_balancer_source_ranges: Option<Vec<Text<'a>>>,
    internal_traffic_policy: TrafficPolicy,
    external_traffic_policy: TrafficPolicy,
    traffic_distribution: TrafficDistribution,
    publish_not_ready_addresses: bool,
    #[serde(borrow)]
    external_name: Text<'a>,
}

impl Spec<'_> {
    fn addresses(&self) -> Box<[IpAddr]> {
        match &self.cluster_ips {
            Some(all) => parsed(all),
            None => parsed([&self.cluster_ip]),
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Port<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    protocol: Protocol,
    port: u16,
    #[serde(borrow)]
    target_port: Option<Target<'a>>,
    node_port: u16,
    #[serde(borrow)]
    app_protocol: Option<Text<'a>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Target<'a> {
    Number(u16),
    Name(#[serde(borrow)] Text<'a>),
}

impl Port<'_> {
    fn view(self) -> ServicePort {
        ServicePort {
            name: self.name.boxed(),
            protocol: self.protocol,
            port: self.port,
            target: match self.target_port {
                Some(Target::Name(name)) => TargetPort::Name(name.boxed()),
                Some(Target::Number(number)) if number > 0 => TargetPort::Number(number),
                _ => TargetPort::Number(self.port),
            },
            node_port: self.node_port,
            app_protocol: self.app_protocol.as_ref().map(Text::boxed),
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct AffinityConfig {
    #[serde(rename = "clientIP")]
    client_ip: ClientIp,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ClientIp {
    timeout_seconds: Option<u64>,
}

impl AffinityConfig {
    fn timeout(&self) -> Duration {
        Duration::from_secs(self.client_ip.timeout_seconds.unwrap_or(AFFINITY))
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Status<'a> {
    #[serde(borrow)]
    load_balancer: LoadBalancer<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct LoadBalancer<'a> {
    #[serde(borrow)]
    ingress: Option<Vec<Ingress<'a>>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Ingress<'a> {
    #[serde(borrow)]
    ip: Text<'a>,
    #[serde(borrow)]
    ip_mode: Option<Text<'a>>,
}

impl Ingress<'_> {
    fn is_vip(&self) -> bool {
        self.ip_mode.as_ref().is_none_or(|mode| &**mode == "VIP")
    }
}

/// The texts that are addresses; `None` of headless services is not.
fn parsed<'t>(texts: impl IntoIterator<Item = &'t Text<'t>>) -> Box<[IpAddr]> {
    texts.into_iter().filter_map(|text| text.parse().ok()).collect()
}

fn owned(texts: Option<Vec<Text<'_>>>) -> Box<[Box<str>]> {
    texts
        .unwrap_or_default()
        .into_iter()
        .map(|text| text.trim().into())
        .collect()
}

fn labels(map: BTreeMap<Text<'_>, Text<'_>>) -> Labels {
    map.into_iter()
        .map(|(key, value)| (key.boxed(), value.boxed()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> ServiceView {
        ServiceView::read(&Meta::default(), json.as_bytes()).unwrap()
    }

    #[test]
    fn a_service_with_everything() {
        let service = read(
            r#"{"metadata":{"name":"s"},"spec":{
            "ports":[{"name":"http","protocol":"TCP","appProtocol":"h2c","port":80,"targetPort":"web","nodePort":30080},
                     {"name":"dns","protocol":"UDP","port":53,"targetPort":5353}],
            "selector":{"b":"2","a":"1"},"clusterIP":"10.43.0.7","clusterIPs":["10.43.0.7","fd00::7"],
            "type":"LoadBalancer","externalIPs":["192.0.2.1"],"sessionAffinity":"ClientIP",
            "sessionAffinityConfig":{"clientIP":{"timeoutSeconds":60}},"loadBalancerSourceRanges":[" 10.0.0.0/8 "],
            "externalTrafficPolicy":"Local","internalTrafficPolicy":"Local","publishNotReadyAddresses":true,
            "trafficDistribution":"PreferClose","ipFamilies":["IPv4","IPv6"],"ipFamilyPolicy":"PreferDualStack"},
            "status":{"loadBalancer":{"ingress":[{"ip":"192.0.2.9","ipMode":"VIP"},{"ip":"192.0.2.8"},
                {"ip":"192.0.2.7","ipMode":"Proxy"},{"hostname":"x"}]}}}"#,
        );
        let port = |name: &str, protocol, port, target, node_port, app: Option<&str>| ServicePort {
            name: name.into(),
            protocol,
            port,
            target,
            node_port,
            app_protocol: app.map(Box::from),
        };
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let expected = ServiceView {
            kind: ServiceKind::LoadBalancer,
            ips: [ip("10.43.0.7"), ip("fd00::7")].into(),
            families: [Family::V4, Family::V6].into(),
            ports: [
                port(
                    "http",
                    Protocol::Tcp,
                    80,
                    TargetPort::Name("web".into()),
                    30080,
                    Some("h2c"),
                ),
                port("dns", Protocol::Udp, 53, TargetPort::Number(5353), 0, None),
            ]
            .into(),
            selector: Some([("a".into(), "1".into()), ("b".into(), "2".into())].into()),
            affinity: Some(Duration::from_secs(60)),
            external_ips: [ip("192.0.2.1")].into(),
            ingress_ips: [ip("192.0.2.9"), ip("192.0.2.8")].into(),
            source_ranges: ["10.0.0.0/8".into()].into(),
            internal: TrafficPolicy::Local,
            external: TrafficPolicy::Local,
            distribution: TrafficDistribution::SameZone,
            publish_not_ready: true,
            external_name: "".into(),
            proxied_elsewhere: false,
        };
        assert_eq!(service, expected);
    }

    #[test]
    fn headless_nameless_and_bare_ones() {
        let headless = read(r#"{"spec":{"clusterIP":"None","clusterIPs":["None"],"ports":null}}"#);
        assert!(headless.is_headless() && headless.ports.is_empty() && headless.selector.is_none());
        assert_eq!(headless.endpoint_families(), [Family::V4, Family::V6]);
        let external = read(r#"{"spec":{"type":"ExternalName","externalName":"a.example.com"}}"#);
        assert_eq!(
            (external.kind, &*external.external_name),
            (ServiceKind::ExternalName, "a.example.com")
        );
        let old =
            read(r#"{"spec":{"clusterIP":"fd00::1","sessionAffinity":"ClientIP","ports":[{"port":5}]}}"#);
        assert_eq!(old.endpoint_families(), [Family::V6]);
        assert_eq!(old.affinity, Some(Duration::from_secs(10_800)));
        assert_eq!(old.distribution, TrafficDistribution::Anywhere);
        assert_eq!(old.ports[0].target, TargetPort::Number(5));
        assert!(ServiceView::read(&Meta::default(), br#"{"spec":{"ports":[{"port":-1}]}}"#).is_err());
    }

    #[test]
    fn a_selector_must_hold_and_none_selects_nothing() {
        let pod = Meta {
            labels: [("a".into(), "1".into()), ("b".into(), "2".into())].into(),
            ..Meta::default()
        };
        let selects =
            |selector: &str| read(&format!(r#"{{"spec":{{"selector":{selector}}}}}"#)).selects(&pod);
        assert!(selects(r#"{"a":"1"}"#) && selects(r#"{"a":"1","b":"2"}"#));
        assert!(!selects(r#"{"a":"2"}"#) && !selects(r#"{"a":"1","c":""}"#) && !selects("null"));
    }
}
