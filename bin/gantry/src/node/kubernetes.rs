//! The options of the Kubernetes side: those of `up`, of the file, and of the daemon's command line.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use clap::Args;
use cluster::{Cidr, Controllers, Domain, Kubernetes, PodCidr, PortRange, Without};

use super::file::File;

/// As flags.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub(super) struct KubernetesOptions {
    /// The address on which the Kubernetes API is served [default: 127.0.0.1].
    #[arg(long, env = "GANTRY_BIND", value_name = "ADDRESS")]
    bind: Option<IpAddr>,
    /// The address under which others reach this node [default: that of the default route].
    #[arg(long, env = "GANTRY_NODE_IP", value_name = "ADDRESS")]
    node_ip: Option<IpAddr>,
    /// The port of the Kubernetes API; 0 lets the kernel choose [default: 6443].
    #[arg(long, env = "GANTRY_API_PORT", value_name = "PORT")]
    api_port: Option<u16>,
    /// Where Services get their addresses from [default: 10.43.0.0/16].
    #[arg(long, env = "GANTRY_SERVICE_CIDR", value_name = "CIDR")]
    service_cidr: Option<Cidr>,
    /// Where Services get their node ports from [default: 30000-32767].
    #[arg(long, env = "GANTRY_NODE_PORT_RANGE", value_name = "FIRST-LAST")]
    node_port_range: Option<PortRange>,
    /// The domain below which Services have names [default: cluster.local].
    #[arg(long, env = "GANTRY_CLUSTER_DOMAIN", value_name = "DOMAIN")]
    cluster_domain: Option<Domain>,
    /// Where pods get their addresses from [default: 10.42.0.0/16].
    #[arg(long, env = "GANTRY_POD_CIDR", value_name = "CIDR")]
    pod_cidr: Option<PodCidr>,
    /// The port of the kubelet's own API; 0 lets the kernel choose [default: 10250].
    #[arg(long, env = "GANTRY_KUBELET_PORT", value_name = "PORT")]
    kubelet_port: Option<u16>,
    /// How many pods the node takes [default: 110].
    #[arg(long, env = "GANTRY_MAX_PODS", value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..))]
    max_pods: Option<u16>,
    /// Which controllers run: `foo` does, `-foo` does not, `*` all others [default: *].
    #[arg(
        long,
        env = "GANTRY_CONTROLLERS",
        value_name = "NAMES",
        allow_hyphen_values = true
    )]
    controllers: Option<Controllers>,
    /// What is left out: kubelet, scheduler.
    #[arg(long, env = "GANTRY_WITHOUT", value_name = "PARTS")]
    without: Option<Without>,
}

impl KubernetesOptions {
    /// These, then the file's, then the defaults.
    pub(super) fn over(self, file: &File) -> Kubernetes {
        let bind = self.bind.or(file.bind).unwrap_or(Ipv4Addr::LOCALHOST.into());
        Kubernetes {
            bind,
            api_port: self.api_port.or(file.api_port).unwrap_or(6443),
            node_ip: self.node_ip.or(file.node_ip).unwrap_or_else(|| node_ip(bind)),
            service_cidr: default(self.service_cidr.or(file.service_cidr), "10.43.0.0/16"),
            node_port_range: default(self.node_port_range.or(file.node_port_range), "30000-32767"),
            cluster_domain: default(
                self.cluster_domain.or_else(|| file.cluster_domain.clone()),
                "cluster.local",
            ),
            pod_cidr: default(self.pod_cidr.or(file.pod_cidr), "10.42.0.0/16"),
            kubelet_port: self.kubelet_port.or(file.kubelet_port).unwrap_or(10250),
            max_pods: self.max_pods.or(file.max_pods).unwrap_or(110),
            controllers: self
                .controllers
                .or_else(|| file.controllers.clone())
                .unwrap_or_default(),
            without: self.without.or(file.without).unwrap_or_default(),
        }
    }
}

#[expect(
    clippy::expect_used,
    reason = "the defaults are valid; the tests parse each of them"
)]
fn default<T: std::str::FromStr<Err: std::fmt::Debug>>(given: Option<T>, default: &str) -> T {
    given.unwrap_or_else(|| default.parse().expect("a valid default"))
}

/// What a daemon that shall be like this is told.
pub(super) fn words(kubernetes: &Kubernetes) -> [String; 11] {
    [
        format!("--bind={}", kubernetes.bind),
        format!("--node-ip={}", kubernetes.node_ip),
        format!("--api-port={}", kubernetes.api_port),
        format!("--service-cidr={}", kubernetes.service_cidr),
        format!("--node-port-range={}", kubernetes.node_port_range),
        format!("--cluster-domain={}", kubernetes.cluster_domain),
        format!("--pod-cidr={}", kubernetes.pod_cidr),
        format!("--kubelet-port={}", kubernetes.kubelet_port),
        format!("--max-pods={}", kubernetes.max_pods),
        format!("--controllers={}", kubernetes.controllers),
        format!("--without={}", kubernetes.without),
    ]
}

/// The address that others see: the one bound to, or that of the default route, or the loopback where there
/// is none. Nothing is sent.
fn node_ip(bind: IpAddr) -> IpAddr {
    if !bind.is_loopback() && !bind.is_unspecified() {
        return bind;
    }
    // Addresses for documentation (RFC 5737, RFC 3849): only the route to them is asked for.
    let (from, to): (IpAddr, IpAddr) = match bind {
        IpAddr::V4(_) => (Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::new(192, 0, 2, 1).into()),
        IpAddr::V6(_) => (
            Ipv6Addr::UNSPECIFIED.into(),
            Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into(),
        ),
    };
    let routed = UdpSocket::bind(SocketAddr::new(from, 0)).and_then(|socket| {
        socket.connect(SocketAddr::new(to, 9))?;
        socket.local_addr()
    });
    match (routed, bind) {
        (Ok(address), _) => address.ip(),
        (Err(_), IpAddr::V4(_)) => Ipv4Addr::LOCALHOST.into(),
        (Err(_), IpAddr::V6(_)) => Ipv6Addr::LOCALHOST.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: KubernetesOptions,
    }

    #[test]
    fn a_daemon_is_told_what_up_was() {
        let file = File {
            cluster_domain: Some("file.test".parse().unwrap()),
            api_port: Some(1),
            ..File::default()
        };
        let line = Line::try_parse_from([
            "x",
            "--api-port",
            "7",
            "--service-cidr",
            "10.9.0.0/20",
            "--pod-cidr",
            "10.8.0.0/20",
            "--max-pods",
            "9",
            "--without",
            "kubelet",
            "--controllers",
            "*,-job-controller",
        ])
        .unwrap();
        let kubernetes = line.options.over(&file);
        assert_eq!(kubernetes.api_port, 7);
        assert_eq!(kubernetes.cluster_domain.as_str(), "file.test");
        let told = [vec!["x".to_owned()], words(&kubernetes).to_vec()].concat();
        let again = Line::try_parse_from(told).unwrap().options.over(&File::default());
        assert_eq!(again, kubernetes);
    }

    #[test]
    fn what_is_wrong_is_refused_with_the_flag() {
        for (flag, value) in [
            ("--service-cidr", "10.43.0.1/16"),
            ("--node-port-range", "5-1"),
            ("--cluster-domain", "No Domain"),
            ("--bind", "localhost"),
            ("--api-port", "65536"),
            ("--kubelet-port", "65536"),
            ("--max-pods", "0"),
            ("--controllers", "*,-nobody"),
            ("--without", "etcd"),
            ("--pod-cidr", "10.42.0.1/16"),
            ("--pod-cidr", "10.42.0.0/30"),
            ("--pod-cidr", "fd00::/64"),
        ] {
            let error = Line::try_parse_from(["x", flag, value])
                .err()
                .unwrap()
                .to_string();
            assert!(error.contains(flag), "{error}");
        }
    }

    #[test]
    fn a_node_that_is_bound_to_an_address_has_it() {
        let address = IpAddr::from([10, 1, 2, 3]);
        assert_eq!(node_ip(address), address);
    }
}
