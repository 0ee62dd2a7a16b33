//! The sources of persistent volumes (`PersistentVolumeSource`), in upstream's order.

use schema::field::Errors;

use super::pod::AZURE_DISK;
use super::{Source, block, files, network};
use crate::Place;
use crate::rules::names::dns1123_label;
use crate::rules::table::Rule::{If, Of, Required, RequiredText, Text};
use crate::rules::table::Rules;

/// The sources of persistent volumes.
pub(crate) const SOURCES: &[Source] = &[
    Source::new("hostPath", &[]).more(files::host_path),
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
        "glusterfs",
        &[
            ("endpoints", Required),
            ("path", Required),
            ("endpointsNamespace", If(endpoints_namespace)),
        ],
    ),
    Source::new("flocker", &[]).more(network::flocker),
    Source::new("nfs", &[("server", Required), ("path", Required)]).more(network::nfs),
    Source::new("rbd", &[("monitors", Required), ("image", Required)]),
    Source::new("quobyte", &[]).more(network::quobyte),
    Source::new("cephfs", &[("monitors", Required)]).called("cephfs", "cephFS"),
    Source::new("iscsi", &[("targetPortal", Required)]).more(block::persistent_iscsi),
    Source::new(
        "cinder",
        &[("volumeID", Required), ("secretRef", If(network::secret))],
    ),
    Source::new("fc", &[]).more(block::fibre_channel),
    Source::new(
        "flexVolume",
        &[("driver", Required), ("options", Of(network::flex_options))],
    ),
    Source::new(
        "azureFile",
        &[
            ("secretName", Required),
            ("shareName", Required),
            ("secretNamespace", If(not_empty)),
        ],
    ),
    Source::new("vsphereVolume", &[("volumePath", Required)]),
    Source::new("photonPersistentDisk", &[("pdID", Required)]),
    Source::new("portworxVolume", &[("volumeID", Required)]),
    Source::new("azureDisk", AZURE_DISK).more(block::azure_uri),
    Source::new(
        "scaleIO",
        &[
            ("gateway", Required),
            ("system", Required),
            ("volumeName", Required),
        ],
    ),
    Source::new("local", &[]).more(files::local),
    Source::new("storageos", STORAGE_OS),
    Source::new("csi", CSI),
];

const STORAGE_OS: Rules = &[
    ("volumeName", RequiredText(dns1123_label)),
    ("volumeNamespace", Text(dns1123_label)),
    ("secretRef", If(network::secret)),
];

const CSI: Rules = &[
    ("driver", Of(network::driver_name)),
    ("volumeHandle", Required),
    ("controllerPublishSecretRef", If(network::strict_secret)),
    ("controllerExpandSecretRef", If(network::strict_secret)),
    ("nodePublishSecretRef", If(network::strict_secret)),
    ("nodeExpandSecretRef", If(network::strict_secret)),
];

fn not_empty(place: &Place<'_, '_>, errors: &mut Errors) {
    place.require(errors, "");
}

fn endpoints_namespace(place: &Place<'_, '_>, errors: &mut Errors) {
    match place.str() {
        "" => place.invalid(
            errors,
            "if the endpointnamespace is set, it must be a valid namespace name",
        ),
        _ => place.check(errors, dns1123_label),
    }
}
