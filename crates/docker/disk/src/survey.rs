//! The snapshot that a plan is made of.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use builder::CacheKind;
use engine::Owner;
use image::{Digest, Image, Reference};

use crate::plan::{Class, Hold, Item, Part, Snapshot, Space};
use crate::{Disk, Error, Inner};

/// A snapshot, and what its things are.
pub(crate) struct Surveyed {
    pub(crate) snapshot: Snapshot,
    /// One for each item.
    pub(crate) things: Vec<Thing>,
    /// Whether it is known what pods ask for.
    pub(crate) settled: bool,
}

/// What can go as a whole.
pub(crate) enum Thing {
    Image {
        image: Arc<Image>,
        /// What our registry calls it, if docker does not call it anything.
        kept: Option<Reference>,
        /// As the image's own table has it.
        last_used: i64,
    },
    Mount {
        id: String,
        description: String,
    },
    /// What our registry has fetched of another one's repository.
    Fetched {
        repository: String,
        last_used: i64,
    },
}

impl Thing {
    /// What people call it.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Image { image, kept, .. } => {
                let tag = image.tags.first().map(Reference::familiar);
                let name = tag.or_else(|| image.digests.first().cloned());
                let name = name.or_else(|| kept.as_ref().map(Reference::familiar));
                name.unwrap_or_else(|| image.id.short())
            }
            Self::Mount { description, .. } => description.clone(),
            Self::Fetched { repository, .. } => {
                let there = image::fetched_name(repository);
                format!("{} (registry cache)", there.as_deref().unwrap_or(repository))
            }
        }
    }

    /// What requests call it.
    pub(crate) fn id(&self) -> String {
        match self {
            Self::Image { image, .. } => image.id.to_string(),
            Self::Mount { id, .. } => id.clone(),
            Self::Fetched { repository, .. } => repository.clone(),
        }
    }
}

impl Disk {
    /// How full the file system of DATA is.
    ///
    /// # Errors
    /// The file system's.
    pub fn space(&self) -> io::Result<Space> {
        let stat = rustix::fs::statvfs(&*self.0.data)?;
        let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
        let used = bytes(stat.f_blocks.saturating_sub(stat.f_bfree));
        // What root keeps for itself is nobody's to use, as df(1) counts.
        Ok(Space {
            total: used.saturating_add(bytes(stat.f_bavail)),
            used,
        })
    }

    pub(crate) fn survey(&self) -> Result<Surveyed, Error> {
        let inner = &*self.0;
        let images = inner.engine.images().survey()?;
        let cache = inner.cache();
        let pods = inner.node.get().map_or(Some(Vec::new()), |node| node.pods());
        let holds = inner.holds(pods.as_deref().unwrap_or_default());
        let places: HashMap<Digest, usize> = images
            .images
            .iter()
            .enumerate()
            .map(|(at, found)| (found.image.id, at))
            .collect();
        let part = |part: &image::Part| Part {
            bytes: part.bytes,
            pinned: part.pinned,
        };
        let mut parts: Vec<Part> = images.parts.iter().map(part).collect();
        let (mut items, mut things) = (Vec::new(), Vec::new());
        for found in images.images {
            let id = found.image.id;
            let step = cache.steps.get(&id).copied();
            let mut holds = holds.get(&id).cloned().unwrap_or_default();
            holds.extend(found.leased.then_some(Hold::Lease));
            items.push(Item {
                class: inner.class(&found, step.is_some()),
                parts: found.parts,
                last_used: found.last_used.max(step.unwrap_or(0)),
                parent: found.image.parent.and_then(|parent| places.get(&parent).copied()),
                holds,
            });
            things.push(Thing::Image {
                image: found.image,
                kept: found.kept,
                last_used: found.last_used,
            });
        }
        for fetched in images.fetched {
            items.push(Item {
                class: Class::Repullable,
                parts: fetched.parts,
                last_used: fetched.last_used,
                parent: None,
                holds: Vec::new(),
            });
            let (repository, last_used) = (fetched.repository, fetched.last_used);
            things.push(Thing::Fetched {
                repository,
                last_used,
            });
        }
        for (item, bytes, thing) in cache.mounts {
            parts.push(Part { bytes, pinned: false });
            items.push(Item {
                parts: vec![parts.len() - 1],
                ..item
            });
            things.push(thing);
        }
        let snapshot = Snapshot {
            now: inner.now(),
            minimum_age: inner.minimum_age,
            space: self.space()?,
            parts,
            items,
        };
        Ok(Surveyed {
            snapshot,
            things,
            settled: pods.is_some(),
        })
    }
}

/// What the build cache has.
struct Cache {
    /// When the steps that made images were last used.
    steps: HashMap<Digest, i64>,
    mounts: Vec<(Item, u64, Thing)>,
}

impl Inner {
    fn cache(&self) -> Cache {
        let mut cache = Cache {
            steps: HashMap::new(),
            mounts: Vec::new(),
        };
        for record in self.builder.usage() {
            let used = record.last_used.as_microsecond();
            match (record.kind, record.image) {
                (CacheKind::Mount, _) => {
                    let item = Item {
                        class: Class::CacheMount,
                        parts: Vec::new(),
                        last_used: used,
                        parent: None,
                        holds: if record.in_use {
                            vec![Hold::Lease]
                        } else {
                            Vec::new()
                        },
                    };
                    let (id, description) = (record.id, record.description);
                    cache
                        .mounts
                        .push((item, record.size, Thing::Mount { id, description }));
                }
                (CacheKind::Step, Some(image)) => {
                    let last = cache.steps.entry(image).or_insert(used);
                    *last = used.max(*last);
                }
                (CacheKind::Step, None) => {}
            }
        }
        cache
    }

    /// Containers, and what pods ask for.
    fn holds(&self, pods: &[crate::PodImage]) -> HashMap<Digest, Vec<Hold>> {
        let mut holds: HashMap<Digest, Vec<Hold>> = HashMap::new();
        for container in self.engine.list() {
            let Some(Ok(id)) = container.image.as_ref().map(|image| image.id.parse::<Digest>()) else {
                continue;
            };
            let hold = match &container.owner {
                Owner::Build => Hold::Lease,
                Owner::Docker => Hold::Container(container.name.clone()),
                Owner::Pod { namespace, name, .. } => Hold::Pod(format!("{namespace}/{name}")),
            };
            holds.entry(id).or_default().push(hold);
        }
        for pod in pods {
            if let Ok(image) = self.engine.images().resolve(&pod.image) {
                let hold = Hold::Pod(pod.pod.clone());
                let holds = holds.entry(image.id).or_default();
                if !holds.contains(&hold) {
                    holds.push(hold);
                }
            }
        }
        holds
    }

    /// What an image is, by where it came from and what it is called.
    fn class(&self, found: &image::Surveyed, is_step: bool) -> Class {
        let image = &*found.image;
        let digests = image
            .digests
            .iter()
            .filter_map(|name| Reference::parse(name).ok());
        let is_pushed = image
            .tags
            .iter()
            .cloned()
            .chain(digests)
            .any(|name| is_own(&name.domain, self.registry));
        match image {
            _ if is_pushed || image.kept > 0 => Class::Pushed,
            Image { made_here: false, .. } if image.tags.is_empty() => Class::Dangling,
            Image { made_here: false, .. } if found.elsewhere => Class::Repullable,
            Image { result: false, .. } if (is_step || image.is_hidden()) && image.is_dangling() => {
                Class::Cache
            }
            _ => Class::OnlyHere,
        }
    }
}

/// Whether a domain is the node's own registry's, by whatever name of this machine.
fn is_own(domain: &str, port: Option<u16>) -> bool {
    let Some((host, given)) = domain.rsplit_once(':') else {
        return false;
    };
    let here = host == "localhost" || host == "[::1]" || host.starts_with("127.");
    here && port.is_some() && given.parse().ok() == port
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_has_more_than_one_name() {
        for domain in ["localhost:5000", "127.0.0.1:5000", "[::1]:5000"] {
            assert!(is_own(domain, Some(5000)), "{domain}");
        }
        for domain in ["localhost", "localhost:5001", "example.com:5000", "docker.io"] {
            assert!(!is_own(domain, Some(5000)), "{domain}");
        }
        assert!(!is_own("localhost:5000", None));
    }
}
