//! LimitRanges.

use serde_json::{Value, json};

use super::{PODS, asking, make, pod, refused};
use crate::door::Door;

const RANGES: &str = "/api/v1/namespaces/default/limitranges";
const CLAIMS: &str = "/api/v1/namespaces/default/persistentvolumeclaims";

fn limited(limit: Value) -> Door {
    let door = Door::open();
    let range = json!({"metadata": {"name": "l"}, "spec": {"limits": [limit]}});
    make(&door, RANGES, &range);
    door
}

#[test]
fn who_asks_for_nothing_gets_the_default() {
    let door = limited(json!({
        "type": "Container", "default": {"cpu": "500m", "memory": "1Gi"}, "defaultRequest": {"cpu": "100m"},
    }));
    let two = json!({
        "containers": [{"name": "a", "image": "i"}, {"name": "b", "image": "i", "resources": {"limits": {"cpu": "2"}, "requests": {"cpu": "1"}}}],
        "initContainers": [{"name": "c", "image": "i"}],
    });
    let made = make(&door, PODS, &pod("p", two));
    let given =
        json!({"limits": {"cpu": "500m", "memory": "1Gi"}, "requests": {"cpu": "100m", "memory": "1Gi"}});
    assert_eq!(made.at("/spec/containers/0/resources"), given);
    assert_eq!(made.at("/spec/initContainers/0/resources"), given);
    assert_eq!(
        made.at("/spec/containers/1/resources"),
        json!({"limits": {"cpu": "2", "memory": "1Gi"}, "requests": {"cpu": "1", "memory": "1Gi"}})
    );
    assert_eq!(
        made.at("/metadata/annotations"),
        json!({"kubernetes.io/limit-ranger": "LimitRanger plugin set: cpu, memory request for container a; cpu, memory limit for container a; memory request for container b; memory limit for container b; cpu, memory request for init container c; cpu, memory limit for init container c"})
    );
}

#[test]
fn bounds_of_containers_are_kept() {
    let door = limited(json!({
        "type": "Container", "min": {"cpu": "100m"}, "max": {"cpu": "1", "memory": "1Gi"}, "maxLimitRequestRatio": {"memory": "2"},
        "default": {"cpu": "1", "memory": "1Gi"}, "defaultRequest": {"cpu": "200m", "memory": "1Gi"},
    }));
    make(
        &door,
        PODS,
        &asking(
            "fits",
            &json!({"requests": {"cpu": "100m"}, "limits": {"cpu": "1"}}),
        ),
    );
    let cases = [
        (
            json!({"requests": {"cpu": "50m"}, "limits": {"cpu": "1"}}),
            r#"pods "p" is forbidden: minimum cpu usage per Container is 100m, but request is 50m"#,
        ),
        (
            json!({"requests": {"cpu": "1"}, "limits": {"cpu": "1500m"}}),
            r#"pods "p" is forbidden: maximum cpu usage per Container is 1, but limit is 1500m"#,
        ),
        (
            json!({"requests": {"memory": "256Mi"}, "limits": {"memory": "1Gi"}}),
            r#"pods "p" is forbidden: memory max limit to request ratio per Container is 2, but provided ratio is 4.000000"#,
        ),
        (
            json!({"requests": {"cpu": "2", "memory": "2Gi"}, "limits": {"cpu": "2", "memory": "2Gi"}}),
            r#"pods "p" is forbidden: [maximum cpu usage per Container is 1, but limit is 2, maximum memory usage per Container is 1Gi, but limit is 2Gi]"#,
        ),
    ];
    for (resources, text) in cases {
        refused(&door, PODS, &asking("p", &resources), 403, text);
    }
}

#[test]
fn bounds_of_pods_are_about_all_containers() {
    let door = limited(json!({"type": "Pod", "max": {"cpu": "1"}}));
    let container =
        |name: &str| json!({"name": name, "image": "i", "resources": {"limits": {"cpu": "600m"}}});
    let spec = json!({"containers": [container("a"), container("b")]});
    refused(
        &door,
        PODS,
        &pod("p", spec),
        403,
        r#"pods "p" is forbidden: maximum cpu usage per Pod is 1, but limit is 1200m"#,
    );
    refused(
        &door,
        PODS,
        &pod("p", json!({})),
        403,
        r#"pods "p" is forbidden: maximum cpu usage per Pod is 1.  No limit is specified"#,
    );
}

#[test]
fn claims_have_bounds() {
    let door = limited(json!({
        "type": "PersistentVolumeClaim", "min": {"storage": "1Gi"}, "max": {"storage": "5Gi"},
    }));
    let claim = |size: &str| {
        json!({
            "metadata": {"name": "c"},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}},
        })
    };
    let cases = [
        (
            "10Gi",
            "maximum storage usage per PersistentVolumeClaim is 5Gi, but request is 10Gi",
        ),
        (
            "1Mi",
            "minimum storage usage per PersistentVolumeClaim is 1Gi, but request is 1Mi",
        ),
    ];
    for (size, why) in cases {
        let text = format!(r#"persistentvolumeclaims "c" is forbidden: {why}"#);
        refused(&door, CLAIMS, &claim(size), 403, &text);
    }
    make(&door, CLAIMS, &claim("2Gi"));
}
