//! OCI bundles with the probe as the container's only program.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

/// A bundle in a directory of its own, removed with this value.
#[derive(Debug)]
pub struct Bundle {
    directory: TempDir,
    config: Value,
}

impl Bundle {
    /// A bundle whose root holds `/bin/probe` and whose `config` is to run it with `arguments`.
    ///
    /// # Panics
    /// The file system refuses.
    #[must_use]
    pub fn new(config: Value, arguments: &[&str]) -> Self {
        let directory = tempfile::Builder::new()
            .prefix("gantry-bundle-")
            .tempdir()
            .expect("a directory");
        let bin = directory.path().join("rootfs/bin");
        fs::create_dir_all(&bin).expect("a root");
        fs::copy(super::probe(), bin.join("probe")).expect("a copy of the probe");
        let mut bundle = Self { directory, config };
        bundle.set("/process/terminal", json!(false));
        bundle.set("/process/args", json!(arguments));
        bundle.set("/process/env", json!(["PATH=/bin"]));
        bundle
    }

    /// Sets the value at a JSON pointer, whose parent must exist.
    ///
    /// # Panics
    /// The pointer leads nowhere.
    pub fn set(&mut self, pointer: &str, value: Value) -> &mut Self {
        let (parent, key) = pointer.rsplit_once('/').expect("a JSON pointer");
        let parent = self.config.pointer_mut(parent).expect("the pointer's parent");
        match parent {
            Value::Array(items) if key == "-" => items.push(value),
            Value::Object(fields) => drop(fields.insert(key.to_owned(), value)),
            other => other[key.parse::<usize>().expect("an index")] = value,
        }
        fs::write(self.path().join("config.json"), self.config.to_string()).expect("config.json");
        self
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &Value {
        &self.config
    }

    /// The bundle's directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// A path inside the container's root, as the host sees it.
    #[must_use]
    pub fn rootfs(&self, path: &str) -> PathBuf {
        self.path().join("rootfs").join(path.trim_start_matches('/'))
    }
}
