//! Builds by their references: what is under way, and what was.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;

use crate::build::Built;
use crate::grpc::{Code, Status};
use crate::progress::Progress;
use crate::proto::control::{BuildHistoryRecord, Exporter};
use crate::proto::{Timestamp, pb};
use crate::session::Session;

/// Builds at once, and builds that are remembered after their end.
const MAX_JOBS: usize = 64;
const MAX_PAST: usize = 64;
/// Results of one build.
const MAX_RESULTS: usize = 256;
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
    /// It is not for the history.
    pub(crate) internal: bool,
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
}

/// A build.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) id: String,
    pub(crate) asked: Asked,
    pub(crate) session: Arc<Session>,
    pub(crate) progress: Arc<Progress>,
    created: Option<Timestamp>,
    results: Mutex<BTreeMap<String, (String, Built)>>,
    /// What the client's own frontend gave back.
    returned: watch::Sender<Option<Result<Outcome, Status>>>,
    end: Mutex<Option<End>>,
    pinned: AtomicBool,
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
            end: Mutex::default(),
            pinned: AtomicBool::default(),
        }
    }

    /// Remembers a result for a platform, and gives it a name.
    pub(crate) fn add_result(&self, platform: &str, built: Built) -> Result<String, Status> {
        let mut results = self.results.lock().unwrap_or_else(PoisonError::into_inner);
        if results.len() >= MAX_RESULTS {
            let sentence = format!("a build of more than {MAX_RESULTS} results");
            return Err(Status::new(Code::ResourceExhausted, sentence));
        }
        let name = format!("{}-{}", self.id, results.len());
        results.insert(name.clone(), (platform.to_owned(), built));
        Ok(name)
    }

    pub(crate) fn result(&self, name: &str) -> Result<(String, Built), Status> {
        let results = self.results.lock().unwrap_or_else(PoisonError::into_inner);
        let missing = || Status::new(Code::NotFound, format!("no such ref: {name}"));
        results.get(name).cloned().ok_or_else(missing)
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
            Some(Err(status)) => (Some(status), BTreeMap::new()),
            Some(Ok(response)) => (None, response.clone()),
            None => (None, BTreeMap::new()),
        };
        BuildHistoryRecord {
            r#ref: self.id.clone(),
            frontend: self.asked.frontend.clone(),
            frontend_attrs: self.asked.options.clone(),
            exporters: self.asked.exporters.clone(),
            error: error.map(Status::to_proto),
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

    pub(crate) fn is_over(&self) -> bool {
        self.end.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }
}

/// The builds.
#[derive(Debug, Default)]
pub(crate) struct Jobs {
    table: Mutex<Table>,
    changed: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Table {
    live: BTreeMap<String, Arc<Job>>,
    past: VecDeque<Arc<Job>>,
}

impl Jobs {
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
        Ok(Running { jobs: self, job })
    }

    /// A build that is under way or remembered; waits for one that is on its way.
    ///
    /// # Errors
    /// [`Code::NotFound`].
    pub(crate) async fn get(&self, id: &str) -> Result<Arc<Job>, Status> {
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

    fn find(&self, id: &str) -> Option<Arc<Job>> {
        let table = self.table();
        let past = || table.past.iter().find(|job| job.id == id);
        table.live.get(id).or_else(past).cloned()
    }

    /// All that are for the history, the oldest first.
    pub(crate) fn all(&self) -> Vec<Arc<Job>> {
        let table = self.table();
        let all = table.past.iter().chain(table.live.values());
        all.filter(|job| !job.asked.internal).cloned().collect()
    }

    /// Hears of beginnings and ends.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Keeps a build in the history, or lets it go with time.
    ///
    /// # Errors
    /// It is not known.
    pub(crate) fn pin(&self, id: &str, pinned: bool) -> Result<(), Status> {
        let job = self
            .find(id)
            .ok_or_else(|| Status::new(Code::NotFound, format!("no build {id} in the history")))?;
        job.pinned.store(pinned, Ordering::Relaxed);
        self.changed.send_replace(());
        Ok(())
    }

    /// Forgets a build that is over.
    ///
    /// # Errors
    /// It is under way, or not known.
    pub(crate) fn forget(&self, id: &str) -> Result<(), Status> {
        let mut table = self.table();
        if table.live.contains_key(id) {
            return Err(Status::new(
                Code::FailedPrecondition,
                format!("build {id} is under way"),
            ));
        }
        let before = table.past.len();
        table.past.retain(|job| job.id != id);
        let gone = table.past.len() < before;
        drop(table);
        self.changed.send_replace(());
        match gone {
            true => Ok(()),
            false => Err(Status::new(
                Code::NotFound,
                format!("no build {id} in the history"),
            )),
        }
    }
}

/// A build that is under way.
#[derive(Debug)]
pub(crate) struct Running<'a> {
    jobs: &'a Jobs,
    pub(crate) job: Arc<Job>,
}

impl Running<'_> {
    /// Says how it ended.
    pub(crate) fn ended(&self, outcome: Result<BTreeMap<String, String>, Status>) {
        let mut end = self.job.end.lock().unwrap_or_else(PoisonError::into_inner);
        let time = self.job.progress.now();
        end.get_or_insert(End { time, outcome });
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.ended(Err(Status::new(Code::Cancelled, "context canceled")));
        self.job
            .give_back(Err(Status::new(Code::Cancelled, "context canceled")));
        self.job.progress.end();
        let mut table = self.jobs.table();
        if let Some(job) = table.live.remove(&self.job.id) {
            table.past.push_back(job);
        }
        // Those that are pinned stay, but not without a bound.
        while table.past.len() > MAX_PAST {
            let loose = table
                .past
                .iter()
                .position(|job| !job.pinned.load(Ordering::Relaxed));
            table.past.remove(loose.unwrap_or(0));
        }
        drop(table);
        self.jobs.changed.send_replace(());
    }
}
