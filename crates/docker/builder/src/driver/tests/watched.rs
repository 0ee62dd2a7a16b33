//! What is told of steps, and platforms other than this machine's.

use super::*;
use crate::dockerfile::Location;
use crate::watch::{StepName, VertexName, Watch, WatchedStep};

/// Writes down what it hears, step by step: stages are built side by side.
#[derive(Clone, Default)]
struct Watcher {
    steps: Arc<Mutex<Vec<(usize, String)>>>,
    step: usize,
}

impl Watcher {
    fn note(&self, line: &str) {
        let mut steps = self.steps.lock().unwrap();
        steps[self.step].1.push_str(&format!("{line}\n"));
    }

    fn begins(&self, stage: usize, line: &str) -> Self {
        let mut steps = self.steps.lock().unwrap();
        steps.push((stage, format!("{line}\n")));
        Self {
            steps: self.steps.clone(),
            step: steps.len() - 1,
        }
    }
}

impl Watch for Watcher {
    fn begin(&self, step: &StepName) -> Arc<dyn WatchedStep> {
        Arc::new(self.begins(step.stage, &format!("{} {:?}", step.name, step.uses)))
    }

    fn vertex(&self, vertex: &VertexName) -> Arc<dyn WatchedStep> {
        Arc::new(self.begins(0, &format!("{} {:?}", vertex.name, vertex.inputs)))
    }

    fn fault(&self, place: &Location) {
        self.begins(usize::MAX, &format!("fails in line {}", place.start.line));
    }
}

impl WatchedStep for Watcher {
    fn output(&self, stream: u8, bytes: &[u8]) {
        self.note(&format!(
            "{stream}: {}",
            String::from_utf8_lossy(bytes).trim_end()
        ));
    }

    fn line(&self, text: &str) {
        self.note(text);
    }

    fn done(&self, cached: bool) {
        self.note(if cached { "cached" } else { "done" });
    }

    fn failed(&self, error: &BuildError) {
        self.note(&error.to_string());
    }
}

fn heard(bench: &Bench, dockerfile: &str, options: Options) -> String {
    let watcher = Watcher::default();
    let services = Services {
        watch: Some(Arc::new(watcher.clone())),
        ..options.services
    };
    let options = Options { services, ..options };
    bench.build(&Files::of(&[("Dockerfile", dockerfile), ("f", "x")]), options);
    let mut heard = watcher.steps.lock().unwrap().clone();
    heard.sort_by_key(|(stage, _)| *stage);
    heard.into_iter().map(|(_, text)| text).collect()
}

const FILE: &str = "ARG V=1\nFROM busybox AS first\nENV A=b\nRUN env A\nRUN write x y\nFROM busybox\nARG V\nCOPY f /f$V\n\
                    COPY --from=first /x /\nRUN fail 3\n";

#[test]
fn steps_are_told_with_their_names_their_ends_and_the_fault() {
    let bench = Bench::new();
    let first = heard(&bench, FILE, plain());
    let expected = "[internal] load metadata for docker.io/library/busybox:latest []\ndone\n\
        [first 1/3] FROM docker.io/library/busybox:latest []\ncached\n\
        [first 2/3] RUN env A []\n1: A=b\ndone\n[first 3/3] RUN write x y []\ndone\n\
        [stage-1 2/4] COPY f /f1 []\ndone\n[stage-1 3/4] COPY --from=first /x / [0]\ndone\n\
        [stage-1 4/4] RUN fail 3 []\nThe command '/bin/sh -c fail 3' returned a non-zero code: 3\n\
        fails in line 10\n";
    assert_eq!(first, expected);
    let again = heard(&bench, FILE, plain());
    assert_eq!(again.matches("cached\n").count(), 5, "{again}");
}

#[test]
fn single_stages_are_not_taken_from_the_cache() {
    let bench = Bench::new();
    heard(&bench, FILE, plain());
    for (names, cached) in [(vec!["FIRST"], 3), (vec!["stage-1"], 3), (vec!["x"], 5)] {
        let options = Options {
            no_cache_stages: names.into_iter().map(String::from).collect(),
            ..plain()
        };
        let heard = heard(&bench, FILE, options);
        assert_eq!(heard.matches("cached\n").count(), cached, "{heard}");
    }
}

#[test]
fn files_are_put_together_for_any_platform() {
    let bench = Bench::new();
    let options = || Options {
        platform: platform::parse("linux/s390x"),
        platform_shown: true,
        ..plain()
    };
    let file = "FROM --platform=$BUILDPLATFORM busybox AS b\nARG TARGETARCH\nRUN write x $TARGETARCH\nFROM scratch\nCOPY --from=b /x /\n";
    let built = bench.build(&Files::of(&[("Dockerfile", file)]), options());
    assert_eq!(bench.config(built.id()).architecture, "s390x");
    for (file, sentence) in [
        ("FROM busybox\n", "building for platform"),
        ("FROM scratch\nRUN x\n", "there is no emulator here"),
    ] {
        let error = bench
            .build(&Files::of(&[("Dockerfile", file)]), options())
            .error();
        assert!(error.contains(sentence), "{error}");
    }
    let heard = heard(&bench, "FROM scratch\nCOPY f /\n", options());
    assert!(heard.starts_with("[linux/s390x 1/1] COPY f / []\n"), "{heard}");
}
