//! Reads the files of [`Sources`], and those that they name. Everything is looked at here, so that a mistake shows when
//! the configuration is read and not when an image is pulled.

use std::cell::RefCell;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::hosts::HostOptions;
use super::insecure::Insecure;
use super::registries::{HostConfig, Mirrors};
use super::{Config, ConfigError, HostsDirectory, Sources, Tls, address, hosts, registries};
use crate::Credentials;

/// The largest file, in bytes: the authorities of a machine are some 200 KiB.
const LARGEST: u64 = 8 << 20;

pub(super) fn load(sources: &Sources) -> Result<(Config, Vec<String>), ConfigError> {
    let warnings = RefCell::new(Vec::new());
    let mut config = Config {
        insecure: Insecure::parse(&sources.insecure)?,
        hub_mirrors: hub_mirrors(&sources.mirrors)?,
        machine: machine(&sources.authorities),
        ..Config::default()
    };
    for root in &sources.registries {
        registries_file(&mut config, root, &warnings)?;
    }
    for (host, path) in directories(&sources.certificates)? {
        let tls = certificates(&path)?;
        config.certificates.insert(host, tls);
    }
    for (host, path) in directories(&sources.hosts)? {
        let directory = hosts_directory(&path, &warnings)?;
        if host == "_default" {
            config.all_hosts = Some(directory);
        } else {
            config.hosts.insert(host, directory);
        }
    }
    Ok((config, warnings.into_inner()))
}

fn hub_mirrors(mirrors: &[String]) -> Result<Mirrors, ConfigError> {
    let mut endpoints = Vec::new();
    for (at, text) in mirrors.iter().enumerate() {
        let base = address::parse(text).and_then(|base| {
            let path = format!("{}/v2", base.path().trim_end_matches('/'));
            address::with_path(&base, &path).ok_or_else(|| "is no URL".to_owned())
        });
        endpoints.push(base.map_err(|problem| ConfigError {
            file: "registry-mirrors".into(),
            key: format!("[{at}]"),
            problem,
        })?);
    }
    let rewrites = Vec::new();
    Ok(Mirrors { endpoints, rewrites })
}

fn machine(candidates: &[PathBuf]) -> Bytes {
    let mut found = candidates.iter().filter_map(|path| read(path).ok().flatten());
    found.next().unwrap_or_default()
}

fn registries_file(
    config: &mut Config,
    path: &Path,
    warnings: &RefCell<Vec<String>>,
) -> Result<(), ConfigError> {
    let Some(text) = text(path)? else {
        return Ok(());
    };
    let file = registries::parse(&text, path, warnings)?;
    config.mirrors.extend(file.mirrors);
    for (host, each) in file.configs {
        let key = format!("configs.{host:?}");
        let wrong = |key: &str, problem: String| ConfigError {
            file: path.to_owned(),
            key: key.to_owned(),
            problem,
        };
        if host == "*" && each.credentials != Credentials::Anonymous {
            let problem = "would send these credentials to every server: name the host that they are for";
            return Err(wrong(&format!("{key}.auth"), problem.to_owned()));
        }
        let tls = config_tls(&each)
            .and_then(checked)
            .map_err(|problem| wrong(&format!("{key}.tls"), problem))?;
        config.configs.insert(host, (each, tls));
    }
    Ok(())
}

fn config_tls(config: &HostConfig) -> Result<Tls, String> {
    let authorities: Vec<PathBuf> = config.authority.iter().cloned().collect();
    files(&authorities, config.client.as_ref(), !config.skip_verify)
}

fn hosts_directory(path: &Path, warnings: &RefCell<Vec<String>>) -> Result<HostsDirectory, ConfigError> {
    let file_path = path.join("hosts.toml");
    let Some(text) = text(&file_path)? else {
        return Ok(HostsDirectory {
            own: certificates(path)?,
            ..HostsDirectory::default()
        });
    };
    let file = hosts::parse(&text, &file_path, warnings)?;
    let tls = |key: String, options: &HostOptions| {
        let read = files(
            &options.authorities,
            options.client.as_ref(),
            !options.skip_verify,
        );
        read.and_then(checked).map_err(|problem| ConfigError {
            file: file_path.clone(),
            key,
            problem,
        })
    };
    let mirrors: Result<_, _> = file
        .mirrors
        .iter()
        .map(|(base, options)| tls(format!("host.\"{base}\""), options))
        .collect();
    Ok(HostsDirectory {
        own: tls("server".to_owned(), &file.own)?,
        mirrors: mirrors?,
        file,
    })
}

/// Docker's form: every `.crt` is an authority, a `.cert` is the client's and has its `.key` beside it.
fn certificates(directory: &Path) -> Result<Tls, ConfigError> {
    let wrong = |name: &str, problem: String| ConfigError {
        file: directory.to_owned(),
        key: name.to_owned(),
        problem,
    };
    let names = names(directory)?;
    let has = |name: &str| names.iter().any(|each| each == name);
    let (mut authorities, mut client) = (Vec::new(), None);
    for name in &names {
        let path = directory.join(name);
        if name.ends_with(".crt") {
            authorities.push(path);
        } else if let Some(stem) = name.strip_suffix(".cert") {
            let key = format!("{stem}.key");
            if !has(&key) {
                let problem = format!(
                    "missing key {key} for client certificate {name}. CA certificates must use the extension .crt"
                );
                return Err(wrong(name, problem));
            }
            if client.is_some() {
                let problem = "is a second client certificate: leave the one that the server asks for";
                return Err(wrong(name, problem.to_owned()));
            }
            client = Some((path, directory.join(key)));
        } else if let Some(stem) = name.strip_suffix(".key") {
            let certificate = format!("{stem}.cert");
            if !has(&certificate) {
                return Err(wrong(
                    name,
                    format!("missing client certificate {certificate} for key {name}"),
                ));
            }
        }
    }
    let tls = files(&authorities, client.as_ref(), true).and_then(checked);
    tls.map_err(|problem| wrong("certificates", problem))
}

fn files(authorities: &[PathBuf], client: Option<&(PathBuf, PathBuf)>, verify: bool) -> Result<Tls, String> {
    let mut all = Vec::new();
    for path in authorities {
        all.extend_from_slice(&needed(path)?);
        all.push(b'\n');
    }
    let client = match client {
        Some((certificate, key)) => Some((needed(certificate)?, needed(key)?)),
        None => None,
    };
    Ok(Tls {
        authorities: all.into(),
        client,
        verify,
    })
}

/// Whether it can be used, found out without any of the machine's authorities.
fn checked(tls: Tls) -> Result<Tls, String> {
    let verify = tls.verify && !tls.authorities.is_empty();
    let alone = Tls {
        verify,
        ..tls.clone()
    };
    alone.connector(b"").map_err(|error| {
        format!("these certificates cannot be used: {error}; they must be PEM files, a key beside its own certificate")
    })?;
    Ok(tls)
}

fn needed(path: &Path) -> Result<Bytes, String> {
    match read(path) {
        Ok(Some(bytes)) => Ok(bytes),
        Ok(None) => Err(format!("{} does not exist", path.display())),
        Err(error) => Err(format!("{} cannot be read: {error}", path.display())),
    }
}

/// The directories in `roots` by the host that they are for, the most special name last.
fn directories(roots: &[PathBuf]) -> Result<Vec<(String, PathBuf)>, ConfigError> {
    let mut found = Vec::new();
    for root in roots {
        for name in names(root)? {
            let path = root.join(&name);
            if path.is_dir() {
                found.push((host_of(&name), path));
            }
        }
    }
    // Of `host:5000` and `host_5000_` containerd takes the latter.
    found.sort_by_key(|(_, path)| path.to_string_lossy().ends_with('_'));
    Ok(found)
}

/// `host_5000_` is `host:5000` where a name must not have a colon.
fn host_of(directory: &str) -> String {
    let split = directory.strip_suffix('_').and_then(|rest| rest.rsplit_once('_'));
    match split {
        Some((host, port)) if !port.is_empty() && port.bytes().all(|digit| digit.is_ascii_digit()) => {
            format!("{host}:{port}")
        }
        _ => directory.to_owned(),
    }
}

fn names(directory: &Path) -> Result<Vec<String>, ConfigError> {
    let wrong = |error: io::Error| unreadable(directory, &error);
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(wrong(error)),
    };
    let names = entries.map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()));
    let mut names: Vec<String> = names.collect::<Result<_, _>>().map_err(wrong)?;
    names.sort_unstable();
    Ok(names)
}

fn text(path: &Path) -> Result<Option<String>, ConfigError> {
    let bytes = read(path).map_err(|error| unreadable(path, &error))?;
    let text = bytes.map(|bytes| String::from_utf8(bytes.into()));
    text.transpose().map_err(|_| ConfigError {
        file: path.to_owned(),
        key: "file".to_owned(),
        problem: "must be text in UTF-8".to_owned(),
    })
}

fn unreadable(path: &Path, error: &io::Error) -> ConfigError {
    ConfigError {
        file: path.to_owned(),
        key: "file".to_owned(),
        problem: format!("cannot be read: {error}"),
    }
}

/// What a file holds, if there is one.
pub(super) fn read(path: &Path) -> io::Result<Option<Bytes>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(Some(bytes.into()))
}
