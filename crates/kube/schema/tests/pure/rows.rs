//! The generated tables keep their promises, and the resource rows say what upstream's discovery says.

use schema::BUILTIN;
use schema::resource::{Scope, Verbs, builtin, by_kind, by_resource, type_of_kind};
use schema::row::{Patch, Topology};

#[test]
fn ids_are_in_range_and_lookups_find_every_row() {
    for ty in BUILTIN.ids() {
        let (package, name) = BUILTIN.type_name(ty);
        assert_eq!(BUILTIN.find(package, name), Some(ty));
        for (slot, field) in BUILTIN.fields(ty).iter().enumerate() {
            let json = BUILTIN.name(field.json);
            assert_eq!(
                BUILTIN.slot(ty, json, usize::MAX),
                Some(slot),
                "{package}.{name}.{json}"
            );
            assert!(!BUILTIN.name(field.go).is_empty());
            BUILTIN.merge(field);
        }
        assert!(
            BUILTIN.wires(ty).is_sorted_by(|a, b| a.number < b.number),
            "{package}.{name}"
        );
    }
}

#[test]
fn merge_rules_are_those_of_the_tags() {
    let pod_spec = BUILTIN.find("core/v1", "PodSpec").unwrap();
    let rule = |name: &str| {
        let slot = BUILTIN.slot(pod_spec, name, 0).unwrap();
        BUILTIN.merge(&BUILTIN.fields(pod_spec)[slot])
    };
    let volumes = rule("volumes");
    assert_eq!(
        (volumes.topology, volumes.patch),
        (Topology::Map, Patch::MergeRetainKeys)
    );
    assert_eq!(BUILTIN.name(volumes.patch_key), "name");
    assert_eq!(rule("tolerations").topology, Topology::Atomic);
    assert_eq!(rule("nodeSelector").topology, Topology::Atomic);
    let constraints = rule("topologySpreadConstraints");
    let keys: Vec<_> = constraints.keys.iter().map(|key| BUILTIN.name(*key)).collect();
    assert_eq!(keys, ["topologyKey", "whenUnsatisfiable"]);
}

#[test]
fn every_resource_is_found_by_name_and_by_kind() {
    assert_eq!(builtin().len(), 76);
    for def in builtin() {
        for version in &*def.versions {
            let found = by_resource(&def.group, &version.name, &def.plural).unwrap();
            assert_eq!((&found.0.plural, &found.1.name), (&def.plural, &version.name));
            assert!(by_kind(&def.group, &version.name, &def.kind).is_some());
            assert_eq!(
                type_of_kind(&def.group, &version.name, &def.kind),
                Some(version.schema)
            );
        }
        let stored = &def.storage_version;
        assert!(
            type_of_kind(&stored.group, &stored.version, &def.kind).is_some(),
            "{}",
            def.plural
        );
    }
}

#[test]
fn rows_say_what_discovery_says() {
    let (pods, v1) = by_resource("", "v1", "pods").unwrap();
    assert_eq!(
        (
            pods.scope,
            &*pods.singular,
            &*pods.short_names[0],
            &*pods.categories[0]
        ),
        (Scope::Namespaced, "pod", "po", "all")
    );
    let verbs: Vec<_> = v1.verbs.names().collect();
    assert_eq!(
        verbs,
        [
            "create",
            "delete",
            "deletecollection",
            "get",
            "list",
            "patch",
            "update",
            "watch"
        ]
    );
    let subresources: Vec<_> = v1.subresources.iter().map(|s| &*s.name).collect();
    assert_eq!(
        subresources,
        [
            "attach",
            "binding",
            "ephemeralcontainers",
            "eviction",
            "exec",
            "log",
            "portforward",
            "proxy",
            "resize",
            "status"
        ]
    );
    let eviction = &v1.subresources[3];
    assert_eq!(
        (&*eviction.group, &*eviction.kind, eviction.verbs),
        ("policy", "Eviction", Verbs::CREATE)
    );
    let exec: Vec<_> = v1.subresources[4].verbs.names().collect();
    assert_eq!(exec, ["create", "get"]);
    let (hpa, _) = by_kind("autoscaling", "v1", "HorizontalPodAutoscaler").unwrap();
    assert_eq!((&*hpa.storage_version.version, hpa.versions.len()), ("v2", 2));
    assert!(
        !by_resource("networking.k8s.io", "v1beta1", "ipaddresses")
            .unwrap()
            .1
            .enabled
    );
    assert!(by_resource("", "v1", "nodes").is_some_and(|(nodes, _)| nodes.scope == Scope::Cluster));
    assert!(by_resource("", "v2", "pods").is_none());
}
