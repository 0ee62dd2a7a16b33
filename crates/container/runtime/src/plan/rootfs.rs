//! The container's file system: root, mounts, devices, terminal, covered paths, `pivot_root`.
//!
//! Everything happens before `pivot_root`, through a descriptor of the new root: the host's paths
//! are still there for bind mounts, and the container's are resolved inside it by the kernel.

use std::path::Path;

use sys::program::{INHERIT_MODE, NO_SYMLINKS, Op, RECURSIVE, Slot};

use super::namespaces::{Namespaces, bit};
use super::options::{Attributes, MountOptions};
use super::{Context, Draft, PlanError, devices, sync, sysctl};
use crate::spec::{Linux, Mount, NamespaceType, Root, RootfsPropagation, Spec};

/// Builds everything below the container's root and moves the process there.
pub(super) fn build(
    draft: &mut Draft,
    spec: &Spec,
    root: &Root,
    linux: &Linux,
    context: &Context<'_>,
) -> Result<(), PlanError> {
    let namespaces = Namespaces::of(linux)?;
    let slot = attach_root(draft, root, linux, context)?;
    let mut tree = Tree {
        draft,
        root: slot,
        sys: None,
        pts: None,
        sealed: Vec::new(),
    };
    let mounts: Vec<Mount> = spec.mounts.iter().map(normal).collect();
    for (index, mount) in mounts.iter().enumerate() {
        refuse_over_proc(index, mount)?;
        tree.mount(index, mount, &namespaces, context)?;
    }
    if !mounts
        .iter()
        .any(|mount| mount.destination == "/dev" && is_bind(mount))
    {
        devices::populate(tree.draft, slot, linux, namespaces.has(bit(NamespaceType::User)))?;
    }
    tree.terminal(spec, context)?;
    tree.parameters(linux, &namespaces)?;
    tree.seal(root, linux);
    tree.working_directory(spec);
    tree.pivot(spec, linux);
    tree.names(spec, &namespaces)
}

/// The same mount with its destination absolute and without empty components, so that one place
/// has one name.
fn normal(mount: &Mount) -> Mount {
    let components = mount
        .destination
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".");
    let destination = components.fold(String::new(), |path, component| path + "/" + component);
    let destination = if destination.is_empty() {
        "/".to_owned()
    } else {
        destination
    };
    Mount {
        destination,
        ..mount.clone()
    }
}

/// What may be mounted in a container's `/proc`: files that programs like lxcfs put in place.
const IN_PROC: [&str; 11] = [
    "cpuinfo",
    "diskstats",
    "loadavg",
    "meminfo",
    "net/dev",
    "slabinfo",
    "stat",
    "swaps",
    "sys/crypto/fips_enabled",
    "sys/kernel/ns_last_pid",
    "uptime",
];

/// Nothing but a procfs stands at `/proc`, and little in it: what is covered below it, and what
/// security modules are told through it, must be the kernel's (CVE-2019-16884).
fn refuse_over_proc(index: usize, mount: &Mount) -> Result<(), PlanError> {
    let reason = match mount.destination.strip_prefix("/proc") {
        Some("")
            if mount.kind != "proc" && !(is_bind(mount) && Path::new(&mount.source).starts_with("/proc")) =>
        {
            "because it is not of type proc"
        }
        Some(below) if below.starts_with('/') && !IN_PROC.contains(&&below[1..]) => {
            "because it is inside /proc"
        }
        _ => return Ok(()),
    };
    let refusal = format!("{:?} cannot be mounted {reason}", mount.destination);
    Err(PlanError::invalid(format!("mounts[{index}]"), refusal))
}

fn is_bind(mount: &Mount) -> bool {
    mount.kind == "bind"
        || mount
            .options
            .iter()
            .any(|option| option == "bind" || option == "rbind")
}

/// The root becomes a mount of its own, in a tree that no longer tells the host what happens in it.
fn attach_root(
    draft: &mut Draft,
    root: &Root,
    linux: &Linux,
    context: &Context<'_>,
) -> Result<Slot, PlanError> {
    let builder = &mut draft.builder;
    let propagation = linux.rootfs_propagation.map_or(libc::MS_SLAVE, propagation_type);
    let path = builder.text("/");
    builder.push(Op::Propagation {
        path,
        flags: bits(propagation | libc::MS_REC),
    });
    let path = builder.text(context.bundle.join(&root.path).as_os_str().as_encoded_bytes());
    if propagation == libc::MS_SHARED {
        builder.push(Op::PrivateParent { path });
    }
    if let Some(overlay) = context.overlay {
        return overlay.attach(builder, path);
    }
    let out = builder.slot();
    let flags = libc::OPEN_TREE_CLONE | libc::AT_RECURSIVE.cast_unsigned();
    builder.push(Op::Tree {
        out,
        dir: Slot::NONE,
        path,
        flags,
    });
    builder.push(Op::Attach {
        tree: out,
        root: Slot::NONE,
        path,
        flags: 0,
    });
    Ok(out)
}

/// procfs and sysfs go exactly where they are said to go: what is covered below them must not be
/// somewhere else (CVE-2019-19921). A tmpfs without a mode of its own has that of what it covers.
fn attach_flags(kind: &str, options: &MountOptions) -> u32 {
    match kind {
        _ if options.bind.is_some() => 0,
        "proc" | "sysfs" => NO_SYMLINKS,
        "tmpfs" if !options.data.iter().any(|option| option.starts_with("mode=")) => INHERIT_MODE,
        _ => 0,
    }
}

/// A read-only tmpfs is written to until the container's mounts are all in it.
fn is_sealed_late(kind: &str, options: &MountOptions) -> bool {
    options.bind.is_none() && kind == "tmpfs" && options.attributes.set & libc::MOUNT_ATTR_RDONLY != 0
}

fn propagation_type(propagation: RootfsPropagation) -> u64 {
    use RootfsPropagation::{Private, Rprivate, Rshared, Rslave, Runbindable, Shared, Slave, Unbindable};
    match propagation {
        Shared | Rshared => libc::MS_SHARED,
        Slave | Rslave => libc::MS_SLAVE,
        Private | Rprivate => libc::MS_PRIVATE,
        Unbindable | Runbindable => libc::MS_UNBINDABLE,
    }
}

fn bits(flags: u64) -> u32 {
    // MS_* propagation flags are below bit 21.
    u32::try_from(flags).unwrap_or_default()
}

/// The root under construction, with the mounts that later operations start from.
struct Tree<'d> {
    draft: &'d mut Draft,
    root: Slot,
    sys: Option<Slot>,
    pts: Option<Slot>,
    /// Where mounts are that become read-only once everything below them is in place.
    sealed: Vec<String>,
}

impl Tree<'_> {
    fn mount(
        &mut self,
        index: usize,
        mount: &Mount,
        namespaces: &Namespaces,
        context: &Context<'_>,
    ) -> Result<(), PlanError> {
        let options = MountOptions::parse(mount, index)?;
        if mount.kind == "cgroup" && options.bind.is_none() {
            return self.cgroups(mount, options, namespaces, context);
        }
        let tree = match options.bind {
            Some(recursive) => self.bind(mount, &options, recursive, context),
            None => self.filesystem(&mount.kind, &mount.source, &options),
        };
        self.attach(tree, &mount.destination, attach_flags(&mount.kind, &options));
        self.propagate(tree, &options.propagation);
        self.remember(tree, mount);
        if is_sealed_late(&mount.kind, &options) {
            self.sealed.push(mount.destination.clone());
        }
        Ok(())
    }

    fn bind(
        &mut self,
        mount: &Mount,
        options: &MountOptions,
        recursive: bool,
        context: &Context<'_>,
    ) -> Slot {
        let builder = &mut self.draft.builder;
        let source = context.bundle.join(&mount.source);
        let (path, out) = (
            builder.text(source.as_os_str().as_encoded_bytes()),
            builder.slot(),
        );
        let below = if recursive {
            libc::AT_RECURSIVE.cast_unsigned()
        } else {
            0
        };
        builder.push(Op::Tree {
            out,
            dir: Slot::NONE,
            path,
            flags: libc::OPEN_TREE_CLONE | below,
        });
        self.set(out, options.attributes, 0);
        self.set(out, options.recursive, RECURSIVE);
        out
    }

    /// A new filesystem, as a detached mount.
    fn filesystem(&mut self, kind: &str, source: &str, options: &MountOptions) -> Slot {
        let mut attributes = options.attributes.set;
        if is_sealed_late(kind, options) {
            attributes &= !libc::MOUNT_ATTR_RDONLY;
        }
        let out = self.new_mount(kind, source, &options.data, attributes);
        self.set(out, options.recursive, RECURSIVE);
        out
    }

    fn new_mount(&mut self, kind: &str, source: &str, data: &[String], attributes: u64) -> Slot {
        let builder = &mut self.draft.builder;
        let source = (!source.is_empty()).then(|| format!("source={source}"));
        let options = builder.texts(source.iter().chain(data));
        let (kind, out) = (builder.text(kind), builder.slot());
        builder.push(Op::Filesystem {
            out,
            kind,
            options,
            attributes,
        });
        out
    }

    fn set(&mut self, tree: Slot, Attributes { set, clear }: Attributes, flags: u32) {
        if !(Attributes { set, clear }).is_empty() {
            self.draft.builder.push(Op::Attributes {
                tree,
                set,
                clear,
                propagation: 0,
                flags,
            });
        }
    }

    fn propagate(&mut self, tree: Slot, propagation: &[u64]) {
        for flags in propagation {
            let recursive = if flags & libc::MS_REC != 0 { RECURSIVE } else { 0 };
            let propagation = flags & !libc::MS_REC;
            self.draft.builder.push(Op::Attributes {
                tree,
                set: 0,
                clear: 0,
                propagation,
                flags: recursive,
            });
        }
    }

    fn attach(&mut self, tree: Slot, destination: &str, flags: u32) {
        let path = self.draft.builder.text(destination);
        self.draft.builder.push(Op::Attach {
            tree,
            root: self.root,
            path,
            flags,
        });
    }

    /// Keeps the descriptors of mounts that later operations name, gives back the others.
    fn remember(&mut self, tree: Slot, mount: &Mount) {
        match (mount.kind.as_str(), mount.destination.trim_end_matches('/')) {
            ("proc", "/proc") => self.draft.proc = Some(tree),
            ("sysfs", "/sys") => self.sys = Some(tree),
            ("devpts", "/dev/pts") => self.pts = Some(tree),
            _ => self.draft.builder.release(tree),
        }
    }

    /// A mount of type `cgroup` stands for whatever hierarchies the host has, each showing the
    /// container's own cgroup as its root.
    fn cgroups(
        &mut self,
        mount: &Mount,
        options: MountOptions,
        namespaces: &Namespaces,
        context: &Context<'_>,
    ) -> Result<(), PlanError> {
        let own = namespaces.has(bit(NamespaceType::Cgroup));
        let attributes = options.attributes.set;
        if context.cgroup2 {
            let tree = match context.cgroups.first().filter(|_| !own) {
                Some(cgroup) => self.cgroup_bind(cgroup, options.attributes),
                None => self.new_mount("cgroup2", "cgroup", &options.data, attributes),
            };
            self.attach(tree, &mount.destination, 0);
            self.draft.builder.release(tree);
            return Ok(());
        }
        let base = MountOptions {
            data: vec!["mode=755".into()],
            ..options
        };
        let directory = self.filesystem("tmpfs", "tmpfs", &base);
        self.attach(directory, &mount.destination, 0);
        self.draft.builder.release(directory);
        for cgroup in context.cgroups {
            let tree = if own {
                self.new_mount("cgroup", "cgroup", &cgroup.options, attributes)
            } else {
                self.cgroup_bind(cgroup, base.attributes)
            };
            self.attach(tree, &format!("{}/{}", mount.destination, cgroup.name), 0);
            self.draft.builder.release(tree);
            self.cgroup_links(&mount.destination, &cgroup.name);
        }
        if is_sealed_late("tmpfs", &base) {
            self.sealed.push(mount.destination.clone());
        }
        Ok(())
    }

    fn cgroup_bind(&mut self, cgroup: &super::CgroupMount, attributes: Attributes) -> Slot {
        let builder = &mut self.draft.builder;
        let (path, out) = (
            builder.text(cgroup.path.as_os_str().as_encoded_bytes()),
            builder.slot(),
        );
        builder.push(Op::Tree {
            out,
            dir: Slot::NONE,
            path,
            flags: libc::OPEN_TREE_CLONE,
        });
        self.set(out, attributes, 0);
        out
    }

    /// Controllers that share a hierarchy are also found under their own names.
    fn cgroup_links(&mut self, destination: &str, name: &str) {
        for controller in name.split(',').filter(|controller| *controller != name) {
            let builder = &mut self.draft.builder;
            let target = builder.text(name);
            let path = builder.text(format!("{destination}/{controller}"));
            builder.push(Op::Symlink {
                root: self.root,
                target,
                path,
            });
        }
    }

    fn terminal(&mut self, spec: &Spec, context: &Context<'_>) -> Result<(), PlanError> {
        let Some(process) = spec.process.as_ref().filter(|process| process.terminal) else {
            return Ok(());
        };
        let pts = self
            .pts
            .ok_or_else(|| PlanError::invalid("process.terminal", "needs a devpts mount at /dev/pts"))?;
        let tty = self.draft.open_terminal(pts, process, context)?;
        let builder = &mut self.draft.builder;
        let (clone, here, path) = (builder.slot(), builder.text(""), builder.text("/dev/console"));
        builder.push(Op::Tree {
            out: clone,
            dir: tty,
            path: here,
            flags: libc::OPEN_TREE_CLONE,
        });
        builder.push(Op::Attach {
            tree: clone,
            root: self.root,
            path,
            flags: 0,
        });
        builder.release(clone);
        Ok(())
    }

    /// Kernel parameters are written through a procfs of the container's own namespaces, by
    /// descriptor: no path of the container's leads the write elsewhere (CVE-2025-52881).
    fn parameters(&mut self, linux: &Linux, namespaces: &Namespaces) -> Result<(), PlanError> {
        for (key, value) in &linux.sysctl {
            let file = sysctl::file(key, |kind| namespaces.has(kind))?;
            let dir = self.proc();
            let (path, data) = (self.draft.builder.text(file), self.draft.builder.text(value));
            self.draft.builder.push(Op::Write {
                dir,
                path,
                data,
                flags: 0,
            });
        }
        Ok(())
    }

    /// The container's `/proc`, or a procfs that is mounted nowhere.
    fn proc(&mut self) -> Slot {
        match self.draft.proc {
            Some(proc) => proc,
            None => {
                let proc = self.new_mount("proc", "proc", &[], 0);
                *self.draft.proc.insert(proc)
            }
        }
    }

    /// What must not be read, what must not be written, and the root if it is read-only.
    fn seal(&mut self, root: &Root, linux: &Linux) {
        for path in &linux.readonly_paths {
            let (base, path) = self.below(path);
            self.draft.builder.push(Op::Readonly { base, path });
        }
        if !linux.masked_paths.is_empty() {
            let (directory, file) = self.covers();
            for path in &linux.masked_paths {
                let (base, path) = self.below(path);
                self.draft.builder.push(Op::Mask {
                    base,
                    directory,
                    file,
                    path,
                });
            }
        }
        for destination in std::mem::take(&mut self.sealed) {
            let (out, path) = (self.draft.builder.slot(), self.draft.builder.text(destination));
            self.draft.builder.push(Op::Open {
                out,
                dir: self.root,
                path,
                flags: 0,
            });
            self.read_only(out);
            self.draft.builder.release(out);
        }
        if root.readonly {
            self.read_only(self.root);
        }
    }

    fn read_only(&mut self, tree: Slot) {
        let set = libc::MOUNT_ATTR_RDONLY;
        self.draft.builder.push(Op::Attributes {
            tree,
            set,
            clear: 0,
            propagation: 0,
            flags: 0,
        });
    }

    /// An empty read-only directory and the host's null device, to lay over paths. The device is
    /// opened on the host: the container's own may be anything (CVE-2025-31133).
    fn covers(&mut self) -> (Slot, Slot) {
        let empty = ["mode=0".to_owned(), "nr_inodes=2".to_owned()];
        let directory = self.new_mount("tmpfs", "tmpfs", &empty, libc::MOUNT_ATTR_RDONLY);
        let builder = &mut self.draft.builder;
        let (file, path) = (builder.slot(), builder.text("/dev/null"));
        builder.push(Op::Tree {
            out: file,
            dir: Slot::NONE,
            path,
            flags: libc::OPEN_TREE_CLONE,
        });
        (directory, file)
    }

    /// A path below `/proc` or `/sys` is found from that very mount, however the container may be
    /// moving directories meanwhile.
    fn below(&mut self, path: &str) -> (Slot, sys::program::Text) {
        let mounts = [("/proc/", self.draft.proc), ("/sys/", self.sys)];
        let found = mounts
            .iter()
            .find_map(|(prefix, slot)| Some(((*slot)?, path.strip_prefix(prefix)?)));
        let (base, rest) = found.unwrap_or((self.root, path));
        (base, self.draft.builder.text(rest))
    }

    fn working_directory(&mut self, spec: &Spec) {
        if let Some(process) = &spec.process {
            let path = self.draft.builder.text(&process.cwd);
            self.draft.builder.push(Op::Directory {
                root: self.root,
                path,
            });
        }
    }

    fn pivot(&mut self, spec: &Spec, linux: &Linux) {
        let builder = &mut self.draft.builder;
        let hooks = spec.hooks.as_ref().is_some_and(|hooks| {
            !(hooks.prestart.is_empty()
                && hooks.create_runtime.is_empty()
                && hooks.create_container.is_empty())
        });
        if hooks {
            builder.push(Op::Sync { code: sync::HOOKS });
        }
        builder.push(Op::Pivot { root: self.root });
        if let Some(propagation) = linux.rootfs_propagation {
            let path = builder.text("/");
            let flags = bits(propagation_type(propagation) | libc::MS_REC);
            builder.push(Op::Propagation { path, flags });
        }
    }

    fn names(&mut self, spec: &Spec, namespaces: &Namespaces) -> Result<(), PlanError> {
        let builder = &mut self.draft.builder;
        let own = namespaces.has(bit(NamespaceType::Uts));
        for (property, name) in [("hostname", &spec.hostname), ("domainname", &spec.domainname)] {
            if !name.is_empty() && !own {
                return Err(PlanError::invalid(
                    property,
                    "needs a uts namespace in linux.namespaces",
                ));
            }
        }
        if !spec.hostname.is_empty() {
            let name = builder.text(&spec.hostname);
            builder.push(Op::Hostname { name });
        }
        if !spec.domainname.is_empty() {
            let name = builder.text(&spec.domainname);
            builder.push(Op::Domainname { name });
        }
        Ok(())
    }
}
