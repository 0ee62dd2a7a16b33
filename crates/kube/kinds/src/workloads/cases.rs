//! Controllers and what bounds workloads, as tables: what is in the spec, and what is wrong with it.

use super::tests::{TEMPLATE, faults, read, text, update_faults};

/// Group, plural, version, the object (with `TEMPLATE` for a pod's), and what upstream says of it.
type Case = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static [&'static str],
);

const JOB: &str = r#"{"metadata":{"labels":{"a":"b"}},"spec":{"restartPolicy":"Never","containers":[{"name":"c","image":"i"}]}}"#;

fn filled(json: &str) -> String {
    json.replace("TEMPLATE", TEMPLATE).replace("JOB", JOB)
}

const CASES: &[Case] = &[
    (
        "apps",
        "statefulsets",
        "v1",
        r#"{"spec":{"selector":{"matchLabels":{"a":"b"}},"template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"c","image":"i","volumeMounts":[{"name":"data","mountPath":"/d"}]}]}},"volumeClaimTemplates":[{"metadata":{"name":"data"},"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}}}]}}"#,
        &[],
    ),
    (
        "apps",
        "statefulsets",
        "v1",
        r#"{"spec":{"selector":{"matchLabels":{"a":"b"}},"template":TEMPLATE,"podManagementPolicy":"X","updateStrategy":{"type":"OnDelete","rollingUpdate":{"partition":1}},"ordinals":{"start":-1},"persistentVolumeClaimRetentionPolicy":{"whenDeleted":"X"}}}"#,
        &[
            r#"spec.podManagementPolicy: Invalid value: "X": must be 'OrderedReady' or 'Parallel'"#,
            r#"spec.updateStrategy.rollingUpdate: Invalid value: {"Partition":1,"MaxUnavailable":null}: only allowed for updateStrategy 'RollingUpdate'"#,
            r#"spec.persistentVolumeClaimRetentionPolicy.whenDeleted: Unsupported value: "X": supported values: "Delete", "Retain""#,
            "spec.ordinals.start: Invalid value: -1: must be greater than or equal to 0",
        ],
    ),
    (
        "apps",
        "daemonsets",
        "v1",
        r#"{"spec":{"selector":{"matchLabels":{"a":"b"}},"template":TEMPLATE,"updateStrategy":{"rollingUpdate":{"maxUnavailable":0,"maxSurge":0}}}}"#,
        &["spec.updateStrategy.rollingUpdate.maxUnavailable: Required value: cannot be 0 when maxSurge is 0"],
    ),
    (
        "batch",
        "jobs",
        "v1",
        r#"{"metadata":{"name":"j"},"spec":{"template":JOB}}"#,
        &[],
    ),
    (
        "batch",
        "jobs",
        "v1",
        r#"{"metadata":{"name":"j"},"spec":{"completionMode":"Indexed","parallelism":2,"backoffLimitPerIndex":1,"maxFailedIndexes":9,"template":JOB,"podFailurePolicy":{"rules":[{"action":"X","onExitCodes":{"operator":"In","values":[1,0]}},{"action":"FailIndex"}]},"successPolicy":{"rules":[{}]},"managedBy":"x"}}"#,
        &[
            r#"spec.managedBy: Invalid value: "x": must be a domain-prefixed path (such as "acme.io/foo")"#,
            "spec.completions: Required value: when completion mode is Indexed",
            r#"spec.podFailurePolicy.rules[0].action: Unsupported value: "X": supported values: "Count", "FailIndex", "FailJob", "Ignore""#,
            "spec.podFailurePolicy.rules[0].onExitCodes.values[1]: Invalid value: 0: must not be 0 for the In operator",
            "spec.podFailurePolicy.rules[0].onExitCodes.values: Invalid value: [1,0]: must be ordered",
            "spec.podFailurePolicy.rules[1]: Invalid value: specifying one of OnExitCodes and OnPodConditions is required",
            "spec.successPolicy.rules[0]: Required value: at least one of succeededCount or succeededIndexes must be specified",
        ],
    ),
    (
        "batch",
        "jobs",
        "v1",
        r#"{"metadata":{"name":"j"},"spec":{"selector":{"matchLabels":{"a":"b"}},"template":{"metadata":{"labels":{"job-name":"x"}},"spec":{"restartPolicy":"Never","containers":[{"name":"c","image":"i"}]}}}}"#,
        &[
            r#"spec.template.metadata.labels[job-name]: Invalid value: {"batch.kubernetes.io/controller-uid":"u","batch.kubernetes.io/job-name":"j","controller-uid":"u","job-name":"x"}: must be 'j'"#,
            r#"spec.selector: Invalid value: {"matchLabels":{"a":"b","batch.kubernetes.io/controller-uid":"u"}}: `selector` not auto-generated"#,
            r#"spec.template.metadata.labels: Invalid value: {"batch.kubernetes.io/controller-uid":"u","batch.kubernetes.io/job-name":"j","controller-uid":"u","job-name":"x"}: `selector` does not match template `labels`"#,
        ],
    ),
    (
        "batch",
        "cronjobs",
        "v1",
        r#"{"metadata":{"name":"a-name-of-more-than-fifty-two-characters-is-too-long-for"},"spec":{"schedule":"TZ=UTC 61 * * * *","timeZone":"Nowhere","concurrencyPolicy":"X","jobTemplate":{"spec":{"manualSelector":true,"template":JOB}}}}"#,
        &[
            r#"spec.schedule: Invalid value: "TZ=UTC 61 * * * *": end of range (61) above maximum (59): 61"#,
            r#"spec.schedule: Invalid value: "TZ=UTC 61 * * * *": cannot use TZ or CRON_TZ in schedule, use timeZone field instead"#,
            r#"spec.timeZone: Invalid value: "Nowhere": unknown time zone Nowhere"#,
            r#"spec.concurrencyPolicy: Unsupported value: "X": supported values: "Allow", "Forbid", "Replace""#,
            r#"spec.jobTemplate.spec.manualSelector: Unsupported value: true: supported values: "nil", "false""#,
            r#"metadata.name: Invalid value: "a-name-of-more-than-fifty-two-characters-is-too-long-for": must be no more than 52 characters"#,
        ],
    ),
    (
        "autoscaling",
        "horizontalpodautoscalers",
        "v2",
        r#"{"spec":{"minReplicas":3,"maxReplicas":2,"scaleTargetRef":{"kind":"a/b"},"metrics":[{"type":"Pods","resource":{"name":"cpu","target":{"type":"Utilization","averageUtilization":0}}}],"behavior":{"scaleDown":{"stabilizationWindowSeconds":3601,"policies":[{"type":"X","value":0,"periodSeconds":1801}]}}}}"#,
        &[
            "spec.maxReplicas: Invalid value: 2: must be greater than or equal to `minReplicas`",
            r#"spec.scaleTargetRef.kind: Invalid value: "a/b": may not contain '/'"#,
            "spec.scaleTargetRef.name: Required value",
            "spec.metrics[0].resource.target.averageUtilization: Invalid value: 0: must be greater than 0",
            "spec.metrics[0].pods: Required value: must populate information for the given metric source",
            "spec.behavior.scaleDown.stabilizationWindowSeconds: Invalid value: 3601: must be less than or equal to 3600",
            r#"spec.behavior.scaleDown.policies[0].type: Unsupported value: "X": supported values: "Percent", "Pods""#,
            "spec.behavior.scaleDown.policies[0].value: Invalid value: 0: must be greater than zero",
            "spec.behavior.scaleDown.policies[0].periodSeconds: Invalid value: 1801: must be less than or equal to 1800",
        ],
    ),
    (
        "policy",
        "poddisruptionbudgets",
        "v1",
        r#"{"spec":{"maxUnavailable":"101%","unhealthyPodEvictionPolicy":"X"}}"#,
        &[
            r#"spec.maxUnavailable: Invalid value: "101%": must not be greater than 100%"#,
            r#"spec.unhealthyPodEvictionPolicy: Unsupported value: "X": supported values: "AlwaysAllow", "IfHealthyBudget""#,
        ],
    ),
    (
        "",
        "limitranges",
        "v1",
        r#"{"spec":{"limits":[{"type":"Container","max":{"cpu":"1"},"min":{"cpu":"2"}},{"type":"X"},{"type":"PersistentVolumeClaim"}]}}"#,
        &[
            r#"spec.limits[0].min[cpu]: Invalid value: "2": min value 2 is greater than max value 1"#,
            r#"spec.limits[0].defaultRequest[cpu]: Invalid value: "1": min value 2 is greater than default request value 1"#,
            r#"spec.limits[0].default[cpu]: Invalid value: "2": min value 2 is greater than default value 1"#,
            r#"spec.limits[1].type: Invalid value: "X": must be a standard limit type or fully qualified"#,
            "spec.limits[2].limits: Required value: either minimum or maximum storage value is required, but neither was provided",
        ],
    ),
    (
        "",
        "resourcequotas",
        "v1",
        r#"{"spec":{"hard":{"pods":"1500m","x":"1","count/pods":"1"},"scopes":["BestEffort","NotBestEffort","X"],"scopeSelector":{"matchExpressions":[{"scopeName":"Terminating","operator":"In"}]}}}"#,
        &[
            r#"spec.hard[pods]: Invalid value: "1500m": must be an integer"#,
            r#"spec.hard[x]: Invalid value: "x": must be a standard resource type or fully qualified"#,
            r#"spec.hard[x]: Invalid value: "x": must be a standard resource for quota"#,
            r#"spec.scopes: Invalid value: ["BestEffort","NotBestEffort","X"]: unsupported scope"#,
            r#"spec.scopes: Invalid value: ["BestEffort","NotBestEffort","X"]: conflicting scopes"#,
            r#"spec.scopeSelector.matchExpressions.operator: Invalid value: "In": must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity"#,
            "spec.scopeSelector.matchExpressions.values: Required value: must be at least one value when `operator` is 'In' or 'NotIn' for scope selector",
        ],
    ),
    (
        "scheduling.k8s.io",
        "priorityclasses",
        "v1",
        r#"{"metadata":{"name":"system-x"},"value":1}"#,
        &[
            "metadata.name: Forbidden: priority class names with 'system-' prefix are reserved for system use only. error: system-x is not a known system priority class",
        ],
    ),
    (
        "coordination.k8s.io",
        "leases",
        "v1",
        r#"{"spec":{"leaseDurationSeconds":0,"leaseTransitions":-1,"preferredHolder":"a"}}"#,
        &[
            "spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0",
            "spec.leaseTransitions: Invalid value: -1: must be greater than or equal to 0",
            "spec.preferredHolder: Forbidden: may only be specified if `strategy` is defined",
        ],
    ),
    (
        "node.k8s.io",
        "runtimeclasses",
        "v1",
        r#"{"handler":"h","overhead":{"podFixed":{"x":"1"}},"scheduling":{"tolerations":[{"key":"a","operator":"Exists"},{"key":"a","operator":"Exists"}]}}"#,
        &[
            r#"overhead.podFixed.limits[x]: Invalid value: "x": must be a standard resource type or fully qualified"#,
            r#"overhead.podFixed.limits[x]: Invalid value: "x": must be a standard resource for containers"#,
            r#"scheduling.tolerations[1]: Duplicate value: {"Key":"a","Operator":"Exists","Value":"","Effect":"","TolerationSeconds":null}"#,
        ],
    ),
    (
        "apps",
        "controllerrevisions",
        "v1",
        r#"{"revision":-1}"#,
        &[
            "data: Required value: data is mandatory",
            "revision: Invalid value: -1: must be greater than or equal to 0",
        ],
    ),
];

#[test]
fn wrong_objects_are_refused_with_upstreams_texts() {
    for (group, plural, version, json, expected) in CASES {
        assert_eq!(
            faults(group, plural, version, &filled(json)),
            *expected,
            "{plural} {json}"
        );
    }
}

#[test]
fn an_update_changes_only_what_it_may() {
    let cases: &[(&str, &str, &str, &str, &[&str])] = &[
        (
            "apps",
            "deployments",
            r#"{"spec":{"selector":{"matchLabels":{"a":"b"}},"template":TEMPLATE}}"#,
            r#"{"spec":{"selector":{"matchLabels":{"a":"b"},"matchExpressions":[{"key":"a","operator":"Exists"}]},"template":TEMPLATE}}"#,
            &[
                r#"spec.selector: Invalid value: {"matchLabels":{"a":"b"},"matchExpressions":[{"key":"a","operator":"Exists"}]}: field is immutable"#,
            ],
        ),
        (
            "apps",
            "statefulsets",
            r#"{"spec":{"serviceName":"a","selector":{"matchLabels":{"a":"b"}},"template":TEMPLATE}}"#,
            r#"{"spec":{"serviceName":"b","selector":{"matchLabels":{"a":"b"}},"template":TEMPLATE}}"#,
            &[
                "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
            ],
        ),
        (
            "batch",
            "jobs",
            r#"{"spec":{"suspend":true,"selector":{"matchLabels":{"a":"b"}},"manualSelector":true,"template":JOB}}"#,
            r#"{"spec":{"suspend":true,"selector":{"matchLabels":{"a":"b"}},"manualSelector":true,"template":{"metadata":{"labels":{"a":"b"}},"spec":{"nodeSelector":{"x":"y"},"restartPolicy":"Never","containers":[{"name":"c","image":"i"}]}}}}"#,
            &[],
        ),
    ];
    for (group, plural, old, new, expected) in cases {
        assert_eq!(
            update_faults(group, plural, &filled(old), &filled(new)),
            *expected,
            "{plural}"
        );
    }
}

#[test]
fn defaults_are_upstreams() {
    let autoscaler = read(
        "autoscaling",
        "horizontalpodautoscalers",
        "v2",
        r#"{"spec":{"maxReplicas":2,"behavior":{"scaleDown":{"stabilizationWindowSeconds":5}}}}"#,
    );
    let printed = text(&autoscaler);
    for part in [
        r#""minReplicas":1"#,
        r#"{"type":"Resource","resource":{"name":"cpu","target":{"type":"Utilization","averageUtilization":80}}}"#,
        r#""scaleUp":{"stabilizationWindowSeconds":0,"selectPolicy":"Max","policies":[{"type":"Pods","value":4,"periodSeconds":15},{"type":"Percent","value":100,"periodSeconds":15}]}"#,
        r#""scaleDown":{"stabilizationWindowSeconds":5,"selectPolicy":"Max","policies":[{"type":"Percent","value":100,"periodSeconds":15}]}"#,
    ] {
        assert!(printed.contains(part), "{part}\n{printed}");
    }
    let json = r#"{"spec":{"resources":{"limits":{"cpu":"2","memory":"1Gi"}},"containers":[{"name":"c","image":"i","resources":{"requests":{"cpu":"500m"}}}]}}"#;
    let pod = text(&read("", "pods", "v1", json));
    let whole =
        r#""resources":{"limits":{"cpu":"2","memory":"1Gi"},"requests":{"cpu":"500m","memory":"1Gi"}}"#;
    assert!(pod.contains(whole), "{pod}");
}
