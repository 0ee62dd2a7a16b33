//! `RUN --mount`: what is meant, and what it adds to the step's key.

use std::path::PathBuf;

use image::Digest;

use super::{Current, Dialect, Driver, Named, blocking};
use crate::BuildError;
use crate::arguments::Scope;
use crate::cache::ImagePaths;
use crate::cache_mounts;
use crate::copy::{self, Known as _};
use crate::dockerfile::{Mount, MountKind, Run};
use crate::dockerignore::clean;
use crate::executor::{CacheMount, Executor, MountSource, RunMount};
use crate::golang;

/// The mounts of a command.
#[derive(Default)]
pub(super) struct Mounts {
    pub(super) plans: Vec<RunMount>,
    /// What they add to the key.
    pub(super) keys: Vec<String>,
    /// What they add to the environment.
    pub(super) env: Vec<String>,
    /// What the client is asked for once the step is known not to be in the cache.
    pub(super) clients: Vec<Mount>,
}

/// What `from` names.
enum From {
    Files(std::sync::Arc<dyn crate::tree::Tree>),
    Image(Option<Digest>),
}

/// Where secrets lie if nobody says where.
const SECRETS: &str = "/run/secrets/";
/// Where agents answer if nobody says where; a number follows.
const AGENTS: &str = "/run/buildkit/ssh_agent.";

impl<E: Executor + 'static> Driver<E> {
    pub(super) async fn mounts(
        &self,
        current: &Current,
        run: &Run,
        words: &[String],
    ) -> Result<Mounts, BuildError> {
        let mut mounts = Mounts::default();
        for written in &run.mounts {
            let mount = self.read_mount(current, written)?;
            mounts.keys.push(describe(&mount));
            if matches!(mount.kind, MountKind::Secret | MountKind::Ssh) {
                mounts.clients.push(mount);
                continue;
            }
            let target = target(&mount.target, &current.draft.config.working_dir)?;
            let uncached = self.options.no_cache || current.no_cache;
            let (source, key) = self.mount_source(&mount, &target, words, uncached).await?;
            mounts.keys.push(format!("{target} {key}"));
            mounts.plans.push(RunMount {
                target,
                read_only: mount.read_only,
                source,
            });
        }
        Ok(mounts)
    }

    fn read_mount(&self, current: &Current, written: &str) -> Result<Mount, BuildError> {
        let environment = &current.draft.config.env;
        let arguments = self.arguments.variables(environment);
        let scope = Scope {
            environment,
            arguments: &arguments,
        };
        let mut expand = |word: &str| self.lex.word(word, &scope).map_err(|error| error.to_string());
        Mount::parse(written, &mut expand).map_err(BuildError::Invalid)
    }

    async fn mount_source(
        &self,
        mount: &Mount,
        target: &str,
        words: &[String],
        uncached: bool,
    ) -> Result<(MountSource, String), BuildError> {
        let path = PathBuf::from(&clean(&format!("/{}", mount.source))[1..]);
        match mount.kind {
            MountKind::Tmpfs => Ok((MountSource::Tmpfs { size: mount.size }, String::new())),
            MountKind::Cache => self.cache_mount(mount, target, words, (path, uncached)).await,
            _ => match self.mount_from(mount, target).await? {
                From::Files(tree) => {
                    let (files, below) = (tree.clone(), path.clone());
                    let hash = blocking(move || {
                        copy::hash(&*files, &below).map_err(BuildError::io("reading the build context"))
                    });
                    let hash = hash.await?.ok_or_else(|| not_found(&path))?;
                    let key = hash.clone();
                    Ok((MountSource::Files { tree, path, hash }, key))
                }
                From::Image(image) => {
                    let key = self.image_key(image, path.clone()).await?;
                    Ok((MountSource::Image { image, path }, key))
                }
            },
        }
    }

    /// A path of an image counts by its content, and all of an image by its id.
    pub(super) async fn image_key(&self, image: Option<Digest>, path: PathBuf) -> Result<String, BuildError> {
        let Some(id) = image.filter(|_| !path.as_os_str().is_empty()) else {
            return Ok(image.map(|image| image.to_string()).unwrap_or_default());
        };
        let known = ImagePaths {
            cache: self.cache.clone(),
            image: id,
        };
        if let Some(hash) = known.get(&path) {
            return Ok(hash);
        }
        let executor = self.executor.clone();
        blocking(move || {
            let tree = executor.tree(Some(&id))?;
            let hash = copy::hash(&*tree, &path).map_err(BuildError::io("failed to mount the image"))?;
            let hash = hash.ok_or_else(|| not_found(&path))?;
            known.put(&path, &hash);
            Ok(hash)
        })
        .await
    }

    async fn cache_mount(
        &self,
        mount: &Mount,
        target: &str,
        words: &[String],
        (path, uncached): (PathBuf, bool),
    ) -> Result<(MountSource, String), BuildError> {
        let from = match (&mount.from, self.mount_from(mount, target).await?) {
            (Some(_), From::Image(Some(image))) => Some((image, path.clone())),
            (Some(name), From::Files(_)) => {
                return Err(BuildError::Unsupported(format!(
                    "a cache mount cannot begin with the files of the context {name}"
                )));
            }
            _ => None,
        };
        let id = match mount.id.as_str() {
            "" => clean(&mount.target),
            id => id.to_owned(),
        };
        let namespace = self
            .arguments
            .of_builder("BUILDKIT_CACHE_MOUNT_NS")
            .unwrap_or_default();
        let key = match &from {
            Some((image, path)) => format!("{namespace}/{id} {image} {}", path.display()),
            None => format!("{namespace}/{id}{}", path.display()),
        };
        // In BuildKit, giving a cache its mode or owner is a step before it, and a step that is not taken from the cache
        // makes another cache.
        let dressed = mount.mode.is_some() || mount.uid.is_some() || mount.gid.is_some();
        let cache = CacheMount {
            fresh: uncached && dressed && self.options.dialect == Dialect::BuildKit,
            id: format!("{namespace}/{id}"),
            sharing: mount.sharing.unwrap_or_default(),
            below: if mount.from.is_none() {
                path
            } else {
                PathBuf::new()
            },
            from,
            mode: mount.mode.unwrap_or(0o755),
            uid: mount.uid.unwrap_or(0),
            gid: mount.gid.unwrap_or(0),
            description: format!("cached mount {target} from exec {}", words.join(" ")),
        };
        self.note_cache(&cache, &id);
        Ok((MountSource::Cache(cache), key))
    }

    /// Tells of a cache that a step mounts, so that it can go out with the build's.
    pub(super) fn note_cache(&self, cache: &CacheMount, id: &str) {
        if let Some(steps) = &self.options.services.steps {
            steps.mounts(&cache_mounts::key(cache), id);
        }
    }

    /// What a mount is of: a named context, an earlier stage, an image, or else the build's context.
    async fn mount_from(&self, mount: &Mount, target: &str) -> Result<From, BuildError> {
        let Some(name) = &mount.from else {
            return Ok(From::Files(self.context.clone()));
        };
        match self.context(name) {
            Some(Named::Files(tree)) => return Ok(From::Files(tree.clone())),
            Some(Named::Image(image)) if image == "scratch" => return Ok(From::Image(None)),
            Some(Named::Result(image)) => return Ok(From::Image(Some(self.held(image)?.id))),
            Some(Named::Image(image)) => {
                let base = self.image(image, self.asked()).await;
                return base.map(|base| From::Image(Some(base.id)));
            }
            None => {}
        }
        if let Some(earlier) = self.earlier(name) {
            return Ok(From::Image(self.wait_for(earlier).await?.image));
        }
        if self.graph.named(name, usize::MAX).is_some() {
            let (name, target) = (golang::quote(name), golang::quote(target));
            return Err(BuildError::Step(format!(
                "cannot mount from stage {name} to {target}, stage needs to be defined before current command"
            )));
        }
        if name == "scratch" {
            return Ok(From::Image(None));
        }
        let base = self.image(name, self.asked()).await;
        base.map(|base| From::Image(Some(base.id)))
    }

    /// Gets secrets and agents. What is not required and not there is left out, as upstream does.
    pub(super) async fn ask_client(&self, mounts: &mut Mounts) -> Result<(), BuildError> {
        let mut agents = 0;
        for mount in std::mem::take(&mut mounts.clients) {
            if mount.kind == MountKind::Ssh {
                self.agent(&mount, &mut agents, mounts).await?;
            } else {
                self.secret(&mount, mounts).await?;
            }
        }
        Ok(())
    }

    async fn secret(&self, mount: &Mount, mounts: &mut Mounts) -> Result<(), BuildError> {
        let id = secret_id(mount);
        let content = match &self.options.services.secrets {
            Some(secrets) => secrets.secret(&id).await.map_err(BuildError::Step)?,
            None => None,
        };
        let Some(content) = content else {
            return missing(mount.required, || format!("secret {id}: not found"));
        };
        if let Some(name) = &mount.env {
            let name = if name.is_empty() { &id } else { name };
            let value = String::from_utf8_lossy(&content);
            mounts.env.push(format!("{name}={value}"));
            if mount.target.is_empty() {
                return Ok(());
            }
        }
        let target = match mount.target.as_str() {
            "" => format!("{SECRETS}{}", id.rsplit('/').next().unwrap_or(&id)),
            target => self::target(target, "/")?,
        };
        mounts.plans.push(RunMount {
            target,
            read_only: true,
            source: MountSource::Secret {
                content,
                mode: mount.mode.unwrap_or(0o400),
                uid: mount.uid.unwrap_or(0),
                gid: mount.gid.unwrap_or(0),
            },
        });
        Ok(())
    }

    async fn agent(&self, mount: &Mount, agents: &mut usize, mounts: &mut Mounts) -> Result<(), BuildError> {
        let id = agent_id(mount);
        let socket = match &self.options.services.ssh {
            Some(ssh) => ssh.agent(&id).await.map_err(BuildError::Step)?,
            None => None,
        };
        let Some(socket) = socket else {
            let id = golang::quote(&id);
            return missing(mount.required, || {
                format!("no SSH key {id} forwarded from the client")
            });
        };
        let target = match mount.target.as_str() {
            "" => format!("{AGENTS}{agents}"),
            target => self::target(target, "/")?,
        };
        if *agents == 0 {
            mounts.env.push(format!("SSH_AUTH_SOCK={target}"));
        }
        *agents += 1;
        mounts.plans.push(RunMount {
            target,
            read_only: false,
            source: MountSource::Socket(socket),
        });
        Ok(())
    }
}

fn missing(required: bool, sentence: impl FnOnce() -> String) -> Result<(), BuildError> {
    if required {
        Err(BuildError::Step(sentence()))
    } else {
        Ok(())
    }
}

pub(super) fn not_found(path: &std::path::Path) -> BuildError {
    let path = golang::quote(&format!("/{}", path.display()));
    BuildError::Step(format!("failed to compute cache key: {path}: not found"))
}

/// A secret is called by its id, else its source, else the last name of its target.
fn secret_id(mount: &Mount) -> String {
    let names = [mount.id.as_str(), mount.source.as_str()];
    match names.into_iter().find(|name| !name.is_empty()) {
        Some(name) => name.to_owned(),
        None => mount.target.rsplit('/').next().unwrap_or_default().to_owned(),
    }
}

fn agent_id(mount: &Mount) -> String {
    let names = [mount.id.as_str(), mount.source.as_str(), "default"];
    names
        .into_iter()
        .find(|name| !name.is_empty())
        .unwrap_or_default()
        .to_owned()
}

/// A target that is relative to the working directory made absolute.
pub(super) fn target(written: &str, working_dir: &str) -> Result<String, BuildError> {
    let target = if written.starts_with('/') {
        clean(written)
    } else {
        clean(&format!("/{working_dir}/{written}"))
    };
    if target == "/" {
        return Err(BuildError::Invalid("invalid mount target \"/\"".to_owned()));
    }
    Ok(target)
}

/// Everything that a mount says of itself.
fn describe(mount: &Mount) -> String {
    let Mount {
        kind,
        from: _,
        source,
        target,
        read_only,
        size,
        id,
        sharing,
        required,
        env,
        mode,
        uid,
        gid,
    } = mount;
    let sharing = sharing.map_or("", crate::dockerfile::Sharing::name);
    let kind = kind.name();
    format!(
        "mount {kind} {source:?} {target:?} {read_only} {size} {id:?} {sharing} {required} {env:?} {mode:?} {uid:?} {gid:?}"
    )
}
