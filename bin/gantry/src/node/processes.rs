//! The processes of a node, seen from a command line: which of them run, starting them, waiting for them.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::process::{Child, Stdio};
use std::time::Duration;

use cluster::control::client::{self, Conversation};
use cluster::control::{Reply, Request, Status};
use cluster::{Config, Held, InstanceName, Stage};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::inotify;
use supervisor::client::Client;
use supervisor::protocol::{self, Leftovers, Role};
use sys::clock::boottime;
use sys::pidfd;

use super::{exit, kubernetes, registries, registry};
use crate::failure::Failure;

/// How long an answer that needs no work may take.
const PROMPT: Duration = Duration::from_secs(10);

/// How long a process that was killed may take to be gone.
const ENDING: Duration = Duration::from_millis(200);

/// What there is of a node.
pub(super) enum Found {
    Nothing,
    /// The supervisor, without a daemon: containers were kept, or the daemon is between two lives.
    Supervisor(Client),
    /// A daemon that answers.
    Daemon(Box<Status>),
}

pub(super) fn find(config: &Config) -> Result<Found, Failure> {
    if let Some(status) = status(config)? {
        return Ok(Found::Daemon(Box::new(status)));
    }
    Ok(supervisor_of(config).map_or(Found::Nothing, Found::Supervisor))
}

/// What there is of a node, and the right to start or end it. A daemon whose supervisor was killed starts
/// another first, which it does while nobody has that right.
pub(super) fn claim(config: &Config, deadline: Duration) -> Result<(File, Found), Failure> {
    loop {
        let (lock, found) = (lock(config)?, find(config)?);
        match &found {
            Found::Daemon(status) if supervisor_of(config).is_none() => {
                drop(lock);
                until_supervised_again(config, status.pid, deadline)?;
            }
            _ => return Ok((lock, found)),
        }
    }
}

/// Returns when the daemon has a supervisor again, or has ended.
fn until_supervised_again(config: &Config, daemon: u32, deadline: Duration) -> Result<(), Failure> {
    let (changes, ended) = (changes(config)?, watch(daemon));
    while supervisor_of(config).is_none() {
        let left = deadline.saturating_sub(boottime());
        if left.is_zero() {
            return Err(not_in_time(config));
        }
        wait(&changes, ended.as_ref(), left)?;
        let over = ended
            .as_ref()
            .is_none_or(|ended| sys::poll::readable_within(ended, Duration::ZERO).unwrap_or(true));
        if over {
            return Ok(());
        }
        drain(&changes);
    }
    Ok(())
}

/// The supervisor that has taken the place of one that was killed, by a descriptor; none if the node has
/// ended.
pub(super) fn next_supervisor(config: &Config) -> Option<OwnedFd> {
    let daemon = status(config).ok()??.pid;
    until_supervised_again(config, daemon, boottime() + PROMPT).ok()?;
    supervisor_of(config)?;
    watch(cluster::pid_in(&config.paths().supervisor_pid())?)
}

/// How the node is, if its daemon answers.
pub(super) fn status(config: &Config) -> Result<Option<Status>, Failure> {
    let Some(mut conversation) = ask(config, &Request::Status)? else {
        return Ok(None);
    };
    match conversation.next(PROMPT) {
        Ok(Reply::Status(status)) => is_meant(config, &status).map(|()| Some(*status)),
        // It has ended since it was asked.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        other => Err(unexpected(other)),
    }
}

/// A name that was given is the node's: nobody ends another by a slip. No name at all means whichever is there.
fn is_meant(config: &Config, found: &Status) -> Result<(), Failure> {
    if config.name == found.name || config.name == InstanceName::default() {
        return Ok(());
    }
    let why = format!(
        "the run directory {} belongs to the node {:?} (process {}), not to {:?}",
        config.run_dir.display(),
        found.name.as_str(),
        found.pid,
        config.name.as_str(),
    );
    Err(Failure::with_code(exit::HELD, why))
}

/// Asks the daemon; none if nobody listens.
pub(super) fn ask(config: &Config, request: &Request) -> Result<Option<Conversation>, Failure> {
    match client::ask(&config.paths().control_socket(), request) {
        Ok(conversation) => Ok(Some(conversation)),
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused | io::ErrorKind::BrokenPipe => {
                Ok(None)
            }
            io::ErrorKind::PermissionDenied => {
                Err(Failure::with_code(exit::CANNOT, "only root may ask the daemon"))
            }
            _ => Err(error.into()),
        },
    }
}

pub(super) fn unexpected(reply: io::Result<Reply>) -> Failure {
    match reply {
        Ok(Reply::Refused { message }) => Failure::with_code(1, message),
        Ok(other) => Failure::with_code(1, format!("the daemon answered {other:?}")),
        Err(error) => error.into(),
    }
}

pub(super) fn supervisor_of(config: &Config) -> Option<Client> {
    Client::connect(&config.paths().supervisor_socket(), Role::Operator {}).ok()
}

/// One command line at a time starts or ends a node; the next one waits, then finds it started or ended.
fn lock(config: &Config) -> Result<File, Failure> {
    let mut directory = fs::DirBuilder::new();
    directory.recursive(true).mode(0o711).create(&config.run_dir)?;
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    let file = options.open(config.paths().starting())?;
    file.lock()?;
    Ok(file)
}

/// The command with which the supervisor starts the daemon.
fn daemon_command(config: &Config) -> io::Result<Vec<std::ffi::OsString>> {
    let option = |name: &str, value: &std::path::Path| [name.into(), value.as_os_str().to_owned()];
    let mut words = vec![std::env::current_exe()?.into_os_string(), "daemon".into()];
    words.extend(["--name".into(), config.name.as_str().into()]);
    words.extend(option("--data-dir", &config.data_dir));
    words.extend(option("--run-dir", &config.run_dir));
    words.extend(option("--docker-socket", &config.docker_socket));
    words.extend([
        "--ready-namespaces".into(),
        config.ready_namespaces.to_string().into(),
        "--disk-quota".into(),
        config.disk_quota.to_string().into(),
        "--image-minimum-gc-age".into(),
        humantime::format_duration(config.image_minimum_gc_age)
            .to_string()
            .into(),
    ]);
    words.extend(registry::words(&config.registry).into_iter().map(Into::into));
    words.extend(registries::words(&config.registries).into_iter().map(Into::into));
    words.extend(kubernetes::words(&config.kubernetes).map(Into::into));
    Ok(words)
}

/// A node of this name with other directories would share links, rules and cgroups with ours.
///
/// # Errors
/// 4, naming the process that runs it. One that has just been killed is waited for.
pub(super) fn name_is_free(config: &Config) -> Result<(), Failure> {
    loop {
        let Some(pid) = cluster::name_holder(&config.name)? else {
            return Ok(());
        };
        let ends = watch(pid).map(|process| sys::poll::readable_within(process, ENDING));
        if ends.transpose()?.unwrap_or(true) {
            continue;
        }
        let held = Held {
            what: format!("the name {:?}", config.name.as_str()),
            pid: Some(pid),
        };
        return Err(Failure::with_code(exit::HELD, held.to_string()));
    }
}

/// Starts the supervisor, and it the daemon. What either says before it has a log goes into the log file.
pub(super) fn start_supervisor(config: &Config) -> Result<Child, Failure> {
    let paths = config.paths();
    let mut directory = fs::DirBuilder::new();
    directory.recursive(true).mode(0o711).create(paths.log_dir())?;
    let mut log = OpenOptions::new();
    let log = log.append(true).create(true).mode(0o640).open(paths.log())?;
    let mut command =
        cluster::supervisor_command(config, &std::env::current_exe()?, &daemon_command(config)?);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    Ok(command.spawn()?)
}

/// Tells a supervisor what to run as the daemon from now on; none if it shall not be restarted.
pub(super) fn set_daemon(supervisor: &mut Client, config: Option<&Config>) -> Result<(), Failure> {
    let words = config.map(daemon_command).transpose()?.unwrap_or_default();
    let environment = cluster::environment().map(|(name, value)| [name, value].join("=".as_ref()));
    let request = protocol::Request::SetDaemon {
        arguments: words.iter().map(|word| word.as_bytes().into()).collect(),
        environment: environment.map(|each| each.as_bytes().into()).collect(),
    };
    supervisor.call(&request, &[])?;
    Ok(())
}

/// Ends the supervisor and every process that it started. Returns when it has ended.
pub(super) fn end_supervisor(mut supervisor: Client, pid: u32, grace: Duration) -> Result<(), Failure> {
    let ended = watch(pid);
    let request = protocol::Request::Shutdown {
        leftovers: Leftovers::Kill {},
        grace: u32::try_from(grace.as_millis()).unwrap_or(u32::MAX),
    };
    // Its end is the answer: it may be gone before it could be read, and must come in bounded time.
    supervisor.send(&request, &[])?;
    let Some(pidfd) = ended else {
        return Ok(());
    };
    if sys::poll::readable_within(&pidfd, grace.saturating_add(PROMPT))? {
        return Ok(());
    }
    drop(writeln!(
        io::stderr(),
        "warning: the supervisor does not end and is killed"
    ));
    pidfd::signal(&pidfd, libc::SIGKILL)?;
    Ok(sys::poll::readable(pidfd)?)
}

/// A descriptor that becomes readable when the process ends; none if it has.
pub(super) fn watch(pid: u32) -> Option<OwnedFd> {
    let pid = rustix::process::Pid::from_raw(pid.cast_signed())?;
    pidfd::open(pid).ok()
}

/// Waits until the supervisor answers, however long the daemon may take: from here on everybody finds the
/// node, and nobody starts a second one.
pub(super) fn until_supervised(config: &Config, supervisor: &Child) -> Result<(), Failure> {
    let changes = changes(config)?;
    let ended = watch(supervisor.id());
    while supervisor_of(config).is_none() {
        wait(&changes, ended.as_ref(), PROMPT)?;
        let over = ended
            .as_ref()
            .is_none_or(|ended| sys::poll::readable_within(ended, Duration::ZERO).unwrap_or(true));
        if over {
            return Err(died(config, "supervisor"));
        }
        drain(&changes);
    }
    Ok(())
}

/// Becomes readable when a socket or pid file appears.
fn changes(config: &Config) -> io::Result<OwnedFd> {
    let changes = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
    let appears = inotify::WatchFlags::MOVED_TO | inotify::WatchFlags::CLOSE_WRITE;
    inotify::add_watch(&changes, &config.run_dir, appears)?;
    Ok(changes)
}

/// Waits until the daemon is ready; `stage` hears of each stage.
///
/// # Errors
/// 124 when `deadline` (in boot time) passes; the daemon's own exit code when it cannot start.
pub(super) fn until_ready(
    config: &Config,
    deadline: Duration,
    supervisor: Option<&OwnedFd>,
    stage: &mut dyn FnMut(&Stage),
) -> Result<Status, Failure> {
    let changes = changes(config)?;
    loop {
        if let Some(conversation) = ask(config, &Request::Ready)? {
            return converse(config, conversation, deadline, stage);
        }
        let left = deadline.saturating_sub(boottime());
        if left.is_zero() {
            return Err(not_in_time(config));
        }
        wait(&changes, supervisor, left)?;
        if let Some(supervisor) = supervisor
            && sys::poll::readable_within(supervisor, Duration::ZERO)?
        {
            return Err(died(config, "supervisor"));
        }
        drain(&changes);
    }
}

fn wait(changes: &OwnedFd, supervisor: Option<&OwnedFd>, left: Duration) -> io::Result<()> {
    let mut fds = vec![PollFd::new(changes, PollFlags::IN)];
    fds.extend(supervisor.map(|pidfd| PollFd::from_borrowed_fd(pidfd.as_fd(), PollFlags::IN)));
    let left = Timespec::try_from(left).map_err(io::Error::other)?;
    match rustix::event::poll(&mut fds, Some(&left)) {
        Err(error) if error != rustix::io::Errno::INTR => Err(error.into()),
        _ => Ok(()),
    }
}

fn drain(changes: &OwnedFd) {
    while matches!(rustix::io::read(changes, &mut [0_u8; 4096]), Ok(1..)) {}
}

fn converse(
    config: &Config,
    mut conversation: Conversation,
    deadline: Duration,
    stage: &mut dyn FnMut(&Stage),
) -> Result<Status, Failure> {
    loop {
        match conversation.next(deadline.saturating_sub(boottime())) {
            Ok(Reply::Stage(finished)) => stage(&finished),
            Ok(Reply::Status(status)) => return Ok(*status),
            Ok(Reply::Failed { exit, message }) => return Err(Failure::with_code(exit, message)),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => return Err(not_in_time(config)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(died(config, "daemon")),
            other => return Err(unexpected(other)),
        }
    }
}

fn not_in_time(config: &Config) -> Failure {
    Failure::with_code(
        exit::NOT_IN_TIME,
        format!(
            "not ready in time, and still starting; its log is {}",
            config.paths().log().display()
        ),
    )
}

fn died(config: &Config, what: &str) -> Failure {
    Failure::with_code(
        1,
        format!(
            "the {what} has ended while starting; its log is {}",
            config.paths().log().display()
        ),
    )
}
