//! Volumes from what they name: pure, so that the same sources always make the same files.

use std::collections::{BTreeMap, BTreeSet};

use crate::env::{Room, metadata, resource};
use crate::facts::NodeFacts;
use crate::pod::{
    DownwardFile, DownwardSource, FilesSource, Pod, Projected, Projection, TokenSource, Volume, VolumeSource,
};
use crate::source::{Data, SourceKey, SourceKind, Sources};
use crate::traits::Refused;
use crate::volume::{Content, FileEntry, Payload, Plugin};

/// Bytes that the files of a pod's volumes may hold together: one key may be the content of any number of them.
const MOST: usize = 128 << 20;

/// The mode of files that nobody says anything about.
const MODE: u32 = 0o644;

/// The mode of a token that not everybody may read.
const TOKEN_MODE: u32 = 0o600;

/// How long a token is good for where a volume does not say (`v1 ServiceAccountTokenProjection`).
const TOKEN_SECONDS: i64 = 3600;

/// A token that a pod's volumes ask for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TokenWish {
    /// Whom it is for; empty for the API server.
    pub audience: String,
    /// How long it shall be good for.
    pub seconds: i64,
}

impl TokenWish {
    fn of(source: &TokenSource) -> Self {
        Self {
            audience: source.audience.clone(),
            seconds: source.expiration_seconds.unwrap_or(TOKEN_SECONDS),
        }
    }
}

/// What volumes are made from.
#[derive(Clone, Copy, Debug)]
pub struct World<'a> {
    /// Whose they are.
    pub pod: &'a Pod,
    /// On which node.
    pub node: &'a NodeFacts,
    /// What is there of the objects that they name.
    pub sources: &'a Sources,
    /// The tokens that they ask for.
    pub tokens: &'a BTreeMap<TokenWish, String>,
}

/// The ConfigMaps and Secrets that a pod's volumes name.
pub fn needs(pod: &Pod) -> BTreeSet<SourceKey> {
    let mut keys = BTreeSet::new();
    for volume in &pod.spec.volumes {
        match &volume.source {
            VolumeSource::ConfigMap(source) => drop(keys.insert(SourceKey::config_map(&source.name))),
            VolumeSource::Secret(source) => drop(keys.insert(SourceKey::secret(&source.name))),
            VolumeSource::Projected(projected) => keys.extend(projected.sources.iter().filter_map(named)),
            _ => {}
        }
    }
    keys
}

fn named(projection: &Projection) -> Option<SourceKey> {
    match projection {
        Projection::ConfigMap(source) => Some(SourceKey::config_map(&source.name)),
        Projection::Secret(source) => Some(SourceKey::secret(&source.name)),
        _ => None,
    }
}

/// The tokens that a pod's volumes ask for.
pub fn tokens(pod: &Pod) -> BTreeSet<TokenWish> {
    let projected = pod.spec.volumes.iter().filter_map(|volume| match &volume.source {
        VolumeSource::Projected(projected) => Some(&projected.sources),
        _ => None,
    });
    projected
        .flatten()
        .filter_map(|source| match source {
            Projection::Token(source) => Some(TokenWish::of(source)),
            _ => None,
        })
        .collect()
}

/// All volumes of a pod.
///
/// # Errors
/// The first that cannot be made, as its event says it (`FailedMount`).
pub fn of(world: World<'_>) -> Result<Vec<Payload>, Refused> {
    let mut room = Room::of(MOST);
    let volumes = world.pod.spec.volumes.iter();
    volumes
        .map(|volume| one(world, volume, &mut room).map_err(|text| failed(volume, &text)))
        .collect()
}

fn failed(volume: &Volume, text: &str) -> Refused {
    Refused {
        reason: "FailedMount".to_owned(),
        message: format!("MountVolume.SetUp failed for volume \"{}\" : {text}", volume.name),
    }
}

fn one(world: World<'_>, volume: &Volume, room: &mut Room) -> Result<Payload, String> {
    let files = |plugin, files: BTreeMap<String, FileEntry>| Content::Files {
        plugin,
        files: files.into_values().collect(),
    };
    let mut made = Files {
        all: BTreeMap::new(),
        room,
    };
    let content = match &volume.source {
        VolumeSource::EmptyDir(dir) => Content::EmptyDir(dir.clone()),
        VolumeSource::HostPath(path) => Content::HostPath(path.clone()),
        VolumeSource::ConfigMap(source) => {
            made.source(world, SourceKind::ConfigMap, source, source.default_mode)?;
            files(Plugin::ConfigMap, made.all)
        }
        VolumeSource::Secret(source) => {
            made.source(world, SourceKind::Secret, source, source.default_mode)?;
            files(Plugin::Secret, made.all)
        }
        VolumeSource::Downward(source) => {
            made.downward(world, source, source.default_mode)?;
            files(Plugin::DownwardApi, made.all)
        }
        VolumeSource::Projected(projected) => {
            made.projected(world, projected)?;
            files(Plugin::Projected, made.all)
        }
        VolumeSource::Other(_) => return Err("its kind is not supported on this node".to_owned()),
    };
    Ok(Payload {
        volume: volume.name.clone(),
        content,
    })
}

/// Files by path; a later one of the same path wins.
struct Files<'a> {
    all: BTreeMap<String, FileEntry>,
    /// What all volumes of the pod may still hold.
    room: &'a mut Room,
}

impl Files<'_> {
    fn put(&mut self, path: &str, mode: u32, owner: Option<u32>, content: &[u8]) -> Result<(), String> {
        let full = |_| format!("the files of the pod's volumes hold more than {MOST} bytes");
        self.room.take(content.len()).map_err(full)?;
        let entry = FileEntry {
            path: path.to_owned(),
            mode,
            owner,
            content: content.to_vec(),
        };
        self.all.insert(path.to_owned(), entry);
        Ok(())
    }

    fn projected(&mut self, world: World<'_>, projected: &Projected) -> Result<(), String> {
        let mode = projected.default_mode;
        for source in &projected.sources {
            match source {
                Projection::ConfigMap(source) => self.source(world, SourceKind::ConfigMap, source, mode)?,
                Projection::Secret(source) => self.source(world, SourceKind::Secret, source, mode)?,
                Projection::Downward(source) => self.downward(world, source, mode)?,
                Projection::Token(source) => self.token(world, source, mode)?,
                Projection::Other(_) => return Err("a source is not supported on this node".to_owned()),
            }
        }
        Ok(())
    }

    fn source(
        &mut self,
        world: World<'_>,
        kind: SourceKind,
        source: &FilesSource,
        mode: Option<u32>,
    ) -> Result<(), String> {
        let name = source.name.clone();
        let key = SourceKey { kind, name };
        let mode = mode.unwrap_or(MODE);
        let empty = Data::default();
        let data = match world.sources.get(&key) {
            Some(data) => data,
            None if source.optional => &empty,
            None => return Err(key.missing()),
        };
        if source.items.is_empty() {
            for (key, value) in data.iter() {
                self.put(key, mode, None, value)?;
            }
        }
        for item in &source.items {
            match data.get(&item.key) {
                Some(value) => self.put(&item.path, item.mode.unwrap_or(mode), None, value)?,
                None if source.optional => {}
                None => {
                    let kind = if kind == SourceKind::Secret {
                        "secret"
                    } else {
                        "config"
                    };
                    let what = if kind == "config" { "configmap " } else { "" };
                    return Err(format!("{what}references non-existent {kind} key: {}", item.key));
                }
            }
        }
        Ok(())
    }

    fn downward(
        &mut self,
        world: World<'_>,
        source: &DownwardSource,
        mode: Option<u32>,
    ) -> Result<(), String> {
        for item in &source.items {
            let content = downward(world, item)?;
            let mode = item.mode.or(mode).unwrap_or(MODE);
            self.put(&item.path, mode, None, content.as_bytes())?;
        }
        Ok(())
    }

    fn token(&mut self, world: World<'_>, source: &TokenSource, mode: Option<u32>) -> Result<(), String> {
        let Some(token) = world.tokens.get(&TokenWish::of(source)) else {
            return Err(format!(
                "failed to fetch token: none for audience \"{}\"",
                source.audience
            ));
        };
        let owner = only_user(world.pod);
        let private = owner.is_some() || world.pod.spec.security_context.fs_group.is_some();
        let mode = if private { TOKEN_MODE } else { mode.unwrap_or(MODE) };
        self.put(&source.path, mode, owner, token.as_bytes())
    }
}

fn downward(world: World<'_>, item: &DownwardFile) -> Result<String, String> {
    if let Some(field) = &item.field_ref {
        let found = metadata(world.pod, &field.field_path);
        return found.ok_or_else(|| format!("unsupported fieldPath: {}", field.field_path));
    }
    match &item.resource_field_ref {
        Some(wanted) => resource(world.pod, None, world.node, wanted),
        None => Ok(String::new()),
    }
}

/// The user that all containers of a pod run as, if it is one and is said.
fn only_user(pod: &Pod) -> Option<u32> {
    let common = pod.spec.security_context.run_as_user;
    let own = |container: &crate::pod::Container| container.security_context.run_as_user.or(common);
    let mut users = pod.spec.all.iter().map(own);
    let first = users.next().flatten()?;
    users
        .all(|user| user == Some(first))
        .then(|| u32::try_from(first).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn check(spec: &str, expected: Result<&[&str], &str>) {
        let json = format!(
            r#"{{"metadata":{{"name":"p","namespace":"n","labels":{{"a":"b"}}}},"spec":{{"containers":[{{"name":"c","securityContext":{{"runAsUser":7}}}}],"volumes":[{spec}]}}}}"#
        );
        let pod = Pod::parse(json.as_bytes()).unwrap();
        let data = Data::new([("k".to_owned(), b"v".to_vec()), ("l".to_owned(), b"w".to_vec())]);
        let data = Arc::new(data);
        let sources = [
            (SourceKey::config_map("m"), data.clone()),
            (SourceKey::secret("s"), data),
        ];
        let tokens = tokens(&pod)
            .into_iter()
            .map(|wish| (wish, "jwt".to_owned()))
            .collect();
        let world = World {
            pod: &pod,
            node: &NodeFacts::default(),
            sources: &sources.into_iter().collect(),
            tokens: &tokens,
        };
        let made = of(world).map(|all| all.iter().flat_map(described).collect::<Vec<_>>());
        let expected = expected.map(|lines| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>());
        assert_eq!(
            made.map_err(|refused| refused.message),
            expected.map_err(str::to_owned),
            "{spec}"
        );
    }

    fn described(payload: &Payload) -> Vec<String> {
        match &payload.content {
            Content::Files { plugin, files } => files
                .iter()
                .map(|file| {
                    let text = String::from_utf8_lossy(&file.content);
                    format!("{plugin:?} {} {:o} {:?} {text}", file.path, file.mode, file.owner)
                })
                .collect(),
            other => vec![format!("{other:?}")],
        }
    }

    #[test]
    fn files_come_from_their_sources() {
        check(
            r#"{"name":"v","configMap":{"name":"m"}}"#,
            Ok(&["ConfigMap k 644 None v", "ConfigMap l 644 None w"]),
        );
        check(
            r#"{"name":"v","secret":{"secretName":"s","defaultMode":256,"items":[{"key":"k","path":"a/b","mode":511}]}}"#,
            Ok(&["Secret a/b 777 None v"]),
        );
        check(
            r#"{"name":"v","projected":{"sources":[{"configMap":{"name":"m","items":[{"key":"k","path":"x"}]}},
                {"secret":{"name":"s","items":[{"key":"l","path":"x"}]}},
                {"serviceAccountToken":{"path":"token","expirationSeconds":3607}},
                {"downwardAPI":{"items":[{"path":"labels","fieldRef":{"fieldPath":"metadata.labels"}}]}}]}}"#,
            Ok(&[
                "Projected labels 644 None a=\"b\"",
                "Projected token 600 Some(7) jwt",
                "Projected x 644 None w",
            ]),
        );
        check(
            r#"{"name":"v","configMap":{"name":"none","optional":true}}"#,
            Ok(&[]),
        );
    }

    #[test]
    fn one_key_in_many_files_does_not_fill_the_node() {
        let items = (0..200)
            .map(|at| format!(r#"{{"key":"k","path":"{at}"}}"#))
            .collect::<Vec<_>>();
        let volume = format!(
            r#"{{"name":"v","configMap":{{"name":"m","items":[{}]}}}}"#,
            items.join(",")
        );
        let json = format!(
            r#"{{"metadata":{{"name":"p","namespace":"n"}},"spec":{{"containers":[],"volumes":[{volume}]}}}}"#
        );
        let data = Data::new([("k".to_owned(), vec![0; 1 << 20])]);
        let world = World {
            pod: &Pod::parse(json.as_bytes()).unwrap(),
            node: &NodeFacts::default(),
            sources: &[(SourceKey::config_map("m"), Arc::new(data))].into(),
            tokens: &BTreeMap::new(),
        };
        let message = of(world).unwrap_err().message;
        assert!(
            message.ends_with("the files of the pod's volumes hold more than 134217728 bytes"),
            "{message}"
        );
    }

    #[test]
    fn what_is_missing_is_told() {
        check(
            r#"{"name":"v","configMap":{"name":"none"}}"#,
            Err("MountVolume.SetUp failed for volume \"v\" : configmap \"none\" not found"),
        );
        check(
            r#"{"name":"v","configMap":{"name":"m","items":[{"key":"z","path":"z"}]}}"#,
            Err(
                "MountVolume.SetUp failed for volume \"v\" : configmap references non-existent config key: z",
            ),
        );
        check(
            r#"{"name":"v","secret":{"secretName":"s","items":[{"key":"z","path":"z"}]}}"#,
            Err("MountVolume.SetUp failed for volume \"v\" : references non-existent secret key: z"),
        );
    }
}
