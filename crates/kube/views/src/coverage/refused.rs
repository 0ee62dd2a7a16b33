//! The fields of a pod that are not honoured yet, as a tree.

use super::Node::{self, Each, Members, Refused};
use super::When::{Bool, Prefix, Set, Text};

pub(super) static POD: Node = Members(&[("spec", SPEC)]);

const SPEC: Node = Members(&[
    ("volumes", Each(&VOLUME)),
    ("initContainers", Each(&CONTAINER)),
    ("containers", Each(&CONTAINER)),
    ("ephemeralContainers", Each(&CONTAINER)),
    ("shareProcessNamespace", Refused(Bool(true))),
    ("hostUsers", Refused(Bool(false))),
    ("resourceClaims", Refused(Set)),
    ("resources", Members(&[("claims", Refused(Set))])),
    ("schedulingGroup", Refused(Set)),
]);

static CONTAINER: Node = Members(&[
    (
        "env",
        Each(&Members(&[(
            "valueFrom",
            Members(&[("fileKeyRef", Refused(Set))]),
        )])),
    ),
    ("resources", Members(&[("claims", Refused(Set))])),
    ("volumeDevices", Refused(Set)),
    (
        "restartPolicyRules",
        Each(&Members(&[("action", Refused(Text("RestartAllContainers")))])),
    ),
    (
        "securityContext",
        Members(&[("procMount", Refused(Text("Unmasked")))]),
    ),
]);

/// Storage comes with its own gate; what is left here is what a node has by itself.
static VOLUME: Node = Members(&[
    ("emptyDir", Members(&[("medium", Refused(Prefix("HugePages")))])),
    ("gcePersistentDisk", Refused(Set)),
    ("awsElasticBlockStore", Refused(Set)),
    ("gitRepo", Refused(Set)),
    ("nfs", Refused(Set)),
    ("iscsi", Refused(Set)),
    ("glusterfs", Refused(Set)),
    ("persistentVolumeClaim", Refused(Set)),
    ("rbd", Refused(Set)),
    ("flexVolume", Refused(Set)),
    ("cinder", Refused(Set)),
    ("cephfs", Refused(Set)),
    ("flocker", Refused(Set)),
    ("fc", Refused(Set)),
    ("azureFile", Refused(Set)),
    ("vsphereVolume", Refused(Set)),
    ("quobyte", Refused(Set)),
    ("azureDisk", Refused(Set)),
    ("photonPersistentDisk", Refused(Set)),
    (
        "projected",
        Members(&[(
            "sources",
            Each(&Members(&[
                ("clusterTrustBundle", Refused(Set)),
                ("podCertificate", Refused(Set)),
            ])),
        )]),
    ),
    ("portworxVolume", Refused(Set)),
    ("scaleIO", Refused(Set)),
    ("storageos", Refused(Set)),
    ("csi", Refused(Set)),
    ("ephemeral", Refused(Set)),
    ("image", Refused(Set)),
]);
