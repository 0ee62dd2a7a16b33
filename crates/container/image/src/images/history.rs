//! How an image was made (`docker history`).

use std::sync::Arc;

use super::{HistoryEntry, Image, Images};
use crate::Reference;

/// What stands for an image that is not here.
const MISSING: &str = "<missing>";

impl Images {
    /// How the image was made, newest step first. A step has the id of the image as of then if
    /// that image is here: for the newest one, and down the line of what was built here, as far as
    /// that tells the same history.
    #[must_use]
    pub fn history(&self, image: &Image) -> Vec<HistoryEntry> {
        let mut sizes = image.layers.iter().map(|layer| layer.size);
        let rows = image.config.history.iter();
        let mut entries: Vec<HistoryEntry> = rows
            .map(|row| HistoryEntry {
                id: MISSING.to_owned(),
                created: row.created.map_or(0, |created| created.as_second()),
                created_by: row.created_by.clone(),
                tags: Vec::new(),
                size: if row.empty_layer {
                    0
                } else {
                    sizes.next().unwrap_or(0)
                },
                comment: row.comment.clone(),
            })
            .collect();
        entries.reverse();
        self.name_steps(image, &mut entries);
        entries
    }

    fn name_steps(&self, image: &Image, entries: &mut [HistoryEntry]) {
        let parent = |image: &Arc<Image>| image.shown_parent().and_then(|parent| self.get(&parent));
        let line = std::iter::successors(Some(Arc::new(image.clone())), parent);
        let rows = &image.config.history;
        for image in line.filter(|image| rows.starts_with(&image.config.history)) {
            let Some(entry) = entries.get_mut(rows.len() - image.config.history.len()) else {
                continue;
            };
            entry.id = image.id.to_string();
            entry.tags = image.tags.iter().map(Reference::familiar).collect();
        }
    }
}
