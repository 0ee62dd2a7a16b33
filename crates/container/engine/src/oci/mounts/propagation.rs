//! Mount propagation between a container and its host: mount_namespaces(7).

use std::path::Path;

use runtime::spec::RootfsPropagation;

use super::super::TranslateError;
use super::{Source, UserMount};
use crate::spec::Propagation;

/// Mounts that are to be seen by the host, or to see the host's, take a root that lets them.
pub(super) fn of_root(
    mounts: &[UserMount],
    mountinfo: &str,
) -> Result<Option<RootfsPropagation>, TranslateError> {
    let mut root = None;
    for mount in mounts {
        let Source::Path {
            path,
            propagation: Some(propagation),
            ..
        } = &mount.source
        else {
            continue;
        };
        match propagation {
            Propagation::Shared | Propagation::Rshared => {
                ensure(path, mountinfo, &["shared:"], "shared")?;
                root = Some(RootfsPropagation::Shared);
            }
            Propagation::Slave | Propagation::Rslave => {
                ensure(path, mountinfo, &["shared:", "master:"], "shared or slave")?;
                root = root.or(Some(RootfsPropagation::Rslave));
            }
            Propagation::Private | Propagation::Rprivate => {}
        }
    }
    Ok(root)
}

/// The mount that `path` is on has one of the tags (proc(5), mountinfo field 7).
fn ensure(path: &Path, mountinfo: &str, tags: &[&str], wanted: &'static str) -> Result<(), TranslateError> {
    let mounts = mountinfo.lines().filter_map(|line| {
        let mut fields = line.split(' ');
        let mount = fields.nth(4)?;
        path.starts_with(mount)
            .then(|| (mount, fields.skip(1).take_while(|field| *field != "-")))
    });
    // Of two mounts at one place the later one is on top.
    let (mount, mut optional) = mounts
        .max_by_key(|(mount, _)| mount.len())
        .map_or(("/", None), |(mount, optional)| (mount, Some(optional)));
    let has = optional
        .as_mut()
        .is_some_and(|fields| fields.any(|field| tags.iter().any(|tag| field.starts_with(tag))));
    if has {
        return Ok(());
    }
    Err(TranslateError::Propagation {
        source_path: path.to_string_lossy().into_owned(),
        mount: mount.to_owned(),
        wanted,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn propagation_needs_a_mount_that_propagates() {
        let info = "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda rw\n\
                    30 22 0:5 / /data rw master:1 - tmpfs tmpfs rw\n\
                    31 22 0:6 / /priv rw - tmpfs tmpfs rw\n";
        let check = |path: &str, propagation, expected: Result<Option<RootfsPropagation>, &str>| {
            let mounts = [UserMount {
                target: "/m".into(),
                source: Source::Path {
                    path: path.into(),
                    recursive: true,
                    propagation: Some(propagation),
                },
                read_only: super::super::ReadOnly::No,
            }];
            let found = of_root(&mounts, info).map_err(|error| error.to_string());
            assert_eq!(found, expected.map_err(str::to_owned), "{path} {propagation:?}");
        };
        check("/home", Propagation::Rshared, Ok(Some(RootfsPropagation::Shared)));
        check(
            "/data/x",
            Propagation::Rslave,
            Ok(Some(RootfsPropagation::Rslave)),
        );
        check("/priv", Propagation::Rprivate, Ok(None));
        let refused = "path /data is mounted on /data but it is not a shared mount";
        check("/data", Propagation::Shared, Err(refused));
        let refused = "path /priv/x is mounted on /priv but it is not a shared or slave mount";
        check("/priv/x", Propagation::Slave, Err(refused));
        check(
            "/database",
            Propagation::Slave,
            Ok(Some(RootfsPropagation::Rslave)),
        );
    }
}
