//! `create` and its generators, `run`, `expose`, `autoscale`; dry runs that leave nothing.

use super::{Exits, Fails, Has, Out, Step, walk};

#[rustfmt::skip]
const GENERATORS: &[Step] = &[
    ("create namespace n", "", Out("namespace/n created\n")),
    ("create configmap c --from-literal=a=b --dry-run=server", "", Out("configmap/c created (server dry run)\n")),
    ("create configmap c --from-literal=a=b", "", Out("configmap/c created\n")),
    ("create secret generic s --from-literal=a=b --type=test-type", "", Out("secret/s created\n")),
    ("create secret docker-registry dr --docker-username=u --docker-password=p --docker-email=e@x.io", "", Out("secret/dr created\n")),
    ("get secrets -o custom-columns=N:.metadata.name,T:.type --no-headers", "", Out("dr    kubernetes.io/dockerconfigjson\ns     test-type\n")),
    ("create serviceaccount sa", "", Out("serviceaccount/sa created\n")),
    ("create deployment d --image=nginx --replicas=2 --port=80 -- sleep 1", "", Out("deployment.apps/d created\n")),
    ("get deployment d -o jsonpath={.spec.replicas},{.spec.template.spec.containers[0].command},{.spec.revisionHistoryLimit}", "", Out("2,[\"sleep\",\"1\"],10")),
    ("create deployment two --image=a --image=b", "", Out("deployment.apps/two created\n")),
    ("create job j --image=busybox -- echo hi", "", Out("job.batch/j created\n")),
    ("create cronjob cj --image=busybox '--schedule=*/5 * * * *' -- date", "", Out("cronjob.batch/cj created\n")),
    ("create job from --from=cronjob/cj", "", Out("job.batch/from created\n")),
    ("get job from -o jsonpath={.metadata.ownerReferences[0].kind},{.metadata.annotations}", "", Out("CronJob,{\"cronjob.kubernetes.io/instantiate\":\"manual\"}")),
    ("create job from --from=cronjob/nope", "", Fails("cronjobs.batch \"nope\" not found")),
    ("create quota q --hard=pods=2,cpu=1 --scopes=BestEffort", "", Fails("is invalid")),
    ("create quota q --hard=pods=2,services=9", "", Out("resourcequota/q created\n")),
    ("create poddisruptionbudget p1 --selector=app=rails --min-available=2", "", Out("poddisruptionbudget.policy/p1 created\n")),
    ("create pdb p2 --selector=app=rails --max-unavailable=50%", "", Out("poddisruptionbudget.policy/p2 created\n")),
    ("get pdb --no-headers", "", Has(&["p1    2     N/A   0", "p2    N/A   50%   0"])),
    ("create pdb p3 --selector=app=rails --min-available=2 --max-unavailable=3", "", Fails("min-available and max-unavailable cannot be both specified")),
    ("create priorityclass pc --value=1000 --description=d", "", Out("priorityclass.scheduling.k8s.io/pc created\n")),
    ("create priorityclass big --value=2000000000", "", Fails("maximum allowed value of a user defined priority is 1000000000")),
    ("get priorityclasses pc --no-headers", "", Has(&["pc    1000   false"])),
    ("create service clusterip sc --tcp=80:8080", "", Out("service/sc created\n")),
    ("create service nodeport sn --tcp=80:8080 --node-port=30123", "", Out("service/sn created\n")),
    ("create service nodeport taken --tcp=80 --node-port=30123", "", Fails("provided port is already allocated")),
    ("create service nodeport far --tcp=80 --node-port=80", "", Fails("The range of valid ports is 30000-32767")),
    ("create service loadbalancer sl --tcp=80", "", Out("service/sl created\n")),
    ("create service externalname se --external-name=bar.com", "", Out("service/se created\n")),
    ("get services sc sn sl se -o custom-columns=N:.metadata.name,T:.spec.type --no-headers", "", Out("sc    ClusterIP\nsn    NodePort\nsl    LoadBalancer\nse    ExternalName\n")),
    ("create ingress i --rule=foo.com/bar*=svc:http,tls=sec --class=default", "", Out("ingress.networking.k8s.io/i created\n")),
    ("get ingress i --no-headers", "", Has(&["i     default   foo.com         80, 443"])),
    ("create -f -", "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: l1}}\n- {apiVersion: v1, kind: Secret, metadata: {name: l2}}\n", Out("configmap/l1 created\nsecret/l2 created\n")),
    ("create -f -", "apiVersion: v1\nkind: ConfigMap\nmetadata: {generateName: gen-}\n", Has(&["configmap/gen-", "created"])),
    ("create -f -", "apiVersion: v1\nkind: Nope\nmetadata: {name: x}\n", Fails("no matches for kind \"Nope\" in version \"v1\"")),
    ("create -f -", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: Bad_Name}\n", Fails("a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters")),
    ("create -f -", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n", Fails("Error from server (AlreadyExists): error when creating \"STDIN\": configmaps \"c\" already exists")),
    ("create --raw /api/v1/namespaces/default/configmaps -f -", "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"raw\"}}", Has(&["\"uid\""])),
    ("replace --raw /api/v1/namespaces/default/configmaps/raw -f -", "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"raw\"},\"data\":{\"k\":\"v\"}}", Has(&["\"k\":\"v\""])),
    ("delete --raw /api/v1/namespaces/default/configmaps/raw", "", Has(&["\"status\":\"Success\""])),
    ("delete configmap c l1 --wait=false", "", Has(&["configmap \"c\" deleted", "configmap \"l1\" deleted"])),
    ("delete configmap nope", "", Fails("configmaps \"nope\" not found")),
    ("delete configmap nope --ignore-not-found", "", Out("")),
    ("delete deployment d --cascade=orphan --wait=false", "", Has(&["deployment.apps \"d\" deleted"])),
    ("delete services -l app=sc --dry-run=server", "", Has(&["(server dry run)"])),
    ("get service sc -o name", "", Out("service/sc\n")),
];

#[test]
fn every_generator_creates() {
    walk(GENERATORS);
}

#[rustfmt::skip]
const RUN: &[Step] = &[
    ("run p --image=nginx --dry-run=server", "", Out("pod/p created (server dry run)\n")),
    ("run p --image=nginx --restart=Never --labels=app=x --port=80 --expose", "", Out("service/p created\npod/p created\n")),
    ("get pods,services -l app=x -o name", "", Out("pod/p\nservice/p\n")),
    ("run p --image=nginx", "", Fails("pods \"p\" already exists")),
    ("run 'P P' --image=nginx", "", Fails("* metadata.name: Invalid value: \"P P\"")),
    ("run q --image=nginx --dry-run=client -o jsonpath={.metadata.labels}", "", Out("{\"run\":\"q\"}")),
    ("expose pod p --port=8000 --name=again --type=NodePort", "", Out("service/again exposed\n")),
    ("expose pod p --port=8000 --name=again", "", Fails("services \"again\" already exists")),
    ("get service again -o jsonpath={.spec.type},{.spec.selector},{.spec.ports[0].port}", "", Out("NodePort,{\"app\":\"x\"},8000")),
    ("expose node nope --port=80", "", Fails("nodes \"nope\" not found")),
    ("create deployment d --image=nginx", "", Has(&["created"])),
    ("autoscale deployment d --min=2 --max=5", "", Out("horizontalpodautoscaler.autoscaling/d autoscaled\n")),
    ("get hpa d -o jsonpath={.spec.minReplicas},{.spec.maxReplicas}", "", Out("2,5")),
    ("autoscale deployment d --min=2 --max=5", "", Exits(1, "")),
    ("autoscale deployment d --name=e --min=5 --max=2", "", Fails("must be larger or equal to --min")),
];

#[test]
fn pods_run_and_are_exposed() {
    walk(RUN);
}
