//! Jobs that are over go after a while, with their pods (upstream's `ttlafterfinished`).

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use client::{Change, DeleteOptions, Propagation, Resource};
use schema::object::Obj;
use serde::Deserialize;

use crate::act::Action;
use crate::driver::{Controller, Cx, Failed, Next, Touched};
use crate::object::{read, target};
use crate::resources::JOBS;
use crate::workload::conditions::Condition;
use crate::world::{Tracked, World};

/// Keys are Jobs.
pub(crate) struct Ttl;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Job {
    spec: Spec,
    status: Status,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    ttl_seconds_after_finished: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Status {
    conditions: Vec<Condition>,
}

impl Controller for Ttl {
    type Key = Box<str>;
    const ACCOUNT: &'static str = "ttl-after-finished-controller";
    const WORKERS: usize = 5;

    fn follows(&self, resource: &Resource) -> bool {
        *resource == JOBS
    }

    fn touch(&self, _: &World, _: &Arc<Tracked>, change: &Change, touched: &mut Touched<Self::Key>) {
        let limited =
            |job: &&Arc<Obj>| read::<Job>(job).is_ok_and(|job| job.spec.ttl_seconds_after_finished.is_some());
        touched
            .now
            .extend(change.object.iter().filter(limited).map(|job| job.key.clone()));
    }

    async fn reconcile(&self, cx: &Cx, key: &Self::Key) -> Result<Next, Failed> {
        let jobs = cx.world.objects(&JOBS);
        let Some(object) = jobs.get(key).filter(|job| job.meta.deletion_timestamp.is_none()) else {
            return Ok(Next::Done);
        };
        match left(&read(object)?, cx.env.wall()) {
            None => Ok(Next::Done),
            Some(Duration::ZERO) => {
                let mut options = DeleteOptions::of_uid(&object.meta.uid);
                options.propagation_policy = Some(Propagation::Foreground);
                let target = target(&JOBS, &object.meta);
                cx.perform([Action::Delete { target, options }]).await?;
                Ok(Next::Done)
            }
            Some(left) => Ok(Next::After(left)),
        }
    }
}

/// How long a Job still stays; none if it is not over, or stays for ever.
fn left(job: &Job, now: SystemTime) -> Option<Duration> {
    let limit = Duration::from_secs(job.spec.ttl_seconds_after_finished?);
    let over = |each: &&Condition| matches!(&*each.kind, "Complete" | "Failed") && each.is_true();
    let finish = job.status.conditions.iter().find(over)?.last_transition_time?;
    Some(finish.left(limit, now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::workload::pods::sample::{at, clock};

    #[test]
    fn a_job_stays_so_long_after_its_end() {
        let of = |ttl: Value, kind: &str| -> Job {
            let condition = json!({"type": kind, "status": "True", "lastTransitionTime": at(100)});
            let spec = json!({"ttlSecondsAfterFinished": ttl});
            serde_json::from_value(json!({"spec": spec, "status": {"conditions": [condition]}})).unwrap()
        };
        let cases = [
            (of(json!(60), "Complete"), 130, Some(30)),
            (of(json!(60), "Failed"), 160, Some(0)),
            (of(json!(0), "Failed"), 100, Some(0)),
            (of(json!(60), "SuccessCriteriaMet"), 500, None),
            (of(Value::Null, "Complete"), 500, None),
        ];
        for (job, now, expected) in cases {
            assert_eq!(left(&job, clock(now)), expected.map(Duration::from_secs), "{now}");
        }
    }
}
