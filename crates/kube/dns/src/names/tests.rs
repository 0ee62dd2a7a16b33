//! A table of names and what they say, and that it does not matter how the zone came to be.

use bytes::Bytes;
use client::Change;
use proptest::prelude::*;
use schema::object::{Order, Revision};
use serde_json::{Value, json};

use super::*;

fn object(key: &str, json: &Value) -> Arc<Obj> {
    Arc::new(Obj::new(key, Revision(1), Bytes::from(json.to_string()), Order::Declared).unwrap())
}

fn service(key: &str, spec: &Value) -> Arc<Obj> {
    let (namespace, name) = key.split_once('/').unwrap();
    object(
        key,
        &json!({"metadata": {"name": name, "namespace": namespace}, "spec": spec}),
    )
}

fn slice(key: &str, of: &str, endpoints: &Value, ports: &Value) -> Arc<Obj> {
    let (namespace, name) = key.split_once('/').unwrap();
    let labels = json!({"kubernetes.io/service-name": of, "service.kubernetes.io/headless": ""});
    object(
        key,
        &json!({
            "metadata": {"name": name, "namespace": namespace, "labels": labels},
            "addressType": "IPv4", "endpoints": endpoints, "ports": ports,
        }),
    )
}

fn all<'a>(objects: impl IntoIterator<Item = &'a Arc<Obj>>) -> Changes {
    let mut snapshot = apiserver::cache::Snapshot::default();
    objects
        .into_iter()
        .for_each(|object| drop(snapshot.insert(object.clone())));
    Changes::All(snapshot)
}

fn cluster() -> Names {
    let headless = |ports: Value| json!({"clusterIP": "None", "clusterIPs": ["None"], "ports": ports});
    let two = json!([{"name": "http", "port": 80}, {"name": "dns", "port": 53, "protocol": "UDP"}]);
    let services = [
        service(
            "kube-system/kube-dns",
            &json!({"clusterIPs": ["10.43.0.10"], "ports": [{"name": "dns", "port": 53, "protocol": "UDP"}]}),
        ),
        service("x/web", &json!({"clusterIPs": ["10.43.0.7"], "ports": two})),
        service(
            "x/dual",
            &json!({"clusterIPs": ["10.43.0.8", "fd00::8"], "ports": [{"name": "http", "port": 80}]}),
        ),
        service("x/db", &headless(json!([{"name": "sql", "port": 5432}]))),
        service("x/bare", &headless(json!(null))),
        service("x/idle", &headless(json!([{"name": "http", "port": 80}]))),
        service(
            "x/name",
            &json!({"type": "ExternalName", "externalName": "www.Example.com."}),
        ),
        service(
            "x/inner",
            &json!({"type": "ExternalName", "externalName": "web.x.svc.cluster.local"}),
        ),
        service(
            "x/number",
            &json!({"type": "ExternalName", "externalName": "192.0.2.1"}),
        ),
    ];
    let endpoint = |ip: &str, hostname: Option<&str>, ready: bool| json!({"addresses": [ip], "hostname": hostname, "conditions": {"ready": ready}});
    let db = json!([
        endpoint("10.42.0.3", Some("db-0"), true),
        endpoint("10.42.0.4", Some("DB-1"), true),
        endpoint("10.42.0.5", None, true),
        endpoint("10.42.0.6", Some("db-3"), false),
    ]);
    let sql = json!([{"name": "sql", "port": 15432}]);
    let slices = [
        slice("x/db-1", "db", &db, &sql),
        slice(
            "x/db-2",
            "db",
            &json!([endpoint("fd00::3", Some("db-0"), true)]),
            &sql,
        ),
        slice(
            "x/bare-1",
            "bare",
            &json!([endpoint("10.42.0.9", None, true)]),
            &json!(null),
        ),
        slice(
            "x/idle-1",
            "idle",
            &json!([endpoint("10.42.0.6", None, false)]),
            &json!([{"name": "http", "port": 80}]),
        ),
        slice(
            "x/web-1",
            "web",
            &json!([endpoint("10.42.0.3", Some("w"), true)]),
            &json!([{"name": "http", "port": 8080}]),
        ),
    ];
    let namespaces =
        ["kube-system", "x", "empty"].map(|name| object(name, &json!({"metadata": {"name": name}})));
    let mut names = Names::new("Cluster.Local.");
    names.slices(&all(&slices));
    names.services(&all(&services));
    names.namespaces(&all(&namespaces));
    names
}

fn said(found: &Found) -> String {
    let records = match found {
        Found::Records(records) => records,
        other => return format!("{other:?}"),
    };
    let each = |record: &Record| {
        assert_eq!(
            record.ttl,
            if matches!(record.data, RecordData::Txt(_)) {
                28_800
            } else {
                30
            }
        );
        match &record.data {
            RecordData::A(address) => address.to_string(),
            RecordData::Aaaa(address) => address.to_string(),
            RecordData::Cname(name)
            | RecordData::Ns(name)
            | RecordData::Ptr(name)
            | RecordData::Txt(name) => name.clone(),
            RecordData::Srv {
                priority,
                weight,
                port,
                target,
            } => format!("{priority} {weight} {port} {target}"),
        }
    };
    records.iter().map(each).collect::<Vec<_>>().join(", ")
}

/// Names without a dot at the end are below the cluster's domain.
fn check(names: &Names, table: &[(&str, Kind, &str)]) {
    for (name, kind, expected) in table {
        let full = match name.strip_suffix('.') {
            Some(full) => full.to_owned(),
            None => format!("{name}.cluster.local"),
        };
        assert_eq!(said(&names.resolve(&full, *kind)), *expected, "{full} {kind:?}");
    }
}

#[test]
fn services_with_addresses() {
    check(
        &cluster(),
        &[
            ("web.x.svc", Kind::A, "10.43.0.7"),
            ("web.x.svc", Kind::Aaaa, "NoData"),
            ("web.x.svc", Kind::Txt, "NoData"),
            ("web.x.svc", Kind::Cname, "NoData"),
            ("web.x.svc", Kind::Ptr, "NoData"),
            ("web.x.svc", Kind::Other, "NoData"),
            (
                "web.x.svc",
                Kind::Srv,
                "0 50 53 web.x.svc.cluster.local, 0 50 80 web.x.svc.cluster.local",
            ),
            (
                "_http._tcp.web.x.svc",
                Kind::Srv,
                "0 100 80 web.x.svc.cluster.local",
            ),
            ("_http._tcp.web.x.svc", Kind::A, "10.43.0.7"),
            (
                "_dns._udp.web.x.svc",
                Kind::Srv,
                "0 100 53 web.x.svc.cluster.local",
            ),
            ("_dns._tcp.web.x.svc", Kind::Srv, "NoName"),
            ("dual.x.svc", Kind::Aaaa, "fd00::8"),
            ("dual.x.svc", Kind::Srv, "0 50 80 dual.x.svc.cluster.local"),
            ("w.web.x.svc", Kind::A, "10.42.0.3"),
            ("nobody.web.x.svc", Kind::A, "NoName"),
            ("web.y.svc", Kind::A, "NoName"),
            ("gone.x.svc", Kind::A, "NoName"),
        ],
    );
}

#[test]
fn services_without_addresses() {
    let servers = "0 25 15432 10-42-0-5.db.x.svc.cluster.local, 0 25 15432 db-0.db.x.svc.cluster.local, \
                   0 25 15432 db-1.db.x.svc.cluster.local";
    check(
        &cluster(),
        &[
            ("db.x.svc", Kind::A, "10.42.0.3, 10.42.0.4, 10.42.0.5"),
            ("db.x.svc", Kind::Aaaa, "fd00::3"),
            ("db-0.db.x.svc", Kind::A, "10.42.0.3"),
            ("db-0.db.x.svc", Kind::Aaaa, "fd00::3"),
            ("db-1.db.x.svc", Kind::A, "10.42.0.4"),
            ("db-1.db.x.svc", Kind::Aaaa, "NoData"),
            ("10-42-0-5.db.x.svc", Kind::A, "10.42.0.5"),
            ("db-3.db.x.svc", Kind::A, "NoName"),
            ("_sql._tcp.db.x.svc", Kind::Srv, servers),
            ("_sql._udp.db.x.svc", Kind::Srv, "NoName"),
            ("bare.x.svc", Kind::A, "10.42.0.9"),
            ("bare.x.svc", Kind::Srv, "NoData"),
            ("10-42-0-9.bare.x.svc", Kind::A, "10.42.0.9"),
            ("idle.x.svc", Kind::A, "NoName"),
        ],
    );
}

#[test]
fn names_for_names() {
    check(
        &cluster(),
        &[
            ("name.x.svc", Kind::A, "www.Example.com"),
            ("name.x.svc", Kind::Aaaa, "www.Example.com"),
            ("name.x.svc", Kind::Cname, "www.Example.com"),
            ("name.x.svc", Kind::Srv, "NoData"),
            ("name.x.svc", Kind::Txt, "NoData"),
            ("inner.x.svc", Kind::A, "web.x.svc.cluster.local"),
            ("a.name.x.svc", Kind::A, "NoName"),
            ("_http._tcp.name.x.svc", Kind::Srv, "NoName"),
            ("number.x.svc", Kind::A, "NoName"),
        ],
    );
}

#[test]
fn pods_namespaces_and_the_zone_itself() {
    check(
        &cluster(),
        &[
            ("10-42-0-5.x.pod", Kind::A, "10.42.0.5"),
            ("10-42-0-5.x.pod", Kind::Aaaa, "NoData"),
            ("fd00--5.x.pod", Kind::Aaaa, "fd00::5"),
            ("10-42-0-5.y.pod", Kind::A, "NoName"),
            ("web.x.pod", Kind::A, "NoName"),
            ("svc", Kind::A, "NoData"),
            ("pod", Kind::Ns, "NoData"),
            ("x.svc", Kind::A, "NoData"),
            ("empty.svc", Kind::A, "NoData"),
            ("empty.pod", Kind::A, "NoData"),
            ("y.svc", Kind::A, "NoName"),
            ("foo", Kind::Ns, "NoName"),
            ("dns-version", Kind::Txt, "1.1.0"),
            ("dns-version", Kind::A, "NoData"),
            ("dns", Kind::A, "NoData"),
            ("ns.dns", Kind::A, "10.43.0.10"),
            ("ns.dns", Kind::Aaaa, "NoData"),
            (
                "cluster.local.",
                Kind::Ns,
                "kube-dns.kube-system.svc.cluster.local",
            ),
            ("cluster.local.", Kind::A, "NoData"),
            ("www.example.com.", Kind::A, "NotOurs"),
            ("local.", Kind::A, "NotOurs"),
        ],
    );
    let nothing = Names::new("cluster.local");
    check(
        &nothing,
        &[
            ("cluster.local.", Kind::Ns, "ns.dns.cluster.local"),
            ("ns.dns", Kind::A, "NoData"),
            ("x.svc", Kind::A, "NoName"),
        ],
    );
}

#[test]
fn names_of_addresses() {
    check(
        &cluster(),
        &[
            ("7.0.43.10.in-addr.arpa.", Kind::Ptr, "web.x.svc.cluster.local"),
            ("7.0.43.10.in-addr.arpa.", Kind::A, "NoData"),
            (
                "3.0.42.10.in-addr.arpa.",
                Kind::Ptr,
                "db-0.db.x.svc.cluster.local, w.web.x.svc.cluster.local",
            ),
            (
                "5.0.42.10.in-addr.arpa.",
                Kind::Ptr,
                "10-42-0-5.db.x.svc.cluster.local",
            ),
            ("6.0.42.10.in-addr.arpa.", Kind::Ptr, "NotOurs"),
            ("1.2.0.192.in-addr.arpa.", Kind::Ptr, "NotOurs"),
            (
                "8.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa.",
                Kind::Ptr,
                "dual.x.svc.cluster.local",
            ),
        ],
    );
}

#[derive(Clone, Debug)]
enum Step {
    Service(u8, Option<u8>),
    Slice(u8, Option<(u8, u8)>),
    Relist,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..3_u8, proptest::option::of(0..3_u8)).prop_map(|(at, ip)| Step::Service(at, ip)),
        (0..4_u8, proptest::option::of((0..3_u8, any::<u8>()))).prop_map(|(at, is)| Step::Slice(at, is)),
        Just(Step::Relist),
    ]
}

type Objects = BTreeMap<Box<str>, Arc<Obj>>;

fn put(objects: &mut Objects, key: &str, new: Option<Arc<Obj>>) -> Changes {
    let previous = match &new {
        Some(new) => objects.insert(key.into(), new.clone()),
        None => objects.remove(key),
    };
    Changes::One(Change {
        object: new,
        previous,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn names_are_a_function_of_what_is_there(steps in proptest::collection::vec(step(), 0..40)) {
        let (mut services, mut slices) = (Objects::new(), Objects::new());
        let mut names = Names::new("d");
        for step in steps {
            match step {
                Step::Service(at, ip) => {
                    let key = format!("x/s{at}");
                    let new = ip.map(|ip| service(&key, &json!({"clusterIPs": [format!("10.43.0.{ip}")], "ports": [{"port": 1}]})));
                    names.services(&put(&mut services, &key, new));
                }
                Step::Slice(at, is) => {
                    let key = format!("x/e{at}");
                    let endpoint = |at: u8| json!({"addresses": [format!("10.42.0.{at}")], "conditions": {"ready": !at.is_multiple_of(3)}});
                    let new = is.map(|(of, bits)| {
                        let endpoints: Vec<_> = (0..8).filter(|at| bits >> at & 1 == 1).map(endpoint).collect();
                        slice(&key, &format!("s{of}"), &json!(endpoints), &json!([{"name": "", "port": 1}]))
                    });
                    names.slices(&put(&mut slices, &key, new));
                }
                Step::Relist => {
                    services.pop_last();
                    slices.pop_last();
                    names.slices(&all(slices.values()));
                    names.services(&all(services.values()));
                }
            }
        }
        let mut afresh = Names::new("d");
        afresh.services(&all(services.values()));
        afresh.slices(&all(slices.values()));
        prop_assert_eq!(&names.reverse, &afresh.reverse);
        prop_assert_eq!(&names.addresses, &afresh.addresses);
        for at in 0..8 {
            let name = format!("{at}.0.42.10.in-addr.arpa");
            prop_assert_eq!(names.resolve(&name, Kind::Ptr), afresh.resolve(&name, Kind::Ptr));
        }
    }
}
