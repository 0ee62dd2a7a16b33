//! `RUN`: containers of steps.

use crate::fixture::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_sees_its_step_and_its_changes_are_a_layer() {
    let node = Node::start();
    let daemon = Daemon::open(&node).await;
    let dockerfile = "FROM probe\nENV Q=1\nARG R=2\nUSER web:us\nWORKDIR /w\nRUN [\"/probe\", \"env\", \"--\", \"ids\", \"--\", \"cwd\"]\n\
                      USER root\nRUN [\"/probe\", \"write\", \"/made\", \"by a command\"]\nSHELL [\"/probe\", \"echo\"]\nRUN in the shell\n";
    let told = daemon.file(dockerfile, &[]).await;
    let id = told.id();
    assert_eq!(daemon.at(id, "made"), "644 0:0 by a command");
    for line in ["Q=1\n", "R=2\n", "/w\n", "in the shell\n", "uid"] {
        assert!(told.text.contains(line), "{line}: {}", told.text);
    }
    let image = daemon.images.get(&id).unwrap();
    let made: Vec<_> = image
        .config
        .history
        .iter()
        .map(|row| (row.created_by.as_str(), row.empty_layer))
        .collect();
    insta::assert_debug_snapshot!(made);
    // Nothing of what a container is given lies in the image.
    assert_eq!(daemon.tree(id).keys().collect::<Vec<_>>(), ["etc", "made", "w"]);
    daemon.assert_nothing_left(&node);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_fails_ends_the_build_and_leaves_nothing() {
    let node = Node::start();
    let daemon = Daemon::open(&node).await;
    let dockerfile = "FROM probe\nENV A=1\nRUN [\"/probe\", \"echo\", \"hi\", \"--\", \"exit\", \"3\"]\n";
    let told = daemon.file(dockerfile, &[]).await;
    assert_eq!(
        told.error(),
        "The command '/probe echo hi -- exit 3' returned a non-zero code: 3"
    );
    assert_eq!(told.result.as_ref().unwrap_err().code(), Some(3));
    assert!(told.text.contains("hi\n"));
    daemon.assert_nothing_left(&node);
    // What was done is done: the next build goes on from there.
    let told = daemon.file(dockerfile, &[]).await;
    assert!(told.text.contains(" ---> Using cache\n"));
    let told = daemon.file("FROM probe\nRUN [\"nope\"]\n", &[]).await;
    assert!(
        told.error()
            .contains("exec: \"nope\": executable file not found in $PATH"),
        "{}",
        told.error()
    );
    daemon.assert_nothing_left(&node);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_that_changes_nothing_makes_no_layer() {
    let node = Node::start();
    let daemon = Daemon::open(&node).await;
    let told = daemon.file("FROM probe\nRUN [\"/probe\", \"true\"]\n", &[]).await;
    let image = daemon.images.get(&told.id()).unwrap();
    assert!(
        image.config.history.last().unwrap().empty_layer,
        "{:?}",
        daemon.tree(told.id())
    );
    assert_eq!(image.layers.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_goes_into_a_volume_is_discarded() {
    let node = Node::start();
    let daemon = Daemon::open(&node).await;
    let dockerfile = "FROM probe\nVOLUME /v\nRUN [\"/probe\", \"write\", \"/v/x\", \"1\"]\nRUN [\"/probe\", \"ls\", \"/v\"]\n";
    let told = daemon.file(dockerfile, &[]).await;
    assert!(!daemon.tree(told.id()).contains_key("v/x"));
    daemon.assert_nothing_left(&node);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_in_a_here_document() {
    let node = Node::start();
    let daemon = Daemon::open(&node).await;
    let told = daemon
        .file("FROM probe\nRUN <<E\n#!/probe cat\nsaid\nE\n", &[])
        .await;
    assert!(told.text.contains("said\n"), "{}", told.text);
    assert_eq!(daemon.tree(told.id()).keys().collect::<Vec<_>>(), ["etc"]);
    daemon.assert_nothing_left(&node);
}
