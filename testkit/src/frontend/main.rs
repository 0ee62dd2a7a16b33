//! A frontend of BuildKit's protocol for tests, as a program of an image: it has what is in its client's directory copied
//! upon busybox and a command run there, and gives that back with a configuration; or it says which targets it has. It
//! speaks over its standard input and output.
#![forbid(unsafe_code)]
#![expect(clippy::print_stderr, reason = "what it says is looked for")]

use std::collections::BTreeMap;
use std::os::fd::AsFd as _;
use std::process::ExitCode;

use buildkit::grpc::{Channel, Status, connect};
use bytes::Bytes;
use llb::pb::{self, file_action::Action, op::Op};
use prost::Message;
use tokio::net::unix::pipe::{Receiver, Sender};

/// `moby.buildkit.v1.frontend`, as far as it is spoken here.
#[derive(Clone, PartialEq, Message)]
struct SolveRequest {
    #[prost(message, optional, tag = "1")]
    definition: Option<pb::Definition>,
    #[prost(bool, tag = "5")]
    allow_result_return: bool,
    #[prost(message, repeated, tag = "12")]
    cache_imports: Vec<CacheImport>,
    #[prost(bool, tag = "14")]
    evaluate: bool,
}

/// A cache, as clients put it into JSON too.
#[derive(Clone, PartialEq, Message, serde::Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CacheImport {
    #[prost(string, tag = "1")]
    r#type: String,
    #[prost(btree_map = "string, string", tag = "2")]
    attrs: BTreeMap<String, String>,
}

#[derive(Clone, PartialEq, Message)]
struct SolveResponse {
    #[prost(message, optional, tag = "3")]
    result: Option<Solved>,
}

#[derive(Clone, PartialEq, Message)]
struct Solved {
    #[prost(message, optional, tag = "3")]
    reference: Option<Ref>,
    #[prost(btree_map = "string, bytes", tag = "10")]
    metadata: BTreeMap<String, Bytes>,
}

#[derive(Clone, PartialEq, Message)]
struct Ref {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(message, optional, tag = "2")]
    def: Option<pb::Definition>,
}

#[derive(Clone, PartialEq, Message)]
struct ReadFileRequest {
    #[prost(string, tag = "1")]
    reference: String,
    #[prost(string, tag = "2")]
    path: String,
}

#[derive(Clone, PartialEq, Message)]
struct ReadFileResponse {
    #[prost(bytes = "bytes", tag = "1")]
    data: Bytes,
}

#[derive(Clone, PartialEq, Message)]
struct ReturnRequest {
    #[prost(message, optional, tag = "1")]
    result: Option<Solved>,
    #[prost(message, optional, tag = "2")]
    error: Option<Failure>,
}

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, Message)]
struct Failure {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
}

#[derive(Clone, PartialEq, Message)]
struct Nothing {}

fn main() -> ExitCode {
    let arguments = options();
    if arguments.contains_key("build-arg:EXIT") {
        eprintln!("the frontend gives up");
        return ExitCode::from(3);
    }
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_io().build() else {
        return ExitCode::FAILURE;
    };
    match runtime.block_on(speak(&arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(status) => {
            eprintln!("{}", status.message);
            ExitCode::FAILURE
        }
    }
}

/// What the frontend is told in its environment.
fn options() -> BTreeMap<String, String> {
    let variables = std::env::vars().filter(|(name, _)| name.starts_with("BUILDKIT_FRONTEND_OPT_"));
    let pairs = variables.filter_map(|(_, value)| {
        let (name, value) = value.split_once('=')?;
        Some((name.to_owned(), value.to_owned()))
    });
    pairs.collect()
}

fn path(method: &str) -> String {
    format!("/moby.buildkit.v1.frontend.LLBBridge/{method}")
}

async fn speak(options: &BTreeMap<String, String>) -> Result<(), Status> {
    let broken = |cause: std::io::Error| Status::invalid(cause.to_string());
    let input = std::io::stdin().as_fd().try_clone_to_owned().map_err(broken)?;
    let output = std::io::stdout().as_fd().try_clone_to_owned().map_err(broken)?;
    let stream = tokio::io::join(
        Receiver::from_file(input.into()).map_err(broken)?,
        Sender::from_file(output.into()).map_err(broken)?,
    );
    let (channel, driven) = connect(Box::new(stream)).await?;
    let spoken = ask(&channel, options);
    tokio::select! {
        spoken = spoken => spoken,
        () = driven => Err(Status::invalid("the connection ended")),
    }
}

async fn ask(channel: &Channel, options: &BTreeMap<String, String>) -> Result<(), Status> {
    eprintln!("the frontend speaks");
    let _: Nothing = channel.unary(&path("Ping"), &Nothing {}).await?;
    let done = match options.get("requestid") {
        Some(question) => answered(question),
        None => solve(channel, options).await,
    };
    let answer = match done {
        Ok(solved) => ReturnRequest {
            result: Some(solved),
            error: None,
        },
        Err(status) => ReturnRequest {
            result: None,
            error: Some(Failure {
                code: 2,
                message: format!("the frontend says: {}", status.message),
            }),
        },
    };
    let _: Nothing = channel.unary(&path("Return"), &answer).await?;
    Ok(())
}

/// Answers a question (`--call`).
fn answered(question: &str) -> Result<Solved, Status> {
    if question != "frontend.targets" {
        return Err(Status::unimplemented(format!("unsupported request {question}")));
    }
    let targets = serde_json::json!({ "targets": [{ "name": "theirs", "default": true }], "sources": [] });
    let said = [
        ("version", "1.0.0".to_owned()),
        ("result.txt", "theirs\n".to_owned()),
        ("result.json", targets.to_string()),
    ];
    let metadata = said.map(|(name, text)| (name.to_owned(), Bytes::from(text)));
    Ok(Solved {
        metadata: metadata.into_iter().collect(),
        ..Solved::default()
    })
}

async fn solve(channel: &Channel, options: &BTreeMap<String, String>) -> Result<Solved, Status> {
    let imports = options.get("cache-imports").map_or("[]", |imports| imports);
    let imports = serde_json::from_str(imports).map_err(|cause| Status::invalid(cause.to_string()))?;
    let asked = SolveRequest {
        definition: Some(definition(options)),
        cache_imports: imports,
        allow_result_return: true,
        evaluate: true,
    };
    let answer: SolveResponse = channel.unary(&path("Solve"), &asked).await?;
    let mut solved = answer.result.unwrap_or_default();
    let reference = solved.reference.clone().unwrap_or_default().id;
    let read = ReadFileRequest {
        reference,
        path: "/copied/f".to_owned(),
    };
    let read: ReadFileResponse = channel.unary(&path("ReadFile"), &read).await?;
    let text = String::from_utf8_lossy(&read.data).trim().to_owned();
    let config = serde_json::json!({
        "architecture": "amd64",
        "os": "linux",
        "config": {
            "Cmd": ["cat", "/copied/f"],
            "Env": ["PATH=/bin", format!("READ={text}")],
            "Labels": { "by": "frontend" },
        },
    });
    let config = Bytes::from(config.to_string());
    solved.metadata.insert("containerimage.config".to_owned(), config);
    Ok(solved)
}

/// Writes a definition, message by message, each with what is said of all of them.
#[derive(Default)]
struct Writer(pb::Definition, pb::OpMetadata);

impl Writer {
    fn add(&mut self, op: Option<Op>, inputs: &[&str], named: &str) -> String {
        let input = |digest: &&str| pb::Input {
            digest: (*digest).to_owned(),
            index: 0,
        };
        let op = pb::Op {
            inputs: inputs.iter().map(input).collect(),
            op,
            ..pb::Op::default()
        };
        let bytes = op.encode_to_vec();
        let digest = image::Digest::of(&bytes).to_string();
        let mut about = self.1.clone();
        if !named.is_empty() {
            about
                .description
                .insert("llb.customname".to_owned(), named.to_owned());
        }
        self.0.def.push(bytes.into());
        self.0.metadata.insert(digest.clone(), about);
        digest
    }

    /// A file that is made, alone.
    fn file(&mut self, path: &str, data: Bytes) -> String {
        let made = Action::Mkfile(pb::FileActionMkFile {
            path: path.to_owned(),
            mode: 0o644,
            data,
            timestamp: 0,
            owner: None,
        });
        let actions = vec![pb::FileAction {
            input: -1,
            secondary_input: -1,
            output: 0,
            action: Some(made),
        }];
        self.add(Some(Op::File(pb::FileOp { actions })), &[], "")
    }

    /// What of an input is copied upon another.
    fn copy(&mut self, upon: &str, from: &str, (src, dest): (&str, &str), named: &str) -> String {
        let copy = Action::Copy(pb::FileActionCopy {
            src: src.to_owned(),
            dest: dest.to_owned(),
            mode: -1,
            timestamp: -1,
            dir_copy_contents: true,
            create_dest_path: true,
            ..pb::FileActionCopy::default()
        });
        let actions = vec![pb::FileAction {
            input: 0,
            secondary_input: 1,
            output: 0,
            action: Some(copy),
        }];
        self.add(Some(Op::File(pb::FileOp { actions })), &[upon, from], named)
    }

    /// What a definition makes that is a file which is made here.
    fn nested(&mut self, text: &str) -> String {
        let mut inner = Self::default();
        let made = inner.file("/nested", Bytes::copy_from_slice(text.as_bytes()));
        inner.add(None, &[&made], "");
        let file = self.file("/buildkit.llb.definition", inner.0.encode_to_vec().into());
        let build = pb::BuildOp {
            builder: -1,
            inputs: BTreeMap::from([("buildkit.llb.definition".to_owned(), pb::BuildInput { input: 0 })]),
            ..pb::BuildOp::default()
        };
        self.add(Some(Op::Build(build)), &[&file], "[frontend] build within")
    }

    fn source(&mut self, identifier: &str) -> String {
        let source = pb::SourceOp {
            identifier: identifier.to_owned(),
            ..pb::SourceOp::default()
        };
        self.add(Some(Op::Source(source)), &[], "")
    }
}

fn definition(options: &BTreeMap<String, String>) -> pb::Definition {
    let said = |name: &str| options.get(&format!("build-arg:{name}"));
    let command = said("RUN").map_or("true", |command| command);
    let about = pb::OpMetadata {
        progress_group: said("GROUP").map(|name| pb::ProgressGroup {
            id: "group".to_owned(),
            name: name.clone(),
            weak: false,
        }),
        linux_resources: said("MEMORY").map(|bytes| pb::LinuxResources {
            memory: bytes.parse().unwrap_or(0),
            ..pb::LinuxResources::default()
        }),
        ..pb::OpMetadata::default()
    };
    let mut writer = Writer(pb::Definition::default(), about);
    let (base, files) = (
        writer.source("docker-image://docker.io/library/busybox:latest"),
        writer.source("local://context"),
    );
    let mut copied = writer.copy(&base, &files, ("/", "/copied"), "[frontend] copy it");
    if let Some(text) = said("NESTED") {
        let nested = writer.nested(text);
        copied = writer.copy(
            &copied,
            &nested,
            ("/nested", "/nested"),
            "[frontend] copy what is within",
        );
    }
    let words = ["/bin/sh", "-c", command];
    let exec = pb::ExecOp {
        meta: Some(pb::Meta {
            args: words.map(String::from).to_vec(),
            cwd: "/".to_owned(),
            ..pb::Meta::default()
        }),
        mounts: vec![pb::Mount {
            dest: "/".to_owned(),
            ..pb::Mount::default()
        }],
        ..pb::ExecOp::default()
    };
    let run = writer.add(Some(Op::Exec(exec)), &[&copied], "[frontend] run it");
    writer.add(None, &[&run], "");
    writer.0
}
