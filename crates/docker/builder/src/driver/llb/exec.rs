//! `ExecOp`: a command, with its mounts.

use std::path::PathBuf;
use std::sync::Arc;

use ::llb::{Exec, Mount, MountKind, Network, Sharing, Vertex};
use image::Digest;

use super::super::mounts::{Mounts, not_found, target};
use super::super::{Driver, blocking};
use super::{Made, Product, missing};
use crate::dockerfile::{self, RunNetwork};
use crate::dockerignore::clean;
use crate::executor::{CacheMount, Executor, KeptMount, MountSource, RunMount, RunPlan, Work};
use crate::{BuildError, copy, platform};

/// A command's mounts, and what its results are.
#[derive(Default)]
struct Prepared {
    mounts: Mounts,
    /// Where each result comes from.
    results: Vec<From>,
}

/// Where a result comes from.
enum From {
    Root,
    Kept(Arc<KeptMount>),
    /// A mount that nobody wrote to.
    Input(Product),
}

impl<E: Executor + 'static> Driver<E> {
    pub(super) async fn exec(
        &self,
        vertex: &Vertex,
        exec: &Exec,
        inputs: &[Product],
    ) -> Result<Made, BuildError> {
        self.check_exec(vertex, exec)?;
        let root = exec.mounts.iter().find(|mount| mount.is_root());
        let parent = match root
            .and_then(|root| root.input)
            .and_then(|input| inputs.get(input))
        {
            Some(product) => self.as_image(product).await?,
            None => None,
        };
        let mut prepared = Prepared::default();
        for mount in &exec.mounts {
            self.mount(exec, mount, inputs, &mut prepared).await?;
        }
        let more = prepared.mounts.keys.clone();
        let keys: Vec<Digest> = (0..=prepared.results.len())
            .map(|number| self.vertex_key(vertex, parent.as_ref(), &number.to_string(), &more))
            .collect();
        if let Some(known) = self.known_results(vertex, &prepared, &keys).await? {
            return Ok((known, true));
        }
        let mut plan = self.run_plan(exec, &mut prepared.mounts).await?;
        plan.limits.clone_from(&vertex.limits);
        // The root counts by its own key: it need not be among the results.
        let made = self.made(
            vertex,
            keys[prepared.results.len()],
            parent,
            Work::Run(Box::new(plan)),
        );
        let made = made.await?;
        let mut products = Vec::new();
        for (result, key) in prepared.results.into_iter().zip(keys) {
            let image = match result {
                From::Input(product) => {
                    products.push(product);
                    continue;
                }
                From::Root => made,
                From::Kept(kept) => *kept.made.get().ok_or_else(|| missing(vertex))?,
            };
            self.cache.put(key, image, parent, vertex.name.clone()).await;
            self.options
                .services
                .steps
                .as_ref()
                .inspect(|steps| steps.made(&key, &image));
            products.push(Product::Image(Some(image)));
        }
        Ok((products, false))
    }

    /// What a container is made of that is no vertex: its root, and everything else that a command has there.
    ///
    /// # Errors
    /// What is not allowed; an image that is gone; a secret that the client does not give.
    pub(crate) async fn opened(
        &self,
        exec: &Exec,
        inputs: &[Digest],
    ) -> Result<(Option<Digest>, RunPlan), BuildError> {
        self.check_allowed(exec)?;
        for input in inputs {
            self.held(input)?;
        }
        let inputs: Vec<Product> = inputs.iter().map(|image| Product::Image(Some(*image))).collect();
        let mut prepared = Prepared::default();
        for mount in &exec.mounts {
            self.mount(exec, mount, &inputs, &mut prepared).await?;
        }
        let root = exec.mounts.iter().find(|mount| mount.is_root());
        let root = root.ok_or_else(|| BuildError::Step("the container has no root".to_owned()))?;
        let parent = match root.input.and_then(|input| inputs.get(input)) {
            Some(product) => self.as_image(product).await?,
            None => None,
        };
        let plan = self.run_plan(exec, &mut prepared.mounts).await?;
        Ok((parent, plan))
    }

    fn check_allowed(&self, exec: &Exec) -> Result<(), BuildError> {
        let allowed = self.options.entitlements;
        let refused = [
            (
                exec.network == Network::Host && !allowed.network_host,
                "network.host",
            ),
            (exec.insecure && !allowed.security_insecure, "security.insecure"),
        ];
        match refused.iter().find(|(refused, _)| *refused) {
            Some((_, name)) => Err(BuildError::Step(format!("{name} is not allowed"))),
            None => Ok(()),
        }
    }

    fn check_exec(&self, vertex: &Vertex, exec: &Exec) -> Result<(), BuildError> {
        self.check_allowed(exec)?;
        match &vertex.platform {
            // The kernel says so where it cannot execute what is for another machine.
            Some(asked) => platform::wanted(asked).map(drop),
            None => Ok(()),
        }
    }

    /// All results, if the cache has them all.
    async fn known_results(
        &self,
        vertex: &Vertex,
        prepared: &Prepared,
        keys: &[Digest],
    ) -> Result<Option<Vec<Product>>, BuildError> {
        let mut products = Vec::new();
        for (result, key) in prepared.results.iter().zip(keys) {
            if let From::Input(product) = result {
                products.push(product.clone());
                continue;
            }
            match self.known(vertex, key).await? {
                Some(image) => products.push(Product::Image(Some(image))),
                None => return Ok(None),
            }
        }
        Ok(Some(products))
    }

    async fn mount(
        &self,
        exec: &Exec,
        mount: &Mount,
        inputs: &[Product],
        prepared: &mut Prepared,
    ) -> Result<(), BuildError> {
        let input = mount.input.and_then(|input| inputs.get(input));
        if mount.is_root() {
            prepared.results.extend(mount.output.map(|_| From::Root));
            return Ok(());
        }
        let place = target(&mount.dest, &exec.cwd)?;
        let (source, key) = match &mount.kind {
            MountKind::Secret { .. } | MountKind::Ssh { .. } => {
                prepared.mounts.clients.push(of_client(mount, place));
                return Ok(());
            }
            MountKind::Tmpfs(size) => (MountSource::Tmpfs { size: *size }, String::new()),
            MountKind::Cache { id, sharing } => {
                prepared
                    .results
                    .extend(mount.output.and(input).cloned().map(From::Input));
                self.cache_of(exec, mount, (id, *sharing), (input, &place))
                    .await?
            }
            MountKind::Bind => self.bind(mount, input, prepared).await?,
        };
        prepared.mounts.keys.push(format!("{place} {key}"));
        prepared.mounts.plans.push(RunMount {
            target: place,
            read_only: mount.read_only,
            source,
        });
        Ok(())
    }

    async fn bind(
        &self,
        mount: &Mount,
        input: Option<&Product>,
        prepared: &mut Prepared,
    ) -> Result<(MountSource, String), BuildError> {
        let path = selected(mount);
        if mount.output.is_some() && !(mount.read_only && input.is_some()) {
            let image = match input {
                Some(product) => self.as_image(product).await?,
                None => None,
            };
            let key = image.map(|image| image.to_string()).unwrap_or_default();
            let kept = Arc::new(KeptMount {
                image,
                path: path.clone(),
                ..KeptMount::default()
            });
            prepared.results.push(From::Kept(kept.clone()));
            return Ok((MountSource::Kept(kept), format!("{key} {}", path.display())));
        }
        prepared
            .results
            .extend(mount.output.and(input).cloned().map(From::Input));
        match input {
            Some(Product::Files(tree)) => {
                let (files, below) = (tree.clone(), path.clone());
                let hash = blocking(move || {
                    copy::hash(&*files, &below).map_err(BuildError::io("reading the client's files"))
                });
                let hash = hash.await?.ok_or_else(|| not_found(&path))?;
                let (tree, key) = (tree.clone(), hash.clone());
                Ok((MountSource::Files { tree, path, hash }, key))
            }
            Some(Product::Image(image)) => {
                let key = match mount.by_content {
                    true => self.image_key(*image, path.clone()).await?,
                    false => format!("{image:?} {}", path.display()),
                };
                Ok((MountSource::Image { image: *image, path }, key))
            }
            None => Ok((MountSource::Image { image: None, path }, String::new())),
        }
    }

    async fn cache_of(
        &self,
        exec: &Exec,
        mount: &Mount,
        (id, sharing): (&str, Sharing),
        (input, place): (Option<&Product>, &str),
    ) -> Result<(MountSource, String), BuildError> {
        let image = match input {
            Some(product) => self.as_image(product).await?,
            None => None,
        };
        let path = selected(mount);
        let id = if id.is_empty() { place } else { id };
        let key = match image {
            Some(image) => self.image_key(Some(image), path.clone()).await?,
            None => format!("{id} {}", path.display()),
        };
        let cache = CacheMount {
            id: id.to_owned(),
            sharing: match sharing {
                Sharing::Shared => dockerfile::Sharing::Shared,
                Sharing::Private => dockerfile::Sharing::Private,
                Sharing::Locked => dockerfile::Sharing::Locked,
            },
            below: if image.is_none() {
                path.clone()
            } else {
                PathBuf::new()
            },
            from: image.map(|image| (image, path)),
            fresh: false,
            mode: 0o755,
            uid: 0,
            gid: 0,
            description: format!("cached mount {place} from exec {}", exec.args.join(" ")),
        };
        self.note_cache(&cache, id);
        Ok((MountSource::Cache(cache), key))
    }

    async fn run_plan(&self, exec: &Exec, mounts: &mut Mounts) -> Result<RunPlan, BuildError> {
        self.ask_client(mounts).await?;
        // Where an agent answers, a client has said itself.
        mounts.env.clear();
        let mut secrets = Mounts {
            clients: exec.secret_env.iter().map(of_environment).collect(),
            ..Mounts::default()
        };
        self.ask_client(&mut secrets).await?;
        let mut env = exec.env.clone();
        env.append(&mut secrets.env);
        Ok(RunPlan {
            args: exec.args.clone(),
            env,
            told_env: exec.env.clone(),
            user: exec.user.clone(),
            cwd: match &*exec.cwd {
                "" => "/".to_owned(),
                cwd => cwd.to_owned(),
            },
            volumes: Vec::new(),
            script: None,
            mounts: std::mem::take(&mut mounts.plans),
            network: match exec.network {
                Network::Default => RunNetwork::Default,
                Network::Host => RunNetwork::Host,
                Network::None => RunNetwork::None,
            },
            insecure: exec.insecure,
            hostname: exec.hostname.clone(),
            hosts: exec.hosts.clone(),
            ulimits: exec.ulimits.clone(),
            cgroup_parent: exec.cgroup_parent.clone(),
            valid_codes: exec.valid_exit_codes.clone(),
            read_only: exec.mounts.iter().any(|mount| mount.is_root() && mount.read_only),
            limits: None,
        })
    }
}

/// The path of an input that is mounted, without `/` before it.
fn selected(mount: &Mount) -> PathBuf {
    PathBuf::from(&clean(&format!("/{}", mount.selector))[1..])
}

/// A mount of what the client has, in the words of a Dockerfile.
fn of_client(mount: &Mount, target: String) -> dockerfile::Mount {
    let named = dockerfile::Mount {
        target,
        ..dockerfile::Mount::default()
    };
    match &mount.kind {
        MountKind::Secret {
            id,
            uid,
            gid,
            mode,
            optional,
        } => dockerfile::Mount {
            kind: dockerfile::MountKind::Secret,
            id: id.clone(),
            required: !optional,
            mode: Some(*mode),
            uid: Some(*uid),
            gid: Some(*gid),
            ..named
        },
        MountKind::Ssh { id, optional } => dockerfile::Mount {
            kind: dockerfile::MountKind::Ssh,
            id: id.clone(),
            required: !optional,
            ..named
        },
        MountKind::Bind | MountKind::Cache { .. } | MountKind::Tmpfs(_) => named,
    }
}

fn of_environment(secret: &::llb::SecretEnv) -> dockerfile::Mount {
    dockerfile::Mount {
        kind: dockerfile::MountKind::Secret,
        id: secret.id.clone(),
        env: Some(secret.name.clone()),
        required: !secret.optional,
        ..dockerfile::Mount::default()
    }
}
