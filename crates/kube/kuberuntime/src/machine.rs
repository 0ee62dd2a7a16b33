//! The machine as its kernel tells it, for the node's status.
//!
//! What a file does not say is left empty or zero: a node with a gap in its description is better than none.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use image::{Images, Reference};
use kubelet::node::{Host, Image, MEMORY_THRESHOLD, Machine, Pressure};
use kubelet::traits::Doing;

/// What has to be free of the disk: this many hundredths, or this many bytes if that is less. Upstream's default is ten
/// hundredths alone; of a large disk that is so much that a node with plenty of room would take no pods.
const FREE_DISK: u64 = 5;
const ENOUGH_DISK: u64 = 1 << 30;

/// Of the process ids that have to be free, in hundredths.
const FREE_PIDS: u64 = 10;

/// Reads the machine for its node.
#[derive(Clone)]
pub struct MachineReader {
    images: Images,
    data: Arc<Path>,
    looked: Arc<dyn Fn() + Send + Sync>,
}

impl MachineReader {
    /// `data` is on the file system that containers, volumes and logs are on.
    /// `looked` is called with every reading: whoever looks after the disk may look, too. It must not block.
    pub fn new(images: Images, data: &Path, looked: impl Fn() + Send + Sync + 'static) -> Self {
        Self {
            images,
            data: data.into(),
            looked: Arc::new(looked),
        }
    }

    fn read(&self) -> Machine {
        let memory = Memory::parse(&text("/proc/meminfo"));
        let disk = Disk::of(&self.data);
        (self.looked)();
        Machine {
            cpus: std::thread::available_parallelism().map_or(1, |cpus| cpus.get() as u64),
            memory: memory.total,
            disk: disk.total,
            swap: memory.swap,
            huge_pages: huge_pages(Path::new("/sys/kernel/mm/hugepages")),
            machine_id: text("/etc/machine-id").trim().to_owned(),
            system_uuid: text("/sys/class/dmi/id/product_uuid").trim().to_lowercase(),
            boot_id: sys::clock::boot_id().unwrap_or_default(),
            kernel_version: rustix::system::uname().release().to_string_lossy().into_owned(),
            os_image: os_image(),
            pressure: Pressure {
                memory: memory.available < MEMORY_THRESHOLD,
                disk: disk.is_short(),
                pids: pids_are_short(&text("/proc/loadavg"), &text("/proc/sys/kernel/pid_max")),
            },
            images: self.images.list().iter().map(|image| shown(image)).collect(),
            faults: Vec::new(),
        }
    }
}

impl Host for MachineReader {
    fn machine(&self) -> Doing<Machine> {
        let reader = self.clone();
        let reading = tokio::task::spawn_blocking(move || reader.read());
        Box::pin(async move {
            match reading.await {
                Ok(machine) => machine,
                // It is never aborted: it panicked, and what it panicked with goes on here.
                Err(failed) => std::panic::resume_unwind(failed.into_panic()),
            }
        })
    }
}

fn text(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// Less than so many hundredths of all are left.
const fn is_short(left: u64, all: u64, hundredths: u64) -> bool {
    left < all / 100 * hundredths
}

/// Bytes, of `/proc/meminfo`.
#[derive(Debug, Default, PartialEq, Eq)]
struct Memory {
    total: u64,
    available: u64,
    swap: u64,
}

impl Memory {
    fn parse(meminfo: &str) -> Self {
        let field = |name: &str| {
            let line = meminfo
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
            kib.unwrap_or(0).saturating_mul(1024)
        };
        Self {
            total: field("MemTotal"),
            available: field("MemAvailable"),
            swap: field("SwapTotal"),
        }
    }
}

struct Disk {
    total: u64,
    available: u64,
}

impl Disk {
    /// Zeros, which are never short, for what cannot be looked at.
    fn of(path: &Path) -> Self {
        let stat = rustix::fs::statvfs(path);
        let bytes = |blocks: fn(&rustix::fs::StatVfs) -> u64| {
            stat.as_ref()
                .map_or(0, |stat| blocks(stat).saturating_mul(stat.f_frsize))
        };
        Self {
            total: bytes(|stat| stat.f_blocks),
            available: bytes(|stat| stat.f_bavail),
        }
    }

    const fn is_short(&self) -> bool {
        self.available < ENOUGH_DISK && is_short(self.available, self.total, FREE_DISK)
    }
}

/// Threads that are there are the second number of `/proc/loadavg`'s fourth word: `2/317`.
fn pids_are_short(loadavg: &str, limit: &str) -> bool {
    let threads = loadavg
        .split(' ')
        .nth(3)
        .and_then(|word| word.split_once('/')?.1.parse::<u64>().ok());
    let limit: u64 = limit.trim().parse().unwrap_or(0);
    is_short(limit.saturating_sub(threads.unwrap_or(0)), limit, FREE_PIDS)
}

/// The directories are named by the size of a page: `hugepages-2048kB`.
fn huge_pages(directory: &Path) -> BTreeMap<u64, u64> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let sizes = entries.filter_map(|entry| {
        let path: PathBuf = entry.path();
        let kib = path
            .file_name()?
            .to_str()?
            .strip_prefix("hugepages-")?
            .strip_suffix("kB")?;
        let page = kib.parse::<u64>().ok()?.checked_mul(1024)?;
        let pages: u64 = fs::read_to_string(path.join("nr_hugepages"))
            .ok()?
            .trim()
            .parse()
            .ok()?;
        Some((page, page.checked_mul(pages)?))
    });
    sizes.collect()
}

/// `PRETTY_NAME` of os-release(5).
fn os_image() -> String {
    let release = match text("/etc/os-release") {
        local if local.is_empty() => text("/usr/lib/os-release"),
        local => local,
    };
    let name = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    name.map_or("Linux", |name| name.trim_matches(['"', '\'']))
        .to_owned()
}

/// Digests come first, as upstream's kubelet lists them.
fn shown(image: &image::Image) -> Image {
    let full = |name: &String| Reference::parse(name).map_or_else(|_| name.clone(), |name| name.to_string());
    let digests = image.digests.iter().map(full);
    Image {
        names: digests
            .chain(image.tags.iter().map(Reference::to_string))
            .collect(),
        size: image.size,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_in_bytes() {
        let text = "MemTotal:       2048 kB\nMemFree: 1 kB\nMemAvailable:   1024 kB\nSwapTotal: 0 kB\n";
        let memory = Memory {
            total: 2 << 20,
            available: 1 << 20,
            swap: 0,
        };
        assert_eq!(Memory::parse(text), memory);
    }

    #[test]
    fn process_ids_run_short_in_the_last_tenth() {
        assert!(!pids_are_short("0.1 0.1 0.1 2/900 77\n", "1000\n"));
        assert!(pids_are_short("0.1 0.1 0.1 2/901 77\n", "1000\n"));
        assert!(!pids_are_short("", ""));
    }

    #[test]
    fn pages_are_counted_by_their_size() {
        let root = tempfile::tempdir().unwrap();
        for (name, pages) in [
            ("hugepages-2048kB", "3\n"),
            ("hugepages-1048576kB", "0\n"),
            ("other", "1\n"),
        ] {
            fs::create_dir(root.path().join(name)).unwrap();
            fs::write(root.path().join(name).join("nr_hugepages"), pages).unwrap();
        }
        assert_eq!(
            huge_pages(root.path()),
            BTreeMap::from([(2 << 20, 6 << 20), (1 << 30, 0)])
        );
    }

    #[test]
    fn a_disk_is_short_when_little_of_it_is_left() {
        let short = |available, total| Disk { total, available }.is_short();
        assert!(!short(0, 0));
        assert!(short(4, 100));
        assert!(!short(5, 100));
        assert!(!short(ENOUGH_DISK, 100 * ENOUGH_DISK), "little of it, but enough");
    }
}
