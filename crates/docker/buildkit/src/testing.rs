//! For tests: a client with files, secrets and an agent on a session, and a builder that remembers what it was asked.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use image::Digest;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;

use crate::build::{
    BuildRequest, Builds, Built, CacheExport, Command, Container, ContainerRequest, Content, ContentBytes,
    Control, Entry, EntryKind, Exported, ExportedCache, Found, Held, Opened, Outgoing, Program, Prune,
    Question, Remote, Running, Scans, Solving, Usage,
};
use crate::grpc::{Boxed, Call, Code, Reply, Service, Status, connect, serve};
use crate::progress::Progress;
use crate::proto::fsutil::packet::PacketType;
use crate::proto::fsutil::{Packet, Stat};
use crate::proto::{filesync, health, secrets, ssh};
use crate::session::{Session, SessionHead, Sessions};

pub(crate) const METHODS: [&str; 9] = [
    "/grpc.health.v1.Health/Check",
    "/moby.buildkit.secrets.v1.Secrets/GetSecret",
    "/moby.filesync.v1.Auth/Credentials",
    "/moby.filesync.v1.Auth/FetchToken",
    "/moby.filesync.v1.FileSend/DiffCopy",
    "/moby.filesync.v1.FileSync/DiffCopy",
    "/moby.sshforward.v1.SSH/CheckAgent",
    "/moby.sshforward.v1.SSH/ForwardAgent",
    "/moby.upload.v1.Upload/Pull",
];

/// What goes wrong with a client's files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Fault {
    #[default]
    None,
    /// A content ends early.
    Short,
    /// A content is longer than it was told to be.
    Long,
    /// A content comes that was not asked for.
    Unasked,
    /// It gives up.
    Error,
}

/// A client.
#[derive(Debug, Default)]
pub(crate) struct Client {
    pub(crate) files: BTreeMap<&'static str, Vec<(Stat, Vec<u8>)>>,
    pub(crate) fault: Fault,
    /// Contents that it was asked for.
    pub(crate) asked: Mutex<Vec<String>>,
    /// Metadata of the calls for files.
    pub(crate) metadata: Mutex<Vec<http::HeaderMap>>,
    /// Results that it was sent.
    pub(crate) taken: Mutex<Taken>,
}

/// Results.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    pub(crate) archive: Vec<u8>,
    pub(crate) files: Vec<(Stat, Vec<u8>)>,
}

pub(crate) fn stat(path: &str, mode: u32, size: usize, mod_time: i64) -> Stat {
    Stat {
        path: path.to_owned(),
        mode,
        size: i64::try_from(size).unwrap(),
        mod_time,
        ..Stat::default()
    }
}

pub(crate) fn file(path: &str, text: &str, mod_time: i64) -> (Stat, Vec<u8>) {
    (stat(path, 0o644, text.len(), mod_time), text.as_bytes().to_vec())
}

pub(crate) fn head(id: &str) -> SessionHead {
    SessionHead {
        id: id.to_owned(),
        name: "context".to_owned(),
        shared_key: "key".to_owned(),
        methods: METHODS.map(String::from).into(),
    }
}

impl Client {
    /// Opens a session; it ends when the connection's task is aborted.
    pub(crate) async fn open(
        self: &Arc<Self>,
        sessions: &Arc<Sessions>,
        id: &str,
    ) -> (Arc<Session>, JoinHandle<()>) {
        let (one, other) = tokio::io::duplex(64 << 10);
        let connection = tokio::spawn(serve(Box::new(one), self.clone()));
        let (sessions, head) = (sessions.clone(), head(id));
        let kept = sessions.clone();
        tokio::spawn(async move { kept.keep(head, Box::new(other)).await });
        (sessions.get(id).await.unwrap(), connection)
    }

    async fn send_files(&self, mut call: Call, reply: &Reply) -> Result<(), Status> {
        self.metadata.lock().unwrap().push(call.metadata.clone());
        let directory = call.metadata["dir-name"].to_str().unwrap().to_owned();
        let all = self.files.get(&directory[..]).cloned().unwrap_or_default();
        let follow: Vec<_> = call.metadata.get_all("followpaths").iter().cloned().collect();
        let files: Vec<_> = all
            .into_iter()
            .filter(|(stat, _)| follow.is_empty() || follow.iter().any(|path| path == &stat.path))
            .collect();
        for (stat, _) in &files {
            let packet = Packet {
                stat: Some(stat.clone()),
                ..Packet::default()
            };
            reply.send(&packet).await?;
        }
        reply.send(&Packet::default()).await?;
        while let Some(packet) = call.incoming.message::<Packet>().await? {
            match packet.r#type() {
                PacketType::PacketReq => self.send_content(packet.id, &files, reply).await?,
                PacketType::PacketFin => {
                    reply.send(&packet).await?;
                    return Ok(());
                }
                other => panic!("{other:?}"),
            }
        }
        Ok(())
    }

    async fn take_archive(&self, mut call: Call) -> Result<(), Status> {
        let mut archive = Vec::new();
        while let Some(piece) = call.incoming.message::<filesync::BytesMessage>().await? {
            archive.extend_from_slice(&piece.data);
        }
        self.taken.lock().unwrap().archive = archive;
        Ok(())
    }

    async fn take_files(&self, mut call: Call, reply: &Reply) -> Result<(), Status> {
        let mut files = Vec::new();
        while let Some(stat) = call.incoming.single::<Packet>().await?.stat {
            files.push((stat, Vec::new()));
        }
        let request = |kind: PacketType, id| Packet {
            r#type: kind.into(),
            id,
            ..Packet::default()
        };
        for (id, (stat, text)) in (0..).zip(&mut files) {
            if stat.size == 0 {
                continue;
            }
            reply.send(&request(PacketType::PacketReq, id)).await?;
            loop {
                let packet: Packet = call.incoming.single().await?;
                assert_eq!(packet.id, id);
                if packet.data.is_empty() {
                    break;
                }
                text.extend_from_slice(&packet.data);
            }
        }
        reply.send(&request(PacketType::PacketFin, 0)).await?;
        assert_eq!(
            call.incoming.single::<Packet>().await?.r#type(),
            PacketType::PacketFin
        );
        self.taken.lock().unwrap().files = files;
        Ok(())
    }

    async fn send_content(&self, id: u32, files: &[(Stat, Vec<u8>)], reply: &Reply) -> Result<(), Status> {
        let (stat, text) = &files[usize::try_from(id).unwrap()];
        self.asked.lock().unwrap().push(stat.path.clone());
        let (id, text, kind) = match self.fault {
            Fault::None => (id, text.clone(), PacketType::PacketData),
            Fault::Short => (id, text[1..].to_vec(), PacketType::PacketData),
            Fault::Long => (id, [&text[..], b"more"].concat(), PacketType::PacketData),
            Fault::Unasked => (77, text.clone(), PacketType::PacketData),
            Fault::Error => (0, b"disk on fire".to_vec(), PacketType::PacketErr),
        };
        let pieces = text.chunks(3).map(Bytes::copy_from_slice).chain([Bytes::new()]);
        for data in pieces {
            let packet = Packet {
                r#type: kind.into(),
                id,
                data: if kind == PacketType::PacketErr {
                    text.clone().into()
                } else {
                    data
                },
                stat: None,
            };
            reply.send(&packet).await?;
        }
        Ok(())
    }
}

impl Service for Client {
    fn answer<'a>(&'a self, mut call: Call, reply: &'a Reply) -> Boxed<'a, Result<(), Status>> {
        Box::pin(async move {
            match &call.path.clone()[..] {
                "/grpc.health.v1.Health/Check" => {
                    reply.send(&health::HealthCheckResponse { status: 1 }).await
                }
                "/moby.filesync.v1.FileSync/DiffCopy" => self.send_files(call, reply).await,
                "/moby.filesync.v1.FileSend/DiffCopy" => {
                    let is_second = !self.taken.lock().unwrap().archive.is_empty();
                    match is_second {
                        true => self.take_files(call, reply).await,
                        false => self.take_archive(call).await,
                    }
                }
                "/moby.buildkit.secrets.v1.Secrets/GetSecret" => {
                    let asked: secrets::GetSecretRequest = call.incoming.single().await?;
                    match &asked.id[..] {
                        "password" => {
                            reply
                                .send(&secrets::GetSecretResponse {
                                    data: Bytes::from_static(b"1234"),
                                })
                                .await
                        }
                        "huge" => {
                            reply
                                .send(&secrets::GetSecretResponse {
                                    data: vec![0; 600 << 10].into(),
                                })
                                .await
                        }
                        _ => Err(Status::new(Code::NotFound, "secret: not found")),
                    }
                }
                "/moby.filesync.v1.Auth/Credentials" => {
                    let asked: filesync::CredentialsRequest = call.incoming.single().await?;
                    let answer = filesync::CredentialsResponse {
                        username: "me".to_owned(),
                        secret: format!("for {}", asked.host),
                    };
                    reply.send(&answer).await
                }
                "/moby.filesync.v1.Auth/FetchToken" => Err(Status::unimplemented("no tokens")),
                "/moby.sshforward.v1.SSH/CheckAgent" => {
                    let asked: ssh::CheckAgentRequest = call.incoming.single().await?;
                    match &asked.id[..] {
                        "default" => reply.send(&ssh::CheckAgentResponse {}).await,
                        _ => Err(Status::new(Code::Unknown, "unset ssh forward key")),
                    }
                }
                "/moby.sshforward.v1.SSH/ForwardAgent" => {
                    assert_eq!(call.metadata["buildkit.ssh.id"], "default");
                    while let Some(message) = call.incoming.message::<filesync::BytesMessage>().await? {
                        reply.send(&message).await?;
                    }
                    Ok(())
                }
                "/moby.upload.v1.Upload/Pull" => {
                    assert_eq!(call.metadata["urlpath"], "/stdin");
                    for piece in ["a tar", " archive"] {
                        reply.send(&filesync::BytesMessage { data: piece.into() }).await?;
                    }
                    Ok(())
                }
                other => panic!("{other}"),
            }
        })
    }
}

/// A builder.
#[derive(Debug, Default)]
pub(crate) struct Builder {
    pub(crate) asked: Mutex<Vec<BuildRequest>>,
    pub(crate) named: Mutex<Vec<String>>,
    pub(crate) solved: Mutex<Vec<Solving>>,
    /// What graphs' results have for a configuration.
    pub(crate) config: Mutex<Vec<u8>>,
    /// What is in the files that definitions within definitions are.
    pub(crate) within: Mutex<Vec<u8>>,
    /// How many more of them each has.
    pub(crate) beside: AtomicUsize,
    /// A build waits until it is dropped.
    pub(crate) hangs: bool,
    pub(crate) begun: Notify,
    pub(crate) dropped: Arc<Notify>,
}

struct OnDrop(Arc<Notify>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

/// Builds with a shared builder.
pub(crate) struct Shared(pub(crate) Arc<Builder>);

impl Builds for Shared {
    fn build(&self, request: BuildRequest, progress: Arc<Progress>) -> Boxed<'static, Result<Built, Status>> {
        let builder = self.0.clone();
        Box::pin(async move {
            let _dropped = OnDrop(builder.dropped.clone());
            let fails = request.args.contains_key("FAIL");
            let fails_in_command = request.args.contains_key("COMMAND");
            builder.asked.lock().unwrap().push(request);
            builder.begun.notify_one();
            if builder.hangs {
                std::future::pending::<()>().await;
            }
            let step = progress.begin("[1/1] FROM scratch");
            step.output(1, b"hello\n");
            if fails {
                step.failed("no luck");
                let status = Status::new(Code::Unknown, "no luck");
                return Err(match fails_in_command {
                    true => status.with_command(&crate::service::FailedCommand {
                        image: Some(format!("sha256:{}", "5".repeat(64))),
                        args: vec!["x".to_owned()],
                        ..Default::default()
                    }),
                    false => status,
                });
            }
            step.done(true);
            Ok(Built {
                image: format!("sha256:{}", "1".repeat(64)),
                config: b"{}".to_vec(),
                steps: Vec::new(),
                mounts: Vec::new(),
                caches: Held::default(),
                materials: Vec::new(),
                request: None,
                held: Held::default(),
            })
        })
    }

    fn solve(&self, solving: Solving, progress: Arc<Progress>) -> Boxed<'static, Result<Built, Status>> {
        let builder = self.0.clone();
        Box::pin(async move {
            for vertex in &solving.graph.vertices {
                if !solving.files.contains_key(&vertex.digest.to_string()) {
                    progress
                        .begin_vertex(
                            &vertex.digest.to_string(),
                            &vertex.name,
                            Vec::new(),
                            vertex.group.clone(),
                        )
                        .done(true);
                }
            }
            let is_nested = |vertex: &llb::Vertex| matches!(vertex.op, llb::Op::Build { .. });
            let nested = solving.graph.vertices.iter().any(is_nested);
            let nested = nested.then(|| solving.nested.clone());
            builder.solved.lock().unwrap().push(solving);
            if let Some(nested) = nested {
                let within = builder.within.lock().unwrap().clone();
                for _ in 0..builder.beside.load(Ordering::Relaxed) {
                    nested.solve(within.clone()).await?;
                }
                return nested.solve(within).await;
            }
            let config = builder.config.lock().unwrap().clone();
            Ok(Built {
                image: format!("sha256:{}", "3".repeat(64)),
                config,
                steps: Vec::new(),
                mounts: Vec::new(),
                caches: Held::default(),
                materials: Vec::new(),
                request: None,
                held: Held::default(),
            })
        })
    }

    fn dressed(&self, built: &Built, config: &[u8]) -> Boxed<'static, Result<Built, Status>> {
        let dressed = Built {
            config: config.to_vec(),
            ..built.clone()
        };
        Box::pin(async move { Ok(dressed) })
    }

    fn container(&self, _: ContainerRequest) -> Boxed<'static, Result<Arc<dyn Container>, Status>> {
        let echo: Arc<dyn Container> = Arc::new(Echo(self.0.clone()));
        Box::pin(async move { Ok(echo) })
    }

    /// A frontend that asks for what its client asks for by the option `definition`.
    fn run(&self, program: Program) -> Boxed<'static, Result<(), Status>> {
        Box::pin(async move { frontend(program).await })
    }

    fn export(&self, outgoing: Outgoing) -> Boxed<'static, Result<Exported, Status>> {
        self.0
            .named
            .lock()
            .unwrap()
            .extend(outgoing.names.iter().cloned());
        let bytes = Bytes::from_static(b"{\"layers\":[]}");
        let digest = outgoing.images[0].1.image.clone();
        let exported = Exported {
            descriptor: serde_json::json!({ "digest": digest }),
            config: Some(digest.clone()),
            names: outgoing.names,
            lines: vec!["exporting manifest".to_owned()],
            content: vec![Content {
                digest,
                size: bytes.len() as u64,
                bytes: ContentBytes::Memory(bytes),
            }],
        };
        Box::pin(async move { Ok(exported) })
    }

    fn export_cache(
        &self,
        _: &Built,
        export: CacheExport,
        _: Arc<Session>,
    ) -> Boxed<'static, Result<ExportedCache, Status>> {
        let exported = ExportedCache {
            descriptor: serde_json::json!({ "to": format!("{:?}", export.to) }),
            lines: Vec::new(),
        };
        Box::pin(async move { Ok(exported) })
    }

    fn inline_cache(&self, built: &Built) -> Boxed<'static, Result<Built, Status>> {
        let built = built.clone();
        Box::pin(async move { Ok(built) })
    }

    fn open(&self, remote: Remote, _: Arc<Session>) -> Boxed<'static, Result<Opened, Status>> {
        let opened = Opened::new(format!("{remote:?}"), None);
        Box::pin(async move { Ok(opened) })
    }

    fn dockerfile(&self, context: &Opened, name: &str) -> Boxed<'static, Result<(String, Vec<u8>), Status>> {
        let text = format!("# {}", context.files::<String>().unwrap());
        let name = name.to_owned();
        Box::pin(async move { Ok((name, text.into_bytes())) })
    }

    fn answer(&self, question: Question) -> Boxed<'static, Result<BTreeMap<String, Vec<u8>>, Status>> {
        let answer = BTreeMap::from([("result.txt".to_owned(), question.request.into_bytes())]);
        Box::pin(async move { Ok(answer) })
    }

    fn uses(&self, question: &Question) -> Option<Vec<String>> {
        question.text.ends_with(b"COPY x /").then(|| vec!["x".to_owned()])
    }

    fn scans(&self, question: &Question) -> Result<Scans, Status> {
        Ok(Scans {
            context: question.args.contains_key("CONTEXT"),
            stages: question
                .args
                .contains_key("STAGE")
                .then(|| ("s".to_owned(), 0))
                .into_iter()
                .collect(),
        })
    }

    fn files(&self, _: &Built) -> Boxed<'static, Result<File, Status>> {
        let mut builder = tar::Builder::new(tempfile::tempfile().unwrap());
        let mut header = tar::Header::new_gnu();
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1);
        header.set_mode(0o644);
        header.set_size(100_000);
        builder
            .append_data(&mut header, "big", &[1; 100_000][..])
            .unwrap();
        header.set_size(0);
        header.set_mode(0o755);
        header.set_entry_type(tar::EntryType::Directory);
        builder.append_data(&mut header, "d/", io::empty()).unwrap();
        header.set_mode(0o777);
        header.set_entry_type(tar::EntryType::Symlink);
        builder.append_link(&mut header, "d/link", "../big").unwrap();
        let file = builder.into_inner().unwrap();
        Box::pin(async move { Ok(file) })
    }

    fn content(&self, digest: &str) -> Boxed<'static, Result<Option<Content>, Status>> {
        let bytes = Bytes::from_static(b"{\"layers\":[]}");
        let found = (Digest::of(&bytes).to_string() == digest).then(|| Content {
            digest: digest.to_owned(),
            size: bytes.len() as u64,
            bytes: ContentBytes::Memory(bytes),
        });
        Box::pin(async move { Ok(found) })
    }

    fn find(&self, reference: &str) -> Boxed<'static, Result<Option<Found>, Status>> {
        let found = (reference == "debian").then(|| Found {
            reference: "docker.io/library/debian:latest".to_owned(),
            digest: format!("sha256:{}", "2".repeat(64)),
            config: b"{\"os\":\"linux\"}".to_vec(),
        });
        Box::pin(async move { Ok(found) })
    }

    fn spool(&self) -> io::Result<File> {
        tempfile::tempfile()
    }

    fn usage(&self) -> Boxed<'static, Result<Vec<Usage>, Status>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn prune(&self, _: Prune) -> Boxed<'static, Result<Vec<Usage>, Status>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn platform(&self) -> (String, String) {
        ("linux".to_owned(), "amd64".to_owned())
    }
}

/// A container of which every process gives back its input, and ends with it or with a signal, whose number is its code.
struct Echo(Arc<Builder>);

impl Container for Echo {
    fn start(&self, command: Command) -> Boxed<'static, Result<Running, Status>> {
        if command.args == ["none"] {
            return Box::pin(async { Err(Status::new(Code::Unknown, "no such program")) });
        }
        let (out, output) = mpsc::channel(1);
        let (input, mut given) = mpsc::channel::<Bytes>(1);
        let (control, mut orders) = mpsc::channel(1);
        let (ends, ended) = tokio::sync::oneshot::channel();
        tokio::spawn(async move {
            let code = loop {
                tokio::select! {
                    order = orders.recv() => match order {
                        Some(Control::Signal(number)) => break number,
                        Some(Control::Resize(rows, columns)) => {
                            let _ = out.send((1, format!("{rows}x{columns}").into())).await;
                        }
                        None => break 0,
                    },
                    bytes = given.recv() => match bytes {
                        Some(bytes) => drop(out.send((1, bytes)).await),
                        None => break 0,
                    },
                }
            };
            let _ = out.send((2, "over".into())).await;
            drop(out);
            let _ = ends.send(code);
        });
        Box::pin(async move {
            Ok(Running {
                output,
                input: command.stdin.then_some(input),
                control,
                ended: Box::pin(async move { Ok(ended.await.unwrap_or(-1)) }),
            })
        })
    }

    fn release(&self) -> Boxed<'static, Result<(), Status>> {
        self.0.dropped.notify_one();
        Box::pin(async { Ok(()) })
    }

    fn read(
        &self,
        place: &str,
        path: &str,
        (offset, most): (u64, u64),
    ) -> Boxed<'static, Result<Bytes, Status>> {
        let text = format!("{place} {path} {offset} {most}");
        Box::pin(async move { Ok(text.into()) })
    }

    fn list(&self, place: &str, path: &str) -> Boxed<'static, Result<Vec<Entry>, Status>> {
        let entry = self.stat(place, path);
        Box::pin(async move { Ok(vec![entry.await?]) })
    }

    fn stat(&self, _: &str, path: &str) -> Boxed<'static, Result<Entry, Status>> {
        let entry = Entry {
            name: path.to_owned(),
            kind: EntryKind::Directory,
            mode: 0o4755,
            uid: 1,
            gid: 2,
            modified: 3,
        };
        Box::pin(async move { Ok(entry) })
    }
}

/// What a frontend in an image does: it solves the definition of its input, and gives the result back with a configuration.
pub(crate) async fn frontend(program: Program) -> Result<(), Status> {
    use crate::proto::frontend as messages;
    let fails = program.env.iter().any(|entry| entry.ends_with("=fail=1"));
    let (channel, driven) = connect(Box::new(program.stream)).await?;
    let driven = tokio::spawn(driven);
    if fails {
        return Err(Status::new(Code::Unknown, "exit code: 1"));
    }
    let call = |method: &str| format!("/moby.buildkit.v1.frontend.LLBBridge/{method}");
    let inputs: messages::InputsResponse = channel
        .unary(&call("Inputs"), &messages::InputsRequest::default())
        .await?;
    let solving = messages::SolveRequest {
        definition: inputs.definitions.values().next().cloned(),
        allow_result_return: true,
        ..messages::SolveRequest::default()
    };
    let solved: messages::SolveResponse = channel.unary(&call("Solve"), &solving).await?;
    let mut result = solved.result.unwrap_or_default();
    result.metadata.insert(
        "containerimage.config".to_owned(),
        Bytes::from_static(b"{\"os\":\"linux\"}"),
    );
    let returned = messages::ReturnRequest {
        result: Some(result),
        error: None,
    };
    let _: messages::ReturnResponse = channel.unary(&call("Return"), &returned).await?;
    driven.abort();
    Ok(())
}
