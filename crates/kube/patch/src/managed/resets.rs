//! Fields that a write cannot change, by resource and subresource (upstream's `GetResetFields`): a client
//! that sends them does not own them.

type Paths = &'static [&'static [&'static str]];

const STATUS: Paths = &[&["status"]];
const SPEC: Paths = &[&["spec"]];
const SPEC_AND_METADATA: Paths = &[&["spec"], &["metadata"]];

/// Group, plural, subresource. What is not here has the rule: the object itself cannot change its status,
/// `/status` cannot change its spec.
const SPECIAL: &[(&str, &str, &str, Paths)] = &[
    (
        "",
        "pods",
        "status",
        &[
            &["spec"],
            &["metadata", "deletionTimestamp"],
            &["metadata", "ownerReferences"],
        ],
    ),
    (
        "admissionregistration.k8s.io",
        "validatingadmissionpolicies",
        "status",
        SPEC_AND_METADATA,
    ),
    (
        "apiextensions.k8s.io",
        "customresourcedefinitions",
        "status",
        SPEC_AND_METADATA,
    ),
    (
        "apiregistration.k8s.io",
        "apiservices",
        "status",
        SPEC_AND_METADATA,
    ),
    (
        "apps",
        "deployments",
        "status",
        &[&["spec"], &["metadata", "labels"]],
    ),
    (
        "certificates.k8s.io",
        "certificatesigningrequests",
        "approval",
        &[&["spec"], &["status", "certificate"]],
    ),
    (
        "flowcontrol.apiserver.k8s.io",
        "flowschemas",
        "status",
        SPEC_AND_METADATA,
    ),
    (
        "flowcontrol.apiserver.k8s.io",
        "prioritylevelconfigurations",
        "status",
        SPEC_AND_METADATA,
    ),
    ("resource.k8s.io", "resourceclaims", "status", SPEC_AND_METADATA),
    ("storage.k8s.io", "volumeattachments", "status", SPEC_AND_METADATA),
];

/// What a write of the resource, or of its subresource, cannot change. `custom` resources keep their
/// metadata at `/status`, and their status at the object itself only if they have that subresource: `status`
/// says whether the resource has.
pub fn resets(group: &str, plural: &str, subresource: &str, custom: bool, status: bool) -> Paths {
    let key = |row: &&(&str, &str, &str, Paths)| (row.0, row.1, row.2) == (group, plural, subresource);
    if let Some((.., paths)) = SPECIAL.iter().find(key) {
        return paths;
    }
    match subresource {
        "" if status => STATUS,
        "status" if custom => SPEC_AND_METADATA,
        "status" => SPEC,
        _ => &[],
    }
}
