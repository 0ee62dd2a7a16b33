//! One directory of the corpus, and all that an engine makes of it.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command, Stdio};

use serde_json::Value;
use testkit::clients::client;
use testkit::daemon::{Daemon, all};

use super::{saved, tree};

/// How a build is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Door {
    /// `POST /build`.
    Classic,
    /// BuildKit's protocol, with sid's buildx.
    BuildKit,
}

/// A directory of the corpus.
pub(super) struct Case {
    pub(super) name: String,
    pub(super) directory: PathBuf,
    pub(super) dockerfile: String,
    /// Its base is two hundred megabytes.
    pub(super) large: bool,
}

impl Case {
    /// What its Dockerfile says after `# KEY: `, as a shell reads words.
    pub(super) fn says(&self, key: &str) -> &str {
        let lines = self.dockerfile.lines();
        let mut values =
            lines.filter_map(|line| line.strip_prefix("# ")?.strip_prefix(key)?.strip_prefix(": "));
        values.next().unwrap_or_default()
    }

    /// A copy of its own, with what git cannot keep.
    pub(super) fn prepare(&self, context: &Path) -> Result<(), String> {
        let script = "cp -a \"$0\" \"$1\" && cd \"$1\" && rm -f expected && if [ -e prepare.sh ]; then sh -e prepare.sh && rm prepare.sh; fi";
        let mut command = Command::new("sh");
        command.args(["-c", script]).args([&self.directory, context]);
        self.done(&mut command).map(drop)
    }

    /// All that is compared, as `WHAT: VALUE`.
    pub(super) fn outcome(
        &self,
        daemon: &Daemon,
        context: &Path,
        door: Door,
    ) -> Result<BTreeSet<String>, String> {
        let image = format!("corpus-{}", self.name);
        self.build(daemon, context, &image, door)?;
        let mut outcome = self.settings(daemon, &image)?;
        outcome.extend(self.history(daemon, &image)?);
        // dockerd's BuildKit has a layer of each step that may have made files, also of those that have not.
        match door {
            Door::Classic => outcome.extend(self.layers(daemon, &image)?),
            Door::BuildKit => outcome.retain(|line| !line.starts_with("layers: ")),
        }
        outcome.extend(self.files(daemon, &image)?);
        let ran = daemon.docker(&["run", "--rm", &image]).output().unwrap();
        let said = all(&ran);
        let (code, said) = (ran.status.code(), said.trim_end().escape_default());
        outcome.insert(format!("run: {code:?} {said}"));
        daemon.ok(&["rmi", "--force", &image]);
        Ok(outcome)
    }

    fn build(&self, daemon: &Daemon, context: &Path, image: &str, door: Door) -> Result<(), String> {
        let docker = match door {
            Door::Classic => "docker".to_owned(),
            Door::BuildKit => format!("{} buildx", client("docker").display()),
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
        command.env("BUILDX_NO_DEFAULT_ATTESTATIONS", "1");
        let built = self.done(command.current_dir(context).stdin(Stdio::null()));
        built
            .map(drop)
            .map_err(|said| format!("{:?}, {door:?}: {said}", daemon.kind))
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
        let format = "{{json .CreatedBy}}\t{{json .Comment}}";
        let said = self.done(&mut daemon.docker(&["history", "--no-trunc", "--format", format, image]))?;
        let text = |word: &str| serde_json::from_str::<String>(word).unwrap_or_default();
        let lines = said.lines().rev().filter_map(|line| line.split_once('\t'));
        Ok(lines
            .enumerate()
            .map(|(step, (command, comment))| {
                let command = spelt(&text(command)).escape_default().to_string();
                format!("history {step:02}: {command} {}", text(comment))
            })
            .collect())
    }

    /// Which commands made a layer. Not of images with a large base, which would be read once more.
    fn layers(&self, daemon: &Daemon, image: &str) -> Result<BTreeSet<String>, String> {
        if self.large {
            return Ok(BTreeSet::new());
        }
        let empty = piped(daemon.docker(&["save", image]), saved::empty_layers)?;
        let steps = empty.into_iter().enumerate();
        Ok(steps
            .map(|(step, empty)| format!("history {step:02}: empty {empty}"))
            .collect())
    }

    fn files(&self, daemon: &Daemon, image: &str) -> Result<BTreeSet<String>, String> {
        let created = self.done(&mut daemon.docker(&["create", image]))?;
        let container = created.trim();
        let timed: Vec<String> = self.says("times").split_whitespace().map(str::to_owned).collect();
        let tree = piped(daemon.docker(&["export", container]), |archive| {
            tree::read(archive, &timed)
        });
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

/// What `read` makes of the standard output.
fn piped<T>(mut command: Command, read: impl FnOnce(ChildStdout) -> io::Result<T>) -> Result<T, String> {
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let made = read(child.stdout.take().unwrap()).map_err(|error| error.to_string());
    child.wait().unwrap();
    made
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
/// dockerd forgets after `--chown`; and what BuildKit tells otherwise since the one that is in dockerd 20.10.
fn spelt(command: &str) -> String {
    if let Some(keyword) = ["EXPOSE", "HEALTHCHECK"]
        .iter()
        .find(|keyword| command.starts_with(**keyword))
    {
        return format!("{keyword} ...");
    }
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
