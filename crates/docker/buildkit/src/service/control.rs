//! `moby.buildkit.v1.Control`.

use std::collections::BTreeMap;

use super::caps::{map, version, worker};
use super::{Door, LLB, is_set};
use crate::build::{Built, Prune, Usage};
use crate::filesync::{send_archive, send_files};
use crate::frontend::{self, Options, shown};
use crate::grpc::{Code, Reply, Status};
use crate::job::{Asked, Job};
use crate::progress::{Progress, Step, timestamp};
use crate::proto::control::{
    CacheOptions, DiskUsageRequest, DiskUsageResponse, Exporter, InfoRequest, InfoResponse,
    ListWorkersRequest, ListWorkersResponse, PruneRequest, SolveRequest, SolveResponse, StatusRequest,
    UsageRecord,
};
use crate::thread::on_thread;

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
        refuse_filters(&asked.filter)?;
        let before = (asked.age_limit > 0).then(|| self.before(asked.age_limit));
        let usage = self.builds.usage().await?.into_iter();
        let old = usage.filter(|usage| before.is_none_or(|before| usage.last_used <= before));
        Ok(DiskUsageResponse {
            record: old.map(record).collect(),
        })
    }

    pub(super) async fn prune(&self, asked: PruneRequest, reply: &Reply) -> Result<(), Status> {
        refuse_filters(&asked.filter)?;
        let bytes = |asked: i64| u64::try_from(asked).unwrap_or(0);
        let prune = Prune {
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
        let job = self.jobs.get(&asked.r#ref).await?;
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
    pub(super) async fn solve(&self, asked: SolveRequest) -> Result<SolveResponse, Status> {
        refuse(&asked)?;
        let export = export(&asked)?;
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
            internal: asked.internal,
        };
        let running = self
            .jobs
            .begin(Job::new(&asked.r#ref, described, session.clone(), progress))?;
        let job = running.job.clone();
        let work = async {
            let built = match &*asked.frontend {
                "" => job.given_back().await?,
                "dockerfile.v0" => {
                    let mut options = Options::parse(&asked.frontend_attrs)?;
                    options.cache_from.extend(cache_from);
                    Some(frontend::build(&job, &self.builds, &self.kept, options).await?)
                }
                other => {
                    return Err(Status::unimplemented(format!(
                        "frontend {other} is not supported yet"
                    )));
                }
            };
            self.export(&job, built, export).await
        };
        let outcome = tokio::select! {
            biased;
            outcome = work => outcome,
            () = session.ended() => Err(Status::new(Code::Cancelled, "the client's session ended")),
        };
        running.ended(outcome.clone());
        let exporter_response = outcome?;
        Ok(SolveResponse { exporter_response })
    }

    async fn export(
        &self,
        job: &Job,
        built: Option<Built>,
        export: Export,
    ) -> Result<BTreeMap<String, String>, Status> {
        let Some(built) = built else {
            return Ok(BTreeMap::new());
        };
        let step = job.progress.begin(export.title());
        let exported = match export {
            Export::Nothing => {
                step.done(false);
                return Ok(BTreeMap::new());
            }
            Export::Image(names) => self.name(&step, built, names).await,
            Export::Files { archive } => self.send(&step, job, built, archive).await,
        };
        match exported {
            Ok(response) => {
                step.done(false);
                Ok(response)
            }
            Err(status) => {
                step.failed(&*status.message);
                Err(status)
            }
        }
    }

    /// The exporter `moby`: the result is in the store already and gets its names.
    async fn name(
        &self,
        step: &Step,
        built: Built,
        names: Vec<String>,
    ) -> Result<BTreeMap<String, String>, Status> {
        step.part("exporting layers", 0, 0, true);
        step.part(&format!("writing image {}", built.image), 0, 0, true);
        let names = self.builds.name(&built, names).await?;
        for name in &names {
            step.part(&format!("naming to {name}"), 0, 0, true);
        }
        let mut response = map([
            ("containerimage.config.digest", built.image.clone()),
            ("containerimage.digest", built.image),
        ]);
        if !names.is_empty() {
            response.insert("image.name".to_owned(), names.join(","));
        }
        Ok(response)
    }

    /// The exporters `local` and `tar`: the files go to the client.
    async fn send(
        &self,
        step: &Step,
        job: &Job,
        built: Built,
        archive: bool,
    ) -> Result<BTreeMap<String, String>, Status> {
        let file = self.builds.files(&built).await?;
        let session = job.session.clone();
        let sent = on_thread(Box::pin(async move {
            match archive {
                true => send_archive(&session, &file).await,
                false => send_files(&session, &file).await,
            }
        }));
        step.part(&format!("sending {}", shown(sent.await?)), 0, 0, true);
        Ok(BTreeMap::new())
    }
}

/// What becomes of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Export {
    /// Nothing but the cache (`cacheonly`).
    Nothing,
    /// Names in the image store.
    Image(Vec<String>),
    /// Its files go to the client, as an archive or one by one.
    Files {
        /// As an archive.
        archive: bool,
    },
}

impl Export {
    const fn title(&self) -> &'static str {
        match self {
            Self::Nothing => "keeping the cache",
            Self::Image(_) => "exporting to image",
            Self::Files { archive: true } => "exporting to client tarball",
            Self::Files { archive: false } => "exporting to client directory",
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
        in_use: usage.in_use,
        size: i64::try_from(usage.size).unwrap_or(i64::MAX),
        created_at: timestamp(usage.created),
        last_used_at: timestamp(usage.last_used),
        usage_count: i64::try_from(usage.uses).unwrap_or(i64::MAX),
        description: usage.description,
        record_type: "regular".to_owned(),
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
        (is_set(asked.definition.as_ref()), LLB.to_owned()),
        (!asked.frontend_inputs.is_empty(), LLB.to_owned()),
        (
            is_set(asked.source_policy.as_ref()) || !asked.source_policy_session.is_empty(),
            "source policies are not supported yet".to_owned(),
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

/// What becomes of the result.
fn export(asked: &SolveRequest) -> Result<Export, Status> {
    let deprecated = Exporter {
        r#type: asked.exporter_deprecated.clone(),
        attrs: asked.exporter_attrs_deprecated.clone(),
    };
    let exporters = match &asked.exporters[..] {
        [] if !deprecated.r#type.is_empty() => std::slice::from_ref(&deprecated),
        exporters => exporters,
    };
    match exporters {
        [] => Ok(Export::Nothing),
        [exporter] => match &*exporter.r#type {
            "moby" | "image" => image_names(exporter).map(Export::Image),
            kind @ ("tar" | "local") => refuse_attributes(exporter).map(|()| Export::Files {
                archive: kind == "tar",
            }),
            other => Err(Status::unimplemented(format!(
                "exporter {other} is not supported yet"
            ))),
        },
        _ => Err(Status::unimplemented("several exporters are not supported yet")),
    }
}

fn refuse_attributes(exporter: &Exporter) -> Result<(), Status> {
    let inert =
        |name: &str, value: &str| name == "dest" || matches!((name, value), ("platform-split", "false"));
    match exporter.attrs.iter().find(|(name, value)| !inert(name, value)) {
        Some((name, _)) => {
            let sentence = format!("{name} of the exporter {} is not supported yet", exporter.r#type);
            Err(Status::unimplemented(sentence))
        }
        None => Ok(()),
    }
}

fn image_names(exporter: &Exporter) -> Result<Vec<String>, Status> {
    let mut names = Vec::new();
    for (name, value) in &exporter.attrs {
        match &**name {
            "name" => names.extend(value.split(',').filter(|name| !name.is_empty()).map(String::from)),
            // The store's images are what they are: unpacked, and not in OCI's words until they are pushed.
            "unpack" | "store" => {}
            "push" | "push-by-digest" | "oci-mediatypes" | "name-canonical"
                if matches!(&**value, "" | "false") => {}
            _ => {
                let sentence = format!("{name} of the image exporter is not supported yet");
                return Err(Status::unimplemented(sentence));
            }
        }
    }
    Ok(names)
}

/// Images whose steps may be used; the other kinds are refused.
pub(super) fn cache_from(cache: Option<&CacheOptions>) -> Result<Vec<String>, Status> {
    let Some(cache) = cache else {
        return Ok(Vec::new());
    };
    if let Some(export) = cache.exports.first() {
        let sentence = format!("exporting the cache to {} is not supported yet", export.r#type);
        return Err(Status::unimplemented(sentence));
    }
    if !cache.export_ref_deprecated.is_empty() {
        return Err(Status::unimplemented("exporting the cache is not supported yet"));
    }
    let imports = cache
        .imports
        .iter()
        .map(|import| (&*import.r#type, &import.attrs));
    let imported: Result<Vec<String>, Status> =
        imports.map(|(kind, attrs)| cache_import(kind, attrs)).collect();
    let mut imported = imported?;
    imported.extend(cache.import_refs_deprecated.iter().cloned());
    Ok(imported)
}

/// The image of a cache import.
pub(super) fn cache_import(kind: &str, attrs: &BTreeMap<String, String>) -> Result<String, Status> {
    match (kind, attrs.get("ref")) {
        ("registry", Some(reference)) => Ok(reference.clone()),
        _ => Err(Status::unimplemented(format!(
            "importing the cache from {kind} is not supported yet"
        ))),
    }
}
