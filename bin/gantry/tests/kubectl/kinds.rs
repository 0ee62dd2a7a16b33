//! One object of every kind: listed in a table, described, printed as YAML, deleted.

use super::{Has, Out, Step, walk_newest};

const SCENE: &str = "---
{apiVersion: v1, kind: ConfigMap, metadata: {name: cm}, data: {key: value}, binaryData: {bin: AAEC}}
---
{apiVersion: v1, kind: Endpoints, metadata: {name: ep}, subsets: [{addresses: [{ip: 10.1.1.1}], ports: [{port: 80}]}]}
---
{apiVersion: v1, kind: Event, metadata: {name: ev, namespace: default}, involvedObject: {kind: ConfigMap, name: cm, namespace: default}, reason: Made, message: it was made, type: Normal, count: 2}
---
{apiVersion: v1, kind: LimitRange, metadata: {name: lr}, spec: {limits: [{type: PersistentVolumeClaim, max: {storage: 5Gi}}]}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: ns}}
---
{apiVersion: v1, kind: Node, metadata: {name: node}}
---
{apiVersion: v1, kind: PersistentVolume, metadata: {name: pv}, spec: {accessModes: [ReadWriteOnce], capacity: {storage: 1Gi}, csi: {driver: d.x.io, volumeHandle: h}}}
---
{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: pvc}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}
---
{apiVersion: v1, kind: Pod, metadata: {name: pod}, spec: {containers: [{name: c, image: i}]}}
---
{apiVersion: v1, kind: PodTemplate, metadata: {name: pt}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: i}]}}}
---
{apiVersion: v1, kind: ReplicationController, metadata: {name: rc}, spec: {replicas: 0, selector: {a: b}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: i}]}}}}
---
{apiVersion: v1, kind: ResourceQuota, metadata: {name: rq}, spec: {hard: {count/widgets.x.io: '5'}}}
---
{apiVersion: v1, kind: Secret, metadata: {name: sec}, stringData: {k: value}}
---
{apiVersion: v1, kind: ServiceAccount, metadata: {name: sa}}
---
{apiVersion: v1, kind: Service, metadata: {name: svc}, spec: {type: NodePort, selector: {a: b}, ports: [{port: 80, name: web}]}}
---
{apiVersion: apps/v1, kind: ControllerRevision, metadata: {name: cr}, revision: 1, data: {a: b}}
---
{apiVersion: apps/v1, kind: DaemonSet, metadata: {name: ds}, spec: {selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: i}]}}}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: dep}, spec: {replicas: 0, selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: i}]}}}}
---
{apiVersion: apps/v1, kind: ReplicaSet, metadata: {name: rs}, spec: {replicas: 0, selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: i}]}}}}
---
{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: sts}, spec: {replicas: 0, serviceName: svc, selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: i}]}}}}
---
{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: hpa}, spec: {maxReplicas: 3, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: dep}}}
---
{apiVersion: batch/v1, kind: CronJob, metadata: {name: cj}, spec: {schedule: '59 23 31 2 *', jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: i}]}}}}}}
---
{apiVersion: batch/v1, kind: Job, metadata: {name: job}, spec: {suspend: true, template: {spec: {restartPolicy: Never, containers: [{name: c, image: i}]}}}}
---
{apiVersion: coordination.k8s.io/v1, kind: Lease, metadata: {name: lease}, spec: {holderIdentity: me, leaseDurationSeconds: 10}}
---
{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: slice}, addressType: IPv4, endpoints: [{addresses: [10.1.1.1], conditions: {ready: true}}], ports: [{port: 80, name: web}]}
---
{apiVersion: flowcontrol.apiserver.k8s.io/v1, kind: FlowSchema, metadata: {name: fs}, spec: {priorityLevelConfiguration: {name: plc}, matchingPrecedence: 9000, rules: [{subjects: [{kind: User, user: {name: u}}], resourceRules: [{verbs: [get], apiGroups: [x.io], resources: [widgets], clusterScope: true}]}]}}
---
{apiVersion: flowcontrol.apiserver.k8s.io/v1, kind: PriorityLevelConfiguration, metadata: {name: plc}, spec: {type: Limited, limited: {nominalConcurrencyShares: 5, limitResponse: {type: Reject}}}}
---
{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: ing}, spec: {ingressClassName: ic, rules: [{host: a.b, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: svc, port: {number: 80}}}}]}}]}}
---
{apiVersion: networking.k8s.io/v1, kind: IngressClass, metadata: {name: ic}, spec: {controller: x.io/c}}
---
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: np}, spec: {podSelector: {}, policyTypes: [Ingress], ingress: [{}]}}
---
{apiVersion: networking.k8s.io/v1, kind: ServiceCIDR, metadata: {name: cidr}, spec: {cidrs: [10.99.0.0/24]}}
---
{apiVersion: networking.k8s.io/v1, kind: IPAddress, metadata: {name: 10.43.250.250}, spec: {parentRef: {group: '', resource: services, name: svc, namespace: default}}}
---
{apiVersion: node.k8s.io/v1, kind: RuntimeClass, metadata: {name: rtc}, handler: h}
---
{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: pdb}, spec: {minAvailable: 1, selector: {matchLabels: {a: b}}}}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: clr}, rules: [{apiGroups: [''], resources: [pods], verbs: [get]}]}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: crb}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: clr}, subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: u}]}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: role}, rules: [{apiGroups: [''], resources: [pods], verbs: [get]}]}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: rb}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: role}, subjects: [{kind: ServiceAccount, name: sa, namespace: default}]}
---
{apiVersion: scheduling.k8s.io/v1, kind: PriorityClass, metadata: {name: pc}, value: 1000}
---
{apiVersion: storage.k8s.io/v1, kind: CSIDriver, metadata: {name: d.x.io}, spec: {attachRequired: false}}
---
{apiVersion: storage.k8s.io/v1, kind: CSINode, metadata: {name: csinode}, spec: {drivers: [{name: d.x.io, nodeID: node}]}}
---
{apiVersion: storage.k8s.io/v1, kind: StorageClass, metadata: {name: sc}, provisioner: x.io/p}
---
{apiVersion: storage.k8s.io/v1, kind: VolumeAttachment, metadata: {name: va}, spec: {attacher: d.x.io, nodeName: node, source: {persistentVolumeName: pv}}}
---
{apiVersion: storage.k8s.io/v1, kind: VolumeAttributesClass, metadata: {name: vac}, driverName: d.x.io, parameters: {a: b}}
---
{apiVersion: resource.k8s.io/v1, kind: DeviceClass, metadata: {name: dc}, spec: {}}
---
{apiVersion: resource.k8s.io/v1, kind: ResourceClaim, metadata: {name: claim}, spec: {devices: {requests: [{name: r, exactly: {deviceClassName: dc}}]}}}
---
{apiVersion: admissionregistration.k8s.io/v1, kind: ValidatingAdmissionPolicyBinding, metadata: {name: vapb}, spec: {policyName: none, validationActions: [Deny]}}
";

#[rustfmt::skip]
const KINDS: &[Step] = &[
    ("create -f -", SCENE, Has(&["configmap/cm created", "validatingadmissionpolicybinding.admissionregistration.k8s.io/vapb created"])),
    ("describe cm cm", "", Has(&["Name:         cm", "Data\n====\nkey:\n----\nvalue", "BinaryData\n====\nbin: 3 bytes"])),
    ("get cm cm", "", Has(&["NAME   DATA   AGE\ncm     2      "])),
    ("describe ep ep", "", Has(&["Addresses:          10.1.1.1", "<unset>  80    TCP"])),
    ("get ep ep", "", Has(&["NAME   ENDPOINTS     AGE\nep     10.1.1.1:80   "])),
    ("describe event ev", "", Has(&["Reason:", "it was made"])),
    ("get events", "", Has(&["LAST SEEN   TYPE     REASON   OBJECT         MESSAGE", "Made     configmap/cm   it was made"])),
    ("describe limits lr", "", Has(&["PersistentVolumeClaim  storage   -    5Gi  -"])),
    ("get limits lr", "", Has(&["NAME   CREATED AT\nlr     20"])),
    ("describe ns ns", "", Has(&["Status:       Active", "No resource quota.", "No LimitRange resource."])),
    ("get ns ns", "", Has(&["NAME   STATUS   AGE\nns     Active   "])),
    ("describe node node", "", Has(&["Unschedulable:      false", "Non-terminated Pods:          (0 in total)"])),
    ("get node node", "", Has(&["NAME   STATUS    ROLES    AGE   VERSION\nnode   Unknown   <none>"])),
    ("describe pv pv", "", Has(&["Type:              CSI", "Driver:            d.x.io", "VolumeHandle:      h"])),
    ("describe pvc pvc", "", Has(&["Status:        Pending", "Finalizers:    [kubernetes.io/pvc-protection]"])),
    ("describe pod pod", "", Has(&["Service Account:  default", "QoS Class:                   BestEffort", "kube-api-access-"])),
    ("describe podtemplate pt", "", Has(&["Name:         pt", "Template:"])),
    ("get podtemplate pt", "", Has(&["NAME   CONTAINERS   IMAGES   POD LABELS\npt     c            i        a=b"])),
    ("describe rc rc", "", Has(&["Replicas:     0 current / 0 desired"])),
    ("get rc rc -o wide", "", Has(&["NAME   DESIRED   CURRENT   READY   AGE", "CONTAINERS   IMAGES   SELECTOR", "a=b"])),
    ("describe quota rq", "", Has(&["count/widgets.x.io"])),
    ("get quota rq", "", Has(&["NAME   REQUEST", "count/widgets.x.io: "])),
    ("describe secret sec", "", Has(&["Type:  Opaque", "k:  5 bytes"])),
    ("get secret sec", "", Has(&["NAME   TYPE     DATA   AGE\nsec    Opaque   1      "])),
    ("describe sa sa", "", Has(&["Image pull secrets:  <none>"])),
    ("get sa sa", "", Has(&["sa     0         "])),
    ("describe svc svc", "", Has(&["Type:                     NodePort", "NodePort:                 web  3", "External Traffic Policy:  Cluster"])),
    ("get svc svc", "", Has(&["NAME   TYPE       CLUSTER-IP", "EXTERNAL-IP   PORT(S)        AGE", "<none>        80:3"])),
    ("describe controllerrevision cr", "", Has(&["Revision:"])),
    ("get controllerrevision cr", "", Has(&["NAME   CONTROLLER   REVISION   AGE\ncr     <none>       1          "])),
    ("describe ds ds", "", Has(&["Desired Number of Nodes Scheduled: 0", "Pods Status:  0 Running"])),
    ("get ds ds", "", Has(&["NAME   DESIRED   CURRENT   READY   UP-TO-DATE   AVAILABLE   NODE SELECTOR   AGE\nds     0         0         0       0            0           <none>          "])),
    ("describe deploy dep", "", Has(&["StrategyType:           RollingUpdate", "RollingUpdateStrategy:  25% max unavailable, 25% max surge"])),
    ("get deploy dep", "", Has(&["NAME   READY   UP-TO-DATE   AVAILABLE   AGE\ndep    0/0     0            0           "])),
    ("describe rs rs", "", Has(&["Replicas:     0 current / 0 desired"])),
    ("describe sts sts", "", Has(&["Update Strategy:    RollingUpdate", "Partition:        0"])),
    ("get sts sts", "", Has(&["NAME   READY   AGE\nsts    0/0     "])),
    ("describe hpa hpa", "", Has(&["Reference:", "Deployment/dep", "resource cpu on pods  (as a percentage of request):  <unknown> / 80%"])),
    ("get hpa hpa", "", Has(&["NAME   REFERENCE        TARGETS", "Deployment/dep   cpu: <unknown>/80%   1         3         0          "])),
    ("describe cj cj", "", Has(&["Schedule:                      59 23 31 2 *", "Concurrency Policy:            Allow"])),
    ("get cj cj", "", Has(&["NAME   SCHEDULE       TIMEZONE   SUSPEND   ACTIVE   LAST SCHEDULE   AGE\ncj     59 23 31 2 *   <none>     False     0        <none>          "])),
    ("describe job job", "", Has(&["Parallelism:      1", "Suspend:          true"])),
    ("get job job", "", Has(&["NAME   STATUS    COMPLETIONS   DURATION   AGE\njob    Running   0/1                      "])),
    ("describe lease lease", "", Has(&["Holder Identity:         me"])),
    ("get lease lease", "", Has(&["NAME    HOLDER   AGE\nlease   me       "])),
    ("describe endpointslice slice", "", Has(&["AddressType:  IPv4", "web", "- Addresses:  10.1.1.1"])),
    ("get endpointslice slice", "", Has(&["NAME    ADDRESSTYPE   PORTS   ENDPOINTS   AGE\nslice   IPv4          80      10.1.1.1    "])),
    ("describe flowschema fs", "", Has(&["Matching Precedence:", "plc"])),
    ("get flowschema fs", "", Has(&["NAME   PRIORITYLEVEL   MATCHINGPRECEDENCE   DISTINGUISHERMETHOD   AGE", "fs     plc             9000                 <none>"])),
    ("describe prioritylevelconfiguration plc", "", Has(&["Nominal Concurrency Shares:  5"])),
    ("get prioritylevelconfiguration plc", "", Has(&["NAME   TYPE      NOMINALCONCURRENCYSHARES   QUEUES", "plc    Limited   5                          <none>"])),
    ("describe ing ing", "", Has(&["Ingress Class:    ic", "a.b", "svc:80 ("])),
    ("get ing ing", "", Has(&["NAME   CLASS   HOSTS   ADDRESS   PORTS   AGE\ning    ic      a.b               80      "])),
    ("describe ingressclass ic", "", Has(&["Controller:   x.io/c"])),
    ("get ingressclass ic", "", Has(&["NAME   CONTROLLER   PARAMETERS   AGE\nic     x.io/c       <none>       "])),
    ("describe netpol np", "", Has(&["PodSelector:     <none> (Allowing the specific traffic to all pods in this namespace)", "To Port: <any> (traffic allowed to all ports)"])),
    ("get netpol np", "", Has(&["NAME   POD-SELECTOR   AGE\nnp     <none>         "])),
    ("describe servicecidr cidr", "", Has(&["10.99.0.0/24"])),
    ("get servicecidr cidr", "", Has(&["NAME   CIDRS          AGE\ncidr   10.99.0.0/24   "])),
    ("describe ipaddress 10.43.250.250", "", Has(&["Parent Reference:", "svc"])),
    ("get ipaddress 10.43.250.250", "", Has(&["NAME            PARENTREF              AGE\n10.43.250.250   services/default/svc"])),
    ("describe runtimeclass rtc", "", Has(&["Handler:", "h"])),
    ("get runtimeclass rtc", "", Has(&["NAME   HANDLER   AGE\nrtc    h         "])),
    ("describe pdb pdb", "", Has(&["Min available:  1", "Allowed disruptions:  0"])),
    ("get pdb pdb", "", Has(&["NAME   MIN AVAILABLE   MAX UNAVAILABLE   ALLOWED DISRUPTIONS   AGE\npdb    1               N/A               0                     "])),
    ("describe clusterrole clr", "", Has(&["Resources  Non-Resource URLs  Resource Names  Verbs", "pods       []                 []              [get]"])),
    ("get clusterrole clr", "", Has(&["NAME   CREATED AT\nclr    20"])),
    ("describe clusterrolebinding crb", "", Has(&["Kind:  ClusterRole", "User  u"])),
    ("get clusterrolebinding crb -o wide", "", Has(&["NAME   ROLE              AGE", "USERS   GROUPS   SERVICEACCOUNTS", "ClusterRole/clr"])),
    ("describe role role", "", Has(&["pods       []                 []              [get]"])),
    ("describe rolebinding rb", "", Has(&["ServiceAccount  sa    default"])),
    ("get rolebinding rb -o wide", "", Has(&["Role/role", "default/sa"])),
    ("describe pc pc", "", Has(&["Value:", "1000"])),
    ("get pc pc", "", Has(&["NAME   VALUE   GLOBAL-DEFAULT   AGE", "pc     1000    false            "])),
    ("describe csidriver d.x.io", "", Has(&["Attach Required:", "false"])),
    ("get csidriver d.x.io", "", Has(&["NAME     ATTACHREQUIRED   PODINFOONMOUNT   STORAGECAPACITY   TOKENREQUESTS   REQUIRESREPUBLISH   MODES        AGE", "d.x.io   false            false            false             <unset>         false               Persistent   "])),
    ("describe csinode csinode", "", Has(&["d.x.io:", "Node ID:  node"])),
    ("get csinode csinode", "", Has(&["NAME      DRIVERS   AGE\ncsinode   1         "])),
    ("describe sc sc", "", Has(&["Provisioner:           x.io/p"])),
    ("describe volumeattachment va", "", Has(&["Attacher:", "d.x.io"])),
    ("get volumeattachment va", "", Has(&["NAME   ATTACHER   PV    NODE   ATTACHED   AGE\nva     d.x.io     pv    node   false      "])),
    ("describe vac vac", "", Has(&["DriverName:   d.x.io", "Parameters:   a=b"])),
    ("get vac vac", "", Has(&["NAME   DRIVERNAME   AGE\nvac    d.x.io       "])),
    ("describe deviceclass dc", "", Has(&["Name:         dc"])),
    ("describe resourceclaim claim", "", Has(&["Name:         claim", "dc"])),
    ("get resourceclaim claim", "", Has(&["NAME    STATE     AGE\nclaim   pending   "])),
    ("describe validatingadmissionpolicybinding vapb", "", Has(&["Policy Name:", "none"])),
    ("get validatingadmissionpolicybinding vapb", "", Has(&["NAME   POLICYNAME   PARAMREF   AGE\nvapb   none         <unset>    "])),
    ("get -f - -o name", SCENE, Has(&["configmap/cm\n", "resourceclaim.resource.k8s.io/claim\n"])),
    ("delete -f - --wait=false", SCENE, Has(&["configmap \"cm\" deleted", "\"vapb\" deleted"])),
    ("get deploy,ds,sts,rs,rc,jobs,cronjobs -o name", "", Out("")),
];

#[test]
fn every_kind_is_shown_and_described() {
    walk_newest(KINDS);
}
