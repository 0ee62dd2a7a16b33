//! Updates of pods as tables: what was there, what is there now, and what is wrong with it in upstream's words.

use crate::workloads::tests::{faults, read, text, through};

/// The path below the pod, the old members beside a container, the new ones, and the faults.
type Case = (&'static str, &'static str, &'static str, &'static [&'static str]);

/// A pod with a container `c`; `CONTAINER` in the members stands for more of the container.
fn pod(members: &str) -> String {
    let (container, members) = members.split_once(" / ").unwrap_or((members, ""));
    format!(
        r#"{{"metadata":{{"name":"p"}},"spec":{{"containers":[{{"name":"c","image":"i"{container}}}]{members}"#
    )
}

fn told(cases: &[Case]) {
    for (path, old, new, expected) in cases {
        assert_eq!(
            through("", "pods", path, &pod(old), &pod(new)),
            *expected,
            "{path} {new}"
        );
    }
}

#[test]
fn a_running_pod_gets_other_amounts() {
    told(&[
        (
            "resize",
            r#","resources":{"requests":{"cpu":"1"}} / }}"#,
            r#","resources":{"requests":{"cpu":"2"}} / }}"#,
            &[],
        ),
        (
            "resize",
            r#","resources":{"requests":{"cpu":"1","memory":"1Gi"}} / }}"#,
            r#","resources":{"requests":{"cpu":"2"}} / }}"#,
            &["spec.containers[0].resources.requests: Forbidden: resource requests cannot be removed"],
        ),
        (
            "resize",
            r#","resources":{"requests":{"cpu":"1"}} / }}"#,
            r#","resources":{"requests":{"cpu":"1"},"limits":{"cpu":"2","memory":"1Gi"}} / }}"#,
            &[],
        ),
        (
            "resize",
            r#","resources":{"requests":{"cpu":"1"}} / }}"#,
            r#","resources":{"requests":{"cpu":"1","ephemeral-storage":"1Gi"}} / }}"#,
            &["spec: Forbidden: only cpu and memory resources are mutable"],
        ),
        (
            "resize",
            r#","resources":{"requests":{"cpu":"1"}} / }}"#,
            r#" / }}"#,
            &[
                r#"spec: Invalid value: "": Pod QOS Class may not change as a result of resizing"#,
                "spec.containers[0].resources.requests: Forbidden: resource requests cannot be removed",
            ],
        ),
        (
            "resize",
            r#","resources":{"requests":{"cpu":"1"}} / ,"initContainers":[{"name":"i","image":"i"}]}}"#,
            r#","resources":{"requests":{"cpu":"1"}} / ,"initContainers":[{"name":"j","image":"i"}]}}"#,
            &[
                "spec.initContainers[0].name: Forbidden: initContainers may not be renamed or reordered on resize",
            ],
        ),
        (
            "resize",
            r#","resources":{"requests":{"cpu":"1"}} / ,"resources":{"requests":{"cpu":"2"},"limits":{"memory":"1Gi"}}}}"#,
            r#","resources":{"requests":{"cpu":"1"}} / ,"resources":{"requests":{"cpu":"1"}}}}"#,
            &[
                "spec.resources.requests: Forbidden: pod-level resource requests cannot be removed",
                "spec.resources.limits: Forbidden: pod-level resource limits cannot be removed",
            ],
        ),
        (
            "resize",
            r#","resources":{"requests":{"cpu":"1"}} / ,"resources":{"requests":{"cpu":"2"}}}}"#,
            r#","resources":{"requests":{"cpu":"1"}} / ,"resources":{"requests":{"cpu":"3"}}}}"#,
            &[],
        ),
        (
            "resize",
            r#" / ,"initContainers":[{"name":"i","image":"i","resources":{"requests":{"cpu":"1"}},"resizePolicy":[{"resourceName":"cpu","restartPolicy":"RestartContainer"}]}]}}"#,
            r#" / ,"initContainers":[{"name":"i","image":"i","resources":{"requests":{"cpu":"2"}},"resizePolicy":[{"resourceName":"cpu","restartPolicy":"RestartContainer"}]}]}}"#,
            &[
                "spec.initContainers[0]: Forbidden: non-sidecar init containers with a resize policy of RestartContainer cannot be resized",
            ],
        ),
        (
            "resize",
            r#","resources":{"requests":{"cpu":"1"}} / ,"os":{"name":"windows"}}}"#,
            r#","resources":{"requests":{"cpu":"2"}} / ,"os":{"name":"windows"}}}"#,
            &[r#"<nil>: Forbidden: windows pods cannot be resized"#],
        ),
        (
            "resize",
            r#","resources":{"requests":{"cpu":"1"}} / },"status":{"containerStatuses":[{"name":"c","state":{"running":{}}}]}}"#,
            r#","resources":{"requests":{"cpu":"2"}} / }}"#,
            &["spec: Forbidden: Pod running on node without support for resize"],
        ),
        (
            "ephemeralcontainers",
            r#" / ,"ephemeralContainers":[{"name":"e","image":"i"}]}}"#,
            r#" / ,"ephemeralContainers":[{"name":"f","image":"i"}]}}"#,
            &[
                "spec.ephemeralContainers: Forbidden: existing ephemeral containers \"e\" may not be removed\n",
            ],
        ),
        (
            "ephemeralcontainers",
            r#" / ,"ephemeralContainers":[{"name":"e","image":"i"}]}}"#,
            r#" / ,"ephemeralContainers":[{"name":"e","image":"j"}]}}"#,
            &[
                "spec.ephemeralContainers: Forbidden: existing ephemeral containers \"e\" may not be changed\n@@ -1,6 +1,6 @@\n {\n  \"Name\": \"e\",\n- \"Image\": \"i\",\n+ \"Image\": \"j\",\n  \"Command\": null,\n  \"Args\": null,\n  \"WorkingDir\": \"\",\n",
            ],
        ),
    ]);
}

#[test]
fn a_status_tells_what_can_be() {
    const ENDED: &str = r#","containerStatuses":[{"name":"c","state":{"terminated":{"exitCode":3}}}]}}"#;
    const RUNS: &str = r#","containerStatuses":[{"name":"c","state":{"running":{}}}]}}"#;
    const AGAIN: &str =
        "status.containerStatuses[0].state: Forbidden: may not be transitioned to non-terminated state";
    for (spec, expected) in [
        (r#" / ,"restartPolicy":"Always""#, None),
        (r#" / ,"restartPolicy":"OnFailure""#, None),
        (r#" / ,"restartPolicy":"Never""#, Some(AGAIN)),
        (
            r#","restartPolicy":"Never" / ,"restartPolicy":"Always""#,
            Some(AGAIN),
        ),
        (
            r#","restartPolicy":"Never","restartPolicyRules":[{"action":"Restart","exitCodes":{"operator":"In","values":[3]}}] / ,"restartPolicy":"Never""#,
            None,
        ),
        (
            r#","restartPolicy":"Never","restartPolicyRules":[{"action":"Restart","exitCodes":{"operator":"NotIn","values":[3]}}] / ,"restartPolicy":"Never""#,
            Some(AGAIN),
        ),
        (
            r#","restartPolicy":"Never","restartPolicyRules":[{"action":"RestartAllContainers","exitCodes":{"operator":"In","values":[9]}}] / ,"restartPolicy":"Never""#,
            None,
        ),
    ] {
        let (old, new) = (
            format!("{spec}}},\"status\":{{\"phase\":\"Running\"{ENDED}"),
            format!("{spec}}},\"status\":{{\"phase\":\"Running\"{RUNS}"),
        );
        let faults = through("", "pods", "status", &pod(&old), &pod(&new));
        assert_eq!(faults, expected.into_iter().collect::<Vec<_>>(), "{spec}");
    }
    told(&[
        (
            "status",
            r#" / ,"nodeName":"n"}}"#,
            r#" / ,"nodeName":"n"},"status":{"nominatedNodeName":"m","observedGeneration":-1,"conditions":[{"type":"a b","status":"True","observedGeneration":-2}]}}"#,
            &[
                "status.conditions[0].observedGeneration: Invalid value: -2: must be a non-negative integer",
                r#"status.conditions[0].Type: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"#,
                "status.nominatedNodeName: Forbidden: may not be set on pods that are already bound to a node",
                "status.observedGeneration: Invalid value: -1: must be a non-negative integer",
            ],
        ),
        (
            "status",
            r#" / },"status":{"podIPs":[{"ip":"010.0.0.1"}]}}"#,
            r#" / },"status":{"podIPs":[{"ip":"010.0.0.1"}]}}"#,
            &[],
        ),
        (
            "status",
            r#" / }}"#,
            r#" / },"status":{"podIPs":[{"ip":"010.0.0.1"},{"ip":"10.0.0.2"}],"hostIP":"1.1.1.1","hostIPs":[{"ip":"1.1.1.2"}]}}"#,
            &[
                r#"status.podIPs[0]: Invalid value: "010.0.0.1": must not have leading 0s"#,
                r#"status.podIPs: Invalid value: [{"IP":"010.0.0.1"},{"IP":"10.0.0.2"}]: may specify no more than one IP for each IP family"#,
                r#"status.hostIPs[0].ip: Invalid value: "1.1.1.2": must be equal to `hostIP`"#,
            ],
        ),
        (
            "status",
            r#" / }}"#,
            r#" / },"status":{"resourceClaimStatuses":[{"name":"a","resourceClaimName":"A"}],"extendedResourceClaimStatus":{"requestMappings":[{"containerName":"c","resourceName":"x.io/d","requestName":"R"},{"containerName":"d","resourceName":"x.io/d","requestName":"r"}],"resourceClaimName":""}}}"#,
            &[
                r#"status.resourceClaimStatuses[0].name: Invalid value: "a": must match the name of an entry in `spec.resourceClaims`"#,
                r#"status.resourceClaimStatuses[0].resourceClaimName: Invalid value: "A": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"#,
                r#"status.extendedResourceClaimStatus.requestMappings[0].resourceName: Invalid value: "x.io/d": must match the extended resource name of an entry in spec.initContainers.resources.requests or spec.containers.resources.requests"#,
                r#"status.extendedResourceClaimStatus.requestName: Invalid value: "R": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"#,
                r#"status.extendedResourceClaimStatus.requestMappings[1].containerName: Invalid value: "d": must match the name of an entry in spec.initContainers.name or spec.containers.name"#,
                "status.extendedResourceClaimStatus.resourceClaimName: Required value",
            ],
        ),
        (
            "status",
            r#" / }}"#,
            r#" / },"status":{"containerStatuses":[{"name":"c","user":{"linux":{"uid":-1,"gid":0,"supplementalGroups":[-2]}},"allocatedResourcesStatus":[{"name":"x.io/d","resources":[{"resourceID":"r","health":"Fine","message":""},{"resourceID":"r","health":"Healthy"}]}]}],"ephemeralContainerStatuses":[{"name":"e","allocatedResourcesStatus":[{"name":"x"}]}]}}"#,
            &[
                "status.containerStatuses[0].user.linux.uid: Invalid value: -1: must be between 0 and 2147483647, inclusive",
                "status.containerStatuses[0].user.linux.supplementalGroups[0]: Invalid value: -2: must be between 0 and 2147483647, inclusive",
                r#"status.containerStatuses[0].allocatedResourcesStatus[0].name: Invalid value: "x.io/d": must match one of the container's resource requests"#,
                r#"status.containerStatuses[0].allocatedResourcesStatus[0].resources[0].health: Unsupported value: "Fine": supported values: "Healthy", "Unhealthy", "Unknown""#,
                "status.containerStatuses[0].allocatedResourcesStatus[0].resources[0].message: Required value: must be non-empty if specified",
                r#"status.containerStatuses[0].allocatedResourcesStatus[0].resources[1].resourceID: Duplicate value: "r""#,
                "status.ephemeralContainerStatuses[0].allocatedResourcesStatus: Forbidden: must not be specified in container status",
            ],
        ),
    ]);
}

#[test]
fn what_an_old_pod_has_it_may_keep() {
    told(&[
        (
            "",
            r#" / ,"hostUsers":false,"hostNetwork":true}}"#,
            r#" / ,"hostUsers":false,"hostNetwork":true}}"#,
            &[],
        ),
        (
            "",
            r#","resources":{"limits":{"cpu":"1","hugepages-2Mi":"3Mi"}} / }}"#,
            r#","resources":{"limits":{"cpu":"1","hugepages-2Mi":"3Mi"}} / }}"#,
            &[],
        ),
        (
            "",
            r#" / ,"affinity":{"podAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":[{"topologyKey":"t","labelSelector":{"matchExpressions":[{"key":"k","operator":"In","values":["a b"]}]}}]}}}}"#,
            r#" / ,"affinity":{"podAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":[{"topologyKey":"t","labelSelector":{"matchExpressions":[{"key":"k","operator":"In","values":["a b"]}]}}]}}}}"#,
            &[],
        ),
        (
            "",
            r#" / ,"topologySpreadConstraints":[{"maxSkew":1,"topologyKey":"t","whenUnsatisfiable":"DoNotSchedule","labelSelector":{"matchLabels":{"a b":"c"}}}]}}"#,
            r#" / ,"topologySpreadConstraints":[{"maxSkew":1,"topologyKey":"t","whenUnsatisfiable":"DoNotSchedule","labelSelector":{"matchLabels":{"a b":"c"}}}]}}"#,
            &[],
        ),
    ]);
    for part in [
        r#","resources":{"limits":{"cpu":"1","hugepages-2Mi":"3Mi"}} / }}"#,
        r#" / ,"hostUsers":false,"hostNetwork":true}}"#,
    ] {
        assert!(!faults("", "pods", "v1", &pod(part)).is_empty(), "{part}");
    }
}

#[test]
fn what_belongs_to_features_that_are_off_goes() {
    let members = r#","lifecycle":{"stopSignal":"SIGTERM"} / ,"schedulingGroup":{"podGroupName":"g"},"volumes":[{"name":"v","projected":{"sources":[{"clusterTrustBundle":{"name":"b","path":"p"}},{"secret":{"name":"s"}}]}}]}}"#;
    let types = &schema::BUILTIN;
    let mut object = read("", "pods", "v1", &pod(members));
    let old = object.clone();
    let strip = |object: &mut schema::tree::Struct, old: Option<&schema::tree::Struct>| {
        let old = old.map(|old| schema::cursor::Ref::new(types, old).at("spec"));
        let spec = schema::cursor::ensure(types, object, "spec").unwrap();
        super::off::drop_disabled(types, spec, old);
    };
    strip(&mut object, Some(&old));
    assert_eq!(text(&object), text(&old));
    strip(&mut object, None);
    let left = text(&object);
    for gone in ["lifecycle", "schedulingGroup", "clusterTrustBundle"] {
        assert!(!left.contains(gone), "{gone}: {left}");
    }
    assert!(
        left.contains(r#""sources":[{},{"secret":{"name":"s"}}]"#),
        "{left}"
    );
}
