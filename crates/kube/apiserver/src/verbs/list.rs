//! GET of a collection.
//!
//! The newest state comes from the cache, an exact one from the store's history. Where the client takes JSON, items are
//! the stored bytes: a large answer is written in pieces while the client reads, and never is in memory as a whole.

use std::sync::Arc;

use schema::object::{Obj, Revision};
use schema::status::Status;

use super::list_body;
use super::options::{ListOptions, Match};
use super::read_error;
use super::token::Token;
use crate::cache::{Cache, ReadError, Snapshot};
use crate::select::Selection;
use crate::server::State;
use crate::{Answer, Call, Reply, Served, custom};

/// What a list found.
#[derive(Debug)]
pub(crate) struct Listed {
    /// As of when.
    pub(crate) revision: Revision,
    /// The objects, by key.
    pub(crate) objects: Objects,
    /// Where it goes on; empty at the end.
    pub(crate) continues: String,
    /// How many are left, where that is known.
    pub(crate) remaining: Option<usize>,
}

impl Listed {
    /// The same with every object in the version that was asked for, where a webhook converts them.
    ///
    /// # Errors
    /// 500 with what the webhook did wrong.
    pub(super) async fn shown(mut self, state: &State, served: &Served) -> Answer<Self> {
        if custom::conversion::webhook(served).is_some() {
            let mut objects = self.objects.collect();
            custom::conversion::all_shown(state, served, &mut objects).await?;
            self.objects = Objects::Page(objects.into_iter());
        }
        Ok(self)
    }
}

/// The objects of a list, handed out once.
#[derive(Debug)]
pub(crate) enum Objects {
    /// Of a page, whose end is known.
    Page(std::vec::IntoIter<Arc<Obj>>),
    /// Of a collection that is listed whole: found while the answer is written, so that a list of any length costs a
    /// client who does not read it nothing but a reference.
    Whole(Box<Whole>),
}

/// What is selected of a collection as of one revision.
#[derive(Debug)]
pub(crate) struct Whole {
    snapshot: Snapshot,
    below: String,
    start: String,
    selection: Selection,
}

impl Objects {
    /// Hands out objects until `take` has enough; false once there are no more.
    pub(super) fn next_while(&mut self, mut take: impl FnMut(&Arc<Obj>) -> bool) -> bool {
        match self {
            Self::Page(objects) => objects.any(|object| !take(&object)),
            Self::Whole(whole) => whole.next_while(take),
        }
    }

    /// All that are left.
    pub(super) fn collect(&mut self) -> Vec<Arc<Obj>> {
        match self {
            Self::Page(objects) => objects.collect(),
            Self::Whole(whole) => whole.rest().cloned().collect(),
        }
    }

    /// Whether all that are left are like this.
    pub(super) fn all(&self, like: impl Fn(&Arc<Obj>) -> bool) -> bool {
        match self {
            Self::Page(objects) => objects.as_slice().iter().all(like),
            Self::Whole(whole) => whole.rest().all(like),
        }
    }
}

impl Whole {
    fn next_while(&mut self, mut take: impl FnMut(&Arc<Obj>) -> bool) -> bool {
        let last = self.rest().find(|object| !take(object));
        let next = last.map(|object| format!("{}\0", object.key));
        let more = next.is_some();
        self.start = next.unwrap_or_default();
        more
    }

    fn rest(&self) -> impl Iterator<Item = &Arc<Obj>> {
        let rows = self.snapshot.range(&self.below, &self.start);
        rows.filter(|object| self.selection.matches(object))
    }
}

/// Where a list reads.
#[derive(Debug, PartialEq, Eq)]
enum Source {
    /// Everything that was written before the request.
    Consistent,
    /// What the cache has, not older than this.
    Cached(Revision),
    /// Just this revision.
    Exact(Revision),
}

/// The part of a collection that a list reads.
struct Part<'a> {
    prefix: &'a str,
    /// `default/` in one namespace, an object's key for one object.
    below: String,
    /// The first key.
    start: String,
    /// Only the object whose key is `below`.
    single: bool,
}

/// Reads a collection.
///
/// # Errors
/// 400, 410, 422, 504.
pub(crate) async fn list(state: &State, call: &Call) -> Answer<Reply> {
    let served = call.served()?;
    let options = ListOptions::of(call, served, false)?;
    let listed = read(&state.cache, call, served, &options).await?;
    list_body::reply(state, call, served, listed.shown(state, served).await?)
}

/// The objects that a call with these options is about; also what `deletecollection` deletes.
///
/// # Errors
/// See [`list`].
pub(crate) async fn read(
    cache: &Cache,
    call: &Call,
    served: &Served,
    options: &ListOptions,
) -> Answer<Listed> {
    let prefix = served.key_prefix();
    let (below, single) = below(call, served, options);
    let token = token(options)?;
    let start = token
        .as_ref()
        .map_or(String::new(), |token| format!("{below}{}", token.start));
    let continued = token.as_ref().map(|token| token.start.clone());
    let part = Part {
        prefix: &prefix,
        below,
        start,
        single,
    };
    // Upstream reads all of it where any version will do.
    let limit = options.limit.filter(|_| options.resource_version != "0");
    let found = match source(options, token.as_ref())? {
        Source::Exact(revision) => exact(cache, &part, options, limit, revision).await,
        Source::Consistent => {
            let waited = cache.wait_for_newest().await;
            waited.map(|()| cached(cache.snapshot(&prefix), part, options, limit))
        }
        Source::Cached(revision) => {
            let waited = cache.wait(revision).await;
            waited.map(|()| cached(cache.snapshot(&prefix), part, options, limit))
        }
    };
    Ok(found.map_err(|error| read_error::status(&error, continued.as_deref()))?)
}

/// The part of the collection that path and field selector leave, and whether it is one object.
pub(super) fn below(call: &Call, served: &Served, options: &ListOptions) -> (String, bool) {
    let fields = &options.selection.fields;
    let namespace = match call.info.namespace.as_str() {
        "" => fields.required("metadata.namespace").unwrap_or_default(),
        namespace => namespace,
    };
    let name = fields
        .required("metadata.name")
        .filter(|_| options.continues.is_empty());
    match (served.namespaced(), namespace, name) {
        (false, _, Some(name)) => (name.to_owned(), true),
        (false, _, None) | (true, "", _) => (String::new(), false),
        (true, namespace, Some(name)) => (format!("{namespace}/{name}"), true),
        (true, namespace, None) => (format!("{namespace}/"), false),
    }
}

fn token(options: &ListOptions) -> Answer<Option<Token>> {
    if options.continues.is_empty() {
        return Ok(None);
    }
    let token = Token::decode(&options.continues)
        .map_err(|why| Status::bad_request(format!("invalid continue token: {why}")))?;
    if !matches!(options.resource_version.as_str(), "" | "0") {
        let why = "specifying resource version is not allowed when using continue";
        return Err(Status::bad_request(why).into());
    }
    Ok(Some(token))
}

/// Upstream's table of what a resource version means to a list.
fn source(options: &ListOptions, token: Option<&Token>) -> Answer<Source> {
    if let Some(token) = token {
        let exact = token.revision.map(|revision| Source::Exact(Revision(revision)));
        return Ok(exact.unwrap_or(Source::Consistent));
    }
    if options.resource_version.is_empty() {
        return Ok(Source::Consistent);
    }
    let revision = options.revision("invalid resource version: ")?;
    let legacy = options.limit.is_some() && revision > Revision(0);
    Ok(match options.version_match {
        Some(Match::Exact) => Source::Exact(revision),
        None if legacy => Source::Exact(revision),
        _ => Source::Cached(revision),
    })
}

fn cached(snapshot: Snapshot, part: Part<'_>, options: &ListOptions, limit: Option<usize>) -> Listed {
    if limit.is_none() && !part.single {
        return whole(snapshot, part, options);
    }
    let selected = |object: &&Arc<Obj>| options.selection.matches(object);
    let mut page = Collector::new(&part, options, limit);
    if part.single {
        let found = snapshot.get(&part.below).filter(selected).cloned();
        page.objects.extend(found);
        return page.finish(snapshot.revision, 0);
    }
    let mut rows = snapshot.range(&part.below, &part.start);
    for object in rows.by_ref() {
        if !page.take(object) {
            // One more is known to be there.
            let rest = 1 + if options.selection.is_empty() {
                rows.count()
            } else {
                0
            };
            return page.finish(snapshot.revision, rest);
        }
    }
    page.finish(snapshot.revision, 0)
}

fn whole(snapshot: Snapshot, part: Part<'_>, options: &ListOptions) -> Listed {
    Listed {
        revision: snapshot.revision,
        continues: String::new(),
        remaining: None,
        objects: Objects::Whole(Box::new(Whole {
            snapshot,
            below: part.below,
            start: part.start,
            selection: options.selection.clone(),
        })),
    }
}

async fn exact(
    cache: &Cache,
    part: &Part<'_>,
    options: &ListOptions,
    limit: Option<usize>,
    revision: Revision,
) -> Result<Listed, ReadError> {
    const MOST: usize = 10_000;
    let mut page = Collector::new(part, options, limit);
    let (mut start, mut chunk) = (part.start.clone(), limit);
    loop {
        let found = cache
            .page(part.prefix, &part.below, &start, revision, chunk)
            .await?;
        let rows = chunk.map_or(found.count, |chunk| chunk.min(found.count));
        for (at, object) in found.objects.iter().enumerate() {
            let wanted = !part.single || *object.key == *part.below;
            if wanted && !page.take(object) {
                return Ok(page.finish(revision, found.count - at));
            }
        }
        let full = page.is_full();
        match found.last {
            Some(last) if rows < found.count && !full => start = format!("{last}\0"),
            _ => return Ok(page.finish(revision, found.count - rows)),
        }
        // Selectors leave little: read more at a time.
        chunk = chunk.map(|chunk| (chunk * 2).min(MOST));
    }
}

/// Takes what is selected up to a limit.
struct Collector<'a> {
    below: &'a str,
    options: &'a ListOptions,
    limit: usize,
    objects: Vec<Arc<Obj>>,
}

impl<'a> Collector<'a> {
    fn new(part: &'a Part<'_>, options: &'a ListOptions, limit: Option<usize>) -> Self {
        Self {
            below: &part.below,
            options,
            limit: limit.unwrap_or(usize::MAX),
            objects: Vec::new(),
        }
    }

    fn is_full(&self) -> bool {
        self.objects.len() >= self.limit
    }

    /// Takes an object if it is selected; false if there is no room for it, or for any other.
    fn take(&mut self, object: &Arc<Obj>) -> bool {
        let room = !self.is_full();
        if room && self.options.selection.matches(object) {
            self.objects.push(object.clone());
        }
        room
    }

    /// The page; `rest` objects were not looked at.
    fn finish(self, revision: Revision, rest: usize) -> Listed {
        let last = self.objects.last().filter(|_| rest > 0);
        let continues = last
            .and_then(|last| last.key.strip_prefix(self.below))
            .map(|key| {
                let token = Token {
                    revision: Some(revision.0),
                    start: format!("{key}\0"),
                };
                token.encode()
            });
        let told = continues.is_some() && self.options.selection.is_empty();
        Listed {
            revision,
            remaining: told.then_some(rest),
            continues: continues.unwrap_or_default(),
            objects: Objects::Page(self.objects.into_iter()),
        }
    }
}

#[cfg(test)]
mod tests;
