//! Uses are counted as a simple model counts them, whatever happens in whatever order.

use std::collections::HashMap;

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::rows::LayerRow;
use crate::standing::Standing;
use crate::table::Given;
use crate::{Descriptor, Image, ImageConfig, Reference, Target, media_type};

fn digest(kind: &str, number: usize) -> Digest {
    Digest::of(format!("{kind} {number}").as_bytes())
}

fn descriptor(digest: Digest) -> Descriptor {
    Descriptor::new("", digest, 1)
}

/// Manifest `n` has configuration and layers out of few; every third is an index of the two before it, which
/// may be indexes themselves.
fn manifest(number: usize) -> Kept {
    let index = number % 3 == 2;
    let blobs: Vec<Descriptor> = [number % 4, 4, number % 4]
        .map(|blob| descriptor(digest("blob", blob)))
        .to_vec();
    let children = [number - number.min(1), number - number.min(2)];
    Kept {
        summary: Arc::new(ManifestSummary {
            digest: digest("manifest", number),
            media_type: if index {
                media_type::INDEX
            } else {
                media_type::MANIFEST
            }
            .to_owned(),
            size: 1,
            config: (!index).then(|| blobs[0].clone()),
            layers: if index { Vec::new() } else { blobs[1..].to_vec() },
            manifests: if index {
                children
                    .map(|child| descriptor(digest("manifest", child)))
                    .to_vec()
            } else {
                Vec::new()
            },
            subject: number
                .is_multiple_of(2)
                .then(|| descriptor(digest("manifest", number + 1))),
            artifact_type: None,
        }),
        file: number.is_multiple_of(5),
    }
}

fn image(number: usize, manifest: Option<usize>) -> Image {
    Image {
        id: digest("image", number),
        config: ImageConfig::default(),
        config_bytes: bytes::Bytes::new(),
        layers: Vec::new(),
        size: 0,
        asleep: number.is_multiple_of(2),
        manifest: manifest.map(|manifest| digest("manifest", manifest)),
        parent: None,
        tags: Vec::new(),
        digests: Vec::new(),
        kept: 0,
        last_tagged: None,
        result: false,
        step: None,
        made_here: true,
    }
}

#[derive(Clone, Debug)]
enum Step {
    Put(usize),
    Tag(usize, Option<(Option<usize>, Option<usize>)>),
    Link(usize, usize, bool),
    Hold(usize),
    Free(usize),
    Image(usize, Option<usize>),
    Remove(usize),
    Layer(usize, bool),
    Sweep,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let manifest = || 0..8_usize;
    let target = prop::option::of((prop::option::of(0..3_usize), prop::option::of(manifest())));
    let step = prop_oneof![
        3 => manifest().prop_map(Step::Put),
        3 => (0..4_usize, target).prop_map(|(name, target)| Step::Tag(name, target)),
        1 => (0..2_usize, 0..5_usize, any::<bool>()).prop_map(|(r, b, add)| Step::Link(r, b, add)),
        1 => manifest().prop_map(Step::Hold),
        1 => manifest().prop_map(Step::Free),
        1 => (0..3_usize, prop::option::of(manifest())).prop_map(|(i, m)| Step::Image(i, m)),
        1 => (0..3_usize).prop_map(Step::Remove),
        1 => (0..5_usize, any::<bool>()).prop_map(|(blob, add)| Step::Layer(blob, add)),
        1 => Just(Step::Sweep),
    ];
    prop::collection::vec(step, 0..60)
}

/// A table, and what the model has to remember of what was done to it.
#[derive(Default)]
struct Checked {
    table: Table,
    held: Vec<Digest>,
    gone: Vec<Digest>,
}

impl Checked {
    fn freed(&mut self, freed: Freed) {
        for digest in &freed.manifests {
            assert!(self.table.manifest(digest).is_none());
        }
        for digest in &freed.blobs {
            self.gone.push(*digest);
        }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Put(number) => self.table.add_manifest(manifest(number)),
            Step::Tag(name, target) => {
                let name: Reference = format!("localhost:5000/r{}:t{}", name % 2, name / 2)
                    .parse()
                    .unwrap();
                let target = target.map(|(image, manifest)| Target {
                    image: image.map(|image| digest("image", image)),
                    manifest: manifest.map(|manifest| digest("manifest", manifest)),
                });
                let given = target.map(|target| Given {
                    target,
                    standing: Standing {
                        hidden: name.tag.as_deref() == Some("t1"),
                        ..Standing::default()
                    },
                    time: Timestamp::UNIX_EPOCH,
                });
                let (_, freed) = self.table.set_tag(&name, given);
                self.freed(freed);
            }
            Step::Link(repository, blob, add) => {
                let (repository, blob) = (format!("localhost:5000/r{repository}"), digest("blob", blob));
                if add {
                    self.table.add_link(&repository, blob, 0);
                } else if let Some(freed) = self.table.remove_link(&repository, &blob) {
                    self.freed(freed);
                }
            }
            Step::Hold(number) => {
                self.held.push(digest("manifest", number));
                self.table.hold_manifest(Some(digest("manifest", number)));
            }
            Step::Free(number) => {
                let wanted = digest("manifest", number);
                if let Some(at) = self.held.iter().position(|held| *held == wanted) {
                    self.held.swap_remove(at);
                    let mut freed = Freed::default();
                    self.table.free_manifest(Some(wanted), &mut freed);
                    self.freed(freed);
                }
            }
            Step::Image(number, manifest) => {
                if self.table.image(&digest("image", number)).is_none() {
                    self.table.add_image(image(number, manifest));
                } else if let Some(manifest) = manifest {
                    self.table
                        .set_manifest(&digest("image", number), digest("manifest", manifest));
                }
            }
            Step::Remove(number) => {
                let (_, freed) = self.table.remove_image(&digest("image", number));
                self.freed(freed);
            }
            Step::Layer(blob, add) => self.layer(blob, add),
            Step::Sweep => {
                let freed = self.table.free_unused();
                self.freed(freed);
            }
        }
    }

    fn layer(&mut self, number: usize, add: bool) {
        let mut row = LayerRow::new(1, digest("layer", number), None, 1);
        row.blob = Some(descriptor(digest("blob", number)));
        let (chain, there) = (row.chain(), self.table.layer(&row.chain()).is_some());
        if add && !there {
            self.table.add_layer(row);
            self.table.hold_layer(Some(chain));
        } else if !add && there {
            let mut freed = Freed::default();
            self.table.free_layer(Some(chain), &mut freed);
            self.freed(freed);
        }
    }

    /// Everything is counted anew.
    fn check(&self) {
        let table = &self.table;
        let (mut named, mut blobs) = (HashMap::new(), HashMap::new());
        let count =
            |counts: &mut HashMap<Digest, usize>, digest: Digest| *counts.entry(digest).or_default() += 1;
        let of_names = table.tags.values().filter_map(|tag| tag.target.manifest);
        let of_images = table.images().filter_map(|image| image.manifest);
        let of_indexes = table.manifests.values().flat_map(|kept| &kept.summary.manifests);
        let of_indexes = of_indexes.map(|child| child.digest);
        for digest in of_names
            .chain(of_images)
            .chain(of_indexes)
            .chain(self.held.iter().copied())
        {
            count(&mut named, digest);
        }
        let of_manifests = table.manifests.values().flat_map(Kept::blobs);
        let of_links = table.links.values().flat_map(|links| links.keys().copied());
        let of_layers = table.layers().filter_map(|row| Some(row.blob.as_ref()?.digest));
        for digest in of_manifests.chain(of_links).chain(of_layers) {
            count(&mut blobs, digest);
        }
        assert_eq!(table.named, named);
        assert_eq!(table.blobs, blobs);
        for (subject, about) in &table.subjects {
            assert!(!about.is_empty());
            for digest in about {
                let kept = table.manifest(digest).unwrap();
                assert_eq!(kept.summary.subject.as_ref().unwrap().digest, *subject);
            }
        }
    }
}

proptest! {
    #[test]
    fn uses_are_counted_as_a_model_counts_them(steps in steps()) {
        let mut checked = Checked::default();
        for step in &steps {
            checked.step(step);
            checked.check();
        }
        // With all names, holds and images gone, nothing is left but what was never named.
        for name in 0..4 {
            checked.step(&Step::Tag(name, None));
        }
        for number in 0..8 {
            while checked.held.contains(&digest("manifest", number)) {
                checked.step(&Step::Free(number));
            }
            checked.step(&Step::Remove(number));
            checked.step(&Step::Layer(number, false));
            checked.step(&Step::Link(number % 2, number / 2, false));
        }
        checked.step(&Step::Link(0, 4, false));
        checked.step(&Step::Link(1, 4, false));
        for blob in 0..5 {
            checked.step(&Step::Link(0, blob, false));
            checked.step(&Step::Link(1, blob, false));
        }
        checked.step(&Step::Sweep);
        checked.check();
        prop_assert!(checked.table.manifests.is_empty() && checked.table.blobs.is_empty());
        prop_assert!(checked.table.named.is_empty() && checked.table.subjects.is_empty());
    }
}
