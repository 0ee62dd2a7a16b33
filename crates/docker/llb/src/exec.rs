//! `ExecOp`: a command and its mounts.

use crate::graph::input;
use crate::{Refused, pb};

/// A command.
#[derive(Clone, Debug)]
pub struct Exec {
    /// The program and its arguments.
    pub args: Vec<String>,
    /// `NAME=value` each.
    pub env: Vec<String>,
    /// The working directory.
    pub cwd: String,
    /// `USER[:GROUP]`; empty for root.
    pub user: String,
    /// The host name; empty for the container's own.
    pub hostname: String,
    /// `NAME:ADDRESS` each.
    pub hosts: Vec<String>,
    /// Name, soft, hard.
    pub ulimits: Vec<(String, i64, i64)>,
    /// Where its group is; empty for the default.
    pub cgroup_parent: String,
    /// Codes that are no failure.
    pub valid_exit_codes: Vec<i32>,
    /// Mounts; one is the root.
    pub mounts: Vec<Mount>,
    /// The network.
    pub network: Network,
    /// Everything is allowed.
    pub insecure: bool,
    /// Secrets in the environment.
    pub secret_env: Vec<SecretEnv>,
}

/// The network of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// As the build has it.
    Default,
    /// The host's.
    Host,
    /// None.
    None,
}

/// A secret in the environment.
#[derive(Clone, Debug)]
pub struct SecretEnv {
    /// The secret.
    pub id: String,
    /// The variable.
    pub name: String,
    /// Whether there may be none.
    pub optional: bool,
}

/// A mount.
#[derive(Clone, Debug)]
pub struct Mount {
    /// Where from; nothing if there is none.
    pub input: Option<usize>,
    /// A path of it. A root is its whole input whatever this says, as upstream has it.
    pub selector: String,
    /// Where to, as written.
    pub dest: String,
    /// Which result it becomes.
    pub output: Option<usize>,
    /// Whether nothing is written there.
    pub read_only: bool,
    /// Whether it is known by its content.
    pub by_content: bool,
    /// What kind.
    pub kind: MountKind,
}

/// Kinds of mounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MountKind {
    /// Files of an input.
    Bind,
    /// A directory that lasts.
    Cache {
        /// Its name; empty for the place it is mounted at.
        id: String,
        /// Who uses it at once.
        sharing: Sharing,
    },
    /// Memory of so many bytes; 0 for no limit.
    Tmpfs(u64),
    /// A file that nobody else sees.
    Secret {
        /// Its name; empty for the last name of where it is mounted.
        id: String,
        /// Whose.
        uid: u32,
        /// Whose.
        gid: u32,
        /// Its permissions.
        mode: u32,
        /// Whether there may be none.
        optional: bool,
    },
    /// A socket of an agent.
    Ssh {
        /// The agent's name; empty for `default`.
        id: String,
        /// Whether there may be none.
        optional: bool,
    },
}

/// Who uses a cache at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// Everybody.
    Shared,
    /// One, and others get another.
    Private,
    /// One, and others wait.
    Locked,
}

/// The root.
const ROOT: &str = "/";

impl SecretEnv {
    /// Reads one.
    ///
    /// # Errors
    /// It names no secret.
    pub fn read(secret: &pb::SecretEnv) -> Result<Self, Refused> {
        match &*secret.id {
            "" => Err(Refused::invalid(format!(
                "secret ID missing for {:?} environment variable",
                secret.name
            ))),
            id => Ok(Self {
                id: id.to_owned(),
                name: secret.name.clone(),
                optional: secret.optional,
            }),
        }
    }
}

impl Network {
    /// Of a mode.
    #[must_use]
    pub const fn of(mode: pb::NetMode) -> Self {
        match mode {
            pb::NetMode::Unset => Self::Default,
            pb::NetMode::Host => Self::Host,
            pb::NetMode::None => Self::None,
        }
    }
}

impl Exec {
    /// What a container has that commands are run in later.
    #[must_use]
    pub const fn of_container(
        mounts: Vec<Mount>,
        network: Network,
        hostname: String,
        hosts: Vec<String>,
    ) -> Self {
        Self {
            args: Vec::new(),
            env: Vec::new(),
            cwd: String::new(),
            user: String::new(),
            hostname,
            hosts,
            ulimits: Vec::new(),
            cgroup_parent: String::new(),
            valid_exit_codes: Vec::new(),
            mounts,
            network,
            insecure: false,
            secret_env: Vec::new(),
        }
    }

    pub(crate) fn read(exec: &pb::ExecOp, inputs: usize) -> Result<Self, Refused> {
        let meta = exec
            .meta
            .as_ref()
            .ok_or_else(|| Refused::invalid("invalid exec op with no meta"))?;
        let table = [
            (meta.args.is_empty(), "invalid exec op with no args"),
            (exec.mounts.is_empty(), "invalid exec op with no mounts"),
            (
                !exec.mounts.iter().any(|mount| mount.dest == ROOT),
                "invalid exec op with no rootfs",
            ),
            (
                exec.mounts.iter().filter(|mount| mount.dest == ROOT).count() > 1,
                "invalid exec op with several rootfs",
            ),
        ];
        if let Some((_, sentence)) = table.iter().find(|(wrong, _)| *wrong) {
            return Err(Refused::invalid(*sentence));
        }
        if let Some(device) = exec.cdi_devices.iter().find(|device| !device.optional) {
            let sentence = format!("device {}: this node has no devices to give (CDI)", device.name);
            return Err(Refused::unsupported(sentence));
        }
        let mut outputs = 0;
        let mounts = exec
            .mounts
            .iter()
            .map(|mount| Mount::read(mount, inputs, &mut outputs));
        let ulimit = |limit: &pb::Ulimit| (limit.name.clone(), limit.soft, limit.hard);
        Ok(Self {
            args: meta.args.clone(),
            env: environment(meta),
            cwd: meta.cwd.clone(),
            user: meta.user.clone(),
            hostname: meta.hostname.clone(),
            hosts: meta
                .extra_hosts
                .iter()
                .map(|host| format!("{}:{}", host.host, host.ip))
                .collect(),
            ulimits: meta.ulimit.iter().map(ulimit).collect(),
            cgroup_parent: meta.cgroup_parent.clone(),
            valid_exit_codes: meta.valid_exit_codes.clone(),
            mounts: mounts.collect::<Result<_, _>>()?,
            network: network(exec)?,
            insecure: insecure(exec)?,
            secret_env: secrets(exec)?,
        })
    }

    /// How many results there are.
    pub(crate) fn outputs(&self) -> usize {
        self.mounts.iter().filter(|mount| mount.output.is_some()).count()
    }
}

fn network(exec: &pb::ExecOp) -> Result<Network, Refused> {
    pb::NetMode::try_from(exec.network)
        .map(Network::of)
        .map_err(|_| Refused::invalid(format!("unknown network mode {}", exec.network)))
}

fn insecure(exec: &pb::ExecOp) -> Result<bool, Refused> {
    match pb::SecurityMode::try_from(exec.security) {
        Ok(mode) => Ok(mode == pb::SecurityMode::Insecure),
        Err(_) => Err(Refused::invalid(format!(
            "unknown security mode {}",
            exec.security
        ))),
    }
}

fn secrets(exec: &pb::ExecOp) -> Result<Vec<SecretEnv>, Refused> {
    exec.secretenv.iter().map(SecretEnv::read).collect()
}

/// The environment, with proxies by both of their names.
fn environment(meta: &pb::Meta) -> Vec<String> {
    let mut env = meta.env.clone();
    let Some(proxies) = &meta.proxy_env else {
        return env;
    };
    let named = [
        ("HTTP_PROXY", &proxies.http_proxy),
        ("HTTPS_PROXY", &proxies.https_proxy),
        ("FTP_PROXY", &proxies.ftp_proxy),
        ("NO_PROXY", &proxies.no_proxy),
        ("ALL_PROXY", &proxies.all_proxy),
    ];
    for (name, value) in named.into_iter().filter(|(_, value)| !value.is_empty()) {
        env.push(format!("{name}={value}"));
        env.push(format!("{}={value}", name.to_lowercase()));
    }
    env
}

impl Mount {
    /// Reads a mount of a container that is no vertex: nothing of it becomes a result, and its input has a number of its own.
    ///
    /// # Errors
    /// Why it is none.
    pub fn of_container(mount: &pb::Mount, input: Option<usize>) -> Result<Self, Refused> {
        let own = pb::Mount {
            input: input.and_then(|input| i64::try_from(input).ok()).unwrap_or(-1),
            output: -1,
            ..mount.clone()
        };
        Self::read(&own, input.map_or(0, |input| input + 1), &mut 0)
    }

    fn read(mount: &pb::Mount, inputs: usize, outputs: &mut usize) -> Result<Self, Refused> {
        let kind = MountKind::read(mount)?;
        let root = mount.dest == ROOT;
        if root && kind != MountKind::Bind {
            return Err(Refused::invalid(format!(
                "invalid mount type {} for {}",
                mount.mount_type().as_str_name(),
                mount.dest
            )));
        }
        let input = input(mount.input, inputs)?;
        let wants = match kind {
            MountKind::Bind => mount.output != -1,
            MountKind::Cache { .. } => mount.output != -1 && input.is_some(),
            _ => false,
        };
        // Results are counted as mounts are, whatever number they have been given.
        let output = wants.then_some(*outputs);
        *outputs += usize::from(wants);
        let whole = matches!(&*mount.selector, "" | ROOT);
        let safe = mount.output == -1 || mount.readonly || whole;
        let by_content = match mount.content_cache() {
            pb::MountContentCache::On if !safe => {
                return Err(Refused::invalid(format!(
                    "invalid mount cache content of {}",
                    mount.dest
                )));
            }
            pb::MountContentCache::Off => false,
            pb::MountContentCache::On => true,
            pb::MountContentCache::Default => safe && !root,
        };
        Ok(Self {
            input,
            selector: mount.selector.clone(),
            dest: mount.dest.clone(),
            output,
            read_only: mount.readonly,
            by_content,
            kind,
        })
    }

    /// Whether it is the root.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.dest == ROOT
    }
}

impl MountKind {
    fn read(mount: &pb::Mount) -> Result<Self, Refused> {
        let kind = pb::MountType::try_from(mount.mount_type)
            .map_err(|_| Refused::invalid(format!("mount type {} not implemented", mount.mount_type)))?;
        Ok(match kind {
            pb::MountType::Bind => Self::Bind,
            pb::MountType::Tmpfs => {
                let size = mount.tmpfs_opt.map_or(0, |tmpfs| tmpfs.size);
                Self::Tmpfs(u64::try_from(size).unwrap_or(0))
            }
            pb::MountType::Cache => {
                let cache = mount.cache_opt.as_ref();
                let cache = cache.ok_or_else(|| Refused::invalid("missing cache mount options"))?;
                let sharing = match cache.sharing() {
                    pb::CacheSharingOpt::Shared => Sharing::Shared,
                    pb::CacheSharingOpt::Private => Sharing::Private,
                    pb::CacheSharingOpt::Locked => Sharing::Locked,
                };
                Self::Cache {
                    id: cache.id.clone(),
                    sharing,
                }
            }
            pb::MountType::Secret => {
                let secret = mount.secret_opt.as_ref();
                let secret = secret.ok_or_else(|| Refused::invalid("invalid secret mount options"))?;
                Self::Secret {
                    id: secret.id.clone(),
                    uid: secret.uid,
                    gid: secret.gid,
                    mode: secret.mode,
                    optional: secret.optional,
                }
            }
            pb::MountType::Ssh => {
                let agent = mount.ssh_opt.as_ref();
                let agent = agent.ok_or_else(|| Refused::invalid("invalid ssh mount options"))?;
                Self::Ssh {
                    id: agent.id.clone(),
                    optional: agent.optional,
                }
            }
        })
    }
}
