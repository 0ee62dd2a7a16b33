//! Graphs of LLB that ask for more than what is here: definitions within definitions, and secrets by name.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use builder::{
    Authorization, Builder, Entitlements, Fetch, Fetched, GitSource, Nested, Repository, Secrets, Sent,
    Services, SolveRequest, Solved,
};
use llb::Graph;
use llb::pb::{self, file_action::Action, op::Op};
use prost::Message as _;
use tokio::sync::mpsc;

use crate::fixture::*;
use crate::graphs::*;

/// Carries out definitions by a builder.
struct Within(Builder);

impl Nested for Within {
    fn solve(&self, definition: Vec<u8>) -> Sent<Result<Solved, String>> {
        let builder = self.0.clone();
        Box::pin(async move {
            let definition = pb::Definition::decode(&definition[..]).map_err(|error| error.to_string())?;
            let request = SolveRequest {
                graph: Graph::read(&definition).map_err(|error| error.to_string())?,
                given: BTreeMap::new(),
                no_cache: false,
                services: Services::default(),
                entitlements: Entitlements::default(),
            };
            let (sender, mut receiver) = mpsc::channel(64);
            let listening = async { while receiver.recv().await.is_some() {} };
            let (made, ()) = tokio::join!(builder.solve_held(request, sender), listening);
            let (image, lease) = made.map_err(|error| error.to_string())?;
            let keeps = Box::new(lease);
            Ok(Solved { image, keeps })
        })
    }
}

fn build(file: Option<&str>) -> Op {
    let attrs = file.map(|file| ("llbbuild.filename".to_owned(), file.to_owned()));
    Op::Build(pb::BuildOp {
        builder: -1,
        inputs: BTreeMap::from([("buildkit.llb.definition".to_owned(), pb::BuildInput { input: 0 })]),
        attrs: attrs.into_iter().collect(),
        ..pb::BuildOp::default()
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_definition_may_be_a_file_that_another_one_makes() {
    let node = Node::start();
    let daemon = Daemon::open(&node).await;
    let mut inner = Writer::default();
    let made = inner.file(&[], vec![act(-1, -1, 0, mkfile("/inner", "i"))]);
    let inner = inner.definition((made, 0)).encode_to_vec();
    let mut writer = Writer::default();
    let written = |path: &str| {
        Action::Mkfile(pb::FileActionMkFile {
            path: path.to_owned(),
            mode: 0o644,
            data: inner.clone().into(),
            timestamp: -1,
            owner: None,
        })
    };
    let files = writer.file(
        &[],
        vec![
            act(-1, -1, -1, written("/buildkit.llb.definition")),
            act(0, -1, -1, written("/other")),
            act(1, -1, -1, mkfile("/none", "x")),
            act(2, -1, 0, mkdir("/d", false)),
        ],
    );
    let services = || Services {
        nested: Some(Arc::new(Within(daemon.builder.clone()))),
        ..Services::default()
    };
    let mut solved = BTreeMap::new();
    for file in [None, Some("/other"), Some("/none"), Some("/gone"), Some("/d")] {
        let mut writer = writer.clone();
        let within = writer.push(Some(build(file)), &[(files, 0)]);
        let upon = writer.file(&[within], vec![act(0, -1, 0, mkfile("/outer", "o"))]);
        let made = daemon
            .solve_for(&writer, (upon, 0), BTreeMap::new(), services())
            .await;
        solved.insert(file, made.map(|image| shown(&daemon, image)));
    }
    let whole = Ok(vec!["inner 640 0:0 i".to_owned(), "outer 640 0:0 o".to_owned()]);
    assert_eq!((&solved[&None], &solved[&Some("/other")]), (&whole, &whole));
    let said = |file| solved[&Some(file)].clone().unwrap_err();
    assert_eq!(said("/gone"), "failed to open /gone: no such file or directory");
    assert_eq!(said("/d"), "/d is not a regular file");
    assert!(said("/none").contains("failed to decode"), "{}", said("/none"));
    let within = writer.push(Some(build(None)), &[(files, 0)]);
    let refused = daemon.solve(&writer, (within, 0)).await.unwrap_err();
    assert_eq!(refused, "this builder carries out no definition within another");
    daemon.assert_nothing_left(&node);
}

/// Notes who asks, and has a file for everybody and a repository for nobody.
#[derive(Default)]
struct Asked(Mutex<Vec<String>>);

impl Fetch for Asked {
    fn http(&self, _: &str, who: &Authorization) -> Sent<Result<Fetched, String>> {
        self.0.lock().unwrap().push(who.0.clone());
        Box::pin(async {
            Ok(Fetched {
                file: tempfile::tempfile().unwrap(),
                modified: 0,
                name: None,
                media_type: String::new(),
            })
        })
    }

    fn git(&self, source: &GitSource, _: Option<PathBuf>) -> Sent<Result<Repository, String>> {
        self.0.lock().unwrap().push(source.authorization.0.clone());
        Box::pin(async { Err("no repository".to_owned()) })
    }

    fn prune(&self) -> Sent<u64> {
        Box::pin(async { 0 })
    }
}

/// A client whose secrets are what they are called, for those that begin with `my`.
struct Knows;

impl Secrets for Knows {
    fn secret(&self, id: &str) -> Sent<Result<Option<Vec<u8>>, String>> {
        let found = id.starts_with("my").then(|| id.as_bytes().to_vec());
        Box::pin(async move { Ok(found) })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_are_told_the_secrets_that_a_definition_names() {
    let node = Node::start();
    let daemon = Daemon::open(&node).await;
    let asked = Arc::new(Asked::default());
    let mut said = Vec::new();
    for (identifier, attrs) in [
        ("https://h/f", &[("http.authheadersecret", "my-header")][..]),
        ("https://h/f", &[("http.authheadersecret", "none")]),
        ("https://h/f", &[]),
        (
            "git://h/r.git",
            &[
                ("git.authheadersecret", "my-git"),
                ("git.authtokensecret", "none"),
            ],
        ),
        ("git://h/r.git", &[("git.authtokensecret", "my-token")]),
        ("git://h/r.git", &[("git.authtokensecret", "none")]),
    ] {
        let mut writer = Writer::default();
        let attrs = attrs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let source = pb::SourceOp {
            identifier: identifier.to_owned(),
            attrs: attrs.collect(),
        };
        let source = writer.push(Some(Op::Source(source)), &[]);
        let services = Services {
            fetch: Some(asked.clone()),
            secrets: Some(Arc::new(Knows)),
            ..Services::default()
        };
        let made = daemon
            .solve_for(&writer, (source, 0), BTreeMap::new(), services)
            .await;
        said.extend(made.err());
    }
    assert_eq!(
        *asked.0.lock().unwrap(),
        [
            "my-header",
            "",
            "my-git.h",
            // `x-access-token:my-token.h`
            "basic eC1hY2Nlc3MtdG9rZW46bXktdG9rZW4uaA==",
            "",
        ]
    );
    assert_eq!(
        said,
        [
            "failed to retrieve HTTP auth secret none: secret none: not found",
            "no repository",
            "no repository",
            "no repository",
        ]
    );
    daemon.assert_nothing_left(&node);
}
