use schema::BUILTIN;
use schema::json::{Options, decode};
use schema::resource::type_of_kind;

use super::level::{Level, LevelVersion, Version};
use super::*;

fn detail(level: Level, version: Version, pod: &str) -> String {
    let ty = type_of_kind("", "v1", "Pod").unwrap();
    let pod = decode(&BUILTIN, ty, pod.as_bytes(), Options::default())
        .unwrap()
        .object;
    evaluate(
        LevelVersion { level, version },
        &Pod::of(Ref::new(&BUILTIN, &pod)),
    )
    .detail()
}

/// What is wrong with a pod of one container, with this added to the pod's and the container's members.
fn baseline(spec: &str, container: &str) -> String {
    let pod = format!(r#"{{"spec":{{{spec}"containers":[{{"name":"c"{container}}}]}}}}"#);
    detail(Level::Baseline, Version::Latest, &pod)
}

#[test]
fn the_baseline_keeps_pods_off_the_host() {
    let cases = [
        ("", "", ""),
        (
            r#""hostNetwork":true,"hostPID":true,"#,
            "",
            "host namespaces (hostNetwork=true, hostPID=true)",
        ),
        (
            r#""volumes":[{"name":"v","hostPath":{"path":"/"}}],"#,
            "",
            r#"hostPath volumes (volume "v")"#,
        ),
        (
            "",
            r#","ports":[{"containerPort":1,"hostPort":80},{"containerPort":2,"hostPort":9}]"#,
            r#"hostPort (container "c" uses hostPorts 80, 9)"#,
        ),
        (
            "",
            r#","livenessProbe":{"httpGet":{"port":1,"host":"10.0.0.1"}}"#,
            r#"probe or lifecycle host (container "c" uses probe or lifecycle host "10.0.0.1")"#,
        ),
        (
            "",
            r#","securityContext":{"privileged":true}"#,
            r#"privileged (container "c" must not set securityContext.privileged=true)"#,
        ),
        (
            "",
            r#","securityContext":{"capabilities":{"add":["SYS_ADMIN","CHOWN","NET_RAW"]}}"#,
            r#"non-default capabilities (container "c" must not include "NET_RAW", "SYS_ADMIN" in securityContext.capabilities.add)"#,
        ),
        (
            "",
            r#","securityContext":{"procMount":"Unmasked"}"#,
            r#"procMount (container "c" must not set securityContext.procMount to "Unmasked")"#,
        ),
        (
            r#""hostUsers":false,"#,
            r#","securityContext":{"procMount":"Unmasked"}"#,
            "",
        ),
        (
            r#""securityContext":{"seLinuxOptions":{"type":"spc_t","user":"u"}},"#,
            "",
            r#"seLinuxOptions (pod set forbidden securityContext.seLinuxOptions: type "spc_t"; user may not be set)"#,
        ),
        (
            r#""securityContext":{"seccompProfile":{"type":"Unconfined"}},"#,
            r#","securityContext":{"seccompProfile":{"type":"Unconfined"}}"#,
            r#"seccompProfile (pod and container "c" must not set securityContext.seccompProfile.type to "Unconfined")"#,
        ),
        (
            r#""securityContext":{"appArmorProfile":{"type":"Unconfined"}},"#,
            "",
            r#"forbidden AppArmor profile (pod must not set AppArmor profile type to "Unconfined")"#,
        ),
        (
            r#""securityContext":{"sysctls":[{"name":"kernel.msgmax","value":"1"},{"name":"net.ipv4.tcp_rmem","value":"1"}]},"#,
            "",
            "forbidden sysctls (kernel.msgmax)",
        ),
        (
            r#""securityContext":{"windowsOptions":{"hostProcess":true}},"#,
            "",
            "hostProcess (pod must not set securityContext.windowsOptions.hostProcess=true)",
        ),
    ];
    for (spec, container, expected) in cases {
        assert_eq!(baseline(spec, container), expected, "{spec} {container}");
    }
}

#[test]
fn restricted_asks_for_what_a_plain_pod_does_not_say() {
    let plain = r#"{"spec":{"containers":[{"name":"a"},{"name":"b"}]}}"#;
    assert_eq!(
        detail(Level::Restricted, Version::Latest, plain),
        r#"allowPrivilegeEscalation != false (containers "a", "b" must set securityContext.allowPrivilegeEscalation=false), "#
            .to_owned()
            + r#"unrestricted capabilities (containers "a", "b" must set securityContext.capabilities.drop=["ALL"]), "#
            + r#"runAsNonRoot != true (pod or containers "a", "b" must set securityContext.runAsNonRoot=true), "#
            + r#"seccompProfile (pod or containers "a", "b" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")"#
    );
    let hardened = r#"{"spec":{"securityContext":{"runAsNonRoot":true,"seccompProfile":{"type":"RuntimeDefault"}},
        "containers":[{"name":"a","securityContext":{"allowPrivilegeEscalation":false,"capabilities":{"drop":["ALL"],"add":["NET_BIND_SERVICE"]}}}]}}"#;
    assert_eq!(detail(Level::Restricted, Version::Latest, hardened), "");
    let root = hardened.replace("\"runAsNonRoot\":true", "\"runAsUser\":0,\"runAsNonRoot\":false");
    assert_eq!(
        detail(Level::Restricted, Version::Latest, &root),
        "runAsNonRoot != true (pod must not set securityContext.runAsNonRoot=false), runAsUser=0 (pod must not set runAsUser=0)"
    );
    let own_users = root.replace("\"containers\"", "\"hostUsers\":false,\"containers\"");
    assert_eq!(detail(Level::Restricted, Version::Latest, &own_users), "");
    let volumes = hardened.replace(
        "\"containers\"",
        r#""volumes":[{"name":"h","hostPath":{"path":"/"}},{"name":"n","nfs":{"server":"s","path":"/"}},{"name":"e","emptyDir":{}}],"containers""#,
    );
    assert_eq!(
        detail(Level::Restricted, Version::Latest, &volumes),
        r#"restricted volume types (volumes "h", "n" use restricted volume types "hostPath", "nfs")"#
    );
}

#[test]
fn old_versions_have_their_old_rules() {
    let plain = r#"{"metadata":{"annotations":{"seccomp.security.alpha.kubernetes.io/pod":"unconfined"}},"spec":{"containers":[{"name":"a"}]}}"#;
    assert_eq!(
        detail(Level::Restricted, Version::Minor(7), plain),
        r#"seccompProfile (forbidden annotation seccomp.security.alpha.kubernetes.io/pod="unconfined"), runAsNonRoot != true (pod or container "a" must set securityContext.runAsNonRoot=true)"#
    );
    let windows = r#"{"spec":{"os":{"name":"windows"},"securityContext":{"runAsNonRoot":true},"containers":[{"name":"a"}]}}"#;
    assert_eq!(detail(Level::Restricted, Version::Minor(25), windows), "");
    assert_ne!(detail(Level::Restricted, Version::Minor(24), windows), "");
    assert_eq!(detail(Level::Privileged, Version::Latest, plain), "");
}

#[test]
fn labels_say_a_policy_or_what_is_wrong_with_them() {
    let of = |labels: &[(&str, &'static str)]| {
        Policy::of(|wanted| {
            let mode = wanted.strip_prefix("pod-security.kubernetes.io/")?;
            labels
                .iter()
                .find(|(name, _)| *name == mode)
                .map(|(_, value)| *value)
        })
    };
    let (none, errors) = of(&[]);
    assert!(none.is_privileged() && errors.is_empty());
    let (enforced, _) = of(&[("enforce", "baseline"), ("enforce-version", "v1.30")]);
    assert_eq!(
        (enforced.enforce.to_string(), enforced.warn.to_string()),
        ("baseline:v1.30".to_owned(), "baseline:v1.30".to_owned())
    );
    let (warned, _) = of(&[("enforce", "restricted"), ("warn", "privileged")]);
    assert_eq!(warned.warn.to_string(), "privileged:latest");
    let (wrong, errors) = of(&[("enforce", "none"), ("warn-version", "v1.07")]);
    assert_eq!(wrong.enforce.level, Level::Restricted);
    let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            r#"metadata.labels[pod-security.kubernetes.io/enforce]: Invalid value: "none": must be one of privileged, baseline, restricted"#,
            r#"metadata.labels[pod-security.kubernetes.io/warn-version]: Invalid value: "v1.07": must be "latest" or "v1.x""#,
        ]
    );
}
