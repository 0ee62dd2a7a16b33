//! Repositories. What a reference is, its server is asked each time; the objects are kept in a bare repository for each
//! remote, and each build has a checkout of its own.

mod places;
mod resolve;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use builder::{GitSource, Repository};
use distribution::Client;

use crate::MOST;
use crate::program::{GitError, Program, give};
use crate::web::shown;
use places::{Checkout, Places};
use resolve::Resolved;

/// Why there is no checkout.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed {
    #[error(transparent)]
    Git(#[from] GitError),
    #[error("failed to fetch remote {remote}: {why}")]
    Fetch { remote: String, why: GitError },
    #[error("failed to checkout remote {remote}: {why}")]
    Checkout { remote: String, why: GitError },
    #[error("failed to update submodules for {remote}: {why}")]
    Submodules { remote: String, why: GitError },
    #[error("repository does not contain ref {name}, output: {said:?}")]
    NoReference { name: String, said: String },
    #[error("{0}")]
    Refused(String),
    #[error("the files of the commit are larger than {MOST} bytes")]
    TooLarge,
    #[error("invalid subdir {directory}: {why}")]
    Directory { directory: String, why: std::io::Error },
    #[error("keeping what was fetched: {0}")]
    Disk(#[from] std::io::Error),
}

pub(crate) struct Git {
    client: Client,
    places: Places,
    checkouts: AtomicU64,
}

impl Git {
    pub(crate) fn new(client: Client, directory: PathBuf) -> Self {
        Self {
            client,
            places: Places::new(directory),
            checkouts: AtomicU64::default(),
        }
    }

    /// Removes the repositories that nobody uses; how many bytes that were.
    pub(crate) async fn clear(&self) -> u64 {
        self.places.clear().await
    }

    /// The files of a repository, as a source asks for them.
    pub(crate) async fn checkout(
        &self,
        source: GitSource,
        agent: Option<PathBuf>,
    ) -> Result<Repository, String> {
        self.try_checkout(source, agent)
            .await
            .map_err(|error| error.to_string())
    }

    async fn try_checkout(&self, source: GitSource, agent: Option<PathBuf>) -> Result<Repository, Failed> {
        resolve::check(&source)?;
        let home = self.places.directory().to_owned();
        std::fs::create_dir_all(&home)?;
        give(&home)?;
        let git = Program {
            home,
            agent,
            proxy: self.client.proxy(&source.remote),
            authorization: authorization(&source),
            ..Program::default()
        };
        let resolved = resolve::resolve(&git, &source).await?;
        let place = self.places.place(&source.remote, resolved.format()).await;
        let bare = place.open(&git, &source.remote, resolved.format()).await?;
        let git = Program {
            git_dir: Some(bare.clone()),
            ..git
        };
        fetch(&git, &source, &resolved).await?;
        check_size(&git, &resolved.id).await?;
        let number = self.checkouts.fetch_add(1, Ordering::Relaxed);
        let mut checkout = Checkout::make(self.places.directory().join(format!("checkout-{number}")))?;
        let keep = source.keep_git_dir == Some(true) && source.directory.is_empty();
        let git = if keep {
            with_history(&git, &bare, checkout.files(), &source, &resolved).await?
        } else {
            without_history(&git, &bare, &checkout, &source, &resolved).await?
        };
        if source.submodules != Some(false) {
            submodules(&git, checkout.files(), keep, &source).await?;
        }
        let time = commit_time(&git, &resolved.id).await?;
        let commit = git
            .run(&["rev-parse", &format!("{}^{{commit}}", resolved.id)])
            .await?;
        drop(place);
        checkout
            .finish(&source.directory, source.commit_times.then_some(time))
            .await?;
        let directory = checkout.below(&source.directory);
        Ok(Repository {
            directory,
            commit: commit.trim().to_owned(),
            time,
            reference: resolved.name,
            keeps: Arc::new(checkout),
        })
    }
}

/// The setting by which git tells the source's own server who asks, and no other that submodules come from; of GitHub,
/// where they come from the same one most of the time, that is all of it, as upstream has it.
fn authorization(source: &GitSource) -> Option<(String, String)> {
    const GITHUB: [&str; 2] = ["https://github.com/", "https://www.github.com/"];
    let value = &source.authorization.0;
    let whole = GITHUB
        .into_iter()
        .find(|prefix| source.remote.starts_with(prefix));
    let scope = whole.unwrap_or(&source.remote);
    (!value.is_empty()).then(|| {
        let name = format!("http.{scope}.extraHeader");
        (name, format!("Authorization: {value}"))
    })
}

/// Brings the objects of a commit, if they are not here.
async fn fetch(git: &Program, source: &GitSource, resolved: &Resolved) -> Result<(), Failed> {
    let commit = format!("{}^{{commit}}", resolved.id);
    let has = || async { git.run(&["cat-file", "-e", &commit]).await.is_ok() };
    let target = resolved.target();
    if has().await {
        git.run(&["update-ref", "--no-deref", &target, &resolved.id])
            .await?;
        return Ok(());
    }
    let failed = |why| Failed::Fetch {
        remote: shown(&source.remote),
        why,
    };
    let from = resolved.name.as_deref().filter(|_| !source.fetch_by_commit);
    let wanted = format!("{}:{target}", from.unwrap_or(&resolved.id));
    let first = git
        .run(&[
            "fetch",
            "--depth=1",
            "--no-tags",
            "--force",
            "origin",
            "--",
            &wanted,
        ])
        .await;
    if first.is_ok() && has().await {
        git.run(&["update-ref", "--no-deref", &target, &resolved.id])
            .await?;
        return Ok(());
    }
    // A server that gives what it names only, or has moved the name since: everything that it names may hold the commit.
    let mut all = vec!["fetch", "--no-tags", "--force"];
    if git
        .git_dir
        .as_ref()
        .is_some_and(|bare| bare.join("shallow").exists())
    {
        all.push("--unshallow");
    }
    all.extend([
        "origin",
        "--",
        "+refs/heads/*:refs/all/heads/*",
        "+refs/tags/*:refs/all/tags/*",
    ]);
    let second = git.run(&all).await;
    if has().await {
        git.run(&["update-ref", "--no-deref", &target, &resolved.id])
            .await?;
        return Ok(());
    }
    first.and(second).map_err(failed)?;
    Err(Failed::Refused(format!(
        "fetched ref {} does not match expected commit {} and commit can not be found in the repository",
        resolved.name.as_deref().unwrap_or(&resolved.id),
        resolved.id
    )))
}

/// Refuses a commit whose files would fill the disk.
async fn check_size(git: &Program, id: &str) -> Result<(), Failed> {
    let listed = git.run(&["ls-tree", "-r", "-l", id]).await?;
    let size = |line: &str| line.split_ascii_whitespace().nth(3)?.parse::<u64>().ok();
    let total: u64 = listed.lines().filter_map(size).fold(0, u64::saturating_add);
    if total > MOST {
        Err(Failed::TooLarge)
    } else {
        Ok(())
    }
}

async fn without_history(
    git: &Program,
    bare: &Path,
    checkout: &Checkout,
    source: &GitSource,
    resolved: &Resolved,
) -> Result<Program, Failed> {
    let git = Program {
        index: Some(checkout.index()),
        ..git.at(bare, checkout.files())
    };
    if git.run(&["ls-tree", &resolved.id]).await?.is_empty() {
        return Ok(git);
    }
    git.run(&["checkout", "--no-overlay", &resolved.id, "--", "."])
        .await
        .map_err(|why| Failed::Checkout {
            remote: shown(&source.remote),
            why,
        })?;
    Ok(git)
}

/// With `.git`: a repository of one commit, whose origin is the remote.
async fn with_history(
    git: &Program,
    bare: &Path,
    files: &Path,
    source: &GitSource,
    resolved: &Resolved,
) -> Result<Program, Failed> {
    let own = git.at(&files.join(".git"), files);
    let failed = |why| Failed::Checkout {
        remote: shown(&source.remote),
        why,
    };
    own.run(&[
        "init",
        "--quiet",
        &format!("--object-format={}", resolved.format()),
    ])
    .await?;
    let local = Program {
        local: true,
        ..own.clone()
    };
    // By the protocol of files, not by linking: that is what keeps a repository from naming files of the host.
    let origin = format!("file://{}", git.inside(bare).display());
    local.run(&["remote", "add", "origin", &origin]).await?;
    let (name, target) = (resolved.name.as_deref(), resolved.target());
    let wanted = match name {
        Some(name) => format!("{target}:{name}"),
        None => target,
    };
    local
        .run(&["fetch", "-u", "--depth=1", "--no-tags", "--", "origin", &wanted])
        .await
        .map_err(failed)?;
    own.run(&["checkout", "--quiet", "FETCH_HEAD"])
        .await
        .map_err(failed)?;
    own.run(&["remote", "set-url", "origin", &shown(&source.remote)])
        .await?;
    own.run(&["reflog", "expire", "--all", "--expire=now"]).await?;
    let _ = std::fs::remove_file(files.join(".git/FETCH_HEAD"));
    Ok(own)
}

async fn submodules(git: &Program, files: &Path, keep: bool, source: &GitSource) -> Result<(), Failed> {
    if files.join(".gitmodules").symlink_metadata().is_err() {
        return Ok(());
    }
    git.run(&["submodule", "update", "--init", "--recursive", "--depth=1"])
        .await
        .map_err(|why| Failed::Submodules {
            remote: shown(&source.remote),
            why,
        })?;
    if !keep {
        // They name directories of this machine.
        let files = files.to_owned();
        let removed = tokio::task::spawn_blocking(move || places::remove_links_to_git(&files)).await;
        removed.map_err(std::io::Error::other)??;
    }
    Ok(())
}

async fn commit_time(git: &Program, id: &str) -> Result<i64, Failed> {
    let said = git
        .run(&["show", "-s", "--format=%ct", &format!("{id}^{{commit}}")])
        .await?;
    let time = said.trim().parse();
    time.map_err(|_| Failed::Refused(format!("failed to get commit time for {id}")))
}
