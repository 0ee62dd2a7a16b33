//! Which volumes a pod may have.

use std::collections::BTreeSet;

use schema::cursor::Ref;

use super::{Found, Pod, found, plural, quoted};

fn names<'a>(volumes: &[Ref<'a>]) -> String {
    let quoted = quoted(volumes.iter().map(|volume| volume.at("name").str()));
    format!("{} {quoted}", plural(volumes.len(), "volume", "volumes"))
}

pub(super) fn host_path(pod: &Pod<'_>) -> Found {
    let volumes = pod.spec.at("volumes").items();
    let volumes: Vec<Ref<'_>> = volumes.filter(|volume| volume.at("hostPath").exists()).collect();
    if volumes.is_empty() {
        return None;
    }
    found("hostPath volumes", names(&volumes))
}

const ALLOWED: [&str; 9] = [
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
];

const KNOWN: [&str; 21] = [
    "hostPath",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "gitRepo",
    "nfs",
    "iscsi",
    "glusterfs",
    "rbd",
    "flexVolume",
    "cinder",
    "cephfs",
    "flocker",
    "fc",
    "azureFile",
    "vsphereVolume",
    "quobyte",
    "azureDisk",
    "photonPersistentDisk",
    "portworxVolume",
    "scaleIO",
    "storageos",
];

pub(super) fn restricted(pod: &Pod<'_>) -> Found {
    let has = |volume: &Ref<'_>, kinds: &[&str]| kinds.iter().any(|kind| volume.at(kind).exists());
    let volumes = pod.spec.at("volumes").items();
    let volumes: Vec<Ref<'_>> = volumes.filter(|volume| !has(volume, &ALLOWED)).collect();
    if volumes.is_empty() {
        return None;
    }
    let kind = |volume: &Ref<'_>| {
        let mut known = KNOWN.into_iter();
        known.find(|kind| volume.at(kind).exists()).unwrap_or("unknown")
    };
    let kinds: BTreeSet<&str> = volumes.iter().map(kind).collect();
    found(
        "restricted volume types",
        format!(
            "{} {} {} {}",
            names(&volumes),
            plural(volumes.len(), "uses", "use"),
            plural(kinds.len(), "restricted volume type", "restricted volume types"),
            quoted(&kinds)
        ),
    )
}
