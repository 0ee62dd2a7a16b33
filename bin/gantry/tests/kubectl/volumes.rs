//! Volumes, claims and classes as the API keeps them.

use super::{Fails, Has, Out, Step, walk};

const VOLUMES: &str = "\
apiVersion: v1
kind: PersistentVolume
metadata: {name: pv0001, labels: {type: local}}
spec: {capacity: {storage: 10Gi}, accessModes: [ReadWriteOnce], hostPath: {path: /tmp/data01}, persistentVolumeReclaimPolicy: Recycle}
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: pv0003}
spec: {capacity: {storage: 10Gi}, accessModes: [ReadWriteOnce, ReadOnlyMany], gcePersistentDisk: {pdName: abc123, fsType: ext4}}
";
const CLAIM: &str = "\
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: myclaim-1}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 3Gi}}}
";
const CLASS: &str = r#"{"kind":"StorageClass","apiVersion":"storage.k8s.io/v1","metadata":{"name":"storage-class-name"},
"provisioner":"kubernetes.io/fake-provisioner-type","parameters":{"zone":"us-east-1b","type":"ssd"}}"#;

#[rustfmt::skip]
const STORAGE: &[Step] = &[
    ("get pv", "", Has(&["No resources found"])),
    ("create -f -", VOLUMES, Has(&["persistentvolume/pv0001 created", "persistentvolume/pv0003 created"])),
    ("get pv --no-headers", "", Has(&["pv0001   10Gi   RWO       Recycle", "pv0003   10Gi   RWO,ROX   Retain", "Pending"])),
    ("describe pv", "", Has(&["Type:          HostPath (bare host directory volume)", "PDName:     abc123", "Finalizers:      [kubernetes.io/pv-protection]"])),
    ("describe pv --chunk-size=1 -v=6", "", Has(&["persistentvolumes?limit=1", "continue="])),
    ("delete pv pv0003", "", Has(&["persistentvolume \"pv0003\" deleted"])),
    ("delete pv -n test --all", "", Has(&["deleting cluster-scoped resources", "persistentvolume \"pv0001\" deleted"])),
    ("create -f -", CLAIM, Out("persistentvolumeclaim/myclaim-1 created\n")),
    ("get pvc myclaim-1 --no-headers", "", Has(&["myclaim-1   Pending"])),
    ("describe pvc", "", Has(&["Status:        Pending", "Used By:       <none>"])),
    ("patch pvc myclaim-1 -p {\"spec\":{\"resources\":{\"requests\":{\"storage\":\"4Gi\"}}}}", "", Fails("spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims")),
    ("delete pvc myclaim-1", "", Has(&["persistentvolumeclaim \"myclaim-1\" deleted"])),
    ("get storageclass", "", Has(&["No resources found"])),
    ("create -f -", CLASS, Out("storageclass.storage.k8s.io/storage-class-name created\n")),
    ("get sc -o name", "", Out("storageclass.storage.k8s.io/storage-class-name\n")),
    ("get sc", "", Has(&["storage-class-name   kubernetes.io/fake-provisioner-type   Delete          Immediate           false"])),
    ("annotate sc storage-class-name storageclass.kubernetes.io/is-default-class=true", "", Has(&["annotated"])),
    ("get sc", "", Has(&["storage-class-name (default)"])),
    ("describe sc", "", Has(&["IsDefaultClass:        Yes", "Parameters:            type=ssd,zone=us-east-1b", "ReclaimPolicy:         Delete"])),
    ("create -f -", CLAIM, Has(&["created"])),
    ("get pvc myclaim-1 -o jsonpath={.spec.storageClassName},{.spec.volumeMode}", "", Out("storage-class-name,Filesystem")),
    ("patch sc storage-class-name -p {\"provisioner\":\"x.io/y\"}", "", Fails("provisioner: Forbidden: updates to provisioner are forbidden")),
    ("delete storageclass storage-class-name", "", Has(&["storageclass.storage.k8s.io \"storage-class-name\" deleted"])),
];

#[test]
fn volumes_are_kept_and_described() {
    walk(STORAGE);
}
