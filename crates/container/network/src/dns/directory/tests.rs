//! A few containers that find each other.

use super::*;

fn place(network: &str, address: u8, names: &[&str], links: &[(&str, &str)]) -> Place {
    Place {
        network: format!("{network}-id"),
        network_name: network.to_owned(),
        ipv4: Some(Ipv4Addr::new(10, 0, 0, address)),
        ipv6: None,
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        links: links
            .iter()
            .map(|(alias, container)| ((*alias).to_owned(), (*container).to_owned()))
            .collect(),
    }
}

/// `asking` is on `shop` and `front.end`.
fn directory() -> Directory {
    let mut directory = Directory::default();
    let mut put = |container: &str, places| {
        let forward = Forward::default();
        directory.put(container, Member { places, forward });
    };
    let links = [
        ("db", "Web2"),
        ("web1", "web2"),
        ("lost", "far"),
        ("late", "later"),
    ];
    put(
        "asking",
        vec![
            place("shop", 2, &["asking"], &links),
            place("front.end", 12, &["asking"], &[]),
        ],
    );
    put(
        "one",
        vec![
            place("shop", 3, &["Web1", "web", "web"], &[]),
            place("front.end", 13, &["web1", "a.b"], &[]),
        ],
    );
    put("two", vec![place("shop", 4, &["web2", "web"], &[])]);
    put("far", vec![place("other", 5, &["far"], &[])]);
    directory
}

#[test]
fn names_are_those_of_the_same_networks() {
    let directory = directory();
    for (name, expected) in [
        ("web", Some("10.0.0.3 10.0.0.4")),
        ("web.shop", Some("10.0.0.3 10.0.0.4")),
        ("web2", Some("10.0.0.4")),
        ("db", Some("10.0.0.4")),
        ("db.shop", Some("10.0.0.4")),
        // Linked on one network, and somebody's name on the other.
        ("web1", Some("10.0.0.4")),
        ("web1.front.end", Some("10.0.0.13")),
        ("a.b", Some("10.0.0.13")),
        ("a.b.front.end", Some("10.0.0.13")),
        ("asking", Some("10.0.0.2")),
        ("asking.front.end", Some("10.0.0.12")),
        ("db.front.end", None),
        ("web1.front", None),
        ("front.end", None),
        ("far", None),
        ("lost", None),
        ("late", None),
        ("web1.other", None),
        ("", None),
        (".", None),
    ] {
        let found = directory.resolve("asking", name);
        let found = found.map(|found| found.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(" "));
        assert_eq!(found.as_deref(), expected, "{name}");
    }
    assert_eq!(directory.resolve("nobody", "web"), None);
}

#[test]
fn a_link_may_come_before_its_container() {
    let mut directory = directory();
    let places = vec![place("shop", 6, &["later"], &[])];
    let forward = Forward::default();
    directory.put("new", Member { places, forward });
    let found = directory.resolve("asking", "late");
    assert_eq!(found, Some(vec![[10, 0, 0, 6].into()]));
    directory.remove("new");
    assert_eq!(directory.resolve("asking", "late"), None);
}

#[test]
fn an_address_has_a_name_on_the_same_network() {
    let directory = directory();
    for (address, expected) in [
        ("10.0.0.3", Some("Web1.shop")),
        ("10.0.0.13", Some("web1.front.end")),
        ("10.0.0.5", None),
        ("10.0.0.99", None),
    ] {
        assert_eq!(
            directory.reverse("asking", address.parse().unwrap()).as_deref(),
            expected,
            "{address}"
        );
    }
}

#[test]
fn nothing_is_left_of_a_container_that_has_gone() {
    let mut directory = directory();
    for container in ["asking", "one", "two", "far", "far"] {
        directory.remove(container);
    }
    assert!(directory.zones.is_empty() && directory.members.is_empty());
}

#[test]
fn an_address_that_somebody_else_has_by_now_stays_his() {
    let mut directory = directory();
    let places = vec![place("shop", 4, &["new"], &[])];
    directory.put(
        "new",
        Member {
            places,
            forward: Forward::default(),
        },
    );
    directory.remove("two");
    let name = directory.reverse("asking", [10, 0, 0, 4].into());
    assert_eq!(name.as_deref(), Some("new.shop"));
}

#[test]
fn an_internal_network_asks_only_from_inside() {
    let addresses: Vec<IpAddr> = [11, 1, 2, 3].map(|last| [127, 0, 0, last].into()).into();
    for (from_inside, outside, expected) in [
        (false, true, "127.0.0.11:53 127.0.0.1:53 127.0.0.2:53"),
        (true, true, "127.0.0.1:53 127.0.0.2:53 127.0.0.3:53"),
        (true, false, "127.0.0.1:53 127.0.0.2:53 127.0.0.3:53"),
        (false, false, ""),
    ] {
        let servers = Forward::servers(&addresses, from_inside);
        let forward = Forward {
            servers,
            from_inside,
            outside,
            ndots_set: false,
        };
        let asked: Vec<_> = forward.upstreams().iter().map(SocketAddr::to_string).collect();
        assert_eq!(asked.join(" "), expected);
    }
}
