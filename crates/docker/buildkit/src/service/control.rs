//! `moby.buildkit.v1.Control`.

use std::sync::Arc;

use super::cache::cache_exports;
use super::caps::{version, worker};
use super::export::exports;
use super::filters::{Filters, of_usage};
use super::gateway::Frontend;
use super::sbom::Sbom;
use super::solve::Aids;
use super::{Door, is_set};
use crate::build::{CacheImport, CacheSource, Prune, Usage};
use crate::frontend::cache_import;
use crate::grpc::{Code, Reply, Status};
use crate::job::{Asked, Job, Known, Outcome};
use crate::policy::Policies;
use crate::progress::{Progress, timestamp};
use crate::proto::control::{
    CacheOptions, DiskUsageRequest, DiskUsageResponse, InfoRequest, InfoResponse, ListWorkersRequest,
    ListWorkersResponse, PruneRequest, SolveRequest, SolveResponse, StatusRequest, UsageRecord,
};
use crate::provenance::Provenance;
use crate::trace::Context;

/// Entitlements that a build may be given.
const ENTITLEMENTS: [&str; 2] = ["network.host", "security.insecure"];

impl Door {
    pub(super) async fn info(&self, _: InfoRequest) -> Result<InfoResponse, Status> {
        Ok(InfoResponse {
            buildkit_version: Some(version()),
        })
    }

    pub(super) async fn list_workers(
        &self,
        asked: ListWorkersRequest,
    ) -> Result<ListWorkersResponse, Status> {
        refuse_filters(&asked.filter)?;
        Ok(ListWorkersResponse {
            record: vec![worker(&*self.builds)],
        })
    }

    pub(super) async fn disk_usage(&self, asked: DiskUsageRequest) -> Result<DiskUsageResponse, Status> {
        let chosen = Filters::read(&asked.filter)?;
        let before = (asked.age_limit > 0).then(|| self.before(asked.age_limit));
        let usage = self.builds.usage().await?.into_iter();
        let old = usage.filter(|usage| before.is_none_or(|before| usage.last_used <= before));
        let old = old.filter(|usage| chosen.fit(&|field| of_usage(usage, field)));
        Ok(DiskUsageResponse {
            record: old.map(record).collect(),
        })
    }

    pub(super) async fn prune(&self, asked: PruneRequest, reply: &Reply) -> Result<(), Status> {
        let bytes = |asked: i64| u64::try_from(asked).unwrap_or(0);
        let chosen = Filters::read(&asked.filter)?;
        let ids = match chosen.is_empty() {
            true => None,
            false => {
                let usage = self.builds.usage().await?.into_iter();
                Some(
                    usage
                        .filter(|usage| chosen.fit(&|field| of_usage(usage, field)))
                        .map(|usage| usage.id)
                        .collect(),
                )
            }
        };
        let prune = Prune {
            ids,
            all: asked.all,
            unused_since: (asked.keep_duration > 0).then(|| self.before(asked.keep_duration)),
            reserved: bytes(asked.reserved_space),
            max_used: bytes(asked.max_used_space),
            min_free: bytes(asked.min_free_space),
        };
        for usage in self.builds.prune(prune).await? {
            reply.send(&record(usage)).await?;
        }
        Ok(())
    }

    /// `Status`: everything from the beginning on, until the build is over.
    pub(super) async fn status(&self, asked: StatusRequest, reply: &Reply) -> Result<(), Status> {
        let job = match self.jobs.known(&asked.r#ref).await? {
            Known::Live(job) => job,
            Known::Past(past) => {
                for message in self.jobs.told(past).await? {
                    reply.send(&message).await?;
                }
                return Ok(());
            }
        };
        let mut told = 0;
        loop {
            let messages = job.progress.after(told).await;
            if messages.is_empty() {
                return Ok(());
            }
            told += messages.len();
            for message in &messages {
                reply.send(message).await?;
            }
        }
    }

    /// `Solve`: a whole build. Dropping the future cancels it, and so does the end of its session.
    pub(super) async fn solve(
        &self,
        asked: SolveRequest,
        trace: Option<Context>,
    ) -> Result<SolveResponse, Status> {
        refuse(&asked)?;
        let exports = exports(&asked)?;
        let provenance = Provenance::asked(&asked.frontend_attrs)?;
        let sbom = Sbom::asked(&asked.frontend_attrs)?;
        let policies = Policies::read(asked.source_policy.iter())?;
        let caches = cache_exports(asked.cache.as_ref())?;
        let cache_from = cache_from(asked.cache.as_ref())?;
        let session = self.sessions.get(&asked.session).await?;
        if asked.enable_session_exporter
            && let Some(kind) = session.exporters().await?.first()
        {
            return Err(Status::unimplemented(format!(
                "the session's exporter {kind} is not supported yet"
            )));
        }
        let progress = Progress::new(&asked.r#ref, self.clock.clone());
        let described = Asked {
            frontend: asked.frontend.clone(),
            options: asked.frontend_attrs.clone(),
            exporters: asked.exporters.clone(),
            entitlements: asked.entitlements.clone(),
            inputs: asked.frontend_inputs.clone(),
            policies: Arc::new(policies),
            internal: asked.internal,
            trace,
        };
        let running = self
            .jobs
            .begin(Job::new(&asked.r#ref, described, session.clone(), progress))?;
        let job = running.job.clone();
        let work = async {
            let built = self.made(&job, &asked, cache_from).await?;
            let no_cache = asked.frontend_attrs.get("no-cache").is_some_and(String::is_empty);
            let built = self.scanned(&job, built, sbom.as_ref(), no_cache).await?;
            let built = self.dressed(built).await?;
            let built = self.with_inline_cache(&job, built, &caches).await?;
            let said = self.predicates(&job, &built, provenance.as_ref()).await?;
            self.note_predicates(&job, &built).await;
            let mut response = self.export(&job, (built.clone(), said), exports).await?;
            response.extend(self.export_caches(&job, &built, caches).await?);
            Ok(response)
        };
        let outcome = tokio::select! {
            biased;
            outcome = work => outcome,
            () = session.ended() => Err(Status::new(Code::Cancelled, "the client's session ended")),
        };
        job.containers.release().await;
        running.ended(outcome.clone()).await;
        let exporter_response = outcome.map_err(Status::without_command)?;
        Ok(SolveResponse { exporter_response })
    }

    /// What a build makes: of its definition, by the frontend that it names, or by its client's own.
    async fn made(
        &self,
        job: &Arc<Job>,
        asked: &SolveRequest,
        caches: Vec<CacheImport>,
    ) -> Result<Outcome, Status> {
        match (&*asked.frontend, &asked.definition) {
            ("", Some(definition)) if is_set(Some(definition)) => {
                self.solved_with(job, definition, Aids::cached(caches)).await
            }
            ("", _) => job.given_back().await,
            (name, _) => {
                let wanted = Frontend {
                    name: name.to_owned(),
                    options: asked.frontend_attrs.clone(),
                    inputs: asked.frontend_inputs.clone(),
                    caches,
                };
                self.frontend(job, wanted).await
            }
        }
    }
}

fn refuse_filters(filters: &[String]) -> Result<(), Status> {
    // The client sends an empty one where it has none.
    match filters.iter().find(|filter| !filter.is_empty()) {
        Some(filter) => Err(Status::unimplemented(format!(
            "filter {filter} is not supported yet"
        ))),
        None => Ok(()),
    }
}

fn record(usage: Usage) -> UsageRecord {
    UsageRecord {
        id: usage.id,
        mutable: false,
        shared: usage.shared,
        in_use: usage.in_use,
        size: i64::try_from(usage.size).unwrap_or(i64::MAX),
        created_at: timestamp(usage.created),
        last_used_at: timestamp(usage.last_used),
        usage_count: i64::try_from(usage.uses).unwrap_or(i64::MAX),
        description: usage.description,
        record_type: usage.kind,
        parents: usage.parents,
        ..UsageRecord::default()
    }
}

/// What a build may not ask for yet.
fn refuse(asked: &SolveRequest) -> Result<(), Status> {
    let entitlement = asked
        .entitlements
        .iter()
        .find(|each| !ENTITLEMENTS.contains(&&each[..]));
    let table = [
        (
            is_set(asked.definition.as_ref()) && !asked.frontend.is_empty(),
            "a definition beside a frontend makes no sense".to_owned(),
        ),
        (
            !asked.source_policy_session.is_empty(),
            "source policies that a session decides are not supported yet".to_owned(),
        ),
        (
            asked.proxy_network,
            "a proxy network is not supported yet".to_owned(),
        ),
        (
            entitlement.is_some(),
            format!(
                "entitlement {} is not supported yet",
                entitlement.map_or("", |each| each)
            ),
        ),
        (
            asked.r#ref.is_empty() || asked.r#ref.len() > 256,
            "the build has no reference".to_owned(),
        ),
    ];
    match table.into_iter().find(|(refused, _)| *refused) {
        Some((_, reason)) => Err(Status::unimplemented(reason)),
        None => Ok(()),
    }
}

/// Caches whose steps may be used.
fn cache_from(cache: Option<&CacheOptions>) -> Result<Vec<CacheImport>, Status> {
    let Some(cache) = cache else {
        return Ok(Vec::new());
    };
    let imports = cache
        .imports
        .iter()
        .map(|import| cache_import(&import.r#type, &import.attrs));
    let mut imported = imports.collect::<Result<Vec<_>, Status>>()?;
    imported.extend(
        cache
            .import_refs_deprecated
            .iter()
            .cloned()
            .map(|name| CacheSource::Registry(name).into()),
    );
    Ok(imported)
}
