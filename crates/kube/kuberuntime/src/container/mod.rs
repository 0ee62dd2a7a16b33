//! Containers of pods: made, started, stopped, removed.

pub(crate) mod message;
pub(crate) mod names;
mod security;
pub(crate) mod spec;
pub(crate) mod start;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use engine::{Container, Error, Remove, StopOptions};
use jiff::Timestamp;
use kubelet::Uid;
use kubelet::container::{ContainerId, Ended, How, ImageFound, RunsAs, Standing};

use crate::container::names::Told;
use crate::{Pods, blocking, images, logs, sandbox};

impl Pods {
    /// Every container of pods, newest first, with what its labels tell.
    pub(crate) fn rows(&self) -> Vec<(Arc<Container>, Told)> {
        let all = self.0.engine.list().into_iter();
        all.filter_map(|row| Told::by(&row).map(|told| (row, told)))
            .collect()
    }

    /// Those of one pod.
    pub(crate) fn rows_of(&self, uid: &Uid) -> Vec<(Arc<Container>, Told)> {
        let mut rows = self.rows();
        rows.retain(|(_, told)| told.uid == *uid);
        rows
    }

    /// Signals a container and kills it when its grace is over; the engine waits for its end.
    pub(crate) async fn stop_container(&self, id: ContainerId, grace: Duration) -> Result<(), String> {
        let engine = &self.0.engine;
        let stopped = if grace.is_zero() {
            engine.kill(&id, 0).await
        } else {
            // Part of a second is given whole.
            let seconds = grace.as_secs() + u64::from(grace.subsec_nanos() > 0);
            let options = StopOptions {
                signal: None,
                timeout: i64::try_from(seconds).ok(),
            };
            engine.stop(&id, options).await
        };
        match stopped {
            // It had ended before, or has gone.
            Ok(()) | Err(Error::NotModified | Error::NotFound(_) | Error::Conflict(_)) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Ends whatever runs of a pod, or of one of its containers, and removes what has never run. No two attempts of a
    /// container run at once, and nothing of a pod runs on when its end is told, whatever the kubelet has heard of.
    pub(crate) async fn end_attempts(&self, uid: &Uid, container: Option<&str>) -> Result<(), String> {
        for (row, told) in self.rows_of(uid) {
            if container.is_some_and(|name| name != told.name) {
                continue;
            }
            if row.state.status.has_process() {
                tracing::warn!(
                    container = row.name,
                    "runs although nobody knows of it, and is ended"
                );
                self.stop_container(ContainerId::new(&row.id), Duration::ZERO)
                    .await?;
            } else if standing(&row, &told) == Standing::Created {
                self.remove_container(&row.id).await;
            }
        }
        Ok(())
    }

    /// Removes a container that has ended, with its log and its last words.
    pub(crate) async fn remove_container(&self, id: &str) {
        let Ok(row) = self.0.engine.find(id) else { return };
        let Some(told) = Told::by(&row) else { return };
        let plain = Remove::default();
        match self.0.engine.remove(&row.id, plain).await {
            Ok(()) | Err(Error::NotFound(_)) => {}
            Err(error) => {
                tracing::warn!(container = row.name, %error, "a container of a pod stays");
                return;
            }
        }
        let pods = self.clone();
        blocking(move || pods.remove_files(&row, &told)).await;
    }

    /// What a container that is gone has left on the disk; with a pod's last container goes its directory.
    fn remove_files(&self, row: &Container, told: &Told) {
        let paths = &self.0.paths;
        let link = paths.log_link(&told.pod, &told.namespace, &told.name, &row.id);
        let message = paths.message(&told.uid, &told.name, told.attempt);
        let removed = [
            sandbox::gone(std::fs::remove_file(link)),
            sandbox::gone(std::fs::remove_file(&message)),
            row.log_path.as_deref().map_or(Ok(()), logs::remove),
        ];
        for error in removed.into_iter().filter_map(Result::err) {
            tracing::warn!(container = row.name, %error, "a file of a container stays");
        }
        message.parent().map(logs::remove_empty);
        self.forget_if_gone(&told.uid, &told.namespace, &told.pod);
    }

    /// Removes the directories of a pod of which nothing is there any more.
    pub(crate) fn forget_if_gone(&self, uid: &Uid, namespace: &str, name: &str) {
        if self.0.paths.sandbox(uid).exists() || !self.rows_of(uid).is_empty() {
            return;
        }
        let directories = [self.0.paths.pod(uid), self.0.paths.pod_logs(namespace, name, uid)];
        for directory in directories {
            if let Err(error) = sys::tree::remove(&directory) {
                tracing::warn!(directory = %directory.display(), %error, "a directory of a pod stays");
            }
        }
    }

    /// What the containers of a pod have written to their own layers and logs, in bytes, by name.
    pub(crate) fn written_by(&self, uid: &Uid) -> BTreeMap<String, u64> {
        let mut written = BTreeMap::new();
        for (row, told) in self.rows_of(uid) {
            let layer = self.0.engine.images().rootfs(&row.id);
            let layer = layer.and_then(|layer| layer.size().ok()).unwrap_or(0);
            let logs = row.log_path.as_deref().map_or(0, logs::size);
            *written.entry(told.name).or_insert(0) += layer + logs;
        }
        written
    }

    /// Whom a container runs as, as far as its files can be read.
    pub(crate) fn runs_as(&self, id: &str) -> Option<RunsAs> {
        let user = self.0.engine.user(id).ok()?;
        Some(RunsAs {
            uid: user.uid.into(),
            gid: user.gid.into(),
            supplemental_groups: user.groups.into_iter().map(Into::into).collect(),
        })
    }
}

/// The image of a container, as statuses show it.
pub(crate) fn image_of(row: &Container) -> ImageFound {
    let image = row.image.as_ref();
    ImageFound {
        image: image
            .map(|image| images::shown(&image.reference))
            .unwrap_or_default(),
        id: image.map(|image| image.id.clone()).unwrap_or_default(),
    }
}

/// How a container stands. It may read its last words from the disk.
pub(crate) fn standing(row: &Container, told: &Told) -> Standing {
    let state = &row.state;
    match state.started_at {
        // Whatever has a process runs.
        at if state.status.has_process() => Standing::Running(at.unwrap_or(row.created).into()),
        None if state.error.is_empty() => Standing::Created,
        _ => Standing::Ended(ended(row, told)),
    }
}

/// How a container ended.
pub(crate) fn ended(row: &Container, told: &Told) -> Ended {
    let state = &row.state;
    let how = match state.started_at {
        None => How::NotStarted,
        Some(_) if state.oom_killed => How::OutOfMemory,
        Some(_) if state.unseen => How::Unknown,
        Some(_) => How::Exited,
    };
    Ended {
        how,
        code: state.exit_code,
        started: state.started_at.map(Into::into),
        finished: finished(state.finished_at.unwrap_or(row.created)),
        message: match how {
            How::NotStarted => not_started(&state.error),
            _ => last_words(row, told),
        },
    }
}

/// Why a program could not be started, as users of containerd know it; the engine's words are docker's.
pub(crate) fn not_started(error: &str) -> String {
    let reason = error
        .strip_prefix("failed to create task for container: ")
        .unwrap_or(error);
    format!("failed to create containerd task: {reason}")
}

fn finished(at: Timestamp) -> SystemTime {
    at.into()
}

/// Its last words, by its policy.
fn last_words(row: &Container, told: &Told) -> String {
    let mounted = row
        .mounts
        .iter()
        .find(|mount| mount.destination == told.message_path);
    let said = mounted
        .map(|mount| message::of_file(mount.source.as_ref()))
        .unwrap_or_default();
    let log = row.log_path.as_deref();
    match log.filter(|_| said.is_empty() && told.falls_back && row.state.exit_code != 0) {
        Some(log) => message::of_log(log),
        None => said,
    }
}
