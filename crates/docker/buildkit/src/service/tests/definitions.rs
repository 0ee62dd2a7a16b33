//! Definitions of LLB, of a client and of frontends in images.

use std::sync::atomic::Ordering;

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
    let mut wanted = definition("local://context", Some("[mine] files"));
    let digest = wanted.metadata.keys().next().unwrap().clone();
    let group = pb::ProgressGroup {
        id: "g".to_owned(),
        name: "together".to_owned(),
        weak: false,
    };
    wanted.metadata.get_mut(&digest).unwrap().progress_group = Some(group.clone());
    let asked = control::SolveRequest {
        definition: Some(wanted),
        ..solve("b1")
    };
    rig.begin(asked).await.unwrap().unwrap();
    let vertex = &vertices(&rig, "b1").await[0];
    assert_eq!((&vertex.digest, &vertex.name[..]), (&digest, "[mine] files"));
    assert_eq!(vertex.progress_group, Some(group));
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

/// A build whose sources are judged by rules that deny.
fn denying(id: &str, identifier: &str) -> control::SolveRequest {
    use crate::proto::sourcepolicy::{MatchType, Policy, PolicyAction, Rule, Selector};
    let rule = Rule {
        action: PolicyAction::Deny.into(),
        selector: Some(Selector {
            identifier: identifier.to_owned(),
            match_type: MatchType::Wildcard.into(),
            constraints: Vec::new(),
        }),
        updates: None,
    };
    control::SolveRequest {
        source_policy: Some(Policy {
            version: 1,
            rules: vec![rule],
        }),
        ..solve(id)
    }
}

#[tokio::test]
async fn only_what_is_a_result_is_no_source() {
    let rig = rig(false).await;
    let _built = rig.begin(denying("b1", "docker-image://gantry.invalid/*"));
    let ask = async |definition: pb::Definition| {
        let asked = frontend::SolveRequest {
            definition: Some(definition),
            allow_result_return: true,
            ..frontend::SolveRequest::default()
        };
        rig.bridge::<frontend::SolveResponse>("Solve", "b1", &asked).await
    };
    let first = ask(definition("docker-image://x", None)).await.unwrap();
    let Some(result::Result::Ref(first)) = first.result.unwrap().result else {
        panic!("no result");
    };
    ask(first.def.unwrap()).await.unwrap();
    let written = |what: &str| format!("docker-image://gantry.invalid/{what}");
    let other = format!("result@sha256:{}", "4".repeat(64));
    for name in [&*other, "mine:latest"] {
        let refused = ask(definition(&written(name), None)).await.unwrap_err();
        assert!(refused.message.contains("denied by policy"), "{refused}");
    }
    // Nor is an image looked up by a name that is denied.
    let config = frontend::ResolveImageConfigRequest {
        r#ref: "gantry.invalid/mine".to_owned(),
        ..Default::default()
    };
    let refused = rig
        .bridge::<frontend::ResolveImageConfigResponse>("ResolveImageConfig", "b1", &config)
        .await;
    assert!(refused.unwrap_err().message.contains("denied by policy"));
    let mut asked = dockerfile(&[("context:base", "input:base")]);
    let forged = definition(&written(&other), None);
    asked.frontend_inputs.insert("base".to_owned(), forged);
    let refused = rig.bridge::<frontend::SolveResponse>("Solve", "b1", &asked).await;
    assert!(refused.unwrap_err().message.contains("denied by policy"));
}

#[tokio::test]
async fn definitions_are_within_each_other_so_many_times() {
    let rig = rig(false).await;
    let mut wanted = definition("local://context", None);
    let build = pb::Op {
        op: Some(pb::op::Op::Build(pb::BuildOp {
            builder: -1,
            inputs: BTreeMap::from([("buildkit.llb.definition".to_owned(), pb::BuildInput { input: 0 })]),
            ..pb::BuildOp::default()
        })),
        inputs: pb::Op::decode(&wanted.def[1][..]).unwrap().inputs,
        ..pb::Op::default()
    }
    .encode_to_vec();
    let end = pb::Op {
        inputs: vec![pb::Input {
            digest: Digest::of(&build).to_string(),
            index: 0,
        }],
        ..pb::Op::default()
    };
    wanted.def = vec![wanted.def[0].clone(), build.into(), end.encode_to_vec().into()];
    let inner = definition("docker-image://y", None);
    *rig.builder.within.lock().unwrap() = inner.encode_to_vec();
    let asked = |id: &str| control::SolveRequest {
        definition: Some(wanted.clone()),
        ..solve(id)
    };
    rig.begin(asked("b1")).await.unwrap().unwrap();
    // What is in it is judged as well.
    let judged = control::SolveRequest {
        definition: Some(wanted.clone()),
        ..denying("b2", "docker-image://y")
    };
    let refused = rig.begin(judged).await.unwrap().unwrap_err();
    assert!(refused.message.contains("denied by policy"), "{refused}");
    // A file may be the definition that it is in.
    *rig.builder.within.lock().unwrap() = wanted.encode_to_vec();
    let refused = rig.begin(asked("b3")).await.unwrap().unwrap_err();
    assert_eq!(refused.message, "more than 8 definitions within each other");
    // Nor may each ask for many: that multiplies.
    *rig.builder.within.lock().unwrap() = inner.encode_to_vec();
    rig.builder.beside.store(63, Ordering::Relaxed);
    rig.begin(asked("b4")).await.unwrap().unwrap();
    rig.builder.beside.store(64, Ordering::Relaxed);
    let refused = rig.begin(asked("b5")).await.unwrap().unwrap_err();
    assert_eq!(refused.message, "more than 64 definitions within definitions");
    // Whoever is still at it when the build is over is told so.
    let first = rig.builder.solved.lock().unwrap()[0].nested.clone();
    let refused = first.solve(inner.encode_to_vec()).await.unwrap_err();
    assert_eq!(refused.message, "context canceled");
}
