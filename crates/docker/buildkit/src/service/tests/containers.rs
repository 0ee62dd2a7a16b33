//! Containers of frontends, as their messages ask for them.

use llb::pb;

use super::*;
use crate::proto::frontend::exec_message::Input;
use crate::proto::frontend::{ExecMessage, FdMessage, InitMessage};

/// A build with a container `c` of one result, and a mount besides.
async fn contained() -> (Rig, JoinHandle<Result<control::SolveResponse, Status>>) {
    let rig = rig(false).await;
    let running = rig.begin(solve("b1"));
    let solved: frontend::SolveResponse = rig.bridge("Solve", "b1", &dockerfile(&[])).await.unwrap();
    let Some(result::Result::Ref(reference)) = solved.result.unwrap().result else {
        panic!("no result");
    };
    let mount = |dest: &str, result: &str| pb::Mount {
        dest: dest.to_owned(),
        result_id: result.to_owned(),
        ..pb::Mount::default()
    };
    let asked = frontend::NewContainerRequest {
        container_id: "c".to_owned(),
        mounts: vec![mount("/", &reference.id), mount("/m", "")],
        ..Default::default()
    };
    rig.bridge::<frontend::NewContainerResponse>("NewContainer", "b1", &asked)
        .await
        .unwrap();
    let twice = rig.bridge::<frontend::NewContainerResponse>("NewContainer", "b1", &asked);
    assert_eq!(twice.await.unwrap_err().code, Code::AlreadyExists);
    let none = frontend::NewContainerRequest {
        container_id: "d".to_owned(),
        mounts: vec![mount("/", "none")],
        ..Default::default()
    };
    let refused = rig.bridge::<frontend::NewContainerResponse>("NewContainer", "b1", &none);
    assert_eq!(
        refused.await.unwrap_err().message,
        "failed to find ref none for \"/\" mount"
    );
    (rig, running)
}

fn message(id: &str, input: Input) -> ExecMessage {
    ExecMessage {
        process_id: id.to_owned(),
        input: Some(input),
    }
}

fn init(args: &str, fds: &[u32]) -> Input {
    Input::Init(InitMessage {
        container_id: "c".to_owned(),
        meta: Some(pb::Meta {
            args: vec![args.to_owned()],
            ..pb::Meta::default()
        }),
        fds: fds.to_vec(),
        ..InitMessage::default()
    })
}

fn input(text: &'static str, eof: bool) -> Input {
    Input::File(FdMessage {
        fd: 0,
        eof,
        data: bytes::Bytes::from_static(text.as_bytes()),
    })
}

/// What was told of a process: its beginning, what it wrote by descriptors, its code, and its end.
fn told(messages: &[ExecMessage], id: &str) -> String {
    let own = messages.iter().filter(|message| message.process_id == id);
    let words = own.map(|message| match message.input.as_ref().unwrap() {
        Input::Started(_) => "started".to_owned(),
        Input::File(file) if file.eof => format!("{}.", file.fd),
        Input::File(file) => format!("{}:{}", file.fd, String::from_utf8_lossy(&file.data)),
        Input::Exit(exit) => {
            let why = exit.error.as_ref().map_or("", |error| &error.message);
            format!("exit {} {why}", exit.code)
        }
        Input::Done(_) => "done".to_owned(),
        other => panic!("{other:?}"),
    });
    words.collect::<Vec<_>>().join(",")
}

#[tokio::test]
async fn processes_of_a_container_speak_by_messages() {
    let (rig, running) = contained().await;
    let path = "/moby.buildkit.v1.frontend.LLBBridge/ExecProcess";
    let metadata = [("buildkit-controlapi-buildid", "b1")];
    let (mut sender, mut incoming) = rig.channel.open(path, &metadata).await.unwrap();
    let signal = Input::Signal(frontend::SignalMessage {
        name: "SIGTERM".to_owned(),
    });
    for sent in [
        message("1", init("cat", &[0, 1, 2])),
        message("1", input("hello", false)),
        message("1", input("", true)),
        message("2", init("cat", &[0, 2])),
        message("2", signal),
        message("3", init("none", &[1])),
    ] {
        sender.send(&sent).await.unwrap();
    }
    let mut heard = Vec::new();
    let ended = |heard: &[ExecMessage]| {
        let done = heard
            .iter()
            .filter(|message| matches!(message.input, Some(Input::Done(_))));
        done.count()
    };
    while ended(&heard) < 3 {
        heard.push(incoming.single::<ExecMessage>().await.unwrap());
    }
    assert_eq!(told(&heard, "1"), "started,1:hello,2:over,1.,2.,exit 0 ,done");
    assert_eq!(told(&heard, "2"), "started,2:over,2.,exit 15 exit code: 15,done");
    assert_eq!(told(&heard, "3"), "started,1.,exit 255 no such program,done");
    sender.close();
    assert!(incoming.message::<ExecMessage>().await.unwrap().is_none());
    for (sent, code) in [
        (message("", input("x", false)), Code::InvalidArgument),
        (message("9", input("x", false)), Code::NotFound),
    ] {
        let (mut sender, mut incoming) = rig.channel.open(path, &metadata).await.unwrap();
        sender.send(&sent).await.unwrap();
        assert_eq!(incoming.message::<ExecMessage>().await.unwrap_err().code, code);
    }
    running.abort();
}

#[tokio::test]
async fn files_of_a_container_are_looked_at_below_its_mounts() {
    let (rig, running) = contained().await;
    let read = |mount: i32| frontend::ReadFileRequest {
        r#ref: "c".to_owned(),
        file_path: "f".to_owned(),
        range: Some(frontend::FileRange { offset: 2, length: 3 }),
        mount_index: mount,
    };
    let found: frontend::ReadFileResponse = rig.bridge("ReadFileContainer", "b1", &read(1)).await.unwrap();
    assert_eq!(found.data, "/m f 2 3");
    let missing = rig
        .bridge::<frontend::ReadFileResponse>("ReadFileContainer", "b1", &read(2))
        .await;
    assert_eq!(missing.unwrap_err().message, "container c has no mount 2");
    let stat = frontend::StatFileRequest {
        r#ref: "c".to_owned(),
        path: "d".to_owned(),
        mount_index: 0,
    };
    let stat: frontend::StatFileResponse = rig.bridge("StatFileContainer", "b1", &stat).await.unwrap();
    assert_eq!(stat.stat.unwrap().mode, 1 << 31 | 1 << 23 | 0o755);
    let list = frontend::ReadDirRequest {
        r#ref: "c".to_owned(),
        dir_path: "d".to_owned(),
        ..Default::default()
    };
    let list: frontend::ReadDirResponse = rig.bridge("ReadDirContainer", "b1", &list).await.unwrap();
    assert_eq!(list.entries.len(), 1);
    let release = frontend::ReleaseContainerRequest {
        container_id: "c".to_owned(),
    };
    rig.bridge::<frontend::ReleaseContainerResponse>("ReleaseContainer", "b1", &release)
        .await
        .unwrap();
    rig.builder.dropped.notified().await;
    let again = rig.bridge::<frontend::ReleaseContainerResponse>("ReleaseContainer", "b1", &release);
    assert_eq!(
        again.await.unwrap_err().message,
        "container details for c not found"
    );
    running.abort();
}

#[tokio::test]
async fn containers_end_with_their_build() {
    let (rig, running) = contained().await;
    let give = frontend::ReturnRequest::default();
    rig.bridge::<frontend::ReturnResponse>("Return", "b1", &give)
        .await
        .unwrap();
    running.await.unwrap().unwrap();
    rig.builder.dropped.notified().await;
}

#[tokio::test]
async fn a_command_that_failed_can_be_looked_at() {
    let rig = rig(false).await;
    let running = rig.begin(solve("b1"));
    let asked = dockerfile(&[("build-arg:FAIL", "1"), ("build-arg:COMMAND", "1")]);
    let evaluated = frontend::SolveRequest {
        evaluate: true,
        ..asked.clone()
    };
    let refused = rig.bridge::<frontend::SolveResponse>("Solve", "b1", &evaluated);
    assert_eq!(refused.await.unwrap_err().message, "no luck");
    let solved: frontend::SolveResponse = rig.bridge("Solve", "b1", &asked).await.unwrap();
    let result = solved.result.unwrap();
    let Some(result::Result::Ref(reference)) = result.result.clone() else {
        panic!("no result");
    };
    let evaluate = frontend::EvaluateRequest {
        r#ref: reference.id.clone(),
    };
    let failed = rig.bridge::<frontend::EvaluateResponse>("Evaluate", "b1", &evaluate);
    assert_eq!(failed.await.unwrap_err().message, "no luck");
    // Given to another build, it is the failure of that one too.
    let mut other = control::SolveRequest {
        frontend: "dockerfile.v0".to_owned(),
        ..solve("b2")
    };
    let name = |text: &str| text.to_owned();
    other.frontend_attrs.insert(name("context:in"), name("input:in"));
    other.frontend_inputs.insert(name("in"), reference.def.unwrap());
    assert_eq!(rig.begin(other).await.unwrap().unwrap_err().message, "no luck");
    // The image that the command was run upon is a result by then, the second, since the first try has made one too.
    let mounts = vec![pb::Mount {
        dest: name("/"),
        result_id: name("b1-1"),
        ..pb::Mount::default()
    }];
    let container = frontend::NewContainerRequest {
        container_id: name("c"),
        mounts,
        ..Default::default()
    };
    rig.bridge::<frontend::NewContainerResponse>("NewContainer", "b1", &container)
        .await
        .unwrap();
    let give = frontend::ReturnRequest {
        result: Some(result),
        error: None,
    };
    rig.bridge::<frontend::ReturnResponse>("Return", "b1", &give)
        .await
        .unwrap();
    let failed = running.await.unwrap().unwrap_err();
    assert_eq!(failed.message, "no luck");
}
