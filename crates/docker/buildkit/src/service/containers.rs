//! Containers of a frontend (`NewContainer`, `ExecProcess`): what a client's debugger and frontends run beside a build.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use llb::pb;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::Door;
use crate::build::{Command, Container, ContainerRequest, Control, Running};
use crate::grpc::{Call, Code, MAX_MESSAGE, Reply, Status};
use crate::job::Job;
use crate::proto::frontend::exec_message::Input;
use crate::proto::frontend::{
    DoneMessage, ExecMessage, ExitMessage, FdMessage, InitMessage, NewContainerRequest, NewContainerResponse,
    ReadDirRequest, ReadDirResponse, ReadFileRequest, ReadFileResponse, ReleaseContainerRequest,
    ReleaseContainerResponse, StartedMessage, StatFileRequest, StatFileResponse,
};

/// Containers of one frontend, and processes of one call.
const MAX_CONTAINERS: usize = 32;
const MAX_PROCESSES: usize = 64;
/// Messages that wait to be sent.
const WAITING: usize = 16;
/// The code of a process of which nobody knows how it ended.
const UNKNOWN_EXIT: u32 = 255;

/// A container, and the places of its mounts.
type Known = (Arc<dyn Container>, Vec<String>);

/// The containers of a frontend.
#[derive(Default)]
pub(crate) struct Containers(Mutex<BTreeMap<String, Known>>);

impl std::fmt::Debug for Containers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Containers").finish_non_exhaustive()
    }
}

impl Containers {
    fn table(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is room for one of this name.
    fn admits(&self, id: &str) -> Result<(), Status> {
        let table = self.table();
        if table.contains_key(id) {
            let sentence = format!("Container {id} already exists");
            return Err(Status::new(Code::AlreadyExists, sentence));
        }
        if table.len() >= MAX_CONTAINERS {
            let sentence = format!("more than {MAX_CONTAINERS} containers of one frontend");
            return Err(Status::new(Code::ResourceExhausted, sentence));
        }
        Ok(())
    }

    fn find(&self, id: &str) -> Result<Known, Status> {
        let missing = || {
            let sentence = format!("container {id:?} previously released or not created");
            Status::new(Code::NotFound, sentence)
        };
        self.table().get(id).cloned().ok_or_else(missing)
    }

    /// Takes all away, since their build is over.
    pub(crate) async fn release(&self) {
        let all = std::mem::take(&mut *self.table());
        for (id, (container, _)) in all {
            if let Err(cause) = container.release().await {
                tracing::debug!(id, %cause, "releasing a frontend's container");
            }
        }
    }
}

impl Door {
    /// A call about containers.
    pub(super) async fn container_of(
        &self,
        job: &Job,
        method: &str,
        mut call: Call,
        reply: &Reply,
    ) -> Result<(), Status> {
        let incoming = &mut call.incoming;
        match method {
            "NewContainer" => {
                self.new_container(job, incoming.single().await?).await?;
                reply.send(&NewContainerResponse {}).await
            }
            "ReleaseContainer" => {
                self.release_container(job, incoming.single().await?).await?;
                reply.send(&ReleaseContainerResponse {}).await
            }
            "ExecProcess" => self.exec_process(job, call, reply).await,
            "ReadFileContainer" => {
                let asked = incoming.single().await?;
                reply.send(&self.read_container(job, asked).await?).await
            }
            "ReadDirContainer" => {
                let asked = incoming.single().await?;
                reply.send(&self.list_container(job, asked).await?).await
            }
            "StatFileContainer" => {
                let asked = incoming.single().await?;
                reply.send(&self.stat_container(job, asked).await?).await
            }
            other => Err(Status::unimplemented(format!("unknown method {other}"))),
        }
    }

    async fn new_container(&self, job: &Job, asked: NewContainerRequest) -> Result<(), Status> {
        job.containers.admits(&asked.container_id)?;
        if let Some(platform) = &asked.platform {
            let (os, architecture) = self.builds.platform();
            let fits = (platform.os.is_empty() || platform.os == os)
                && (platform.architecture.is_empty() || platform.architecture == architecture);
            if !fits {
                return Err(Status::unimplemented(format!(
                    "containers for {}/{} are not supported on {os}/{architecture}",
                    platform.os, platform.architecture
                )));
            }
        }
        let network = pb::NetMode::try_from(asked.network)
            .map_err(|_| Status::invalid(format!("unknown network mode {}", asked.network)))?;
        let (mut mounts, mut images, mut places) = (Vec::new(), Vec::new(), Vec::new());
        for mount in &asked.mounts {
            let input = match &*mount.result_id {
                "" => None,
                id => {
                    let missing = |_| {
                        let sentence = format!("failed to find ref {id} for {:?} mount", mount.dest);
                        Status::new(Code::Unknown, sentence)
                    };
                    let (_, built) = job.result(id).map_err(missing)?;
                    images.push(built);
                    Some(images.len() - 1)
                }
            };
            let read = llb::Mount::of_container(mount, input);
            mounts.push(read.map_err(|cause| Status::new(Code::Unknown, cause.to_string()))?);
            places.push(mount.dest.clone());
        }
        let hosts = asked.extra_hosts.iter();
        let container = self.builds.container(ContainerRequest {
            mounts,
            images,
            network: llb::Network::of(network),
            hostname: asked.hostname,
            hosts: hosts.map(|host| format!("{}:{}", host.host, host.ip)).collect(),
            entitlements: job.asked.entitlements.clone(),
            session: job.session.clone(),
        });
        let container = container.await?;
        // Another may have come by this name meanwhile.
        job.containers.admits(&asked.container_id)?;
        let known = (container, places);
        job.containers.table().insert(asked.container_id, known);
        Ok(())
    }

    async fn release_container(&self, job: &Job, asked: ReleaseContainerRequest) -> Result<(), Status> {
        let id = &asked.container_id;
        let missing = || Status::new(Code::Unknown, format!("container details for {id} not found"));
        let known = job.containers.table().remove(id);
        known.ok_or_else(missing)?.0.release().await
    }

    async fn read_container(&self, job: &Job, asked: ReadFileRequest) -> Result<ReadFileResponse, Status> {
        let (container, place) = mounted(job, &asked.r#ref, asked.mount_index)?;
        let most = MAX_MESSAGE as u64 - 1024;
        let number = |value: i64| u64::try_from(value).unwrap_or(0);
        let (offset, length) = match &asked.range {
            Some(range) => (number(range.offset), number(range.length).min(most)),
            None => (0, most + 1),
        };
        let data = container.read(&place, &asked.file_path, (offset, length)).await?;
        if data.len() as u64 > most {
            let sentence = format!("{} is too large to be read at once", asked.file_path);
            return Err(Status::new(Code::ResourceExhausted, sentence));
        }
        Ok(ReadFileResponse { data })
    }

    async fn list_container(&self, job: &Job, asked: ReadDirRequest) -> Result<ReadDirResponse, Status> {
        if !asked.include_pattern.is_empty() {
            return Err(Status::unimplemented("patterns of ReadDir are not supported"));
        }
        let (container, place) = mounted(job, &asked.r#ref, asked.mount_index)?;
        let entries = container.list(&place, &asked.dir_path).await?;
        Ok(ReadDirResponse {
            entries: entries.into_iter().map(|entry| entry.stat()).collect(),
        })
    }

    async fn stat_container(&self, job: &Job, asked: StatFileRequest) -> Result<StatFileResponse, Status> {
        let (container, place) = mounted(job, &asked.r#ref, asked.mount_index)?;
        let entry = container.stat(&place, &asked.path).await?;
        Ok(StatFileResponse {
            stat: Some(entry.stat()),
        })
    }

    /// `ExecProcess`: processes of containers, by messages both ways; ends when all have ended that the caller began.
    async fn exec_process(&self, job: &Job, mut call: Call, reply: &Reply) -> Result<(), Status> {
        let (sender, mut answers) = mpsc::channel(WAITING);
        let hear = listen(job, &mut call, sender);
        // Ends with the last of whoever tells something.
        let tell = async {
            while let Some(answer) = answers.recv().await {
                reply.send(&answer).await?;
            }
            Ok(())
        };
        tokio::try_join!(hear, tell).map(drop)
    }
}

/// Takes messages, and then waits until all processes have ended that they began.
async fn listen(job: &Job, call: &mut Call, sender: mpsc::Sender<ExecMessage>) -> Result<(), Status> {
    let mut processes: BTreeMap<String, Ends> = BTreeMap::new();
    let mut tasks = JoinSet::new();
    while let Some(message) = call.incoming.message::<ExecMessage>().await? {
        take(job, message, (&mut processes, &mut tasks), &sender).await?;
    }
    // Nobody has anything to say to them any more.
    drop((processes, sender));
    while tasks.join_next().await.is_some() {}
    Ok(())
}

fn mounted(job: &Job, id: &str, index: i32) -> Result<(Arc<dyn Container>, String), Status> {
    let (container, places) = job.containers.find(id)?;
    let place = usize::try_from(index).ok().and_then(|index| places.get(index));
    let missing = || Status::new(Code::Unknown, format!("container {id} has no mount {index}"));
    let place = place.cloned().ok_or_else(missing)?;
    Ok((container, place))
}

/// What leads to a process: its input, and whatever else is asked of it.
struct Ends {
    input: Option<mpsc::Sender<Bytes>>,
    control: mpsc::Sender<Control>,
}

/// Takes a message.
async fn take(
    job: &Job,
    message: ExecMessage,
    (processes, tasks): (&mut BTreeMap<String, Ends>, &mut JoinSet<()>),
    sender: &mpsc::Sender<ExecMessage>,
) -> Result<(), Status> {
    let id = message.process_id;
    if id.is_empty() {
        return Err(Status::invalid("ProcessID required"));
    }
    let missing = || Status::new(Code::NotFound, format!("IO for process {id:?} not found"));
    match message.input {
        Some(Input::Init(init)) => {
            if processes.contains_key(&id) {
                let sentence = format!("Process {id} already exists");
                return Err(Status::new(Code::AlreadyExists, sentence));
            }
            if processes.len() >= MAX_PROCESSES {
                // Those that have ended need no ends any more.
                processes.retain(|_, ends| !ends.control.is_closed());
            }
            if processes.len() >= MAX_PROCESSES {
                let sentence = format!("more than {MAX_PROCESSES} processes of one call");
                return Err(Status::new(Code::ResourceExhausted, sentence));
            }
            let (ends, rest) = begin(job, init)?;
            processes.insert(id.clone(), ends);
            while tasks.try_join_next().is_some() {}
            tasks.spawn(attend(id, rest, sender.clone()));
            Ok(())
        }
        Some(Input::File(file)) => {
            let ends = processes.get_mut(&id).ok_or_else(missing)?;
            let input = ends.input.as_ref().filter(|_| file.fd == 0);
            let shut = || Status::new(Code::OutOfRange, format!("fd {} unavailable to write", file.fd));
            let input = input.ok_or_else(shut)?;
            if !file.data.is_empty() {
                // One that has ended reads no more.
                let _ = input.send(file.data).await;
            }
            if file.eof {
                ends.input = None;
            }
            Ok(())
        }
        Some(Input::Resize(size)) => {
            let ends = processes.get(&id).ok_or_else(missing)?;
            let side = |length: u32| u16::try_from(length).unwrap_or(u16::MAX);
            let _ = ends
                .control
                .send(Control::Resize(side(size.rows), side(size.cols)))
                .await;
            Ok(())
        }
        Some(Input::Signal(signal)) => {
            let ends = processes.get(&id).ok_or_else(missing)?;
            let number = number(&signal.name)
                .ok_or_else(|| Status::invalid(format!("Unknown signal {}", signal.name)))?;
            let _ = ends.control.send(Control::Signal(number)).await;
            Ok(())
        }
        // These are ours to send.
        Some(Input::Started(_) | Input::Exit(_) | Input::Done(_)) | None => {
            Err(Status::invalid("a message that makes no sense"))
        }
    }
}

/// A process that is about to be.
struct Begun {
    container: Arc<dyn Container>,
    command: Command,
    /// Which of its streams are wanted.
    streams: Vec<u32>,
    input: Option<mpsc::Receiver<Bytes>>,
    control: mpsc::Receiver<Control>,
}

fn begin(job: &Job, init: InitMessage) -> Result<(Ends, Begun), Status> {
    let (container, _) = job.containers.find(&init.container_id)?;
    let insecure = match pb::SecurityMode::try_from(init.security) {
        Ok(mode) => mode == pb::SecurityMode::Insecure,
        Err(_) => {
            return Err(Status::invalid(format!(
                "unknown security mode {}",
                init.security
            )));
        }
    };
    let secrets = init.secretenv.iter().map(llb::SecretEnv::read);
    let secrets = secrets.collect::<Result<_, _>>();
    let meta = init.meta.unwrap_or_default();
    let (sender, input) = mpsc::channel(WAITING);
    let (orders, control) = mpsc::channel(WAITING);
    let has_input = init.fds.contains(&0);
    let command = Command {
        args: meta.args,
        env: meta.env,
        cwd: meta.cwd,
        user: meta.user,
        tty: init.tty,
        stdin: has_input,
        insecure,
        secret_env: secrets.map_err(|cause| Status::new(Code::Unknown, cause.to_string()))?,
    };
    let ends = Ends {
        input: has_input.then_some(sender),
        control: orders,
    };
    let begun = Begun {
        container,
        command,
        streams: init.fds.into_iter().filter(|fd| *fd != 0).collect(),
        input: has_input.then_some(input),
        control,
    };
    Ok((ends, begun))
}

/// Runs a process and tells of it until it has ended.
async fn attend(id: String, begun: Begun, sender: mpsc::Sender<ExecMessage>) {
    let teller = Teller { id, sender };
    let started = begun.container.start(begun.command).await;
    teller.tell(Input::Started(StartedMessage {})).await;
    let ended = match started {
        Ok(running) => spoken(running, (begun.input, begun.control), &begun.streams, &teller).await,
        Err(status) => Err(status),
    };
    for fd in begun.streams {
        let file = FdMessage {
            fd,
            eof: true,
            data: Bytes::new(),
        };
        teller.tell(Input::File(file)).await;
    }
    teller.tell(Input::Exit(exit(ended))).await;
    teller.tell(Input::Done(DoneMessage {})).await;
}

/// Tells of one process.
struct Teller {
    id: String,
    sender: mpsc::Sender<ExecMessage>,
}

impl Teller {
    async fn tell(&self, input: Input) {
        let message = ExecMessage {
            process_id: self.id.clone(),
            input: Some(input),
        };
        // Where nobody hears, the call is over.
        drop(self.sender.send(message).await);
    }
}

/// Carries what is said both ways until a process has ended. Gives its code.
async fn spoken(
    running: Running,
    (given, orders): (Option<mpsc::Receiver<Bytes>>, mpsc::Receiver<Control>),
    streams: &[u32],
    teller: &Teller,
) -> Result<i32, Status> {
    let Running {
        mut output,
        input,
        control,
        ended,
    } = running;
    let hear = async {
        while let Some((fd, data)) = output.recv().await {
            if streams.contains(&fd) {
                let file = FdMessage { fd, eof: false, data };
                teller.tell(Input::File(file)).await;
            }
        }
        ended.await
    };
    let give = async {
        if let (Some(given), Some(input)) = (given, input) {
            passed(given, input).await;
        }
    };
    // What is said to it ends before it, or is of no use any more; neither is its end.
    let said = async {
        tokio::join!(give, passed(orders, control));
        std::future::pending().await
    };
    tokio::select! {
        ended = hear => ended,
        never = said => never,
    }
}

/// Hands everything on, and then lets go of both ends.
async fn passed<T>(mut from: mpsc::Receiver<T>, to: mpsc::Sender<T>) {
    while let Some(each) = from.recv().await {
        if to.send(each).await.is_err() {
            break;
        }
    }
}

fn exit(ended: Result<i32, Status>) -> ExitMessage {
    match ended {
        Ok(0) => ExitMessage::default(),
        Ok(code) => ExitMessage {
            code: u32::try_from(code).unwrap_or(UNKNOWN_EXIT),
            error: Some(Status::new(Code::Unknown, format!("exit code: {code}")).to_proto()),
        },
        Err(status) => ExitMessage {
            code: UNKNOWN_EXIT,
            error: Some(status.to_proto()),
        },
    }
}

/// The number of a signal's name.
fn number(name: &str) -> Option<i32> {
    const NAMES: [&str; 31] = [
        "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE",
        "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ",
        "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
    ];
    let name = name.strip_prefix("SIG").unwrap_or(name);
    let place = NAMES.iter().position(|known| *known == name)?;
    i32::try_from(place + 1).ok()
}
