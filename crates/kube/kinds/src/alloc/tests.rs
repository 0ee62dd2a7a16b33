//! Allocation as tables: a Service, what is taken already, what comes of it.

use super::*;
use schema::BUILTIN;
use schema::json::{Options, decode};
use schema::resource::type_of_kind;

fn service(spec: &str) -> Struct {
    let json = format!(r#"{{"metadata":{{"name":"s","namespace":"n"}},"spec":{spec}}}"#);
    let ty = type_of_kind("", "v1", "Service").unwrap();
    let mut service = decode(&BUILTIN, ty, json.as_bytes(), Options::default())
        .unwrap()
        .object;
    (crate::strategy("", "services").default)(&BUILTIN, &mut service);
    service
}

fn single() -> Allocators {
    Allocators::new(vec!["10.0.0.0/24".parse().unwrap()], (30_000, 30_099))
}

fn dual() -> Allocators {
    let cidrs = ["10.0.0.0/24", "fd00::/112"].map(|cidr| cidr.parse().unwrap());
    Allocators::new(cidrs.to_vec(), (30_000, 30_099))
}

fn create(pool: &mut Allocators, spec: &str) -> Result<(Struct, Reservation), Refused> {
    let mut object = service(spec);
    let mut rng = Rng::from_seed(1);
    let mut request = Request {
        types: &BUILTIN,
        rng: &mut rng,
        dry_run: false,
    };
    let reservation = pool.create(&mut request, &mut object)?;
    Ok((object, reservation))
}

fn update(pool: &mut Allocators, old: &Struct, spec: &str) -> Result<(Struct, Reservation), Refused> {
    let mut object = service(spec);
    let mut rng = Rng::from_seed(2);
    let mut request = Request {
        types: &BUILTIN,
        rng: &mut rng,
        dry_run: false,
    };
    let reservation = pool.update(&mut request, &mut object, old)?;
    Ok((object, reservation))
}

fn texts(refused: Refused) -> Vec<String> {
    match refused {
        Refused::Invalid(errors) => errors.iter().map(ToString::to_string).collect(),
        Refused::Internal(text) => vec![text],
    }
}

fn json(object: &Struct, path: &str) -> String {
    Ref::new(&BUILTIN, object).path(path).json()
}

#[test]
fn a_new_service_gets_what_its_type_needs() {
    let port = r#""ports":[{"port":80,"protocol":"TCP"}]"#;
    let cases = [
        (format!("{{{port}}}"), 1, 0),
        (format!(r#"{{{port},"clusterIP":"None"}}"#), 0, 0),
        (
            format!(r#"{{{port},"type":"ExternalName","externalName":"a.b"}}"#),
            0,
            0,
        ),
        (format!(r#"{{{port},"type":"NodePort"}}"#), 1, 1),
        (
            format!(r#"{{{port},"type":"LoadBalancer","externalTrafficPolicy":"Local"}}"#),
            1,
            2,
        ),
        (
            format!(r#"{{{port},"type":"LoadBalancer","allocateLoadBalancerNodePorts":false}}"#),
            1,
            0,
        ),
    ];
    for (spec, addresses, ports) in cases {
        let (object, reservation) = create(&mut single(), &spec).unwrap();
        assert_eq!(reservation.taken.len(), addresses, "{spec}");
        assert_eq!(reservation.taken_ports.len(), ports, "{spec}");
        let held = shape::holdings(Ref::new(&BUILTIN, &object));
        assert_eq!((held.0.len(), held.1.len()), (addresses, ports), "{spec}");
    }
}

#[test]
fn families_follow_policy_and_cluster() {
    let cases = [
        (r#"{"ports":[{"port":1}]}"#, r#"["IPv4"]"#, r#""SingleStack""#),
        (
            r#"{"ipFamilyPolicy":"PreferDualStack"}"#,
            r#"["IPv4","IPv6"]"#,
            r#""PreferDualStack""#,
        ),
        (r#"{"ipFamilies":["IPv6"]}"#, r#"["IPv6"]"#, r#""SingleStack""#),
        (
            r#"{"clusterIP":"fd00::5","ipFamilyPolicy":"RequireDualStack"}"#,
            r#"["IPv6","IPv4"]"#,
            r#""RequireDualStack""#,
        ),
        (
            r#"{"clusterIP":"None"}"#,
            r#"["IPv4","IPv6"]"#,
            r#""RequireDualStack""#,
        ),
        (
            r#"{"clusterIP":"None","selector":{"a":"b"}}"#,
            r#"["IPv4"]"#,
            r#""SingleStack""#,
        ),
    ];
    for (spec, families, policy) in cases {
        let (object, _reservation) = create(&mut dual(), spec).unwrap();
        assert_eq!(json(&object, "spec.ipFamilies"), families, "{spec}");
        assert_eq!(json(&object, "spec.ipFamilyPolicy"), policy, "{spec}");
        assert_eq!(
            json(&object, "spec.clusterIP"),
            json(&object, "spec.clusterIPs")
                .split(['[', ',', ']'])
                .nth(1)
                .unwrap()
        );
    }
    let (object, _reservation) = create(&mut single(), r#"{"ipFamilyPolicy":"PreferDualStack"}"#).unwrap();
    assert_eq!(json(&object, "spec.ipFamilies"), r#"["IPv4"]"#);
}

#[test]
fn what_cannot_be_had_is_said_in_upstreams_words() {
    let mut pool = single();
    let (taken, reservation) = create(
        &mut pool,
        r#"{"clusterIP":"10.0.0.9","type":"NodePort","ports":[{"port":1,"nodePort":30001}]}"#,
    )
    .unwrap();
    pool.commit(reservation);
    assert_eq!(json(&taken, "spec.clusterIPs"), r#"["10.0.0.9"]"#);
    let cases = [
        (
            r#"{"clusterIP":"10.0.0.9"}"#,
            r#"spec.clusterIPs: Invalid value: ["10.0.0.9"]: failed to allocate IP 10.0.0.9: provided IP is already allocated"#,
        ),
        (
            r#"{"clusterIP":"10.9.0.9"}"#,
            r#"spec.clusterIPs: Invalid value: ["10.9.0.9"]: failed to allocate IP 10.9.0.9: the provided network does not match the current range"#,
        ),
        (
            r#"{"clusterIP":"10.0.0.0"}"#,
            r#"spec.clusterIPs: Invalid value: ["10.0.0.0"]: failed to allocate IP 10.0.0.0: the provided IP (10.0.0.0) is not in the valid range. The range of valid IPs is 10.0.0.0/24"#,
        ),
        (
            r#"{"type":"NodePort","ports":[{"port":1,"nodePort":30001}]}"#,
            "spec.ports[0].nodePort: Invalid value: 30001: provided port is already allocated",
        ),
        (
            r#"{"type":"NodePort","ports":[{"port":1,"nodePort":80}]}"#,
            "spec.ports[0].nodePort: Invalid value: 80: provided port is not in the valid range. The range of valid ports is 30000-30099",
        ),
        (
            r#"{"ipFamilyPolicy":"RequireDualStack"}"#,
            r#"spec.ipFamilyPolicy: Invalid value: "RequireDualStack": this cluster is not configured for dual-stack services"#,
        ),
        (
            r#"{"ipFamilies":["IPv6"]}"#,
            r#"spec.ipFamilies[0]: Invalid value: "IPv6": not configured on this cluster"#,
        ),
        (
            r#"{"clusterIP":"fd00::1"}"#,
            r#"spec.clusterIPs[0]: Invalid value: ["fd00::1"]: IPv6 is not configured on this cluster"#,
        ),
        (
            r#"{"ipFamilies":["IPv4","IPv6"]}"#,
            r#"spec.ipFamilyPolicy: Invalid value: "SingleStack": must be 'RequireDualStack' or 'PreferDualStack' when multiple IP families are specified"#,
        ),
    ];
    let before = pool.clone();
    for (spec, text) in cases {
        assert_eq!(texts(create(&mut pool, spec).unwrap_err()), [text], "{spec}");
        assert_eq!(
            pool.addresses_held(),
            before.addresses_held(),
            "a refusal takes nothing: {spec}"
        );
    }
}

#[test]
fn an_update_keeps_takes_and_frees() {
    let mut pool = single();
    let spec = r#"{"type":"NodePort","ports":[{"name":"a","port":1}]}"#;
    let (old, reservation) = create(&mut pool, spec).unwrap();
    pool.commit(reservation);
    let held = shape::holdings(Ref::new(&BUILTIN, &old));

    let (same, reservation) = update(&mut pool, &old, spec).unwrap();
    assert_eq!(
        shape::holdings(Ref::new(&BUILTIN, &same)),
        held,
        "what is left out stays"
    );
    assert_eq!(reservation, Reservation::default());
    pool.commit(reservation);

    let (_, reservation) = update(&mut pool, &old, r#"{"ports":[{"name":"a","port":1}]}"#).unwrap();
    assert_eq!((&reservation.freed, &reservation.freed_ports), (&vec![], &held.1));
    pool.abort(reservation);

    let external = r#"{"type":"ExternalName","externalName":"a.b"}"#;
    let (_, reservation) = update(&mut pool, &old, external).unwrap();
    assert_eq!((&reservation.freed, &reservation.freed_ports), (&held.0, &held.1));
    pool.commit(reservation);
    assert_eq!(pool.addresses_held(), 0);

    let (back, reservation) = update(&mut pool, &service(external), r#"{"ports":[{"port":1}]}"#).unwrap();
    assert_eq!(reservation.taken.len(), 1, "an address again");
    pool.commit(Allocators::delete(Ref::new(&BUILTIN, &back)));
    pool.commit(reservation);
    assert_eq!(pool.addresses_held(), 0);
}

#[test]
fn a_second_family_comes_and_goes_by_policy() {
    let mut pool = dual();
    let (old, reservation) = create(&mut pool, r#"{"ports":[{"port":1}]}"#).unwrap();
    pool.commit(reservation);
    let (two, reservation) = update(
        &mut pool,
        &old,
        r#"{"ipFamilyPolicy":"PreferDualStack","ports":[{"port":1}]}"#,
    )
    .unwrap();
    assert_eq!(reservation.taken.len(), 1);
    pool.commit(reservation);
    assert_eq!(json(&two, "spec.ipFamilies"), r#"["IPv4","IPv6"]"#);
    let spec = format!(
        r#"{{"ipFamilyPolicy":"SingleStack","clusterIP":{},"clusterIPs":{},"ipFamilies":["IPv4","IPv6"],"ports":[{{"port":1}}]}}"#,
        json(&two, "spec.clusterIP"),
        json(&two, "spec.clusterIPs")
    );
    let (one, reservation) = update(&mut pool, &two, &spec).unwrap();
    assert_eq!((reservation.freed.len(), reservation.taken.len()), (1, 0));
    assert_eq!(json(&one, "spec.ipFamilies"), r#"["IPv4"]"#);
    pool.commit(reservation);
    assert_eq!(pool.addresses_held(), 1);
}

#[test]
fn every_address_is_given_once_the_lower_band_last() {
    let mut pool = Allocators::new(vec!["10.0.0.0/24".parse().unwrap()], (30_000, 30_099));
    let mut rng = Rng::from_seed(3);
    let mut seen = std::collections::BTreeSet::new();
    for turn in 0..254_u32 {
        let mut object = service(r#"{"ports":[{"port":1}]}"#);
        let mut request = Request {
            types: &BUILTIN,
            rng: &mut rng,
            dry_run: false,
        };
        let reservation = pool.create(&mut request, &mut object).unwrap();
        let IpAddr::V4(address) = reservation.taken[0] else {
            panic!("{reservation:?}")
        };
        let host = u32::from(address) & 0xff;
        assert_eq!(host <= 16, turn >= 238, "{turn}: {address}");
        assert!(seen.insert(address));
        pool.commit(reservation);
    }
    let full = create(&mut pool, r#"{"ports":[{"port":1}]}"#).unwrap_err();
    assert_eq!(texts(full), ["failed to allocate a serviceIP: range is full"]);
}

#[test]
fn the_state_is_made_again_from_the_services() {
    let mut pool = single();
    let spec = r#"{"type":"LoadBalancer","externalTrafficPolicy":"Local","ports":[{"port":1},{"name":"b","port":2}]}"#;
    let (object, reservation) = create(&mut pool, spec).unwrap();
    pool.commit(reservation);
    let mut again = single();
    again.adopt(Ref::new(&BUILTIN, &object));
    assert_eq!(again.addresses_held(), pool.addresses_held());
    let ip = json(&object, "spec.clusterIP");
    let text = texts(create(&mut again, &format!(r#"{{"clusterIP":{ip}}}"#)).unwrap_err()).remove(0);
    assert!(text.ends_with("provided IP is already allocated"), "{text}");
}

#[test]
fn a_dry_run_shows_examples_and_takes_nothing() {
    let mut pool = single();
    let mut object = service(r#"{"type":"NodePort","ports":[{"port":1},{"name":"b","port":2}]}"#);
    let mut rng = Rng::from_seed(1);
    let mut request = Request {
        types: &BUILTIN,
        rng: &mut rng,
        dry_run: true,
    };
    let reservation = pool.create(&mut request, &mut object).unwrap();
    assert_eq!(reservation, Reservation::default());
    assert_eq!(json(&object, "spec.clusterIP"), r#""10.0.0.0""#);
    assert_eq!(shape::node_ports(Ref::new(&BUILTIN, &object)), [32_768, 32_769]);
    pool.abort(reservation);
    assert_eq!(pool.addresses_held(), 0);
}

#[test]
fn an_address_has_an_object_that_names_its_service() {
    let owner = service("{}");
    let object = ip_address(Ref::new(&BUILTIN, &owner), "10.0.0.9".parse().unwrap()).unwrap();
    assert_eq!(json(&object, "metadata.name"), r#""10.0.0.9""#);
    assert_eq!(
        json(&object, "spec.parentRef"),
        r#"{"resource":"services","namespace":"n","name":"s"}"#
    );
    assert_eq!(
        json(&object, "metadata.labels"),
        r#"{"ipaddress.kubernetes.io/ip-family":"IPv4","ipaddress.kubernetes.io/managed-by":"ipallocator.k8s.io"}"#
    );
}
