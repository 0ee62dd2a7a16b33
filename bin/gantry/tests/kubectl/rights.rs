//! `auth`, `certificate`, and what an impersonated user hears.

use super::{Fails, Has, Out, Step, kubectl, walk, walk_on, with_input};
use testkit::daemon::Daemon;

const RECONCILED: &str = "\
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader, namespace: default}
rules: [{apiGroups: [''], resources: [pods], verbs: [get, watch]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reader, namespace: default}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: eve}]
";

#[rustfmt::skip]
const RBAC: &[Step] = &[
    ("create role pods --verb=get,list --resource=pods --dry-run=server", "", Has(&["(server dry run)"])),
    ("create role pods --verb=get,list --resource=pods", "", Out("role.rbac.authorization.k8s.io/pods created\n")),
    ("create role scoped --verb=get --resource=pods --resource-name=one --resource-name=two", "", Has(&["created"])),
    ("get role scoped -o jsonpath={.rules}", "", Out("[{\"apiGroups\":[\"\"],\"resourceNames\":[\"one\",\"two\"],\"resources\":[\"pods\"],\"verbs\":[\"get\"]}]")),
    ("create role deep --verb=get --resource=pods/log,deployments.apps/scale", "", Has(&["created"])),
    ("get role deep -o jsonpath={.rules[*].apiGroups[0]}:{.rules[*].resources}", "", Has(&["pods/log", "deployments/scale"])),
    ("create clusterrole logs --verb=get --non-resource-url=/logs/*", "", Has(&["created"])),
    ("create clusterrole sum --aggregation-rule=x.io/sum=true", "", Has(&["created"])),
    ("create rolebinding pods --role=pods --user=bob --group=g --serviceaccount=default:sa", "", Has(&["created"])),
    ("get rolebinding pods -o jsonpath={.subjects[*].name}", "", Out("bob g sa")),
    ("create clusterrolebinding logs --clusterrole=logs --user=bob", "", Has(&["created"])),
    ("set subject rolebinding pods --user=alice", "", Out("rolebinding.rbac.authorization.k8s.io/pods subjects updated\n")),
    ("auth can-i create pods", "", Out("yes\n")),
    ("auth can-i list pods --as=bob", "", Out("yes\n")),
    ("auth can-i get pods --subresource=log --as=bob", "", Fails("no\n")),
    ("auth can-i create pods --as=bob", "", Fails("no\n")),
    ("auth can-i list pods --as=bob -A", "", Fails("no\n")),
    ("auth can-i get /logs/today --as=bob", "", Out("yes\n")),
    ("auth can-i get /metrics --as=bob", "", Fails("no\n")),
    ("auth can-i list pods --as=x --as-group=g", "", Out("yes\n")),
    ("auth can-i list pods --as=system:serviceaccount:default:sa", "", Out("yes\n")),
    ("auth can-i create nopes", "", Has(&["the server doesn't have a resource type 'nopes'", "yes"])),
    ("auth can-i --list --as=bob", "", Has(&["pods", "[get list]", "[/logs/*]", "selfsubjectaccessreviews.authorization.k8s.io"])),
    ("get pods --as=bob", "", Has(&["No resources found"])),
    ("get secrets --as=bob", "", Fails("Error from server (Forbidden): secrets is forbidden: User \"bob\" cannot list resource \"secrets\" in API group \"\" in the namespace \"default\"")),
    ("delete pod x --as=bob", "", Fails("pods \"x\" is forbidden: User \"bob\" cannot delete resource \"pods\"")),
    ("auth whoami -o jsonpath={.status.userInfo.groups}", "", Has(&["system:masters", "system:authenticated"])),
    ("auth whoami --as=bob -o jsonpath={.status.userInfo.username}", "", Out("bob")),
    ("auth reconcile -f -", RECONCILED, Has(&["role.rbac.authorization.k8s.io/reader reconciled", "rolebinding.rbac.authorization.k8s.io/reader reconciled"])),
    ("auth can-i watch pods --as=eve", "", Out("yes\n")),
    ("delete rolebinding pods", "", Has(&["deleted"])),
    ("auth can-i list pods --as=bob", "", Fails("no\n")),
];

#[test]
fn who_may_what_is_told_and_kept() {
    walk(RBAC);
}

#[test]
fn a_certificate_is_asked_for_and_decided_on() {
    let daemon = Daemon::api();
    let asked = daemon.directory.join("asked.pem");
    let made = daemon
        .namespace
        .command("openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout /dev/null -subj /O=dev/CN=jane")
        .args(["-out", asked.to_str().unwrap()])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let encoded = with_input(
        daemon.namespace.command("base64 -w0"),
        &std::fs::read_to_string(&asked).unwrap(),
    );
    let request = String::from_utf8(encoded.stdout).unwrap();
    let object = format!(
        "apiVersion: certificates.k8s.io/v1\nkind: CertificateSigningRequest\nmetadata: {{name: jane}}\nspec: {{request: {request}, signerName: x.io/none, usages: [client auth]}}\n"
    );
    let created = with_input(kubectl(&daemon, "create -f -"), &object);
    assert!(
        created.status.success(),
        "{}",
        String::from_utf8_lossy(&created.stderr)
    );
    walk_on(&daemon, DECIDED);
}

#[rustfmt::skip]
const DECIDED: &[Step] = &[
    ("get csr", "", Has(&["x.io/none", "Pending"])),
    ("get csr jane -o jsonpath={.spec.username}", "", Out("kubernetes-admin")),
    ("certificate approve jane", "", Out("certificatesigningrequest.certificates.k8s.io/jane approved\n")),
    ("get csr", "", Has(&["Approved"])),
    ("get csr jane -o jsonpath={.status.conditions[*].reason}", "", Out("KubectlApprove")),
    ("certificate deny jane", "", Fails("is already Approved")),
    // What is asked for stays as it was asked, without a word, as upstream has it.
    ("patch csr jane --type=merge -p {\"spec\":{\"signerName\":\"y.io/z\"}}", "", Has(&["jane patched"])),
    ("get csr jane -o jsonpath={.spec.signerName}", "", Out("x.io/none")),
    ("delete csr jane", "", Has(&["deleted"])),
];
