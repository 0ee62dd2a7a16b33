//! Who may write where. What needs a kernel is in `tests/node`.

use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::container::{ContainerId, MountPoint, MountPointKind, Owner};
use crate::spec::ContainerSpec;
use crate::state::State;

fn container(read_only_rootfs: bool, mounts: &[(&str, bool)]) -> Container {
    let spec = ContainerSpec {
        read_only_rootfs,
        ..ContainerSpec::default()
    };
    let point = |(destination, read_only): &(&str, bool)| MountPoint {
        kind: MountPointKind::Volume,
        name: "v".into(),
        source: "/v".into(),
        destination: (*destination).into(),
        driver: "local".into(),
        read_only: *read_only,
        propagation: None,
        anonymous: false,
    };
    Container {
        id: ContainerId::new("c"),
        name: "web".into(),
        created: jiff::Timestamp::UNIX_EPOCH,
        spec: Arc::new(spec),
        image: None,
        owner: Owner::Docker,
        door: Arc::default(),
        state: State::default(),
        restart_count: 0,
        generation: 0,
        mounts: mounts.iter().map(point).collect(),
        log_path: None,
    }
}

#[test]
fn the_innermost_mount_decides_who_may_write() {
    let check = |read_only, mounts: &[(&str, bool)], path: &str, refused: Option<&str>| {
        let result = check_writable(&container(read_only, mounts), Path::new(path));
        assert_eq!(
            result.err().map(|error| error.to_string()).as_deref(),
            refused,
            "{path}"
        );
    };
    let volume = Some("mounted volume is marked read-only");
    check(false, &[], "/x", None);
    check(true, &[], "/x", Some("container rootfs is marked read-only"));
    check(true, &[("/data", false)], "/data/x", None);
    check(false, &[("/data", true)], "/data", volume);
    check(false, &[("/data", true)], "/database", None);
    check(true, &[("/data", true), ("/data/in", false)], "/data/in/x", None);
    check(
        false,
        &[("/data", false), ("/data/in", true)],
        "/data/in/x",
        volume,
    );
}
