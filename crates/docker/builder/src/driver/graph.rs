//! The stages of a build, side by side: each is walked by a task of its own, and waits for another where it needs what that
//! one makes.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use image::{Digest, Platform};
use tokio::sync::{OnceCell, Semaphore, watch};
use tokio::task::JoinSet;

use super::history::Told;
use super::{Dialect, Driver};
use crate::BuildError;
use crate::arguments::Declared;
use crate::dockerfile::Stage;
use crate::executor::{Base, Executor};
use crate::services::Wish;

/// The stages up to the target.
pub(super) struct Graph {
    places: Vec<Place>,
    /// Steps that are carried out at once.
    pub(super) room: Semaphore,
    /// Steps that this build carries out, by their keys.
    made: Mutex<HashMap<Digest, Arc<OnceCell<Base>>>>,
    /// Bytes of the configurations of all steps that were made.
    pub(super) configurations: AtomicUsize,
    /// Images that this build has asked for: each is asked for once.
    asked: Mutex<HashMap<Wish, Arc<OnceCell<Digest>>>>,
    /// Bases that were told of: one that several stages have is one step.
    told: Mutex<BTreeSet<String>>,
    /// Bases with what they are asked for, by the stage that each is told of as.
    pub(super) bases: OnceLock<BTreeMap<(String, String), usize>>,
}

struct Place {
    stage: Arc<Stage>,
    /// It is known beforehand that somebody needs it.
    needed: bool,
    state: watch::Sender<State>,
    /// One of which it was not known, walked by whoever finds that it is needed.
    late: OnceCell<Done>,
}

#[derive(Clone)]
enum State {
    Pending,
    Done(Box<Done>),
    Failed,
}

/// A stage that is done.
#[derive(Clone)]
pub(super) struct Done {
    pub(super) image: Option<Digest>,
    /// What its commands are for.
    pub(super) platform: Platform,
    /// Its `ARG`s, which stages upon it have too.
    pub(super) declared: Declared,
    /// What its steps are told as, and those of the stages below it.
    pub(super) told: Told,
}

/// Says that a stage has failed, unless it is done when this goes.
struct Failing<'a>(&'a watch::Sender<State>);

impl Drop for Failing<'_> {
    fn drop(&mut self) {
        self.0.send_if_modified(|state| {
            let pending = matches!(state, State::Pending);
            if pending {
                *state = State::Failed;
            }
            pending
        });
    }
}

impl Graph {
    pub(super) fn new(stages: Vec<Stage>, needed: &BTreeSet<usize>) -> Self {
        let place = |(number, stage)| Place {
            stage: Arc::new(stage),
            needed: needed.contains(&number),
            state: watch::Sender::new(State::Pending),
            late: OnceCell::new(),
        };
        // Steps wait for disks and networks too, so there are always two.
        let processors = std::thread::available_parallelism().map_or(1, usize::from).max(2);
        Self {
            places: stages.into_iter().enumerate().map(place).collect(),
            room: Semaphore::new(processors),
            made: Mutex::default(),
            configurations: AtomicUsize::new(0),
            asked: Mutex::default(),
            told: Mutex::default(),
            bases: OnceLock::new(),
        }
    }

    pub(super) fn stage(&self, number: usize) -> Arc<Stage> {
        self.places[number].stage.clone()
    }

    /// The last stage that is needed; it is what is built.
    pub(super) fn target(&self) -> Option<usize> {
        self.places.iter().rposition(|place| place.needed)
    }

    /// How many stages there are.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// The last stage of this name among the first `before`.
    pub(super) fn named(&self, name: &str, before: usize) -> Option<usize> {
        let is_named = |place: &Place| {
            let known = place.stage.name.as_deref();
            known.is_some_and(|known| known.eq_ignore_ascii_case(name))
        };
        self.places[..before.min(self.places.len())]
            .iter()
            .rposition(is_named)
    }

    /// What a stage is called in errors.
    pub(super) fn name(&self, number: usize) -> String {
        match &self.places[number].stage.name {
            Some(name) => name.to_lowercase(),
            None if self.places.len() == 1 => String::new(),
            None => format!("stage-{number}"),
        }
    }

    /// Where the step of this key is, or will be.
    pub(super) fn making(&self, key: Digest) -> Arc<OnceCell<Base>> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.entry(key).or_default().clone()
    }

    /// Notes that a base is told of; says whether it is for the first time.
    pub(super) fn tell(&self, title: &str) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.insert(title.to_owned())
    }

    /// Where it is noted that an image was asked for.
    pub(super) fn asked(&self, wish: &Wish) -> Arc<OnceCell<Digest>> {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.entry(wish.clone()).or_default().clone()
    }
}

impl<E: Executor + 'static> Driver<E> {
    /// Walks the stages that are needed. Lines come in the order of the file: those of a stage once all before it have been
    /// told. The first failure ends the others.
    pub(super) async fn walk(&mut self, needed: &BTreeSet<usize>) -> Result<(), BuildError> {
        let (stop, stopped) = watch::channel(false);
        let (mut tasks, mut lanes) = (JoinSet::new(), Vec::new());
        let mut step = self.step;
        for number in needed.iter().copied() {
            let (output, lane) = self.output.lane(stopped.clone());
            let mut driver = self.fork(number, step, output);
            step += 1 + self.graph.stage(number).instructions.len();
            let end = lane.end();
            tasks.spawn(async move {
                let _end = end;
                let done = driver.task().await;
                done.map(|()| driver.arguments)
            });
            lanes.push(lane);
        }
        let output = &self.output;
        let telling = async {
            for lane in lanes {
                lane.drain(output).await?;
            }
            Ok(())
        };
        let arguments = &mut self.arguments;
        let walking = async {
            let mut failed = None;
            while let Some(ended) = tasks.join_next().await {
                let ended = ended
                    .unwrap_or_else(|_| Err(BuildError::Step("a build step ended unexpectedly".to_owned())));
                match ended {
                    Ok(seen) => arguments.mention_all(&seen),
                    Err(error) => {
                        stop.send_replace(true);
                        // Who is ended because of another has nothing to say.
                        if matches!(failed, None | Some(BuildError::Cancelled)) {
                            failed = Some(error);
                        }
                    }
                }
            }
            failed.map_or(Ok(()), Err)
        };
        let (told, walked): (Result<(), BuildError>, _) = tokio::join!(telling, walking);
        walked.and(told)
    }

    async fn task(&mut self) -> Result<(), BuildError> {
        let graph = self.graph.clone();
        let place = &graph.places[self.number];
        let failing = Failing(&place.state);
        let done = self.stage().await?;
        place.state.send_replace(State::Done(Box::new(done)));
        drop(failing);
        Ok(())
    }

    /// Waits for another stage.
    pub(super) async fn wait_for(&self, number: usize) -> Result<Done, BuildError> {
        let graph = self.graph.clone();
        let place = &graph.places[number];
        if !place.needed {
            // Nobody has foreseen it: a trigger of an image that was not here wants it.
            let done = place.late.get_or_try_init(|| async {
                let mut driver = self.fork(number, self.step.saturating_sub(1), self.output.clone());
                Box::pin(driver.stage()).await
            });
            return done.await.cloned();
        }
        let mut state = place.state.subscribe();
        let ended = tokio::select! {
            ended = state.wait_for(|state| !matches!(state, State::Pending)) => ended.map(|state| state.clone()),
            () = self.output.cancelled() => return Err(BuildError::Cancelled),
        };
        match ended {
            Ok(State::Done(done)) => Ok(*done),
            _ => Err(BuildError::Cancelled),
        }
    }

    /// The stage of this name that a base or a source means: an earlier one.
    pub(super) fn earlier(&self, name: &str) -> Option<usize> {
        self.graph.named(name, self.number)
    }

    /// What `COPY --from` means of the stages, if it means one.
    ///
    /// # Errors
    /// Upstream's sentences, of either builder.
    pub(super) fn source_stage(&self, from: &str) -> Result<Option<usize>, BuildError> {
        if let Some(number) = self.earlier(from) {
            return Ok(Some(number));
        }
        let step = |text: &str| Err(BuildError::Step(text.to_owned()));
        let number = from.parse::<i64>().ok();
        if self.options.dialect == Dialect::BuildKit {
            let number = match number {
                Some(number) => usize::try_from(number)
                    .ok()
                    .filter(|number| *number < self.graph.len()),
                None => self.graph.named(from, usize::MAX),
            };
            return match number {
                Some(number) if number >= self.number => Err(BuildError::Step(format!(
                    "cannot copy from stage {from:?}, it needs to be defined before current stage {:?}",
                    self.graph.name(self.number)
                ))),
                number => Ok(number),
            };
        }
        let Some(number) = number else {
            return Ok(None);
        };
        match usize::try_from(number) {
            Ok(number) if number == self.number => step("refers to current build stage"),
            Ok(number) if number < self.number => Ok(Some(number)),
            _ => step("index out of bounds"),
        }
    }
}
