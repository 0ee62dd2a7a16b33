//! The Dockerfiles of `examples/dockerfiles`, built by Gantry and by Debian's dockerd: what comes of them is compared,
//! file by file and setting by setting. What differs is in [`DIFFERENCES`] with its reason, or fails; and so does a
//! reason that explains nothing any more.
//!
//! A directory is a build context. Lines of its Dockerfile say what is special about it: `# build:` further words of
//! `docker build`, `# times:` paths whose times count. `prepare.sh` makes what git cannot keep, in the copy that is built.

mod differences;
mod tree;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use differences::{DIFFERENCES, Difference};
use serde_json::Value;
use testkit::clients::{client, docker_config};
use testkit::daemon::{Daemon, Kind, all};

/// How many directories are built at once: most of the time a builder waits for containers.
const AT_ONCE: usize = 4;

#[test]
fn stacks_on_debian_come_out_as_dockerd_builds_them() {
    compare("debian");
}

#[test]
fn small_images_come_out_as_dockerd_builds_them() {
    compare("busybox");
}

/// Whether Gantry speaks BuildKit's protocol. Until it does, dockerd's embedded BuildKit proves the Dockerfiles alone.
const SPEAKS_BUILDKIT: bool = false;

/// With Debian's newest buildx, against what BuildKit was in dockerd 20.10.
#[test]
fn what_buildkit_alone_has_comes_out_as_dockerd_builds_it() {
    if SPEAKS_BUILDKIT {
        return compare("buildkit");
    }
    let dockerd = start(Kind::Dockerd, "buildkit");
    let proven = |case: &Case| {
        let context = dockerd.directory.join(format!("context-{}", case.name));
        case.prepare(&context)?;
        case.outcome(&dockerd, &context).map(drop)
    };
    passed(&each(&cases("buildkit"), proven));
}

/// What the language has gained since then, as its reference says that it comes out: a file `expected` is what the
/// image prints.
#[test]
fn what_is_newer_than_dockerd_comes_out_as_its_reference_says() {
    if !SPEAKS_BUILDKIT {
        return;
    }
    let gantry = start(Kind::Gantry, "newer");
    passed(&each(&cases("newer"), |case| case.prints_what_it_should(&gantry)));
}

fn compare(group: &str) {
    // Each takes a while to start.
    let both = std::thread::scope(|scope| {
        let dockerd = scope.spawn(|| start(Kind::Dockerd, group));
        [start(Kind::Gantry, group), dockerd.join().unwrap()]
    });
    passed(&each(&cases(group), |case| case.check(&both)));
}

/// A daemon with what the directories of a group build upon, and with sid's plugins for its client.
fn start(kind: Kind, group: &str) -> Daemon {
    let daemon = Daemon::start(kind);
    docker_config(&daemon.directory.join("config"));
    daemon.load_images();
    if group == "debian" {
        daemon.ok(&["import", &crate::shop::base(), "shop-base:debian"]);
    }
    daemon
}

fn passed(failures: &[String]) {
    let count = failures.len();
    assert!(
        failures.is_empty(),
        "{count} directories:\n{}",
        failures.join("\n")
    );
}

/// What `work` says against items, several of which are at work at once.
fn each<T: Sync>(items: &[T], work: impl Fn(&T) -> Result<(), String> + Sync) -> Vec<String> {
    let (next, failures) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let worker = || {
        while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
            failures.lock().unwrap().extend(work(item).err());
        }
    };
    std::thread::scope(|scope| (0..AT_ONCE).for_each(|_| drop(scope.spawn(worker))));
    failures.into_inner().unwrap()
}

/// A directory of the corpus.
struct Case {
    name: String,
    directory: PathBuf,
    dockerfile: String,
    /// Built with buildx, and not with the classic builder.
    buildx: bool,
}

/// `GANTRY_CASE` in the environment narrows it to directories with that text in their names, for whoever mends one.
#[expect(
    clippy::disallowed_methods,
    reason = "whoever runs a test has no other way to say so"
)]
fn cases(group: &str) -> Vec<Case> {
    let only = std::env::var("GANTRY_CASE").unwrap_or_default();
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/dockerfiles");
    let directories = std::fs::read_dir(Path::new(corpus).join(group)).unwrap();
    let case = |directory: PathBuf| Case {
        name: directory.file_name().unwrap().to_string_lossy().into_owned(),
        dockerfile: std::fs::read_to_string(directory.join("Dockerfile")).unwrap(),
        buildx: matches!(group, "buildkit" | "newer"),
        directory,
    };
    let cases = directories.map(|entry| case(entry.unwrap().path()));
    cases.filter(|case| case.name.contains(&only)).collect()
}

impl Case {
    /// What its Dockerfile says after `# KEY: `, as a shell reads words.
    fn says(&self, key: &str) -> &str {
        let lines = self.dockerfile.lines();
        let mut values =
            lines.filter_map(|line| line.strip_prefix("# ")?.strip_prefix(key)?.strip_prefix(": "));
        values.next().unwrap_or_default()
    }

    fn check(&self, both: &[Daemon; 2]) -> Result<(), String> {
        let [gantry, dockerd] = both;
        let context = gantry.directory.join(format!("context-{}", self.name));
        self.prepare(&context)?;
        let built = |daemon| self.outcome(daemon, &context);
        let (ours, theirs) = std::thread::scope(|scope| {
            let theirs = scope.spawn(|| built(dockerd));
            (built(gantry), theirs.join().unwrap())
        });
        std::fs::remove_dir_all(&context).map_err(|error| error.to_string())?;
        let theirs = theirs?;
        match ours {
            Err(said) if explained(&self.name, &said) => Ok(()),
            ours => unexplained(&self.name, &ours?, &theirs),
        }
    }

    fn prints_what_it_should(&self, gantry: &Daemon) -> Result<(), String> {
        let context = gantry.directory.join(format!("context-{}", self.name));
        self.prepare(&context)?;
        let expected =
            std::fs::read_to_string(context.join("expected")).map_err(|error| error.to_string())?;
        self.build(gantry, &context, &self.name)?;
        let printed = self.done(&mut gantry.docker(&["run", "--rm", &self.name]))?;
        let wrong = || format!("--- {}: got\n{printed}expected\n{expected}", self.name);
        (printed == expected).then_some(()).ok_or_else(wrong)
    }

    /// A copy of its own, with what git cannot keep.
    fn prepare(&self, context: &Path) -> Result<(), String> {
        let script = "cp -a \"$0\" \"$1\" && cd \"$1\" && if [ -e prepare.sh ]; then sh -e prepare.sh && rm prepare.sh; fi";
        let mut command = Command::new("sh");
        command.args(["-c", script]).args([&self.directory, context]);
        self.done(&mut command).map(drop)
    }

    /// All that is compared, as `WHAT: VALUE`.
    fn outcome(&self, daemon: &Daemon, context: &Path) -> Result<BTreeSet<String>, String> {
        let image = format!("corpus-{}", self.name);
        self.build(daemon, context, &image)?;
        let mut outcome = self.settings(daemon, &image)?;
        outcome.extend(self.history(daemon, &image)?);
        outcome.extend(self.files(daemon, &image)?);
        let ran = daemon.docker(&["run", "--rm", &image]).output().unwrap();
        outcome.insert(format!("run: {:?} {}", ran.status.code(), all(&ran)));
        daemon.ok(&["rmi", "--force", &image]);
        Ok(outcome)
    }

    fn build(&self, daemon: &Daemon, context: &Path, image: &str) -> Result<(), String> {
        let docker = if self.buildx {
            format!("{} buildx", client("docker").display())
        } else {
            "docker".to_owned()
        };
        let words = format!("exec {docker} build --tag {image} {} .", self.says("build"));
        let mut command = Command::new("timeout");
        command.args(["150", "sh", "-c", &words]);
        let variables = daemon.docker(&[]);
        command.envs(
            variables
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        );
        let built = self.done(command.current_dir(context).stdin(Stdio::null()));
        built
            .map(drop)
            .map_err(|said| format!("{:?}: {said}", daemon.kind))
    }

    /// Its configuration, and of how many layers it is.
    fn settings(&self, daemon: &Daemon, image: &str) -> Result<BTreeSet<String>, String> {
        let inspected = self.done(&mut daemon.docker(&["image", "inspect", image]))?;
        let inspected: Value = serde_json::from_str(&inspected).map_err(|error| error.to_string())?;
        let image = &inspected[0];
        let layers = image["RootFS"]["Layers"].as_array().map_or(0, Vec::len);
        let mut settings = BTreeSet::from([format!("layers: {layers}")]);
        for key in ["Author", "Architecture", "Os"] {
            settings.insert(format!("{key}: {}", image[key]));
        }
        for key in CONFIG {
            let value = &image["Config"][key];
            if !says_nothing(value) {
                settings.insert(format!("config {key}: {value}"));
            }
        }
        Ok(settings)
    }

    /// The commands, oldest first.
    fn history(&self, daemon: &Daemon, image: &str) -> Result<BTreeSet<String>, String> {
        let format = "{{.CreatedBy}}\t{{.Comment}}";
        let said = self.done(&mut daemon.docker(&["history", "--no-trunc", "--format", format, image]))?;
        let lines = said.lines().rev().enumerate();
        Ok(lines
            .map(|(step, line)| format!("history {step:02}: {}", spelt(line)))
            .collect())
    }

    fn files(&self, daemon: &Daemon, image: &str) -> Result<BTreeSet<String>, String> {
        let created = self.done(&mut daemon.docker(&["create", image]))?;
        let container = created.trim();
        let mut export = daemon.docker(&["export", container]);
        let mut export = export.stdout(Stdio::piped()).spawn().unwrap();
        let timed: Vec<String> = self.says("times").split_whitespace().map(str::to_owned).collect();
        let tree = tree::read(export.stdout.take().unwrap(), &timed).map_err(|error| error.to_string());
        export.wait().unwrap();
        self.done(&mut daemon.docker(&["rm", "--volumes", container]))?;
        Ok(tree?
            .into_iter()
            .map(|(path, line)| format!("file /{path}: {line}"))
            .collect())
    }

    /// The standard output of what succeeds.
    fn done(&self, command: &mut Command) -> Result<String, String> {
        let output = command.output().unwrap();
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(format!("--- {}: {command:?}\n{}", self.name, all(&output)))
    }
}

const CONFIG: [&str; 12] = [
    "Env",
    "Cmd",
    "Entrypoint",
    "User",
    "WorkingDir",
    "Labels",
    "ExposedPorts",
    "Volumes",
    "Healthcheck",
    "OnBuild",
    "Shell",
    "StopSignal",
];

/// Engines of several ages leave out, or do not, what is empty.
fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

/// Without what each engine makes in its own way, and may: the digest of what `COPY` takes, and the blank before it, which
/// dockerd forgets after `--chown`.
fn spelt(command: &str) -> String {
    const DIGITS: usize = 64;
    for kind in ["file:", "dir:", "multi:"] {
        if let Some((before, after)) = command.split_once(kind)
            && let Some((digest, after)) = after.split_at_checked(DIGITS)
            && digest.bytes().all(|byte| byte.is_ascii_hexdigit())
        {
            return format!("{} {kind}DIGEST{after}", before.trim_end());
        }
    }
    command.to_owned()
}

/// Whether it is known that Gantry refuses this.
fn explained(case: &str, said: &str) -> bool {
    let of_case = DIFFERENCES.iter().filter(|each| each.is_of(case));
    of_case.into_iter().any(|each| each.is_in(said))
}

/// Fails with what differs and has no reason, and with reasons that nothing needs.
fn unexplained(case: &str, ours: &BTreeSet<String>, theirs: &BTreeSet<String>) -> Result<(), String> {
    let gantry = ours.difference(theirs).map(|line| format!("gantry  {line}"));
    let dockerd = theirs.difference(ours).map(|line| format!("dockerd {line}"));
    let reasons: Vec<&Difference> = DIFFERENCES.iter().filter(|each| each.is_of(case)).collect();
    let mut needed = vec![false; reasons.len()];
    let mut wrong = Vec::new();
    for line in gantry.chain(dockerd) {
        let explaining = reasons.iter().position(|reason| reason.explains(&line));
        match explaining {
            Some(found) => needed[found] = true,
            None => wrong.push(line),
        }
    }
    let stale = reasons.iter().zip(needed).filter(|(_, needed)| !needed);
    wrong.extend(stale.map(|(reason, _)| format!("explains nothing any more: {reason:?}")));
    if wrong.is_empty() {
        return Ok(());
    }
    wrong.sort_by_key(|line| line.split_once(' ').map(|(_, rest)| rest.trim_start().to_owned()));
    Err(format!("--- {case}\n{}", wrong.join("\n")))
}
