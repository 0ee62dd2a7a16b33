//! The volume with the pod's token, the cluster's CA and the namespace, where every client library looks (KEP-1205).

use std::sync::LazyLock;

use schema::cursor::{self, Ref};
use schema::row::Types;
use schema::tree::{Struct, Value};

use crate::admission::{Request, tree};
use crate::registry::generate_name;

const MOUNT_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
const NAME: &str = "kube-api-access-";

/// The odd 3607 seconds tell upstream's token registry that the client may not yet know how to read a new token: such
/// tokens are given a year, and a warning instead of an end.
static VOLUME: LazyLock<Struct> = LazyLock::new(|| {
    let text = r#"{"projected": {"defaultMode": 420, "sources": [
        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}]}}
    ]}}"#;
    tree::piece("core/v1", "Volume", text)
});

static MOUNT: LazyLock<Struct> = LazyLock::new(|| {
    let text = format!(r#"{{"readOnly": true, "mountPath": "{MOUNT_PATH}"}}"#);
    tree::piece("core/v1", "VolumeMount", &text)
});

/// Mounts the token in every container that has nothing there.
pub(super) fn mount(request: &Request<'_>, pod: &mut Struct) {
    let types = request.types;
    let own = own_volume(Ref::new(types, pod));
    let (name, has_volume) = match own {
        Some(name) => (name, true),
        None => (request.op.state.with_rng(|rng| generate_name(rng, NAME)), false),
    };
    let mut mounted = false;
    for list in ["spec.initContainers", "spec.containers"] {
        cursor::each_mut(types, pod, list, |container| {
            mounted |= mount_into(types, container, &name);
        });
    }
    if mounted && !has_volume {
        let mut volume = VOLUME.clone();
        cursor::set(types, &mut volume, "name", Value::str(&name));
        tree::push_object(types, pod, "spec.volumes", volume);
    }
}

/// A volume that the pod brings along under such a name is taken for one.
fn own_volume(pod: Ref<'_>) -> Option<String> {
    let mut names = pod
        .path("spec.volumes")
        .items()
        .map(|volume| volume.at("name").str());
    names.find(|name| name.starts_with(NAME)).map(str::to_owned)
}

fn mount_into(types: &Types, container: &mut Struct, name: &str) -> bool {
    let there = |mount: Ref<'_>| mount.at("mountPath").str() == MOUNT_PATH;
    let taken = Ref::new(types, container).at("volumeMounts").items().any(there);
    if taken {
        return false;
    }
    let mut mount = MOUNT.clone();
    cursor::set(types, &mut mount, "name", Value::str(name));
    tree::push_object(types, container, "volumeMounts", mount);
    true
}
