//! Which secrets a pod may name: none for mirrors of static pods, and only its account's where the account says so
//! (`kubernetes.io/enforce-mountable-secrets`).

use schema::cursor::Ref;

use super::{Account, Named};

const MIRROR: &str = "kubernetes.io/config.mirror";
const LIMITED: &str = "kubernetes.io/enforce-mountable-secrets";

/// Whether the pod is the API's image of one that a kubelet runs from a file.
pub(in crate::admission) fn is_mirror(pod: Ref<'_>) -> bool {
    pod.path("metadata.annotations").at(MIRROR).exists()
}

/// A mirror pod has no rights.
pub(super) fn of_mirror(pod: Ref<'_>) -> Result<(), &'static str> {
    if !pod.path("spec.serviceAccountName").is_empty() {
        return Err("a mirror pod may not reference service accounts");
    }
    if has_secrets(pod) {
        return Err("a mirror pod may not reference secrets");
    }
    let tokens = |source: Ref<'_>| source.at("serviceAccountToken").exists();
    let mut volumes = pod.path("spec.volumes").items();
    if volumes.any(|volume| volume.path("projected.sources").items().any(tokens)) {
        return Err("a mirror pod may not use ServiceAccountToken volume projections");
    }
    Ok(())
}

/// Whether a pod names any secret.
pub(in crate::admission) fn has_secrets(pod: Ref<'_>) -> bool {
    let spec = pod.at("spec");
    !spec.at("imagePullSecrets").is_empty()
        || spec.at("volumes").items().any(volume_has_secret)
        || containers(spec).any(container_has_secret)
}

fn containers(spec: Ref<'_>) -> impl Iterator<Item = Ref<'_>> {
    let lists = ["initContainers", "containers", "ephemeralContainers"];
    lists.into_iter().flat_map(move |list| spec.at(list).items())
}

/// Where a volume's driver takes its credentials from.
const DRIVER_SECRETS: [&str; 9] = [
    "azureFile.secretName",
    "cephfs.secretRef",
    "csi.nodePublishSecretRef",
    "flexVolume.secretRef",
    "iscsi.secretRef",
    "rbd.secretRef",
    "scaleIO.secretRef",
    "secret",
    "storageos.secretRef",
];

fn volume_has_secret(volume: Ref<'_>) -> bool {
    let mut projected = volume.path("projected.sources").items();
    DRIVER_SECRETS.iter().any(|path| volume.path(path).exists())
        || projected.any(|source| source.at("secret").exists())
}

fn container_has_secret(container: Ref<'_>) -> bool {
    let from = |from: Ref<'_>| from.at("secretRef").exists();
    let key = |env: Ref<'_>| env.path("valueFrom.secretKeyRef").exists();
    container.at("envFrom").items().any(from) || container.at("env").items().any(key)
}

/// Whether pods of the account may name only its secrets. The annotation is a boolean as Go reads them.
pub(super) fn limited(account: &Account) -> bool {
    let value = account.metadata.annotations.get(LIMITED);
    value.is_some_and(|value| ["1", "t", "T", "true", "TRUE", "True"].contains(&value.as_str()))
}

/// What a new pod may name.
pub(super) fn of_pod(account: &Account, pod: Ref<'_>) -> Result<(), String> {
    let owner = &account.metadata.name;
    for volume in pod.path("spec.volumes").items() {
        let secret = volume.path("secret.secretName").str();
        if volume.at("secret").exists() && !has(&account.secrets, secret) {
            return Err(format!(
                "volume with secret.secretName=\"{secret}\" is not allowed because service account {owner} does not reference that secret"
            ));
        }
    }
    of_containers(account, pod.path("spec.initContainers"), "init container")?;
    of_containers(account, pod.path("spec.containers"), "container")?;
    for (at, reference) in pod.path("spec.imagePullSecrets").items().enumerate() {
        let secret = reference.at("name").str();
        if !has(&account.image_pull_secrets, secret) {
            return Err(format!(
                "imagePullSecrets[{at}].name=\"{secret}\" is not allowed because service account {owner} does not reference that imagePullSecret"
            ));
        }
    }
    Ok(())
}

/// What an ephemeral container may name.
pub(super) fn of_ephemeral(account: &Account, pod: Ref<'_>) -> Result<(), String> {
    of_containers(
        account,
        pod.path("spec.ephemeralContainers"),
        "ephemeral container",
    )
}

fn of_containers(account: &Account, containers: Ref<'_>, what: &str) -> Result<(), String> {
    for container in containers.items() {
        for variable in container.at("env").items() {
            let reference = variable.path("valueFrom.secretKeyRef");
            let secret = reference.at("name").str();
            if reference.exists() && !has(&account.secrets, secret) {
                return Err(format!(
                    "{what} {} with envVar {} referencing secret.secretName=\"{secret}\" is not allowed because service account {} does not reference that secret",
                    container.at("name").str(),
                    variable.at("name").str(),
                    account.metadata.name
                ));
            }
        }
    }
    Ok(())
}

fn has(secrets: &[Named], name: &str) -> bool {
    secrets.iter().any(|secret| secret.name == name)
}
