//! The smallest objects that upstream takes, one of each built-in kind that can be created and kept.

/// Group, plural, name, and the members besides `metadata`.
pub(crate) type Sample = (&'static str, &'static str, &'static str, &'static str);

const POD: &str = r#"{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"c","image":"i"}]}}"#;

/// Members in which `POD` stands for a pod template.
#[rustfmt::skip]
const SAMPLES: &[Sample] = &[
    ("", "configmaps", "n", r#""data":{"k":"v"}"#),
    ("", "endpoints", "n", r#""subsets":[{"addresses":[{"ip":"10.1.1.1"}],"ports":[{"port":80}]}]"#),
    ("", "events", "n", r#""involvedObject":{"kind":"Pod","name":"p","namespace":"default"},"reason":"R","message":"m","type":"Normal""#),
    ("", "limitranges", "n", r#""spec":{"limits":[{"type":"Container","max":{"cpu":"1"}}]}"#),
    ("", "namespaces", "n", r#""spec":{}"#),
    ("", "nodes", "n", r#""spec":{"podCIDR":"10.42.0.0/24"}"#),
    ("", "persistentvolumeclaims", "n", r#""spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}}"#),
    ("", "persistentvolumes", "n", r#""spec":{"accessModes":["ReadWriteOnce"],"capacity":{"storage":"1Gi"},"hostPath":{"path":"/tmp/v"}}"#),
    ("", "pods", "n", r#""spec":{"containers":[{"name":"c","image":"i"}]}"#),
    ("", "podtemplates", "n", r#""template":POD"#),
    ("", "replicationcontrollers", "n", r#""spec":{"replicas":1,"selector":{"a":"b"},"template":POD}"#),
    ("", "resourcequotas", "n", r#""spec":{"hard":{"count/widgets.x.io":"5"}}"#),
    ("", "secrets", "n", r#""data":{"k":"dg=="},"type":"Opaque""#),
    ("", "serviceaccounts", "n", r#""automountServiceAccountToken":false"#),
    ("", "services", "n", r#""spec":{"ports":[{"port":80}],"selector":{"a":"b"}}"#),
    ("admissionregistration.k8s.io", "mutatingadmissionpolicies", "n", r#""spec":{"matchConstraints":{"resourceRules":[{"apiGroups":["x.io"],"apiVersions":["v1"],"operations":["CREATE"],"resources":["widgets"]}]},"reinvocationPolicy":"Never","mutations":[{"patchType":"ApplyConfiguration","applyConfiguration":{"expression":"Object{metadata: Object.metadata{labels: {'a': 'b'}}}"}}]}"#),
    ("admissionregistration.k8s.io", "mutatingadmissionpolicybindings", "n", r#""spec":{"policyName":"none"}"#),
    ("admissionregistration.k8s.io", "mutatingwebhookconfigurations", "n", r#""webhooks":[{"name":"a.x.io","clientConfig":{"url":"https://localhost:1/a"},"rules":[{"apiGroups":["x.io"],"apiVersions":["v1"],"operations":["CREATE"],"resources":["widgets"]}],"sideEffects":"None","admissionReviewVersions":["v1"]}]"#),
    ("admissionregistration.k8s.io", "validatingadmissionpolicies", "n", r#""spec":{"matchConstraints":{"resourceRules":[{"apiGroups":["x.io"],"apiVersions":["v1"],"operations":["CREATE"],"resources":["widgets"]}]},"validations":[{"expression":"true"}]}"#),
    ("admissionregistration.k8s.io", "validatingadmissionpolicybindings", "n", r#""spec":{"policyName":"none","validationActions":["Deny"]}"#),
    ("admissionregistration.k8s.io", "validatingwebhookconfigurations", "n", r#""webhooks":[{"name":"a.x.io","clientConfig":{"url":"https://localhost:1/a"},"rules":[{"apiGroups":["x.io"],"apiVersions":["v1"],"operations":["CREATE"],"resources":["widgets"]}],"sideEffects":"None","admissionReviewVersions":["v1"]}]"#),
    ("apiextensions.k8s.io", "customresourcedefinitions", "ns.x.io", r#""spec":{"group":"x.io","scope":"Namespaced","names":{"plural":"ns","kind":"N","singular":"n","listKind":"NList"},"versions":[{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object"}}}]}"#),
    ("apiregistration.k8s.io", "apiservices", "v1.y.io", r#""spec":{"group":"y.io","version":"v1","groupPriorityMinimum":1000,"versionPriority":10}"#),
    ("apps", "controllerrevisions", "n", r#""revision":1,"data":{"a":"b"}"#),
    ("apps", "daemonsets", "n", r#""spec":{"selector":{"matchLabels":{"a":"b"}},"template":POD}"#),
    ("apps", "deployments", "n", r#""spec":{"selector":{"matchLabels":{"a":"b"}},"template":POD}"#),
    ("apps", "replicasets", "n", r#""spec":{"selector":{"matchLabels":{"a":"b"}},"template":POD}"#),
    ("apps", "statefulsets", "n", r#""spec":{"serviceName":"s","selector":{"matchLabels":{"a":"b"}},"template":POD}"#),
    ("autoscaling", "horizontalpodautoscalers", "n", r#""spec":{"maxReplicas":3,"scaleTargetRef":{"apiVersion":"apps/v1","kind":"Deployment","name":"d"}}"#),
    ("batch", "cronjobs", "n", r#""spec":{"schedule":"* * * * *","jobTemplate":{"spec":{"template":{"spec":{"restartPolicy":"Never","containers":[{"name":"c","image":"i"}]}}}}}"#),
    ("batch", "jobs", "n", r#""spec":{"template":{"spec":{"restartPolicy":"Never","containers":[{"name":"c","image":"i"}]}}}"#),
    ("certificates.k8s.io", "certificatesigningrequests", "n", r#""spec":{"request":"CSR","signerName":"x.io/s","usages":["client auth"]}"#),
    ("coordination.k8s.io", "leases", "n", r#""spec":{"holderIdentity":"h","leaseDurationSeconds":10}"#),
    ("discovery.k8s.io", "endpointslices", "n", r#""addressType":"IPv4","endpoints":[{"addresses":["10.1.1.1"]}],"ports":[{"port":80,"protocol":"TCP","name":""}]"#),
    ("events.k8s.io", "events", "n", r#""eventTime":"2026-01-01T00:00:00.000000Z","reportingController":"x.io/c","reportingInstance":"i","action":"A","reason":"R","type":"Normal","regarding":{"kind":"Pod","name":"p","namespace":"default"}"#),
    ("flowcontrol.apiserver.k8s.io", "flowschemas", "n", r#""spec":{"priorityLevelConfiguration":{"name":"n"},"matchingPrecedence":9000,"rules":[{"subjects":[{"kind":"User","user":{"name":"u"}}],"resourceRules":[{"verbs":["get"],"apiGroups":["x.io"],"resources":["widgets"],"clusterScope":true}]}]}"#),
    ("flowcontrol.apiserver.k8s.io", "prioritylevelconfigurations", "n", r#""spec":{"type":"Limited","limited":{"nominalConcurrencyShares":5,"limitResponse":{"type":"Reject"}}}"#),
    ("networking.k8s.io", "ingressclasses", "n", r#""spec":{"controller":"x.io/c"}"#),
    ("networking.k8s.io", "ingresses", "n", r#""spec":{"defaultBackend":{"service":{"name":"s","port":{"number":80}}}}"#),
    ("networking.k8s.io", "ipaddresses", "10.43.250.250", r#""spec":{"parentRef":{"group":"","resource":"services","name":"s","namespace":"default"}}"#),
    ("networking.k8s.io", "networkpolicies", "n", r#""spec":{"podSelector":{},"ingress":[{}]}"#),
    ("networking.k8s.io", "servicecidrs", "n", r#""spec":{"cidrs":["10.99.0.0/24"]}"#),
    ("node.k8s.io", "runtimeclasses", "n", r#""handler":"h""#),
    ("policy", "poddisruptionbudgets", "n", r#""spec":{"minAvailable":1,"selector":{"matchLabels":{"a":"b"}}}"#),
    ("rbac.authorization.k8s.io", "clusterrolebindings", "n", r#""roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"view"},"subjects":[{"apiGroup":"rbac.authorization.k8s.io","kind":"User","name":"u"}]"#),
    ("rbac.authorization.k8s.io", "clusterroles", "n", r#""rules":[{"apiGroups":[""],"resources":["pods"],"verbs":["get"]}]"#),
    ("rbac.authorization.k8s.io", "rolebindings", "n", r#""roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"view"},"subjects":[{"apiGroup":"rbac.authorization.k8s.io","kind":"User","name":"u"}]"#),
    ("rbac.authorization.k8s.io", "roles", "n", r#""rules":[{"apiGroups":[""],"resources":["pods"],"verbs":["get"]}]"#),
    ("resource.k8s.io", "deviceclasses", "n", r#""spec":{"selectors":[{"cel":{"expression":"device.driver == \"x.io\""}}]}"#),
    ("resource.k8s.io", "resourceclaims", "n", r#""spec":{"devices":{"requests":[{"name":"r","exactly":{"deviceClassName":"n"}}]}}"#),
    ("resource.k8s.io", "resourceclaimtemplates", "n", r#""spec":{"spec":{"devices":{"requests":[{"name":"r","exactly":{"deviceClassName":"n"}}]}}}"#),
    ("resource.k8s.io", "resourceslices", "n", r#""spec":{"driver":"x.io","nodeName":"n","pool":{"name":"p","generation":1,"resourceSliceCount":1}}"#),
    ("scheduling.k8s.io", "priorityclasses", "n", r#""value":1000"#),
    ("storage.k8s.io", "csidrivers", "n", r#""spec":{"attachRequired":false}"#),
    ("storage.k8s.io", "csinodes", "n", r#""spec":{"drivers":[{"name":"d.x.io","nodeID":"n"}]}"#),
    ("storage.k8s.io", "csistoragecapacities", "n", r#""storageClassName":"s","capacity":"1Gi""#),
    ("storage.k8s.io", "storageclasses", "n", r#""provisioner":"x.io/p""#),
    ("storage.k8s.io", "volumeattachments", "n", r#""spec":{"attacher":"d.x.io","nodeName":"n","source":{"persistentVolumeName":"v"}}"#),
    ("storage.k8s.io", "volumeattributesclasses", "n", r#""driverName":"d.x.io","parameters":{"a":"b"}"#),
];

/// A request for a certificate (PKCS #10) in PEM and base64.
const CSR: &str = include_str!("csr.b64");

/// Resources that keep nothing: reviews, bindings, and what the server makes up.
pub(crate) const NOT_KEPT: [(&str, &str); 8] = [
    ("", "bindings"),
    ("", "componentstatuses"),
    ("authentication.k8s.io", "selfsubjectreviews"),
    ("authentication.k8s.io", "tokenreviews"),
    ("authorization.k8s.io", "localsubjectaccessreviews"),
    ("authorization.k8s.io", "selfsubjectaccessreviews"),
    ("authorization.k8s.io", "selfsubjectrulesreviews"),
    ("authorization.k8s.io", "subjectaccessreviews"),
];

/// The sample's name and JSON members for a resource.
pub(crate) fn of(group: &str, plural: &str) -> Option<(&'static str, String)> {
    let sample = SAMPLES
        .iter()
        .find(|sample| (sample.0, sample.1) == (group, plural))?;
    let members = sample
        .3
        .replace("POD", POD)
        .replace("\"CSR\"", &format!("\"{}\"", CSR.trim()));
    Some((sample.2, members))
}
