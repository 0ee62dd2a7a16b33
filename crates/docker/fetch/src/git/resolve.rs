//! What a source's reference is, as its server says.

use builder::GitSource;

use super::Failed;
use crate::program::Program;
use crate::web::shown;

/// An object of a repository, and what it is called there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Resolved {
    /// A commit, or a tag that has words of its own.
    pub(super) id: String,
    /// `refs/heads/main`; nothing, if the source named the commit.
    pub(super) name: Option<String>,
}

impl Resolved {
    /// How the repository names its objects.
    pub(super) fn format(&self) -> &'static str {
        if self.id.len() == 64 { "sha256" } else { "sha1" }
    }

    /// What it is called here.
    pub(super) fn target(&self) -> String {
        format!("refs/fetched/{}", self.id)
    }
}

pub(super) fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Refuses a source that cannot be meant.
pub(super) fn check(source: &GitSource) -> Result<(), Failed> {
    let checksum = &source.checksum;
    if !checksum.is_empty() && !checksum.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Failed::Refused(format!(
            "invalid checksum {checksum} for Git URL, expected hex commit hash"
        )));
    }
    for (what, text) in [("remote", &source.remote), ("ref", &source.reference)] {
        if text.starts_with('-') || text.contains(['\n', '\0']) {
            return Err(Failed::Refused(format!("invalid git {what} {text:?}")));
        }
    }
    Ok(())
}

/// Asks the server what a source means.
pub(super) async fn resolve(git: &Program, source: &GitSource) -> Result<Resolved, Failed> {
    let checksum = source.checksum.as_str();
    if is_commit(&source.reference) {
        if !source.reference.starts_with(checksum) {
            return Err(mismatch(checksum, &source.reference));
        }
        let id = source.reference.clone();
        return Ok(Resolved { id, name: None });
    }
    if source.fetch_by_commit {
        return by_commit(source);
    }
    let failed = |why| Failed::Fetch {
        remote: shown(&source.remote),
        why,
    };
    let name = match source.reference.as_str() {
        "" => {
            let said = git
                .run(&["ls-remote", "--symref", "--", &source.remote, "HEAD"])
                .await;
            default_branch(&said.map_err(failed)?)?
        }
        name => name.to_owned(),
    };
    let peeled = format!("{name}^{{}}");
    let said = git
        .run(&["ls-remote", "--", &source.remote, &name, &peeled])
        .await;
    choose(&name, checksum, &said.map_err(failed)?)
}

fn by_commit(source: &GitSource) -> Result<Resolved, Failed> {
    let checksum = &source.checksum;
    let refused = |text: String| Err(Failed::Refused(text));
    if checksum.is_empty() {
        return refused("fetch-by-commit requires a checksum or a commit SHA ref".to_owned());
    }
    if !is_commit(checksum) {
        return refused(format!(
            "fetch-by-commit requires a full commit SHA checksum, got {checksum:?}"
        ));
    }
    let name = match source.reference.as_str() {
        "" => None,
        name if name.starts_with("refs/") => Some(name.to_owned()),
        name => Some(format!("refs/heads/{name}")),
    };
    Ok(Resolved {
        id: checksum.clone(),
        name,
    })
}

fn mismatch(expected: &str, found: &str) -> Failed {
    Failed::Refused(format!("expected checksum to match {expected}, got {found}"))
}

/// `ref: refs/heads/main`, a tab, and `HEAD`.
fn default_branch(said: &str) -> Result<String, Failed> {
    let line = said.lines().find_map(|line| line.strip_prefix("ref: "));
    let name = line.and_then(|line| line.split('\t').next());
    name.map(str::to_owned).ok_or_else(|| {
        Failed::Refused(format!(
            "could not find default branch for repository, output: {said:?}"
        ))
    })
}

/// What a name means of what a server has: what is called just so, else a branch, else a tag, as `git checkout` has it.
fn choose(name: &str, checksum: &str, said: &str) -> Result<Resolved, Failed> {
    let find = |wanted: &str| {
        said.lines().find_map(|line| {
            let (id, name) = line.split_once('\t')?;
            (name == wanted).then(|| id.to_owned())
        })
    };
    let below = |prefix: &str| format!("{prefix}{}", name.strip_prefix(prefix).unwrap_or(name));
    let candidates = ["refs/", "refs/heads/", "refs/tags/"].map(below);
    let found = candidates.into_iter().find_map(|name| Some((find(&name)?, name)));
    let Some((id, used)) = found else {
        return Err(Failed::NoReference {
            name: name.to_owned(),
            said: said.to_owned(),
        });
    };
    if !is_commit(&id) {
        return Err(Failed::Refused(format!("invalid commit sha {id:?}")));
    }
    // A tag with words of its own names a commit behind it.
    let behind = used
        .starts_with("refs/tags/")
        .then(|| find(&format!("{used}^{{}}")))
        .flatten();
    let fits = id.starts_with(checksum) || behind.as_ref().is_some_and(|id| id.starts_with(checksum));
    if !fits {
        let found = behind.map_or_else(|| id.clone(), |behind| format!("{id} or {behind}"));
        return Err(mismatch(checksum, &found));
    }
    Ok(Resolved { id, name: Some(used) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

    #[test]
    fn a_branch_wins_over_a_tag() {
        let said = format!("{A}\trefs/heads/v\n{B}\trefs/tags/v\n{A}\trefs/tags/v^{{}}\n");
        let chosen = |name: &str, checksum: &str| {
            choose(name, checksum, &said)
                .map(|found| (found.id, found.name.unwrap()))
                .map_err(|error| error.to_string())
        };
        assert_eq!(chosen("v", "").unwrap(), (A.into(), "refs/heads/v".into()));
        assert_eq!(
            chosen("refs/tags/v", "").unwrap(),
            (B.into(), "refs/tags/v".into())
        );
        assert_eq!(chosen("tags/v", "aaa").unwrap().0, B);
        assert!(
            chosen("v", "b")
                .unwrap_err()
                .starts_with("expected checksum to match b, got aaa")
        );
        assert!(
            chosen("w", "")
                .unwrap_err()
                .starts_with("repository does not contain ref w, output: ")
        );
        assert_eq!(
            default_branch("ref: refs/heads/x\tHEAD\nabc\tHEAD\n").unwrap(),
            "refs/heads/x"
        );
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        let source = |checksum: &str, reference: &str| GitSource {
            checksum: checksum.into(),
            reference: reference.into(),
            ..GitSource::default()
        };
        assert!(
            check(&source("foobar", ""))
                .unwrap_err()
                .to_string()
                .contains("expected hex commit hash")
        );
        assert!(check(&source("", "--upload-pack=x")).is_err());
        assert!(check(&source("abc123", "main")).is_ok());
    }
}
