use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use schema::BUILTIN;
use schema::cursor::Ref;
use schema::json::{Options, decode};
use schema::resource::type_of_kind;
use schema::tree::Struct;

use super::*;

fn tree(kind: &str, json: &str) -> Struct {
    let ty = type_of_kind("", "v1", kind).unwrap();
    decode(&BUILTIN, ty, json.as_bytes(), Options::default())
        .unwrap()
        .object
}

fn printed(amounts: &Amounts) -> String {
    let all: Vec<String> = amounts
        .iter()
        .map(|(name, amount)| format!("{name}={amount}"))
        .collect();
    all.join(",")
}

#[test]
fn amounts_print_as_upstream_prints_sums() {
    for (one, other, sum) in [
        ("500m", "1", "1500m"),
        ("1500m", "500m", "2"),
        ("1Gi", "512Mi", "1536Mi"),
        ("0", "1Gi", "1Gi"),
        ("1", "1Ki", "1025"),
        ("1Ki", "1", "1025"),
        ("1Ki", "1023Ki", "1Mi"),
        ("1k", "1Ki", "2024"),
        ("1e3", "0", "1k"),
        ("100n", "900n", "1u"),
        ("-1", "1", "0"),
    ] {
        assert_eq!(
            Amount::read(one).plus(Amount::read(other)).to_string(),
            sum,
            "{one} + {other}"
        );
    }
    assert_eq!(
        Amount::read("1Gi").minus(Amount::read("1Mi")).to_string(),
        "1023Mi"
    );
    assert_eq!(Amount::read("1500m").rounded_up(), Amount::count(2));
    assert_eq!(
        (Amount::read("1u").millis(), Amount::read("-1").is_negative()),
        (1, true)
    );
}

const POD: &str = r#"{"spec":{"containers":[
    {"name":"a","resources":{"requests":{"cpu":"100m","memory":"1Gi","example.com/gpu":"1"},"limits":{"cpu":"1"}}},
    {"name":"b","resources":{"requests":{"cpu":"200m"}}}],
  "initContainers":[
    {"name":"i","resources":{"requests":{"cpu":"1"}}},
    {"name":"s","restartPolicy":"Always","resources":{"requests":{"cpu":"300m"}}}],
  "overhead":{"cpu":"50m"}}}"#;

#[test]
fn a_pod_counts_for_its_containers_its_sidecars_and_its_overhead() {
    let pod = tree("Pod", POD);
    let usage = Evaluator::Pods.usage(Ref::new(&BUILTIN, &pod), SystemTime::UNIX_EPOCH);
    assert_eq!(
        printed(&usage),
        "count/pods=1,cpu=1050m,limits.cpu=1050m,memory=1Gi,pods=1,requests.cpu=1050m,\
         requests.example.com/gpu=1,requests.memory=1Gi"
    );
}

#[test]
fn a_pod_that_has_ended_or_should_have_counts_for_its_place_only() {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(100);
    for (json, counted) in [
        (r#"{"status":{"phase":"Failed"}}"#, "count/pods=1"),
        (r#"{"status":{"phase":"Running"}}"#, "count/pods=1,pods=1"),
        (
            r#"{"metadata":{"deletionTimestamp":"1970-01-01T00:00:10Z","deletionGracePeriodSeconds":30}}"#,
            "count/pods=1",
        ),
        (
            r#"{"metadata":{"deletionTimestamp":"1970-01-01T00:01:30Z","deletionGracePeriodSeconds":30}}"#,
            "count/pods=1,pods=1",
        ),
    ] {
        let pod = tree("Pod", json);
        assert_eq!(
            printed(&Evaluator::Pods.usage(Ref::new(&BUILTIN, &pod), now)),
            counted,
            "{json}"
        );
    }
}

#[test]
fn containers_state_what_is_limited() {
    let pod = tree("Pod", POD);
    let pod = Ref::new(&BUILTIN, &pod);
    let said = |required: &[&str]| Evaluator::Pods.constraints(required, pod);
    assert_eq!(said(&["pods", "requests.cpu"]), Ok(()));
    assert_eq!(
        said(&["memory", "limits.cpu"]).unwrap_err(),
        "must specify limits.cpu for: b,i,s; memory for: b,i,s"
    );
}

#[test]
fn claims_and_services_count_for_more_than_one() {
    let claim = tree(
        "PersistentVolumeClaim",
        r#"{"spec":{"storageClassName":"gold","resources":{"requests":{"storage":"5Gi"}}}}"#,
    );
    let usage = Evaluator::Claims.usage(Ref::new(&BUILTIN, &claim), SystemTime::UNIX_EPOCH);
    assert_eq!(
        printed(&usage),
        "count/persistentvolumeclaims=1,gold.storageclass.storage.k8s.io/persistentvolumeclaims=1,\
         gold.storageclass.storage.k8s.io/requests.storage=5Gi,persistentvolumeclaims=1,requests.storage=5Gi"
    );
    for (spec, balancers, ports) in [
        (r#"{"type":"ClusterIP","ports":[{"port":1}]}"#, 0, 0),
        (r#"{"type":"NodePort","ports":[{"port":1},{"port":2}]}"#, 0, 2),
        (r#"{"type":"LoadBalancer","ports":[{"port":1}]}"#, 1, 1),
        (
            r#"{"type":"LoadBalancer","allocateLoadBalancerNodePorts":false,"ports":[{"port":1},{"port":2,"nodePort":30000}]}"#,
            1,
            1,
        ),
    ] {
        let service = tree("Service", &format!(r#"{{"spec":{spec}}}"#));
        let usage = Evaluator::Services.usage(Ref::new(&BUILTIN, &service), SystemTime::UNIX_EPOCH);
        let got = (usage["services.loadbalancers"], usage["services.nodeports"]);
        assert_eq!(got, (Amount::count(balancers), Amount::count(ports)), "{spec}");
    }
}

#[test]
fn names_belong_to_their_resources() {
    let evaluator = |group, plural| Evaluator::of(group, plural).unwrap();
    for (group, plural, name, counted) in [
        ("", "pods", "requests.example.com/gpu", true),
        ("", "pods", "example.com/gpu", false),
        ("", "pods", "hugepages-2Mi", true),
        ("", "pods", "requests.storage", false),
        ("", "persistentvolumeclaims", "requests.storage", true),
        (
            "",
            "persistentvolumeclaims",
            "gold.storageclass.storage.k8s.io/requests.storage",
            true,
        ),
        ("", "services", "services.nodeports", true),
        ("", "secrets", "secrets", true),
        ("", "secrets", "count/secrets", true),
        ("apps", "deployments", "count/deployments.apps", true),
        ("apps", "deployments", "count/deployments", false),
    ] {
        assert_eq!(evaluator(group, plural).counts(name), counted, "{plural} {name}");
    }
    assert_eq!(Evaluator::of("", "events"), None);
}

#[test]
fn scopes_choose_pods() {
    let scoped = |quota: &str, pod: &str| {
        let (quota, pod) = (tree("ResourceQuota", quota), tree("Pod", pod));
        let scopes = Scope::of(Ref::new(&BUILTIN, &quota));
        Evaluator::Pods.in_scope(&scopes, Ref::new(&BUILTIN, &pod))
    };
    let plain = |scope: &str, pod: &str| scoped(&format!(r#"{{"spec":{{"scopes":["{scope}"]}}}}"#), pod);
    let (idle, asking) = (
        r#"{"spec":{"containers":[{"name":"a"}]}}"#,
        r#"{"spec":{"activeDeadlineSeconds":5,"priorityClassName":"high","containers":[{"name":"a","resources":{"limits":{"memory":"1"}}}]}}"#,
    );
    for (scope, of_idle, of_asking) in [
        ("BestEffort", true, false),
        ("NotBestEffort", false, true),
        ("Terminating", false, true),
        ("NotTerminating", true, false),
        ("PriorityClass", false, true),
        ("CrossNamespacePodAffinity", false, false),
    ] {
        assert_eq!(
            (plain(scope, idle), plain(scope, asking)),
            (of_idle, of_asking),
            "{scope}"
        );
    }
    for (operator, values, of_idle, of_asking) in [
        ("In", r#"["high"]"#, false, true),
        ("NotIn", r#"["high"]"#, true, false),
        ("Exists", "[]", false, true),
        ("DoesNotExist", "[]", true, false),
    ] {
        let quota = format!(
            r#"{{"spec":{{"scopeSelector":{{"matchExpressions":[{{"scopeName":"PriorityClass","operator":"{operator}","values":{values}}}]}}}}}}"#
        );
        let got = (scoped(&quota, idle), scoped(&quota, asking));
        assert_eq!(got, (of_idle, of_asking), "{operator}");
    }
}

proptest! {
    #[test]
    fn what_is_added_is_taken_away(a in -1_000_000_000_000_i64..1_000_000_000_000, b in 0_i64..1_000_000_000_000) {
        let (a, b) = (Amount::count(a), Amount::count(b));
        prop_assert_eq!(a.plus(b).minus(b), a);
        prop_assert_eq!(Amount::read(&a.plus(b).to_string()), a.plus(b));
    }
}
