//! The options about other people's registries: those of `up`, of the file, and of the daemon's command line.

use std::path::{Path, PathBuf};

use clap::Args;
use cluster::Registries;

use super::file::File;

/// As flags.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub(super) struct RegistryOptions {
    /// Mirrors and credentials of registries, as k3s has them [default: /etc/gantry/registries.yaml].
    #[arg(long, env = "GANTRY_REGISTRIES", value_name = "FILE")]
    registries: Option<PathBuf>,
    /// A directory for each registry with a hosts.toml, as containerd has them [default: /etc/containerd/certs.d].
    #[arg(long, env = "GANTRY_REGISTRY_HOSTS", value_name = "DIR")]
    registry_hosts: Option<PathBuf>,
    /// A registry, or a network of them, that may speak plain HTTP or show any certificate; once for each.
    #[arg(
        long,
        env = "GANTRY_INSECURE_REGISTRY",
        value_name = "HOST|CIDR",
        value_delimiter = ','
    )]
    insecure_registry: Vec<String>,
    /// A mirror of Docker Hub; once for each.
    #[arg(
        long,
        env = "GANTRY_REGISTRY_MIRROR",
        value_name = "URL",
        value_delimiter = ','
    )]
    registry_mirror: Vec<String>,
    /// The proxy for http:// [default: HTTP_PROXY].
    #[arg(long, env = "GANTRY_HTTP_PROXY", value_name = "URL")]
    http_proxy: Option<String>,
    /// The proxy for https:// [default: HTTPS_PROXY].
    #[arg(long, env = "GANTRY_HTTPS_PROXY", value_name = "URL")]
    https_proxy: Option<String>,
    /// What is reached without a proxy [default: NO_PROXY].
    #[arg(long, env = "GANTRY_NO_PROXY", value_name = "HOSTS")]
    no_proxy: Option<String>,
}

impl RegistryOptions {
    /// These, then the file's, then the environment's that everybody uses, then the defaults.
    pub(super) fn over(self, file: &File, environment: impl Fn(&str) -> Option<String>) -> Registries {
        let usual = Registries::usual(environment);
        let some = |list: Vec<String>, other: &[String]| {
            if list.is_empty() { other.to_vec() } else { list }
        };
        let path = |given: Option<PathBuf>, file: &Option<PathBuf>, usual: &Path| {
            given.or_else(|| file.clone()).unwrap_or_else(|| usual.to_owned())
        };
        Registries {
            file: path(self.registries, &file.registries, &usual.file),
            hosts: path(self.registry_hosts, &file.registry_hosts, &usual.hosts),
            insecure: some(self.insecure_registry, &file.insecure_registry),
            mirrors: some(self.registry_mirror, &file.registry_mirror),
            http_proxy: self
                .http_proxy
                .or_else(|| file.http_proxy.clone())
                .unwrap_or(usual.http_proxy),
            https_proxy: self
                .https_proxy
                .or_else(|| file.https_proxy.clone())
                .unwrap_or(usual.https_proxy),
            no_proxy: self
                .no_proxy
                .or_else(|| file.no_proxy.clone())
                .unwrap_or(usual.no_proxy),
        }
    }
}

/// What a daemon that shall be like this is told.
pub(super) fn words(registries: &Registries) -> Vec<String> {
    let mut words = vec![
        format!("--registries={}", registries.file.display()),
        format!("--registry-hosts={}", registries.hosts.display()),
        format!("--http-proxy={}", registries.http_proxy),
        format!("--https-proxy={}", registries.https_proxy),
        format!("--no-proxy={}", registries.no_proxy),
    ];
    words.extend(
        registries
            .insecure
            .iter()
            .map(|host| format!("--insecure-registry={host}")),
    );
    words.extend(
        registries
            .mirrors
            .iter()
            .map(|mirror| format!("--registry-mirror={mirror}")),
    );
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: RegistryOptions,
    }

    #[test]
    fn a_daemon_is_told_what_up_was() {
        let file = File {
            registry_hosts: Some("/h".into()),
            insecure_registry: vec!["file:1".into()],
            registry_mirror: vec!["http://m".into()],
            ..File::default()
        };
        let line = Line::try_parse_from(["x", "--insecure-registry", "a:1,10.0.0.0/8", "--no-proxy", ""]);
        let environment = |name: &str| (name == "NO_PROXY" || name == "https_proxy").then(|| name.to_owned());
        let registries = line.unwrap().options.over(&file, environment);
        assert_eq!(registries.insecure, ["a:1", "10.0.0.0/8"]);
        assert_eq!(registries.mirrors, ["http://m"]);
        assert_eq!(
            (registries.https_proxy.as_str(), registries.no_proxy.as_str()),
            ("https_proxy", "")
        );
        assert_eq!(registries.hosts, Path::new("/h"));
        let told = [vec!["x".to_owned()], words(&registries)].concat();
        let again = Line::try_parse_from(told).unwrap().options;
        assert_eq!(again.over(&File::default(), |_| None), registries);
    }
}
