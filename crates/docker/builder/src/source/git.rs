//! Addresses of repositories: URLs that end in `.git`, `ssh://` and `git://` URLs, and
//! `user@host:path`, each with `#REF:DIRECTORY` or a query behind it.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::golang;
use crate::services::Secrets;

/// A repository, and what of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GitSource {
    /// What git(1) would be given.
    pub remote: String,
    /// A branch, a tag or a commit; empty for the default branch.
    pub reference: String,
    /// The commit that it has to be; empty for any.
    pub checksum: String,
    /// A directory of the repository; empty for all of it.
    pub directory: String,
    /// `.git` comes along; `None` if nobody said.
    pub keep_git_dir: Option<bool>,
    /// Submodules come along; `None` if nobody said.
    pub submodules: Option<bool>,
    /// Files have the time of their commit.
    pub commit_times: bool,
    /// The commit is fetched without asking what the reference is.
    pub fetch_by_commit: bool,
    /// What its server is told of who asks.
    pub authorization: Authorization,
}

/// The value of an `Authorization` header; empty for none. It is not shown.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Authorization(pub String);

impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "nobody" } else { "somebody" })
    }
}

impl Authorization {
    /// What a client's secrets say of a repository that is asked for over HTTP: those of its server before those of any, a
    /// whole header before a token.
    ///
    /// # Errors
    /// The client's.
    pub async fn of(source: &GitSource, secrets: &dyn Secrets) -> Result<Self, String> {
        Self::named(source, secrets, (Some("GIT_AUTH_HEADER"), Some("GIT_AUTH_TOKEN"))).await
    }

    /// The same with secrets of other names: a whole header's, and a token's.
    ///
    /// # Errors
    /// The client's.
    pub(crate) async fn named(
        source: &GitSource,
        secrets: &dyn Secrets,
        (header, token): (Option<&str>, Option<&str>),
    ) -> Result<Self, String> {
        let Some(host) = source.web_host() else {
            return Ok(Self::default());
        };
        for suffix in [format!(".{host}"), String::new()] {
            if let Some(name) = header
                && let Some(header) = secrets.secret(&format!("{name}{suffix}")).await?
            {
                return Ok(Self(text(&header)));
            }
            if let Some(name) = token
                && let Some(token) = secrets.secret(&format!("{name}{suffix}")).await?
            {
                let login = format!("x-access-token:{}", text(&token));
                return Ok(Self(format!("basic {}", STANDARD.encode(login))));
            }
        }
        Ok(Self::default())
    }

    /// The header that a secret of this name is; whoever names one cannot do without.
    ///
    /// # Errors
    /// The client's; it has no such secret.
    pub(crate) async fn of_header(name: &str, secrets: Option<&dyn Secrets>) -> Result<Self, String> {
        let found = match secrets {
            Some(secrets) => secrets.secret(name).await,
            None => Ok(None),
        };
        let failed = |cause: String| format!("failed to retrieve HTTP auth secret {name}: {cause}");
        match found.map_err(failed)? {
            Some(header) => Ok(Self(text(&header))),
            None => Err(failed(format!("secret {name}: not found"))),
        }
    }

    /// What a client's secrets say of the server of a file: a token before a whole header.
    ///
    /// # Errors
    /// The client's.
    pub async fn of_file(url: &str, secrets: Option<&dyn Secrets>) -> Result<Self, String> {
        let (Some(host), Some(secrets)) = (host_of(url), secrets) else {
            return Ok(Self::default());
        };
        if let Some(token) = secrets.secret(&format!("HTTP_AUTH_TOKEN_{host}")).await? {
            return Ok(Self(format!("Bearer {}", text(&token))));
        }
        let header = secrets.secret(&format!("HTTP_AUTH_HEADER_{host}")).await?;
        Ok(header.map(|header| Self(text(&header))).unwrap_or_default())
    }
}

/// The name of an address' server, without a port and a name in the address.
fn host_of(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?.0,
        None => host.split(':').next()?,
    };
    Some(host).filter(|host| !host.is_empty())
}

/// A secret as a word; a line's end in it would end the header.
fn text(secret: &[u8]) -> String {
    String::from_utf8_lossy(secret).trim().to_owned()
}

impl GitSource {
    /// Reads an address; `None` if it is no repository's.
    ///
    /// # Errors
    /// Upstream's sentence about its query.
    pub fn parse(text: &str) -> Result<Option<Self>, String> {
        if text.starts_with("./") || text.starts_with("../") {
            return Ok(None);
        }
        let (before, fragment) = text.split_once('#').unwrap_or((text, ""));
        let (remote, query) = before.split_once('?').unwrap_or((before, ""));
        if !is_repository(remote) {
            return Ok(None);
        }
        let (reference, directory) = fragment.split_once(':').unwrap_or((fragment, ""));
        let directory = crate::dockerignore::clean(&format!("/{}", unescape(directory)));
        let mut source = Self {
            remote: remote.to_owned(),
            reference: unescape(reference),
            directory: directory.trim_start_matches('/').to_owned(),
            ..Self::default()
        };
        source.read_query(query)?;
        Ok(Some(source))
    }

    /// Whether it is asked for by SSH.
    #[must_use]
    pub fn is_ssh(&self) -> bool {
        match self.remote.split_once("://") {
            Some((scheme, _)) => scheme.eq_ignore_ascii_case("ssh"),
            None => is_scp(&self.remote),
        }
    }

    /// The host and port of its server, if it is a web server that is told no password by the address.
    fn web_host(&self) -> Option<&str> {
        let (scheme, rest) = self.remote.split_once("://")?;
        let web = ["http", "https"]
            .iter()
            .any(|web| scheme.eq_ignore_ascii_case(web));
        let host = rest.split('/').next()?;
        (web && !host.contains('@')).then_some(host)
    }

    fn read_query(&mut self, query: &str) -> Result<(), String> {
        let (mut tag, mut branch) = (String::new(), String::new());
        let mut seen = std::collections::BTreeSet::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (key, value) = (unescape(key), unescape(value));
            let quoted = golang::quote(&key);
            let switch = matches!(key.as_str(), "submodules" | "keep-git-dir" | "fetch-by-commit");
            if !seen.insert(key.clone()) {
                return Err(format!("query {quoted} has multiple values"));
            }
            if value.is_empty() && !switch {
                return Err(format!("query {quoted} has no value"));
            }
            match key.as_str() {
                "ref" => agree(&mut self.reference, value, "ref")?,
                "tag" => tag = with_prefix("refs/tags/", &value),
                "branch" => branch = with_prefix("refs/heads/", &value),
                "subdir" => agree(&mut self.directory, value, "subdir")?,
                "checksum" | "commit" => self.checksum = value,
                "keep-git-dir" => self.keep_git_dir = Some(self::switch(&key, &value)?),
                "submodules" => self.submodules = Some(self::switch(&key, &value)?),
                "fetch-by-commit" => self.fetch_by_commit = self::switch(&key, &value)?,
                "mtime" if value == "checkout" => self.commit_times = false,
                "mtime" if value == "commit" => self.commit_times = true,
                "mtime" => {
                    let value = golang::quote(&value);
                    return Err(format!(
                        "invalid mtime value: {value} (must be \"checkout\" or \"commit\")"
                    ));
                }
                _ => return Err(format!("unexpected query {quoted}")),
            }
        }
        if !tag.is_empty() && !branch.is_empty() {
            return Err("branch conflicts with tag".to_owned());
        }
        for reference in [tag, branch].into_iter().filter(|name| !name.is_empty()) {
            agree(&mut self.reference, reference, "ref")?;
        }
        Ok(())
    }
}

/// What is said twice must be the same.
fn agree(place: &mut String, value: String, what: &str) -> Result<(), String> {
    if !place.is_empty() && *place != value {
        let (one, other) = (golang::quote(place), golang::quote(&value));
        return Err(format!("{what} conflicts: {one} vs {other}"));
    }
    *place = value;
    Ok(())
}

fn with_prefix(prefix: &str, name: &str) -> String {
    if name.starts_with(prefix) {
        name.to_owned()
    } else {
        format!("{prefix}{name}")
    }
}

fn switch(key: &str, value: &str) -> Result<bool, String> {
    if value.is_empty() {
        return Ok(true);
    }
    golang::parse_bool(value).ok_or_else(|| format!("invalid {key} value: {}", golang::quote(value)))
}

fn is_repository(remote: &str) -> bool {
    match remote.split_once("://") {
        Some((scheme, rest)) => match scheme.to_ascii_lowercase().as_str() {
            "http" | "https" => rest
                .split_once('/')
                .is_some_and(|(_, path)| path.ends_with(".git")),
            "ssh" | "git" => !rest.is_empty(),
            _ => false,
        },
        None => is_scp(remote),
    }
}

/// `user@host:path`.
fn is_scp(remote: &str) -> bool {
    let Some((user, rest)) = remote.split_once('@') else {
        return false;
    };
    let Some((host, _)) = rest.split_once(':') else {
        return false;
    };
    let word = |text: &str, more: &str| {
        !text.is_empty()
            && text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || more.contains(c))
    };
    word(user, "-_") && word(host, "-.")
}

/// `%20` and its kin; what is no such code stays.
pub(super) fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let code = after
            .get(..2)
            .filter(|_| *first == b'%')
            .and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        match code {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> GitSource {
        GitSource::parse(text)
            .unwrap()
            .unwrap_or_else(|| panic!("{text}"))
    }

    #[test]
    fn every_form() {
        let fragment = parsed("https://h/a/b.git#v1:sub/../dir");
        assert_eq!(
            (
                fragment.remote.as_str(),
                fragment.reference.as_str(),
                fragment.directory.as_str()
            ),
            ("https://h/a/b.git", "v1", "dir")
        );
        let query = parsed(
            "git@h.io:a/b?tag=v1&subdir=x&commit=abc&keep-git-dir&submodules=false&mtime=commit&fetch-by-commit=1",
        );
        let expected = GitSource {
            remote: "git@h.io:a/b".into(),
            reference: "refs/tags/v1".into(),
            checksum: "abc".into(),
            directory: "x".into(),
            keep_git_dir: Some(true),
            submodules: Some(false),
            commit_times: true,
            fetch_by_commit: true,
            authorization: Authorization::default(),
        };
        assert_eq!(query, expected);
        assert_eq!(parsed("ssh://u@h/r?branch=m").reference, "refs/heads/m");
        assert_eq!(parsed("git://h/r").remote, "git://h/r");
        for other in [
            "a/b",
            "./a.git",
            "https://h/a",
            "ftp://h/a.git",
            "github.com/a/b",
            "C:a",
            "a b@c:d",
        ] {
            assert_eq!(GitSource::parse(other).unwrap(), None, "{other}");
        }
    }

    #[test]
    fn queries_that_make_no_sense() {
        for (query, sentence) in [
            ("x=1", "unexpected query \"x\""),
            ("ref=", "query \"ref\" has no value"),
            ("ref=a&ref=b", "query \"ref\" has multiple values"),
            ("ref=a#b", "ref conflicts: \"b\" vs \"a\""),
            ("tag=a&branch=b", "branch conflicts with tag"),
            ("submodules=x", "invalid submodules value: \"x\""),
            (
                "mtime=x",
                "invalid mtime value: \"x\" (must be \"checkout\" or \"commit\")",
            ),
        ] {
            let error = GitSource::parse(&format!("https://h/a.git?{query}")).unwrap_err();
            assert_eq!(error, sentence);
        }
    }

    proptest::proptest! {
        #[test]
        fn never_panics(text in "(https://h/)?[a-z@:?&=#%0-9./-]{0,30}(.git)?[?#]?[a-z=&%:]{0,12}") {
            let _ = GitSource::parse(&text);
        }
    }
}
