//! The host's `git`, on a short leash: it is nobody, and of the node it can reach nothing but what was fetched; it sees no configuration but what it is told here, asks nobody, runs no hooks, speaks
//! only the protocols that repositories come by, and ends in time, with everything that it has started.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process_group, prlimit};
use sys::private_mounts::assemble;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, Command};

use crate::MOST;

/// How long one command may take.
const PATIENCE: Duration = Duration::from_secs(20 * 60);
/// The address space of one of its processes. It maps packs by pieces (see [`LEASH`]).
const MEMORY: u64 = 4 << 30;
/// At most so much of what it says is read.
const SAID: u64 = 64 << 20;
/// At most so much of its complaints is told.
const TOLD: usize = 16 << 10;

/// Where programs are, as on any Linux.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What git is not to do, whatever a repository says.
const LEASH: &[&str] = &[
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.askPass=",
    "credential.helper=",
    "protocol.file.allow=user",
    "init.defaultBranch=master",
    "advice.detachedHead=false",
    "gc.auto=0",
    "core.packedGitWindowSize=32m",
    "core.packedGitLimit=512m",
    "pack.threads=2",
    "safe.directory=*",
];

/// Who it is where the daemon is root: the user and group that own nothing.
const NOBODY: u32 = 65534;
/// Where it sees what was fetched: a place that every Linux has. The node's own directories let nobody through.
const INSIDE: &str = "/tmp";

/// Whether git is made nobody: only root can.
fn is_leashed() -> bool {
    rustix::process::geteuid().is_root()
}

/// Gives a path to git.
pub(crate) fn give(path: &Path) -> std::io::Result<()> {
    chown(path, NOBODY)
}

/// Takes a path back, and of a link itself.
pub(crate) fn take_back(path: &Path) -> std::io::Result<()> {
    chown(path, 0)
}

fn chown(path: &Path, id: u32) -> std::io::Result<()> {
    match is_leashed() {
        true => std::os::unix::fs::lchown(path, Some(id), Some(id)),
        false => Ok(()),
    }
}

/// A way to call git.
#[derive(Clone, Debug, Default)]
pub(crate) struct Program {
    /// Below it is all that git may reach.
    pub(crate) home: PathBuf,
    pub(crate) git_dir: Option<PathBuf>,
    pub(crate) work_tree: Option<PathBuf>,
    /// An index of its own, so that two checkouts of one repository do not meet.
    pub(crate) index: Option<PathBuf>,
    /// A socket behind which an agent answers.
    pub(crate) agent: Option<PathBuf>,
    /// The proxy that leads to the repository.
    pub(crate) proxy: Option<String>,
    /// A repository of ours is read, by its path.
    pub(crate) local: bool,
    /// A setting that tells a server who asks, and its value; not a word of the command, which everybody can read.
    pub(crate) authorization: Option<(String, String)>,
}

/// Why git did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GitError {
    #[error("this machine has no git: install it where the daemon runs, or add files another way")]
    Missing,
    #[error("git does not start: {0}")]
    Start(std::io::Error),
    #[error("git took longer than {} s", PATIENCE.as_secs())]
    Late,
    #[error("git said more than {SAID} bytes")]
    Chatty,
    #[error("git stderr:\n{said}: {}", ended(.status))]
    Failed { said: String, status: ExitStatus },
    #[error("reading what git says: {0}")]
    Read(#[from] std::io::Error),
}

fn ended(status: &ExitStatus) -> String {
    match status.code() {
        Some(code) => format!("exit status {code}"),
        None => status.to_string(),
    }
}

impl Program {
    /// Runs git; gives what it says. A server that cannot give a part of a history gives all of it.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Result<String, GitError> {
        match self.once(arguments).await {
            Err(GitError::Failed { said, .. })
                if arguments.contains(&"--depth=1")
                    && (said.contains("shallow") || said.contains("--depth")) =>
            {
                let whole: Vec<&str> = arguments
                    .iter()
                    .copied()
                    .filter(|word| *word != "--depth=1")
                    .collect();
                self.once(&whole).await
            }
            ended => ended,
        }
    }

    async fn once(&self, arguments: &[&str]) -> Result<String, GitError> {
        let agent = self
            .agent
            .as_deref()
            .map(|agent| Agent::beside(agent, &self.home));
        let agent = agent.transpose()?;
        let mut child = self.spawn(arguments, agent.as_ref())?;
        let mut group = Group::of(&child);
        if let Some(pid) = group.0 {
            // What it downloads lies in files, so their size is what a repository costs; but a few bytes of a delta can
            // ask for any memory.
            for (resource, most) in [(Resource::Fsize, MOST), (Resource::As, MEMORY)] {
                let limit = Rlimit {
                    current: Some(most),
                    maximum: Some(most),
                };
                // A child that has ended needs no limit.
                let _ = prlimit(Some(pid), resource, limit);
            }
            // Where the machine's memory does not suffice it goes before anything of the node.
            let score = format!("/proc/{}/oom_score_adj", pid.as_raw_nonzero());
            let _ = std::fs::write(score, "1000");
        }
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let all = async {
            let (out, err) = tokio::join!(read(out), read(err));
            Ok::<_, GitError>((out?, err?, child.wait().await?))
        };
        let (out, err, status) = tokio::time::timeout(PATIENCE, all)
            .await
            .map_err(|_| GitError::Late)??;
        // Nobody holds its pipes any more, so nobody of the group is left, and its number may be another's.
        group.0 = None;
        if status.success() {
            return Ok(String::from_utf8_lossy(&out).into_owned());
        }
        let from = err.len().saturating_sub(TOLD);
        let said = String::from_utf8_lossy(&err[from..]).into_owned();
        Err(GitError::Failed { said, status })
    }

    /// Starts it where nothing of the node but its home can be seen.
    fn spawn(&self, arguments: &[&str], agent: Option<&Agent>) -> Result<Child, GitError> {
        let failed = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::NotFound => GitError::Missing,
            _ => GitError::Start(error),
        };
        let mut command = self.command(arguments, agent);
        if !is_leashed() {
            return command.spawn().map_err(failed);
        }
        command.uid(NOBODY).gid(NOBODY);
        let runtime = tokio::runtime::Handle::current();
        let started = assemble(|| {
            let _entered = runtime.enter();
            let bound = rustix::mount::mount_bind(&self.home, INSIDE);
            bound.map_err(|error| std::io::Error::other(format!("binding {INSIDE}: {error}")))?;
            // Of this thread, which ends here, and of what it starts: no program of the host's makes it somebody again.
            rustix::thread::set_no_new_privs(true)?;
            command.spawn()
        });
        // git has the mounts now; nobody else needs them.
        started.map(|(child, _mounts)| child).map_err(failed)
    }

    /// A path as git sees it.
    pub(crate) fn inside(&self, path: &Path) -> PathBuf {
        match path.strip_prefix(&self.home) {
            Ok(below) if is_leashed() => Path::new(INSIDE).join(below),
            _ => path.to_owned(),
        }
    }

    fn command(&self, arguments: &[&str], agent: Option<&Agent>) -> Command {
        let mut command = Command::new("git");
        for setting in LEASH {
            command.args(["-c", setting]);
        }
        if let Some(tree) = &self.work_tree {
            let tree = self.inside(tree);
            command.arg("--work-tree").arg(&tree);
            command.current_dir(tree);
        } else {
            command.current_dir("/");
        }
        if let Some(directory) = &self.git_dir {
            command.arg("--git-dir").arg(self.inside(directory));
        }
        command.args(arguments).env_clear();
        command.envs(self.environment());
        let paths = [
            ("SSH_AUTH_SOCK", agent.map(|agent| &agent.0)),
            ("GIT_INDEX_FILE", self.index.as_ref()),
        ];
        for (name, path) in paths {
            command.envs(path.map(|path| (name, self.inside(path))));
        }
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command.kill_on_drop(true).process_group(0);
        command
    }

    fn environment(&self) -> Vec<(&'static str, &OsStr)> {
        let protocols = if self.local { "file" } else { "http:https:git:ssh" };
        let mut variables: Vec<(&str, &OsStr)> = [
            ("PATH", PATH),
            ("LC_ALL", "C"),
            ("HOME", "/dev/null"),
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_TERMINAL_PROMPT", "0"),
            ("GIT_ALLOW_PROTOCOL", protocols),
            (
                "GIT_SSH_COMMAND",
                "ssh -F /dev/null -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o IdentityFile=none -o ConnectTimeout=30",
            ),
        ]
        .map(|(name, value)| (name, OsStr::new(value)))
        .to_vec();
        if let Some((name, value)) = &self.authorization {
            let setting = [
                ("GIT_CONFIG_COUNT", "2"),
                ("GIT_CONFIG_KEY_0", name.as_str()),
                ("GIT_CONFIG_VALUE_0", value.as_str()),
                // Git shows to whoever it is redirected to what is for the first one only.
                ("GIT_CONFIG_KEY_1", "http.followRedirects"),
                ("GIT_CONFIG_VALUE_1", "false"),
            ];
            variables.extend(setting.map(|(name, value)| (name, OsStr::new(value))));
        }
        if let Some(proxy) = &self.proxy {
            let names = ["http_proxy", "https_proxy"];
            variables.extend(names.map(|name| (name, OsStr::new(proxy))));
        }
        variables
    }

    /// The same for files of a repository.
    pub(crate) fn at(&self, git_dir: &Path, work_tree: &Path) -> Self {
        Self {
            git_dir: Some(git_dir.to_owned()),
            work_tree: Some(work_tree.to_owned()),
            ..self.clone()
        }
    }
}

/// A name for an agent's socket where git can reach it; it goes with this.
struct Agent(PathBuf);

impl Agent {
    fn beside(agent: &Path, home: &Path) -> std::io::Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = home.join(format!("agent-{number}"));
        std::fs::hard_link(agent, &path)?;
        Ok(Self(path))
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // What stays is removed when the daemon begins again.
        let _ = std::fs::remove_file(&self.0);
    }
}

async fn read(pipe: Option<impl AsyncRead + Unpin>) -> Result<Vec<u8>, GitError> {
    let mut said = Vec::new();
    if let Some(pipe) = pipe {
        pipe.take(SAID).read_to_end(&mut said).await?;
    }
    if said.len() as u64 == SAID {
        return Err(GitError::Chatty);
    }
    Ok(said)
}

/// git and what it has started: they end together, also when nobody waits for them any more.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        Self(id.and_then(Pid::from_raw))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // Its first process has not been waited for, so the number is still the group's.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}
