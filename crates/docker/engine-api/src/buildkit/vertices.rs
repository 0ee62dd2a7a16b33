//! The builder's steps as vertices, and its errors in BuildKit's words.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use ::buildkit::{Code, FailedCommand, Progress, Status, Step};
use builder::dockerfile::Location;
use builder::{BuildError, BuildErrorKind, StepName, VertexName, Watch, WatchedStep};
use image::{Digest, Images};

use super::materials::Materials;

/// Begins vertices.
pub(super) struct Vertices {
    progress: Arc<Progress>,
    images: Images,
    materials: Arc<Materials>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The last vertex of each stage.
    last: BTreeMap<usize, String>,
    /// The lines where the build failed.
    fault: Option<(u32, u32)>,
}

impl Vertices {
    pub(super) fn new(progress: Arc<Progress>, images: Images, materials: Arc<Materials>) -> Self {
        Self {
            progress,
            images,
            materials,
            state: Mutex::default(),
        }
    }

    /// The lines of the Dockerfile that an error is about.
    pub(super) fn lines(&self, error: &BuildError) -> Option<(u32, u32)> {
        match error {
            BuildError::Parse { source, .. } => (source.line > 0).then_some((source.line, source.end)),
            BuildError::Cancelled => None,
            _ => self.state.lock().unwrap_or_else(PoisonError::into_inner).fault,
        }
    }
}

impl Watch for Vertices {
    fn begin(&self, step: &StepName) -> Arc<dyn WatchedStep> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let internal = step.name.starts_with("[internal]");
        let before = std::iter::once(&step.stage).chain(&step.uses);
        let inputs = before.filter_map(|stage| state.last.get(stage).cloned());
        let inputs = if internal { Vec::new() } else { inputs.collect() };
        let begun = self.progress.begin_upon(&step.name, inputs);
        if !internal {
            state.last.insert(step.stage, begun.digest());
        }
        Arc::new(Vertex(Mutex::new(Some(begun))))
    }

    fn vertex(&self, vertex: &VertexName) -> Arc<dyn WatchedStep> {
        let step = self.progress.begin_vertex(
            &vertex.digest,
            &vertex.name,
            vertex.inputs.clone(),
            vertex.group.clone(),
        );
        Arc::new(Vertex(Mutex::new(Some(step))))
    }

    fn used(&self, reference: &str, image: &Digest) {
        self.materials.image(&self.images, reference, image);
    }

    fn fault(&self, place: &Location) {
        let lines = (place.start.line, place.end.line);
        self.state.lock().unwrap_or_else(PoisonError::into_inner).fault = Some(lines);
    }
}

struct Vertex(Mutex<Option<Step>>);

impl Vertex {
    fn end(&self, end: impl FnOnce(Step)) {
        let step = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(step) = step {
            end(step);
        }
    }
}

impl WatchedStep for Vertex {
    fn output(&self, stream: u8, bytes: &[u8]) {
        if let Some(step) = &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            step.output(stream, bytes);
        }
    }

    fn line(&self, text: &str) {
        self.output(1, format!("{text}\n").as_bytes());
    }

    fn done(&self, cached: bool) {
        self.end(|step| step.done(cached));
    }

    fn failed(&self, error: &BuildError) {
        let status = status(error);
        self.end(|step| step.failed(status.message));
    }
}

/// An error as a call's end.
pub(super) fn status(error: &BuildError) -> Status {
    // Clients put any other code before the sentence, and upstream's frontend has none.
    let code = match error.kind() {
        BuildErrorKind::Unsupported => Code::Unimplemented,
        BuildErrorKind::InvalidParameter | BuildErrorKind::NotFound | BuildErrorKind::System => Code::Unknown,
    };
    let sentence = match error {
        // In BuildKit's words; the classic builder has its own.
        BuildError::Command {
            command,
            code,
            out_of_memory,
            ..
        } => {
            let why = match out_of_memory {
                true => "cannot allocate memory".to_owned(),
                false => format!("exit code: {code}"),
            };
            format!("process {command:?} did not complete successfully: {why}")
        }
        BuildError::Parse { source, .. } => source.to_string(),
        other => reworded(&other.to_string()),
    };
    let status = Status::new(code, sentence);
    match error {
        BuildError::Command { at: Some(at), .. } => status.with_command(&FailedCommand {
            image: at.image.map(|image| image.to_string()),
            args: at.args.clone(),
            env: at.env.clone(),
            cwd: at.cwd.clone(),
            user: at.user.clone(),
        }),
        _ => status,
    }
}

/// Sentences of the classic builder that BuildKit says in another way.
fn reworded(sentence: &str) -> String {
    const STAT: &str = "file not found in build context or excluded by .dockerignore: stat ";
    let between = |before: &str, after: &str| -> Option<String> {
        let (_, rest) = sentence.split_once(before)?;
        Some(rest.strip_suffix(after)?.to_owned())
    };
    if let Some(path) = between(STAT, ": file does not exist") {
        let path = path.trim_start_matches('/');
        return format!(
            "failed to compute cache key: failed to calculate checksum of ref: {:?}: not found",
            format!("/{path}")
        );
    }
    match between("failed to reach build target ", " in Dockerfile") {
        Some(target) => format!("target stage {target:?} could not be found"),
        None => sentence.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_in_buildkits_words() {
        for (error, sentence) in [
            (
                BuildError::Command {
                    command: "/bin/sh -c x".to_owned(),
                    code: 3,
                    out_of_memory: false,
                    at: None,
                },
                "process \"/bin/sh -c x\" did not complete successfully: exit code: 3",
            ),
            (
                BuildError::Command {
                    command: "x".to_owned(),
                    code: 137,
                    out_of_memory: true,
                    at: None,
                },
                "process \"x\" did not complete successfully: cannot allocate memory",
            ),
            (
                BuildError::Invalid("failed to reach build target t in Dockerfile".to_owned()),
                "target stage \"t\" could not be found",
            ),
            (
                BuildError::Step(
                    "COPY failed: file not found in build context or excluded by .dockerignore: stat no: file does not exist"
                        .to_owned(),
                ),
                "failed to compute cache key: failed to calculate checksum of ref: \"/no\": not found",
            ),
        ] {
            assert_eq!(status(&error).message, sentence);
        }
    }
}
