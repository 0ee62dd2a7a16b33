//! Nodes and Services as tables: what was there, what is there now, and what is wrong with it in upstream's words.

use crate::workloads::tests::{faults, read, text, through};

/// The plural, the path below the object, the old one, the new one, and the faults.
type Case = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static [&'static str],
);

const NODES: &[(&str, &[&str])] = &[
    (r#"{"spec":{"podCIDRs":["10.0.0.0/24","fd00::/64"]}}"#, &[]),
    (
        r#"{"spec":{"podCIDRs":["10.0.0.0/24","10.0.1.0/24"]}}"#,
        &[
            r#"spec.podCIDRs: Invalid value: ["10.0.0.0/24","10.0.1.0/24"]: may specify no more than one CIDR for each IP family"#,
        ],
    ),
    (
        r#"{"spec":{"podCIDR":"10.0.0.0/33"}}"#,
        &[
            r#"spec.podCIDRs[0]: Invalid value: "10.0.0.0/33": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"#,
        ],
    ),
    (
        r#"{"spec":{"podCIDR":"10.0.0.0/24","podCIDRs":["10.1.0.0/24","fd00::/64"]}}"#,
        &[],
    ),
    (
        r#"{"spec":{"podCIDRs":["10.0.0.0/24","x"]}}"#,
        &[
            r#"spec.podCIDRs[1]: Invalid value: "x": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"#,
            "spec.podCIDRs: Internal error: invalid PodCIDRs. failed to check with dual stack with error:invalid CIDR[1]: <nil> (invalid CIDR address: x)",
            r#"spec.podCIDRs: Invalid value: ["10.0.0.0/24","x"]: may specify no more than one CIDR for each IP family"#,
        ],
    ),
    (
        r#"{"status":{"nodeInfo":{"swap":{"capacity":0}},"declaredFeatures":["B","A","A","a","Ab/c-d"]}}"#,
        &[
            "metadata.nodeSwapStatus.capacity: Invalid value: 0: must be greater than zero",
            r#"status.declaredFeatures[1]: Invalid value: "A": list must be sorted alphabetically"#,
            r#"status.declaredFeatures[2]: Duplicate value: "A""#,
            r#"status.declaredFeatures[3]: Invalid value: "a": invalid feature name "a": must start with an UpperCamelCase segment, with subsequent segments separated by '/' (e.g., MyFeature or MyFeature/mySubFeature), and contain only alphanumeric characters and slashes"#,
            r#"status.declaredFeatures[4]: Invalid value: "Ab/c-d": list must be sorted alphabetically"#,
            r#"status.declaredFeatures[4]: Invalid value: "Ab/c-d": invalid feature name "Ab/c-d": must start with an UpperCamelCase segment, with subsequent segments separated by '/' (e.g., MyFeature or MyFeature/mySubFeature), and contain only alphanumeric characters and slashes"#,
        ],
    ),
];

#[test]
fn nodes_are_judged_as_upstream_does() {
    for (json, expected) in NODES {
        assert_eq!(faults("", "nodes", "v1", json), *expected, "{json}");
    }
}

#[test]
fn the_first_range_of_pods_stands_alone_and_in_the_list() {
    for (json, expected) in [
        (
            r#"{"spec":{"podCIDR":"10.0.0.0/24"}}"#,
            r#"{"podCIDR":"10.0.0.0/24","podCIDRs":["10.0.0.0/24"]}"#,
        ),
        (
            r#"{"spec":{"podCIDRs":["10.0.0.0/24","fd00::/64"]}}"#,
            r#"{"podCIDR":"10.0.0.0/24","podCIDRs":["10.0.0.0/24","fd00::/64"]}"#,
        ),
        (
            r#"{"spec":{"podCIDR":"10.0.0.0/24","podCIDRs":["10.1.0.0/24","fd00::/64"]}}"#,
            r#"{"podCIDR":"10.0.0.0/24","podCIDRs":["10.0.0.0/24"]}"#,
        ),
    ] {
        let node = text(&read("", "nodes", "v1", json));
        assert!(node.contains(expected), "{node}");
    }
}

const CHANGES: &[Case] = &[
    (
        "nodes",
        "",
        r#"{"spec":{"podCIDRs":["10.0.0.0/24","fd00::/64"],"providerID":"a"}}"#,
        r#"{"spec":{"podCIDRs":["10.0.1.0/24","fd01::/64"],"providerID":"b","externalID":"x"}}"#,
        &[
            r#"spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid"#,
            r#"spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid"#,
            r#"spec.providerID: Forbidden: node updates may not change providerID except from "" to valid"#,
            "spec.externalID: Forbidden: may not be updated",
        ],
    ),
    (
        "nodes",
        "",
        r#"{"spec":{"podCIDRs":["10.0.0.0/24"]}}"#,
        r#"{"spec":{}}"#,
        &[r#"spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid"#],
    ),
    (
        "nodes",
        "",
        r#"{}"#,
        r#"{"spec":{"podCIDR":"10.0.0.0/24","configSource":{"configMap":{"name":"a","namespace":"b","kubeletConfigKey":"k"}}}}"#,
        &[],
    ),
    (
        "nodes",
        "status",
        r#"{}"#,
        r#"{"status":{"addresses":[{"type":"InternalIP","address":"1.1.1.1"},{"type":"InternalIP","address":"1.1.1.1"}]}}"#,
        &[r#"status.addresses[1]: Duplicate value: {"Type":"InternalIP","Address":"1.1.1.1"}"#],
    ),
    (
        "services",
        "",
        r#"{"spec":{"type":"LoadBalancer","clusterIP":"010.0.0.1","clusterIPs":["010.0.0.1"],"ipFamilies":["IPv4"],"ipFamilyPolicy":"SingleStack","ports":[{"port":1}],"loadBalancerSourceRanges":[" 010.0.0.0/8"]}}"#,
        r#"{"spec":{"type":"LoadBalancer","clusterIP":"010.0.0.1","clusterIPs":["010.0.0.1"],"ipFamilies":["IPv4"],"ipFamilyPolicy":"SingleStack","ports":[{"port":1},{"name":"a","port":1}],"loadBalancerSourceRanges":["010.0.0.0/8"],"trafficDistribution":"Far"}}"#,
        &[
            "spec.ports[0].name: Required value",
            r#"spec.ports[1]: Duplicate value: {"Name":"","Protocol":"TCP","AppProtocol":null,"Port":1,"TargetPort":0,"NodePort":0}"#,
            r#"spec.trafficDistribution: Unsupported value: "Far": supported values: "PreferClose", "PreferSameZone", "PreferSameNode""#,
        ],
    ),
    (
        "services",
        "",
        r#"{"spec":{"clusterIP":"10.0.0.1","clusterIPs":["10.0.0.1","fd00::1"],"ipFamilies":["IPv4","IPv6"],"ipFamilyPolicy":"PreferDualStack","ports":[{"port":1}]}}"#,
        r#"{"spec":{"clusterIP":"10.0.0.2","clusterIPs":["10.0.0.2"],"ipFamilies":["IPv4"],"ipFamilyPolicy":"PreferDualStack","ports":[{"port":1}]}}"#,
        &[
            r#"spec.clusterIPs[0]: Invalid value: ["10.0.0.2"]: may not change once set"#,
            r#"spec.ipFamilyPolicy: Invalid value: "PreferDualStack": must be set to 'SingleStack' when releasing the secondary clusterIP"#,
            r#"spec.ipFamilyPolicy: Invalid value: "PreferDualStack": must be set to 'SingleStack' when releasing the secondary ipFamily"#,
        ],
    ),
    (
        "services",
        "status",
        r#"{"spec":{"type":"ClusterIP"}}"#,
        r#"{"spec":{"type":"ClusterIP"},"status":{"loadBalancer":{"ingress":[{"ip":"1.1.1.1"}]}}}"#,
        &["status.loadBalancer.ingress: Forbidden: may only be used when `spec.type` is 'LoadBalancer'"],
    ),
    (
        "persistentvolumeclaims",
        "",
        r#"{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}}}"#,
        r#"{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"2Gi"}},"storageClassName":"c","volumeName":"v"}}"#,
        &[
            "spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims\n@@ -6,7 +6,7 @@\n  \"Resources\": {\n   \"Limits\": null,\n   \"Requests\": {\n-   \"storage\": \"1Gi\"\n+   \"storage\": \"2Gi\"\n   }\n  },\n  \"VolumeName\": \"v\",\n",
        ],
    ),
    (
        "persistentvolumeclaims",
        "",
        r#"{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}},"volumeAttributesClassName":"a"},"status":{"phase":"Bound","capacity":{"storage":"1Gi"},"currentVolumeAttributesClassName":"a"}}"#,
        r#"{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"500Mi"}}},"status":{"phase":"Bound"}}"#,
        &[
            "spec.resources.requests.storage: Forbidden: field can not be less than status.capacity",
            "spec.volumeAttributesClassName: Forbidden: update to nil is forbidden when status.currentVolumeAttributesClassName is not nil",
        ],
    ),
    (
        "persistentvolumeclaims",
        "",
        r#"{"metadata":{"annotations":{"volume.beta.kubernetes.io/storage-class":"c"}},"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}}}"#,
        r#"{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}},"storageClassName":"c"}}"#,
        &[],
    ),
    (
        "persistentvolumeclaims",
        "status",
        r#"{"spec":{"accessModes":["ReadWriteOnce"]}}"#,
        r#"{"spec":{},"status":{"capacity":{"storage":"-1"},"allocatedResources":{"cpu":"1","a b":"1","storage":"1500m"},"allocatedResourceStatuses":{"storage":"Odd"}}}"#,
        &[
            "Spec.accessModes: Required value",
            r#"status.capacity[storage]: Invalid value: "-1": must be a valid resource quantity"#,
            r#"status.allocatedResourceStatuses: Unsupported value: "storage": supported values: "ControllerResizeInProgress", "ControllerResizeInfeasible", "NodeResizeInProgress", "NodeResizeInfeasible", "NodeResizePending""#,
            r#"status.allocatedResources: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"#,
            r#"status.allocatedResources: Unsupported value: "cpu": supported values: "storage""#,
        ],
    ),
    (
        "persistentvolumes",
        "",
        r#"{"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"hostPath":{"path":"/a"},"nodeAffinity":{"required":{"nodeSelectorTerms":[{"matchExpressions":[{"key":"failure-domain.beta.kubernetes.io/zone","operator":"In","values":["a b"]}]}]}}}}"#,
        r#"{"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"hostPath":{"path":"/b"},"nodeAffinity":{"required":{"nodeSelectorTerms":[{"matchExpressions":[{"key":"topology.kubernetes.io/zone","operator":"In","values":["a b"]}]}]}}}}"#,
        &[
            "spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable after creation\n@@ -2,7 +2,7 @@\n  \"GCEPersistentDisk\": null,\n  \"AWSElasticBlockStore\": null,\n  \"HostPath\": {\n-  \"Path\": \"/a\",\n+  \"Path\": \"/b\",\n   \"Type\": \"\"\n  },\n  \"Glusterfs\": null,\n",
        ],
    ),
    (
        "persistentvolumes",
        "",
        r#"{"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"csi":{"driver":"d","volumeHandle":"h"}}}"#,
        r#"{"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"csi":{"driver":"d","volumeHandle":"h","controllerExpandSecretRef":{"name":"n","namespace":"m"}}}}"#,
        &[],
    ),
];

const CLAIMS: &[(&str, &[&str])] = &[
    (
        r#"{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1500m"}},"dataSource":{"kind":"VolumeSnapshot","apiGroup":"snapshot.storage.k8s.io","name":"s"},"dataSourceRef":{"kind":"Odd","apiGroup":"x.io","name":"s"}}}"#,
        &["spec: Invalid value: {}: must match dataSourceRef"],
    ),
    (
        r#"{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"0"}},"dataSource":{"kind":"Odd","name":"s"},"dataSourceRef":{"kind":"Odd","name":"s","namespace":"other"}}}"#,
        &[r#"spec.resources[storage]: Invalid value: "0": must be greater than zero"#],
    ),
];

#[test]
fn claims_are_judged_as_upstream_does() {
    for (json, expected) in CLAIMS {
        assert_eq!(
            faults("", "persistentvolumeclaims", "v1", json),
            *expected,
            "{json}"
        );
    }
}

#[test]
fn updates_change_what_they_may() {
    for (plural, path, old, new, expected) in CHANGES {
        assert_eq!(through("", plural, path, old, new), *expected, "{plural} {new}");
    }
}
