//! What the server says of itself: discovery, version, health, cluster-info; and the proxy that hands it on.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use super::{Fails, Has, Lacks, Out, Step, kubectl, walk};
use rustix::process::{Pid, Signal, kill_process};
use testkit::daemon::Daemon;

#[rustfmt::skip]
const ITSELF: &[Step] = &[
    ("version", "", Has(&["Server Version: v1.36"])),
    ("version -o json", "", Has(&["\"serverVersion\"", "\"minor\": \"36\""])),
    ("cluster-info", "", Has(&["Kubernetes control plane", "is running at"])),
    ("api-versions", "", Has(&["apps/v1\n", "autoscaling/v2\n", "rbac.authorization.k8s.io/v1\n", "v1\n"])),
    ("api-resources --api-group=apps -o name", "", Out("controllerrevisions.apps\ndaemonsets.apps\ndeployments.apps\nreplicasets.apps\nstatefulsets.apps\n")),
    ("api-resources --namespaced=false --verbs=get,list -o name", "", Has(&["namespaces\n", "nodes\n", "clusterroles.rbac.authorization.k8s.io\n"])),
    ("api-resources -o wide", "", Has(&["deployments", "deploy", "create,delete,deletecollection,get,list,patch,update,watch", "all"])),
    ("api-resources --categories=all -o name", "", Lacks(&["configmaps"])),
    ("get --raw=/api/v1", "", Has(&["{\"name\":\"configmaps\",\"singularName\":\"configmap\",\"namespaced\":true,\"kind\":\"ConfigMap\",\"verbs\":[\"create\",\"delete\",\"deletecollection\",\"get\",\"list\",\"patch\",\"update\",\"watch\"],\"shortNames\":[\"cm\"],\"storageVersionHash\":"])),
    ("get --raw=/apis", "", Has(&["\"kind\":\"APIGroupList\"", "\"preferredVersion\":{\"groupVersion\":\"autoscaling/v2\""])),
    ("get --raw=/apis/apps", "", Has(&["\"kind\":\"APIGroup\""])),
    ("get --raw=/api", "", Has(&["\"versions\":[\"v1\"]"])),
    ("get --raw=/", "", Has(&["\"/apis/apps/v1\"", "\"/openapi/v3\""])),
    ("get --raw=/version", "", Has(&["\"major\": \"1\""])),
    ("get --raw=/healthz?verbose", "", Has(&["[+]ping ok", "healthz check passed"])),
    ("get --raw=/livez", "", Out("ok")),
    ("get --raw=/openapi/v3", "", Has(&["\"apis/apps/v1\":{\"serverRelativeURL\":\"/openapi/v3/apis/apps/v1?hash="])),
    ("get --raw=/metrics", "", Has(&["apiserver_request_total"])),
    ("get --raw=/apis/nope.x.io", "", Fails("the server could not find the requested resource")),
    ("config view --minify -o jsonpath={.contexts[0].context.user}", "", Has(&["admin"])),
    ("config set-context --current --namespace=kube-system", "", Has(&["modified"])),
    ("get serviceaccount default -o jsonpath={.metadata.namespace}", "", Out("kube-system")),
    ("get pods --server=https://127.0.0.1:1 --request-timeout=1s", "", Fails("connection refused")),
    ("get pods --request-timeout=1x", "", Fails("Invalid timeout value")),
    ("get pods --token=nope --kubeconfig=/dev/null --server=https://127.0.0.1:1", "", Fails("refused")),
];

#[test]
fn the_server_says_what_it_is() {
    walk(ITSELF);
}

#[test]
fn a_proxy_hands_the_api_on() {
    let daemon = Daemon::api();
    let mut proxy = kubectl(&daemon, "proxy --port=0")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(proxy.stdout.as_mut().unwrap())
        .read_line(&mut line)
        .unwrap();
    let address = line.trim().rsplit(' ').next().unwrap().to_owned();
    let ask = |path: &str| {
        let mut curl = daemon.namespace.command("timeout 20 curl -s -w %{http_code}");
        let output = curl.arg(format!("http://{address}{path}")).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let namespace = ask("/api/v1/namespaces/default");
    assert!(
        namespace.contains("\"name\": \"default\"") && namespace.ends_with("200"),
        "{namespace}"
    );
    assert!(ask("/api/v1/namespaces/nope").ends_with("404"));
    // `timeout` hands the signal on; a killed one would leave kubectl behind.
    let pid = Pid::from_child(&proxy);
    kill_process(pid, Signal::TERM).unwrap();
    proxy.wait().unwrap();
}
