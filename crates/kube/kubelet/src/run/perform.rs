//! What a worker wants done, as futures: each ends in one event.

use std::sync::Arc;
use std::time::Duration;

use client::Level;
use views::ServiceView;

use super::core::Core;
use super::{files, runtime_class};
use crate::container::{Attempt, ContainerId, ContainerIx, ImageFault, Pulled, Sandbox, StartFault, Started};
use crate::env::{self, World};
use crate::pod::{Container, Handler, Pod};
use crate::record;
use crate::resources::SERVICES;
use crate::source::{Data, SourceKey, Sources};
use crate::traits::{Ask, Outcome, ProbeTarget, Refused};
use crate::volume::Mounts;
use crate::worker::{HookKind, Outgrown, ProbeKind, ResizeFault, Told, ask, live};

/// The namespace and the names of services that every pod is told of.
const MASTER: (&str, &str) = ("default", "kubernetes");

/// Makes what the containers of a pod share.
pub(super) async fn prepare(core: &Core, pod: &Arc<Pod>) -> Result<Sandbox, Refused> {
    runtime_class::check(core, pod)?;
    core.parts.runtime.prepare(pod).await
}

/// Keys of pull secrets: Docker's configuration, and the one before it, which is its `auths` alone.
const KEYS: (&str, &str) = (".dockerconfigjson", ".dockercfg");

/// Pulls a container's image with the credentials that the pod names.
pub(super) async fn pull(core: &Core, pod: &Arc<Pod>, at: ContainerIx) -> Result<Pulled, ImageFault> {
    let names = pod.spec.image_pull_secrets.iter().map(|secret| &secret.name);
    let wanted: Vec<_> = names
        .filter(|name| !name.is_empty())
        .map(|name| SourceKey::secret(name))
        .collect();
    let there = files::read(core, &pod.namespace, wanted.iter().cloned().collect()).await;
    let there = there.unwrap_or_else(|error| {
        tracing::debug!(pod = %pod.key(), error, "pull secrets");
        Sources::new()
    });
    let missing: Vec<_> = wanted.iter().filter(|key| !there.contains_key(key)).collect();
    if !missing.is_empty() {
        let names: Vec<_> = missing.iter().map(|key| key.name.as_str()).collect();
        let message = format!(
            "Unable to retrieve some image pull secrets ({}); attempting to pull the image may not succeed.",
            names.join(", ")
        );
        let told = Told {
            of: None,
            level: Level::Warning,
            reason: "FailedToRetrieveImagePullSecret".to_owned(),
            message,
        };
        record::tell(&core.recorder, pod, told);
    }
    let keys = wanted
        .iter()
        .filter_map(|key| there.get(key))
        .filter_map(|data| docker_config(data));
    core.parts.runtime.pull(pod, at, keys.collect()).await
}

/// What a pull secret says, as Docker's configuration.
fn docker_config(secret: &Data) -> Option<Vec<u8>> {
    let old = |auths: &[u8]| [b"{\"auths\":", auths, b"}"].concat();
    let new = secret.get(KEYS.0).map(<[u8]>::to_vec);
    new.or_else(|| secret.get(KEYS.1).map(old))
}

/// What a container is started with.
pub(super) struct Start {
    pub(super) pod: Arc<Pod>,
    pub(super) at: ContainerIx,
    pub(super) attempt: Attempt,
    pub(super) address: Option<std::net::IpAddr>,
    pub(super) mounts: Arc<Mounts>,
}

/// Starts a container with its environment.
pub(super) async fn start(core: &Core, start: Start) -> Result<Started, StartFault> {
    let Some(container) = start.pod.at(start.at) else {
        return Err(StartFault::Config(
            "the container is not there any more".to_owned(),
        ));
    };
    let sources = files::read(core, &start.pod.namespace, env::needs(container)).await;
    let sources = sources.map_err(StartFault::Config)?;
    let world = World {
        pod: &start.pod,
        node: &core.facts,
        address: start.address,
        sources: &sources,
        links: &links(core, &start.pod),
    };
    let made = env::of(world, container).map_err(StartFault::Config)?;
    for message in made.skipped {
        let told = Told {
            of: Some(start.at),
            level: Level::Warning,
            reason: "InvalidEnvironmentVariableNames".to_owned(),
            message,
        };
        record::tell(&core.recorder, &start.pod, told);
    }
    let runtime = &core.parts.runtime;
    let starting = runtime.start(
        &start.pod,
        start.at,
        start.attempt,
        made.variables,
        start.mounts.clone(),
    );
    starting.await
}

/// Variables of the services that a pod is told of: the API server always, those of its namespace unless it does not want
/// them.
fn links(core: &Core, pod: &Pod) -> Vec<(String, String)> {
    let snapshot = core.parts.informers.of(&SERVICES).snapshot();
    let own = pod.spec.enable_service_links.unwrap_or(true);
    let mut chosen = std::collections::BTreeMap::new();
    let master = snapshot.get(&format!("{}/{}", MASTER.0, MASTER.1));
    let prefix = format!("{}/", pod.namespace);
    let mine = own.then(|| snapshot.range(&prefix, "")).into_iter().flatten();
    for object in master.into_iter().chain(mine) {
        if let Ok(view) = object.view::<ServiceView>() {
            chosen.insert(object.meta.name.to_string(), view);
        }
    }
    chosen
        .iter()
        .flat_map(|(name, view)| env::links(name, view))
        .collect()
}

/// Gives containers the limits that the pod says, where the node has room for it.
pub(super) async fn resize(core: &Core, pod: &Arc<Pod>, outgrown: &[Outgrown]) -> Result<(), ResizeFault> {
    core.make_room(pod)?;
    let resizing = core.parts.runtime.resize(pod, live(pod, outgrown));
    resizing.await.map_err(ResizeFault::Failed)
}

/// Runs a hook.
pub(super) async fn hook(
    core: &Core,
    pod: &Pod,
    address: Option<std::net::IpAddr>,
    at: ContainerIx,
    id: ContainerId,
    kind: HookKind,
    limit: Duration,
) -> Result<(), String> {
    let Some(container) = pod.at(at) else {
        return Ok(());
    };
    let handler = match kind {
        HookKind::PostStart => container.lifecycle.post_start.as_ref(),
        HookKind::PreStop => container.lifecycle.pre_stop.as_ref(),
    };
    let Some(handler) = handler else { return Ok(()) };
    if let Some(sleep) = handler.sleep {
        core.env
            .sleep(crate::pod::seconds(sleep.seconds).min(limit))
            .await;
        return Ok(());
    }
    let ask = hook_ask(pod, container, address, handler)?;
    core.parts.prober.hook(ProbeTarget { id, ask }, limit).await
}

fn hook_ask(
    pod: &Pod,
    container: &Container,
    address: Option<std::net::IpAddr>,
    handler: &Handler,
) -> Result<Ask, String> {
    match ask(pod, container, address, handler)? {
        // Nothing is ever connected to: the API lets the form in, and has said so since its beginning.
        Ask::Tcp { .. } => Err("invalid handler: tcpSocket is not supported for lifecycle hooks".to_owned()),
        ask => Ok(ask),
    }
}

/// Probes a container.
pub(super) async fn probe(
    core: &Core,
    pod: &Pod,
    address: Option<std::net::IpAddr>,
    at: ContainerIx,
    id: ContainerId,
    kind: ProbeKind,
) -> Outcome {
    let container = pod.at(at);
    let probe = container.and_then(|container| match kind {
        ProbeKind::Startup => container.startup_probe.as_ref(),
        ProbeKind::Liveness => container.liveness_probe.as_ref(),
        ProbeKind::Readiness => container.readiness_probe.as_ref(),
    });
    let Some((container, probe)) = container.zip(probe) else {
        return Outcome::Errored("the probe is not there any more".to_owned());
    };
    match ask(pod, container, address, &probe.handler) {
        Ok(ask) => {
            let timeout = crate::pod::seconds(probe.timeout_seconds.max(1));
            core.parts.prober.probe(ProbeTarget { id, ask }, timeout).await
        }
        Err(error) => Outcome::Errored(error),
    }
}
