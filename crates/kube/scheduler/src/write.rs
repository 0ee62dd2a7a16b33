//! What is written about a pod: its binding, why it waits, that it has failed, that others make room for it.
//!
//! A write is a task of its own, a bounded number at once; what came of it is told to the one task that decides. Every
//! write names the pod's uid, so that it never meets another pod of the same name.

use std::sync::Arc;

use async_channel::{Receiver, Sender};
use client::{
    Client, DeleteOptions, Error, Level, PatchKind, Place, Recorder, Resource, Subject, WriteOptions,
};
use driver::Env;
use jiff::Timestamp;
use schema::object::{Meta, Obj};
use serde_json::{Value, json};

use crate::snapshot::Key;
use crate::status::{Waits, seconds, waiting};

pub(crate) static PODS: Resource = Resource::new("", "v1", "pods", "Pod", true);

/// Writes that are under way at once.
const AT_ONCE: usize = 64;

/// Bytes that the message of an event has at most.
const LONGEST_MESSAGE: usize = 1024;

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// The pod has a node.
    Binding,
    /// Why it waits.
    Condition,
    /// Others make room for it.
    Preemption,
    /// It will never run.
    Failure,
}

/// What came of a write.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) key: Key,
    pub(crate) uid: Box<str>,
    pub(crate) what: What,
    pub(crate) result: Result<(), Error>,
}

/// Who makes room for a pod.
pub(crate) struct Preempted {
    /// The node that is kept for it.
    pub(crate) node: String,
    /// Those that have to leave.
    pub(crate) victims: Vec<Arc<Obj>>,
    /// Less important ones for which the node was kept until now.
    pub(crate) displaced: Vec<Arc<Obj>>,
}

/// Writes, and counts what is under way.
pub(crate) struct Writer {
    pen: Pen,
    telling: Sender<Done>,
    pub(crate) told: Receiver<Done>,
    under_way: usize,
}

/// What a write is done with.
#[derive(Clone)]
struct Pen {
    client: Client,
    recorder: Recorder,
    env: Arc<dyn Env>,
}

impl Writer {
    pub(crate) fn new(client: Client, recorder: Recorder, env: Arc<dyn Env>) -> Self {
        let (telling, told) = async_channel::bounded(AT_ONCE);
        let pen = Pen {
            client,
            recorder,
            env,
        };
        Self {
            pen,
            telling,
            told,
            under_way: 0,
        }
    }

    /// Whether no further write may begin.
    pub(crate) fn is_full(&self) -> bool {
        self.under_way >= AT_ONCE
    }

    /// Whether nothing is under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.under_way == 0
    }

    /// Takes note that a write has ended.
    pub(crate) fn ended(&mut self) {
        self.under_way -= 1;
    }

    /// Tells people of a pod.
    pub(crate) fn tell(&self, pod: &Obj, level: Level, reason: &str, message: &str) {
        self.pen.tell(pod, level, reason, message);
    }

    /// Gives a pod its node; people are told once it has it.
    pub(crate) fn bind(&mut self, pod: &Arc<Obj>, node: &str) {
        let (pen, object, node) = (self.pen.clone(), pod.clone(), node.to_owned());
        self.begin(pod, What::Binding, async move { pen.bind(&object, &node).await });
    }

    /// Says why a pod waits; whether that has to be written.
    pub(crate) fn wait(
        &mut self,
        pod: &Arc<Obj>,
        why: Waits,
        message: &str,
        nominated: Option<&str>,
    ) -> bool {
        self.tell(pod, Level::Warning, "FailedScheduling", message);
        let Some(status) = waiting(pod, why, message, nominated, self.pen.now()) else {
            return false;
        };
        let (pen, object) = (self.pen.clone(), pod.clone());
        self.begin(
            pod,
            What::Condition,
            async move { pen.patch(&object, &status).await },
        );
        true
    }

    /// Sends others away and keeps their node for a pod.
    pub(crate) fn preempt(&mut self, pod: &Arc<Obj>, message: &str, preempted: Preempted) {
        self.tell(pod, Level::Warning, "FailedScheduling", message);
        let (pen, object) = (self.pen.clone(), pod.clone());
        let status = waiting(
            pod,
            Waits::Unschedulable,
            message,
            Some(&preempted.node),
            pen.now(),
        );
        self.begin(pod, What::Preemption, async move {
            pen.preempt(&object, &preempted, status).await
        });
    }

    /// Ends a pod that no node can run.
    pub(crate) fn fail(&mut self, pod: &Arc<Obj>, reason: &str, message: &str) {
        self.tell(pod, Level::Warning, reason, message);
        let status = json!({"phase": "Failed", "reason": reason, "message": message});
        let (pen, object) = (self.pen.clone(), pod.clone());
        self.begin(
            pod,
            What::Failure,
            async move { pen.patch(&object, &status).await },
        );
    }

    fn begin(
        &mut self,
        pod: &Obj,
        what: What,
        work: impl Future<Output = Result<(), Error>> + Send + 'static,
    ) {
        self.under_way += 1;
        let (telling, key, uid) = (self.telling.clone(), Key::from(&*pod.key), pod.meta.uid.clone());
        self.pen.env.spawn(Box::pin(async move {
            let result = work.await;
            // Nobody listens any more when the scheduler has ended.
            let _ended = telling
                .send(Done {
                    key,
                    uid,
                    what,
                    result,
                })
                .await;
        }));
    }
}

fn place(meta: &Meta) -> Place<'_> {
    PODS.within(&meta.namespace).named(&meta.name)
}

impl Pen {
    fn now(&self) -> Timestamp {
        Timestamp::try_from(self.env.wall()).unwrap_or_default()
    }

    fn tell(&self, pod: &Obj, level: Level, reason: &str, message: &str) {
        self.recorder
            .event(&Subject::of(&PODS, pod), level, reason, cut(message));
    }

    async fn bind(&self, pod: &Obj, node: &str) -> Result<(), Error> {
        let meta = &pod.meta;
        let binding = json!({
            "apiVersion": "v1", "kind": "Binding",
            "metadata": {"name": meta.name, "namespace": meta.namespace, "uid": meta.uid},
            "target": {"kind": "Node", "name": node},
        });
        let place = place(meta).below("binding");
        self.client
            .create(place, binding.to_string(), &WriteOptions::default())
            .await?;
        let message = format!("Successfully assigned {} to {node}", pod.key);
        self.tell(pod, Level::Normal, "Scheduled", &message);
        Ok(())
    }

    async fn patch(&self, pod: &Obj, status: &Value) -> Result<(), Error> {
        let patch = json!({"metadata": {"uid": pod.meta.uid}, "status": status}).to_string();
        let (place, options) = (place(&pod.meta).below("status"), WriteOptions::default());
        let patched = self
            .client
            .patch(place, PatchKind::Strategic, patch, &options)
            .await;
        patched.map(drop)
    }

    /// Those that leave first; a restart in between finds them leaving, and begins anew with what is left to do.
    async fn preempt(&self, pod: &Obj, preempted: &Preempted, status: Option<Value>) -> Result<(), Error> {
        for victim in &preempted.victims {
            unless_gone(self.send_away(victim).await)?;
            let message = format!("Preempted by pod {} on node {}", pod.meta.uid, preempted.node);
            self.tell(victim, Level::Normal, "Preempted", &message);
        }
        for other in &preempted.displaced {
            unless_gone(self.patch(other, &json!({"nominatedNodeName": null})).await)?;
        }
        match status {
            Some(status) => self.patch(pod, &status).await,
            None => Ok(()),
        }
    }

    async fn send_away(&self, victim: &Obj) -> Result<(), Error> {
        let condition = json!({
            "type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler",
            "message": "default-scheduler: preempting to accommodate a higher priority pod",
            "lastTransitionTime": seconds(self.now()), "observedGeneration": victim.meta.generation,
        });
        self.patch(victim, &json!({"conditions": [condition]})).await?;
        let options = DeleteOptions::of_uid(&victim.meta.uid);
        self.client.delete(place(&victim.meta), &options).await.map(drop)
    }
}

/// What is gone, or is another of the same name, has made room already.
fn unless_gone(result: Result<(), Error>) -> Result<(), Error> {
    match result {
        Err(error) if error.is_not_found() || error.is_conflict() => Ok(()),
        result => result,
    }
}

/// A message that an event can hold.
fn cut(message: &str) -> String {
    const MORE: &str = " ...";
    if message.len() <= LONGEST_MESSAGE {
        return message.to_owned();
    }
    let end = message.floor_char_boundary(LONGEST_MESSAGE - MORE.len());
    format!("{}{MORE}", &message[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_message_is_cut() {
        assert_eq!(cut(&"a".repeat(1024)).len(), 1024);
        let cut = cut(&"ä".repeat(600));
        assert!(cut.len() <= 1024 && cut.ends_with("ä ..."));
    }
}
