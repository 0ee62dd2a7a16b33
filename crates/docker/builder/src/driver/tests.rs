//! The walk with an executor that has no machine: images are rows in a map.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io::{self, Read};
use std::path::Path;
use std::sync::{Arc, Mutex};

use ::driver::{ManualClock, Rng, SimDisk};
use image::{Digest, HistoryRow, ImageConfig, RunConfig};
use tokio::sync::{mpsc, watch};

use super::*;
use crate::context;
use crate::executor::{Step, Work};
use crate::tree::{Entry, Kind};
use crate::{BuildError, Progress};

/// Files in memory: content and mode by path.
#[derive(Clone, Default)]
struct Files(BTreeMap<String, (Vec<u8>, u32)>);

impl Files {
    fn of(files: &[(&str, &str)]) -> Self {
        Self(
            files
                .iter()
                .map(|(name, content)| ((*name).to_owned(), (content.as_bytes().to_vec(), 0o644)))
                .collect(),
        )
    }

    fn with(mut self, name: &str, content: &str) -> Self {
        self.0
            .insert(name.to_owned(), (content.as_bytes().to_vec(), 0o644));
        self
    }
}

/// A tree whose files all have one time, which is no part of a hash.
struct MemoryTree {
    files: Files,
    modified: i64,
}

impl Tree for MemoryTree {
    fn entry(&self, path: &Path) -> io::Result<Option<Entry>> {
        let name = path.to_str().unwrap();
        let below = if name.is_empty() {
            String::new()
        } else {
            format!("{name}/")
        };
        let (kind, mode) = match self.files.0.get(name) {
            Some((content, mode)) => (
                Kind::File {
                    size: content.len() as u64,
                },
                *mode,
            ),
            None if self.files.0.keys().any(|key| key.starts_with(&below)) => (Kind::Directory, 0o755),
            None => return Ok(None),
        };
        let modified = self.modified;
        Ok(Some(Entry {
            kind,
            mode,
            uid: 0,
            gid: 0,
            modified,
            attributes: Vec::new(),
            link: None,
        }))
    }

    fn names(&self, path: &Path) -> io::Result<Vec<OsString>> {
        let name = path.to_str().unwrap();
        let below = if name.is_empty() {
            String::new()
        } else {
            format!("{name}/")
        };
        let names = self
            .files
            .0
            .keys()
            .filter_map(|key| key.strip_prefix(&below)?.split('/').next());
        Ok(names
            .map(OsString::from)
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect())
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Read + Send + '_>> {
        Ok(Box::new(self.files.0[path.to_str().unwrap()].0.as_slice()))
    }
}

#[derive(Default)]
struct World {
    images: BTreeMap<Digest, Base>,
    names: BTreeMap<String, Digest>,
    files: BTreeMap<Digest, Files>,
    /// How many images were ever made.
    made: usize,
}

/// An executor in memory. `RUN write PATH TEXT` writes a file; `RUN fail CODE` fails; `RUN meet` waits for another stage's
/// `RUN meet`, `RUN hang` until the build is cancelled.
struct Memory(Mutex<World>, tokio::sync::Barrier);

impl Default for Memory {
    fn default() -> Self {
        Self(Mutex::default(), tokio::sync::Barrier::new(2))
    }
}

impl Memory {
    fn add(&self, name: &str, config: RunConfig, files: &Files) -> Digest {
        let mut world = self.0.lock().unwrap();
        let config = ImageConfig {
            config,
            ..ImageConfig::for_host()
        };
        let id = Digest::of(format!("{name} {}", world.images.len()).as_bytes());
        world.images.insert(
            id,
            Base {
                id,
                config,
                parent: None,
                made_here: true,
            },
        );
        world.names.insert(name.to_owned(), id);
        world.files.insert(id, files.clone());
        id
    }

    fn remove(&self, id: &Digest) {
        self.0.lock().unwrap().images.remove(id);
    }
}

impl Executor for Memory {
    fn find(&self, reference: &str) -> Result<Option<Base>, BuildError> {
        let world = self.0.lock().unwrap();
        let id = world
            .names
            .get(reference)
            .copied()
            .or_else(|| reference.parse().ok());
        Ok(id.and_then(|id| world.images.get(&id)).cloned())
    }

    fn hold(&self, id: &Digest) -> Result<Option<Base>, BuildError> {
        Ok(self.0.lock().unwrap().images.get(id).cloned())
    }

    async fn restore(
        &self,
        of: Digest,
        config: ImageConfig,
        parent: Option<Digest>,
    ) -> Result<Base, BuildError> {
        let mut world = self.0.lock().unwrap();
        let id = Digest::of(&serde_json::to_vec(&config).unwrap());
        let base = Base {
            id,
            config,
            parent,
            made_here: true,
        };
        let files = world.files[&of].clone();
        world.files.insert(id, files);
        world.images.insert(id, base.clone());
        Ok(base)
    }

    fn tree(&self, image: Option<&Digest>) -> Result<Arc<dyn Tree>, BuildError> {
        let world = self.0.lock().unwrap();
        let files = image
            .and_then(|id| world.files.get(id))
            .cloned()
            .unwrap_or_default();
        Ok(Arc::new(MemoryTree { files, modified: 0 }))
    }

    async fn carry_out(&self, step: Step, output: &Output) -> Result<Base, BuildError> {
        let mut files = self
            .0
            .lock()
            .unwrap()
            .files
            .get(&step.parent.unwrap_or(Digest::of(b"")))
            .cloned()
            .unwrap_or_default();
        match &step.work {
            Work::Nothing | Work::Directory(..) | Work::Retell(..) => {}
            Work::Stack(layer) => {
                let layer = self.0.lock().unwrap().files[layer].clone();
                files.0.extend(layer.0);
            }
            Work::Acts(_) | Work::Merge(_) | Work::Diff(..) => {}
            Work::Copy(plan) => files = files.with(plan.destination.trim_start_matches('/'), &plan.hash()),
            Work::Run(plan) => match plan
                .args
                .last()
                .unwrap()
                .split(' ')
                .collect::<Vec<_>>()
                .as_slice()
            {
                ["write", path, text] => files = files.with(path, text),
                ["env", name] => {
                    let found = plan
                        .env
                        .iter()
                        .rev()
                        .find(|entry| crate::arguments::name_of(entry) == *name);
                    let line = format!("{}\n", found.map_or("unset", |entry| entry));
                    output.program(1, line.as_bytes()).await?;
                }
                ["meet"] => {
                    self.1.wait().await;
                }
                ["hang"] => {
                    output.cancelled().await;
                    return Err(BuildError::Cancelled);
                }
                ["fail", code] => {
                    let command = plan.args.join(" ");
                    return Err(BuildError::Command {
                        command,
                        code: code.parse().unwrap(),
                        out_of_memory: false,
                        at: None,
                    });
                }
                _ => {}
            },
        }
        let mut world = self.0.lock().unwrap();
        world.made += 1;
        let id = Digest::of(format!("{} {}", step.history.created_by, world.made).as_bytes());
        let parent = step.parent.map(|parent| world.images[&parent].config.clone());
        let mut history = parent
            .iter()
            .flat_map(|parent| parent.history.clone())
            .collect::<Vec<_>>();
        let config = match step.work {
            Work::Retell(history, platform) => ImageConfig {
                history,
                os: platform.os,
                architecture: platform.architecture,
                variant: platform.variant,
                ..parent.unwrap()
            },
            work => {
                let empty_layer = matches!(work, Work::Nothing);
                history.push(HistoryRow {
                    empty_layer,
                    ..step.history
                });
                ImageConfig {
                    history,
                    ..step.config
                }
            }
        };
        let base = Base {
            id,
            config,
            parent: step.parent,
            made_here: true,
        };
        world.images.insert(id, base.clone());
        world.files.insert(id, files);
        Ok(base)
    }
}

mod buildkit;
mod coverage;
mod keys;
mod parallel;
mod upstreams;
mod watched;

/// A builder in memory.
struct Bench {
    memory: Arc<Memory>,
    store: Arc<dyn store::Store>,
    cache: Arc<Cache>,
    clock: Arc<ManualClock>,
}

/// What a build told, and what came of it.
struct Told {
    text: String,
    result: Result<Digest, BuildError>,
}

impl Told {
    /// Which steps were taken from the cache, in order: `.` for a hit, `x` for a miss. `FROM` has none.
    fn hits(&self) -> String {
        let steps = self
            .text
            .split("Step ")
            .skip(1)
            .filter(|step| !step.contains(" : FROM"));
        steps
            .map(|step| if step.contains("Using cache") { '.' } else { 'x' })
            .collect()
    }

    fn error(&self) -> String {
        self.result.as_ref().unwrap_err().to_string()
    }

    fn id(&self) -> Digest {
        *self.result.as_ref().unwrap()
    }
}

impl Bench {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::new());
        let store: Arc<dyn store::Store> = Arc::new(open_store(&clock));
        let cache = Arc::new(Cache::open(store.clone(), clock.clone()).unwrap());
        let bench = Self {
            memory: Arc::default(),
            store,
            cache,
            clock,
        };
        bench
            .memory
            .add("busybox", RunConfig::default(), &Files::default());
        bench
    }

    /// The same images with the cache read again, as after a restart.
    fn restart(&mut self) {
        self.cache = Arc::new(Cache::open(self.store.clone(), self.clock.clone()).unwrap());
    }

    fn build(&self, files: &Files, options: Options) -> Told {
        let tree = Arc::new(MemoryTree {
            files: files.clone(),
            modified: 7,
        });
        self.build_tree(tree, options)
    }

    fn build_tree(&self, tree: Arc<dyn Tree>, options: Options) -> Told {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (sender, mut receiver) = mpsc::channel(1024);
            let (_alive, caller) = watch::channel(());
            let output = Output::new(sender, caller, false);
            let (tree, file) = match context::open(tree, "", false) {
                Ok(opened) => opened,
                Err(error) => {
                    return Told {
                        text: String::new(),
                        result: Err(error),
                    };
                }
            };
            let driver = Driver::new(self.memory.clone(), self.cache.clone(), output, tree, options);
            let result = driver.build(file).await;
            let mut text = String::new();
            while let Some(message) = receiver.recv().await {
                match message {
                    Progress::Stream(stream) => text.push_str(&stream),
                    Progress::Aux(_) => text.push_str("AUX\n"),
                }
            }
            Told { text, result }
        })
    }

    fn file(&self, dockerfile: &str) -> Told {
        self.build(&Files::of(&[("Dockerfile", dockerfile)]), plain())
    }

    fn config(&self, id: Digest) -> ImageConfig {
        self.memory.0.lock().unwrap().images[&id].config.clone()
    }
}

fn open_store(clock: &Arc<ManualClock>) -> store::Embedded {
    let options = store::Options {
        first_segment: 1 << 20,
        segment: 1 << 20,
        ..store::Options::default()
    };
    store::Embedded::open(SimDisk::new().dir(), clock.clone(), Rng::from_seed(1), options).unwrap()
}

fn plain() -> Options {
    Options {
        rm: true,
        ..Options::default()
    }
}

fn with_args(args: &[(&str, &str)]) -> Options {
    let args = args
        .iter()
        .map(|(name, value)| ((*name).to_owned(), Some((*value).to_owned())))
        .collect();
    Options { args, ..plain() }
}

/// Ids differ from run to run.
fn masked(text: &str) -> String {
    text.split_inclusive('\n')
        .map(|line| match line.rsplit_once(' ') {
            Some((before, id))
                if id.trim().len() == 12 && id.trim().chars().all(|c| c.is_ascii_hexdigit()) =>
            {
                format!("{before} ID\n")
            }
            _ => line.to_owned(),
        })
        .collect()
}

/// The stream of a real daemon (golden-20.10, case `build`), less its frames.
#[test]
fn the_classic_stream() {
    let bench = Bench::new();
    let files = Files::of(&[
        (
            "Dockerfile",
            "FROM busybox\nARG V=1\nENV A=$V\nRUN echo hi > /x\nCOPY f /f\nCMD [\"cat\",\"/x\"]\n",
        ),
        ("f", "content"),
    ]);
    let first = bench.build(&files, plain());
    insta::assert_snapshot!("first", masked(&first.text));
    let second = bench.build(&files, plain());
    insta::assert_snapshot!("cached", masked(&second.text));
    assert_eq!(first.id(), second.id());
}

#[test]
fn the_history_is_upstreams() {
    let bench = Bench::new();
    let told = bench.file(
        "FROM scratch\nHEALTHCHECK --interval=5s --retries=3 CMD true\nWORKDIR /newd\nARG Q=1\nRUN write a $Q\n\
         ENTRYPOINT []\nENTRYPOINT\nCMD []\nCMD\nLABEL a=\"b c\"\nENV D=\"e f\" G=h\nEXPOSE 80 90/udp 100-102\n\
         VOLUME [\"/v a\",\"/w\"]\nUSER 1:2\nSHELL [\"/bin/sh\",\"-ec\"]\nSTOPSIGNAL SIGTERM\nONBUILD COPY . /x\n\
         MAINTAINER me <x>\nRUN [\"exec\"]\n",
    );
    let mut history = Vec::new();
    let mut image = Some(told.id());
    while let Some(id) = image {
        let config = bench.config(id);
        history.push(config.history.last().unwrap().created_by.clone());
        image = bench
            .cache
            .steps()
            .into_iter()
            .find(|(_, row)| row.image == id)
            .and_then(|(_, row)| row.parent);
    }
    history.reverse();
    insta::assert_debug_snapshot!(history);
    insta::assert_json_snapshot!(bench.config(told.id()).config);
}

/// Each change of a context, with the steps that it makes anew.
#[test]
fn what_hits_the_cache() {
    let dockerfile = "FROM busybox\nARG V=1\nENV E=1\nCOPY a /a\nRUN echo $V\nCOPY d /d\nCMD [\"x\"]\n";
    let files = Files::of(&[
        ("Dockerfile", dockerfile),
        ("a", "1"),
        ("d/b", "2"),
        ("other", "3"),
    ]);
    let mut chmod = files.clone();
    chmod.0.get_mut("d/b").unwrap().1 = 0o755;
    let cases = [
        ("nothing", files.clone(), plain(), "......"),
        (
            "the same bytes again",
            files.clone().with("a", "1"),
            plain(),
            "......",
        ),
        ("a changed byte", files.clone().with("a", "2"), plain(), "..xxxx"),
        ("a changed mode", chmod, plain(), "....xx"),
        (
            "another file in the directory",
            files.clone().with("d/c", ""),
            plain(),
            "....xx",
        ),
        (
            "a file that is not copied",
            files.clone().with("other", "4"),
            plain(),
            "......",
        ),
        (
            "another build argument",
            files.clone(),
            with_args(&[("V", "2")]),
            "...xxx",
        ),
        (
            "an argument nobody names",
            files.clone(),
            with_args(&[("Z", "2")]),
            "......",
        ),
        (
            "a proxy, which is no part of a step",
            files.clone(),
            with_args(&[("http_proxy", "p")]),
            "......",
        ),
        (
            "no cache",
            files.clone(),
            Options {
                no_cache: true,
                ..plain()
            },
            "xxxxxx",
        ),
    ];
    for (name, changed, options, expected) in cases {
        let bench = Bench::new();
        assert_eq!(bench.build(&files, plain()).hits(), "xxxxxx");
        assert_eq!(bench.build(&changed, options).hits(), expected, "{name}");
    }
}

#[test]
fn a_changed_time_hits_and_so_does_a_restart() {
    let mut bench = Bench::new();
    let files = Files::of(&[("Dockerfile", "FROM busybox\nCOPY . /a\nRUN x\n"), ("f", "1")]);
    let first = bench.build(&files, plain());
    let touched = bench.build_tree(
        Arc::new(MemoryTree {
            files: files.clone(),
            modified: 99,
        }),
        plain(),
    );
    assert_eq!((touched.hits().as_str(), touched.id()), ("..", first.id()));
    bench.restart();
    let again = bench.build(&files, plain());
    assert_eq!((again.hits().as_str(), again.id()), ("..", first.id()));
}

#[test]
fn an_image_that_is_gone_is_made_again() {
    let bench = Bench::new();
    let dockerfile = "FROM busybox\nENV A=1\nENV B=2\n";
    let first = bench.file(dockerfile);
    bench.memory.remove(&first.id());
    let second = bench.file(dockerfile);
    assert_eq!(second.hits(), ".x");
    assert_ne!(first.id(), second.id());
    assert_eq!(bench.file(dockerfile).hits(), "..");
}

#[test]
fn a_base_with_another_tag_hits_and_another_base_does_not() {
    let bench = Bench::new();
    bench.file("FROM busybox\nENV A=1\n");
    let id = bench.memory.find("busybox").unwrap().unwrap().id;
    bench.memory.0.lock().unwrap().names.insert("other".into(), id);
    assert_eq!(bench.file("FROM other\nENV A=1\n").hits(), ".");
    bench
        .memory
        .add("busybox", RunConfig::default(), &Files::default());
    assert_eq!(bench.file("FROM busybox\nENV A=1\n").hits(), "x");
}

#[test]
fn sources_of_the_cache() {
    let bench = Bench::new();
    let files = Files::of(&[("Dockerfile", "FROM busybox\nENV A=1\nENV B=2\n")]);
    let first = bench.build(&files, plain());
    let from = |name: &str| Options {
        cache_from: vec![name.to_owned()],
        ..plain()
    };
    assert_eq!(bench.build(&files, from("nope")).hits(), "xx");
    bench
        .memory
        .0
        .lock()
        .unwrap()
        .names
        .insert("first".into(), first.id());
    // The build before this one has made newer rows, which are none of this source's.
    let again = bench.build(&files, plain());
    bench
        .memory
        .0
        .lock()
        .unwrap()
        .names
        .insert("again".into(), again.id());
    assert_eq!(bench.build(&files, from("again")).hits(), "..");
    assert_eq!(bench.build(&files, from("busybox")).hits(), "xx");
}

/// An image that was loaded or pulled has no parents and no rows of ours: what it tells of itself is followed.
#[test]
fn sources_of_the_cache_that_were_made_elsewhere() {
    let bench = Bench::new();
    let file = "FROM busybox\nENV A=1\nRUN write f 1\nENV B=2\n";
    let elsewhere = bench.file(file).id();
    let bench = {
        let other = Bench::new();
        let (from, mut to) = (bench.memory.0.lock().unwrap(), other.memory.0.lock().unwrap());
        let mut loaded = from.images[&elsewhere].clone();
        (loaded.parent, loaded.made_here) = (None, false);
        to.files.insert(elsewhere, from.files[&elsewhere].clone());
        to.images.insert(elsewhere, loaded);
        to.names.insert("loaded".into(), elsewhere);
        drop(to);
        other
    };
    let build = |file: &str| {
        let options = Options {
            cache_from: vec!["loaded".to_owned()],
            ..plain()
        };
        bench.build(&Files::of(&[("Dockerfile", file)]), options)
    };
    let whole = build(file);
    assert_eq!((whole.hits(), whole.id()), ("...".to_owned(), elsewhere));
    assert_eq!(
        build("FROM busybox\nENV A=1\nRUN write f 2\nENV B=2\n").hits(),
        ".xx"
    );
    assert_eq!(build("FROM busybox\nENV A=2\nRUN write f 1\n").hits(), "xx");
    assert_eq!(build(&format!("{file}ENV C=3\n")).hits(), "...x");
    // Who names no source, or BuildKit's door, does not look there.
    assert_eq!(bench.file("FROM busybox\nENV A=1\nENV D=1\n").hits(), ".x");
}

#[test]
fn dockerignore_and_the_dockerfile_in_a_copied_context() {
    let bench = Bench::new();
    let files = Files::of(&[
        ("Dockerfile", "FROM busybox\nCOPY . /a\n"),
        (".dockerignore", "Dockerfile\n.dockerignore"),
        ("f", "1"),
    ]);
    bench.build(&files, plain());
    // Neither file is in the context, so a change of them that leaves the steps alone hits.
    let ignore = files
        .clone()
        .with(".dockerignore", "# more\nDockerfile\n.dockerignore");
    assert_eq!(bench.build(&ignore, plain()).hits(), ".");
    assert_eq!(
        bench
            .build(
                &files.clone().with("Dockerfile", "FROM busybox\n# c\nCOPY . /a\n"),
                plain()
            )
            .hits(),
        "."
    );
    // Now it is.
    assert_eq!(
        bench
            .build(&files.with(".dockerignore", "Dockerfile"), plain())
            .hits(),
        "x"
    );
}

#[test]
fn reordered_stages_hit() {
    let bench = Bench::new();
    let (a, b) = (
        "FROM busybox AS a\nRUN write f 1\n",
        "FROM busybox AS b\nRUN write g 2\n",
    );
    let last = "FROM busybox\nCOPY --from=a /f /f\nCOPY --from=b /g /g\n";
    assert_eq!(bench.file(&format!("{a}{b}{last}")).hits(), "xxxx");
    assert_eq!(bench.file(&format!("{b}{a}{last}")).hits(), "....");
    // A stage made anew with the same files leaves the copies from it alone.
    assert_eq!(
        bench
            .file(&format!("{b}FROM busybox AS a\nENV X=1\nRUN write f 1\n{last}"))
            .hits(),
        ".xx.."
    );
}

#[test]
fn stages() {
    let bench = Bench::new();
    let told = bench.file(
        "ARG X=1\nFROM busybox AS a\nRUN write f 1\nFROM busybox AS unused\nRUN write g 1\nFROM a\nARG X\nRUN env X\nCOPY --from=0 /f /g\n",
    );
    insta::assert_snapshot!(masked(&told.text));
    assert!(told.result.is_ok());
    // dockerd's own builder carries out what nobody needs, too, and BuildKit does not.
    for (dialect, builds) in [(Dialect::Classic, false), (Dialect::BuildKit, true)] {
        let file =
            "FROM busybox AS unused\nRUN fail 1\nFROM busybox AS wanted\nENV A=1\nFROM busybox\nRUN fail 2\n";
        let options = Options {
            dialect,
            target: Some("wanted".into()),
            ..plain()
        };
        let told = bench.build(&Files::of(&[("Dockerfile", file)]), options);
        assert_eq!(told.result.is_ok(), builds, "{}", told.text);
    }
}

/// Sentences of a real daemon.
#[test]
fn errors() {
    let bench = Bench::new();
    let cases = [
        (
            "FROM busybox\nCOPY nope /\n",
            "COPY failed: file not found in build context or excluded by .dockerignore: stat nope: file does not exist",
        ),
        (
            "FROM busybox\nADD z /\n",
            "ADD failed: file not found in build context or excluded by .dockerignore: stat z: file does not exist",
        ),
        (
            "FROM busybox\nCOPY Dockerfile d /c\n",
            "When using COPY with more than one source file, the destination must be a directory and end with a /",
        ),
        (
            "FROM busybox\nCOPY z* /c/\n",
            "COPY failed: no source files were specified",
        ),
        (
            "FROM busybox\nCOPY ../a /c/\n",
            "COPY failed: forbidden path outside the build context: ../a ()",
        ),
        (
            "FROM busybox\nCOPY http://x/y /a\n",
            "COPY failed: source can't be a URL for COPY",
        ),
        (
            "FROM busybox\nADD http://x/y /a\n",
            "ADD of http://x/y: this builder fetches nothing from addresses",
        ),
        (
            "FROM busybox\nCOPY --chmod=9 Dockerfile /a\n",
            "invalid chmod parameter: '9'. it should be octal string and between 0 and 07777",
        ),
        (
            "FROM busybox AS a\nCOPY --from=0 /bin /c/\n",
            "invalid from flag value 0: refers to current build stage",
        ),
        (
            "FROM busybox AS a\nCOPY --from=5 /bin /c/\n",
            "invalid from flag value 5: index out of bounds",
        ),
        (
            "FROM busybox AS a\nCOPY --from=-1 /bin /c/\n",
            "invalid from flag value -1: index out of bounds",
        ),
        (
            "FROM busybox AS a\nFROM busybox\nCOPY --from=a /nope /c/\n",
            "COPY failed: stat nope: file does not exist",
        ),
        (
            "FROM busybox\nCOPY --from=img /nope /c/\n",
            "invalid from flag value img: No such image: img",
        ),
        ("FROM nope\n", "No such image: nope"),
        (
            "FROM busybox AS a\nRUN x\nFROM a AS A\n",
            "a stage name already used",
        ),
        (
            "FROM busybox AS a\nFROM busybox AS a\n",
            "a stage name already used",
        ),
        (
            "FROM scratch\n",
            "No image was generated. Is your Dockerfile empty?",
        ),
        ("ARG A\nFROM $A\n", "base name ($A) should not be blank"),
        (
            "FROM busybox\nENV A=${B:?nope}\n",
            "failed to process \"${B:?nope}\": B: nope",
        ),
        ("FROM busybox\nSTOPSIGNAL foo\n", "Invalid signal: foo"),
        ("FROM busybox\nEXPOSE abc\n", "Invalid containerPort: abc"),
        ("FROM busybox\nEXPOSE 80/foo\n", "Invalid proto: foo"),
        ("FROM busybox\nEXPOSE :\n", "No port specified: :<empty>"),
        (
            "FROM busybox\nRUN --network=host true\n",
            "entitlement network.host is not allowed",
        ),
        (
            "FROM busybox\nRUN --security=insecure true\n",
            "entitlement security.insecure is not allowed",
        ),
        (
            "FROM busybox\nRUN --device=vendor/class=d true\n",
            "RUN --device=vendor/class=d: this node has no devices to give (CDI)",
        ),
        (
            "FROM busybox\nRUN --mount=target=/x,source=nope true\n",
            "failed to compute cache key: \"/nope\": not found",
        ),
        (
            "FROM busybox\nRUN --mount=type=tmpfs,target=/ true\n",
            "invalid mount target \"/\"",
        ),
        (
            "FROM busybox\nRUN --mount=from=later,target=/x true\nFROM busybox AS later\nCOPY --from=0 d /\n",
            "cannot mount from stage \"later\" to \"/x\", stage needs to be defined before current command",
        ),
        (
            "FROM busybox\nRUN --mount=type=secret,id=s,required true\n",
            "secret s: not found",
        ),
        (
            "FROM busybox\nRUN --mount=type=ssh,required=true true\n",
            "no SSH key \"default\" forwarded from the client",
        ),
        (
            "FROM busybox\nCOPY --from=$x a /\n",
            "invalid from flag value $x: variable expansion is not supported for --from, define a new stage with FROM using ARG from global scope as a workaround",
        ),
        (
            "FROM busybox\nADD --checksum=sha256:1 d /\n",
            "checksum requires HTTP(S) or Git sources",
        ),
        (
            "FROM busybox\nADD --checksum=sha256:1 http://a/b c /\n",
            "checksum can't be specified for multiple sources",
        ),
        (
            "FROM busybox\nADD https://h/a.git?x=1 /\n",
            "unexpected query \"x\"",
        ),
        (
            "FROM busybox\nCOPY git@h:a /\n",
            "COPY failed: source can't be a git ref for COPY",
        ),
        (
            "ARG SOURCE_DATE_EPOCH=x\nFROM busybox\nENV A=1\n",
            "invalid SOURCE_DATE_EPOCH: x",
        ),
        (
            "FROM busybox\nRUN fail 3\n",
            "The command '/bin/sh -c fail 3' returned a non-zero code: 3",
        ),
        ("FROM busybox\nRUN []\n", "No command specified"),
        (
            "FROM --platform=linux/nonsense busybox\n",
            "image with reference busybox was found but its platform (linux/amd64) does not match the specified platform (linux/nonsense)",
        ),
    ];
    for (dockerfile, expected) in cases {
        let files = Files::of(&[("Dockerfile", dockerfile), ("d/e", "1")]);
        let host = format!("linux/{}", Platform::host().architecture);
        assert_eq!(
            bench.build(&files, plain()).error(),
            expected.replace("linux/amd64", &host),
            "{dockerfile}"
        );
    }
}

#[test]
fn errors_before_the_first_step() {
    let bench = Bench::new();
    let cases: [(&[(&str, &str)], &str); 5] = [
        (
            &[("Dockerfile", "FROM busybox\nENV a=1 b\n")],
            "failed to parse Dockerfile: Syntax error - can't find = in \"b\". Must be of the form: name=value",
        ),
        (
            &[("Dockerfile", "")],
            "the Dockerfile (Dockerfile) cannot be empty",
        ),
        (
            &[("Dockerfile", "# x\n")],
            "failed to parse Dockerfile: file with no instructions",
        ),
        (&[("x", "")], "Cannot locate specified Dockerfile: Dockerfile"),
        (&[("Dockerfile", "RUN x")], "no build stage in current context"),
    ];
    for (files, expected) in cases {
        let told = bench.build(&Files::of(files), plain());
        assert_eq!((told.error().as_str(), told.text.as_str()), (expected, ""));
    }
    let target = Options {
        target: Some("zz".into()),
        ..plain()
    };
    let told = bench.build(&Files::of(&[("dockerfile", "FROM busybox")]), target);
    assert_eq!(
        (told.error().as_str(), told.text.as_str()),
        ("failed to reach build target zz in Dockerfile", "")
    );
}

#[test]
fn triggers_run_and_are_not_inherited() {
    let bench = Bench::new();
    let base = bench.file("FROM busybox\nONBUILD RUN write f 1\nONBUILD ENV A=1\n");
    let world = bench.config(base.id());
    bench.memory.add("base", world.config, &Files::default());
    let told = bench.file("FROM base\nRUN env A\n");
    insta::assert_snapshot!(masked(&told.text));
    let config = bench.config(told.id()).config;
    assert!(config.on_build.is_empty());
    assert!(config.env.contains(&"A=1".to_owned()));
}

#[test]
fn arguments_reach_commands_and_unused_ones_are_told() {
    let bench = Bench::new();
    let dockerfile = "FROM busybox\nARG A=default\nARG B\nRUN env A\nRUN env B\nENV A=env\nRUN env A\nRUN env HTTP_PROXY\n";
    let mut options = with_args(&[("A", "given"), ("C", "1"), ("HTTP_PROXY", "p")]);
    options.args.insert("D".into(), None);
    let told = bench.build(&Files::of(&[("Dockerfile", dockerfile)]), options);
    for line in [
        "A=given\n",
        "unset\n",
        "A=env\n",
        "HTTP_PROXY=p\n",
        "[Warning] One or more build-args [C D] were not consumed\n",
    ] {
        assert!(told.text.contains(line), "{line}");
    }
    // The proxy is in no history, since no ARG names it.
    let last = bench.config(told.id()).history.last().unwrap().created_by.clone();
    assert_eq!(last, "|0 /bin/sh -c env HTTP_PROXY");
}

#[test]
fn labels_of_the_request_are_last_and_literal() {
    let bench = Bench::new();
    let mut options = plain();
    options.labels.insert("y".into(), "$A".into());
    let told = bench.build(&Files::of(&[("Dockerfile", "FROM busybox\nENV A=1\n")]), options);
    assert!(told.text.contains("Step 3/3 : LABEL y=$A\n"));
    assert_eq!(bench.config(told.id()).config.labels["y"], "$A");
}

#[test]
fn here_documents_become_commands_and_files() {
    let bench = Bench::new();
    let told = bench.file("FROM busybox\nENV V=1\nRUN <<E\nwrite f 2\nE\nCOPY <<A <<'B' /c/\n$V \"q\"\nA\n$V\nB\nRUN cat <<E\nx\nE\n");
    assert!(told.result.is_ok(), "{}", told.text);
    let last = bench.config(told.id()).history.last().unwrap().created_by.clone();
    assert_eq!(last, "/bin/sh -c cat <<E\nx\nE");
    // The program of the document is part of what the step is.
    let again = bench.file("FROM busybox\nENV V=1\nRUN <<E\nwrite f 3\nE\n");
    assert_eq!(again.hits(), ".x");
}

#[test]
fn a_caller_who_is_gone_ends_the_build() {
    let bench = Bench::new();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let built = runtime.block_on(async {
        let (sender, receiver) = mpsc::channel(1024);
        let (_alive, caller) = watch::channel(());
        drop(receiver);
        let tree = Arc::new(MemoryTree {
            files: Files::of(&[("Dockerfile", "FROM busybox\nRUN x")]),
            modified: 0,
        });
        let (tree, file) = context::open(tree, "", false).unwrap();
        let output = Output::new(sender, caller, false);
        Driver::new(bench.memory.clone(), bench.cache.clone(), output, tree, plain())
            .build(file)
            .await
    });
    assert!(matches!(built, Err(BuildError::Cancelled)));
    assert!(bench.cache.steps().is_empty());
}

#[test]
fn what_never_comes_ends_with_the_caller() {
    let bench = Bench::new();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let built = runtime.block_on(async {
        let (sender, mut receiver) = mpsc::channel(1024);
        let (_alive, caller) = watch::channel(());
        let tree = Arc::new(MemoryTree {
            files: Files::of(&[("Dockerfile", "FROM busybox\nADD http://never/comes /x")]),
            modified: 0,
        });
        let (tree, file) = context::open(tree, "", false).unwrap();
        let output = Output::new(sender, caller, false);
        let build = Driver::new(
            bench.memory.clone(),
            bench.cache.clone(),
            output,
            tree,
            keys::offered(),
        )
        .build(file);
        let leaving = async {
            while let Some(message) = receiver.recv().await {
                if matches!(&message, Progress::Stream(text) if text.contains("ADD http")) {
                    break;
                }
            }
            drop(receiver);
        };
        tokio::join!(build, leaving).0
    });
    assert!(matches!(built, Err(BuildError::Cancelled)), "{built:?}");
}

/// Each step's configuration tells of all before it: few instructions can be much.
#[test]
fn configurations_have_a_bound() {
    let bench = Bench::new();
    let labels: String = (0..14)
        .map(|at| format!("LABEL l{at}={}\n", "x".repeat(60_000)))
        .collect();
    let steps: String = (0..100).map(|at| format!("ENV A={at}\n")).collect();
    let error = bench.file(&format!("FROM busybox\n{labels}{steps}")).error();
    assert!(error.contains("take more than 67108864 bytes"), "{error}");
}
