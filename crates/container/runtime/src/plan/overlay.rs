//! A root file system of layers, mounted by the new process in its own mount namespace: no mount of
//! a container is ever visible on the host, and when the namespace goes the mount is gone.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use sys::program::{Builder, Op, Slot, Text};

use super::PlanError;

/// Longest value that fsconfig(2) takes, its NUL included.
const MAX_VALUE: usize = 256;
/// Most data that mount(2) takes, its NUL included: one page.
const MAX_DATA: usize = 4096;

/// The directories of an overlay (the kernel's Documentation/filesystems/overlayfs.rst).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overlay {
    /// Read-only layers, the top one first. With none `upper` alone is the root.
    pub lower: Vec<PathBuf>,
    /// Where changes go; a root without it cannot be written to.
    pub upper: Option<PathBuf>,
    /// The overlay's own directory, beside `upper`.
    pub work: Option<PathBuf>,
    /// Whether this kernel takes layers one at a time ([`sys::mount::appends_layers`]). Where it
    /// does not, all of their names have to fit into one page.
    pub appends: bool,
}

impl Overlay {
    /// Mounts the layers at `at` and answers the slot of the mount's root.
    pub(super) fn attach(&self, builder: &mut Builder, at: Text) -> Result<Slot, PlanError> {
        let out = builder.slot();
        match (&self.lower[..], &self.upper) {
            ([], Some(upper)) => {
                let path = builder.text(upper.as_os_str().as_bytes());
                builder.push(Op::Tree {
                    out,
                    dir: Slot::NONE,
                    path,
                    flags: libc::OPEN_TREE_CLONE,
                });
            }
            _ if self.appends => {
                let options = builder.texts(self.options()?);
                let kind = builder.text("overlay");
                builder.push(Op::Filesystem {
                    out,
                    kind,
                    options,
                    attributes: 0,
                });
            }
            _ => {
                self.mount_classic(builder, at, out)?;
                return Ok(out);
            }
        }
        builder.push(Op::Attach {
            tree: out,
            root: Slot::NONE,
            path: at,
            flags: 0,
        });
        Ok(out)
    }

    /// One option for each layer. `index=off`: a container's layers may move below the data
    /// directory, and an index would then refuse them.
    fn options(&self) -> Result<Vec<Vec<u8>>, PlanError> {
        let lower = self.lower.iter().map(|path| ("lowerdir+", path));
        let upper = self.upper.iter().map(|path| ("upperdir", path));
        let work = self.work.iter().map(|path| ("workdir", path));
        let paths = lower.chain(upper).chain(work);
        let options = paths.map(|(key, path)| {
            let path = path.as_os_str().as_bytes();
            if path.len() < MAX_VALUE {
                Ok([key.as_bytes(), b"=", path].concat())
            } else {
                Err(PlanError::invalid(
                    "root",
                    "the path of a layer is longer than 255 bytes",
                ))
            }
        });
        options.chain([Ok(b"index=off".to_vec())]).collect()
    }

    /// For kernels before 6.7: names are relative to what all layers have in common.
    fn mount_classic(&self, builder: &mut Builder, at: Text, out: Slot) -> Result<(), PlanError> {
        let base = self.base();
        let name = |path: &PathBuf| escape(path.strip_prefix(&base).unwrap_or(path));
        let lower: Vec<Vec<u8>> = self.lower.iter().map(name).collect();
        let mut data = [b"index=off,lowerdir=", &lower.join(&b':')[..]].concat();
        for (key, path) in [("upperdir", &self.upper), ("workdir", &self.work)] {
            if let Some(path) = path {
                data.extend([b",", key.as_bytes(), b"=", &name(path)[..]].concat());
            }
        }
        if data.len() >= MAX_DATA {
            return Err(PlanError::invalid(
                "root",
                "the image has more layers than this kernel (before Linux 6.7) can mount at once",
            ));
        }
        let (path, kind) = (builder.text(base.as_os_str().as_bytes()), builder.text("overlay"));
        let data = builder.text(data);
        builder.push(Op::Chdir { path, flags: 0 });
        builder.push(Op::Mount { kind, path: at, data });
        builder.push(Op::Open {
            out,
            dir: Slot::NONE,
            path: at,
            flags: libc::O_DIRECTORY.cast_unsigned(),
        });
        Ok(())
    }

    /// The deepest directory that holds every layer.
    fn base(&self) -> PathBuf {
        let mut paths = self.lower.iter().chain(&self.upper).chain(&self.work);
        let first = paths.next().map_or(Path::new("/"), PathBuf::as_path);
        let common = paths.fold(first.parent().unwrap_or(first), |base, path| {
            let holds = |base: &&Path| path.parent().is_some_and(|parent| parent.starts_with(base));
            base.ancestors().find(holds).unwrap_or(Path::new("/"))
        });
        common.to_owned()
    }
}

/// A path in mount(2)'s data: what separates options and layers is escaped.
fn escape(path: &Path) -> Vec<u8> {
    let mut escaped = Vec::new();
    for byte in path.as_os_str().as_bytes() {
        if matches!(byte, b':' | b',' | b'\\') {
            escaped.push(b'\\');
        }
        escaped.push(*byte);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layers(appends: bool) -> Overlay {
        Overlay {
            lower: vec!["/d/s/2/fs".into(), "/d/s/1/fs".into()],
            upper: Some("/d/s/3/fs".into()),
            work: Some("/d/s/3/work".into()),
            appends,
        }
    }

    fn listing(overlay: &Overlay) -> Vec<String> {
        let mut builder = Builder::new(0);
        let at = builder.text("/root");
        overlay.attach(&mut builder, at).unwrap();
        let program = builder.finish().unwrap();
        (0..).map_while(|op| program.line(op)).collect()
    }

    #[test]
    fn layers_are_appended_where_the_kernel_takes_them_so() {
        let lines = listing(&layers(true));
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(
            lines[0].contains("lowerdir+=/d/s/2/fs") && lines[0].contains("upperdir=/d/s/3/fs"),
            "{lines:?}"
        );
    }

    #[test]
    fn elsewhere_names_are_short_and_relative() {
        let lines = listing(&layers(false));
        assert!(lines[0].contains("/d/s"), "{lines:?}");
        let data = "index=off,lowerdir=2/fs:1/fs,upperdir=3/fs,workdir=3/work";
        assert!(lines[1].contains(data), "{lines:?}");
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let long = PathBuf::from(format!("/{}", "x".repeat(300)));
        let mut overlay = layers(true);
        overlay.lower.push(long);
        let mut builder = Builder::new(0);
        let at = builder.text("/root");
        assert!(overlay.attach(&mut builder, at).is_err());
        let many = Overlay {
            lower: (0..1000).map(|n| format!("/d/s/{n}/fs").into()).collect(),
            ..layers(false)
        };
        assert!(many.attach(&mut builder, at).is_err());
    }

    #[test]
    fn separators_in_a_name_are_escaped() {
        assert_eq!(escape(Path::new("a:b,c\\d")), b"a\\:b\\,c\\\\d");
    }

    #[test]
    fn a_root_of_nothing_but_changes_is_that_directory() {
        let overlay = Overlay {
            lower: Vec::new(),
            ..layers(true)
        };
        let lines = listing(&overlay);
        assert!(
            lines[0].starts_with("Tree") && lines[0].contains("/d/s/3/fs"),
            "{lines:?}"
        );
    }
}
