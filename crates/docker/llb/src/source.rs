//! `SourceOp`: where files come from, by an address and attributes. An attribute that is not known is refused by name.

use std::collections::BTreeMap;

use crate::{Refused, pb};

/// Files from elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// An image.
    Image {
        /// Its name.
        reference: String,
        /// Whether it is pulled.
        pulling: Pulling,
    },
    /// A directory of the client.
    Local(Local),
    /// A repository.
    Git(Git),
    /// A file of a web server.
    Http(Http),
    /// An image in a layout of the client.
    Layout(Layout),
}

/// Whether an image is pulled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pulling {
    /// Where it is not here.
    Missing,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// A directory of the client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Local {
    /// What the client calls it.
    pub name: String,
    /// The session that has it; the build's if nobody says.
    pub session: Option<String>,
    /// Patterns of what is wanted; none for everything.
    pub include: Vec<String>,
    /// Patterns of what is not.
    pub exclude: Vec<String>,
    /// Paths that are wanted with what their links lead to.
    pub follow: Vec<String>,
    /// What tells it from others of its name.
    pub hint: String,
}

/// A repository.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Git {
    /// What git(1) would be given.
    pub remote: String,
    /// A branch, a tag or a commit; empty for the default branch.
    pub reference: String,
    /// A directory of it; empty for all.
    pub directory: String,
    /// `.git` comes along.
    pub keep_git_dir: bool,
    /// The commit that it has to be; empty for any.
    pub checksum: String,
    /// Submodules do not come along.
    pub skip_submodules: bool,
    /// The agent whose keys are used.
    pub agent: Option<String>,
    /// The secret that is a whole `Authorization` header, if the client has it.
    pub header_secret: Option<String>,
    /// The secret that is a token, if the client has it.
    pub token_secret: Option<String>,
}

/// A file of a web server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Http {
    /// Where.
    pub url: String,
    /// What it has to be; empty for anything.
    pub checksum: String,
    /// What it is called; empty for what the server says.
    pub filename: String,
    /// Its permissions.
    pub mode: Option<u32>,
    /// Whose.
    pub uid: u32,
    /// Whose.
    pub gid: u32,
    /// The secret that is the `Authorization` header.
    pub header_secret: Option<String>,
}

/// An image in a layout of the client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// What the client calls the layout.
    pub store: String,
    /// The session that has it; the build's if nobody says.
    pub session: Option<String>,
    /// The manifest or index in it.
    pub digest: String,
}

impl Source {
    pub(crate) fn read(source: &pb::SourceOp) -> Result<Self, Refused> {
        let invalid = || Refused::invalid(format!("failed to parse {}", source.identifier));
        let (scheme, rest) = source.identifier.split_once("://").ok_or_else(invalid)?;
        if rest.is_empty() {
            return Err(invalid());
        }
        let attributes = Attributes {
            scheme,
            all: &source.attrs,
        };
        match scheme {
            "docker-image" => image(rest, &attributes),
            "local" => local(rest, &attributes).map(Self::Local),
            "git" => git(rest, &attributes).map(Self::Git),
            "http" | "https" => http(&source.identifier, &attributes).map(Self::Http),
            "oci-layout" => layout(rest, &attributes).map(Self::Layout),
            other => Err(Refused::unsupported(format!("unsupported source scheme {other}"))),
        }
    }
}

/// The attributes of a source.
struct Attributes<'a> {
    scheme: &'a str,
    all: &'a BTreeMap<String, String>,
}

impl Attributes<'_> {
    /// Reads them all.
    fn each(&self, mut take: impl FnMut(&str, &str) -> Result<bool, Refused>) -> Result<(), Refused> {
        for (name, value) in self.all {
            if !take(name, value)? {
                return Err(Refused::unsupported(format!(
                    "the attribute {name} of {} sources is not supported",
                    self.scheme
                )));
            }
        }
        Ok(())
    }
}

fn number(name: &str, value: &str) -> Result<u32, Refused> {
    let parsed = match value.strip_prefix("0o").or_else(|| value.strip_prefix('0')) {
        Some("") => Ok(0),
        Some(digits) => u32::from_str_radix(digits, 8),
        None => value.parse(),
    };
    parsed.map_err(|_| Refused::invalid(format!("invalid value {value:?} of {name}")))
}

fn switch(name: &str, value: &str) -> Result<bool, Refused> {
    match value {
        "true" | "1" => Ok(true),
        "false" | "0" | "" => Ok(false),
        _ => Err(Refused::invalid(format!("invalid value {value:?} of {name}"))),
    }
}

/// A name, if there is one.
fn named(value: &str) -> Option<String> {
    (!value.is_empty()).then(|| value.to_owned())
}

/// A list as it is written in an attribute: as JSON.
fn list(name: &str, value: &str) -> Result<Vec<String>, Refused> {
    serde_json::from_str(value).map_err(|_| Refused::invalid(format!("failed to parse {name}: {value:?}")))
}

fn image(reference: &str, attributes: &Attributes<'_>) -> Result<Source, Refused> {
    let mut pulling = Pulling::Missing;
    attributes.each(|name, value| {
        match name {
            "image.resolvemode" => {
                pulling = match value {
                    "" | "default" => Pulling::Missing,
                    "pull" => Pulling::Always,
                    "local" => Pulling::Never,
                    other => return Err(Refused::invalid(format!("invalid resolvemode: {other}"))),
                };
            }
            // For lists of what is cached.
            "image.recordtype" => {}
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(Source::Image {
        reference: reference.to_owned(),
        pulling,
    })
}

fn local(name: &str, attributes: &Attributes<'_>) -> Result<Local, Refused> {
    let mut local = Local {
        name: name.to_owned(),
        ..Local::default()
    };
    attributes.each(|name, value| {
        match name {
            "local.session" => local.session = Some(value.to_owned()),
            "local.includepattern" => local.include = list(name, value)?,
            "local.excludepatterns" => local.exclude = list(name, value)?,
            "local.followpaths" => local.follow = list(name, value)?,
            "local.sharedkeyhint" => value.clone_into(&mut local.hint),
            // They keep a client's cache of definitions from being hit, and say how files are compared; here what is
            // unchanged by size and time is not sent again, whichever is said.
            "local.unique" | "local.differ" => {}
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(local)
}

fn git(rest: &str, attributes: &Attributes<'_>) -> Result<Git, Refused> {
    let (remote, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let (reference, directory) = fragment.split_once(':').unwrap_or((fragment, ""));
    let mut git = Git {
        remote: format!("https://{remote}"),
        reference: reference.to_owned(),
        directory: directory.trim_matches('/').to_owned(),
        ..Git::default()
    };
    attributes.each(|name, value| {
        match name {
            "git.fullurl" => value.clone_into(&mut git.remote),
            "git.keepgitdir" => git.keep_git_dir = switch(name, value)?,
            "git.checksum" => value.clone_into(&mut git.checksum),
            "git.skipsubmodules" => git.skip_submodules = switch(name, value)?,
            "git.mountsshsock" => git.agent = Some(value.to_owned()),
            "git.authtokensecret" => git.token_secret = named(value),
            "git.authheadersecret" => git.header_secret = named(value),
            // The host's own list counts.
            "git.knownsshhosts" => {}
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    if git.directory.split('/').any(|part| part == "..") {
        return Err(Refused::invalid(format!(
            "invalid directory {:?} of a repository",
            git.directory
        )));
    }
    Ok(git)
}

fn http(url: &str, attributes: &Attributes<'_>) -> Result<Http, Refused> {
    let mut http = Http {
        url: url.to_owned(),
        ..Http::default()
    };
    attributes.each(|name, value| {
        match name {
            "http.checksum" => value.clone_into(&mut http.checksum),
            "http.filename" => value.clone_into(&mut http.filename),
            "http.perm" => http.mode = Some(number(name, value)? & 0o7777),
            "http.uid" => http.uid = number(name, value)?,
            "http.gid" => http.gid = number(name, value)?,
            "http.authheadersecret" => http.header_secret = named(value),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    if http.filename.contains('/') || matches!(&*http.filename, "." | "..") {
        return Err(Refused::invalid(format!("invalid file name {:?}", http.filename)));
    }
    Ok(http)
}

fn layout(rest: &str, attributes: &Attributes<'_>) -> Result<Layout, Refused> {
    let (name, digest) = rest
        .split_once('@')
        .ok_or_else(|| Refused::invalid("OCI layout reference must have digest"))?;
    let mut layout = Layout {
        store: name.to_owned(),
        digest: digest.to_owned(),
        session: None,
    };
    attributes.each(|name, value| {
        match name {
            "oci.session" => layout.session = Some(value.to_owned()),
            "oci.store" => value.clone_into(&mut layout.store),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(layout)
}
