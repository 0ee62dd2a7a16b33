//! Steps of images that `cache_from` names, found by what those tell of themselves, as dockerd's image cache does: an image
//! that was loaded or pulled was built upon nothing here, but its history says what it is made of.

use image::{Digest, HistoryRow, ImageConfig};

use super::{Current, Dialect, Driver};
use crate::BuildError;
use crate::executor::{Base, Executor};

impl<E: Executor + 'static> Driver<E> {
    /// The image of a step as the history of a source tells it; it is in the cache from now on. Once a step has followed a
    /// source, no later one of the stage follows another.
    pub(super) async fn told_by_sources(
        &self,
        current: &mut Current,
        key: &Digest,
        command: &str,
    ) -> Result<Option<Base>, BuildError> {
        let Some(sources) = self.sources.as_ref() else {
            return Ok(None);
        };
        if self.options.dialect != Dialect::Classic {
            return Ok(None);
        }
        let below = match current.image {
            Some(image) => self.executor.hold(&image)?,
            None => None,
        };
        let below = below.map(|base| base.config);
        let wanted = |id: &&Digest| current.source.is_none_or(|source| source == **id);
        let named: Vec<Digest> = sources.named.iter().filter(wanted).copied().collect();
        for id in named {
            let Some(target) = self.executor.hold(&id)? else {
                continue;
            };
            let Some(next) = follow(&target.config, below.as_ref(), command) else {
                continue;
            };
            let base = match next.is_last {
                true => target,
                false => {
                    let config = next.config(current.image_config(), &target.config);
                    self.executor.restore(id, config, current.image).await?
                }
            };
            current.source = Some(id);
            let description = command.to_owned();
            self.cache.put(*key, base.id, current.image, description).await;
            return Ok(Some(base));
        }
        Ok(None)
    }
}

/// A step of a source.
struct Next {
    history: Vec<HistoryRow>,
    diff_ids: Vec<Digest>,
    /// There is none after it.
    is_last: bool,
}

impl Next {
    /// The configuration of the step's image.
    fn config(self, own: ImageConfig, target: &ImageConfig) -> ImageConfig {
        let mut config = ImageConfig {
            author: target.author.clone(),
            created: self.history.last().and_then(|row| row.created),
            history: self.history,
            ..own
        };
        config.rootfs.diff_ids = self.diff_ids;
        config
    }
}

/// The step of a source that comes after what is below, if it is this command's.
fn follow(source: &ImageConfig, below: Option<&ImageConfig>, command: &str) -> Option<Next> {
    let (rows, layers) = below.map_or((&[][..], &[][..]), |below| {
        (&below.history[..], &below.rootfs.diff_ids[..])
    });
    let (history, diff_ids) = (&source.history, &source.rootfs.diff_ids);
    if !history.starts_with(rows) || !diff_ids.starts_with(layers) {
        return None;
    }
    let row = history.get(rows.len()).filter(|row| row.created_by == command)?;
    let before = history[..rows.len()]
        .iter()
        .filter(|row| !row.empty_layer)
        .count();
    let layer = (!row.empty_layer).then(|| diff_ids.get(before)).flatten();
    Some(Next {
        history: history[..=rows.len()].to_vec(),
        diff_ids: layers.iter().chain(layer).copied().collect(),
        is_last: rows.len() + 1 == history.len(),
    })
}
