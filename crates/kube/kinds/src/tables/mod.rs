//! Kinds as tables: a manifest, and what is wrong with it in upstream's words.

mod defaults;
mod updates;

use std::time::SystemTime;

use schema::BUILTIN;
use schema::cursor::Ref;
use schema::field::Errors;
use schema::json::{Options, decode};
use schema::resource::type_of_kind;
use schema::tree::Struct;

use crate::strategy::User;
use crate::{Context, Strategy, strategy};

const CONTEXT: Context<'_> = Context {
    types: &BUILTIN,
    now: SystemTime::UNIX_EPOCH,
    version: "v1",
    namespace: "n",
    name: "x",
    subresource: "",
    user: User {
        name: "",
        uid: "",
        groups: &[],
        extra: None,
    },
};

/// Group, version, plural and kind.
type Kind = (&'static str, &'static str, &'static str, &'static str);

const CONFIG_MAP: Kind = ("", "v1", "configmaps", "ConfigMap");
const SECRET: Kind = ("", "v1", "secrets", "Secret");
const NAMESPACE: Kind = ("", "v1", "namespaces", "Namespace");
const NODE: Kind = ("", "v1", "nodes", "Node");
const SERVICE: Kind = ("", "v1", "services", "Service");
const ENDPOINTS: Kind = ("", "v1", "endpoints", "Endpoints");
const CLAIM: Kind = ("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim");
const VOLUME: Kind = ("", "v1", "persistentvolumes", "PersistentVolume");
const SLICE: Kind = ("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice");
const INGRESS: Kind = ("networking.k8s.io", "v1", "ingresses", "Ingress");
const POLICY: Kind = ("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy");
const ROLE: Kind = ("rbac.authorization.k8s.io", "v1", "roles", "Role");
const BINDING: Kind = ("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding");
const WEBHOOKS: Kind = (
    "admissionregistration.k8s.io",
    "v1",
    "mutatingwebhookconfigurations",
    "MutatingWebhookConfiguration",
);
const CLASS: Kind = ("storage.k8s.io", "v1", "storageclasses", "StorageClass");

fn special(kind: Kind) -> &'static Strategy {
    strategy(kind.0, kind.2)
}

fn read(kind: Kind, json: &str) -> Struct {
    let ty = type_of_kind(kind.0, kind.1, kind.3).unwrap();
    let mut object = decode(&BUILTIN, ty, json.as_bytes(), Options::default())
        .unwrap()
        .object;
    (special(kind).default)(&BUILTIN, &mut object);
    object
}

fn created(kind: Kind, json: &str) -> (Struct, Vec<String>) {
    let mut object = read(kind, json);
    (special(kind).prepare_create)(&CONTEXT, &mut object);
    let mut errors = Errors::new();
    (special(kind).validate_create)(&CONTEXT, Ref::new(&BUILTIN, &object), &mut errors);
    (object, errors.iter().map(ToString::to_string).collect())
}

fn updated(kind: Kind, old: &str, new: &str) -> (Struct, Vec<String>) {
    let (old, mut new) = (read(kind, old), read(kind, new));
    (special(kind).prepare_update)(&CONTEXT, &mut new, &old);
    let mut errors = Errors::new();
    let [after, before] = [&new, &old].map(|object| Ref::new(&BUILTIN, object));
    (special(kind).validate_update)(&CONTEXT, after, before, &mut errors);
    (new, errors.iter().map(ToString::to_string).collect())
}

#[test]
fn a_bad_object_is_told_what_is_wrong() {
    let cases: &[(Kind, &str, &[&str])] = &[
        (CONFIG_MAP, r#"{"data":{"a":"b"},"binaryData":{"b":"AA=="}}"#, &[]),
        (
            CONFIG_MAP,
            r#"{"data":{"..":"x","a":"b"},"binaryData":{"a":"AA=="}}"#,
            &[
                r#"data[..]: Invalid value: "..": must not be '..'"#,
                r#"data[a]: Invalid value: "a": duplicate of key present in binaryData"#,
            ],
        ),
        (
            SECRET,
            r#"{"type":"kubernetes.io/tls","data":{"tls.crt":""}}"#,
            &["data[tls.key]: Required value"],
        ),
        (
            SECRET,
            r#"{"type":"kubernetes.io/basic-auth"}"#,
            &["data[username]: Required value", "data[password]: Required value"],
        ),
        (
            SECRET,
            r#"{"type":"kubernetes.io/service-account-token"}"#,
            &["metadata.annotations[kubernetes.io/service-account.name]: Required value"],
        ),
        (
            SECRET,
            r#"{"type":"kubernetes.io/dockerconfigjson","stringData":{".dockerconfigjson":"[]"}}"#,
            &[
                r#"data[.dockerconfigjson]: Invalid value: "<secret contents redacted>": json: cannot unmarshal array into Go value of type map[string]interface {}"#,
            ],
        ),
        (
            NAMESPACE,
            r#"{"spec":{"finalizers":["odd"]}}"#,
            &[
                r#"spec.finalizers: Invalid value: "odd": name is neither a standard finalizer name nor is it fully qualified"#,
            ],
        ),
        (
            NODE,
            r#"{"spec":{"taints":[{"key":"a","effect":"NoSchedule"},{"key":"a","effect":"No"}],"podCIDRs":["10.0.0.1/24"]}}"#,
            &[
                r#"metadata.taints[1].effect: Unsupported value: "No": supported values: "NoExecute", "NoSchedule", "PreferNoSchedule""#,
                r#"spec.podCIDRs[0]: Invalid value: "10.0.0.1/24": must not have bits set beyond the prefix length"#,
            ],
        ),
        (SERVICE, r#"{"spec":{}}"#, &["spec.ports: Required value"]),
        (
            SERVICE,
            r#"{"spec":{"type":"Odd","sessionAffinity":"x","ports":[{"port":0},{"port":1,"protocol":"X","name":"A"}]}}"#,
            &[
                "spec.ports[0].name: Required value",
                "spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive",
                "spec.ports[0].targetPort: Invalid value: 0: must be between 1 and 65535, inclusive",
                r#"spec.ports[1].name: Invalid value: "A": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"#,
                r#"spec.ports[1].protocol: Unsupported value: "X": supported values: "SCTP", "TCP", "UDP""#,
                r#"spec.sessionAffinity: Unsupported value: "x": supported values: "ClientIP", "None""#,
                r#"spec.type: Unsupported value: "Odd": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort""#,
            ],
        ),
        (
            SERVICE,
            r#"{"spec":{"ports":[{"port":1,"nodePort":30000}],"externalIPs":["127.0.0.1","010.0.0.1"],"loadBalancerClass":"a/b"}}"#,
            &[
                r#"spec.externalIPs[0]: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)"#,
                r#"spec.externalIPs[1]: Invalid value: "010.0.0.1": must not have leading 0s"#,
                "spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'",
                "spec.loadBalancerClass: Forbidden: may only be used when `type` is 'LoadBalancer'",
            ],
        ),
        (
            SERVICE,
            r#"{"spec":{"type":"ExternalName","clusterIPs":["None"]}}"#,
            &[
                "spec.clusterIPs: Forbidden: may not be set for ExternalName services",
                "spec.externalName: Required value",
            ],
        ),
        (
            SERVICE,
            r#"{"spec":{"ports":[{"name":"a","port":1},{"name":"b","port":1}]}}"#,
            &[
                r#"spec.ports[1]: Duplicate value: {"Name":"","Protocol":"TCP","AppProtocol":null,"Port":1,"TargetPort":0,"NodePort":0}"#,
            ],
        ),
        (
            ENDPOINTS,
            r#"{"subsets":[{},{"addresses":[{"ip":"169.254.1.1"}],"ports":[{"port":70000}]}]}"#,
            &[
                "subsets[0]: Required value: must specify `addresses` or `notReadyAddresses`",
                r#"subsets[1].addresses[0].ip: Invalid value: "169.254.1.1": may not be in the link-local range (169.254.0.0/16, fe80::/10)"#,
                "subsets[1].ports[0].port: Invalid value: 70000: must be between 1 and 65535, inclusive",
            ],
        ),
        (
            SLICE,
            r#"{"addressType":"IPv4","endpoints":[{"addresses":[]},{"addresses":["::2"]}],"ports":[{},{}]}"#,
            &[
                "endpoints[0].addresses: Required value: must contain at least 1 address",
                r#"endpoints[1].addresses[0]: Invalid value: "::2": must be a valid IPv4 address"#,
                r#"ports[1].name: Duplicate value: """#,
            ],
        ),
        (
            INGRESS,
            r#"{"spec":{"rules":[{"host":"10.0.0.1","http":{"paths":[{"path":"a//b","pathType":"Exact","backend":{"service":{"name":"s","port":{}}}},{"backend":{}}]}}]}}"#,
            &[
                r#"spec.rules[0].host: Invalid value: "10.0.0.1": must be a DNS name, not an IP address"#,
                r#"spec.rules[0].http.paths[0].path: Invalid value: "a//b": must be an absolute path"#,
                r#"spec.rules[0].http.paths[0].path: Invalid value: "a//b": must not contain '//'"#,
                "spec.rules[0].http.paths[0].backend: Required value: port name or number is required",
                "spec.rules[0].http.paths[1].pathType: Required value: pathType must be specified",
            ],
        ),
        (
            INGRESS,
            r#"{"spec":{}}"#,
            &["spec: Invalid value: null: either `defaultBackend` or `rules` must be specified"],
        ),
        (
            POLICY,
            r#"{"spec":{"podSelector":{},"ingress":[{"from":[{},{"ipBlock":{"cidr":"10.0.0.0/8","except":["11.0.0.0/16"]}}],"ports":[{"port":80,"endPort":79}]}],"policyTypes":["X"]}}"#,
            &[
                "spec.ingress[0].ports[0].endPort: Invalid value: 79: must be greater than or equal to `port`",
                "spec.ingress[0].from[0]: Required value: must specify a peer",
                r#"spec.ingress[0].from[1].ipBlock.except[0]: Invalid value: "11.0.0.0/16": must be a strict subset of `cidr`"#,
                r#"spec.policyTypes[0]: Unsupported value: "X": supported values: "Ingress", "Egress""#,
            ],
        ),
        (
            ROLE,
            r#"{"rules":[{"verbs":["get"]},{"verbs":["get"],"nonResourceURLs":["/x"]}]}"#,
            &[
                "rules[0].apiGroups: Required value: resource rules must supply at least one api group",
                "rules[0].resources: Required value: resource rules must supply at least one resource",
                r#"rules[1].nonResourceURLs: Invalid value: ["/x"]: namespaced rules cannot apply to non-resource URLs"#,
            ],
        ),
        (
            BINDING,
            r#"{"roleRef":{"kind":"X","name":"a"},"subjects":[{"kind":"User","name":"u"},{"kind":"ServiceAccount","name":"A"}]}"#,
            &[
                r#"roleRef.kind: Unsupported value: "X": supported values: "Role", "ClusterRole""#,
                r#"subjects[1].name: Invalid value: "A": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"#,
            ],
        ),
        (
            CLAIM,
            r#"{"spec":{"resources":{"requests":{"storage":"0"}}}}"#,
            &[
                "spec.accessModes: Required value: at least 1 access mode is required",
                r#"spec.resources[storage]: Invalid value: "0": must be greater than zero"#,
            ],
        ),
        (
            VOLUME,
            r#"{"spec":{"accessModes":["ReadWriteOnce"],"capacity":{"storage":"1Gi"},"nfs":{"path":"/"},"local":{"path":"/a"}}}"#,
            &[
                "spec.nfs.server: Required value",
                "spec.local: Forbidden: may not specify more than 1 volume type",
            ],
        ),
        (
            WEBHOOKS,
            r#"{"webhooks":[{"name":"a.b","clientConfig":{},"timeoutSeconds":31,"rules":[{"operations":["X"],"apiGroups":["*","a"],"apiVersions":["v1"],"resources":["*","pods"]}]}]}"#,
            &[
                r#"webhooks[0].name: Invalid value: "a.b": should be a domain with at least three segments separated by dots"#,
                r#"webhooks[0].rules[0].operations[0]: Unsupported value: "X": supported values: "*", "CONNECT", "CREATE", "DELETE", "UPDATE""#,
                r#"webhooks[0].rules[0].apiGroups: Invalid value: ["*","a"]: if '*' is present, must not specify other API groups"#,
                r#"webhooks[0].rules[0].resources: Invalid value: ["*","pods"]: if '*' is present, must not specify other resources without subresources"#,
                "webhooks[0].sideEffects: Required value: must specify one of None, NoneOnDryRun",
                "webhooks[0].timeoutSeconds: Invalid value: 31: the timeout value must be between 1 and 30 seconds",
                "webhooks[0].clientConfig: Required value: exactly one of url or service is required",
                "webhooks[0].admissionReviewVersions: Required value: must specify one of v1, v1beta1",
            ],
        ),
        (
            CLASS,
            r#"{"provisioner":"","reclaimPolicy":"X"}"#,
            &[
                "provisioner: Required value",
                r#"reclaimPolicy: Unsupported value: "X": supported values: "Delete", "Retain""#,
            ],
        ),
    ];
    for (kind, json, expected) in cases {
        assert_eq!(created(*kind, json).1, *expected, "{} {json}", kind.3);
    }
}
