//! Kinds of the smaller rooms as tables: a manifest, and what is wrong with it in upstream's words.

use crate::workloads::tests::faults;

/// Group, plural, version, the object, and what upstream says of it.
type Case = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static [&'static str],
);

const FLOW: &str = "flowcontrol.apiserver.k8s.io";

const CASES: &[Case] = &[
    (
        FLOW,
        "flowschemas",
        "v1",
        r#"{"spec":{"matchingPrecedence":1,"priorityLevelConfiguration":{},"rules":[{"subjects":[{"kind":"User","group":{"name":"g"}}],"resourceRules":[{"verbs":["*","get"],"apiGroups":[],"resources":["*"],"namespaces":["A"]}],"nonResourceRules":[{"verbs":["x"],"nonResourceURLs":["a","/a*b"]}]}]}}"#,
        &[
            "spec.matchingPrecedence: Invalid value: 1: only the schema named 'exempt' may have matchingPrecedence 1",
            "spec.priorityLevelConfiguration.name: Required value: must reference a priority level",
            "spec.rules[0].subjects[0].user: Required value: user is required when subject kind is 'User'",
            "spec.rules[0].subjects[0].group: Forbidden: group is forbidden when subject kind is not 'Group'",
            r#"spec.rules[0].resourceRules[0].verbs: Invalid value: ["*","get"]: if '*' is present, must not specify other verbs"#,
            "spec.rules[0].resourceRules[0].apiGroups: Required value: resource rules must supply at least one api group",
            r#"spec.rules[0].resourceRules[0].namespaces[0]: Invalid value: "A": each member of this list must be '*' or a DNS-1123 label; a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"#,
            r#"spec.rules[0].nonResourceRules[0].verbs: Unsupported value: ["x"]: supported values: "create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch""#,
            r#"spec.rules[0].nonResourceRules[0].nonResourceURLs[0]: Invalid value: "a": must start with slash"#,
            r#"spec.rules[0].nonResourceRules[0].nonResourceURLs[1]: Invalid value: "/a*b": wildcard can only do suffix matching"#,
        ],
    ),
    (
        FLOW,
        "prioritylevelconfigurations",
        "v1",
        r#"{"spec":{"type":"Limited","limited":{"nominalConcurrencyShares":-1,"lendablePercent":101,"limitResponse":{"type":"Queue","queuing":{"queues":1000,"handSize":9}}}}}"#,
        &[
            "spec.limited.nominalConcurrencyShares: Invalid value: -1: must be a non-negative integer",
            "spec.limited.lendablePercent: Invalid value: 101: must be between 0 and 100, inclusive",
            "spec.limited.limitResponse.queuing.handSize: Invalid value: 9: required entropy bits of deckSize 1000 and handSize 9 should not be greater than 60",
        ],
    ),
    (
        "apiregistration.k8s.io",
        "apiservices",
        "v1",
        r#"{"metadata":{"name":"x"},"spec":{"group":"g","version":"v1","groupPriorityMinimum":20001,"versionPriority":1,"service":{"name":"s"},"insecureSkipTLSVerify":true,"caBundle":"YQ=="}}"#,
        &[
            r#"metadata.name: Invalid value: "x": must be `spec.version+"."+spec.group`: "v1.g""#,
            "spec.groupPriorityMinimum: Invalid value: 20001: must be positive and less than 20000",
            "spec.service.namespace: Required value",
            "spec.insecureSkipTLSVerify: Invalid value: true: may not be true if caBundle is present",
        ],
    ),
    (
        "resource.k8s.io",
        "resourceclaims",
        "v1",
        r#"{"spec":{"devices":{"requests":[{"name":"a"},{"name":"a","exactly":{"deviceClassName":"c","allocationMode":"All","count":2}}],"constraints":[{"requests":["b"],"matchAttribute":"x"}],"config":[{"opaque":{"driver":"d.x.io","parameters":{"a":1}}}]}}}"#,
        &[
            "spec.devices.requests[0]: Required value: exactly one of `exactly` or `firstAvailable` is required",
            "spec.devices.requests[1].exactly.count: Invalid value: 2: must not be specified when allocationMode is 'All'",
            r#"spec.devices.requests[1]: Duplicate value: "a""#,
            r#"spec.devices.constraints[0].requests[0]: Invalid value: "b": must be the name of a request in the claim or the name of a request and a subrequest separated by '/'"#,
            r#"spec.devices.constraints[0].matchAttribute: Invalid value: "x": must include a domain"#,
        ],
    ),
    (
        "resource.k8s.io",
        "resourceslices",
        "v1",
        r#"{"spec":{"driver":"d.x.io","pool":{"name":"p"},"nodeName":"n","allNodes":true,"devices":[{"name":"a","attributes":{"m":{}}}]}}"#,
        &[
            "spec.pool.resourceSliceCount: Invalid value: 0: must be greater than zero",
            r#"spec: Invalid value: "{`nodeName`, `allNodes`}": exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required, but multiple fields are set"#,
            "spec.devices[0].attributes[m]: Required value: exactly one value must be specified",
        ],
    ),
    (
        "certificates.k8s.io",
        "clustertrustbundles",
        "v1beta1",
        r#"{"metadata":{"name":"a"},"spec":{"signerName":"x.io/s","trustBundle":"none"}}"#,
        &[
            r#"metadata.name: Invalid value: "a": ClusterTrustBundle for signerName x.io/s must be named with prefix x.io:s:"#,
            r#"spec.trustBundle: Invalid value: "<value omitted>": at least one trust anchor must be provided"#,
        ],
    ),
];

#[test]
fn wrong_objects_are_refused_with_upstreams_texts() {
    for (group, plural, version, json, expected) in CASES {
        assert_eq!(faults(group, plural, version, json), *expected, "{plural} {json}");
    }
}
