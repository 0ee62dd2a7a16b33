//! The configuration file: the long options as keys, in TOML or YAML. Whatever is wrong is told with its
//! line; an unknown key is wrong.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cluster::{Cidr, Controllers, DiskQuota, Domain, InstanceName, PodCidr, PortRange, Without};
use serde::Deserialize;

use crate::failure::Failure;

/// Nobody writes more than this by hand.
const MAX_SIZE: u64 = 1 << 20;

#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct File {
    pub(super) name: Option<InstanceName>,
    pub(super) data_dir: Option<PathBuf>,
    pub(super) run_dir: Option<PathBuf>,
    pub(super) docker_socket: Option<PathBuf>,
    pub(super) ready_namespaces: Option<u16>,
    pub(super) disk_quota: Option<DiskQuota>,
    #[serde(deserialize_with = "duration")]
    pub(super) image_minimum_gc_age: Option<Duration>,
    pub(super) registry_bind: Option<IpAddr>,
    pub(super) registry_port: Option<u16>,
    pub(super) registry_config: Option<PathBuf>,
    pub(super) registries: Option<PathBuf>,
    pub(super) registry_hosts: Option<PathBuf>,
    pub(super) insecure_registry: Vec<String>,
    pub(super) registry_mirror: Vec<String>,
    #[serde(deserialize_with = "duration")]
    pub(super) wait: Option<Duration>,
    pub(super) bind: Option<IpAddr>,
    pub(super) node_ip: Option<IpAddr>,
    pub(super) api_port: Option<u16>,
    pub(super) service_cidr: Option<Cidr>,
    pub(super) node_port_range: Option<PortRange>,
    pub(super) cluster_domain: Option<Domain>,
    pub(super) pod_cidr: Option<PodCidr>,
    pub(super) kubelet_port: Option<u16>,
    pub(super) max_pods: Option<u16>,
    pub(super) controllers: Option<Controllers>,
    pub(super) without: Option<Without>,
}

fn duration<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(from)?;
    humantime::parse_duration(&text)
        .map(Some)
        .map_err(serde::de::Error::custom)
}

/// # Errors
/// A usage failure: `FILE:LINE: what is wrong`.
pub(super) fn read(path: &Path) -> Result<File, Failure> {
    let name = path.display();
    let usage = |problem: String| Failure::usage(format!("{name}{problem}"));
    let io = |error: std::io::Error| usage(format!(": {error}"));
    if fs::metadata(path).map_err(io)?.len() > MAX_SIZE {
        return Err(usage(": larger than 1 MiB".to_owned()));
    }
    let text = fs::read_to_string(path).map_err(io)?;
    let parsed = match path.extension().and_then(|extension| extension.to_str()) {
        Some("toml") => toml(&text),
        Some("yaml" | "yml") => yaml(&text),
        _ => Err(": the name ends neither in .toml nor in .yaml".to_owned()),
    };
    parsed.map_err(usage)
}

fn toml(text: &str) -> Result<File, String> {
    toml::from_str(text).map_err(|error| {
        let line = error.span().map(|span| {
            let before = text.as_bytes().iter().take(span.start);
            before.filter(|byte| **byte == b'\n').count() as u64 + 1
        });
        at(line, error.message())
    })
}

fn yaml(text: &str) -> Result<File, String> {
    serde_saphyr::from_str(text).map_err(|error| {
        let line = error.location().map(|location| location.line());
        let message = error.to_string();
        at(line, message.lines().next().unwrap_or_default())
    })
}

fn at(line: Option<u64>, message: &str) -> String {
    line.map_or_else(|| format!(": {message}"), |line| format!(":{line}: {message}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOML: &str = "name = \"a\"\n\ndata-dir = \"/d\"\nwait = \"1m\"\n";
    const YAML: &str = "name: a\n\ndata-dir: /d\nwait: 1m\n";

    #[test]
    fn both_languages_say_the_same() {
        let expected = File {
            name: Some("a".parse().unwrap()),
            data_dir: Some("/d".into()),
            wait: Some(Duration::from_secs(60)),
            ..File::default()
        };
        assert_eq!(toml(TOML).unwrap(), expected);
        assert_eq!(yaml(YAML).unwrap(), expected);
        assert_eq!(toml("").unwrap(), File::default());
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        type Case = (fn(&str) -> Result<File, String>, &'static str, &'static str);
        let cases: &[Case] = &[
            (toml, "name = \"a\"\nnmae = \"b\"\n", ":2: unknown field `nmae`"),
            (yaml, "name: a\nnmae: b\n", ":2: "),
            (toml, "\nname = 3\n", ":2: invalid type"),
            (toml, "name = \"A\"\n", ":1: \"A\" is no name for a node"),
            (toml, "name = \n", ":1: "),
            (
                toml,
                "service-cidr = \"10.0.0.1/8\"\n",
                ":1: \"10.0.0.1/8\" is no network",
            ),
            (
                toml,
                "pod-cidr = \"10.0.0.1/8\"\n",
                ":1: \"10.0.0.1/8\" is no network",
            ),
            (yaml, "name: a\nwait: soon\n", ":2: "),
        ];
        for (parse, text, expected) in cases {
            let error = parse(text).unwrap_err();
            assert!(error.starts_with(expected), "{text:?}: {error}");
        }
        assert!(yaml("name: a\nnmae: b\n").unwrap_err().contains("nmae"));
    }
}
