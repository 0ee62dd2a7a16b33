//! Which of a pod's pull secrets are for an image (upstream's `credentialprovider` keyring).
//!
//! A secret is Docker's configuration. Its keys are registries, with `*` in parts of the host's name and the beginning of
//! a path where one is said: `*.registry.io:5000/team`. The longest key comes first, and every one that fits is tried.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::{alphabet, engine::DecodePaddingMode};
use distribution::Credentials;
use image::Reference;
use serde::Deserialize;

/// What stands for Docker Hub.
const HUB: &str = "index.docker.io";

/// With padding or without.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

#[derive(Deserialize)]
struct Config {
    #[serde(default)]
    auths: BTreeMap<String, Entry>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    username: String,
    password: String,
    auth: String,
    identitytoken: String,
    registrytoken: String,
}

impl Entry {
    /// Whom it makes of somebody; none if it says nothing that makes sense.
    fn credentials(self) -> Option<Credentials> {
        if !self.registrytoken.is_empty() {
            return Some(Credentials::RegistryToken(self.registrytoken));
        }
        if !self.identitytoken.is_empty() {
            return Some(Credentials::IdentityToken(self.identitytoken));
        }
        let (username, password) = if self.auth.is_empty() {
            (self.username, self.password)
        } else {
            let text = String::from_utf8(BASE64.decode(self.auth.trim()).ok()?).ok()?;
            let (username, password) = text.split_once(':')?;
            (username.to_owned(), password.trim_end_matches('\0').to_owned())
        };
        (!username.is_empty()).then_some(Credentials::Basic { username, password })
    }
}

/// The credentials for an image, of all secrets, the ones that fit closest first.
pub(crate) fn matching(reference: &Reference, secrets: &[Vec<u8>]) -> Vec<Credentials> {
    let mut found: Vec<(String, Credentials)> = Vec::new();
    for secret in secrets {
        let Ok(config) = serde_json::from_slice::<Config>(secret) else {
            tracing::debug!("a pull secret is no configuration of Docker");
            continue;
        };
        let entries = config.auths.into_iter().map(|(key, entry)| (plain(&key), entry));
        let fitting = entries.filter(|(key, _)| fits(key, reference));
        found.extend(fitting.filter_map(|(key, entry)| Some((key, entry.credentials()?))));
    }
    found.sort_by(|(a, _), (b, _)| b.cmp(a));
    found.into_iter().map(|(_, credentials)| credentials).collect()
}

/// A key without scheme, and without the path of an API.
fn plain(key: &str) -> String {
    let key = key.split_once("://").map_or(key, |(_, rest)| rest);
    let key = key.trim_end_matches('/');
    let api = key.strip_suffix("/v1").or_else(|| key.strip_suffix("/v2"));
    api.unwrap_or(key).to_owned()
}

fn fits(key: &str, reference: &Reference) -> bool {
    let (host, path) = key.split_once('/').unwrap_or((key, ""));
    if reference.domain == "docker.io" {
        return (host == HUB || host == "docker.io") && reference.path.starts_with(path);
    }
    host_fits(host, &reference.domain) && reference.path.starts_with(path)
}

/// Whether a host, with its port, is one that a key names.
fn host_fits(key: &str, host: &str) -> bool {
    let split = |text: &'_ str| -> (String, String) {
        let (name, port) = text.rsplit_once(':').unwrap_or((text, ""));
        (name.to_owned(), port.to_owned())
    };
    let ((key, key_port), (host, port)) = (split(key), split(host));
    let (keys, parts): (Vec<_>, Vec<_>) = (key.split('.').collect(), host.split('.').collect());
    key_port == port
        && keys.len() == parts.len()
        && keys.iter().zip(&parts).all(|(key, part)| part_fits(key, part))
}

/// One part of a host's name, where `*` stands for any text.
fn part_fits(key: &str, part: &str) -> bool {
    let Some((first, rest)) = key.split_once('*') else {
        return key == part;
    };
    let Some(mut part) = part.strip_prefix(first) else {
        return false;
    };
    let mut pieces: Vec<&str> = rest.split('*').collect();
    let last = pieces.pop().unwrap_or_default();
    for piece in pieces {
        match part.find(piece) {
            Some(at) => part = &part[at + piece.len()..],
            None => return false,
        }
    }
    part.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_fit_registries_as_upstream_s_do() {
        let image = |name: &str| Reference::parse(name).unwrap();
        for (key, name, expected) in [
            ("https://index.docker.io/v1/", "busybox", true),
            ("docker.io", "library/busybox", true),
            ("index.docker.io", "r.io/busybox", false),
            ("r.io", "r.io/a/b", true),
            ("https://r.io/v2/", "r.io/a/b", true),
            ("r.io", "r.io:5000/a", false),
            ("r.io:5000", "r.io:5000/a", true),
            ("*.r.io", "x.r.io/a", true),
            ("*.r.io", "r.io/a", false),
            ("*.io", "x.r.io/a", false),
            ("pre*x.r.io", "preeefix.r.io/a", true),
            ("a*b*c.r.io", "aXbYc.r.io/a", true),
            ("a*b*c.r.io", "aXc.r.io/a", false),
            ("r.io/team", "r.io/team/a", true),
            ("r.io/team", "r.io/other/a", false),
        ] {
            assert_eq!(fits(&plain(key), &image(name)), expected, "{key} {name}");
        }
    }

    #[test]
    fn the_closest_key_comes_first_and_what_makes_no_sense_is_left_out() {
        let secrets = [
            br#"{"auths":{"r.io":{"auth":"dTpw"},"r.io/team":{"username":"a","password":"b"},"x.io":{"auth":"dTpw"}}}"#.to_vec(),
            b"no json".to_vec(),
            br#"{"auths":{"r.io/te":{"auth":"%%%"},"*.io":{"identitytoken":"t"}}}"#.to_vec(),
        ];
        let basic = |username: &str, password: &str| Credentials::Basic {
            username: username.to_owned(),
            password: password.to_owned(),
        };
        let found = matching(&Reference::parse("r.io/team/web:1").unwrap(), &secrets);
        let expected = [
            basic("a", "b"),
            basic("u", "p"),
            Credentials::IdentityToken("t".to_owned()),
        ];
        assert!(found == expected);
    }
}
