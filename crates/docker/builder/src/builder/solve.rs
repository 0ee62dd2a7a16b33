//! Graphs of LLB.

use std::collections::BTreeMap;

use image::{Digest, Images, Lease};
use tokio::sync::mpsc;

use super::files::{Scratch, open_files};
use super::{Builder, apart, keep};
use crate::driver::{Driver, Given as Brought, Options, blocking};
use crate::node::Containers;
use crate::output::Output;
use crate::request::Dialect;
use crate::services::Services;
use crate::solve::{Given, SolveRequest};
use crate::{BuildError, Progress};

impl Builder {
    /// Carries out a graph of LLB. The result is an image without a configuration; while the lease lasts, nobody removes
    /// it. Dropping the future, or the receiver of the messages, cancels it.
    ///
    /// # Errors
    /// [`BuildError`]. Images of vertices that were done stay, nameless, for the next build.
    pub async fn solve_held(
        &self,
        request: SolveRequest,
        output: mpsc::Sender<Progress>,
    ) -> Result<(Digest, Lease), BuildError> {
        let builder = self.clone();
        apart(output, false, |output| async move {
            builder.run_graph(request, &output).await
        })
        .await
    }

    async fn run_graph(&self, request: SolveRequest, output: &Output) -> Result<(Digest, Lease), BuildError> {
        let name = self.name();
        let held = self.images.lease(&format!("{name}/result"))?;
        let containers = Containers {
            networking: Containers::networking(&self.engine, "", Vec::new())?,
            ..Containers::default()
        };
        let scratch = Scratch(self.scratch.join(&name));
        let given = brought(&self.images, request.given, &scratch).await?;
        let seeds = request.services.steps.clone();
        let executor = self.executor(name, scratch.0.clone(), containers, seeds)?;
        let options = Options {
            dialect: Dialect::BuildKit,
            no_cache: request.no_cache,
            services: Services {
                fetch: request.services.fetch.clone().or_else(|| self.fetch.clone()),
                ..request.services
            },
            entitlements: request.entitlements,
            ..Options::default()
        };
        let nothing = crate::executor::Executor::tree(&*executor, None)?;
        let driver = Driver::new(
            executor.clone(),
            self.cache.clone(),
            output.clone(),
            nothing,
            options,
        );
        let built = driver.solve(request.graph, given).await;
        if let Ok(image) = &built {
            held.add(image)?;
        }
        let kept = keep(executor).await;
        let image = built?;
        kept?;
        Ok((image, held))
    }
}

/// Opens what the door has brought.
async fn brought(
    images: &Images,
    given: BTreeMap<Digest, Given>,
    scratch: &Scratch,
) -> Result<BTreeMap<Digest, Brought>, BuildError> {
    let mut opened = BTreeMap::new();
    for (number, (vertex, given)) in given.into_iter().enumerate() {
        let brought = match given {
            Given::Image(image) => Brought::Image(image),
            Given::Files(context) => {
                let (images, place) = (images.clone(), scratch.0.join(format!("given-{number}")));
                Brought::Files(blocking(move || open_files(&images, context, &place)).await?)
            }
        };
        opened.insert(vertex, brought);
    }
    Ok(opened)
}
