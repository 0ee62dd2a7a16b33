//! Builds by their references: what is under way, and what was.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use tokio::sync::watch;

use crate::attachments::{self, Attachment, Left};
use crate::build::{Built, Context};
use crate::filesync::Look;
use crate::grpc::{Code, Status};
use crate::past::{self, Kept, Past, Shelf};
use crate::policy::Policies;
use crate::progress::Progress;
use crate::proto::control::{BuildHistoryRecord, Descriptor, Exporter, StatusResponse};
use crate::proto::{Timestamp, pb};
use crate::service::Containers;
use crate::session::Session;
use crate::statement::Subject;
use crate::trace::{self, Spans, Traced};

/// Builds at once, and builds that are remembered after their end.
const MAX_JOBS: usize = 64;
const MAX_PAST: usize = 64;
/// Builds that are remembered for as long as somebody wants.
const MAX_PINNED: usize = 256;
/// Results of one build.
const MAX_RESULTS: usize = 256;
/// Definitions within definitions of one build, in all: each costs a builder of its own while it is carried out.
const MAX_NESTED: usize = 64;
/// How long a build may be on its way when something of it is asked; upstream's figure is three seconds.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a build is called and was asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    pub(crate) frontend: String,
    pub(crate) options: BTreeMap<String, String>,
    pub(crate) exporters: Vec<Exporter>,
    pub(crate) entitlements: Vec<String>,
    /// Definitions that were handed to the frontend.
    pub(crate) inputs: BTreeMap<String, pb::Definition>,
    /// Which sources it may have.
    pub(crate) policies: Arc<Policies>,
    /// It is not for the history.
    pub(crate) internal: bool,
    /// Where it belongs in its client's trace.
    pub(crate) trace: Option<trace::Context>,
}

/// What a frontend has made: nothing, an image, or one for each platform; and what it says of that.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) images: Vec<(String, Built)>,
    /// Whether they belong into an index.
    pub(crate) index: bool,
    pub(crate) metadata: BTreeMap<String, Bytes>,
    /// It is another frontend's to do: that of this image.
    pub(crate) forward: Option<String>,
    /// What frontends and scanners say of images, by their platforms.
    pub(crate) said: BTreeMap<String, Vec<Attestation>>,
    /// What scanners are shown besides each image.
    pub(crate) extras: Vec<Vec<(String, Extra)>>,
}

/// What is said of an image.
#[derive(Clone, Debug)]
pub(crate) struct Attestation {
    /// Statements are files of a directory, and not a predicate a file.
    pub(crate) bundle: bool,
    pub(crate) metadata: BTreeMap<String, Bytes>,
    /// The result that has the files.
    pub(crate) files: Option<(String, Built)>,
    /// Where they are in it.
    pub(crate) path: String,
    /// Their type; a bundle without one has any.
    pub(crate) kind: String,
    pub(crate) subjects: Vec<Subject>,
}

/// What a scanner is shown.
#[derive(Clone, Debug)]
pub(crate) enum Extra {
    Files(Context),
    Image(Built),
}

/// Results by their names: of which platform, or why there is none.
type Results = BTreeMap<String, Result<(String, Built), Status>>;

/// A build.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) id: String,
    pub(crate) asked: Asked,
    pub(crate) session: Arc<Session>,
    pub(crate) progress: Arc<Progress>,
    pub(crate) created: Option<Timestamp>,
    results: Mutex<Results>,
    /// What the client's own frontend gave back.
    returned: watch::Sender<Option<Result<Outcome, Status>>>,
    /// The containers of its frontend.
    pub(crate) containers: Containers,
    end: Mutex<Option<End>>,
    pinned: AtomicBool,
    /// Definitions within definitions so far.
    nested: AtomicUsize,
    /// What belongs to its row.
    pub(crate) left: Mutex<Left>,
    /// The files of the result that was looked at last, by its image.
    pub(crate) looked: Mutex<Option<(String, Arc<Look>)>>,
}

#[derive(Clone, Debug)]
struct End {
    time: Option<Timestamp>,
    outcome: Result<BTreeMap<String, String>, Status>,
}

impl Job {
    pub(crate) fn new(id: &str, asked: Asked, session: Arc<Session>, progress: Arc<Progress>) -> Self {
        Self {
            id: id.to_owned(),
            asked,
            session,
            created: progress.now(),
            progress,
            results: Mutex::default(),
            returned: watch::Sender::default(),
            containers: Containers::default(),
            end: Mutex::default(),
            pinned: AtomicBool::default(),
            nested: AtomicUsize::default(),
            left: Mutex::default(),
            looked: Mutex::default(),
        }
    }

    /// Counts a definition within another one: a few bytes may ask for any number of them.
    ///
    /// # Errors
    /// There are too many, or the build is over.
    pub(crate) fn nest(&self) -> Result<(), Status> {
        let end = self.end.lock().unwrap_or_else(PoisonError::into_inner);
        if end.is_some() {
            return Err(Status::new(Code::Cancelled, "context canceled"));
        }
        drop(end);
        if self.nested.fetch_add(1, Ordering::Relaxed) < MAX_NESTED {
            return Ok(());
        }
        let sentence = format!("more than {MAX_NESTED} definitions within definitions");
        Err(Status::new(Code::ResourceExhausted, sentence))
    }

    /// Remembers a result for a platform, and gives it a name.
    pub(crate) fn add_result(&self, platform: &str, built: Built) -> Result<String, Status> {
        self.add(Ok((platform.to_owned(), built)))
    }

    /// Remembers that there is none: whoever looks at it is told why.
    pub(crate) fn add_failure(&self, failure: Status) -> Result<String, Status> {
        self.add(Err(failure))
    }

    fn add(&self, result: Result<(String, Built), Status>) -> Result<String, Status> {
        let mut results = self.results.lock().unwrap_or_else(PoisonError::into_inner);
        if results.len() >= MAX_RESULTS {
            let sentence = format!("a build of more than {MAX_RESULTS} results");
            return Err(Status::new(Code::ResourceExhausted, sentence));
        }
        let name = format!("{}-{}", self.id, results.len());
        results.insert(name.clone(), result);
        Ok(name)
    }

    /// The steps of a result of this image, if there is such a result.
    pub(crate) fn steps_of(&self, image: &str) -> Option<Vec<(String, String)>> {
        let results = self.results.lock().unwrap_or_else(PoisonError::into_inner);
        let found = results.values().flatten().find(|(_, built)| built.image == image);
        found.map(|(_, built)| built.steps.clone())
    }

    pub(crate) fn result(&self, name: &str) -> Result<(String, Built), Status> {
        let results = self.results.lock().unwrap_or_else(PoisonError::into_inner);
        let missing = || Status::new(Code::NotFound, format!("no such ref: {name}"));
        results.get(name).cloned().ok_or_else(missing)?
    }

    /// Takes the end of the client's frontend; the first counts.
    pub(crate) fn give_back(&self, outcome: Result<Outcome, Status>) {
        self.returned.send_if_modified(|returned| {
            let first = returned.is_none();
            returned.get_or_insert(outcome);
            first
        });
    }

    /// What the frontend gave back, if it did.
    pub(crate) fn taken(&self) -> Option<Result<Outcome, Status>> {
        self.returned.borrow().clone()
    }

    /// What it leaves, with the spans that its client has sent so far.
    fn over(&self, spans: &Spans) -> Past {
        let (mut record, messages) = (self.record(), self.progress.messages());
        let left = std::mem::take(&mut *self.left.lock().unwrap_or_else(PoisonError::into_inner));
        let mut documents = left.into_row(&mut record);
        attachments::with_logs(&mut record, &messages);
        let context = self.context();
        let (descriptor, document) = traced(&record, &messages, &context, &spans.of(&context.trace));
        record.trace = Some(descriptor);
        documents.push(document);
        let kept = Kept { messages, documents };
        Past::new(record, kept, self.asked.internal)
    }

    fn context(&self) -> trace::Context {
        let asked = self.asked.trace.clone();
        asked.unwrap_or_else(|| trace::Context::of(&self.id))
    }

    /// Waits for it.
    pub(crate) async fn given_back(&self) -> Result<Outcome, Status> {
        let mut returned = self.returned.subscribe();
        match returned
            .wait_for(Option::is_some)
            .await
            .map(|value| value.clone())
        {
            Ok(Some(outcome)) => outcome,
            _ => Err(Status::new(Code::Internal, "the build's frontend is gone")),
        }
    }

    /// A row of the history.
    pub(crate) fn record(&self) -> BuildHistoryRecord {
        let end = self.end.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let counts = self.progress.counts();
        let figure = |count: u32| i32::try_from(count).unwrap_or(i32::MAX);
        let (error, response) = match end.as_ref().map(|end| &end.outcome) {
            Some(Err(status)) => (Some(status.clone().without_command()), BTreeMap::new()),
            Some(Ok(response)) => (None, response.clone()),
            None => (None, BTreeMap::new()),
        };
        BuildHistoryRecord {
            r#ref: self.id.clone(),
            frontend: self.asked.frontend.clone(),
            frontend_attrs: self.asked.options.clone(),
            exporters: self.asked.exporters.clone(),
            error: error.as_ref().map(Status::to_proto),
            created_at: self.created,
            completed_at: end.and_then(|end| end.time),
            exporter_response: response,
            pinned: self.pinned.load(Ordering::Relaxed),
            num_cached_steps: figure(counts.cached),
            num_total_steps: figure(counts.vertices),
            num_completed_steps: figure(counts.completed),
            num_warnings: figure(counts.warnings),
            ..BuildHistoryRecord::default()
        }
    }
}

/// The builds.
#[derive(Debug, Default)]
pub(crate) struct Jobs {
    table: Mutex<Table>,
    shelf: Arc<Shelf>,
    changed: watch::Sender<()>,
    spans: Mutex<Spans>,
    /// Builds that are over, by the traces that they are in: spans of a client may come after its build. The last few.
    traced: Mutex<VecDeque<(trace::Context, String)>>,
}

/// A build that somebody asks for by its reference.
#[derive(Clone, Debug)]
pub(crate) enum Known {
    Live(Arc<Job>),
    Past(Arc<Past>),
}

#[derive(Debug, Default)]
struct Table {
    live: BTreeMap<String, Arc<Job>>,
    past: VecDeque<Arc<Past>>,
}

impl Jobs {
    /// With the history that a directory has; without one it is in memory only.
    pub(crate) fn open(directory: Option<PathBuf>) -> Self {
        let (shelf, past) = past::open(directory);
        let table = Table {
            live: BTreeMap::new(),
            past: past.into(),
        };
        Self {
            table: Mutex::new(table),
            shelf,
            changed: watch::Sender::default(),
            spans: Mutex::default(),
            traced: Mutex::default(),
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a build in. It is under way until what this gives is dropped.
    ///
    /// # Errors
    /// There is one of its name, or there are too many.
    pub(crate) fn begin(&self, job: Job) -> Result<Running<'_>, Status> {
        let job = Arc::new(job);
        {
            let mut table = self.table();
            let known = table.live.contains_key(&job.id) || table.past.iter().any(|past| past.id == job.id);
            if known {
                return Err(Status::new(
                    Code::AlreadyExists,
                    format!("job ID {} exists", job.id),
                ));
            }
            if table.live.len() >= MAX_JOBS {
                let sentence = format!("{MAX_JOBS} builds are under way");
                return Err(Status::new(Code::ResourceExhausted, sentence));
            }
            table.live.insert(job.id.clone(), job.clone());
        }
        self.changed.send_replace(());
        Ok(Running {
            jobs: self,
            job,
            over: OnceLock::new(),
        })
    }

    /// A build that is under way; waits for one that is on its way.
    ///
    /// # Errors
    /// [`Code::NotFound`].
    pub(crate) async fn get(&self, id: &str) -> Result<Arc<Job>, Status> {
        match self.known(id).await? {
            Known::Live(job) => Ok(job),
            Known::Past(_) => Err(Status::new(Code::NotFound, format!("job {id} is over"))),
        }
    }

    /// A build that is under way or remembered; waits for one that is on its way.
    ///
    /// # Errors
    /// [`Code::NotFound`].
    pub(crate) async fn known(&self, id: &str) -> Result<Known, Status> {
        let mut changed = self.changed.subscribe();
        let found = async {
            loop {
                if let Some(job) = self.find(id) {
                    return job;
                }
                // The sender lives in `self`.
                let _ = changed.changed().await;
            }
        };
        tokio::time::timeout(PATIENCE, found)
            .await
            .map_err(|_| Status::new(Code::NotFound, format!("no such job {id}")))
    }

    /// The steps of a result of this image of a build that is under way, if there is such a result.
    pub(crate) fn steps_of(&self, image: &str) -> Option<Vec<(String, String)>> {
        let live: Vec<Arc<Job>> = self.table().live.values().cloned().collect();
        live.iter().find_map(|job| job.steps_of(image))
    }

    fn find(&self, id: &str) -> Option<Known> {
        let table = self.table();
        let past = || table.past.iter().find(|past| past.id == id).cloned();
        let live = table.live.get(id).cloned().map(Known::Live);
        live.or_else(|| past().map(Known::Past))
    }

    /// All that are for the history, the oldest first, and whether each is over.
    pub(crate) fn all(&self) -> Vec<(bool, BuildHistoryRecord)> {
        let table = self.table();
        let past = table.past.iter().filter(|past| !past.internal);
        let live = table.live.values().filter(|job| !job.asked.internal);
        let past = past.map(|past| (true, past.record()));
        past.chain(live.map(|job| (false, job.record()))).collect()
    }

    /// What a build that is over told.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) async fn told(&self, past: Arc<Past>) -> Result<Vec<StatusResponse>, Status> {
        let shelf = self.shelf.clone();
        let told = tokio::task::spawn_blocking(move || shelf.told(&past)).await;
        let failed = |cause: String| Status::new(Code::Internal, format!("reading the history: {cause}"));
        told.map_err(|cause| failed(cause.to_string()))?
            .map_err(|cause| failed(cause.to_string()))
    }

    /// A document that the row of a build names which is over.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) async fn document(&self, digest: &str) -> Result<Option<Bytes>, Status> {
        let named = |past: &&Arc<Past>| attachments::names(&past.record(), digest);
        let found: Vec<Arc<Past>> = self.table().past.iter().filter(named).cloned().collect();
        let (shelf, digest) = (self.shelf.clone(), digest.to_owned());
        let failed = |cause: String| Status::new(Code::Internal, format!("reading the history: {cause}"));
        let read = tokio::task::spawn_blocking(move || {
            for past in found {
                if let Some(document) = shelf.document(&past, &digest)? {
                    return Ok(Some(document));
                }
            }
            Ok::<_, std::io::Error>(None)
        });
        read.await
            .map_err(|cause| failed(cause.to_string()))?
            .map_err(|cause| failed(cause.to_string()))
    }

    /// Takes in the spans of a client. A build of theirs that is over gets a trace with them.
    pub(crate) async fn sent(&self, request: trace::ExportRequest) {
        let traces = self.spans().add(request);
        let builds: Vec<(trace::Context, Arc<Past>)> = {
            let traced = self.traced.lock().unwrap_or_else(PoisonError::into_inner);
            let table = self.table();
            let theirs = traced
                .iter()
                .filter(|(context, _)| traces.contains(&context.trace));
            let past = |id: &String| table.past.iter().find(|past| past.id == *id).cloned();
            theirs
                .filter_map(|(context, id)| Some((context.clone(), past(id)?)))
                .collect()
        };
        for (context, past) in builds {
            let sent = self.spans().of(&context.trace);
            self.on_shelf(move |shelf| {
                let made = shelf.trace(&past, |record, messages| {
                    traced(record, messages, &context, &sent)
                });
                if let Err(cause) = made {
                    tracing::warn!(build = past.id, %cause, "a trace is not kept");
                }
            })
            .await;
        }
    }

    fn spans(&self) -> MutexGuard<'_, Spans> {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What stays of a build, and where to look for it when spans come late.
    fn over(&self, job: &Job) -> Past {
        let mut traced = self.traced.lock().unwrap_or_else(PoisonError::into_inner);
        if traced.len() >= MAX_PAST {
            traced.pop_front();
        }
        traced.push_back((job.context(), job.id.clone()));
        drop(traced);
        job.over(&self.spans())
    }

    /// Hears of beginnings and ends.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Keeps a build in the history, or lets it go with time.
    ///
    /// # Errors
    /// It is not known, or too many are kept.
    pub(crate) async fn pin(&self, id: &str, pinned: bool) -> Result<(), Status> {
        match self.find(id).ok_or_else(|| unknown(id))? {
            Known::Live(job) => job.pinned.store(pinned, Ordering::Relaxed),
            Known::Past(past) => {
                let kept = self.table().past.iter().filter(|past| past.is_pinned()).count();
                if pinned && kept >= MAX_PINNED {
                    let sentence = format!("{MAX_PINNED} builds are pinned");
                    return Err(Status::new(Code::ResourceExhausted, sentence));
                }
                past.pin(pinned);
                self.on_shelf(move |shelf| shelf.put(&past)).await;
            }
        }
        self.changed.send_replace(());
        Ok(())
    }

    /// Forgets a build that is over.
    ///
    /// # Errors
    /// It is under way, or not known.
    pub(crate) async fn forget(&self, id: &str) -> Result<(), Status> {
        match self.find(id).ok_or_else(|| unknown(id))? {
            Known::Live(_) => Err(Status::new(
                Code::FailedPrecondition,
                format!("build {id} is under way"),
            )),
            Known::Past(past) => {
                self.table().past.retain(|other| other.id != past.id);
                self.on_shelf(move |shelf| shelf.remove(&past)).await;
                self.changed.send_replace(());
                Ok(())
            }
        }
    }

    /// Does what waits for the disk where that is allowed. It is done even if nobody waits.
    async fn on_shelf(&self, work: impl FnOnce(&Shelf) + Send + 'static) {
        let shelf = self.shelf.clone();
        if let Err(cause) = tokio::task::spawn_blocking(move || work(&shelf)).await {
            tracing::error!(%cause, "the history of builds");
        }
    }
}

/// The trace of a build that is over.
fn traced(
    record: &BuildHistoryRecord,
    messages: &[StatusResponse],
    context: &trace::Context,
    sent: &[Value],
) -> (Descriptor, Attachment) {
    let build = Traced {
        id: &record.r#ref,
        context,
        started: record.created_at,
        ended: record.completed_at,
        error: record.error.as_ref().map(|error| &*error.message),
    };
    let data = trace::document(build, messages, sent);
    let descriptor = attachments::descriptor(trace::MEDIA_TYPE, &data);
    let digest = descriptor.digest.clone();
    (descriptor, Attachment { digest, data })
}

fn unknown(id: &str) -> Status {
    Status::new(Code::NotFound, format!("no build {id} in the history"))
}

/// A build that is under way.
#[derive(Debug)]
pub(crate) struct Running<'a> {
    jobs: &'a Jobs,
    pub(crate) job: Arc<Job>,
    /// What stays of it, once that is on the disk or on its way.
    over: OnceLock<Arc<Past>>,
}

impl Running<'_> {
    /// Says how it ended, and puts it into the history. Nothing more is told of it.
    pub(crate) async fn ended(&self, outcome: Result<BTreeMap<String, String>, Status>) {
        self.end(outcome);
        let past = Arc::new(self.jobs.over(&self.job));
        // Before anybody waits: who leaves meanwhile must not write it a second time.
        let past = self.over.get_or_init(|| past).clone();
        self.jobs.on_shelf(move |shelf| shelf.put(&past)).await;
    }

    fn end(&self, outcome: Result<BTreeMap<String, String>, Status>) {
        let mut end = self.job.end.lock().unwrap_or_else(PoisonError::into_inner);
        let time = self.job.progress.now();
        end.get_or_insert(End { time, outcome });
        drop(end);
        self.job.progress.end();
    }

    /// What stays of it, and how it gets to the disk if it is not there.
    fn over(&mut self) -> (Arc<Past>, bool) {
        match self.over.take() {
            Some(past) => (past, true),
            None => (Arc::new(self.jobs.over(&self.job)), false),
        }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let cancelled = || Status::new(Code::Cancelled, "context canceled");
        self.end(Err(cancelled()));
        self.job.give_back(Err(cancelled()));
        let (past, is_kept) = self.over();
        let mut table = self.jobs.table();
        table.live.remove(&self.job.id);
        table.past.push_back(past.clone());
        let gone = table.overdue();
        drop(table);
        self.jobs.changed.send_replace(());
        // A future that is dropped cannot wait for a disk.
        if (!is_kept || !gone.is_empty())
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let shelf = self.jobs.shelf.clone();
            runtime.spawn_blocking(move || {
                if !is_kept {
                    shelf.put(&past);
                }
                gone.iter().for_each(|gone| shelf.remove(gone));
            });
        }
    }
}

impl Table {
    /// Takes out the oldest of those that nobody keeps, as long as there are too many.
    fn overdue(&mut self) -> Vec<Arc<Past>> {
        let loose = self.past.iter().filter(|past| !past.is_pinned()).count();
        let mut over = loose.saturating_sub(MAX_PAST);
        let mut gone = Vec::new();
        self.past.retain(|past| {
            let goes = over > 0 && !past.is_pinned();
            if goes {
                over -= 1;
                gone.push(past.clone());
            }
            !goes
        });
        gone
    }
}
