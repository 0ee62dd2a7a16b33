//! Which node, and how it shall be: flag > `GANTRY_*` > file > default, each parsed into its type here.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use cluster::{Config, DiskQuota, InstanceName, Kubernetes};

use super::file::{self, File};
use super::{kubernetes, registries, registry};
use crate::failure::Failure;

/// Upstream's.
pub(super) const MINIMUM_AGE: Duration = Duration::from_secs(120);

/// Which node: all that a command needs which makes none.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct NodePlace {
    /// What links, nf_tables table and cgroups are named after [default: gantry].
    #[arg(long, env = "GANTRY_NAME")]
    name: Option<InstanceName>,
    /// A TOML or YAML file with the node's options as keys.
    #[arg(long, env = "GANTRY_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// What survives a reboot [default: /var/lib/gantry].
    #[arg(long, env = "GANTRY_DATA_DIR", value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Sockets and pid files [default: /run/gantry].
    #[arg(long, env = "GANTRY_RUN_DIR", value_name = "DIR")]
    run_dir: Option<PathBuf>,
    /// Where the Docker Engine API is served [default: RUN/docker.sock].
    #[arg(long, env = "GANTRY_DOCKER_SOCKET", value_name = "PATH")]
    docker_socket: Option<PathBuf>,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct NodeOptions {
    #[command(flatten)]
    place: NodePlace,
    /// Network namespaces kept ready for containers to come [default: 16].
    #[arg(long, env = "GANTRY_READY_NAMESPACES", value_name = "COUNT", value_parser = clap::value_parser!(u16).range(..=1024))]
    ready_namespaces: Option<u16>,
    /// How much may be taken: a part of the disk, or bytes of build cache and of images that can be pulled again. Above
    /// 80 % of it the least recently used of them go by themselves; what exists nowhere else, and volumes, never do
    /// [default: 100%].
    #[arg(long, env = "GANTRY_DISK_QUOTA", value_name = "PERCENT%|BYTES")]
    disk_quota: Option<DiskQuota>,
    /// What was used within so long stays even then [default: 2m].
    #[arg(long, env = "GANTRY_IMAGE_MINIMUM_GC_AGE", value_name = "DURATION", value_parser = humantime::parse_duration)]
    image_minimum_gc_age: Option<Duration>,
    #[command(flatten)]
    registry: registry::OwnRegistryOptions,
    #[command(flatten)]
    registries: registries::RegistryOptions,
    #[command(flatten)]
    kubernetes: kubernetes::KubernetesOptions,
}

/// How long `up` and `restart` wait.
#[derive(Clone, Debug, Args)]
pub(crate) struct WaitOption {
    /// How long to wait until the node is ready [default: 60s].
    #[arg(long, env = "GANTRY_WAIT", value_parser = humantime::parse_duration)]
    wait: Option<Duration>,
}

impl NodePlace {
    /// For a command to which a node is no more than the place where it serves.
    pub(crate) fn serving_at(
        config: Option<PathBuf>,
        run_dir: Option<PathBuf>,
        docker_socket: Option<PathBuf>,
    ) -> Self {
        Self {
            config,
            run_dir,
            docker_socket,
            ..Self::default()
        }
    }

    /// For a command to which a node is no more than the place of its kubeconfig.
    pub(crate) fn stored_at(config: Option<PathBuf>, data_dir: Option<PathBuf>) -> Self {
        Self {
            data_dir,
            ..Self::serving_at(config, None, None)
        }
    }

    /// # Errors
    /// A usage failure that names the file's line.
    pub(crate) fn resolve(self) -> Result<Config, Failure> {
        let node = NodeOptions {
            place: self,
            ready_namespaces: None,
            disk_quota: None,
            image_minimum_gc_age: None,
            registry: registry::OwnRegistryOptions::default(),
            registries: registries::RegistryOptions::default(),
            kubernetes: kubernetes::KubernetesOptions::default(),
        };
        node.resolve()
    }
}

impl NodeOptions {
    /// # Errors
    /// A usage failure that names the file's line.
    pub(crate) fn resolve(self) -> Result<Config, Failure> {
        let file = self.file()?;
        self.over(file)
    }

    /// The same with how long to wait.
    pub(crate) fn resolve_with(self, wait: &WaitOption) -> Result<(Config, Duration), Failure> {
        let file = self.file()?;
        let wait = wait.wait.or(file.wait).unwrap_or(Duration::from_secs(60));
        Ok((self.over(file)?, wait))
    }

    fn file(&self) -> Result<File, Failure> {
        self.place
            .config
            .as_deref()
            .map_or(Ok(File::default()), file::read)
    }

    fn over(self, file: File) -> Result<Config, Failure> {
        let (kubernetes, registry) = (self.kubernetes.over(&file), self.registry.over(&file));
        let registries = self.registries.over(&file, registries::variable)?;
        let place = self.place;
        let run_dir = absolute(place.run_dir.or(file.run_dir), Path::new("/run/gantry"))?;
        let data_dir = absolute(place.data_dir.or(file.data_dir), Path::new("/var/lib/gantry"))?;
        let docker_socket = absolute(
            place.docker_socket.or(file.docker_socket),
            &run_dir.join("docker.sock"),
        )?;
        apart(&kubernetes)?;
        socket_fits(&docker_socket)?;
        socket_fits(&run_dir.join("supervisor.sock"))?;
        Ok(Config {
            name: place.name.or(file.name).unwrap_or_default(),
            data_dir,
            run_dir,
            docker_socket,
            ready_namespaces: self
                .ready_namespaces
                .or(file.ready_namespaces)
                .unwrap_or(16)
                .into(),
            disk_quota: self.disk_quota.or(file.disk_quota).unwrap_or_default(),
            image_minimum_gc_age: self
                .image_minimum_gc_age
                .or(file.image_minimum_gc_age)
                .unwrap_or(MINIMUM_AGE),
            registry,
            registries,
            kubernetes,
        })
    }
}

fn absolute(given: Option<PathBuf>, default: &Path) -> Result<PathBuf, Failure> {
    let path = given.unwrap_or_else(|| default.to_owned());
    std::path::absolute(&path).map_err(|error| Failure::usage(format!("{}: {error}", path.display())))
}

/// A packet to an address that is a pod's and a Service's could go to either.
fn apart(kubernetes: &Kubernetes) -> Result<(), Failure> {
    let (pods, services) = (&kubernetes.pod_cidr, &kubernetes.service_cidr);
    if pods.overlaps(services) {
        return Err(Failure::usage(format!(
            "--pod-cidr {pods} and --service-cidr {services} overlap"
        )));
    }
    if services.first().is_ipv6() && !kubernetes.without.kubelet {
        return Err(Failure::usage(format!(
            "--service-cidr {services}: pods reach IPv4 Services only; --without kubelet serves the API alone"
        )));
    }
    Ok(())
}

/// unix(7): a socket's path has at most 107 bytes.
fn socket_fits(path: &Path) -> Result<(), Failure> {
    if path.as_os_str().len() <= 107 {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "{} is too long for a socket: 107 bytes at most",
        path.display()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        node: NodeOptions,
        #[command(flatten)]
        wait: WaitOption,
    }

    fn resolve(words: &[&str]) -> Result<(Config, Duration), Failure> {
        let line = Line::try_parse_from([&["x"], words].concat()).unwrap();
        line.node.resolve_with(&line.wait)
    }

    #[test]
    fn a_flag_beats_the_file_and_the_file_the_default() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("gantry.toml");
        std::fs::write(&path, "name = \"file\"\nrun-dir = \"/r\"\nwait = \"5s\"\n").unwrap();
        let (config, wait) = resolve(&["--config", path.to_str().unwrap(), "--name", "flag"]).unwrap();
        assert_eq!(config.name.as_str(), "flag");
        assert_eq!(config.run_dir, Path::new("/r"));
        assert_eq!(config.docker_socket, Path::new("/r/docker.sock"));
        assert_eq!(config.data_dir, Path::new("/var/lib/gantry"));
        assert_eq!(wait, Duration::from_secs(5));
    }

    #[test]
    fn pods_and_services_have_addresses_of_their_own() {
        let overlapping = [("10.43.0.0/24", "10.43.0.0/16"), ("10.0.0.0/8", "10.43.0.0/16")];
        for (pods, services) in overlapping {
            let failure = resolve(&["--pod-cidr", pods, "--service-cidr", services]).unwrap_err();
            assert!(failure.message().contains("overlap"), "{}", failure.message());
        }
        resolve(&["--pod-cidr", "10.42.0.0/16", "--service-cidr", "10.43.0.0/16"]).unwrap();
        let failure = resolve(&["--service-cidr", "fd00::/112"]).unwrap_err();
        assert!(
            failure.message().contains("IPv4 Services"),
            "{}",
            failure.message()
        );
        resolve(&["--service-cidr", "fd00::/112", "--without", "kubelet"]).unwrap();
    }

    #[test]
    fn a_path_that_no_socket_can_have_is_refused() {
        let long = format!("/{}", "x".repeat(120));
        let failure = resolve(&["--run-dir", &long]).unwrap_err();
        assert!(failure.message().contains("107 bytes"), "{}", failure.message());
    }
}
