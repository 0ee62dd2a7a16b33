//! What an API server of a test is told. Keys are made once for each process, so that a restart finds them again.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use apiserver::Config;
use pki::{Authority, ClientAuthorities, TokenIssuer, TokenKey};

/// The authority of every plane of this process.
pub fn authority() -> &'static Authority {
    static CA: OnceLock<Authority> = OnceLock::new();
    CA.get_or_init(|| Authority::generate("test", SystemTime::UNIX_EPOCH).unwrap())
}

/// Who signs the tokens of every plane of this process.
pub fn issuer() -> TokenIssuer {
    static KEY: OnceLock<String> = OnceLock::new();
    let key = KEY.get_or_init(|| TokenKey::generate().unwrap().private_pem().to_owned());
    TokenIssuer::new("https://kubernetes.default.svc", TokenKey::from_pem(key).unwrap())
}

/// A server that reaches nobody: neither kubelets nor webhooks.
pub fn config() -> Config {
    let ca = authority().certificate_pem();
    Config {
        service_cidr: "10.43.0.0/16".to_owned(),
        node_port_range: (30_000, 32_767),
        cluster_domain: "cluster.local".to_owned(),
        advertise: IpAddr::V4(Ipv4Addr::LOCALHOST),
        port: 6443,
        clients: ClientAuthorities::from_pem(ca).unwrap(),
        tokens: issuer(),
        root_ca: ca.to_owned(),
        front_proxy_ca: ca.to_owned(),
        outbound: Arc::new(apiserver::outbound::Offline),
        nodes: Arc::new(apiserver::nodes::NoNodes),
    }
}
