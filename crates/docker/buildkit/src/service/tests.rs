use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use driver::ManualClock;
use image::Digest;
use tokio::task::JoinHandle;

use super::*;
use crate::grpc::{Channel, Code, connect};
use crate::proto::control;
use crate::proto::frontend::{self, result};
use crate::testing::{Builder, Client, Shared, file};

/// A door with a builder behind it, a client's session, and the client's connection to it.
struct Rig {
    door: Buildkit,
    builder: Arc<Builder>,
    client: Arc<Client>,
    channel: Channel,
    session: JoinHandle<()>,
}

async fn rig(hangs: bool) -> Rig {
    rig_in(hangs, None).await
}

async fn rig_in(hangs: bool, history: Option<PathBuf>) -> Rig {
    let builder = Arc::new(Builder {
        hangs,
        ..Builder::default()
    });
    let door = Buildkit::new(
        Arc::new(Shared(builder.clone())),
        Arc::new(ManualClock::new()),
        history,
    );
    let (one, other) = tokio::io::duplex(4096);
    let served = door.clone();
    tokio::spawn(async move { served.serve(Box::new(one)).await });
    let (channel, driven) = connect(Box::new(other)).await.unwrap();
    tokio::spawn(driven);
    let client = Arc::new(Client {
        files: BTreeMap::from([
            (
                "context",
                vec![
                    file(".dockerignore", "tmp\n", 1),
                    file("Dockerfile", "FROM scratch", 1),
                    file("x", "x", 1),
                ],
            ),
            (
                "dockerfile",
                vec![
                    file("Copies", "FROM scratch\nCOPY x /", 1),
                    file("Dockerfile", "FROM scratch", 1),
                ],
            ),
        ]),
        ..Client::default()
    });
    let (_, session) = client.open(&door.0.sessions, "session").await;
    Rig {
        door,
        builder,
        client,
        channel,
        session,
    }
}

fn solve(id: &str) -> control::SolveRequest {
    control::SolveRequest {
        r#ref: id.to_owned(),
        session: "session".to_owned(),
        exporters: vec![control::Exporter {
            r#type: "moby".to_owned(),
            attrs: BTreeMap::from([("name".to_owned(), "docker.io/library/x:1".to_owned())]),
        }],
        ..control::SolveRequest::default()
    }
}

const SOLVE: &str = "/moby.buildkit.v1.Control/Solve";

impl Rig {
    /// A call of the bridge, of a build.
    async fn bridge<A: Message + Default>(
        &self,
        method: &str,
        build: &str,
        asked: &impl Message,
    ) -> Result<A, Status> {
        let path = format!("/moby.buildkit.v1.frontend.LLBBridge/{method}");
        let metadata = [("buildkit-controlapi-buildid", build)];
        let (mut sender, mut incoming) = self.channel.open(&path, &metadata).await?;
        sender.send(asked).await?;
        sender.close();
        incoming.single().await
    }

    /// Content by its descriptor, read in two parts.
    async fn content(&self, descriptor: &control::Descriptor) -> Vec<u8> {
        use super::content::{InfoRequest, InfoResponse, ReadRequest, ReadResponse};
        const SERVICE: &str = "/containerd.services.content.v1.Content";
        let digest = descriptor.digest.clone();
        let asked = InfoRequest {
            digest: digest.clone(),
        };
        let found: InfoResponse = self
            .channel
            .unary(&format!("{SERVICE}/Info"), &asked)
            .await
            .unwrap();
        assert_eq!(found.info.unwrap().size, descriptor.size);
        let mut read = Vec::new();
        for (offset, size) in [(0, 3), (3, 0)] {
            let asked = ReadRequest {
                digest: digest.clone(),
                offset,
                size,
            };
            let parts: Vec<ReadResponse> = self.stream(&format!("{SERVICE}/Read"), &asked).await.unwrap();
            read.extend(parts.iter().flat_map(|part| part.data.clone()));
        }
        assert_eq!(Digest::of(&read).to_string(), digest);
        let beyond = ReadRequest {
            digest,
            offset: descriptor.size,
            size: 1,
        };
        let refused = self
            .stream::<ReadResponse>(&format!("{SERVICE}/Read"), &beyond)
            .await;
        assert_eq!(refused.unwrap_err().code, Code::OutOfRange);
        read
    }

    fn begin(&self, asked: control::SolveRequest) -> JoinHandle<Result<control::SolveResponse, Status>> {
        let channel = self.channel.clone();
        tokio::spawn(async move { channel.unary(SOLVE, &asked).await })
    }

    async fn stream<A: Message + Default>(&self, path: &str, asked: &impl Message) -> Result<Vec<A>, Status> {
        let (mut sender, mut incoming) = self.channel.open(path, &[]).await?;
        sender.send(asked).await?;
        sender.close();
        let mut answers = Vec::new();
        while let Some(answer) = incoming.message().await? {
            answers.push(answer);
        }
        Ok(answers)
    }
}

fn dockerfile(options: &[(&str, &str)]) -> frontend::SolveRequest {
    let options = options
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    frontend::SolveRequest {
        frontend: "dockerfile.v0".to_owned(),
        frontend_opt: options.collect(),
        allow_result_return: true,
        allow_result_array_ref: true,
        ..frontend::SolveRequest::default()
    }
}

#[tokio::test]
async fn a_build_as_docker_asks_for_it() {
    let rig = rig(false).await;
    let built = rig.begin(solve("b1"));
    let status = control::StatusRequest {
        r#ref: "b1".to_owned(),
    };
    let pong: frontend::PongResponse = rig.bridge("Ping", "b1", &frontend::PingRequest {}).await.unwrap();
    assert!(
        pong.frontend_api_caps
            .iter()
            .any(|cap| cap.id == "solve.base" && cap.enabled)
    );
    assert!(
        pong.workers[0]
            .labels
            .contains_key("org.mobyproject.buildkit.worker.snapshotter")
    );
    let asked = dockerfile(&[("build-arg:A", "1"), ("target", "t")]);
    let solved: frontend::SolveResponse = rig.bridge("Solve", "b1", &asked).await.unwrap();
    let result = solved.result.unwrap();
    assert_eq!(&result.metadata["containerimage.config"][..], b"{}");
    let Some(result::Result::Ref(reference)) = &result.result else {
        panic!("{result:?}");
    };
    let evaluate = frontend::EvaluateRequest {
        r#ref: reference.id.clone(),
    };
    rig.bridge::<frontend::EvaluateResponse>("Evaluate", "b1", &evaluate)
        .await
        .unwrap();
    let give = frontend::ReturnRequest {
        result: Some(result),
        error: None,
    };
    rig.bridge::<frontend::ReturnResponse>("Return", "b1", &give)
        .await
        .unwrap();
    let response = built.await.unwrap().unwrap().exporter_response;
    assert_eq!(response["image.name"], "docker.io/library/x:1");
    assert_eq!(
        response["containerimage.digest"],
        format!("sha256:{}", "1".repeat(64))
    );
    assert_eq!(*rig.builder.named.lock().unwrap(), ["docker.io/library/x:1"]);
    {
        let asked = rig.builder.asked.lock().unwrap();
        assert_eq!((&asked[0].name[..], &asked[0].args["A"][..]), ("Dockerfile", "1"));
        assert_eq!(asked[0].target.as_deref(), Some("t"));
        assert_eq!(asked[0].text, b"FROM scratch");
    }
    // The client was asked to leave out what .dockerignore says.
    let excluded = rig.client.metadata.lock().unwrap().last().unwrap()["exclude-patterns"].clone();
    assert_eq!(excluded, "tmp");
    // Whoever comes late hears of everything.
    let told: Vec<control::StatusResponse> = rig
        .stream("/moby.buildkit.v1.Control/Status", &status)
        .await
        .unwrap();
    let ended: Vec<_> = told
        .iter()
        .flat_map(|told| &told.vertexes)
        .filter(|vertex| vertex.completed.is_some())
        .collect();
    let names: Vec<&str> = ended.iter().map(|vertex| &vertex.name[..]).collect();
    assert_eq!(
        names,
        [
            "[internal] load build definition from Dockerfile",
            "[internal] load .dockerignore",
            "[internal] load build context",
            "[1/1] FROM scratch",
            "exporting to image",
        ]
    );
    assert!(ended.iter().all(|vertex| vertex.error.is_empty()));
}

#[tokio::test]
async fn a_failure_is_the_builds_answer_and_stays_in_the_history() {
    let rig = rig(false).await;
    let built = rig.begin(solve("b1"));
    let failed = rig
        .bridge::<frontend::SolveResponse>("Solve", "b1", &dockerfile(&[("build-arg:FAIL", "1")]))
        .await;
    let status = failed.unwrap_err();
    assert_eq!(status.message, "no luck");
    let give = frontend::ReturnRequest {
        result: None,
        error: Some(crate::proto::rpc::Status {
            code: 2,
            message: "failed to solve: no luck".to_owned(),
            details: Vec::new(),
        }),
    };
    rig.bridge::<frontend::ReturnResponse>("Return", "b1", &give)
        .await
        .unwrap();
    assert_eq!(
        built.await.unwrap().unwrap_err().message,
        "failed to solve: no luck"
    );
    let asked = control::BuildHistoryRequest {
        early_exit: true,
        ..control::BuildHistoryRequest::default()
    };
    let path = "/moby.buildkit.v1.Control/ListenBuildHistory";
    let events: Vec<control::BuildHistoryEvent> = rig.stream(path, &asked).await.unwrap();
    assert_eq!(
        events[0].record.as_ref().unwrap().error.as_ref().unwrap().message,
        "failed to solve: no luck"
    );
    let delete = control::UpdateBuildHistoryRequest {
        r#ref: "b1".to_owned(),
        delete: true,
        ..control::UpdateBuildHistoryRequest::default()
    };
    let path_update = "/moby.buildkit.v1.Control/UpdateBuildHistory";
    rig.channel
        .unary::<control::UpdateBuildHistoryResponse>(path_update, &delete)
        .await
        .unwrap();
    assert_eq!(
        rig.stream::<control::BuildHistoryEvent>(path, &asked)
            .await
            .unwrap(),
        []
    );
}

#[tokio::test]
async fn a_question_is_answered_and_only_what_is_used_is_sent() {
    let rig = rig(false).await;
    let _building = rig.begin(solve("b1"));
    let asked = dockerfile(&[("requestid", "frontend.targets")]);
    let solved: frontend::SolveResponse = rig.bridge("Solve", "b1", &asked).await.unwrap();
    let result = solved.result.unwrap();
    assert_eq!(result.result, None);
    assert_eq!(&result.metadata["result.txt"][..], b"frontend.targets");
    assert!(rig.builder.asked.lock().unwrap().is_empty());
    let asked = dockerfile(&[("platform", "linux/amd64,linux/arm64"), ("filename", "Copies")]);
    let solved: frontend::SolveResponse = rig.bridge("Solve", "b1", &asked).await.unwrap();
    let result = solved.result.unwrap();
    let Some(result::Result::Refs(refs)) = &result.result else {
        panic!("{result:?}");
    };
    assert_eq!(
        refs.refs.keys().collect::<Vec<_>>(),
        ["linux/amd64", "linux/arm64"]
    );
    assert!(result.metadata.contains_key("containerimage.config/linux/arm64"));
    let followed = rig.client.metadata.lock().unwrap().last().unwrap()["followpaths"].clone();
    assert_eq!(followed, "x");
}

#[tokio::test]
async fn a_result_is_given_to_another_build() {
    let rig = rig(false).await;
    let _building = rig.begin(solve("b1"));
    let solved: frontend::SolveResponse = rig.bridge("Solve", "b1", &dockerfile(&[])).await.unwrap();
    let Some(result::Result::Ref(first)) = solved.result.unwrap().result else {
        panic!("no result");
    };
    let mut asked = dockerfile(&[("context:base", "input:base")]);
    asked
        .frontend_inputs
        .insert("base".to_owned(), first.def.unwrap());
    rig.bridge::<frontend::SolveResponse>("Solve", "b1", &asked)
        .await
        .unwrap();
    let given = format!("{:?}", rig.builder.asked.lock().unwrap()[1].contexts);
    assert!(
        given.contains(&format!("Result(\"sha256:{}", "1".repeat(64))),
        "{given}"
    );
    let strange = crate::proto::pb::Definition {
        def: vec![bytes::Bytes::from_static(b"x")],
        ..Default::default()
    };
    asked.frontend_inputs.insert("base".to_owned(), strange);
    let refused = rig.bridge::<frontend::SolveResponse>("Solve", "b1", &asked).await;
    let said = refused.unwrap_err().message;
    assert!(said.starts_with("failed to parse llb proto op"), "{said}");
}

#[tokio::test]
async fn a_session_may_be_a_call() {
    let rig = rig(false).await;
    let path = "/moby.buildkit.v1.Control/Session";
    let metadata = [("x-docker-expose-session-uuid", "called")];
    let (mut sender, mut incoming) = rig.channel.open(path, &metadata).await.unwrap();
    // The preface of HTTP/2 comes from the daemon: it is the one that calls.
    let first: BytesMessage = incoming.single().await.unwrap();
    assert!(first.data.starts_with(b"PRI * HTTP/2.0"));
    rig.door.0.sessions.get("called").await.unwrap();
    sender.close();
    while let Ok(Some(_)) = incoming.message::<BytesMessage>().await {}
}

#[tokio::test]
async fn what_is_told_beside_a_sentence_reaches_the_caller() {
    let rig = rig(false).await;
    let built = rig.begin(solve("b1"));
    let status = Status::new(Code::Unknown, "no").with_source("Dockerfile", b"FROM x", (1, 1));
    let give = frontend::ReturnRequest {
        result: None,
        error: Some(status.to_proto()),
    };
    rig.bridge::<frontend::ReturnResponse>("Return", "b1", &give)
        .await
        .unwrap();
    assert_eq!(built.await.unwrap().unwrap_err().message, "no");
    let (over, record) = rig.door.0.jobs.all().remove(0);
    assert!(over);
    assert_eq!(record.error.unwrap().details.len(), 1);
}

#[tokio::test]
async fn the_history_outlives_the_daemon() {
    const HISTORY: &str = "/moby.buildkit.v1.Control/ListenBuildHistory";
    const UPDATE: &str = "/moby.buildkit.v1.Control/UpdateBuildHistory";
    let directory = tempfile::tempdir().unwrap();
    let open = || rig_in(false, Some(directory.path().join("history")));
    let asked = |id: &str| control::SolveRequest {
        frontend: "dockerfile.v0".to_owned(),
        ..solve(id)
    };
    let rig = open().await;
    for id in ["b1", "b2"] {
        rig.begin(asked(id)).await.unwrap().unwrap();
    }
    let update = |id: &str, pinned, delete| control::UpdateBuildHistoryRequest {
        r#ref: id.to_owned(),
        pinned,
        delete,
        ..control::UpdateBuildHistoryRequest::default()
    };
    for asked in [update("b1", true, false), update("b2", false, true)] {
        let _: control::UpdateBuildHistoryResponse = rig.channel.unary(UPDATE, &asked).await.unwrap();
    }
    // The client's spans come when its build is over.
    let trace = Context::of("b1").trace;
    let trace = (0..16).map(|at| u8::from_str_radix(&trace[2 * at..2 * at + 2], 16).unwrap());
    let spans = crate::trace::sample(trace.collect(), 2);
    let export = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
    let _: crate::trace::ExportAnswer = rig.channel.unary(export, &spans).await.unwrap();
    let rig = open().await;
    let listen = control::BuildHistoryRequest {
        early_exit: true,
        ..control::BuildHistoryRequest::default()
    };
    let events: Vec<control::BuildHistoryEvent> = rig.stream(HISTORY, &listen).await.unwrap();
    let records: Vec<_> = events.into_iter().filter_map(|event| event.record).collect();
    assert_eq!(records.len(), 1);
    assert_eq!((&*records[0].r#ref, records[0].pinned), ("b1", true));
    let record = &records[0];
    let result = record.result.as_ref().unwrap();
    let documents = [
        (record.logs.as_ref(), "hello\n"),
        (record.trace.as_ref(), "FROM scratch"),
        (record.trace.as_ref(), "ééé"),
        (result.attestations.first(), "buildType"),
    ];
    for (descriptor, text) in documents {
        let read = rig.content(descriptor.unwrap()).await;
        assert!(String::from_utf8_lossy(&read).contains(text), "{text}");
    }
    let status = control::StatusRequest {
        r#ref: "b1".to_owned(),
    };
    let told: Vec<control::StatusResponse> = rig
        .stream("/moby.buildkit.v1.Control/Status", &status)
        .await
        .unwrap();
    let log = told.iter().flat_map(|told| &told.logs).next().unwrap();
    assert_eq!(&log.msg[..], b"hello\n");
    let again = rig.begin(asked("b1")).await.unwrap().unwrap_err();
    assert_eq!(again.code, Code::AlreadyExists);
}

#[tokio::test]
async fn a_whole_build_without_a_clients_frontend() {
    let rig = rig(false).await;
    let asked = control::SolveRequest {
        frontend: "dockerfile.v0".to_owned(),
        ..solve("b1")
    };
    let built = rig.begin(asked).await.unwrap().unwrap();
    assert_eq!(built.exporter_response["image.name"], "docker.io/library/x:1");
}

#[tokio::test]
async fn files_of_a_result_go_to_the_client() {
    let rig = rig(false).await;
    for (kind, id) in [("tar", "b1"), ("local", "b2")] {
        let asked = control::SolveRequest {
            frontend: "dockerfile.v0".to_owned(),
            exporters: vec![control::Exporter {
                r#type: kind.to_owned(),
                attrs: BTreeMap::new(),
            }],
            ..solve(id)
        };
        rig.begin(asked).await.unwrap().unwrap();
    }
    let taken = rig.client.taken.lock().unwrap();
    let mut archive = tar::Archive::new(&taken.archive[..]);
    assert_eq!(archive.entries().unwrap().count(), 3);
    let shown: Vec<String> = taken
        .files
        .iter()
        .map(|(stat, text)| format!("{} {:o} {} {}", stat.path, stat.mode, stat.linkname, text.len()))
        .collect();
    assert_eq!(
        shown,
        [
            "big 644  100000",
            "d 20000000755  0",
            "d/link 1000000777 ../big 0"
        ]
    );
}

#[tokio::test]
async fn a_build_ends_with_its_caller() {
    let rig = rig(true).await;
    let asked = control::SolveRequest {
        frontend: "dockerfile.v0".to_owned(),
        ..solve("b1")
    };
    let built = rig.begin(asked);
    rig.builder.begun.notified().await;
    built.abort();
    rig.builder.dropped.notified().await;
}

#[tokio::test]
async fn a_build_ends_with_its_session() {
    let rig = rig(true).await;
    let built = rig.begin(solve("b1"));
    let asked = dockerfile(&[]);
    let inner = rig.bridge::<frontend::SolveResponse>("Solve", "b1", &asked);
    let (inner, ()) = tokio::join!(inner, async {
        rig.builder.begun.notified().await;
        rig.session.abort();
    });
    assert_eq!(inner.unwrap_err().code, Code::Cancelled);
    assert_eq!(built.await.unwrap().unwrap_err().code, Code::Cancelled);
    rig.builder.dropped.notified().await;
    rig.door.0.jobs.forget("b1").await.unwrap();
}

#[tokio::test]
async fn what_is_not_supported_is_refused_with_its_reason() {
    let rig = rig(false).await;
    let exporter = |kind: &str| control::Exporter {
        r#type: kind.to_owned(),
        attrs: BTreeMap::new(),
    };
    let push = control::Exporter {
        attrs: BTreeMap::from([("push-by-digest".to_owned(), "true".to_owned())]),
        ..exporter("image")
    };
    let table = [
        (
            control::SolveRequest {
                exporters: vec![exporter("x")],
                ..solve("a")
            },
            "exporter x is not supported",
        ),
        (
            control::SolveRequest {
                exporters: vec![push],
                ..solve("a")
            },
            "push-by-digest of the exporter image is not supported",
        ),
        (
            control::SolveRequest {
                entitlements: vec!["device".into()],
                ..solve("a")
            },
            "entitlement device is not supported yet",
        ),
    ];
    for (asked, sentence) in table {
        let refused = rig.begin(asked).await.unwrap().unwrap_err();
        assert_eq!(
            (refused.code, &refused.message[..]),
            (Code::Unimplemented, sentence)
        );
    }
}

#[tokio::test]
async fn an_empty_filter_is_none() {
    let rig = rig(false).await;
    let path = "/moby.buildkit.v1.Control/DiskUsage";
    let asked = |filter: &str| control::DiskUsageRequest {
        filter: vec![filter.to_owned()],
        age_limit: 0,
    };
    rig.channel
        .unary::<control::DiskUsageResponse>(path, &asked(""))
        .await
        .unwrap();
    let refused = rig
        .channel
        .unary::<control::DiskUsageResponse>(path, &asked("id==x"))
        .await;
    assert!(refused.unwrap().record.is_empty());
    let refused = rig
        .channel
        .unary::<control::DiskUsageResponse>(path, &asked("strange~=x.*"))
        .await;
    assert_eq!(
        refused.unwrap_err().message,
        "filter strange~=x.* is not supported"
    );
}

/// Every row of [`METHODS`] is what it says: a refused one has its reason, and another is known to the door.
#[tokio::test]
async fn every_method_is_what_its_row_says() {
    let rig = rig(false).await;
    let _running = rig.begin(solve("b1"));
    for (path, support) in METHODS {
        let metadata = [("buildkit-controlapi-buildid", "b1")];
        let (mut sender, mut incoming) = rig.channel.open(path, &metadata).await.unwrap();
        sender.close();
        let answer = incoming.message::<()>().await;
        match support {
            Refused(reason) => assert_eq!(answer.unwrap_err(), Status::unimplemented(*reason), "{path}"),
            Works => {
                let unknown = answer.is_err_and(|status| status.message.starts_with("unknown method"));
                assert!(!unknown, "{path}");
            }
        }
    }
    let unknown = rig.channel.unary::<()>("/a.B/C", &()).await.unwrap_err();
    assert_eq!(unknown, Status::unimplemented("unknown method /a.B/C"));
}

#[tokio::test]
async fn images_are_looked_up_for_a_frontend() {
    let rig = rig(false).await;
    let _running = rig.begin(solve("b1"));
    let asked = |reference: &str| frontend::ResolveImageConfigRequest {
        r#ref: reference.to_owned(),
        ..Default::default()
    };
    let found: frontend::ResolveImageConfigResponse = rig
        .bridge("ResolveImageConfig", "b1", &asked("debian"))
        .await
        .unwrap();
    assert_eq!(&found.config[..], b"{\"os\":\"linux\"}");
    let missing = rig
        .bridge::<frontend::ResolveImageConfigResponse>("ResolveImageConfig", "b1", &asked("none"))
        .await;
    assert_eq!(missing.unwrap_err().code, Code::NotFound);
    let source = frontend::ResolveSourceMetaRequest {
        source: Some(crate::proto::pb::SourceOp {
            identifier: "docker-image://debian".to_owned(),
            attrs: BTreeMap::new(),
        }),
        ..Default::default()
    };
    let meta: frontend::ResolveSourceMetaResponse =
        rig.bridge("ResolveSourceMeta", "b1", &source).await.unwrap();
    assert_eq!(meta.image.unwrap().digest, found.digest);
}

/// `docs/coverage-buildkit.md` is [`METHODS`]; `INSTA_UPDATE=always` writes it anew.
#[test]
fn the_page_of_methods_is_fresh() {
    let mut page = "# BuildKit's methods\n\nMade from `METHODS` of `crates/docker/buildkit` by its test; a refused method answers UNIMPLEMENTED with the reason.\n\n| method | |\n|---|---|\n".to_owned();
    for (path, support) in METHODS {
        let answer = match support {
            Works => "works",
            Refused(reason) => reason,
        };
        page.push_str(&format!("| `{}` | {answer} |\n", path.trim_start_matches('/')));
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../docs/coverage-buildkit.md");
    let written = std::fs::read_to_string(path).unwrap_or_default();
    let table = written.split("\n## ").next().unwrap_or_default();
    assert_eq!(
        table.trim_end(),
        page.trim_end(),
        "docs/coverage-buildkit.md is stale; it should begin with:\n{page}"
    );
}

mod containers;
mod definitions;
