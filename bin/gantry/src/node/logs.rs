//! `gantry logs`: the daemon's log, and on from there.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use rustix::fs::inotify;

use super::settings::NodePlace;
use crate::failure::{Failure, Outcome};

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Go on with what is written from now on.
    #[arg(short, long)]
    pub(crate) follow: bool,
    #[command(flatten)]
    pub(crate) node: NodePlace,
}

pub(crate) fn run(options: Options) -> Outcome {
    let config = options.node.resolve()?;
    let path = config.paths().log();
    // The watch is there before the first line is read, so that nothing falls in between.
    let changes = if options.follow { Some(watch(&path)?) } else { None };
    let mut newest = None;
    for part in cluster::log_parts(&path) {
        match File::open(&part) {
            Ok(mut file) => {
                copy(&mut file)?;
                newest = Some(file);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
    }
    match (changes, newest) {
        (_, None) => Err(Failure::with_code(
            1,
            format!("there is no log at {}", path.display()),
        )),
        (None, _) => Ok(ExitCode::SUCCESS),
        (Some(changes), Some(newest)) => follow(&path, changes, newest),
    }
}

fn watch(path: &Path) -> Result<File, Failure> {
    let directory = path.parent().unwrap_or(path);
    let changes = inotify::init(inotify::CreateFlags::CLOEXEC)?;
    let of_interest = inotify::WatchFlags::MODIFY | inotify::WatchFlags::CREATE;
    inotify::add_watch(&changes, directory, of_interest)?;
    Ok(changes.into())
}

/// After each change: the rest of the file in hand, then the one that has taken its name, if one has.
fn follow(path: &Path, mut changes: File, mut current: File) -> Outcome {
    use std::io::Read;
    use std::os::unix::fs::MetadataExt;
    loop {
        copy(&mut current)?;
        let named = File::open(path)?;
        if named.metadata()?.ino() != current.metadata()?.ino() {
            copy(&mut current)?;
            current = named;
            continue;
        }
        let _events = changes.read(&mut [0; 4096])?;
    }
}

fn copy(file: &mut File) -> io::Result<()> {
    let mut out = io::stdout().lock();
    io::copy(file, &mut out)?;
    out.flush()
}
