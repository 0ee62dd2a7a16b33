//! What a pod and a volume need, read from their JSON by tables of paths.

use serde_json::Value;

/// What a pod that is on a node gives its kubelet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodRefs {
    /// Where it runs.
    pub node: String,
    /// `spec.serviceAccountName`; empty for mirror pods.
    pub account: String,
    /// Secrets that it names.
    pub secrets: Vec<String>,
    /// ConfigMaps that it names.
    pub config_maps: Vec<String>,
    /// PersistentVolumeClaims, those of ephemeral volumes too.
    pub claims: Vec<String>,
    /// ResourceClaims, as far as they have been made.
    pub resource_claims: Vec<String>,
}

/// What a bound volume gives the kubelets that may have its claim.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VolumeRefs {
    /// Namespace and name of the claim.
    pub claim: (String, String),
    /// Namespace and name of each secret that a kubelet needs.
    pub secrets: Vec<(String, String)>,
}

/// Secrets named in a pod's spec. `*` is each item of a list.
const SECRETS: &[&str] = &[
    "imagePullSecrets.*.name",
    "initContainers.*.env.*.valueFrom.secretKeyRef.name",
    "initContainers.*.envFrom.*.secretRef.name",
    "containers.*.env.*.valueFrom.secretKeyRef.name",
    "containers.*.envFrom.*.secretRef.name",
    "ephemeralContainers.*.env.*.valueFrom.secretKeyRef.name",
    "ephemeralContainers.*.envFrom.*.secretRef.name",
    "volumes.*.azureFile.secretName",
    "volumes.*.cephfs.secretRef.name",
    "volumes.*.cinder.secretRef.name",
    "volumes.*.csi.nodePublishSecretRef.name",
    "volumes.*.flexVolume.secretRef.name",
    "volumes.*.iscsi.secretRef.name",
    "volumes.*.projected.sources.*.secret.name",
    "volumes.*.rbd.secretRef.name",
    "volumes.*.scaleIO.secretRef.name",
    "volumes.*.secret.secretName",
    "volumes.*.storageos.secretRef.name",
];

const CONFIG_MAPS: &[&str] = &[
    "initContainers.*.env.*.valueFrom.configMapKeyRef.name",
    "initContainers.*.envFrom.*.configMapRef.name",
    "containers.*.env.*.valueFrom.configMapKeyRef.name",
    "containers.*.envFrom.*.configMapRef.name",
    "ephemeralContainers.*.env.*.valueFrom.configMapKeyRef.name",
    "ephemeralContainers.*.envFrom.*.configMapRef.name",
    "volumes.*.configMap.name",
    "volumes.*.projected.sources.*.configMap.name",
];

/// References to secrets in a volume's spec, of those that kubelets see.
const VOLUME_SECRETS: &[&str] = &[
    "cephfs.secretRef",
    "cinder.secretRef",
    "csi.nodeExpandSecretRef",
    "csi.nodePublishSecretRef",
    "csi.nodeStageSecretRef",
    "flexVolume.secretRef",
    "iscsi.secretRef",
    "rbd.secretRef",
    "scaleIO.secretRef",
    "storageos.secretRef",
];

/// By which a kubelet marks the pod that it has made for a file of its own.
const MIRROR: &str = "/metadata/annotations/kubernetes.io~1config.mirror";

impl PodRefs {
    /// Of a pod's JSON; none while it is on no node.
    pub fn of(pod: &Value) -> Option<Self> {
        let spec = pod.get("spec")?;
        let node = text(spec, "nodeName").filter(|node| !node.is_empty())?;
        let refs = Self {
            node,
            ..Self::default()
        };
        if pod.pointer(MIRROR).is_some() {
            // A kubelet must not get at anything by way of a pod that it has made itself.
            return Some(refs);
        }
        Some(Self {
            account: text(spec, "serviceAccountName").unwrap_or_default(),
            secrets: all(spec, SECRETS),
            config_maps: all(spec, CONFIG_MAPS),
            claims: claims(pod, spec),
            resource_claims: resource_claims(pod, spec),
            ..refs
        })
    }
}

impl VolumeRefs {
    /// Of a PersistentVolume's JSON; none while it is bound to no claim.
    pub fn of(volume: &Value) -> Option<Self> {
        let spec = volume.get("spec")?;
        let claim = spec.get("claimRef")?;
        let namespace = text(claim, "namespace").unwrap_or_default();
        let of = |reference: &Value| {
            let own = text(reference, "namespace").filter(|own| !own.is_empty());
            Some((own.unwrap_or_else(|| namespace.clone()), text(reference, "name")?))
        };
        let found = VOLUME_SECRETS.iter().flat_map(|path| values(spec, path));
        let mut secrets: Vec<(String, String)> = found.filter_map(of).collect();
        secrets.extend(spec.get("azureFile").and_then(|azure| {
            let own = text(azure, "secretNamespace").filter(|own| !own.is_empty());
            Some((
                own.unwrap_or_else(|| namespace.clone()),
                text(azure, "secretName")?,
            ))
        }));
        Some(Self {
            claim: (namespace.clone(), text(claim, "name")?),
            secrets,
        })
    }
}

/// Claims by name, and those that are made for a volume: `POD-VOLUME`.
fn claims(pod: &Value, spec: &Value) -> Vec<String> {
    let pod_name = pod.pointer("/metadata/name").and_then(Value::as_str);
    let of = |volume: &Value| {
        if let Some(claim) = volume.get("persistentVolumeClaim") {
            return text(claim, "claimName");
        }
        volume.get("ephemeral")?;
        Some(format!("{}-{}", pod_name?, text(volume, "name")?))
    };
    values(spec, "volumes.*")
        .iter()
        .filter_map(|volume| of(volume))
        .collect()
}

/// Claims by name, and those that the status tells to have been made.
fn resource_claims(pod: &Value, spec: &Value) -> Vec<String> {
    let mut names = all(spec, &["resourceClaims.*.resourceClaimName"]);
    if let Some(status) = pod.get("status") {
        const MADE: [&str; 2] = [
            "resourceClaimStatuses.*.resourceClaimName",
            "extendedResourceClaimStatus.resourceClaimName",
        ];
        names.extend(all(status, &MADE));
    }
    names
}

fn text(value: &Value, member: &str) -> Option<String> {
    value.get(member)?.as_str().map(str::to_owned)
}

fn all(value: &Value, paths: &[&str]) -> Vec<String> {
    let found = paths.iter().flat_map(|path| values(value, path));
    let mut texts: Vec<String> = found.filter_map(Value::as_str).map(str::to_owned).collect();
    texts.retain(|text| !text.is_empty());
    texts.sort_unstable();
    texts.dedup();
    texts
}

/// Everything at a path.
fn values<'a>(value: &'a Value, path: &str) -> Vec<&'a Value> {
    path.split('.').fold(vec![value], |at, step| match step {
        "*" => at.into_iter().filter_map(Value::as_array).flatten().collect(),
        name => at.into_iter().filter_map(|value| value.get(name)).collect(),
    })
}
