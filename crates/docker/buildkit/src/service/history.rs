//! The history of builds: those under way, and the last that are over.

use std::collections::BTreeMap;

use http::{HeaderName, HeaderValue};

use super::Door;
use super::records::RecordFilters;
use crate::grpc::{Code, Reply, Status};
use crate::progress::{rfc3339, timestamp};
use crate::proto::control::{
    BuildHistoryEvent, BuildHistoryEventType, BuildHistoryRecord, BuildHistoryRequest,
    UpdateBuildHistoryRequest, UpdateBuildHistoryResponse,
};

/// What time it is here.
const NOW: HeaderName = HeaderName::from_static("buildkit-current-timestamp");

impl Door {
    /// `ListenBuildHistory`: what there is, and then, unless an early exit is asked for, what happens.
    pub(super) async fn listen_history(
        &self,
        asked: BuildHistoryRequest,
        reply: &Reply,
    ) -> Result<(), Status> {
        let filters = RecordFilters::read(&asked.filter, self.clock.wall())?;
        if asked.limit < 0 {
            return Err(Status::new(
                Code::Unknown,
                format!("invalid limit {}", asked.limit),
            ));
        }
        // A client tells by it how long a build has been running.
        let now = rfc3339(timestamp(self.clock.wall()));
        if let Ok(now) = HeaderValue::from_str(&now) {
            reply.begin(NOW, now)?;
        }
        let mut changes = self.jobs.changes();
        // Whether a build was told to be over, by its reference.
        let mut told: BTreeMap<String, bool> = BTreeMap::new();
        loop {
            changes.mark_unchanged();
            for event in self.events((&asked, &filters), &mut told) {
                reply.send(&event).await?;
            }
            if asked.early_exit || changes.changed().await.is_err() {
                return Ok(());
            }
        }
    }

    /// What was not told yet.
    fn events(
        &self,
        (asked, filters): (&BuildHistoryRequest, &RecordFilters),
        told: &mut BTreeMap<String, bool>,
    ) -> Vec<BuildHistoryEvent> {
        let mut builds = self.jobs.all();
        builds.retain(|(_, record)| asked.r#ref.is_empty() || record.r#ref == asked.r#ref);
        let mut events = Vec::new();
        let gone: Vec<String> = told
            .keys()
            .filter(|id| builds.iter().all(|(_, record)| record.r#ref != **id))
            .cloned()
            .collect();
        for id in gone {
            told.remove(&id);
            let record = BuildHistoryRecord {
                r#ref: id,
                ..Default::default()
            };
            events.push(event(BuildHistoryEventType::Deleted, record));
        }
        builds.retain(|(_, record)| filters.fit(record));
        // The youngest are wanted.
        let limit = usize::try_from(asked.limit).ok().filter(|limit| *limit > 0);
        let first = limit.map_or(0, |limit| builds.len().saturating_sub(limit));
        for (over, record) in builds.drain(first..) {
            let known = told.get(&record.r#ref).copied();
            if known == Some(over) || (known.is_none() && over && asked.active_only) {
                continue;
            }
            told.insert(record.r#ref.clone(), over);
            let kind = if over {
                BuildHistoryEventType::Complete
            } else {
                BuildHistoryEventType::Started
            };
            events.push(event(kind, record));
        }
        events
    }

    pub(super) async fn update_history(
        &self,
        asked: UpdateBuildHistoryRequest,
    ) -> Result<UpdateBuildHistoryResponse, Status> {
        if asked.delete {
            self.jobs.forget(&asked.r#ref).await?;
        } else if !asked.finalize {
            self.jobs.pin(&asked.r#ref, asked.pinned).await?;
        }
        // Nothing of a record waits to be written, so it is final as it is.
        Ok(UpdateBuildHistoryResponse {})
    }
}

fn event(kind: BuildHistoryEventType, record: BuildHistoryRecord) -> BuildHistoryEvent {
    BuildHistoryEvent {
        r#type: kind.into(),
        record: Some(record),
    }
}
