//! Walks a graph of LLB, with the executor and the cache that Dockerfiles are built with: each vertex is a task that begins
//! once what it needs is there, and is taken from the cache or carried out.
//!
//! A result is an image without a configuration, or the files of a client's directory as they came; the latter become an
//! image only where one is needed.

mod build;
mod exec;
mod file;
mod owners;
mod pile;
mod source;

use std::collections::BTreeMap;
use std::sync::Arc;

use ::llb::{Graph, Op, Vertex};
use image::archive::Wanted;
use image::{Digest, HistoryRow, ImageConfig, RunConfig};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::Driver;
use crate::cache::KeyParts;
use crate::executor::{Executor, Step, Work};
use crate::tree::Tree;
use crate::watch::{VertexName, WatchedStep};
use crate::{BuildError, platform};

/// What a vertex has made.
#[derive(Clone)]
pub(super) enum Product {
    /// An image; nothing at all if there is none.
    Image(Option<Digest>),
    /// Files.
    Files(Arc<dyn Tree>),
}

/// What the door has brought for a source.
#[derive(Clone)]
pub(crate) enum Given {
    /// A directory of the client.
    Files(Arc<dyn Tree>),
    /// An image.
    Image(Digest),
}

/// What vertices have made, and whether all of it was in the cache.
type Made = (Vec<Product>, bool);

/// A graph that is walked.
struct Walk {
    graph: Graph,
    given: BTreeMap<Digest, Given>,
}

impl<E: Executor + 'static> Driver<E> {
    /// Carries out a graph. The result is an image, which may have no files.
    ///
    /// # Errors
    /// [`BuildError`]; images of vertices that were done stay for the next build.
    pub(crate) async fn solve(
        self,
        graph: Graph,
        given: BTreeMap<Digest, Given>,
    ) -> Result<Digest, BuildError> {
        let wanted = graph.result;
        let walk = Arc::new(Walk { graph, given });
        let products = self.walk_graph(&walk).await?;
        let vertex = &walk.graph.vertices[wanted.vertex];
        let product = products
            .get(&wanted.vertex)
            .and_then(|products| products.get(wanted.output));
        let product = product.cloned().ok_or_else(|| missing(vertex))?;
        match self.as_image(&product).await? {
            Some(image) => Ok(image),
            None => {
                let key = self.vertex_key(vertex, None, "nothing", &[]);
                self.made(vertex, key, None, Work::Nothing).await
            }
        }
    }

    async fn walk_graph(&self, walk: &Arc<Walk>) -> Result<BTreeMap<usize, Vec<Product>>, BuildError> {
        let (stop, stopped) = watch::channel(false);
        let (mut tasks, mut products, mut failed) = (JoinSet::new(), BTreeMap::new(), None);
        let mut waiting: Vec<usize> = (0..walk.graph.vertices.len()).rev().collect();
        loop {
            if failed.is_none() {
                waiting.retain(|number| {
                    let inputs = inputs(&walk.graph.vertices[*number], &products);
                    if let Some(inputs) = inputs {
                        // Nobody reads these lines: vertices say what there is to say.
                        let (output, _lane) = self.output.lane(stopped.clone());
                        let driver = self.fork(0, 0, output);
                        let (walk, number) = (walk.clone(), *number);
                        tasks.spawn(async move { (number, driver.vertex(&walk, number, inputs).await) });
                        return false;
                    }
                    true
                });
            }
            let Some(ended) = tasks.join_next().await else {
                break;
            };
            match ended {
                Ok((number, Ok(made))) => drop(products.insert(number, made)),
                Ok((_, Err(error))) => {
                    stop.send_replace(true);
                    // Who is ended because of another has nothing to say.
                    if matches!(failed, None | Some(BuildError::Cancelled)) {
                        failed = Some(error);
                    }
                }
                Err(_) => {
                    stop.send_replace(true);
                    failed.get_or_insert(BuildError::Step("a build step ended unexpectedly".to_owned()));
                }
            }
        }
        failed.map_or(Ok(products), Err)
    }

    /// Carries out a vertex and tells of it.
    async fn vertex(
        mut self,
        walk: &Walk,
        number: usize,
        inputs: Vec<Product>,
    ) -> Result<Vec<Product>, BuildError> {
        let vertex = &walk.graph.vertices[number];
        let step = self.begin_vertex(walk, vertex);
        self.output.watch(step.clone());
        let done = match &vertex.op {
            Op::Source(source) => self.source(vertex, source, walk.given.get(&vertex.digest)).await,
            Op::Exec(exec) => self.exec(vertex, exec, &inputs).await,
            Op::File(file) => self.file(vertex, file, &inputs).await,
            Op::Passthrough(outputs) => {
                let each = outputs.iter().map(|number| inputs.get(*number).cloned());
                let each: Option<Vec<Product>> = each.collect();
                each.map(|products| (products, true))
                    .ok_or_else(|| missing(vertex))
            }
            Op::Build { definition, file } => self.nested(file, inputs.get(*definition)).await,
            Op::Merge => self.merge(vertex, &inputs).await,
            Op::Diff { lower, upper } => {
                let side = |place: &Option<usize>| place.and_then(|place| inputs.get(place)).cloned();
                self.diff(vertex, side(lower), side(upper)).await
            }
        };
        self.output.watch(None);
        match (step, &done) {
            (Some(step), Ok((_, cached))) => step.done(*cached),
            (Some(step), Err(error)) => step.failed(error),
            (None, _) => {}
        }
        done.map(|(products, _)| products)
    }

    fn begin_vertex(&self, walk: &Walk, vertex: &Vertex) -> Option<Arc<dyn WatchedStep>> {
        // The door has told of what it has brought; of what has no name nobody is told.
        let brought = matches!(walk.given.get(&vertex.digest), Some(Given::Files(_)));
        let is_told = !brought && !vertex.name.is_empty();
        let watch = self.options.services.watch.as_ref().filter(|_| is_told)?;
        let mut inputs: Vec<String> = Vec::new();
        for edge in &vertex.inputs {
            let digest = walk.graph.vertices[edge.vertex].digest.to_string();
            if !inputs.contains(&digest) {
                inputs.push(digest);
            }
        }
        Some(watch.vertex(&VertexName {
            digest: vertex.digest.to_string(),
            name: vertex.name.clone(),
            inputs,
            group: vertex.group.clone(),
        }))
    }

    /// A product as an image; `None` for nothing at all.
    async fn as_image(&self, product: &Product) -> Result<Option<Digest>, BuildError> {
        match product {
            Product::Image(image) => Ok(*image),
            Product::Files(tree) => Ok(Some(self.files_alone(tree.clone()).await?.id)),
        }
    }

    /// The key of a vertex upon an image. What it depends on besides is told in `more`.
    fn vertex_key(&self, vertex: &Vertex, parent: Option<&Digest>, output: &str, more: &[String]) -> Digest {
        let host = platform::text(&self.platform);
        KeyParts {
            parent,
            platform: vertex.platform.as_deref().unwrap_or(&host),
            author: "",
            config: &RunConfig::default(),
            command: &["llb".to_owned(), vertex.counts.to_string(), output.to_owned()],
            script: "",
            more,
        }
        .digest()
    }

    /// The image of a key, if the cache or somebody else has it.
    async fn known(&self, vertex: &Vertex, key: &Digest) -> Result<Option<Digest>, BuildError> {
        if vertex.ignore_cache || self.options.no_cache {
            return Ok(None);
        }
        self.anywhere(key).await
    }

    /// Carries out a step of a vertex.
    async fn made(
        &self,
        vertex: &Vertex,
        key: Digest,
        parent: Option<Digest>,
        work: Work,
    ) -> Result<Digest, BuildError> {
        let step = Step {
            parent,
            config: ImageConfig {
                architecture: self.platform.architecture.clone(),
                os: self.platform.os.clone(),
                variant: self.platform.variant.clone(),
                ..ImageConfig::for_host()
            },
            history: HistoryRow {
                created: Some(self.cache.now()),
                created_by: vertex.name.clone(),
                comment: "buildkit.exporter.image.v0".to_owned(),
                ..HistoryRow::default()
            },
            work,
            epoch: None,
            wanted: Wanted::default(),
            hidden: true,
        };
        Ok(self.make(key, step).await?.id)
    }

    /// Takes a vertex with one result from the cache, or carries it out.
    async fn one(
        &self,
        vertex: &Vertex,
        key: Digest,
        parent: Option<Digest>,
        work: Work,
    ) -> Result<Made, BuildError> {
        let (image, cached) = match self.known(vertex, &key).await? {
            Some(image) => (image, true),
            None => (self.made(vertex, key, parent, work).await?, false),
        };
        Ok((vec![Product::Image(Some(image))], cached))
    }
}

/// What a vertex needs, if all of it is there.
fn inputs(vertex: &Vertex, products: &BTreeMap<usize, Vec<Product>>) -> Option<Vec<Product>> {
    let each = vertex
        .inputs
        .iter()
        .map(|edge| products.get(&edge.vertex)?.get(edge.output).cloned());
    each.collect()
}

fn missing(vertex: &Vertex) -> BuildError {
    BuildError::Step(format!("{} has made nothing", vertex.name))
}
