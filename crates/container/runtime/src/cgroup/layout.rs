//! Which hierarchies this host has, from the text of `/proc`.

use std::path::{Path, PathBuf};
use std::{fs, io};

/// One mounted hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hierarchy {
    /// Where it is mounted.
    pub mount: PathBuf,
    /// Controllers it carries; on v1 a named one is `name=...`.
    pub controllers: Vec<String>,
    /// This process's own group in it, from its root.
    pub own: String,
}

impl Hierarchy {
    /// The directory of a group; `path` counts from the mount point.
    #[must_use]
    pub fn dir(&self, path: &str) -> PathBuf {
        self.mount.join(path.trim_start_matches('/'))
    }
}

/// Where a controller lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place<'a> {
    /// A v1 hierarchy.
    V1(&'a Hierarchy),
    /// The unified hierarchy.
    V2(&'a Hierarchy),
}

/// The hierarchies of a host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// v1 hierarchies, in the order they were mounted.
    pub v1: Vec<Hierarchy>,
    /// The v2 hierarchy.
    pub unified: Option<Hierarchy>,
}

impl Layout {
    /// Reads a layout from `/proc/self/mountinfo`, `/proc/self/cgroup`, `/proc/cgroups` and the
    /// unified root's `cgroup.controllers` (empty where there is none). A controller that a v1
    /// hierarchy holds, or that is disabled at boot, is never counted as unified.
    #[must_use]
    pub fn parse(mountinfo: &str, own: &str, enabled: &str, unified: &str) -> Self {
        let mut layout = Self::default();
        for (mount, kind, options) in mountinfo.lines().filter_map(mount_line) {
            match kind {
                "cgroup" => layout.add_v1(mount, options, own),
                "cgroup2" if layout.unified.is_none() => {
                    let controllers = words(
                        unified
                            .split_whitespace()
                            .filter(|name| !is_disabled(enabled, name)),
                    );
                    layout.unified = Some(Hierarchy {
                        mount: mount.into(),
                        controllers,
                        own: own_path(own, ""),
                    });
                }
                _ => {}
            }
        }
        layout
    }

    /// Reads this host's layout.
    ///
    /// # Errors
    /// A file of `/proc` that cannot be read.
    pub fn read() -> io::Result<Self> {
        let mountinfo = fs::read_to_string("/proc/self/mountinfo")?;
        let own = fs::read_to_string("/proc/self/cgroup")?;
        // Without any v1 support in the kernel the file does not exist.
        let enabled = fs::read_to_string("/proc/cgroups").unwrap_or_default();
        let mut layout = Self::parse(&mountinfo, &own, &enabled, "");
        if let Some(unified) = &layout.unified {
            let controllers = fs::read_to_string(unified.mount.join("cgroup.controllers"))?;
            layout = Self::parse(&mountinfo, &own, &enabled, &controllers);
        }
        Ok(layout)
    }

    fn add_v1(&mut self, mount: &str, options: &str, own: &str) {
        let listed = own.lines().filter_map(|line| line.split(':').nth(1));
        let known: Vec<&str> = listed
            .flat_map(|list| list.split(','))
            .filter(|name| !name.is_empty())
            .collect();
        let controllers = words(options.split(',').filter(|option| known.contains(option)));
        let seen = self
            .v1
            .iter()
            .any(|hierarchy| hierarchy.controllers == controllers);
        if let (Some(first), false) = (controllers.first(), seen) {
            let own = own_path(own, first);
            self.v1.push(Hierarchy {
                mount: mount.into(),
                own,
                controllers,
            });
        }
    }

    /// Where `controller` lives; none if this host does not have it.
    #[must_use]
    pub fn place(&self, controller: &str) -> Option<Place<'_>> {
        let has = |hierarchy: &&Hierarchy| hierarchy.controllers.iter().any(|name| name == controller);
        let v1 = self.v1.iter().find(has).map(Place::V1);
        v1.or_else(|| self.unified.as_ref().filter(has).map(Place::V2))
    }
}

/// Mount point, file system type and super options of a line of mountinfo (proc(5)).
fn mount_line(line: &str) -> Option<(&str, &str, &str)> {
    let (mount, source) = line.split_once(" - ")?;
    let mut source = source.split(' ');
    Some((mount.split(' ').nth(4)?, source.next()?, source.nth(1)?))
}

fn words<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    names.map(str::to_owned).collect()
}

/// Whether `/proc/cgroups` says that a controller is switched off.
fn is_disabled(table: &str, name: &str) -> bool {
    table
        .lines()
        .any(|line| line.split_whitespace().next() == Some(name) && line.ends_with('0'))
}

/// The own path in the hierarchy that carries `controller`; the empty name is the unified one.
fn own_path(own: &str, controller: &str) -> String {
    let line = own
        .lines()
        .filter_map(|line| line.split_once(':')?.1.split_once(':'));
    line.into_iter()
        .find(|(list, _)| list.split(',').any(|name| name == controller))
        .map_or_else(|| "/".to_owned(), |(_, path)| path.to_owned())
}

/// The directories from below `mount` down to `dir`, outermost first.
pub(super) fn steps<'a>(mount: &Path, dir: &'a Path) -> Vec<&'a Path> {
    let mut steps: Vec<_> = dir.ancestors().take_while(|step| *step != mount).collect();
    steps.reverse();
    steps
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn line(dir: &str, kind: &str, options: &str) -> String {
        format!("32 31 0:29 / /sys/fs/cgroup{dir} rw,nosuid shared:9 - {kind} {kind} rw{options}\n")
    }

    /// A host without v1.
    pub(crate) fn pure_v2() -> Layout {
        let enabled = "cpu\t0\t1\t1\nrdma\t0\t1\t0\n";
        Layout::parse(
            &line("", "cgroup2", ",nsdelegate"),
            "0::/user.slice\n",
            enabled,
            "cpuset cpu io memory pids hugetlb rdma\n",
        )
    }

    /// systemd's hybrid: v1 controllers, two of them together, and an empty unified hierarchy.
    pub(crate) fn hybrid() -> Layout {
        let dirs = [
            "cpu,cpuacct",
            "cpuset",
            "memory",
            "devices",
            "blkio",
            "pids",
            "freezer",
            "net_cls,net_prio",
            "name=systemd",
        ];
        let mounts: String = dirs
            .iter()
            .map(|dir| line(&format!("/{dir}"), "cgroup", &format!(",xattr,{dir}")))
            .collect();
        let own: String = dirs.iter().map(|dir| format!("5:{dir}:/init.scope\n")).collect();
        Layout::parse(
            &(mounts + &line("/unified", "cgroup2", "")),
            &(own + "0::/init.scope\n"),
            "",
            "hugetlb\n",
        )
    }

    /// No v2 at all.
    pub(crate) fn pure_v1() -> Layout {
        Layout {
            unified: None,
            ..hybrid()
        }
    }

    #[test]
    fn pure_v2_places_every_controller_on_the_unified_hierarchy() {
        let layout = pure_v2();
        let unified = layout.unified.as_ref().unwrap();
        assert_eq!((unified.own.as_str(), &layout.v1), ("/user.slice", &vec![]));
        assert_eq!(layout.place("memory"), Some(Place::V2(unified)));
        assert_eq!(layout.place("rdma"), None, "disabled at boot");
        assert_eq!(unified.dir("/a/b"), Path::new("/sys/fs/cgroup/a/b"));
    }

    #[test]
    fn hybrid_places_each_controller_where_it_is() {
        let layout = hybrid();
        assert_eq!(layout.place("hugetlb"), layout.unified.as_ref().map(Place::V2));
        let Some(Place::V1(cpu)) = layout.place("cpuacct") else {
            panic!("cpuacct is on v1")
        };
        assert_eq!(cpu.controllers, ["cpu", "cpuacct"]);
        assert_eq!(cpu.own, "/init.scope");
        assert!(layout.place("name=systemd").is_some());
        assert_eq!(layout.place("rdma"), None);
    }

    #[test]
    fn a_hierarchy_mounted_twice_is_one() {
        let mounts = line("/pids", "cgroup", ",pids") + &line("/again", "cgroup", ",pids") + "garbage\n";
        assert_eq!(Layout::parse(&mounts, "8:pids:/\n", "", "").v1.len(), 1);
    }

    #[test]
    fn steps_lead_from_the_mount_to_the_group() {
        let found = steps(Path::new("/c"), Path::new("/c/a/b"));
        assert_eq!(found, [Path::new("/c/a"), Path::new("/c/a/b")]);
    }
}
