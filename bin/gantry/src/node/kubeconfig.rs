//! `gantry kubeconfig`: the administrator's kubeconfig, alone or merged into the one that kubectl reads.
//!
//! Merging replaces the entries of this node's name and leaves the others; as kubectl's own
//! `config set-context` does, it keeps no comments.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::settings::NodePlace;
use super::{NOT_RUNNING, exit};
use crate::failure::{Failure, Outcome};
use crate::kube;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Write it into the file that kubectl reads (the first of KUBECONFIG, or ~/.kube/config), and make it current.
    #[arg(long)]
    merge: bool,
    /// Where kubectl's files are.
    #[arg(long, env = "KUBECONFIG", value_name = "FILES", hide = true)]
    into: Option<String>,
    #[arg(long, env = "HOME", value_name = "DIR", hide = true)]
    home: Option<PathBuf>,
    #[command(flatten)]
    node: NodePlace,
}

pub(crate) fn run(options: Options) -> Outcome {
    let config = options.node.clone().resolve()?;
    let own = fs::read_to_string(config.paths().kubeconfig()).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Failure::with_code(exit::NOT_RUNNING, NOT_RUNNING),
        io::ErrorKind::PermissionDenied => {
            Failure::with_code(exit::CANNOT, "only root may read the kubeconfig")
        }
        _ => error.into(),
    })?;
    if !options.merge {
        io::stdout().write_all(own.as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    }
    let path = target(&options)?;
    merge_into(&path, &own)?;
    writeln!(io::stderr(), "merged into {}", path.display())?;
    Ok(ExitCode::SUCCESS)
}

/// The file that `kubectl config` would write.
fn target(options: &Options) -> Result<PathBuf, Failure> {
    let listed = options.into.iter().flat_map(|files| files.split(':'));
    let first = listed.filter(|file| !file.is_empty()).map(PathBuf::from).next();
    let home = || options.home.as_ref().map(|home| home.join(".kube/config"));
    first
        .or_else(home)
        .ok_or_else(|| Failure::usage("neither KUBECONFIG nor HOME is set".to_owned()))
}

fn merge_into(path: &Path, own: &str) -> Result<(), Failure> {
    let theirs = match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        other => other?,
    };
    let merged = merged(&parsed(path, &theirs)?, &parsed(path, own)?);
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    let new = path.with_extension("new");
    drop(fs::remove_file(&new));
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(&new)?;
    file.write_all(kube::yaml(&merged)?.as_bytes())?;
    file.sync_all()?;
    Ok(fs::rename(&new, path)?)
}

fn parsed(path: &Path, text: &str) -> Result<Value, Failure> {
    if text.trim().is_empty() {
        return Ok(json!({"apiVersion": "v1", "kind": "Config"}));
    }
    let value = serde_saphyr::from_str::<Value>(text)
        .ok()
        .filter(Value::is_object);
    value.ok_or_else(|| {
        Failure::with_code(
            1,
            format!("{} is no kubeconfig; nothing was changed", path.display()),
        )
    })
}

/// Their file with our entries, ours current.
fn merged(theirs: &Value, own: &Value) -> Value {
    let mut merged = theirs.clone();
    for list in ["clusters", "users", "contexts"] {
        let entries = |value: &Value| value[list].as_array().cloned().unwrap_or_default();
        let ours = entries(own);
        let foreign = |entry: &Value| ours.iter().all(|own| own["name"] != entry["name"]);
        let kept = entries(theirs).into_iter().filter(foreign);
        merged[list] = kept.chain(ours.iter().cloned()).collect();
    }
    merged["current-context"] = own["current-context"].clone();
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "apiVersion: v1\nkind: Config\nclusters:\n- name: g\n  cluster: {server: new}\nusers: []\ncontexts: []\ncurrent-context: g\n";

    #[test]
    fn merging_keeps_what_is_others() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("deep/config");
        merge_into(&path, OWN).unwrap();
        let theirs = "clusters:\n- name: other\n  cluster: {server: theirs}\n- name: g\n  cluster: {server: old}\ncurrent-context: other\npreferences: {colors: true}\n";
        fs::write(&path, theirs).unwrap();
        merge_into(&path, OWN).unwrap();
        let read = parsed(&path, &fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(
            read["clusters"],
            json!([
                {"name": "other", "cluster": {"server": "theirs"}},
                {"name": "g", "cluster": {"server": "new"}},
            ])
        );
        assert_eq!(read["current-context"], "g");
        assert_eq!(read["preferences"]["colors"], true);
    }

    #[test]
    fn what_is_no_kubeconfig_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config");
        fs::write(&path, "- a list\n").unwrap();
        assert!(
            merge_into(&path, OWN)
                .unwrap_err()
                .message()
                .contains("nothing was changed")
        );
        assert_eq!(fs::read_to_string(&path).unwrap(), "- a list\n");
    }
}
