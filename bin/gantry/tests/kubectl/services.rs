//! Services: selectors set under a version, everything that can be exposed, autoscalers of what has replicas.

use super::{Fails, File, Has, Out, Step, walk_with};

const REDIS: &str = "\
apiVersion: v1
kind: Service
metadata: {name: redis-master, labels: {app: redis, role: master}}
spec: {ports: [{port: 6379, targetPort: 6379}], selector: {app: redis, role: master, tier: backend}}
";
const FRONTEND: &str = "\
apiVersion: v1
kind: ReplicationController
metadata: {name: frontend}
spec:
  replicas: 3
  selector: {app: guestbook, tier: frontend}
  template:
    metadata: {labels: {app: guestbook, tier: frontend}}
    spec: {containers: [{name: php-redis, image: i, env: [{name: GET_HOSTS_FROM, value: dns}], ports: [{containerPort: 80}]}]}
";
const SET: &str = "\
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: frontend}
spec:
  replicas: 3
  selector: {matchLabels: {tier: frontend}}
  template:
    metadata: {labels: {tier: frontend}}
    spec: {containers: [{name: php-redis, image: i, ports: [{containerPort: 80}]}]}
";
const DEPLOYMENT: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: nginx}
spec:
  replicas: 3
  selector: {matchLabels: {name: nginx}}
  template:
    metadata: {labels: {name: nginx}}
    spec: {containers: [{name: nginx, image: i, ports: [{containerPort: 80}]}, {name: perl, image: p}]}
";
const LONG: &str = "\
apiVersion: v1
kind: Pod
metadata: {name: kubernetes-serve-hostname-testing-sixty-three-characters-in-length-so-never-use-it, labels: {a: b}}
spec: {containers: [{name: c, image: i}]}
";
const TWO_PORTS: &str = "\
apiVersion: v1
kind: Pod
metadata: {name: etcd-server}
spec: {containers: [{name: c, image: i, ports: [{containerPort: 2380, name: serverport}, {containerPort: 2379, name: clientport}]}]}
";
const FILES: &[File] = &[
    ("redis.yaml", REDIS),
    ("rc.yaml", FRONTEND),
    ("rs.yaml", SET),
    ("deployment.yaml", DEPLOYMENT),
    ("long.yaml", LONG),
    ("etcd.yaml", TWO_PORTS),
];
const SELECTOR: &str = "get service redis-master -o jsonpath={.spec.selector}";
const WHOLE: &str = "{\"app\":\"redis\",\"role\":\"master\",\"tier\":\"backend\"}";
const LIMITS: &str =
    "get deployment nginx -o jsonpath={.spec.template.spec.containers[*].resources.limits.cpu}";

#[rustfmt::skip]
const SERVICES: &[Step] = &[
    ("create -f redis.yaml", "", Has(&["created"])),
    ("describe service redis-master", "", Has(&["Name:", "Labels:", "Selector:", "IP:", "Port:", "Endpoints:", "Session Affinity:", "Internal Traffic Policy:"])),
    ("describe services --chunk-size=1 -v=6", "", Has(&["services?limit=1", "endpointslices?"])),
    ("set selector -f redis.yaml role=padawan --local -o jsonpath={.spec.selector}", "", Out("{\"role\":\"padawan\"}")),
    ("set selector -f redis.yaml role=padawan", "", Out("service/redis-master selector updated\n")),
    (SELECTOR, "", Out("{\"role\":\"padawan\"}")),
    ("set selector -f redis.yaml app=redis,role=master,tier=backend", "", Has(&["updated"])),
    ("set selector services redis-master role=padawan --dry-run=server", "", Out("service/redis-master selector updated (server dry run)\n")),
    ("set selector services redis-master role=padawan --local", "", Fails("error")),
    (SELECTOR, "", Out(WHOLE)),
    ("set selector services redis-master rvtest1=true --resource-version=1", "", Fails("Error from server (Conflict)")),
    ("get services redis-master --show-managed-fields -o jsonpath={.metadata.managedFields[*].manager}", "", Has(&["kubectl-set"])),
    ("create service externalname beep-boop --external-name bar.com --dry-run=server", "", Out("service/beep-boop created (server dry run)\n")),
    ("create -f rc.yaml", "", Has(&["created"])),
    ("describe rc frontend", "", Has(&["Replicas:     0 current / 3 desired", "Pods Status:  0 Running / 0 Waiting / 0 Succeeded / 0 Failed", "GET_HOSTS_FROM:  dns", "Volumes:             <none>"])),
    ("expose rc frontend --port=80", "", Out("service/frontend exposed\n")),
    ("expose service frontend --port=443 --name=frontend-2", "", Out("service/frontend-2 exposed\n")),
    ("expose service frontend --name=frontend-4", "", Out("service/frontend-4 exposed\n")),
    ("get services frontend frontend-2 frontend-4 -o go-template={{range.items}}{{(index.spec.ports 0).name}}{{(index.spec.ports 0).port}},{{end}}", "", Fails("error")),
    ("get services frontend frontend-2 frontend-4 -o jsonpath={.items[*].spec.ports[0].port},{.items[*].spec.ports[0].name}", "", Out("80 443 80,")),
    ("expose -f rc.yaml --port=80 --name=frontend-5 '--overrides={\"metadata\":{\"annotations\":{\"zone-context\":\"work\"}}}'", "", Out("service/frontend-5 exposed\n")),
    ("get service frontend-5 --show-managed-fields -o jsonpath={.metadata.annotations}{.metadata.managedFields[*].manager}", "", Out("{\"zone-context\":\"work\"}kubectl-expose")),
    ("expose nodes 127.0.0.1", "", Fails("not found")),
    ("expose configmap kube-root-ca.crt --port=80", "", Fails("cannot expose a ConfigMap")),
    ("expose -f long.yaml --name=invalid-large-service-name-that-has-more-than-sixty-three-characters --port=8081", "", Fails("metadata.name: Invalid value")),
    ("expose -f long.yaml --port=8081", "", Out("service/kubernetes-serve-hostname-testing-sixty-three-characters-in-len exposed\n")),
    ("expose -f etcd.yaml --selector=test=etcd", "", Out("service/etcd-server exposed\n")),
    ("get service etcd-server -o jsonpath={range.spec.ports[*]}{.name}:{.port},{end}", "", Out("port-1:2380,port-2:2379,")),
    ("create -f deployment.yaml", "", Has(&["created"])),
    ("expose deployment/nginx", "", Out("service/nginx exposed\n")),
    ("autoscale -f rc.yaml --max=2 --cpu-percent=70", "", Has(&["autoscaled"])),
    ("get horizontalpodautoscalers.v1.autoscaling frontend -o jsonpath={.spec.minReplicas}.{.spec.maxReplicas}.{.spec.targetCPUUtilizationPercentage}", "", Out("1.2.70")),
    ("delete hpa frontend", "", Has(&["deleted"])),
    ("autoscale rc frontend --min=2 --max=3", "", Has(&["autoscaled"])),
    ("get horizontalpodautoscalers.v1.autoscaling frontend -o jsonpath={.spec.minReplicas}.{.spec.maxReplicas}.{.spec.targetCPUUtilizationPercentage}", "", Out("2.3.80")),
    ("get hpa.autoscal -o jsonpath={.items[0].apiVersion}", "", Out("autoscaling/v2")),
    ("autoscale rc frontend", "", Fails("max")),
    ("describe hpa frontend", "", Has(&["ReplicationController/frontend", "<unknown> / 80%", "Min replicas:", "ReplicationController pods:"])),
    ("create -f rs.yaml", "", Has(&["created"])),
    ("describe rs frontend", "", Has(&["Replicas:     0 current / 3 desired", "Pod Template:"])),
    ("scale --dry-run=server --current-replicas=3 --replicas=2 replicasets frontend", "", Out("replicaset.apps/frontend scaled (server dry run)\n")),
    ("scale --current-replicas=3 --replicas=2 replicasets frontend", "", Out("replicaset.apps/frontend scaled\n")),
    ("get deployment nginx --subresource=scale", "", Has(&["NAME    DESIRED   AVAILABLE   AGE\nnginx   3         0           "])),
    ("get rc frontend --subresource=scale --no-headers", "", Has(&["frontend   3     0     "])),
    ("set resources deployment nginx --limits=cpu=100m", "", Has(&["updated"])),
    (LIMITS, "", Out("100m 100m")),
    ("set resources deployment nginx -c=redis --limits=cpu=100m", "", Fails("unable to find container named redis")),
    ("set resources deployment nginx -c=nginx --limits=cpu=200m", "", Has(&["updated"])),
    ("set resources -f deployment.yaml -c=perl --limits=cpu=300m --requests=cpu=300m", "", Has(&["updated"])),
    (LIMITS, "", Out("200m 300m")),
    ("set image deployments --all nginx=one", "", Out("deployment.apps/nginx image updated\n")),
    ("set image -f deployment.yaml perl=two --local -o jsonpath={.spec.template.spec.containers[1].image}", "", Out("two")),
    ("get deployment nginx -o jsonpath={.spec.template.spec.containers[*].image}", "", Out("one p")),
    ("set env deployment nginx A=b -c=nginx", "", Has(&["env updated"])),
    ("set env deployment/nginx --list", "", Has(&["# Deployment nginx, container nginx", "A=b", "# Deployment nginx, container perl"])),
    ("set env deployment/nginx --from=configmap/nope", "", Fails("configmaps \"nope\" not found")),
    ("delete service -l app=nothing", "", Has(&["No resources found"])),
];

#[test]
fn services_are_made_of_what_can_be_exposed() {
    walk_with(FILES, SERVICES);
}
