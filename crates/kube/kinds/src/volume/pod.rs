//! The sources of a pod's volumes (`VolumeSource`), in upstream's order.

use schema::field::Errors;

use super::Source;
use super::{block, files, network, projected};
use crate::Place;
use crate::rules::names::dns1123_label;
use crate::rules::paths::mode;
use crate::rules::table::Rule::{If, Of, Required, RequiredText, RequiredWord, Text, Word};
use crate::rules::table::{Rules, check};
use crate::rules::value::labels;
use crate::storage::claim_spec;

const PULL_POLICIES: &[&str] = &["Always", "IfNotPresent", "Never"];
const CACHING: &[&str] = &["None", "ReadOnly", "ReadWrite"];
const DISKS: &[&str] = &["Dedicated", "Managed", "Shared"];

/// The sources of a pod's volumes.
pub(crate) const SOURCES: &[Source] = &[
    Source::new("emptyDir", &[("sizeLimit", If(files::size_limit))]),
    Source::new("hostPath", &[]).more(files::host_path),
    Source::new(
        "gitRepo",
        &[("repository", Required), ("directory", Of(files::git_directory))],
    ),
    Source::new(
        "gcePersistentDisk",
        &[("pdName", Required), ("partition", Of(block::partition))],
    )
    .called("persistentDisk", "gcePersistentDisk"),
    Source::new(
        "awsElasticBlockStore",
        &[("volumeID", Required), ("partition", Of(block::partition))],
    ),
    Source::new(
        "secret",
        &[
            ("secretName", Required),
            ("defaultMode", If(mode)),
            ("items", Of(files::items)),
        ],
    ),
    Source::new("nfs", &[("server", Required), ("path", Required)]).more(network::nfs),
    Source::new("iscsi", &[("targetPortal", Required)]).more(block::iscsi),
    Source::new("glusterfs", &[("endpoints", Required), ("path", Required)]),
    Source::new("flocker", &[]).more(network::flocker),
    Source::new("persistentVolumeClaim", &[("claimName", Required)]),
    Source::new("rbd", &[("monitors", Required), ("image", Required)]),
    Source::new(
        "cinder",
        &[("volumeID", Required), ("secretRef", If(network::secret_name))],
    ),
    Source::new("cephfs", &[("monitors", Required)]).called("cephfs", "cephFS"),
    Source::new("quobyte", &[]).more(network::quobyte),
    Source::new("downwardAPI", &[("defaultMode", If(mode))])
        .called("downwardAPI", "downwarAPI")
        .more(files::downward_items),
    Source::new("fc", &[]).more(block::fibre_channel),
    Source::new(
        "flexVolume",
        &[("driver", Required), ("options", Of(network::flex_options))],
    ),
    Source::new(
        "configMap",
        &[
            ("name", Required),
            ("defaultMode", If(mode)),
            ("items", Of(files::items)),
        ],
    ),
    Source::new("azureFile", &[("secretName", Required), ("shareName", Required)]),
    Source::new("vsphereVolume", &[("volumePath", Required)]),
    Source::new("photonPersistentDisk", &[("pdID", Required)]),
    Source::new("portworxVolume", &[("volumeID", Required)]),
    Source::new("azureDisk", AZURE_DISK).more(block::azure_uri),
    Source::new("storageos", STORAGE_OS),
    Source::new("projected", &[("defaultMode", If(mode))]).more(projected::sources),
    Source::new(
        "scaleIO",
        &[
            ("gateway", Required),
            ("system", Required),
            ("volumeName", Required),
        ],
    ),
    Source::new("csi", &[("driver", Of(network::driver_name))]).more(network::csi_secret),
    Source::new("ephemeral", &[("volumeClaimTemplate", Of(claim_template))]),
    // Only a pod must name its image; what becomes of a template is checked when it is a pod.
    Source::new("image", &[("pullPolicy", RequiredWord(PULL_POLICIES))]),
];

/// Managed disks.
pub(super) const AZURE_DISK: Rules = &[
    ("diskName", Required),
    ("diskURI", Required),
    ("cachingMode", Word(CACHING)),
    ("kind", Word(DISKS)),
];

const STORAGE_OS: Rules = &[
    ("volumeName", RequiredText(dns1123_label)),
    ("volumeNamespace", Text(dns1123_label)),
    ("secretRef", If(network::secret_name)),
];

const TEMPLATE: Rules = &[("metadata", If(template_metadata)), ("spec", Of(claim_spec))];

fn claim_template(template: &Place<'_, '_>, errors: &mut Errors) {
    if !template.exists() {
        return template.required(errors, "");
    }
    check(template, TEMPLATE, errors);
}

/// Of a template's metadata only labels and annotations become the claim's.
fn template_metadata(metadata: &Place<'_, '_>, errors: &mut Errors) {
    labels(&metadata.child("labels"), errors);
    let Some(object) = metadata.object() else { return };
    let types = metadata.types();
    let given = types.fields(object.ty).iter().map(|field| types.name(field.json));
    for name in given.filter(|name| !matches!(*name, "annotations" | "labels")) {
        if metadata.at(name).exists() {
            metadata.child(name).forbidden(errors, "cannot be set");
        }
    }
}
