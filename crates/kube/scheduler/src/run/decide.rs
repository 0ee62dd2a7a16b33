//! What is decided about a pod, and what becomes of it.

use std::sync::Arc;

use client::{Error, Level};
use schema::object::Obj;
use views::{PodView, coverage};

use super::Running;
use crate::fit_error::FitError;
use crate::plan::{Decision, Planned, plan};
use crate::plugins::{ALL, Happened, Incoming};
use crate::preempt::{NoPreemption, Preemption, preempt};
use crate::snapshot::{Key, NodeIx};
use crate::status::Waits;
use crate::write::{Done, Preempted, What};

impl Running {
    pub(super) fn decide(&mut self) {
        let Some((key, pod)) = self.queue.next(self.env.now()) else {
            return;
        };
        let Some(object) = self.objects.get(&key).cloned() else {
            return;
        };
        if pod.deleting.is_some() {
            let message = format!("skip schedule deleting pod: {key}");
            self.writer
                .tell(&object, Level::Warning, "FailedScheduling", &message);
            self.queue.remove(&key);
            return;
        }
        if let Some(field) = &pod.unsupported {
            self.writer.fail(&object, coverage::REASON, field);
            return;
        }
        let incoming = Incoming {
            key: &key,
            view: &pod,
        };
        let start = self.start.checked_rem(self.world.len()).unwrap_or(0);
        let Planned { decision, looked } = plan(&self.world, &ALL, incoming, start, &mut self.rng);
        self.start = start + looked;
        match decision {
            Decision::Bind(node) => self.bind(&key, &pod, &object, node),
            Decision::Unschedulable(error) => {
                self.queue.failed(&key, error.plugins(), self.env.now());
                self.make_room(&key, &pod, &object, error);
            }
        }
    }

    /// A pod that fits nowhere may push out less important ones.
    fn make_room(&mut self, key: &Key, pod: &Arc<PodView>, object: &Arc<Obj>, mut error: FitError) {
        let incoming = Incoming { key, view: pod };
        match preempt(&mut self.world, &ALL, incoming, &error, &mut self.rng) {
            Ok(preemption) => self.preempt(key, pod, object, &preemption, &error.message()),
            Err(why) => {
                error.then(why.message());
                let hopeless = matches!(why, NoPreemption::NotHelpful(_)) && !pod.nominated.is_empty();
                self.wait(
                    key,
                    object,
                    Waits::Unschedulable,
                    &error.message(),
                    hopeless.then_some(""),
                );
            }
        }
    }

    fn preempt(
        &mut self,
        key: &Key,
        pod: &Arc<PodView>,
        object: &Arc<Obj>,
        preemption: &Preemption,
        message: &str,
    ) {
        let node = self.world.name(preemption.node).to_owned();
        let displaced = self.world.displaced(preemption.node, pod.priority);
        displaced
            .iter()
            .for_each(|other| self.world.nominate(other, None, ""));
        self.world.nominate(key, Some(pod), &node);
        let all = self.all.snapshot();
        let objects = |keys: &[Key]| keys.iter().filter_map(|key| all.get(key).cloned()).collect();
        let (victims, displaced) = (objects(&preemption.victims), objects(&displaced));
        self.queue.hold(key);
        self.writer.preempt(
            object,
            message,
            Preempted {
                node,
                victims,
                displaced,
            },
        );
    }

    fn bind(&mut self, key: &Key, pod: &Arc<PodView>, object: &Arc<Obj>, node: NodeIx) {
        self.world.assume(key, pod, node);
        let event = Happened::Pod {
            before: None,
            now: Some(pod),
        };
        self.queue.happened(&event, self.env.now());
        self.writer.bind(object, self.world.name(node));
    }

    /// Says why a pod waits. It is not tried again before that is written, or a binding could be overtaken.
    fn wait(&mut self, key: &Key, object: &Arc<Obj>, why: Waits, message: &str, nominated: Option<&str>) {
        if self.writer.wait(object, why, message, nominated) {
            self.queue.hold(key);
        }
    }

    pub(super) fn done(&mut self, done: &Done) {
        self.writer.ended();
        let known = self.objects.get(&done.key).cloned();
        let gone = known.is_none();
        let Some(object) = known.filter(|object| object.meta.uid == done.uid) else {
            // It has a node, or is over or gone. Who is over without a node gives back what was assumed.
            if gone && done.result.is_err() {
                self.give_back(&done.key);
            }
            return;
        };
        match (done.what, &done.result) {
            // The informers will say so, and take the pod out of the queue.
            (What::Binding | What::Failure, Ok(())) => {}
            (What::Binding, Err(error)) => self.not_bound(&done.key, &object, error),
            (What::Condition | What::Preemption, Ok(())) => self.queue.release(&done.key),
            (what, Err(error)) => {
                tracing::warn!(pod = %done.key, %error, ?what, "not written");
                self.queue.not_written(&done.key);
                self.queue.release(&done.key);
            }
        }
    }

    fn not_bound(&mut self, key: &Key, object: &Arc<Obj>, error: &Error) {
        self.give_back(key);
        self.queue.not_written(key);
        if error.is_not_found() || error.is_conflict() {
            tracing::debug!(pod = %key, %error, "not bound");
            return;
        }
        let message = format!("running Bind plugin \"DefaultBinder\": {error}");
        self.wait(key, object, Waits::SchedulerError, &message, None);
    }

    /// Others may have what was assumed for a pod.
    fn give_back(&mut self, key: &str) {
        if let Some(pod) = self.world.forget(key) {
            let event = Happened::Pod {
                before: Some(&pod),
                now: None,
            };
            self.queue.happened(&event, self.env.now());
        }
    }
}
