//! Networks and sandboxes over their life.

use std::net::Ipv4Addr;
use std::path::Path;

use network::{EndpointSpec, Ipam, IpamConfig, Kind, Mac, NetworkSpec, Networks};

use super::ports::{port, publish};
use super::reach::spec;
use super::rig::{self, Container, NODE, Node, WORLD, World, ask, eventually, id, request};

pub(crate) fn links() -> Vec<String> {
    let entries = std::fs::read_to_string("/proc/thread-self/net/dev").unwrap();
    entries
        .lines()
        .skip(2)
        .filter_map(|line| Some(line.split(':').next()?.trim().to_owned()))
        .collect()
}

fn subnet(name: &str, cidr: &str) -> NetworkSpec {
    NetworkSpec {
        ipam: Ipam {
            configs: vec![IpamConfig {
                subnet: cidr.to_owned(),
                ..IpamConfig::default()
            }],
            ..Ipam::default()
        },
        ..spec(name)
    }
}

#[test]
fn networks_are_judged_in_upstreams_words() {
    let node = Node::new();
    let networks = node.networks();
    let one = networks.create(subnet("one", "10.9.0.0/16")).unwrap();
    let with_link = |name: &str, link: &str| {
        let mut spec = spec(name);
        spec.options
            .insert("com.docker.network.bridge.name".to_owned(), link.to_owned());
        spec
    };
    let driver = |driver: &str| NetworkSpec {
        driver: driver.to_owned(),
        ..spec("other")
    };
    for (spec, kind, text) in [
        (
            spec("one"),
            Kind::Conflict,
            "network with name one already exists".to_owned(),
        ),
        (
            spec("host"),
            Kind::Forbidden,
            "operation is not permitted on predefined host network ".to_owned(),
        ),
        (driver("zz"), Kind::NotFound, "plugin \"zz\" not found".to_owned()),
        (
            driver("host"),
            Kind::Forbidden,
            "only one instance of \"host\" network is allowed".to_owned(),
        ),
        (
            subnet("other", "10.9.1.0/24"),
            Kind::Forbidden,
            "invalid pool request: Pool overlaps with other one on this address space".to_owned(),
        ),
        (
            subnet("other", "zz"),
            Kind::InvalidParameter,
            "invalid network config:\ninvalid subnet zz: invalid CIDR block notation".to_owned(),
        ),
        (
            with_link("other", one.link.as_ref().unwrap()),
            Kind::Forbidden,
            format!(
                "cannot create network other ({link}): conflicts with network {id} ({link}): networks have same bridge name",
                link = one.link.as_ref().unwrap(),
                id = one.id
            ),
        ),
        (
            with_link("other", "lo"),
            Kind::System,
            "existing interface lo is not a bridge".to_owned(),
        ),
    ] {
        let error = networks.create(spec).unwrap_err();
        assert_eq!((error.kind(), error.to_string()), (kind, text));
    }
    assert_eq!(
        networks.find("nope").unwrap_err().to_string(),
        "network nope not found"
    );
    assert_eq!(networks.find(&one.id[..9]).unwrap().name, "one");
    let error = networks.remove("bridge").unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string()),
        (
            Kind::Forbidden,
            "bridge is a pre-defined network and cannot be removed".to_owned()
        )
    );
}

#[test]
fn a_network_in_use_stays_and_an_unused_one_goes_with_its_link() {
    let node = Node::new();
    let networks = node.networks();
    let used = networks.create(spec("used")).unwrap();
    networks.create(spec("unused")).unwrap();
    node.attach("web", "used");
    let error = networks.remove("used").unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("error while removing network: network used has active endpoints (name:\"web\" id:")
    );
    assert_eq!(networks.prune(&|_| true).unwrap(), ["unused"]);
    assert_eq!(networks.endpoints(&used.id)[0].container_name, "web");
    networks.detach(&id("web")).unwrap();
    networks.remove("used").unwrap();
    assert!(!links().contains(used.link.as_ref().unwrap()));
    assert_eq!(
        networks
            .list()
            .iter()
            .map(|network| network.name.as_str())
            .collect::<Vec<_>>(),
        ["bridge", "host", "none"]
    );
}

#[test]
fn addresses_are_asked_for_only_where_the_user_gave_the_subnet() {
    let node = Node::new();
    node.networks().create(subnet("mine", "10.9.0.0/16")).unwrap();
    node.networks().create(spec("theirs")).unwrap();
    let fixed = |address: &str| EndpointSpec {
        ipv4: Some(address.parse().unwrap()),
        mac: Some(Mac([2, 1, 2, 3, 4, 5])),
        ..EndpointSpec::default()
    };
    let web = node.attach_with("web", "mine", |request| request.networks[0].1 = fixed("10.9.7.7"));
    assert_eq!(web.ip(), Ipv4Addr::new(10, 9, 7, 7));
    let mac = web.run(|| {
        std::fs::read_to_string("/proc/net/arp")
            .map(|_| mac_of_eth0())
            .unwrap()
    });
    assert_eq!(mac, Mac([2, 1, 2, 3, 4, 5]));
    for (network, address, text) in [
        ("mine", "10.9.7.7", "Address already in use"),
        (
            "mine",
            "10.8.0.1",
            "invalid endpoint settings:\nno configured subnet or ip-range contain the IP address 10.8.0.1",
        ),
        (
            "theirs",
            "172.18.0.9",
            "invalid endpoint settings:\nuser specified IP address is supported only when connecting to networks with user configured subnets",
        ),
        (
            "bridge",
            "172.17.0.9",
            "invalid endpoint settings:\n* user specified IP address is supported on user defined networks only\n\
             * user specified IP address is supported only when connecting to networks with user configured subnets",
        ),
    ] {
        let mut other = request("other", network);
        other.networks[0].1 = fixed(address);
        assert_eq!(node.networks().attach(other).unwrap_err().to_string(), text);
    }
}

/// The address as the kernel shows it, asked of a route socket: RTM_GETLINK by name.
fn mac_of_eth0() -> Mac {
    let message = &mut rig::message(18, 0, &[&[0; 16], &rig::attribute(3, b"eth0\0")]);
    let (_, payload) = rig::route().get(message).unwrap();
    let mut rest = &payload[16..];
    loop {
        let length = usize::from(u16::from_ne_bytes([rest[0], rest[1]]));
        if rest[2..4] == [1, 0] {
            return Mac(rest[4..10].try_into().unwrap());
        }
        rest = &rest[length.next_multiple_of(4)..];
    }
}

#[test]
fn the_host_and_none_networks_have_no_links() {
    let node = Node::new();
    let host = node.networks().attach(request("host", "host")).unwrap();
    assert_eq!(
        (host.key.clone(), host.endpoints[0].interface.as_str()),
        (None, "")
    );
    let none = node.attach("none", "none");
    assert_eq!(none.run(links), ["lo"]);
    let error = node
        .networks()
        .connect(&id("host"), "bridge", EndpointSpec::default())
        .unwrap_err();
    assert_eq!(error.kind(), Kind::InvalidParameter);
    node.networks().detach(&id("host")).unwrap();
}

#[test]
fn a_running_container_joins_and_leaves() {
    let node = Node::new();
    let world = World::new();
    node.networks().create(spec("back")).unwrap();
    let web = node.attach_with("web", "bridge", publish(vec![port(80, 8080)]));
    let db = node.attach("db", "back");
    let (_web, _db) = (web.listen(80), db.listen(80));
    assert!(web.silent((db.ip(), 80)));
    let endpoint = node
        .networks()
        .connect(&id("web"), "back", EndpointSpec::default())
        .unwrap();
    assert_eq!(
        (
            endpoint.interface.as_str(),
            endpoint.ipv4.unwrap().0.to_string().as_str()
        ),
        ("eth1", "172.18.0.3")
    );
    assert_eq!(web.ask((db.ip(), 80)), Some(endpoint.ipv4.unwrap().0.into()));
    assert_eq!(
        node.networks()
            .connect(&id("web"), "back", EndpointSpec::default())
            .unwrap_err()
            .kind(),
        Kind::Forbidden
    );
    // The way out and the port move to the network that is left.
    assert_eq!(world.ask((NODE, 8080)), Some(WORLD.into()));
    node.networks().disconnect(&id("web"), "bridge").unwrap();
    assert_eq!(world.ask((NODE, 8080)), Some(WORLD.into()));
    node.networks().disconnect(&id("web"), "back").unwrap();
    assert_eq!(world.ask((NODE, 8080)), None);
    assert_eq!(
        node.networks().disconnect(&id("web"), "back").unwrap_err().kind(),
        Kind::Forbidden
    );
}

#[test]
fn traffic_is_counted() {
    let node = Node::new();
    let web = node.attach("web", "bridge");
    let _server = web.listen(80);
    let sum = || {
        node.networks()
            .counters(&id("web"))
            .unwrap()
            .iter()
            .map(|link| link.received.bytes)
            .sum::<u64>()
    };
    let before = sum();
    assert!(ask((web.ip(), 80).into()).is_some());
    assert!(sum() > before);
    assert!(node.networks().counters("nobody").is_err());
}

#[test]
fn sysctls_are_the_containers_own() {
    let node = Node::new();
    let web = node.attach_with("web", "bridge", |request| {
        request.sysctls = vec![("net.ipv4.tcp_syncookies".to_owned(), "0".to_owned())];
        let options = &mut request.networks[0].1.driver_opts;
        options.insert(
            "com.docker.network.endpoint.sysctls".to_owned(),
            "net.ipv4.conf.IFNAME.log_martians=1".to_owned(),
        );
    });
    let read = |name: &'static str| {
        web.run(|| std::fs::read_to_string(Path::new("/proc/sys/net").join(name)).unwrap())
    };
    assert_eq!(read("ipv4/tcp_syncookies").trim(), "0");
    assert_eq!(read("ipv4/conf/eth0/log_martians").trim(), "1");
    assert_eq!(read("ipv4/ip_unprivileged_port_start").trim(), "0");
    assert_eq!(
        std::fs::read_to_string("/proc/sys/net/ipv4/conf/lo/log_martians")
            .unwrap()
            .trim(),
        "0"
    );
}

#[test]
fn everything_goes_on_after_the_daemon_died() {
    let mut node = Node::new();
    let world = World::new();
    node.networks().create(subnet("mine", "10.9.0.0/16")).unwrap();
    let web = node.attach_with("web", "mine", publish(vec![port(80, 8080)]));
    let gone = node.attach("gone", "mine");
    let _server = web.listen(80);
    let before = node.networks().sandbox(&id("web")).unwrap();
    node.networks = None;
    // While there is no daemon.
    assert_eq!(world.ask((NODE, 8080)), Some(WORLD.into()));
    // A container whose namespace has gone meanwhile is forgotten.
    sys::netns::unpin(gone.sandbox.key.as_ref().unwrap()).unwrap();
    node.open();
    assert_eq!(world.ask((NODE, 8080)), Some(WORLD.into()));
    assert!(ask((std::net::Ipv6Addr::LOCALHOST, 8080).into()).is_some());
    assert_eq!(node.networks().sandbox(&id("web")).unwrap(), before);
    assert!(node.networks().sandbox(&id("gone")).is_none());
    let other = node.attach("other", "mine");
    assert_eq!(other.ip().to_string(), "10.9.0.3");
    assert_eq!(other.ask((web.ip(), 80)), Some(other.ip().into()));
    let mut taken = request("taken", "mine");
    taken.ports = vec![port(80, 8080)];
    assert!(
        node.networks()
            .attach(taken)
            .unwrap_err()
            .to_string()
            .ends_with("port is already allocated")
    );
    node.networks().detach(&id("web")).unwrap();
    assert!(world.silent((NODE, 8080)));
}

#[test]
fn closing_leaves_nothing() {
    let mut node = Node::new();
    let before = links();
    node.networks().create(spec("mine")).unwrap();
    node.attach_with("web", "mine", publish(vec![port(80, 8080)]));
    node.attach("other", "bridge");
    node.networks.take().iter().for_each(Networks::close);
    let left: Vec<_> = links().into_iter().filter(|link| link != "lo").collect();
    assert!(left.is_empty(), "{left:?} of {before:?}");
    assert_eq!(super::firewall::tables(), Vec::<String>::new());
    assert_eq!(
        std::fs::read_dir(node.config.run_dir.join("netns"))
            .unwrap()
            .count(),
        0
    );
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    assert!(!mounts.contains(node.config.run_dir.to_str().unwrap()));
    assert!(network::Holder::held(&*node.holder).unwrap().is_empty());
    std::net::TcpListener::bind("0.0.0.0:8080").unwrap();
    // Opened again, its networks are back.
    node.open();
    assert_eq!(
        node.networks()
            .find("mine")
            .unwrap()
            .link
            .as_ref()
            .map(|link| links().contains(link)),
        Some(true)
    );
    assert!(node.networks().sandbox(&id("web")).is_none());
}

#[test]
fn a_container_that_goes_leaves_no_link_and_no_file() {
    let node = Node::with(|config| config.ready = 0);
    let before = links().len();
    let web = node.attach("web", "bridge");
    let key = web.sandbox.key.clone().unwrap();
    node.networks().detach(&id("web")).unwrap();
    eventually("link and namespace go", || {
        links().len() == before && !key.exists()
    });
}

#[test]
fn a_failed_start_leaves_nothing() {
    let node = Node::with(|config| config.ready = 0);
    let before = links().len();
    let mut wrong = request("wrong", "bridge");
    wrong.sysctls = vec![("net.ipv4.no_such_thing".to_owned(), "1".to_owned())];
    assert_eq!(node.networks().attach(wrong).unwrap_err().kind(), Kind::System);
    eventually("links go", || links().len() == before);
    assert_eq!(
        std::fs::read_dir(node.config.run_dir.join("netns"))
            .unwrap()
            .count(),
        0
    );
    assert_eq!(node.attach("right", "bridge").ip().to_string(), "172.17.0.2");
}

#[test]
fn containers_start_side_by_side() {
    let node = Node::new();
    let start = |n: usize| {
        Container::of(
            node.networks()
                .attach(request(&format!("c{n}"), "bridge"))
                .unwrap(),
        )
        .ip()
    };
    let ips: std::collections::BTreeSet<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..16).map(|n| scope.spawn(move || start(n))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(ips.len(), 16);
    let stop = |n: usize| node.networks().detach(&id(&format!("c{n}"))).unwrap();
    std::thread::scope(|scope| (0..16).for_each(|n| drop(scope.spawn(move || stop(n)))));
    assert_eq!(node.attach("again", "bridge").ip().to_string(), "172.17.0.2");
}

#[test]
fn a_subnet_of_the_host_is_left_alone() {
    let node = Node::with(|_| rig::add_dummy_route([172, 17, 0, 0]));
    assert_eq!(node.attach("web", "bridge").ip().to_string(), "172.18.0.2");
}
