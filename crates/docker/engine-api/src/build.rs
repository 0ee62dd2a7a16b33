//! `POST /build` and the build cache: the HTTP side. What a Dockerfile means is the builder's.

mod pruning;
mod pulling;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::sync::Arc;

use builder::{Asker, BuildContext, BuildError, BuildRequest, MAX_CONTEXT, Progress, Services, build_tags};
use bytes::Bytes;
use engine::spec::Resources;
use image::{Digest, Reference};
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

pub(crate) use pruning::{Keep, cache_records, prune};
pub(crate) use pulling::Pulling;

use crate::Api;
use crate::api::blocking;
use crate::containers::create::platform;
use crate::convert::create::resources;
use crate::coverage;
use crate::error::ApiError;
use crate::server::body::{BodyReader, BodySender};
use crate::server::call::Call;
use crate::server::query::Query;
use crate::server::reply::{JSON, Reply};
use crate::server::version::ApiVersion;
use crate::stream::progress;
use crate::wire::host_config::{HostConfig, Ulimit};

/// Messages of a build that wait for a slow client.
const WAITING: usize = 64;

/// `POST /build`. Until the first line of output an error is an HTTP status, afterwards it is the
/// last line of the stream.
pub(crate) async fn build(call: Call<Api>) -> Result<Reply, ApiError> {
    let asked = Asked::parse(&call.query, call.version)?;
    // What is no platform is told before anything is read.
    asked.platform.as_deref().map(platform).transpose()?;
    let pull = Pulling::new(&call);
    let (api, aux, nameless) = (call.state.clone(), call.version.since(30), asked.tags.is_empty());
    let context = match call.query.get("remote") {
        "" => BuildContext::Archive(spool(&api, call.reader()).await?),
        // As dockerd has it: what is fetched of a repository has its history.
        remote => api.builder.remote(remote, true, Asker::default()).await?,
    };
    let request = asked.request(context, pull);
    let (output, mut progress) = mpsc::channel(WAITING);
    let worker = api.clone();
    let mut building = Building(tokio::spawn(async move {
        let (built, _held) = worker.builder.build_held(request, output).await?;
        if nameless {
            // Its id is all that whoever built it has.
            let images = worker.images().clone();
            let noted = tokio::task::spawn_blocking(move || images.note_result(&built)).await;
            noted.map_err(|cause| BuildError::Step(cause.to_string()))??;
        }
        Ok(built)
    }));
    let Some(first) = progress.recv().await else {
        let id = building.end().await?;
        let (sender, reply) = Reply::stream(JSON);
        sender.send(progress::stream(&format!("{id}\n"))).await;
        return Ok(reply);
    };
    let (sender, reply) = Reply::stream(JSON);
    tokio::spawn(async move {
        let mut next = Some(first);
        while let Some(message) = next {
            if let Some(line) = line(message, aux)
                && !sender.send(line).await
            {
                return;
            }
            // `recv` is cancel-safe; dropping `building` ends the build.
            next = tokio::select! {
                biased;
                () = sender.closed() => return,
                message = progress.recv() => message,
            };
        }
        tell_end(&sender, building.end().await).await;
    });
    Ok(reply)
}

async fn tell_end(sender: &BodySender, ended: Result<Digest, BuildError>) {
    if let Err(error) = ended {
        let code = error.code();
        sender
            .send(progress::failed(&ApiError::from(error).message, code))
            .await;
    }
}

fn line(message: Progress, aux: bool) -> Option<Bytes> {
    match message {
        Progress::Stream(text) => Some(progress::stream(&text)),
        Progress::Aux(id) => aux.then(|| progress::line(&json!({ "aux": { "ID": id.to_string() } }))),
    }
}

/// A build that ends when nobody waits for it any more.
struct Building(JoinHandle<Result<Digest, BuildError>>);

impl Building {
    async fn end(&mut self) -> Result<Digest, BuildError> {
        (&mut self.0)
            .await
            .unwrap_or_else(|cause| Err(BuildError::Step(format!("the build ended unexpectedly: {cause}"))))
    }
}

impl Drop for Building {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What a query asks for.
struct Asked {
    query: Query,
    tags: Vec<Reference>,
    args: BTreeMap<String, Option<String>>,
    labels: BTreeMap<String, String>,
    cache_from: Vec<String>,
    resources: Resources,
    shm_size: u64,
    platform: Option<String>,
}

/// A parameter that is JSON.
fn json_value<T: DeserializeOwned + Default>(
    query: &Query,
    name: &str,
    context: &str,
) -> Result<T, ApiError> {
    match query.text(name) {
        None => Ok(T::default()),
        Some(text) => serde_json::from_str::<Option<T>>(text)
            .map(Option::unwrap_or_default)
            .map_err(|cause| ApiError::bad(format!("{context}: {cause}"))),
    }
}

impl Asked {
    fn parse(query: &Query, version: ApiVersion) -> Result<Self, ApiError> {
        refuse(query, version)?;
        let tags: Vec<_> = query.all("t").map(String::from).collect();
        Ok(Self {
            tags: build_tags(&tags)?,
            args: json_value(query, "buildargs", "error reading build args")?,
            labels: json_value(query, "labels", "error reading labels")?,
            cache_from: json_value(query, "cachefrom", "error reading cache-from")?,
            resources: limits(query)?,
            shm_size: query
                .integer("shmsize")?
                .map_or(Ok(0), u64::try_from)
                .map_err(|_| ApiError::bad("SHM size can not be less than 0"))?,
            platform: query
                .text("platform")
                .filter(|_| version.since(32))
                .map(String::from),
            query: query.clone(),
        })
    }

    fn request(self, context: BuildContext, pull: Pulling) -> BuildRequest {
        let Self { query, .. } = &self;
        BuildRequest {
            dockerfile: query.get("dockerfile").to_owned(),
            target: query.text("target").map(String::from),
            no_cache: query.bool("nocache"),
            pull: query.bool("pull"),
            rm: query.bool("forcerm") || query.get("rm").is_empty() || query.bool("rm"),
            force_rm: query.bool("forcerm"),
            stay: true,
            network_mode: query.get("networkmode").to_owned(),
            extra_hosts: query.all("extrahosts").map(String::from).collect(),
            quiet: query.bool("q"),
            squash: query.bool("squash"),
            tags: self.tags,
            args: self.args,
            labels: self.labels,
            resources: self.resources,
            shm_size: self.shm_size,
            platform: self.platform,
            cache_from: self.cache_from,
            services: Services {
                pull: Some(Arc::new(pull)),
                ..Services::default()
            },
            ..BuildRequest::new(context)
        }
    }
}

/// What upstream refuses, and what is not there yet.
fn refuse(query: &Query, version: ApiVersion) -> Result<(), ApiError> {
    match query.get("version") {
        "" | "1" => {}
        "2" => {
            return Err(ApiError::unsupported(
                "BuildKit through POST /build is not supported yet: use buildx, or build with DOCKER_BUILDKIT=0",
            ));
        }
        other => return Err(ApiError::bad(format!("invalid version {other:?}"))),
    }
    let isolation = query.get("isolation");
    crate::convert::create::checks::refuse([
        (
            query.has("securityopt"),
            "security options are not supported on linux".to_owned(),
        ),
        (
            !matches!(isolation.to_lowercase().as_str(), "" | "default"),
            format!("unsupported isolation: {isolation:?}"),
        ),
        (
            query.bool("squash"),
            "squash is only supported with experimental mode".into(),
        ),
    ])?;
    coverage::unsupported(
        "build",
        &[(
            "outputs",
            version.since(40) && !matches!(query.get("outputs"), "" | "null" | "[]"),
        )],
    )
}

fn limits(query: &Query) -> Result<Resources, ApiError> {
    let ulimits: Vec<Ulimit> = json_value(query, "ulimits", "error reading ulimit settings")?;
    let host = HostConfig {
        memory: query.integer_or_zero("memory"),
        memory_swap: query.integer_or_zero("memswap"),
        cpu_shares: query.integer_or_zero("cpushares"),
        cpu_period: query.integer_or_zero("cpuperiod"),
        cpu_quota: query.integer_or_zero("cpuquota"),
        cpuset_cpus: query.get("cpusetcpus").to_owned(),
        cpuset_mems: query.get("cpusetmems").to_owned(),
        cgroup_parent: query.get("cgroupparent").to_owned(),
        ulimits: Some(ulimits),
        ..HostConfig::default()
    };
    resources::cpuset(&host.cpuset_cpus, "cpus")?;
    resources::cpuset(&host.cpuset_mems, "mems")?;
    Ok(resources::resources(&host))
}

/// Takes the context in, bounded, into a file without a name.
async fn spool(api: &Arc<Api>, mut body: BodyReader) -> Result<File, ApiError> {
    let api = api.clone();
    let failed = |cause: std::io::Error| ApiError::internal(format!("receiving the build context: {cause}"));
    blocking(move || {
        let mut file = api.builder.spool().map_err(failed)?;
        let taken = std::io::copy(&mut (&mut body).take(MAX_CONTEXT), &mut file).map_err(failed)?;
        if taken == MAX_CONTEXT {
            let sentence = format!("the build context is larger than {MAX_CONTEXT} bytes");
            return Err(ApiError::new(http::StatusCode::PAYLOAD_TOO_LARGE, sentence));
        }
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        Ok(file)
    })
    .await
}

/// `POST /build/cancel`: only BuildKit gives builds an id.
pub(crate) async fn cancel(call: Call<Api>) -> Result<Reply, ApiError> {
    match call.query.get("id") {
        "" => Err(ApiError::bad("build ID not provided")),
        id => Err(ApiError::not_found(format!(
            "build {id} not found: a classic build ends when its client goes"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(query: &str) -> Result<Asked, String> {
        Asked::parse(&Query::parse(query).unwrap(), crate::NEWEST).map_err(|error| error.message)
    }

    #[test]
    fn a_query_is_read() {
        let parsed = asked(
            "t=a%2Fb&t=c:1&buildargs=%7B%22X%22%3A%221%22%2C%22Y%22%3Anull%7D&labels=%7B%22l%22%3A%22v%22%7D&memory=100000000&rm=0&nocache=1&shmsize=5&target=x",
        );
        let Ok(parsed) = parsed else { panic!("refused") };
        assert_eq!(
            parsed.tags.iter().map(Reference::familiar).collect::<Vec<_>>(),
            ["a/b:latest", "c:1"]
        );
        assert_eq!(
            (parsed.args["X"].as_deref(), parsed.args["Y"].as_deref()),
            (Some("1"), None)
        );
        assert_eq!((parsed.resources.memory, parsed.shm_size), (100_000_000, 5));
    }

    #[test]
    fn what_cannot_be_built_is_refused_in_words() {
        for (query, sentence) in [
            (
                "version=2",
                "BuildKit through POST /build is not supported yet: use buildx, or build with DOCKER_BUILDKIT=0",
            ),
            ("version=x", "invalid version \"x\""),
            ("squash=1", "squash is only supported with experimental mode"),
            ("securityopt=a", "security options are not supported on linux"),
            ("isolation=hyperv", "unsupported isolation: \"hyperv\""),
            ("outputs=%5B%7B%7D%5D", "build.outputs is not supported yet"),
            (
                "t=UP",
                "invalid reference format: repository name (library/UP) must be lowercase",
            ),
            ("shmsize=x", "strconv.Atoi: parsing \"x\": invalid syntax"),
        ] {
            assert_eq!(asked(query).err().as_deref(), Some(sentence), "{query}");
        }
        for query in ["buildargs=x", "labels=x", "cachefrom=x", "ulimits=x"] {
            assert!(
                asked(query).is_err_and(|sentence| sentence.starts_with("error reading ")),
                "{query}"
            );
        }
    }
}
