//! What a node has in the kernel, found by its names and directories alone: nothing once it is down.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sys::netlink::{Family, Netlink};
use sys::netns;

/// A node, as the kernel knows it.
#[derive(Clone, Debug)]
pub(crate) struct Traces {
    /// What its objects are named after.
    pub(crate) name: String,
    /// What its mounts lie below.
    pub(crate) directory: PathBuf,
    /// A process in its network namespace.
    pub(crate) process: u32,
}

impl Traces {
    /// Mounts, control groups (and so processes), links and nf_tables tables. A name of more than eight bytes is not in
    /// those of all links.
    pub(crate) fn all(&self) -> Vec<String> {
        let mut all = mounts(&self.directory);
        all.extend(self.groups());
        all.extend(self.inside(|| links(&self.name)));
        let table =
            self.inside(|| Netlink::open(Family::Netfilter).and_then(|socket| has_table(socket, &self.name)));
        all.extend(
            table
                .unwrap_or(false)
                .then(|| format!("nf_tables table {}", self.name)),
        );
        all
    }

    /// Control groups, in every hierarchy.
    pub(crate) fn groups(&self) -> Vec<String> {
        groups(&self.name)
    }

    /// Takes links, the nf_tables table and namespaces away, as a reboot does.
    pub(crate) fn lose_network(&self) -> io::Result<()> {
        self.inside(|| network::sweep(&self.name, &self.directory.join("run")))
    }

    fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let path = format!("/proc/{}/ns/net", self.process);
        let namespace = netns::Namespace::open(Path::new(&path)).expect("the node's namespace is there");
        namespace.run(work).expect("a thread in the node's namespace")
    }
}

fn mounts(directory: &Path) -> Vec<String> {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let targets = table.lines().filter_map(|line| line.split(' ').nth(4));
    let below = targets.filter(|target| Path::new(target).starts_with(directory));
    below.map(|target| format!("mount {target}")).collect()
}

fn groups(name: &str) -> Vec<String> {
    let root = Path::new("/sys/fs/cgroup");
    let hierarchies = fs::read_dir(root).into_iter().flatten().flatten();
    let places = hierarchies.map(|entry| entry.path()).chain([root.to_owned()]);
    let groups = places
        .map(|place| place.join(name))
        .filter(|group| group.is_dir());
    groups
        .map(|group| format!("cgroup {}", group.display()))
        .collect()
}

fn links(name: &str) -> Vec<String> {
    let table = fs::read_to_string("/proc/thread-self/net/dev").unwrap_or_default();
    let names = table.lines().filter_map(|line| line.split_once(':'));
    let ours = names
        .map(|(link, _)| link.trim())
        .filter(|link| link.starts_with(name));
    ours.map(|link| format!("link {link}")).collect()
}

/// `NFT_MSG_GETTABLE` as a dump: a header, a `struct nfgenmsg`. Each answer names a table, with a NUL behind it.
fn has_table(mut socket: Netlink, name: &str) -> io::Result<bool> {
    const REQUEST: u16 = 1;
    const GET_TABLE: u16 = 10 << 8 | 1;
    let mut message = 20_u32.to_ne_bytes().to_vec();
    message.extend(GET_TABLE.to_ne_bytes());
    message.extend(REQUEST.to_ne_bytes());
    message.extend([0; 12]);
    let wanted = [&[0][..], name.as_bytes(), &[0]].concat();
    let mut found = false;
    socket.dump(&mut message, |_, payload| {
        found |= payload.windows(wanted.len()).any(|part| part == wanted);
    })?;
    Ok(found)
}
