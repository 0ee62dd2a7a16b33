//! The options of the node's own registry: those of `up`, of the file, and of the daemon's command line.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use clap::Args;
use cluster::Registry;

use super::file::File;

/// The port of everybody's registries.
const PORT: u16 = 5000;

/// As flags.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub(super) struct OwnRegistryOptions {
    /// The address on which the node's registry is served; others than loopback's need passwords or tokens in
    /// --registry-config [default: 127.0.0.1].
    #[arg(long, env = "GANTRY_REGISTRY_BIND", value_name = "ADDRESS")]
    registry_bind: Option<IpAddr>,
    /// The port of the node's registry; 0 is no registry [default: 5000].
    #[arg(long, env = "GANTRY_REGISTRY_PORT", value_name = "PORT")]
    registry_port: Option<u16>,
    /// A TOML file: who may do what, certificates, webhooks, limits of the registry.
    #[arg(long, env = "GANTRY_REGISTRY_CONFIG", value_name = "FILE")]
    registry_config: Option<PathBuf>,
}

impl OwnRegistryOptions {
    /// These, then the file's, then the defaults.
    pub(super) fn over(self, file: &File) -> Registry {
        let path = self.registry_config.or_else(|| file.registry_config.clone());
        Registry {
            bind: self
                .registry_bind
                .or(file.registry_bind)
                .unwrap_or(Ipv4Addr::LOCALHOST.into()),
            port: self.registry_port.or(file.registry_port).unwrap_or(PORT),
            // The daemon has a directory of its own.
            file: path.map(|path| absolute(&path)),
        }
    }
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// What a daemon that shall be like this is told.
pub(super) fn words(registry: &Registry) -> Vec<String> {
    let file = registry
        .file
        .as_deref()
        .map(|path| format!("--registry-config={}", path.display()));
    let place = [
        format!("--registry-bind={}", registry.bind),
        format!("--registry-port={}", registry.port),
    ];
    place.into_iter().chain(file).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: OwnRegistryOptions,
    }

    fn parsed(words: &[String]) -> Registry {
        let line = [vec!["x".to_owned()], words.to_vec()].concat();
        Line::try_parse_from(line).unwrap().options.over(&File::default())
    }

    #[test]
    fn a_daemon_is_told_what_was_asked_for() {
        let usual = parsed(&[]);
        assert_eq!(
            (usual.bind, usual.port, &usual.file),
            (Ipv4Addr::LOCALHOST.into(), 5000, &None)
        );
        assert_eq!(parsed(&words(&usual)), usual);
        let asked = [
            "--registry-port=0",
            "--registry-bind=::1",
            "--registry-config=/etc/r.toml",
        ];
        let other = parsed(&asked.map(str::to_owned));
        assert_eq!(
            (other.port, other.file.as_deref()),
            (0, Some(Path::new("/etc/r.toml")))
        );
        assert_eq!(parsed(&words(&other)), other);
    }
}
