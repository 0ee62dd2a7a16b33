//! Conversion between the versions of a custom resource by its definition's webhook (`pkg/apiserver/conversion`).
//!
//! An object is converted as a whole before anything else looks at it: [`shown`] makes of a stored object one of the
//! version that was asked for, and [`Webhook::value`] makes what is stored of a tree. So everything behind them (Tables,
//! patches, watches) works on objects of one version, and nothing there waits for anybody.

mod review;

use std::sync::Arc;
use std::time::Duration;

use kinds::Place;
use kinds::rules::value::{annotations, labels};
use schema::cursor::Ref;
use schema::field::{Errors, aggregate};
use schema::json::{self, Options};
use schema::object::{self, Obj};
use schema::status::Status;
use schema::tree::Struct;

use self::review::{Question, Version};
use super::settle;
use crate::outbound::hook::ClientConfig;
use crate::registry::convert;
use crate::server::State;
use crate::{Answer, Refused, Served};
use bytes::Bytes;

/// How long a webhook may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Objects that a webhook is shown at once.
const MAX_OBJECTS: usize = 250;
/// Their bytes, unless one alone has more.
const MAX_BYTES: usize = 1 << 20;
/// The longest answer, in bytes.
const MAX_ANSWER: usize = 8 << 20;

/// A definition's webhook.
#[derive(Debug)]
pub(crate) struct Webhook {
    client: ClientConfig,
    /// The first of its review versions that this server speaks.
    review: Option<Version>,
}

/// The webhook that converts between a resource's versions, if there is one.
pub(crate) fn webhook(served: &Served) -> Option<&Webhook> {
    served.custom()?.webhook.as_ref()
}

/// That the versions of the resource differ in nothing that only a webhook knows.
///
/// # Errors
/// 500: somebody was shown an object that [`shown`] has not converted.
pub(crate) fn needs_none(served: &Served, from: &str) -> Answer<()> {
    match webhook(served) {
        Some(_) => Err(failed(served, from, "failed: it was not asked")),
        None => Ok(()),
    }
}

/// An object in the version that was asked for, as its webhook converts it. Without a webhook it is the same object, and
/// whoever decodes it changes its version.
///
/// # Errors
/// 500 with what the webhook did wrong.
pub(crate) async fn shown(state: &State, served: &Served, object: Arc<Obj>) -> Answer<Arc<Obj>> {
    if webhook(served).is_none() {
        return Ok(object);
    }
    let mut one = [object];
    all_shown(state, served, &mut one).await?;
    let [object] = one;
    Ok(object)
}

/// The same of many objects, with as few requests as may be.
///
/// # Errors
/// See [`shown`].
pub(crate) async fn all_shown(state: &State, served: &Served, objects: &mut [Arc<Obj>]) -> Answer<()> {
    let Some(hook) = webhook(served) else {
        return Ok(());
    };
    let mut foreign: Vec<&mut Arc<Obj>> = objects
        .iter_mut()
        .filter(|object| !convert::is_own(served, object))
        .collect();
    let mut rest = foreign.as_mut_slice();
    while !rest.is_empty() {
        let (batch, more) = rest.split_at_mut(batch(rest));
        let from: Answer<Vec<Original>> = batch
            .iter()
            .map(|object| Original::stored(served, object))
            .collect();
        let trees = hook.convert(state, served, from?).await?;
        for (object, tree) in batch.iter_mut().zip(trees) {
            let body = object::body(&served.def.types, &tree);
            let converted = object.converted(&served.version().name, body);
            **object = Arc::new(converted.map_err(Status::internal)?);
        }
        rest = more;
    }
    Ok(())
}

/// How many of the objects fit into one request.
fn batch(objects: &[&mut Arc<Obj>]) -> usize {
    let mut bytes = 0;
    let fits = |object: &&&mut Arc<Obj>| {
        bytes += object.body().len();
        bytes <= MAX_BYTES
    };
    objects.iter().take(MAX_OBJECTS).take_while(fits).count().max(1)
}

/// An object to be converted.
struct Original {
    version: String,
    json: Vec<u8>,
}

impl Original {
    fn stored(served: &Served, object: &Obj) -> Answer<Self> {
        let version = convert::version_of(served, object);
        let own = served.in_version(version);
        let own = own.ok_or_else(|| convert::unknown_version(served, "from", version))?;
        Ok(Self {
            version: version.to_owned(),
            json: convert::bytes(&own, object)?,
        })
    }

    fn tree(served: &Served, tree: &Struct) -> Answer<Self> {
        let tree = convert::from_stored(served, tree.clone())?;
        let mut text = Vec::new();
        json::encode(&served.def.types, &tree, &mut text);
        Ok(Self {
            version: served.version().name.to_string(),
            json: text,
        })
    }
}

impl Webhook {
    /// Of `spec.conversion`; nothing of another strategy.
    pub(super) fn of(conversion: Ref<'_>) -> Option<Self> {
        let webhook = conversion.at("webhook");
        (conversion.at("strategy").str() == "Webhook").then(|| Self {
            client: ClientConfig::of(webhook.at("clientConfig")),
            review: webhook
                .at("conversionReviewVersions")
                .strings()
                .find_map(Version::named),
        })
    }

    /// What the store shall hold of a tree of the served version.
    ///
    /// # Errors
    /// See [`shown`].
    pub(crate) async fn value(&self, state: &State, served: &Served, tree: &Struct) -> Answer<Bytes> {
        let storage = &served.def.storage_version.version;
        let tree = self.tree(state, served, storage, tree).await?;
        Ok(convert::stored_value(served, &tree))
    }

    /// A tree of the served version as one of another.
    ///
    /// # Errors
    /// See [`shown`].
    pub(crate) async fn tree(
        &self,
        state: &State,
        served: &Served,
        to: &str,
        tree: &Struct,
    ) -> Answer<Struct> {
        let wanted = served.in_version(to);
        let wanted = wanted.ok_or_else(|| convert::unknown_version(served, "to", to))?;
        let mut trees = self
            .convert(state, &wanted, vec![Original::tree(served, tree)?])
            .await?;
        trees
            .pop()
            .ok_or_else(|| Status::internal("nothing was converted").into())
    }

    async fn convert(&self, state: &State, wanted: &Served, originals: Vec<Original>) -> Answer<Vec<Struct>> {
        let from = originals
            .first()
            .map_or_else(String::new, |first| first.version.clone());
        let done = self.ask(state, wanted, &originals).await;
        let objects = done.map_err(|why| failed(wanted, &from, &why))?;
        let one = objects.len() == 1;
        let (version, kind) = (wanted.api_version(), &wanted.def.kind);
        let settled = objects.into_iter().zip(&originals).enumerate();
        let trees = settled.map(|(at, (converted, original))| {
            let converted = review::settle(&original.json, converted, &version, kind);
            let tree = converted.and_then(|converted| decode(wanted, &converted));
            tree.map_err(|fault| failed(wanted, &original.version, &fault.told(one, at)))
        });
        trees.collect()
    }

    async fn ask(
        &self,
        state: &State,
        wanted: &Served,
        originals: &[Original],
    ) -> Result<Vec<serde_json::Value>, String> {
        let version = self
            .review
            .ok_or("failed: no supported conversion review versions")?;
        let (uid, desired) = (state.uuid(), wanted.api_version());
        let question = Question {
            version,
            uid: &uid,
            desired: &desired,
        };
        let body = question.body(originals.iter().map(|original| original.json.as_slice()));
        let deadline = state.env.now().saturating_add(TIMEOUT);
        let answer = self.client.ask(state, body.into(), MAX_ANSWER, deadline).await;
        let objects = answer.and_then(|answer| question.answer(answer.body()));
        let objects = objects.map_err(|why| format!("failed: {why}"))?;
        if objects.len() == originals.len() {
            return Ok(objects);
        }
        Err(format!(
            "returned {} objects, expected {}",
            objects.len(),
            originals.len()
        ))
    }
}

/// The converted object, pruned by the schema of its version.
fn decode(wanted: &Served, converted: &serde_json::Value) -> Result<Struct, review::Fault> {
    let types = &wanted.def.types;
    let text = converted.to_string();
    let decoded = json::decode(
        types,
        wanted.version().schema,
        text.as_bytes(),
        Options::default(),
    );
    let mut tree = decoded
        .map_err(|error| review::Fault::Object(error.to_string()))?
        .object;
    if let Some(version) = wanted.custom_version() {
        settle(version, types, &mut tree);
    }
    let mut errors = Errors::new();
    let root = Place::root(Ref::new(types, &tree));
    let metadata = root.child("metadata");
    labels(&metadata.child("labels"), &mut errors);
    annotations(&metadata.child("annotations"), &mut errors);
    if errors.is_empty() {
        return Ok(tree);
    }
    Err(review::Fault::Metadata(aggregate(&errors)))
}

/// Upstream has no reason for it.
fn failed(served: &Served, from: &str, why: &str) -> Refused {
    let (group, kind) = (&served.def.group, &served.def.kind);
    let why = format!("conversion webhook for {group}/{from}, Kind={kind} {why}");
    Status::failure(500, "", why).into()
}
