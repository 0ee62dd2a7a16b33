//! Changing what is there: label, annotate, patch, replace, edit, set, taint.

use std::os::unix::fs::PermissionsExt;

use super::{Fails, Has, Out, Step, kubectl, walk, with_input};
use testkit::daemon::Daemon;

const POD: &str = "\
apiVersion: v1
kind: Pod
metadata: {name: valid-pod, labels: {name: valid-pod}}
spec:
  containers: [{name: c, image: nginx}]
";
const NODE: &str = "apiVersion: v1\nkind: Node\nmetadata: {name: n1}\n";
const NODE_AGAIN: &str =
    "apiVersion: v1\nkind: Node\nmetadata: {name: n1, annotations: {a: b}, resourceVersion: '0'}\n";
const RENAMED: &str = "\
apiVersion: v1
kind: Pod
metadata: {name: valid-pod, labels: {name: valid-pod}}
spec:
  containers: [{name: renamed, image: nginx}]
";

#[rustfmt::skip]
const PODS: &[Step] = &[
    ("create -f -", POD, Has(&["created"])),
    ("label pods valid-pod new=1 --dry-run=server", "", Out("pod/valid-pod labeled (server dry run)\n")),
    ("label pods valid-pod new=1", "", Out("pod/valid-pod labeled\n")),
    ("label pods valid-pod empty=", "", Out("pod/valid-pod labeled\n")),
    ("label pods valid-pod new=2", "", Fails("error: 'new' already has a value (1), and --overwrite is false")),
    ("label --overwrite pods --all new=2", "", Out("pod/valid-pod labeled\n")),
    ("label pods valid-pod new-", "", Out("pod/valid-pod unlabeled\n")),
    ("label pods valid-pod 'bad key=1'", "", Fails("name part must consist of alphanumeric characters")),
    ("label pods valid-pod bad=-", "", Fails("invalid label value: \"bad=-\"")),
    ("annotate pods valid-pod empty=", "", Out("pod/valid-pod annotated\n")),
    ("annotate pods valid-pod note=hi --resource-version=1", "", Fails("the object has been modified")),
    ("get pod valid-pod -o jsonpath={.metadata.labels}{.metadata.annotations}", "", Out("{\"empty\":\"\",\"name\":\"valid-pod\"}{\"empty\":\"\"}")),
    ("get pod valid-pod --show-managed-fields -o jsonpath={.metadata.managedFields[*].manager}", "", Has(&["kubectl-create", "kubectl-label", "kubectl-annotate"])),
    ("patch pod valid-pod -p {\"metadata\":{\"labels\":\"invalid\"}}", "", Fails("patch: Invalid value: \"map[metadata:map[labels:invalid]]\": cannot restore map from string")),
    ("patch pod valid-pod -p {\"metadata\":{\"labels\":{\"name\":\"valid-pod\"}}}", "", Out("pod/valid-pod patched (no change)\n")),
    ("patch pod valid-pod -p {\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"nginx2\"}]}}", "", Out("pod/valid-pod patched\n")),
    ("patch pod valid-pod --type=json -p [{\"op\":\"replace\",\"path\":\"/spec/containers/0/image\",\"value\":\"nginx3\"}]", "", Out("pod/valid-pod patched\n")),
    ("patch pod valid-pod --type=json -p [{\"op\":\"test\",\"path\":\"/spec/containers/0/image\",\"value\":\"nope\"}]", "", Fails("the server rejected our request due to an error in our request")),
    ("patch pod valid-pod --type=merge -p {\"spec\":{\"nodeName\":\"x\"}}", "", Fails("pod updates may not change fields other than")),
    ("patch pod valid-pod -p 'spec:\n  containers:\n  - name: c\n    image: yaml\n'", "", Out("pod/valid-pod patched\n")),
    ("patch pod valid-pod --subresource=status --type=merge -p {\"status\":{\"message\":\"m\"}}", "", Out("pod/valid-pod patched\n")),
    ("get pod valid-pod -o jsonpath={.spec.containers[0].image},{.status.message}", "", Out("yaml,m")),
    ("patch pod valid-pod -p {\"metadata\":{\"resourceVersion\":\"1\"},\"spec\":{\"activeDeadlineSeconds\":9}}", "", Fails("please apply your changes to the latest version and try again")),
    ("patch --local -f - -p {\"spec\":{\"restartPolicy\":\"Never\"}} -o jsonpath={.spec.restartPolicy}", POD, Out("Never")),
    ("replace -f -", RENAMED, Fails("pod updates may not change fields other than")),
    ("replace --force -f -", RENAMED, Has(&["pod \"valid-pod\" deleted", "pod/valid-pod replaced"])),
    ("get pod valid-pod --show-managed-fields -o jsonpath={.spec.containers[0].name},{.metadata.managedFields[*].manager}", "", Out("renamed,kubectl-replace")),
    ("replace --grace-period=1 -f -", RENAMED, Fails("--grace-period must have --force specified")),
    ("delete pods", "", Fails("resource(s) were provided, but no name was specified")),
    ("delete --all pods -l name=valid-pod", "", Fails("setting 'all' parameter but found a non empty selector")),
    ("delete pods -l name=valid-pod --grace-period=0 --force", "", Has(&["pod \"valid-pod\" force deleted"])),
];

#[test]
fn pods_are_labelled_patched_and_replaced() {
    walk(PODS);
}

#[rustfmt::skip]
const NODES: &[Step] = &[
    ("create -f -", NODE, Out("node/n1 created\n")),
    ("replace --dry-run=server -f -", NODE_AGAIN, Out("node/n1 replaced (server dry run)\n")),
    ("replace -f -", NODE_AGAIN, Out("node/n1 replaced\n")),
    ("get node n1 -o jsonpath={.metadata.annotations.a}", "", Out("b")),
    ("taint nodes n1 a=b:NoSchedule", "", Out("node/n1 tainted\n")),
    ("taint nodes n1 a=b:NoSchedule", "", Fails("already has a taint(s) with same effect(s) and --overwrite is false")),
    ("taint nodes n1 a=c:NoSchedule --overwrite", "", Out("node/n1 modified\n")),
    ("taint nodes n1 a=c:Nope", "", Fails("invalid taint effect: Nope")),
    ("taint nodes n1 a-", "", Out("node/n1 untainted\n")),
    ("taint nodes n1 a-", "", Fails("taint \"a\" not found")),
    ("cordon n1", "", Out("node/n1 cordoned\n")),
    ("get nodes", "", Has(&["SchedulingDisabled"])),
    ("cordon n1", "", Out("node/n1 already cordoned\n")),
    ("uncordon n1", "", Out("node/n1 uncordoned\n")),
    ("label node n1 node-role.kubernetes.io/worker=", "", Out("node/n1 labeled\n")),
    ("get nodes", "", Has(&["worker"])),
    ("drain n1", "", Has(&["node/n1 drained"])),
    ("delete node n1", "", Out("node \"n1\" deleted\n")),
    ("drain n1", "", Fails("nodes \"n1\" not found")),
];

#[test]
fn nodes_are_tainted_and_cordoned() {
    walk(NODES);
}

#[test]
fn an_editor_changes_an_object() {
    let daemon = Daemon::api();
    let script = daemon.directory.join("editor");
    std::fs::write(&script, "#!/bin/sh\nsed -i s/nginx/apache/ $1\n").unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let run = |editor: &str, words: &str, input: &str| {
        let mut command = kubectl(&daemon, words);
        command.env("EDITOR", editor);
        let output = with_input(command, input);
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    };
    let editor = script.to_str().unwrap();
    assert_eq!(run(editor, "create -f -", POD), "pod/valid-pod created\n");
    let edited = run(editor, "edit pods/valid-pod --output-patch=true", "");
    assert!(
        edited.contains("Patch: {\"spec\":{\"$setElementOrder/containers\"")
            && edited.contains("pod/valid-pod edited"),
        "{edited}"
    );
    assert_eq!(
        run(
            editor,
            "get pod valid-pod -o jsonpath={.spec.containers[0].image}",
            ""
        ),
        "apache"
    );
    let managers = "get pod valid-pod --show-managed-fields -o jsonpath={.metadata.managedFields[*].manager}";
    assert!(run(editor, managers, "").contains("kubectl-edit"));
    let cancelled = run("cat", "edit pod/valid-pod", "");
    assert!(
        cancelled.contains("Edit cancelled, no changes made.") && cancelled.contains("name: valid-pod"),
        "{cancelled}"
    );
    assert!(run("cat", "edit ns", "").contains("kind: List"));
}
