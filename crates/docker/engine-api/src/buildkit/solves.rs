//! Graphs of LLB, by the node's builder.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use ::buildkit::{Built, Code, Compression, Held, Material, Packing, Progress, Solving, Status};
use builder::{Builder, Entitlements, Given, Nested, Sent, SolveRequest, Solved};
use bytes::Bytes;
use distribution::Registries;
use engine::Engine;
use image::{Digest, ImageConfig};
use llb::{Op, Source as From};
use serde_json::Value;
use tokio::sync::mpsc;

use super::builds::config;
use super::caches::{Caches, layers};
use super::contexts::context;
use super::materials::Materials;
use super::origin::{Source, failed, lease, refused, register};
use super::services::services;
use super::vertices::{self, Vertices};
use crate::api::blocking;
use crate::error::ApiError;

/// Messages of a build that wait for the door.
const WAITING: usize = 64;

/// Carries out a graph.
///
/// # Errors
/// The builder's, in BuildKit's words.
pub(super) async fn solve(
    (engine, builder, registries): (&Engine, &Builder, Registries),
    solving: Solving,
    progress: Arc<Progress>,
) -> Result<Built, Status> {
    let mut services = services(solving.session.clone(), registries.clone(), builder.directory());
    let materials = Arc::new(Materials::over(builder.fetch()));
    let images = engine.images().clone();
    let wanted = (solving.cache_from.clone(), &*solving.policies);
    let caches = Caches::open(
        (engine, builder, &registries),
        wanted,
        &solving.session,
        &progress,
    );
    let caches = Arc::new(caches.await);
    let within = Arc::new(Within::of(solving.nested.clone()));
    services.watch = Some(Arc::new(Vertices::new(progress, images, materials.clone())));
    services.fetch = Some(materials.clone());
    services.steps = Some(caches.clone());
    services.nested = Some(within.clone());
    let allowed = |what: &str| solving.entitlements.iter().any(|entitlement| entitlement == what);
    let request = SolveRequest {
        given: given(engine, builder, &solving).await?,
        no_cache: false,
        services,
        entitlements: Entitlements {
            network_host: allowed("network.host"),
            security_insecure: allowed("security.insecure"),
        },
        graph: solving.graph,
    };
    let (output, mut messages) = mpsc::channel(WAITING);
    // The classic builder's lines: vertices say what there is to say.
    let heard = async { while messages.recv().await.is_some() {} };
    // The builder drops the sender at its end; dropping both cancels the build.
    let (built, ()) = tokio::join!(builder.solve_held(request, output), heard);
    match built {
        Ok((id, lease)) => {
            let (mut steps, mut found) = within.made();
            steps.append(&mut caches.steps());
            found.append(&mut materials.found());
            config(engine, &id, (steps, found), Held::by(lease))
        }
        Err(error) => {
            let status = vertices::status(&error);
            Err(within.failure(&status.message).unwrap_or(status))
        }
    }
}

/// The steps of a result, and what it was made of.
type Made = (Vec<(String, String)>, Vec<Material>);

/// Definitions within one, as the builder asks for them.
struct Within {
    nested: Arc<dyn ::buildkit::Nested>,
    made: Arc<Mutex<Made>>,
    /// Why one failed: the builder only knows the sentence.
    failed: Arc<Mutex<Option<Status>>>,
}

impl Within {
    fn of(nested: Arc<dyn ::buildkit::Nested>) -> Self {
        let (made, failed) = (Arc::default(), Arc::default());
        Self { nested, made, failed }
    }

    fn made(&self) -> Made {
        std::mem::take(&mut *self.made.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The failure with this sentence, with all that is known of it.
    fn failure(&self, sentence: &str) -> Option<Status> {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner).take();
        failed.filter(|failed| failed.message == sentence)
    }
}

impl Nested for Within {
    fn solve(&self, definition: Vec<u8>) -> Sent<Result<Solved, String>> {
        let (nested, made, failed) = (self.nested.clone(), self.made.clone(), self.failed.clone());
        Box::pin(async move {
            match nested.solve(definition).await {
                Ok(mut built) => {
                    let image = built.image.parse::<Digest>().map_err(|cause| cause.to_string())?;
                    let mut made = made.lock().unwrap_or_else(PoisonError::into_inner);
                    made.0.append(&mut built.steps);
                    made.1.append(&mut built.materials);
                    let keeps = Box::new(built.held);
                    Ok(Solved { image, keeps })
                }
                Err(status) => {
                    let sentence = status.message.clone();
                    *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(status);
                    Err(sentence)
                }
            }
        })
    }
}

/// What the door brings: the client's directories and layouts, and results of ours.
async fn given(
    engine: &Engine,
    builder: &Builder,
    solving: &Solving,
) -> Result<BTreeMap<Digest, Given>, Status> {
    let mut given = BTreeMap::new();
    for (vertex, files) in &solving.files {
        let files = context(files)?;
        given.insert(vertex.parse().map_err(failed)?, Given::Files(files));
    }
    for (vertex, image) in &solving.images {
        let image = image.parse().map_err(failed)?;
        given.insert(vertex.parse().map_err(failed)?, Given::Image(image));
    }
    for vertex in &solving.graph.vertices {
        let Op::Source(From::Layout(layout)) = &vertex.op else {
            continue;
        };
        if layout
            .session
            .as_ref()
            .is_some_and(|id| *id != solving.session.head().id)
        {
            return Err(Status::unimplemented(format!(
                "the layout {} of another session is not supported",
                layout.store
            )));
        }
        let source = Source::Local(solving.session.clone(), format!("oci:{}", layout.store));
        let digest = layout.digest.parse().map_err(failed)?;
        let image = source
            .image(engine.images(), builder, digest, &image::Platform::host())
            .await?;
        given.insert(vertex.digest, Given::Image(image));
    }
    Ok(given)
}

/// A result with another configuration: its layers are its own, and so is its history where the other one tells of other
/// layers.
///
/// # Errors
/// The configuration is none; the store's.
pub(super) async fn dressed(engine: Engine, built: Built, wanted: Vec<u8>) -> Result<Built, Status> {
    let own: Value = serde_json::from_slice(&built.config).map_err(failed)?;
    let mut config: Value = serde_json::from_slice(&wanted).map_err(failed)?;
    if !config.is_object() {
        return Err(failed("failed to parse the image's configuration"));
    }
    config["rootfs"] = own["rootfs"].clone();
    if !tells(&config["history"], &own["rootfs"]) {
        config["history"] = own["history"].clone();
    }
    for name in ["architecture", "os", "created"] {
        if config[name].as_str().unwrap_or_default().is_empty() {
            config[name] = own[name].clone();
        }
    }
    if config == own {
        return Ok(built);
    }
    let config = Bytes::from(config.to_string());
    ImageConfig::parse(&config).map_err(failed)?;
    let images = engine.images().clone();
    let done = blocking(move || {
        let id: Digest = built.image.parse().map_err(|_| ApiError::bad("no such result"))?;
        // Two builds may make the same at once.
        let (lease, held) = (lease(&images)?, lease(&images)?);
        let count = images.get(&id).map_or(0, |image| image.layers.len());
        // As they are, if they are here; those that came from elsewhere may have to be made.
        let uncompressed = Packing {
            compression: Some(Compression::None),
            ..Packing::default()
        };
        let mut own = layers(&images, &lease, &id, uncompressed)?;
        if own.len() != count {
            own = layers(&images, &lease, &id, Packing::default())?;
        }
        let image = register(&images, Arc::new(lease), config.clone(), own)?;
        held.add(&image)?;
        Ok::<_, ApiError>(Built {
            image: image.to_string(),
            config: config.into(),
            held: Held::by((built.held.clone(), held)),
            ..built
        })
    });
    done.await
        .map_err(|error| Status::new(Code::Internal, refused(error).message))
}

/// Whether a history tells of as many layers as there are.
fn tells(history: &Value, rootfs: &Value) -> bool {
    let rows = history.as_array().map_or(&[][..], Vec::as_slice);
    let told = rows.iter().filter(|row| row["empty_layer"] != Value::Bool(true));
    Some(told.count()) == rootfs["diff_ids"].as_array().map(Vec::len)
}
