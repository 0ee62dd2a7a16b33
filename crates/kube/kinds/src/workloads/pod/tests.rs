//! Pods as tables: what is in the spec, and what is wrong with it in upstream's words.

use crate::workloads::tests::{faults, update_faults};

/// What is wrong with a pod whose spec has these members beside a container.
fn of_spec(members: &str) -> Vec<String> {
    let comma = if members.is_empty() { "" } else { "," };
    let json = format!(
        r#"{{"metadata":{{"name":"p"}},"spec":{{"containers":[{{"name":"c","image":"i"}}]{comma}{members}}}}}"#
    );
    faults("", "pods", "v1", &json)
}

/// What is wrong with a pod whose container has these members.
fn of_container(members: &str) -> Vec<String> {
    let json = format!(
        r#"{{"metadata":{{"name":"p"}},"spec":{{"volumes":[{{"name":"v"}},{{"name":"i","image":{{"reference":"r"}}}}],
        "containers":[{{"name":"c","image":"i",{members}}}]}}}}"#
    );
    faults("", "pods", "v1", &json)
}

#[test]
fn specs_are_judged_as_upstream_does() {
    let cases: &[(&str, &[&str])] = &[
        ("", &[]),
        (
            r#""volumes":[{"name":"a","emptyDir":{},"hostPath":{"path":"/.."}},{"name":"b","hostPath":{"path":"/a/../b","type":"X"}}]"#,
            &[
                "spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type",
                r#"spec.volumes[1].hostPath.path: Invalid value: "/a/../b": must not contain '..'"#,
                r#"spec.volumes[1].hostPath.type: Unsupported value: "X": supported values: "", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket""#,
            ],
        ),
        (
            r#""volumes":[{"name":"v","secret":{"secretName":"","defaultMode":512,"items":[{"key":"k","path":"/a"}]}},{"name":"v","nfs":{"server":"s","path":"p"}}]"#,
            &[
                "spec.volumes[0].secret.secretName: Required value",
                "spec.volumes[0].secret.defaultMode: Invalid value: 512: must be a number between 0 and 0777 (octal), both inclusive",
                r#"spec.volumes[0].secret.items[0].path: Invalid value: "/a": must be a relative path"#,
                r#"spec.volumes[1].nfs.path: Invalid value: "p": must be an absolute path"#,
            ],
        ),
        (
            r#""serviceAccountName":"s","volumes":[{"name":"v","projected":{"sources":[{"secret":{"name":"s","items":[{"key":"k","path":"f"}]}},{"serviceAccountToken":{"path":"t","expirationSeconds":599}},{"downwardAPI":{"items":[{"path":"f","fieldRef":{"fieldPath":"spec.nope"}}]}}]}}]"#,
            &[
                r#"spec.volumes[0].projected.sources[1].serviceAccountToken.expirationSeconds: Invalid value: 599: may not specify a duration less than 10 minutes"#,
                r#"spec.volumes[0].projected.sources[2].downwardAPI.fieldRef.fieldPath: Invalid value: "spec.nope": error converting fieldPath: field label not supported: spec.nope"#,
                r#"spec.volumes[0].projected: Invalid value: "f": conflicting duplicate paths"#,
            ],
        ),
        (
            r#""volumes":[{"name":"v","ephemeral":{"volumeClaimTemplate":{"metadata":{"name":"x"},"spec":{"resources":{"requests":{"storage":"1Gi"}}}}}}]"#,
            &[
                "spec.volumes[0].ephemeral.volumeClaimTemplate.metadata.name: Forbidden: cannot be set",
                "spec.volumes[0].ephemeral.volumeClaimTemplate.spec.accessModes: Required value: at least 1 access mode is required",
            ],
        ),
        (
            r#""affinity":{"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":[{"matchExpressions":[{"key":"k","operator":"Gt","values":["1","2"]}]}]},"preferredDuringSchedulingIgnoredDuringExecution":[{"weight":101,"preference":{}}]},"podAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":[{"labelSelector":{},"topologyKey":""}]}}"#,
            &[
                "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[0].values: Required value: must be specified single value when `operator` is 'Lt' or 'Gt'",
                "spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight: Invalid value: 101: must be in the range 1-100",
                "spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey: Required value: can not be empty",
                r#"spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey: Invalid value: "": name part must be non-empty"#,
                r#"spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey: Invalid value: "": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"#,
            ],
        ),
        (
            r#""topologySpreadConstraints":[{"maxSkew":0,"topologyKey":"z","whenUnsatisfiable":"ScheduleAnyway","minDomains":1},{"maxSkew":1,"topologyKey":"z","whenUnsatisfiable":"ScheduleAnyway"}]"#,
            &[
                "spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero",
                r#"spec.topologySpreadConstraints[0].{topologyKey, whenUnsatisfiable}: Duplicate value: "{z, ScheduleAnyway}""#,
                "spec.topologySpreadConstraints[0].minDomains: Invalid value: 1: can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ScheduleAnyway",
            ],
        ),
        (
            r#""tolerations":[{"operator":"Equal","value":"v"},{"key":"k","operator":"Exists","value":"v"},{"key":"k","tolerationSeconds":1}]"#,
            &[
                r#"spec.tolerations[0].operator: Invalid value: "Equal": operator must be Exists when `key` is empty, which means "match all values and all keys""#,
                r#"spec.tolerations[1].operator: Invalid value: "v": value must be empty when `operator` is 'Exists'"#,
                r#"spec.tolerations[2].effect: Invalid value: "": effect must be 'NoExecute' when `tolerationSeconds` is set"#,
            ],
        ),
        (
            r#""dnsPolicy":"None","hostAliases":[{"ip":"1.2.3.400"}]"#,
            &[
                "spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None",
                r#"spec.hostAliases[0].ip: Invalid value: "1.2.3.400": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"#,
            ],
        ),
        (
            r#""hostNetwork":true,"hostUsers":false,"securityContext":{"sysctls":[{"name":"net.core.somaxconn","value":"1"},{"name":"A","value":""}],"runAsUser":-1}"#,
            &[
                "spec.securityContext.runAsUser: Invalid value: -1: must be between 0 and 2147483647, inclusive",
                r#"spec.securityContext.sysctls[0].name: Invalid value: "net.core.somaxconn": may not be specified when 'hostNetwork' is true"#,
                r#"spec.securityContext.sysctls[1].name: Invalid value: "A": must have at most 253 characters and match regex ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$"#,
                "spec.hostNetwork: Forbidden: when `hostUsers` is false",
            ],
        ),
        (
            r#""os":{"name":"windows"},"securityContext":{"fsGroup":1},"hostPID":true"#,
            &[
                "spec.hostPID: Forbidden: cannot be set for a windows pod",
                "spec.securityContext.fsGroup: Forbidden: cannot be set for a windows pod",
            ],
        ),
        (
            r#""nodeName":"n","schedulingGates":[{"name":"a"},{"name":"a"}]"#,
            &[
                r#"spec.schedulingGates[1]: Duplicate value: "a""#,
                "spec.nodeName: Forbidden: cannot be set until all schedulingGates have been cleared",
            ],
        ),
        (
            r#""initContainers":[{"name":"c","image":"i","livenessProbe":{"exec":{"command":["a"]}}}],"ephemeralContainers":[{"name":"e","image":"i"}]"#,
            &[
                r#"spec.initContainers[0].name: Duplicate value: "c""#,
                "spec.initContainers[0].livenessProbe: Forbidden: may not be set for init containers without restartPolicy=Always",
                "spec.ephemeralContainers: Forbidden: cannot be set on create",
            ],
        ),
        (
            r#""resources":{"requests":{"cpu":"1","storage":"1"}}"#,
            &[
                r#"spec.resources.requests[storage]: Unsupported value: "storage": supported values: "cpu", "hugepages-", "memory""#,
            ],
        ),
        (
            r#""resourceClaims":[{"name":"a"},{"name":"a","resourceClaimName":"x"}]"#,
            &[
                r#"spec.resourceClaims[0]: Invalid value: {"Name":"a","ResourceClaimName":null,"ResourceClaimTemplateName":null}: must specify one of: `resourceClaimName`, `resourceClaimTemplateName`"#,
                r#"spec.resourceClaims[1].name: Duplicate value: "a""#,
            ],
        ),
    ];
    for (members, expected) in cases {
        assert_eq!(of_spec(members), *expected, "{members}");
    }
}

#[test]
fn containers_are_judged_as_upstream_does() {
    let cases: &[(&str, &[&str])] = &[
        (
            r#""volumeMounts":[{"name":"v","mountPath":"/a","subPath":"../x","mountPropagation":"Bidirectional"},{"name":"i","mountPath":"/a","subPath":"s"}]"#,
            &[
                r#"spec.containers[0].volumeMounts.subPath: Invalid value: "../x": must not contain '..'"#,
                "spec.containers[0].volumeMounts.mountPropagation: Forbidden: Bidirectional mount propagation is available only to privileged containers",
                r#"spec.containers[0].volumeMounts[1].mountPath: Invalid value: "/a": must be unique"#,
            ],
        ),
        (
            r#""volumeDevices":[{"name":"v","devicePath":"/d"}]"#,
            &[
                r#"spec.containers[0].volumeDevices[0].name: Invalid value: "v": can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode"#,
            ],
        ),
        (
            r#""env":[{"name":"a=b"},{"name":"x","valueFrom":{}},{"name":"y","value":"v","valueFrom":{"secretKeyRef":{"name":"s","key":"k"}}},{"name":"z","valueFrom":{"fieldRef":{"fieldPath":"metadata.labels"}}}]"#,
            &[
                r#"spec.containers[0].env[0].name: Invalid value: "a=b": a valid environment variable name must consist only of printable ASCII characters other than '='"#,
                r#"spec.containers[0].env[1].valueFrom: Invalid value: "": must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"#,
                r#"spec.containers[0].env[2].valueFrom: Invalid value: "": may not be specified when `value` is not empty"#,
                r#"spec.containers[0].env[3].valueFrom.fieldRef.fieldPath: Unsupported value: "metadata.labels": supported values: "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName", "status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs""#,
            ],
        ),
        (
            r#""ports":[{"containerPort":80,"hostPort":80},{"containerPort":81,"hostPort":80,"name":"a","protocol":"TCP"},{"containerPort":0,"name":"a"}]"#,
            &[
                r#"spec.containers[0].ports[2].name: Duplicate value: "a""#,
                "spec.containers[0].ports[2].containerPort: Required value",
                r#"spec.containers[0].ports[1].hostPort: Duplicate value: "TCP//80""#,
            ],
        ),
        (
            r#""livenessProbe":{"tcpSocket":{"port":0},"successThreshold":2},"readinessProbe":{"exec":{"command":["a"]},"terminationGracePeriodSeconds":1},"lifecycle":{"preStop":{"sleep":{"seconds":31}}}"#,
            &[
                "spec.containers[0].lifecycle.preStop.sleep: Invalid value: 31: must be non-negative and less than terminationGracePeriodSeconds (30)",
                "spec.containers[0].livenessProbe.tcpSocket.port: Invalid value: 0: must be between 1 and 65535, inclusive",
                "spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1",
                "spec.containers[0].readinessProbe.terminationGracePeriodSeconds: Invalid value: 1: must not be set for readinessProbes",
            ],
        ),
        (
            r#""securityContext":{"privileged":true,"allowPrivilegeEscalation":false,"procMount":"Unmasked","seccompProfile":{"type":"Localhost"}}"#,
            &[
                r#"spec.containers[0].securityContext.procMount: Invalid value: "Unmasked": `hostUsers` must be false to use `Unmasked`"#,
                "spec.containers[0].securityContext.seccompProfile.localhostProfile: Required value: must be set when seccomp type is Localhost",
                r#"spec.containers[0].securityContext: Invalid value: {"Capabilities":null,"Privileged":true,"SELinuxOptions":null,"WindowsOptions":null,"RunAsUser":null,"RunAsGroup":null,"RunAsNonRoot":null,"ReadOnlyRootFilesystem":null,"AllowPrivilegeEscalation":false,"ProcMount":"Unmasked","SeccompProfile":{"Type":"Localhost","LocalhostProfile":null},"AppArmorProfile":null}: cannot set `allowPrivilegeEscalation` to false and `privileged` to true"#,
            ],
        ),
        (
            r#""resources":{"limits":{"hugepages-2Mi":"3Mi","x.io/d":"500m"},"claims":[{"name":"a"}]}"#,
            &[
                r#"spec.containers[0].resources.limits[hugepages-2Mi]: Invalid value: "3Mi": 3Mi is not positive integer multiple of hugepages-2Mi"#,
                r#"spec.containers[0].resources.limits[x.io/d]: Invalid value: "500m": must be an integer"#,
                r#"spec.containers[0].resources.requests[hugepages-2Mi]: Invalid value: "3Mi": 3Mi is not positive integer multiple of hugepages-2Mi"#,
                r#"spec.containers[0].resources.requests[x.io/d]: Invalid value: "500m": must be an integer"#,
                "spec.containers[0].resources: Forbidden: HugePages require cpu or memory",
                r#"spec.containers[0].resources.claims[0]: Not found: "a": must be one of the names in pod.spec.resourceClaims which is empty"#,
            ],
        ),
        (
            r#""restartPolicyRules":[{"action":"Restart","exitCodes":{"operator":"In","values":[1]}}]"#,
            &[
                "spec.containers[0].restartPolicy: Required value: must specify restartPolicy when restart rules are used",
            ],
        ),
    ];
    for (members, expected) in cases {
        assert_eq!(of_container(members), *expected, "{members}");
    }
}

#[test]
fn an_update_changes_only_what_it_may() {
    let pod = |spec: &str| {
        format!(r#"{{"metadata":{{"name":"p"}},"spec":{{"containers":[{{"name":"c","image":"i"}}]{spec}}}}}"#)
    };
    let cases: &[(&str, &str, &[&str])] = &[
        (
            r#","activeDeadlineSeconds":10"#,
            r#","activeDeadlineSeconds":11"#,
            &["spec.activeDeadlineSeconds: Invalid value: 11: must be less than or equal to previous value"],
        ),
        (
            r#","tolerations":[{"key":"a","operator":"Exists"}]"#,
            r#","tolerations":[{"key":"b","operator":"Exists"}]"#,
            &[
                "spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds",
            ],
        ),
        (
            r#","schedulingGates":[{"name":"a"}]"#,
            r#","schedulingGates":[{"name":"b"}]"#,
            &[
                "spec.schedulingGates[0].name: Forbidden: only deletion is allowed, but found new scheduling gate 'b'",
            ],
        ),
        (
            r#","schedulingGates":[{"name":"a"}]"#,
            r#","nodeSelector":{"x":"y"}"#,
            &[],
        ),
        (
            r#","schedulingGates":[{"name":"a"}],"nodeSelector":{"x":"y"}"#,
            r#","schedulingGates":[{"name":"a"}],"nodeSelector":{"x":"z"}"#,
            &[
                r#"spec.nodeSelector: Invalid value: {"x":"z"}: only additions to spec.nodeSelector are allowed (no mutations or deletions)"#,
            ],
        ),
    ];
    for (old, new, expected) in cases {
        assert_eq!(
            update_faults("", "pods", &pod(old), &pod(new)),
            *expected,
            "{new}"
        );
    }
    let faults = update_faults("", "pods", &pod(""), &pod(r#","hostname":"h""#));
    let [fault] = &faults[..] else {
        panic!("{faults:?}")
    };
    assert!(fault.starts_with(
        "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,"
    ));
    let changed = "\n@@ -64,7 +64,7 @@\n   \"SELinuxChangePolicy\": null\n  },\n  \"ImagePullSecrets\": null,\n- \"Hostname\": \"\",\n\
                   + \"Hostname\": \"h\",\n";
    assert!(fault.contains(changed), "{fault}");
}
