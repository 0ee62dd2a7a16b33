//! Cache mounts that travel (`--cache-to …,mounts=`, `--cache-from …,mounts=`): each is a layer of its own in the cache's manifest, behind those of the
//! steps. Nothing in the cache's configuration names it, so other builders read the rest and pass it by
//! (docs/formats/build-cache.md).

use std::collections::BTreeMap;
use std::sync::Arc;

use ::buildkit::{CacheExport, CacheMount, Mounts, Status};
use builder::{Builder, MAX_CACHE_MOUNT};
use image::{Descriptor, Digest, Images, Lease};
use serde_json::Value;

use super::exports::recast;
use super::origin::{Source, failed, refused};
use super::vertices;
use crate::api::blocking;
use crate::error::ApiError;

/// What a layer that is a cache mount notes: its id, and the key by which a step gets it.
const ID: &str = "gantry.cache-mount.id";
const KEY: &str = "gantry.cache-mount.key";
/// So many cache mounts of one cache are looked at.
const MAX_MOUNTS: usize = 256;

/// The cache mounts of a cache that was read, by their keys.
pub(super) struct Elsewhere {
    source: Source,
    mounts: BTreeMap<Digest, Descriptor>,
    /// Those that the client wants.
    wish: Mounts,
}

impl Elsewhere {
    /// Of a cache's manifest, or of its index.
    pub(super) fn of(source: Source, manifest: &Value, wish: Mounts) -> Self {
        let lists = [&manifest["layers"], &manifest["manifests"]];
        let entries = lists.into_iter().filter_map(Value::as_array).flatten();
        let mount = |entry: &Value| {
            let key = entry["annotations"][KEY].as_str()?.parse().ok()?;
            let descriptor: Descriptor = serde_json::from_value(entry.clone()).ok()?;
            (descriptor.size <= MAX_CACHE_MOUNT).then_some((key, descriptor))
        };
        let mounts = entries.filter_map(mount).take(MAX_MOUNTS).collect();
        Self { source, mounts, wish }
    }
}

/// Finds a cache mount in the caches that a build was given, by its key and by what the build calls it: what a cache calls it
/// itself, anybody can write.
pub(super) fn find<'a>(
    caches: &'a [Elsewhere],
    (key, id): (&Digest, &str),
) -> Option<(&'a Source, &'a Descriptor)> {
    let has = |cache: &'a Elsewhere| Some((&cache.source, cache.mounts.get(key)?));
    caches.iter().filter(|cache| cache.wish.has(id)).find_map(has)
}

/// What of a build's cache mounts goes out: a layer each, held by the lease, and what was not to be found.
///
/// # Errors
/// The build has none of that id; the disk's; the other cache's.
pub(super) async fn outgoing(
    (images, builder): (&Images, &Builder),
    (used, caches): (&[CacheMount], &[Elsewhere]),
    wish: &CacheExport,
    lease: &Arc<Lease>,
) -> Result<(Vec<Descriptor>, Vec<String>), Status> {
    let (mut layers, mut lines) = (Vec::new(), Vec::new());
    for mount in chosen(used, &wish.mounts)? {
        let key: Digest = mount.key.parse().map_err(failed)?;
        let how = recast(wish.packing);
        let packed = builder.pack_mount(&key, lease, (how.algorithm, how.level)).await;
        let layer = match packed.map_err(|error| vertices::status(&error))? {
            Some(layer) => Some(layer),
            // A step that was in the cache has left it where it was.
            None => carried((images, builder), find(caches, (&key, &mount.id)), lease).await?,
        };
        let Some(mut layer) = layer else {
            lines.push(format!("cache mount {} is not here", mount.id));
            continue;
        };
        let notes = [(ID, &mount.id), (KEY, &mount.key)];
        layer.annotations = notes.map(|(name, value)| (name.to_owned(), value.clone())).into();
        lines.push(format!("writing cache mount {} {}", mount.id, layer.digest));
        layers.push(layer);
    }
    Ok((layers, lines))
}

fn chosen<'a>(used: &'a [CacheMount], wish: &Mounts) -> Result<Vec<&'a CacheMount>, Status> {
    let Mounts::Named(ids) = wish else {
        let all = *wish == Mounts::All;
        return Ok(used.iter().filter(|_| all).collect());
    };
    if let Some(id) = ids.iter().find(|id| used.iter().all(|mount| mount.id != **id)) {
        let sentence = format!("mounts: no step of this build has a cache mount with the id {id}");
        return Err(failed(sentence));
    }
    Ok(used.iter().filter(|mount| ids.contains(&mount.id)).collect())
}

/// A cache mount as it lies in another cache.
async fn carried(
    (images, builder): (&Images, &Builder),
    found: Option<(&Source, &Descriptor)>,
    lease: &Arc<Lease>,
) -> Result<Option<Descriptor>, Status> {
    let Some((source, layer)) = found else {
        return Ok(None);
    };
    if !lease.hold_blob(&layer.digest) {
        let mut file = source.file(builder, layer).await?;
        let (images, lease, layer) = (images.clone(), lease.clone(), layer.clone());
        let received = blocking(move || Ok::<_, ApiError>(images.receive_blob(&lease, &layer, &mut file)?));
        received.await.map_err(refused)?;
    }
    Ok(Some(layer.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_come_only_from_caches_that_the_client_has_named_for_them() {
        let mut wish = Mounts::None;
        assert!(!wish.has("a"));
        let named = |id: &str| Mounts::Named(vec![id.to_owned()]);
        wish.add(named("a"));
        wish.add(Mounts::None);
        wish.add(named("b"));
        assert!(wish.has("a") && wish.has("b") && !wish.has("c"));
        wish.add(Mounts::All);
        wish.add(named("a"));
        assert!(wish.has("c"));
    }

    #[test]
    fn mounts_are_chosen_by_their_ids() {
        let mount = |id: &str, key: &str| CacheMount {
            id: id.to_owned(),
            key: key.to_owned(),
        };
        let used = [mount("a", "1"), mount("a", "2"), mount("/b", "3")];
        let keys = |wish: Mounts| {
            let chosen = chosen(&used, &wish).map_err(|status| status.message)?;
            Ok::<_, String>(chosen.iter().map(|mount| mount.key.clone()).collect::<String>())
        };
        let named = |ids: &[&str]| Mounts::Named(ids.iter().map(|id| (*id).to_owned()).collect());
        assert_eq!(keys(Mounts::None).unwrap(), "");
        assert_eq!(keys(Mounts::All).unwrap(), "123");
        assert_eq!(keys(named(&["a"])).unwrap(), "12");
        assert_eq!(
            keys(named(&["/b", "c"])).unwrap_err(),
            "mounts: no step of this build has a cache mount with the id c"
        );
    }
}
