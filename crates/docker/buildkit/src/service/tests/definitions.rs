//! Definitions of LLB, of a client and of frontends in images.

use llb::pb;

use super::*;

/// A definition of one source, with a name of its own if there is one.
fn definition(identifier: &str, named: Option<&str>) -> pb::Definition {
    let source = pb::Op {
        op: Some(pb::op::Op::Source(pb::SourceOp {
            identifier: identifier.to_owned(),
            ..pb::SourceOp::default()
        })),
        ..pb::Op::default()
    }
    .encode_to_vec();
    let digest = Digest::of(&source).to_string();
    let end = pb::Op {
        inputs: vec![pb::Input {
            digest: digest.clone(),
            index: 0,
        }],
        ..pb::Op::default()
    };
    let about = pb::OpMetadata {
        description: named
            .map(|name| ("llb.customname".to_owned(), name.to_owned()))
            .into_iter()
            .collect(),
        ..pb::OpMetadata::default()
    };
    pb::Definition {
        def: vec![source.into(), end.encode_to_vec().into()],
        metadata: BTreeMap::from([(digest, about)]),
        source: None,
    }
}

async fn vertices(rig: &Rig, build: &str) -> Vec<control::Vertex> {
    let asked = control::StatusRequest {
        r#ref: build.to_owned(),
    };
    let told: Vec<control::StatusResponse> = rig
        .stream("/moby.buildkit.v1.Control/Status", &asked)
        .await
        .unwrap();
    told.into_iter().flat_map(|message| message.vertexes).collect()
}

#[tokio::test]
async fn a_client_asks_for_a_definition() {
    let rig = rig(false).await;
    let wanted = definition("local://context", Some("[mine] files"));
    let digest = wanted.metadata.keys().next().unwrap().clone();
    let asked = control::SolveRequest {
        definition: Some(wanted),
        ..solve("b1")
    };
    rig.begin(asked).await.unwrap().unwrap();
    let vertex = &vertices(&rig, "b1").await[0];
    assert_eq!((&vertex.digest, &vertex.name[..]), (&digest, "[mine] files"));
    {
        let solved = rig.builder.solved.lock().unwrap();
        let crate::build::Context::Client(files) = &solved[0].files[&digest] else {
            panic!("no files of the client");
        };
        assert!(files.find("x").is_some());
    }
    assert_eq!(*rig.builder.named.lock().unwrap(), ["docker.io/library/x:1"]);
    for (asked, code, sentence) in [
        (
            control::SolveRequest {
                definition: Some(definition("ftp://x", None)),
                ..solve("b2")
            },
            Code::Unimplemented,
            "unsupported source scheme ftp",
        ),
        (
            control::SolveRequest {
                definition: Some(definition("local://x", None)),
                frontend: "dockerfile.v0".to_owned(),
                ..solve("b3")
            },
            Code::Unimplemented,
            "a definition beside a frontend makes no sense",
        ),
        (
            control::SolveRequest {
                frontend: "gateway.v0".to_owned(),
                ..solve("b4")
            },
            Code::Unknown,
            "no source specified for gateway",
        ),
        (
            control::SolveRequest {
                frontend: "nope.v0".to_owned(),
                ..solve("b5")
            },
            Code::NotFound,
            "frontend nope.v0 not found",
        ),
    ] {
        let refused = rig.begin(asked).await.unwrap().unwrap_err();
        assert_eq!((refused.code, &refused.message[..]), (code, sentence));
    }
}

#[tokio::test]
async fn a_clients_frontend_solves_a_definition() {
    let rig = rig(false).await;
    let built = rig.begin(solve("b1"));
    let asked = frontend::SolveRequest {
        definition: Some(definition("docker-image://x", None)),
        allow_result_return: true,
        ..frontend::SolveRequest::default()
    };
    let solved: frontend::SolveResponse = rig.bridge("Solve", "b1", &asked).await.unwrap();
    let mut result = solved.result.unwrap();
    let Some(result::Result::Ref(first)) = result.result.clone() else {
        panic!("no result");
    };
    assert!(result.metadata.is_empty());
    let read = frontend::StatFileRequest {
        r#ref: first.id.clone(),
        path: "big".to_owned(),
        ..frontend::StatFileRequest::default()
    };
    let stat: frontend::StatFileResponse = rig.bridge("StatFile", "b1", &read).await.unwrap();
    assert_eq!(stat.stat.unwrap().size, 100_000);
    // What it made is a source of the next definition.
    let again = frontend::SolveRequest {
        definition: first.def,
        ..asked
    };
    rig.bridge::<frontend::SolveResponse>("Solve", "b1", &again)
        .await
        .unwrap();
    {
        let solved = rig.builder.solved.lock().unwrap();
        let images: Vec<_> = solved[1].images.values().collect();
        assert_eq!(images, [&format!("sha256:{}", "3".repeat(64))]);
    }
    let config = bytes::Bytes::from_static(b"{\"os\":\"linux\"}");
    result.metadata.insert("containerimage.config".to_owned(), config);
    let give = frontend::ReturnRequest {
        result: Some(result),
        error: None,
    };
    rig.bridge::<frontend::ReturnResponse>("Return", "b1", &give)
        .await
        .unwrap();
    built.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_frontend_of_an_image_has_the_bridge_and_its_inputs() {
    let rig = rig(false).await;
    let mut asked = control::SolveRequest {
        frontend: "gateway.v0".to_owned(),
        frontend_attrs: BTreeMap::from([("source".to_owned(), "a/b".to_owned())]),
        ..solve("b1")
    };
    // Its image has to say that it knows inputs.
    asked
        .frontend_inputs
        .insert("in".to_owned(), definition("docker-image://x", None));
    let refused = rig.begin(asked.clone()).await.unwrap().unwrap_err();
    assert_eq!(
        refused.message,
        "unsupported frontend capability moby.buildkit.frontend.inputs"
    );
    *rig.builder.config.lock().unwrap() =
        br#"{"config":{"Labels":{"moby.buildkit.frontend.caps":"moby.buildkit.frontend.inputs"}}}"#.to_vec();
    asked.r#ref = "b2".to_owned();
    rig.begin(asked.clone()).await.unwrap().unwrap();
    {
        let solved = rig.builder.solved.lock().unwrap();
        let names: Vec<&str> = solved
            .iter()
            .map(|each| &each.graph.vertices[0].name[..])
            .collect();
        assert_eq!(
            names[1..],
            ["docker-image://docker.io/a/b:latest", "docker-image://x"]
        );
    }
    assert_eq!(*rig.builder.named.lock().unwrap(), ["docker.io/library/x:1"]);
    asked.r#ref = "b3".to_owned();
    asked.frontend_attrs.insert("fail".to_owned(), "1".to_owned());
    assert_eq!(
        rig.begin(asked).await.unwrap().unwrap_err().message,
        "exit code: 1"
    );
}
