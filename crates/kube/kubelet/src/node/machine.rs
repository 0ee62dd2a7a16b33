//! What this machine is and has, as numbers and names; read by whoever knows the kernel.

use std::collections::BTreeMap;

use schema::quantity::Quantity;
use serde_json::{Map, Value, json};

use super::Config;
use crate::NodeFacts;
use crate::traits::Doing;

/// Memory that pods are not promised: below it the node says that it is under pressure (upstream's default threshold).
pub const MEMORY_THRESHOLD: u64 = 100 << 20;

/// Images that a node's status names (upstream's `--node-status-max-images`).
const MAX_IMAGES: usize = 50;

/// Names of one image that a node's status has.
const MAX_NAMES: usize = 5;

/// Who knows the machine.
pub trait Host: Send + Sync {
    /// Reads everything anew. It is asked once every ten seconds.
    fn machine(&self) -> Doing<Machine>;
}

/// A machine at one moment. Sizes are bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    /// Processors that are online.
    pub cpus: u64,
    /// All memory.
    pub memory: u64,
    /// All of the file system that writable layers, volumes and logs are on.
    pub disk: u64,
    /// All swap; 0 if there is none.
    pub swap: u64,
    /// Reserved huge pages: the size of a page, and of all of them.
    pub huge_pages: BTreeMap<u64, u64>,
    /// `/etc/machine-id`
    pub machine_id: String,
    /// The firmware's name of the machine.
    pub system_uuid: String,
    /// The kernel's name of this run of the machine.
    pub boot_id: String,
    /// `5.15.0-91-generic`
    pub kernel_version: String,
    /// `PRETTY_NAME` of os-release.
    pub os_image: String,
    /// What is running short.
    pub pressure: Pressure,
    /// Images that are here, in any order.
    pub images: Vec<Image>,
    /// What keeps pods from running here, each in a sentence; none when the node is ready.
    pub faults: Vec<String>,
}

/// What is running short.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pressure {
    /// Less than [`MEMORY_THRESHOLD`] is available.
    pub memory: bool,
    /// Less than a tenth of the disk is free.
    pub disk: bool,
    /// Less than a tenth of the process ids are free.
    pub pids: bool,
}

/// An image that is here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    /// By digest first, then by tag: `docker.io/library/web@sha256:…`, `docker.io/library/web:1`.
    pub names: Vec<String>,
    /// Its size on disk.
    pub size: u64,
}

/// What a node has, or what of it pods may be promised.
struct Amounts {
    memory: u64,
    disk: u64,
}

impl Machine {
    /// What pods on it are told and admitted by. `domain` is the cluster's.
    pub fn facts(&self, config: &Config, domain: &str) -> NodeFacts {
        let list = self.allocatable_list(config);
        let quantity = |(name, value): (String, Value)| Some((name, Quantity::parse(value.as_str()?)?));
        NodeFacts {
            name: config.name.to_string(),
            addresses: vec![config.address],
            allocatable: list.into_iter().filter_map(quantity).collect(),
            domain: domain.to_owned(),
        }
    }

    pub(super) fn capacity_list(&self, config: &Config) -> Map<String, Value> {
        let all = Amounts {
            memory: self.memory,
            disk: self.disk,
        };
        self.list(config, &all)
    }

    /// What is left for pods once the thresholds of pressure and huge pages are taken off.
    pub(super) fn allocatable_list(&self, config: &Config) -> Map<String, Value> {
        let huge: u64 = self.huge_pages.values().sum();
        let left = Amounts {
            memory: self.memory.saturating_sub(MEMORY_THRESHOLD).saturating_sub(huge),
            disk: self.disk - self.disk / 10,
        };
        self.list(config, &left)
    }

    fn list(&self, config: &Config, of: &Amounts) -> Map<String, Value> {
        let pages = self
            .huge_pages
            .iter()
            .map(|(page, all)| (format!("hugepages-{}", binary(*page)), binary(*all)));
        let others = [
            ("cpu", decimal(self.cpus)),
            ("ephemeral-storage", binary(whole_kib(of.disk))),
            ("memory", binary(whole_kib(of.memory))),
            ("pods", decimal(config.max_pods.into())),
        ];
        let others = others.map(|(name, amount)| (name.to_owned(), amount));
        let all = pages.chain(others);
        all.map(|(name, amount)| (name, amount.into())).collect()
    }

    /// The largest images, largest first.
    pub(super) fn image_list(&self) -> Vec<Value> {
        let mut images: Vec<&Image> = self
            .images
            .iter()
            .filter(|image| !image.names.is_empty())
            .collect();
        images.sort_by(|a, b| b.size.cmp(&a.size).then_with(|| a.names.cmp(&b.names)));
        let shown = images.into_iter().take(MAX_IMAGES);
        shown
            .map(|image| {
                let names = &image.names[..image.names.len().min(MAX_NAMES)];
                json!({"names": names, "sizeBytes": image.size})
            })
            .collect()
    }
}

/// A size that quantities write the same way whoever reads and writes them.
const fn whole_kib(bytes: u64) -> u64 {
    bytes & !1023
}

/// A quantity of bytes as upstream writes it: the largest power of 1024 that leaves no rest.
pub(super) fn binary(bytes: u64) -> String {
    scaled(bytes, 1024, ["", "Ki", "Mi", "Gi", "Ti", "Pi"])
}

/// A count as upstream writes it.
fn decimal(count: u64) -> String {
    scaled(count, 1000, ["", "k", "M", "G", "T", "P"])
}

fn scaled(number: u64, base: u64, suffixes: [&str; 6]) -> String {
    let mut left = number;
    let mut power = 0;
    while left != 0 && left.is_multiple_of(base) && power + 1 < suffixes.len() {
        left /= base;
        power += 1;
    }
    format!("{left}{}", suffixes[power])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_written_as_upstream_reads_them_back() {
        let cases = [
            (0, "0"),
            (1023, "1023"),
            (1024, "1Ki"),
            (100 << 20, "100Mi"),
            (3 << 40, "3Ti"),
        ];
        for (bytes, text) in cases {
            assert_eq!(binary(bytes), text);
        }
        assert_eq!(
            [decimal(110), decimal(1000), decimal(1500)],
            ["110", "1k", "1500"]
        );
    }

    #[test]
    fn images_are_few_and_large_ones_come_first() {
        let image = |size: u64| Image {
            names: (0..7).map(|name| format!("i{size}:{name}")).collect(),
            size,
        };
        let nameless = Image {
            names: Vec::new(),
            size: 1 << 40,
        };
        let machine = Machine {
            images: (0..60).map(image).chain([nameless]).collect(),
            ..Machine::default()
        };
        let list = machine.image_list();
        assert_eq!((list.len(), &list[0]["sizeBytes"]), (50, &json!(59)));
        assert_eq!(list[0]["names"].as_array().unwrap().len(), 5);
    }
}
