//! Pods as controllers of workloads look at them: the object, and the view that everybody shares.

use std::sync::Arc;

use client::{Change, DeleteOptions};
use schema::object::Obj;
use views::PodView;
use views::ready::Phase;

use super::time::Time;
use crate::act::Action;
use crate::driver::Failed;
use crate::object::target;
use crate::resources::PODS;

/// A pod.
#[derive(Clone, Debug)]
pub(crate) struct Pod {
    pub(crate) object: Arc<Obj>,
    pub(crate) view: Arc<PodView>,
}

impl Pod {
    /// # Errors
    /// [`Failed::Unread`]
    pub(crate) fn read(object: &Arc<Obj>) -> Result<Self, Failed> {
        let view = object.view().map_err(|error| Failed::Unread(error.to_string()))?;
        let object = object.clone();
        Ok(Self { object, view })
    }

    pub(crate) fn name(&self) -> &str {
        &self.object.meta.name
    }

    /// When it was made.
    pub(crate) fn created(&self) -> Option<Time> {
        Time::parse(&self.object.meta.creation_timestamp)
    }

    /// Whether it is on its way out and has not ended yet.
    pub(crate) fn is_terminating(&self) -> bool {
        self.view.deleting.is_some() && !self.view.phase.is_terminal()
    }

    pub(crate) fn is(&self, phase: Phase) -> bool {
        self.view.phase == phase
    }

    /// Deletes this pod and none of its name that comes after it.
    pub(crate) fn delete(&self) -> Action {
        let meta = &self.object.meta;
        Action::Delete {
            target: target(&PODS, meta),
            options: DeleteOptions::of_uid(&meta.uid),
        }
    }
}

/// Whether a change of a pod may change what its controller counts: its place on a node, its images and its addresses do
/// not.
pub(crate) fn counts_anew(change: &Change) -> bool {
    let (Some(new), Some(old)) = (&change.object, &change.previous) else {
        return true;
    };
    let (Ok(before), Ok(now)) = (old.view::<PodView>(), new.view::<PodView>()) else {
        return true;
    };
    let seen = |view: &PodView| {
        let restarts = (view.restarts, view.sidecar_restarts);
        (view.phase, view.ready, view.deleting.is_some(), restarts)
    };
    let meta = |object: &Obj| (object.meta.uid.clone(), object.meta.finalizers.clone());
    seen(&before) != seen(&now)
        || meta(old) != meta(new)
        || old.meta.labels != new.meta.labels
        || old.meta.owner_references != new.meta.owner_references
}

#[cfg(test)]
pub(crate) mod sample {
    //! Pods for tests.

    use bytes::Bytes;
    use schema::object::{Order, Revision};
    use serde_json::{Value, json};

    use super::*;

    /// A pod with a status and whatever else an overlay says; its uid is its name.
    pub(crate) fn pod(name: &str, overlay: &Value) -> Pod {
        let mut body =
            json!({"metadata": {"name": name, "namespace": "x", "uid": name}, "spec": {}, "status": {}});
        for (part, members) in overlay.as_object().into_iter().flatten() {
            for (member, value) in members.as_object().into_iter().flatten() {
                body[part][member] = value.clone();
            }
        }
        let bytes = Bytes::from(body.to_string());
        let object = Obj::new(&format!("x/{name}"), Revision(1), bytes, Order::Declared).unwrap();
        Pod::read(&Arc::new(object)).unwrap()
    }

    /// `status.conditions` with a condition Ready.
    pub(crate) fn ready(status: &str, since: &str) -> Value {
        json!([{"type": "Ready", "status": status, "lastTransitionTime": since}])
    }

    /// A second of the day on which tests play.
    pub(crate) fn at(second: i64) -> String {
        let midnight: jiff::Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        (midnight + jiff::SignedDuration::from_secs(second)).to_string()
    }

    /// The same as a clock says it.
    pub(crate) fn clock(second: i64) -> std::time::SystemTime {
        at(second).parse::<jiff::Timestamp>().unwrap().into()
    }
}
