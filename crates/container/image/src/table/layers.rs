//! Layers and who uses them.

use super::{Counted, Freed, Table};
use crate::rows::LayerRow;
use crate::{Digest, Layer};

impl Table {
    /// Adds a layer that nobody uses yet, upon one that is there.
    pub(crate) fn add_layer(&mut self, row: LayerRow) {
        self.hold_layer(row.parent);
        if let Some(blob) = &row.blob {
            self.hold_blob(blob.digest);
        }
        self.layers.insert(row.chain(), Counted { row, uses: 0 });
    }

    pub(crate) fn layer(&self, chain: &Digest) -> Option<&LayerRow> {
        self.layers.get(chain).map(|counted| &counted.row)
    }

    /// Notes the init layer upon a layer.
    pub(crate) fn set_init(&mut self, chain: &Digest, number: u64) {
        if let Some(counted) = self.layers.get_mut(chain) {
            counted.row.init = Some(number);
        }
    }

    pub(crate) fn layers(&self) -> impl Iterator<Item = &LayerRow> {
        self.layers.values().map(|counted| &counted.row)
    }

    /// Counts a use of a layer; `None`, or a layer that is not there, has none to count.
    pub(crate) fn hold_layer(&mut self, chain: Option<Digest>) {
        if let Some(counted) = chain.and_then(|chain| self.layers.get_mut(&chain)) {
            counted.uses += 1;
        }
    }

    /// Takes back a use; the layers that nobody uses any more are out of the table.
    pub(crate) fn free_layer(&mut self, chain: Option<Digest>, freed: &mut Freed) {
        let mut next = chain;
        while let Some(chain) = next {
            let Some(counted) = self.layers.get_mut(&chain) else {
                break;
            };
            counted.uses = counted.uses.saturating_sub(1);
            if counted.uses > 0 {
                break;
            }
            let Some(Counted { row, .. }) = self.layers.remove(&chain) else {
                break;
            };
            if let Some(blob) = &row.blob {
                self.free_blob(&blob.digest, freed);
            }
            self.forget_compressed(&row.diff_id, freed);
            next = row.parent;
            freed.layers.push(row);
        }
    }

    /// Layers that were left over by a crash: nothing is upon them.
    pub(super) fn free_unused_layers(&mut self, freed: &mut Freed) {
        let unused = self.layers.iter().filter(|(_, counted)| counted.uses == 0);
        let unused: Vec<Digest> = unused.map(|(chain, _)| *chain).collect();
        for chain in unused {
            self.free_layer(Some(chain), freed);
        }
    }

    /// Whether there is a layer with this content.
    pub(super) fn has_diff_id(&self, diff_id: &Digest) -> bool {
        self.layers().any(|row| row.diff_id == *diff_id)
    }

    /// The chain's directories, topmost first.
    pub(crate) fn numbers(&self, top: Option<Digest>) -> Vec<u64> {
        let row = |chain: &Option<Digest>| chain.and_then(|chain| self.layer(&chain));
        std::iter::successors(row(&top), |layer| row(&layer.parent))
            .map(|layer| layer.number)
            .collect()
    }

    /// The layers of a chain, bottom first; `None` if one is missing.
    pub(crate) fn chain(&self, chain_ids: &[Digest]) -> Option<Vec<Layer>> {
        let layer = |chain: &Digest| {
            self.layer(chain).map(|row| Layer {
                diff_id: row.diff_id,
                chain_id: *chain,
                size: row.size,
                blob: row.blob.clone(),
            })
        };
        chain_ids.iter().map(layer).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Writable;
    use super::*;

    fn layer(table: &mut Table, number: u64, parent: Option<Digest>) -> Digest {
        let row = LayerRow::new(number, Digest::of(&number.to_le_bytes()), parent, 10);
        let chain = row.chain();
        table.add_layer(row);
        chain
    }

    fn numbers(rows: &[LayerRow]) -> Vec<u64> {
        rows.iter().map(|row| row.number).collect()
    }

    #[test]
    fn a_layer_goes_with_its_last_use_and_frees_the_one_below() {
        let mut table = Table::default();
        let bottom = layer(&mut table, 1, None);
        let top = layer(&mut table, 2, Some(bottom));
        let other = layer(&mut table, 3, Some(bottom));
        assert_eq!(table.numbers(Some(top)), [2, 1]);
        table.add_writable(
            "a",
            Writable {
                number: 9,
                top: Some(top),
            },
        );
        table.hold_layer(Some(other));
        assert_eq!(numbers(&table.remove_writable("a").layers), [2]);
        let mut freed = Freed::default();
        table.free_layer(Some(other), &mut freed);
        assert_eq!(numbers(&freed.layers), [3, 1]);
        assert_eq!(table.layers().count(), 0);
    }

    #[test]
    fn what_a_crash_left_is_freed_from_the_top() {
        let mut table = Table::default();
        let bottom = layer(&mut table, 1, None);
        layer(&mut table, 2, Some(bottom));
        let kept = layer(&mut table, 3, None);
        table.add_writable(
            "a",
            Writable {
                number: 9,
                top: Some(kept),
            },
        );
        assert_eq!(numbers(&table.free_unused().layers), [2, 1]);
        assert!(table.layer(&kept).is_some());
    }
}
