//! Stages side by side.

use super::*;

#[test]
fn stages_that_do_not_need_each_other_are_built_side_by_side() {
    let bench = Bench::new();
    // Each waits for the other, so one after the other they would never end.
    let told = bench.file(
        "FROM busybox AS a\nRUN meet\nRUN write x 1\nFROM busybox AS b\nRUN meet\nRUN write y 2\n\
         FROM busybox\nCOPY --from=a /x /x\nCOPY --from=b /y /y\n",
    );
    told.id();
    let steps: Vec<&str> = told
        .text
        .lines()
        .filter(|line| line.starts_with("Step "))
        .collect();
    let numbers: Vec<String> = (1..=9).map(|number| format!("Step {number}/9 : ")).collect();
    assert_eq!(steps.len(), 9, "{}", told.text);
    assert!(
        steps
            .iter()
            .zip(&numbers)
            .all(|(step, number)| step.starts_with(number)),
        "lines come in the file's order: {}",
        told.text
    );
}

#[test]
fn one_failure_ends_the_other_stages() {
    let bench = Bench::new();
    for file in [
        "FROM busybox AS a\nRUN hang\nFROM busybox AS b\nRUN fail 3\nFROM a\nCOPY --from=b /y /y\n",
        "FROM busybox AS a\nRUN fail 3\nFROM busybox AS b\nRUN hang\nFROM a\nCOPY --from=b /y /y\n",
        // One that waits for a stage that fails has nothing to say of its own.
        "FROM busybox AS a\nRUN fail 3\nFROM a AS b\nRUN x\nFROM busybox\nCOPY --from=b /y /y\n",
    ] {
        let told = bench.file(file);
        assert_eq!(
            told.error(),
            "The command '/bin/sh -c fail 3' returned a non-zero code: 3",
            "{file}"
        );
        assert!(told.text.contains(" : RUN fail 3\n"), "{}", told.text);
    }
}

#[test]
fn a_stage_that_talks_much_does_not_wait_for_ever() {
    // More than waits for its turn, while the stage before it is not done: it waits for room, and nothing is lost.
    let bench = Bench::new();
    let long = "x".repeat(1 << 20);
    let mut second = String::from("FROM busybox AS b\nARG L\n");
    for number in 0..6 {
        second.push_str(&format!("ENV N={number}\nRUN env L\n"));
    }
    let file =
        format!("FROM busybox AS a\nRUN write x 1\n{second}FROM a\nRUN --mount=from=b,target=/b true\n");
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let total = runtime.block_on(async {
        let (sender, mut receiver) = mpsc::channel(1);
        let (_alive, caller) = watch::channel(());
        let output = Output::new(sender, caller, false);
        let tree = Arc::new(MemoryTree {
            files: Files::of(&[("Dockerfile", &file)]),
            modified: 7,
        });
        let (tree, file) = context::open(tree, "", false).unwrap();
        let options = with_args(&[("L", &long)]);
        let driver = Driver::new(bench.memory.clone(), bench.cache.clone(), output, tree, options);
        let listening = async {
            let mut total = 0;
            while let Some(message) = receiver.recv().await {
                if let Progress::Stream(text) = message {
                    total += text.len();
                }
            }
            total
        };
        let (built, total) = tokio::join!(driver.build(file), listening);
        built.unwrap();
        total
    });
    assert!(total > 6 << 20, "{total}");
}

#[test]
fn a_base_is_pulled_once_for_all_stages() {
    #[derive(Default)]
    struct Counted(Mutex<Vec<String>>);
    impl Pull for Counted {
        fn pull(&self, wish: &Wish, _: mpsc::Sender<String>) -> crate::Sent<Result<Digest, String>> {
            let asked = wish.reference.clone();
            self.0.lock().unwrap().push(asked.clone());
            Box::pin(async move { Ok(Digest::of(asked.as_bytes())) })
        }
    }
    let bench = Bench::new();
    let pull = Arc::new(Counted::default());
    let mut options = plain();
    options.services.pull = Some(pull.clone());
    let file = "FROM nope AS a\nFROM nope AS b\nFROM nope\nCOPY --from=a / /\nCOPY --from=b / /\n";
    let told = bench.build(&Files::of(&[("Dockerfile", file)]), options);
    assert_eq!(told.error(), format!("No such image: {}", Digest::of(b"nope")));
    assert_eq!(*pull.0.lock().unwrap(), ["nope"]);
}

#[test]
fn a_trigger_may_want_a_stage_that_nobody_foresaw() {
    /// Brings an image with a trigger.
    struct Brings(Arc<Memory>);
    impl Pull for Brings {
        fn pull(&self, wish: &Wish, _: mpsc::Sender<String>) -> crate::Sent<Result<Digest, String>> {
            let config = RunConfig {
                on_build: vec!["COPY --from=input /x /y".into()],
                ..RunConfig::default()
            };
            let id = self.0.add(&wish.reference, config, &Files::default());
            Box::pin(async move { Ok(id) })
        }
    }
    let bench = Bench::new();
    let mut options = plain();
    options.dialect = Dialect::BuildKit;
    options.services.pull = Some(Arc::new(Brings(bench.memory.clone())));
    let file = "FROM busybox AS input\nRUN write x 1\nFROM brought\n";
    let told = bench.build(&Files::of(&[("Dockerfile", file)]), options);
    let id = told.id();
    assert!(
        bench.memory.0.lock().unwrap().files[&id].0.contains_key("y"),
        "{}",
        told.text
    );
}
