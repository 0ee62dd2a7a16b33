//! The options about other people's registries: those of `up`, of the file, and of the daemon's command line.

use std::path::PathBuf;

use clap::Args;
use cluster::Registries;
use distribution::config::Proxies;

use super::file::File;
use crate::failure::Failure;

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
}

impl RegistryOptions {
    /// These, then the file's, then the defaults; proxies are the environment's that everybody uses.
    ///
    /// # Errors
    /// A usage failure that names the variable.
    pub(super) fn over(
        self,
        file: &File,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Registries, Failure> {
        let some = |list: Vec<String>, other: &[String]| {
            if list.is_empty() { other.to_vec() } else { list }
        };
        let path = |given: Option<PathBuf>, file: &Option<PathBuf>, usual: &str| {
            given.or_else(|| file.clone()).unwrap_or_else(|| usual.into())
        };
        let proxies = Proxies::from_variables(environment);
        Ok(Registries {
            file: path(self.registries, &file.registries, "/etc/gantry/registries.yaml"),
            hosts: path(
                self.registry_hosts,
                &file.registry_hosts,
                "/etc/containerd/certs.d",
            ),
            insecure: some(self.insecure_registry, &file.insecure_registry),
            mirrors: some(self.registry_mirror, &file.registry_mirror),
            proxies: proxies.map_err(|error| Failure::usage(error.to_string()))?,
        })
    }
}

/// A variable of the environment. Only proxies and Docker's own settings are looked up here: the flags' are clap's.
#[expect(
    clippy::disallowed_methods,
    reason = "this is where configuration is parsed, and a proxy's password is for no command line"
)]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// What a daemon that shall be like this is told.
pub(super) fn words(registries: &Registries) -> Vec<String> {
    let mut words = vec![
        format!("--registries={}", registries.file.display()),
        format!("--registry-hosts={}", registries.hosts.display()),
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
    use std::path::Path;

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
        let line = Line::try_parse_from(["x", "--insecure-registry", "a:1,10.0.0.0/8"]).unwrap();
        let environment = |name: &str| (name == "https_proxy").then(|| "http://u:p@proxy:3128".to_owned());
        let registries = line.options.over(&file, environment).unwrap();
        assert_eq!(registries.insecure, ["a:1", "10.0.0.0/8"]);
        assert_eq!(registries.mirrors, ["http://m"]);
        assert_eq!(registries.hosts, Path::new("/h"));
        let told = [vec!["x".to_owned()], words(&registries)].concat();
        assert!(
            !told.concat().contains("proxy"),
            "passwords are not for command lines"
        );
        let again = Line::try_parse_from(told).unwrap().options;
        assert_eq!(again.over(&File::default(), environment).unwrap(), registries);
    }

    #[test]
    fn a_proxy_that_is_none_is_named() {
        let environment = |name: &str| (name == "HTTP_PROXY").then(|| "ftp://x".to_owned());
        let failure = RegistryOptions::default()
            .over(&File::default(), environment)
            .unwrap_err();
        assert!(failure.message().contains("HTTP_PROXY"), "{}", failure.message());
    }
}
