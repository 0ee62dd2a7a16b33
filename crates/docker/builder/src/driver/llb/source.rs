//! `SourceOp`: what comes from elsewhere.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use ::llb::{Git, Http, Pulling, Source, Vertex};

use super::super::copies::fetched_file;
use super::super::{Driver, blocking};
use super::{Given, Made, Product};
use crate::copy::{CopyPlan, Forgetful, Origin, Ownership};
use crate::dockerfile;
use crate::executor::{Base, Executor, Work};
use crate::filter::Filtered;
use crate::services::Wish;
use crate::source::{Authorization, Checksum, Fetch, GitSource, Kept};
use crate::tree::Tree;
use crate::{BuildError, platform};

impl<E: Executor + 'static> Driver<E> {
    pub(super) async fn source(
        &self,
        vertex: &Vertex,
        source: &Source,
        given: Option<&Given>,
    ) -> Result<Made, BuildError> {
        match given {
            Some(Given::Files(tree)) => return Ok((vec![Product::Files(tree.clone())], false)),
            Some(Given::Image(image)) => {
                self.held(image)?;
                return Ok((vec![Product::Image(Some(*image))], true));
            }
            None => {}
        }
        match source {
            Source::Image { reference, pulling } => self.source_image(vertex, reference, *pulling).await,
            Source::Git(git) => self.repository(git).await,
            Source::Http(http) => self.http(vertex, http).await,
            Source::Local(local) => Err(BuildError::Step(format!(
                "the client's directory {} was not sent",
                local.name
            ))),
            Source::Layout(layout) => Err(BuildError::Step(format!(
                "the client's layout {} was not sent",
                layout.store
            ))),
        }
    }

    async fn source_image(
        &self,
        vertex: &Vertex,
        reference: &str,
        pulling: Pulling,
    ) -> Result<Made, BuildError> {
        let asked = match &vertex.platform {
            Some(asked) => platform::normal(platform::wanted(asked)?),
            None => self.platform.clone(),
        };
        let named = self.executor.find(reference)?;
        let fits = |base: &Base| platform::fits(&asked, &base.config.platform());
        let found = named.clone().filter(fits);
        let wanted = match pulling {
            Pulling::Missing => found.is_none(),
            Pulling::Always => found.as_ref().is_none_or(|base| !base.made_here),
            Pulling::Never => false,
        };
        let found = if let Some(pull) = self.options.services.pull.as_ref().filter(|_| wanted) {
            let wish = Wish {
                reference: reference.to_owned(),
                apart: !platform::host().runs(&asked) || named.is_some() && found.is_none(),
                platform: Some(asked),
            };
            Some(self.pull(&**pull, wish).await?)
        } else {
            found.map(|found| found.id)
        };
        let found = found.ok_or_else(|| BuildError::NotFound(format!("{reference}: not found")))?;
        let base = self.held(&found)?;
        let watch = self.options.services.watch.as_ref();
        watch.inspect(|watch| watch.used(reference, &base.id));
        Ok((vec![Product::Image(Some(base.id))], !wanted))
    }

    fn fetcher(&self, address: &str) -> Result<&Arc<dyn Fetch>, BuildError> {
        self.options.services.fetch.as_ref().ok_or_else(|| {
            BuildError::Unsupported(format!("{address}: this builder fetches nothing from addresses"))
        })
    }

    async fn repository(&self, git: &Git) -> Result<Made, BuildError> {
        let mut source = GitSource {
            remote: git.remote.clone(),
            reference: git.reference.clone(),
            checksum: git.checksum.clone(),
            directory: git.directory.clone(),
            keep_git_dir: Some(git.keep_git_dir),
            submodules: git.skip_submodules.then_some(false),
            ..GitSource::default()
        };
        let fetch = self.fetcher(&git.remote)?;
        if let Some(secrets) = &self.options.services.secrets {
            let names = (git.header_secret.as_deref(), git.token_secret.as_deref());
            let known = Authorization::named(&source, &**secrets, names).await;
            source.authorization = known.map_err(BuildError::Step)?;
        }
        let agent = match (&git.agent, &self.options.services.ssh) {
            (Some(agent), Some(ssh)) => ssh.agent(agent).await.map_err(BuildError::Step)?,
            _ => self.agent_for(&source).await?,
        };
        let found = self
            .unless_cancelled(fetch.git(&source, agent))
            .await?
            .map_err(BuildError::Step)?;
        let kept = blocking(move || Kept::open(found).map_err(BuildError::io("opening a repository")));
        Ok((vec![Product::Files(Arc::new(kept.await?))], false))
    }

    async fn http(&self, vertex: &Vertex, http: &Http) -> Result<Made, BuildError> {
        let fetch = self.fetcher(&http.url)?;
        let who = match &http.header_secret {
            Some(name) => {
                let secrets = self.options.services.secrets.as_deref();
                Authorization::of_header(name, secrets)
                    .await
                    .map_err(BuildError::Step)?
            }
            None => self.who_asks(&http.url).await?,
        };
        let checksum = match &*http.checksum {
            "" => None,
            text => Some(Checksum::parse(text).map_err(|error| BuildError::Invalid(error.to_owned()))?),
        };
        let body = self
            .unless_cancelled(fetch.http(&http.url, &who))
            .await?
            .map_err(BuildError::Step)?;
        let url = http.url.clone();
        let remote = blocking(move || fetched_file(&url, body, checksum.as_ref())).await?;
        let name = match &*http.filename {
            "" => remote.name.clone(),
            name => name.to_owned(),
        };
        let copy = dockerfile::Copy {
            sources: vec![remote.name.clone()],
            destination: format!("/{name}"),
            chmod: http.mode.map(|mode| format!("{mode:o}")),
            ..dockerfile::Copy::default()
        };
        let owner = Ownership::Named(format!("{}:{}", http.uid, http.gid));
        let (tree, dialect) = (remote.tree, self.options.dialect);
        let plan = blocking(move || {
            let origin = Origin {
                tree,
                image: false,
                known: &Forgetful,
                remote: &BTreeMap::new(),
                time: 0,
                dialect,
            };
            CopyPlan::new("COPY", &copy, &origin).map_err(BuildError::Step)
        });
        let mut plan = plan.await?;
        plan.owner = owner;
        let key = self.vertex_key(vertex, None, "0", &[plan.comment()]);
        self.one(vertex, key, None, Work::Copy(plan)).await
    }
}

/// A tree with only what patterns leave of it, if there are any.
pub(super) fn filtered(
    tree: Arc<dyn Tree>,
    root: &Path,
    include: &[String],
    exclude: &[String],
) -> Result<Arc<dyn Tree>, BuildError> {
    use crate::dockerignore::Ignore;
    if include.is_empty() && exclude.is_empty() {
        return Ok(tree);
    }
    let read = |patterns: &[String]| {
        Ignore::patterns(patterns).map_err(|error| BuildError::Invalid(error.to_string()))
    };
    let wanted = (!include.is_empty()).then(|| read(include)).transpose()?;
    Ok(Arc::new(Filtered::new(
        tree,
        root.to_owned(),
        wanted,
        read(exclude)?,
    )))
}
