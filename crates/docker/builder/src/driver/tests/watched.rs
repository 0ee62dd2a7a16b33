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
    let heard = heard(&bench, "FROM scratch\nCOPY f /\n", options());
    assert!(heard.starts_with("[linux/s390x 1/1] COPY f / []\n"), "{heard}");
}

/// Brings a base for each platform, and keeps what was asked for.
struct PerPlatform(Arc<Memory>, Mutex<Vec<Wish>>);

impl Pull for PerPlatform {
    fn pull(&self, wish: &Wish, _: mpsc::Sender<String>) -> crate::Sent<Result<Digest, String>> {
        self.1.lock().unwrap().push(wish.clone());
        let platform = wish.platform.clone().unwrap_or_else(platform::host);
        let id = Digest::of(platform::text(&platform).as_bytes());
        let config = ImageConfig {
            architecture: platform.architecture,
            variant: platform.variant,
            ..ImageConfig::for_host()
        };
        let base = Base {
            id,
            config,
            parent: None,
            made_here: false,
        };
        let mut world = self.0.0.lock().unwrap();
        world.images.insert(id, base);
        world.files.insert(id, Files::of(&[("x", "1")]));
        Box::pin(async move { Ok(id) })
    }
}

#[test]
fn bases_are_brought_for_each_platform() {
    const CROSS: &str = "FROM --platform=$BUILDPLATFORM busybox AS build\nARG TARGETARCH\nRUN write x $TARGETARCH\nFROM busybox\nCOPY --from=build /x /x\n";
    let host = platform::text(&platform::host());
    let asked = |file: &str, platform: &str, dialect| {
        let bench = Bench::new();
        let pull = Arc::new(PerPlatform(bench.memory.clone(), Mutex::default()));
        let mut options = Options {
            platform: platform::parse(platform),
            dialect,
            ..plain()
        };
        options.services.pull = Some(pull.clone());
        let told = bench.build(&Files::of(&[("Dockerfile", file)]), options);
        let built = platform::text(&bench.config(told.id()).platform());
        let wishes = std::mem::take(&mut *pull.1.lock().unwrap());
        let wishes = wishes.into_iter().map(|wish| {
            let platform = wish.platform.as_ref().map(platform::text).unwrap_or_default();
            let apart = if wish.apart { " apart" } else { "" };
            format!("{} {platform}{apart}", wish.reference)
        });
        (built, wishes.collect::<Vec<_>>().join(", "))
    };
    let foreign = "busybox linux/s390x apart";
    for dialect in [Dialect::Classic, Dialect::BuildKit] {
        // What is here for this machine is taken; what is here under a name goes on being called so.
        for (file, platform, result, wishes) in [
            (CROSS, "linux/s390x", "linux/s390x", foreign),
            (CROSS, &*host, &*host, ""),
            ("FROM busybox\nENV A=1\n", "linux/s390x", "linux/s390x", foreign),
            (
                "FROM scratch\nCOPY --from=busybox /x /\n",
                "linux/s390x",
                "linux/s390x",
                foreign,
            ),
            (
                "FROM nothere\nENV A=1\n",
                &*host,
                &*host,
                &*format!("nothere {host}"),
            ),
            ("FROM nothere\nENV A=1\n", "", &*host, "nothere "),
        ] {
            let expected = (result.to_owned(), wishes.to_owned());
            assert_eq!(
                asked(file, platform, dialect),
                expected,
                "{file} {platform} {dialect:?}"
            );
        }
    }
    // BuildKit's result is for what was asked for, whatever it began with.
    let last = "FROM --platform=$BUILDPLATFORM busybox\nENV A=1\n";
    for (dialect, platform, result) in [
        (Dialect::Classic, "linux/s390x", &*host),
        (Dialect::BuildKit, "linux/s390x", "linux/s390x"),
        (Dialect::BuildKit, "linux/arm64/v8", "linux/arm64"),
    ] {
        assert_eq!(asked(last, platform, dialect), (result.to_owned(), String::new()));
    }
}

#[test]
fn steps_are_called_by_the_platforms_that_they_run_on_and_make_things_for() {
    let bench = Bench::new();
    let pull = Arc::new(PerPlatform(bench.memory.clone(), Mutex::default()));
    let mut options = Options {
        platform: platform::parse("linux/s390x"),
        platform_shown: true,
        dialect: Dialect::BuildKit,
        ..plain()
    };
    options.services.pull = Some(pull);
    let file = "FROM --platform=$BUILDPLATFORM busybox AS b\nRUN write x 1\nARG TARGETARCH\nRUN write y 1\nFROM busybox\nCOPY --from=b /x /\n";
    let heard = heard(&bench, file, options);
    let host = platform::text(&platform::host());
    for title in [
        format!("[{host} internal] load metadata for docker.io/library/busybox:latest "),
        "[linux/s390x internal] load metadata for docker.io/library/busybox:latest ".to_owned(),
        format!("[{host} b 2/3] RUN write x 1 "),
        format!("[{host}->s390x b 3/3] RUN write y 1 "),
        "[linux/s390x stage-1 1/2] FROM docker.io/library/busybox:latest ".to_owned(),
    ] {
        assert!(heard.contains(&title), "{title} is not in {heard}");
    }
}

/// Stages come to a base that they have in common in any order; whose it is told as does not depend on that.
#[test]
fn a_base_of_several_stages_is_told_of_once() {
    let bench = Bench::new();
    let (sender, _receiver) = mpsc::channel(1);
    let (_alive, caller) = watch::channel(());
    let output = Output::new(sender, caller, false);
    let nothing: Arc<dyn Tree> = Arc::new(MemoryTree {
        files: Files::default(),
        modified: 0,
    });
    let told = |file: &str, needed: &[usize]| {
        let mut driver = Driver::new(
            bench.memory.clone(),
            bench.cache.clone(),
            output.clone(),
            nothing.clone(),
            plain(),
        );
        let parsed = crate::dockerfile::parse(file.as_bytes()).unwrap();
        for instruction in &parsed.meta_args {
            driver.define_meta(instruction).unwrap();
        }
        driver.graph = Arc::new(Graph::new(parsed.stages, &needed.iter().copied().collect()));
        driver.told_of("docker.io/library/busybox:latest", None)
    };
    let a = "ARG B=busybox\nFROM $B:latest AS a\nRUN x\n";
    for (rest, needed, expected) in [
        ("FROM busybox\nCOPY --from=a /x /\n", &[0, 1][..], Some(0)),
        ("FROM busybox\nRUN y\n", &[1], Some(1)),
        (
            "FROM busybox AS b\nFROM busybox\nCOPY --from=a / /a\nCOPY --from=b / /b\n",
            &[0, 1, 2],
            Some(1),
        ),
        (
            "FROM busybox AS b\nFROM busybox\nCOPY --from=1 / /b\nRUN --mount=from=a,target=/a y\n",
            &[0, 1, 2],
            Some(0),
        ),
        ("FROM a\nRUN y\n", &[0, 1], Some(0)),
        ("FROM --platform=linux/s390x busybox\n", &[1], None),
        ("FROM scratch\n", &[1], None),
    ] {
        assert_eq!(told(&format!("{a}{rest}"), needed), expected, "{rest}");
    }
}

#[test]
fn a_base_that_is_a_named_context_is_called_by_its_name() {
    let bench = Bench::new();
    bench
        .memory
        .add("mine:1", RunConfig::default(), &Files::default());
    let options = Options {
        contexts: [("busybox".to_owned(), Named::Image("mine:1".to_owned()))].into(),
        ..plain()
    };
    let heard = heard(
        &bench,
        "FROM docker.io/library/busybox:latest\nRUN write x y\n",
        options,
    );
    let expected = "[context busybox] load metadata for mine:1 []\ndone\n[context busybox] mine:1 []\ncached\n\
        [1/2] RUN write x y []\ndone\n";
    assert_eq!(heard, expected);
}
