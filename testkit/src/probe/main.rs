//! A static program for containers that have nothing else: it looks at what it was given and says
//! what it sees. Each argument list may hold several commands, separated by `--`.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "printing is what it is for")]

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::process::ExitCode;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

type Command = (&'static str, fn(&[&str]) -> Result<()>);

const COMMANDS: &[Command] = &[
    ("true", |_| Ok(())),
    ("echo", |words| say(&words.join(" "))),
    ("env", |_| {
        std::env::vars().try_for_each(|(name, value)| say(&format!("{name}={value}")))
    }),
    ("cat", |paths| {
        paths.iter().try_for_each(|path| print(&fs::read(path)?))
    }),
    ("write", |words| Ok(fs::write(words[0], words[1])?)),
    ("mkdir", |paths| Ok(fs::create_dir(paths[0])?)),
    ("ls", |paths| list(paths[0])),
    ("stat", |paths| paths.iter().try_for_each(|path| stat(path))),
    ("status", |fields| status(fields)),
    ("limit", |words| limit(words[0])),
    ("ids", |_| ids()),
    ("cwd", |_| say(&std::env::current_dir()?.display().to_string())),
    ("umask", |_| {
        say(&format!(
            "{:04o}",
            rustix::process::umask(rustix::fs::Mode::empty()).bits()
        ))
    }),
    ("hostname", |_| uname(|name| name.nodename())),
    ("domainname", |_| uname(|name| name.domainname())),
    ("machine", |_| uname(|name| name.machine())),
    ("uptime", |_| {
        say(&rustix::time::clock_gettime(rustix::time::ClockId::Boottime)
            .tv_sec
            .to_string())
    }),
    ("tty", |_| tty()),
    ("fds", |_| fds()),
    ("namespaces", |_| namespaces()),
    ("stdin", |_| copy_input()),
    ("wait", |_| wait()),
    ("eat", |bytes| eat(bytes[0].parse()?)),
    ("orphan", |_| orphan()),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    for command in arguments.split(|word| word == "--") {
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        if let ["exit", code] = words[..] {
            return ExitCode::from(code.parse::<u8>().unwrap_or(255));
        }
        // `try` goes on after a command that is expected to fail.
        let (tried, words) = match words.split_first() {
            Some((&"try", rest)) => (true, rest),
            _ => (false, &words[..]),
        };
        if let Err(error) = run(words) {
            println!("{}: {error}", words.join(" "));
            if !tried {
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

fn run(words: &[&str]) -> Result<()> {
    let (name, rest) = words.split_first().ok_or("no command")?;
    let (_, command) = COMMANDS
        .iter()
        .find(|(known, _)| known == name)
        .ok_or("unknown command")?;
    command(rest)
}

fn say(line: &str) -> Result<()> {
    print(format!("{line}\n").as_bytes())
}

fn print(bytes: &[u8]) -> Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    Ok(out.flush()?)
}

fn list(path: &str) -> Result<()> {
    let names: io::Result<Vec<_>> = fs::read_dir(path)?
        .map(|entry| entry.map(|entry| entry.file_name()))
        .collect();
    let mut names: Vec<String> = names?
        .into_iter()
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    names.sort();
    say(&names.join(" "))
}

/// `PATH KIND MODE UID:GID` and what is particular to links and devices.
fn stat(path: &str) -> Result<()> {
    let metadata = fs::symlink_metadata(path)?;
    let kind = metadata.file_type();
    let rdev = metadata.rdev();
    let detail = if kind.is_symlink() {
        format!("link {}", fs::read_link(path)?.display())
    } else if kind.is_char_device() {
        format!("char {}:{}", rustix::fs::major(rdev), rustix::fs::minor(rdev))
    } else if kind.is_dir() {
        "dir".to_owned()
    } else {
        format!("file {}", metadata.len())
    };
    say(&format!(
        "{path} {detail} {:04o} {}:{}",
        metadata.mode() & 0o7777,
        metadata.uid(),
        metadata.gid()
    ))
}

/// Lines of `/proc/self/status`, white space folded.
fn status(fields: &[&str]) -> Result<()> {
    let text = fs::read_to_string("/proc/self/status")?;
    for line in text
        .lines()
        .filter(|line| fields.iter().any(|field| line.starts_with(&format!("{field}:"))))
    {
        say(&line.split_whitespace().collect::<Vec<_>>().join(" "))?;
    }
    Ok(())
}

/// The line of `/proc/self/limits` for `Max WORD ...`, white space folded.
fn limit(word: &str) -> Result<()> {
    let text = fs::read_to_string("/proc/self/limits")?;
    let line = text
        .lines()
        .find(|line| line.split_whitespace().nth(1) == Some(word));
    say(&line
        .ok_or("no such limit")?
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" "))
}

fn ids() -> Result<()> {
    let (uid, gid) = (
        rustix::process::getuid().as_raw(),
        rustix::process::getgid().as_raw(),
    );
    let groups: Vec<String> = rustix::process::getgroups()?
        .iter()
        .map(|gid| gid.as_raw().to_string())
        .collect();
    say(&format!("uid={uid} gid={gid} groups={}", groups.join(",")))
}

fn uname(field: impl Fn(&rustix::system::Uname) -> &std::ffi::CStr) -> Result<()> {
    say(&field(&rustix::system::uname()).to_string_lossy())
}

fn tty() -> Result<()> {
    let size = rustix::termios::tcgetwinsize(io::stdout())?;
    let console = fs::metadata("/dev/console")?.rdev() == rustix::fs::fstat(io::stdout())?.st_rdev;
    let controlling = fs::File::open("/dev/tty").is_ok();
    say(&format!(
        "{}x{} console={console} controlling={controlling}",
        size.ws_row, size.ws_col
    ))
}

/// Open descriptors but for the one that reads the directory.
fn fds() -> Result<()> {
    let mut numbers: Vec<u32> = Vec::new();
    for entry in fs::read_dir("/proc/self/fd")? {
        let entry = entry?;
        let is_itself = fs::read_link(entry.path()).is_ok_and(|target| target.ends_with("fd"));
        if !is_itself {
            numbers.push(entry.file_name().to_string_lossy().parse()?);
        }
    }
    numbers.sort_unstable();
    say(&format!("{numbers:?}"))
}

fn namespaces() -> Result<()> {
    for kind in ["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"] {
        say(&fs::read_link(format!("/proc/self/ns/{kind}"))?
            .display()
            .to_string())?;
    }
    Ok(())
}

fn copy_input() -> Result<()> {
    let mut text = Vec::new();
    io::stdin().read_to_end(&mut text)?;
    print(&text)
}

/// Says that it is there, then stays until standard input ends or a signal comes.
fn wait() -> Result<()> {
    say("ready")?;
    Ok(io::stdin().read_to_end(&mut Vec::new()).map(drop)?)
}

/// Touches so many bytes of memory.
fn eat(bytes: usize) -> Result<()> {
    let memory = vec![1_u8; bytes];
    say(&memory
        .iter()
        .map(|byte| usize::from(*byte))
        .sum::<usize>()
        .to_string())
}

/// Leaves a grandchild to whoever is process 1, then says who has become its parent.
fn orphan() -> Result<()> {
    let probe = std::env::current_exe()?;
    let mut parent = std::process::Command::new(&probe)
        .args(["wait"])
        .stdin(std::process::Stdio::piped())
        .spawn()?;
    parent.kill()?;
    parent.wait()?;
    say("gone")
}
