//! Row 22: builds by Gantry and dockerd through the classic door, with one client, and by buildah.

use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use testkit::daemon::{Kind, Namespace};

use super::peers::children;
use super::turns::{Peer, compare, timed};
use super::{Engine, run, text};
use crate::Outcome;
use crate::docker::client::Client;
use crate::subject::version;

/// Builds of a turn where all is cached.
const AGAIN: u32 = 10;
/// Directories of the large context, and files in each.
const FILES: (u32, u32) = (700, 1000);

/// What is built: a directory, and the same as the archive that a client sends.
struct Context {
    directory: PathBuf,
    archive: PathBuf,
}

/// Somebody who builds.
trait Builder: Peer {
    fn build(&mut self, context: &Context, cached: bool) -> io::Result<()>;
}

/// One that speaks the Engine API, with the images that are built upon.
fn engine(name: &'static str, kind: Kind) -> io::Result<Engine> {
    let engine = Engine::start(name, kind, &Arc::new(Namespace::new()))?;
    engine.daemon.load_images();
    Ok(engine)
}

impl Builder for Engine {
    fn build(&mut self, context: &Context, cached: bool) -> io::Result<()> {
        let query = format!("t=bench&rm=1&nocache={}", u8::from(!cached));
        // As the command line, which connects for each build; the others' turns are longer than a silent connection is kept.
        let said = Client::connect(&self.daemon.socket())?.build(&query, &context.archive)?;
        if said.contains("Successfully tagged bench") {
            return Ok(());
        }
        Err(io::Error::other(said))
    }
}

struct Buildah {
    namespace: Namespace,
    directory: PathBuf,
}

impl Buildah {
    fn new(directory: &Path) -> io::Result<Self> {
        let this = Self {
            namespace: Namespace::new(),
            directory: directory.join("buildah"),
        };
        fs::create_dir_all(&this.directory)?;
        let archive = directory.join("busybox.tar");
        fs::write(&archive, testkit::image::busybox())?;
        let archive = format!("docker-archive:{}", text(&archive));
        run(this.command().args(["pull", "--quiet", &archive]))?;
        Ok(this)
    }

    fn command(&self) -> Command {
        let mut command = self.namespace.command("buildah");
        command.args(["--root", &text(&self.directory.join("root"))]);
        command.args(["--runroot", &text(&self.directory.join("run"))]);
        command
    }
}

impl Peer for Buildah {
    fn name(&self) -> String {
        "buildah".to_owned()
    }

    fn cpu(&self) -> Option<Duration> {
        children()
    }
}

impl Builder for Buildah {
    fn build(&mut self, context: &Context, cached: bool) -> io::Result<()> {
        let mut command = self.command();
        command.args(["bud", "--quiet", "--layers", "--pull=false", "--tag=bench"]);
        if !cached {
            command.arg("--no-cache");
        }
        run(command.arg(&context.directory))
    }
}

/// Twenty steps of which each is cached.
pub(crate) fn cached() -> Outcome {
    let steps: String = (0..20).map(|at| format!("RUN echo {at} > /{at}\n")).collect();
    compared(
        &format!("FROM busybox\nCOPY Dockerfile /\n{steps}"),
        true,
        AGAIN,
        small,
    )
}

/// Twenty steps that do nothing, and are done.
pub(crate) fn steps() -> Outcome {
    compared(
        &format!("FROM busybox\n{}", "RUN true\n".repeat(20)),
        false,
        1,
        small,
    )
}

/// A context of many files, of which one is wanted and none has changed.
pub(crate) fn context() -> Outcome {
    compared("FROM busybox\nCOPY 7/7 /\n", true, 1, |at| {
        (0..FILES.0).try_for_each(|folder| {
            let folder = at.join(folder.to_string());
            fs::create_dir(&folder)?;
            (0..FILES.1).try_for_each(|file| fs::write(folder.join(file.to_string()), file.to_string()))
        })
    })
}

fn small(_: &Path) -> io::Result<()> {
    Ok(())
}

fn compared(dockerfile: &str, cached: bool, runs: u32, fill: fn(&Path) -> io::Result<()>) -> Outcome {
    let directory = tempfile::tempdir()?;
    let context = write(directory.path(), dockerfile, fill)?;
    let mut builders: Vec<Box<dyn Builder>> = vec![
        Box::new(engine("gantry", Kind::Gantry)?),
        Box::new(engine("dockerd", Kind::Dockerd)?),
        Box::new(Buildah::new(directory.path())?),
    ];
    println!("peers: {}", version("dockerd").unwrap_or_default());
    println!("       {}", version("buildah").unwrap_or_default());
    compare(&mut builders, "dockerd", runs, |builder, _| {
        let whole = timed(|| (0..runs).try_for_each(|_| builder.build(&context, cached)))?;
        Ok(whole / runs)
    })?;
    Ok(())
}

fn write(at: &Path, dockerfile: &str, fill: fn(&Path) -> io::Result<()>) -> io::Result<Context> {
    let directory = at.join("context");
    fs::create_dir(&directory)?;
    fs::write(directory.join("Dockerfile"), dockerfile)?;
    fill(&directory)?;
    let archive = at.join("context.tar");
    let mut tar = tar::Builder::new(BufWriter::new(File::create(&archive)?));
    tar.append_dir_all(".", &directory)?;
    tar.into_inner()?
        .into_inner()
        .map_err(io::IntoInnerError::into_error)?;
    Ok(Context { directory, archive })
}
