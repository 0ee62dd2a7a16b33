//! What there is: tags, repositories, referrers (distribution-spec, "Content Discovery"); and clearing it up.

use std::collections::BTreeMap;

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response};
use image::{Descriptor, media_type};
use serde_json::json;

use crate::call::Call;
use crate::content::Content;
use crate::error::{Code, Fault};
use crate::names;
use crate::page::Page;
use crate::reply::{self, Body, FILTERS, Reply};
use crate::route::Right;
use crate::state::blocking;

/// Bytes of a page of referrers: clients take manifests of 4 MiB.
const INDEX: usize = 3 << 20;

/// `GET …/tags/list`.
pub(crate) async fn tags(call: &mut Call<'_>) -> Result<Reply, Fault> {
    let page = Page::parse(&call.query)?;
    let place = call.place()?.clone();
    let (content, whole, wanted) = (call.state.content.clone(), place.whole.clone(), page.clone());
    let found = blocking(move || {
        let lists = whole
            .iter()
            .filter_map(|each| content.tags(each, &wanted.last, wanted.limit + 1));
        Ok::<_, Fault>(lists.reduce(|mut all, next| {
            all.extend(next);
            all
        }))
    });
    let name = place.name.as_str();
    let Some(mut tags) = found.await? else {
        return Err(Fault::from(Code::NameUnknown).detail(json!({ "name": name })));
    };
    tags.sort_unstable();
    tags.dedup();
    let more = page.cut(&mut tags);
    let mut reply = reply::json(&json!({"name": name, "tags": tags}));
    if let Some(last) = tags.last().filter(|_| more) {
        let namespace = place.namespace.as_deref().map(|host| ("ns", host));
        page.link(
            &mut reply,
            &format!("/v2/{name}/tags/list"),
            last,
            namespace.as_slice(),
        );
    }
    Ok(reply)
}

/// `GET /v2/_catalog`: repositories that the client may pull.
pub(crate) async fn catalog(call: &mut Call<'_>) -> Result<Reply, Fault> {
    call.judge_registry(Right::Pull).await?;
    let page = Page::parse(&call.query)?;
    let (mut names, mut last) = (Vec::new(), page.last.clone());
    // Those that the client may not see make no page shorter.
    while names.len() <= page.limit {
        let found = repositories(call, &last, page.limit + 1).await?;
        let Some(end) = found.last().cloned() else { break };
        for name in found {
            if call.judge(&name, Right::Pull).await.is_ok() {
                names.push(name);
            }
        }
        last = end;
    }
    let more = page.cut(&mut names);
    let mut reply = reply::json(&json!({ "repositories": names }));
    if let Some(last) = names.last().filter(|_| more) {
        page.link(&mut reply, "/v2/_catalog", last, &[]);
    }
    Ok(reply)
}

/// Names after `last`, in order.
async fn repositories(call: &Call<'_>, last: &str, limit: usize) -> Result<Vec<String>, Fault> {
    let (content, domain, last) = (
        call.state.content.clone(),
        call.state.domain.clone(),
        last.to_owned(),
    );
    blocking(move || {
        let own = content.repositories(&domain, &last, limit);
        // Of the others' registry those with short names are shown, which stand together.
        let short = content.repositories("docker.io", last.as_str().max("library/"), limit);
        let short = short.into_iter().filter(|name| name.starts_with("library/"));
        let mut names: Vec<String> = own.into_iter().chain(short).collect();
        names.sort_unstable();
        names.dedup();
        names.truncate(limit);
        Ok::<_, Fault>(names)
    })
    .await
}

/// `GET …/referrers/DIGEST`.
pub(crate) async fn referrers(call: &mut Call<'_>) -> Result<Reply, Fault> {
    let subject = names::digest(call.last())?;
    let wanted = call.query.given("artifactType").map(str::to_owned);
    let last = call.query.get("last").unwrap_or_default().to_owned();
    let place = call.place()?.clone();
    let (content, whole) = (call.state.content.clone(), place.whole.clone());
    let kind = wanted.clone();
    let page = blocking(move || {
        let mut found: Vec<Descriptor> = whole
            .iter()
            .flat_map(|repository| content.referrers(repository, &subject))
            .collect();
        found.retain(|each| kind.is_none() || each.artifact_type == kind);
        found.sort_unstable_by_key(|each| each.digest);
        found.dedup_by_key(|each| each.digest);
        found.retain(|each| each.digest.to_string() > last);
        fitting(content.as_ref(), found)
    });
    let (shown, more) = page.await?;
    let index = json!({"schemaVersion": 2, "mediaType": media_type::INDEX, "manifests": shown});
    let mut reply = Response::new(Body::from(index.to_string()));
    reply
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(media_type::INDEX));
    if wanted.is_some() {
        reply
            .headers_mut()
            .insert(FILTERS, HeaderValue::from_static("artifactType"));
    }
    if let Some(last) = shown.last().filter(|_| more) {
        let page = Page::parse(&call.query)?;
        let path = format!("/v2/{}/referrers/{subject}", place.name.as_str());
        let namespace = place.namespace.as_deref().map(|host| ("ns", host));
        let filter = wanted.as_deref().map(|kind| ("artifactType", kind));
        let further: Vec<_> = namespace.into_iter().chain(filter).collect();
        page.link(&mut reply, &path, &last.digest.to_string(), &further);
    }
    Ok(reply)
}

/// As many as one index holds, with their notes, and whether there are more. Only notes that are sent are read. Those that
/// would not fit into a page of their own are left out: they are in the manifest.
fn fitting(content: &dyn Content, found: Vec<Descriptor>) -> Result<(Vec<Descriptor>, bool), Fault> {
    let (mut size, mut shown) = (0, Vec::new());
    for mut each in found {
        each.annotations = content.annotations(&each.digest)?;
        if length(&each) > INDEX {
            each.annotations = BTreeMap::new();
        }
        size += length(&each);
        if size > INDEX {
            return Ok((shown, true));
        }
        shown.push(each);
    }
    Ok((shown, false))
}

/// Bytes of an entry of an index.
fn length(entry: &Descriptor) -> usize {
    serde_json::to_vec(entry).map_or(0, |bytes| bytes.len() + 1)
}

/// `POST /v2/_gantry/registry/collect`: takes away at once what is due.
pub(crate) async fn collect(call: &mut Call<'_>) -> Result<Reply, Fault> {
    call.judge_registry(Right::Delete).await?;
    let collected = call.state.upkeep.collect(&call.state.content).await?;
    Ok(reply::json(&json!({
        "links": collected.links, "blobs": collected.blobs, "bytes": collected.bytes,
    })))
}
