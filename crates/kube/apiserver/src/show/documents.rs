//! Discovery, OpenAPI v2 and v3 and `/version`: printed from the live table, once for each of its epochs.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, LOCATION,
    VARY,
};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use openapi::{Catalog, DiscoveryVersion, etag, proto, version};
use schema::resource::ResourceDef;

use crate::aggregation::Aggregation;
use crate::cache::Cache;
use crate::custom::publish;
use crate::negotiate::{self, JSON};
use crate::pipeline::health_paths;
use crate::server::State;
use crate::{Body, Call, Resources};

/// The documents that were asked for since the table last changed. As many as there are paths: bounded by the table.
#[derive(Debug, Default)]
pub(crate) struct Documents(Mutex<Printed>);

#[derive(Debug, Default)]
struct Printed {
    epoch: u64,
    catalog: Option<Arc<Catalog>>,
    documents: BTreeMap<Key, Document>,
}

/// What a path asks for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    /// `/`: every path there is
    Index,
    Version,
    /// `/api`
    Core,
    /// `/apis`
    Groups,
    /// `/apis/GROUP`
    Group(String),
    /// `/apis/GROUP/VERSION`, `/api/v1`
    GroupVersion(String, String),
    /// `/api` or `/apis` with everything below, as v2 or as v2beta1
    Aggregated {
        core: bool,
        beta: bool,
    },
    /// `/openapi/v3`
    OpenapiIndex,
    /// `/openapi/v3/apis/apps/v1`, and whether as protobuf
    Openapi(String, bool),
    /// `/openapi/v2`, and whether as protobuf
    Swagger(bool),
}

/// What documents are printed from.
#[derive(Clone, Copy)]
struct Place<'a> {
    resources: &'a Resources,
    /// Where the definitions of custom resources are.
    cache: Option<&'a Cache>,
    /// What other servers serve.
    aggregation: Option<&'a Aggregation>,
    /// This server's: `10.0.0.1:6443`
    address: &'a str,
}

impl Place<'_> {
    /// This server's document with what others serve in it.
    fn merged(&self, own: Vec<u8>, merge: fn(&Aggregation, Vec<u8>) -> Vec<u8>) -> Vec<u8> {
        match self.aggregation {
            Some(others) => merge(others, own),
            None => own,
        }
    }
}

#[derive(Clone, Debug)]
struct Document {
    body: Bytes,
    /// Whether the body is kept compressed: a description of everything has megabytes, and is asked for seldom.
    packed: bool,
    tag: HeaderValue,
}

impl Documents {
    /// The answer to a request for a document of discovery; nothing if the path is none.
    pub(crate) fn answer(&self, state: &State, call: &Call) -> Option<Response<Body>> {
        if !matches!(call.method, Method::GET | Method::HEAD) {
            return None;
        }
        let address = format!("{}:{}", state.config.advertise, state.config.port);
        let place = Place {
            resources: &state.resources,
            cache: Some(&state.cache),
            aggregation: Some(&state.aggregation),
            address: &address,
        };
        let pretty = negotiate::is_pretty(&call.headers, &call.query);
        let response = self.find(place, call.uri.path(), &call.headers, pretty)?;
        Some(match call.query.get("hash").filter(|hash| !hash.is_empty()) {
            Some(hash) => hashed(response, call.uri.path(), hash),
            None => response,
        })
    }

    fn find(
        &self,
        place: Place<'_>,
        path: &str,
        headers: &HeaderMap,
        pretty: bool,
    ) -> Option<Response<Body>> {
        let key = match Key::of(path, headers)? {
            Ok(key) => key,
            Err(NotAcceptable) => return Some(refused()),
        };
        let mut document = self.document(place, &key)?;
        if pretty && key.is_object() {
            document.body = negotiate::indent(document.body.trim_ascii_end()).into();
        }
        Some(match key {
            Key::Aggregated { beta, .. } => {
                tagged(&document, discovery_version(beta).content_type(), headers)
            }
            Key::OpenapiIndex | Key::Openapi(_, false) | Key::Swagger(false) => {
                tagged(&document, JSON, headers)
            }
            Key::Openapi(_, true) => tagged(&document, proto::V3, headers),
            Key::Swagger(true) => tagged(&document, proto::V2, headers),
            _ => plain(&document),
        })
    }

    fn document(&self, place: Place<'_>, key: &Key) -> Option<Document> {
        let resources = place.resources;
        // Both only grow.
        let epoch = resources.epoch() + place.aggregation.map_or(0, Aggregation::epoch);
        let mut printed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if printed.epoch != epoch || printed.catalog.is_none() {
            *printed = Printed {
                epoch,
                catalog: Some(Arc::new(Catalog::new(&resources.defs()))),
                documents: BTreeMap::new(),
            };
        }
        if let Some(document) = printed.documents.get(key) {
            return Some(document.clone());
        }
        let catalog = printed.catalog.clone()?;
        // Some are long to print; others are not to wait for that.
        drop(printed);
        let document = key.print(&catalog, place)?;
        let mut printed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A path that leads nowhere is not remembered: there is no end to them.
        if printed.epoch == epoch {
            printed.documents.insert(key.clone(), document.clone());
        }
        Some(document)
    }
}

impl Document {
    fn tagged(body: Vec<u8>, tag: &str) -> Option<Self> {
        let tag = HeaderValue::try_from(format!("\"{tag}\"")).ok()?;
        let (body, packed) = (body.into(), false);
        Some(Self { body, packed, tag })
    }

    /// One that is kept compressed.
    fn packed(body: &[u8], tag: &str) -> Option<Self> {
        let mut packed = GzEncoder::new(Vec::new(), Compression::default());
        packed.write_all(body).ok()?;
        let mut document = Self::tagged(packed.finish().ok()?, tag)?;
        document.packed = true;
        Some(document)
    }

    /// The body for somebody who takes gzip, or not; and whether it is compressed.
    fn body_for(&self, asked: &HeaderMap) -> (Bytes, bool) {
        let takes = asked
            .get(ACCEPT_ENCODING)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let takes = takes
            .split(',')
            .any(|coding| coding.split(';').next().unwrap_or_default().trim() == "gzip");
        if !self.packed || takes {
            return (self.body.clone(), self.packed);
        }
        let mut plain = Vec::new();
        // We packed it: it can be unpacked.
        drop(GzDecoder::new(&*self.body).read_to_end(&mut plain));
        (plain.into(), false)
    }
}

impl Key {
    /// What a path asks for; an error where the client takes no form of it.
    fn of(path: &str, headers: &HeaderMap) -> Option<Result<Self, NotAcceptable>> {
        if matches!(path, "/" | "/index.html") {
            return Some(Ok(Self::Index));
        }
        if matches!(path, "/openapi/v2" | "/openapi/v2/") {
            return Some(wants_protobuf(headers, proto::V2).map(Self::Swagger));
        }
        match path
            .strip_prefix("/openapi/v3")
            .map(|place| place.trim_matches('/'))
        {
            Some("") => Some(Ok(Self::OpenapiIndex)),
            Some(place) => {
                let form = wants_protobuf(headers, proto::V3);
                Some(form.map(|protobuf| Self::Openapi(place.to_owned(), protobuf)))
            }
            None => Self::of_discovery(path, headers).map(Ok),
        }
    }

    fn of_discovery(path: &str, headers: &HeaderMap) -> Option<Self> {
        let mut parts = path.trim_matches('/').split('/');
        let key = match (parts.next()?, parts.next(), parts.next()) {
            ("version", None, None) => Self::Version,
            (prefix @ ("api" | "apis"), None, None) => Self::prefix(prefix == "api", headers),
            ("api", Some(version), None) => Self::GroupVersion(String::new(), version.to_owned()),
            ("apis", Some(group), None) => Self::Group(group.to_owned()),
            ("apis", Some(group), Some(version)) => Self::GroupVersion(group.to_owned(), version.to_owned()),
            _ => return None,
        };
        parts.next().is_none().then_some(key)
    }

    fn prefix(core: bool, headers: &HeaderMap) -> Self {
        match (accepts_aggregated(headers), core) {
            (Some(version), core) => Self::Aggregated {
                core,
                beta: version == DiscoveryVersion::V2Beta1,
            },
            (None, true) => Self::Core,
            (None, false) => Self::Groups,
        }
    }

    fn print(&self, catalog: &Catalog, place: Place<'_>) -> Option<Document> {
        let stamp = |def: &ResourceDef| place.resources.custom_since(def);
        let mut body = match self {
            Self::Index => index(catalog),
            Self::Version => version(),
            Self::Core => catalog.api_versions(place.address),
            Self::Groups => place.merged(catalog.api_groups(), Aggregation::groups),
            Self::Group(name) => match place.aggregation {
                Some(others) => others.group(name, catalog.api_group(name))?,
                None => catalog.api_group(name)?,
            },
            Self::GroupVersion(group, version) => catalog.api_resources(group, version)?,
            Self::Aggregated { core, beta } => {
                let own = catalog.aggregated(*core, discovery_version(*beta));
                if *core {
                    own
                } else {
                    place.merged(own, Aggregation::aggregated)
                }
            }
            Self::OpenapiIndex => place.merged(catalog.openapi_index(&stamp), Aggregation::openapi_index),
            Self::Openapi(at, protobuf) => {
                let schema = |def: &ResourceDef, version: &str| publish::v3(place.cache?, def, version);
                let document = catalog.openapi(at, &schema)?;
                let document = if *protobuf {
                    proto::v3(&document)?
                } else {
                    document
                };
                return Document::packed(&document, &catalog.openapi_hash(at, &stamp));
            }
            Self::Swagger(protobuf) => {
                let document = catalog.swagger(&|def, version| publish::v2(place.cache?, def, version));
                let document = if *protobuf {
                    proto::v2(&document)?
                } else {
                    document
                };
                return Document::packed(&document, &etag(&document));
            }
        };
        let tag = etag(&body);
        if self.is_object() {
            body.push(b'\n');
        }
        Document::tagged(body, &tag)
    }

    /// Whether upstream encodes it as it encodes objects: ending with a line feed, indented for people.
    fn is_object(&self) -> bool {
        match self {
            Self::Core | Self::Groups | Self::Group(_) | Self::GroupVersion(..) | Self::Aggregated { .. } => {
                true
            }
            Self::Index | Self::Version | Self::OpenapiIndex | Self::Openapi(..) | Self::Swagger(_) => false,
        }
    }
}

/// Where a person may begin to look: upstream's `IndexLister`.
fn index(catalog: &Catalog) -> Vec<u8> {
    const FIXED: [&str; 7] = [
        "/.well-known/openid-configuration",
        "/metrics",
        "/openapi/v2",
        "/openapi/v3",
        "/openapi/v3/",
        "/openid/v1/jwks",
        "/version",
    ];
    let mut paths = catalog.paths();
    paths.extend(FIXED.map(str::to_owned));
    paths.extend(health_paths());
    paths.sort_unstable();
    serde_json::to_vec_pretty(&serde_json::json!({ "paths": paths })).unwrap_or_default()
}

const fn discovery_version(beta: bool) -> DiscoveryVersion {
    if beta {
        DiscoveryVersion::V2Beta1
    } else {
        DiscoveryVersion::V2
    }
}

/// The first clause of `Accept` decides: clients that want one document name it before the plain one.
fn accepts_aggregated(headers: &HeaderMap) -> Option<DiscoveryVersion> {
    let header = headers.get(ACCEPT)?.to_str().ok()?;
    for clause in header.split(',') {
        let mut parts = clause.split(';').map(str::trim);
        if !matches!(parts.next(), Some("application/json" | "application/*" | "*/*")) {
            continue;
        }
        let params: BTreeMap<&str, &str> = parts.filter_map(|part| part.split_once('=')).collect();
        let of = |name: &str| params.get(name).copied().unwrap_or_default();
        match (of("as"), of("g"), DiscoveryVersion::parse(of("v"))) {
            ("APIGroupDiscoveryList", "apidiscovery.k8s.io", Some(version)) => return Some(version),
            ("", ..) => return None,
            _ => {}
        }
    }
    None
}

fn plain(document: &Document) -> Response<Body> {
    let mut response = Response::new(Body::full(document.body.clone()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
    response
}

/// A document that clients keep: 304 to one who has it (RFC 9110 §13.1.2).
fn tagged(document: &Document, content_type: &'static str, asked: &HeaderMap) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    headers.insert(ETAG, document.tag.clone());
    let vary = if document.packed {
        "Accept-Encoding, Accept"
    } else {
        "Accept"
    };
    headers.insert(VARY, HeaderValue::from_static(vary));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public"));
    if asked.get(IF_NONE_MATCH) == Some(&document.tag) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return response;
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    let (body, packed) = document.body_for(asked);
    if packed {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    *response.body_mut() = Body::full(body);
    response
}

/// A document that was asked for by its hash never changes; one with another hash is elsewhere.
fn hashed(mut response: Response<Body>, path: &str, hash: &str) -> Response<Body> {
    let Some(tag) = response.headers().get(ETAG).and_then(|tag| tag.to_str().ok()) else {
        return response;
    };
    let tag = tag.trim_matches('"');
    if tag == hash {
        let immutable = HeaderValue::from_static("public, immutable");
        response.headers_mut().insert(CACHE_CONTROL, immutable);
        return response;
    }
    let place = HeaderValue::try_from(format!("{path}?hash={tag}"));
    let mut moved = Response::new(Body::empty());
    *moved.status_mut() = StatusCode::MOVED_PERMANENTLY;
    if let Ok(place) = place {
        moved.headers_mut().insert(LOCATION, place);
    }
    moved
}

/// The client takes neither JSON nor this protobuf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct NotAcceptable;

/// Whether a client wants a document as protobuf: the first clause of `Accept` that there is a form for decides.
/// Many ask for the media type as it was first written, with `@` (`spec.v2@v1.0+protobuf`).
fn wants_protobuf(headers: &HeaderMap, protobuf: &str) -> Result<bool, NotAcceptable> {
    let accept = headers
        .get(ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .unwrap_or_default();
    if accept.is_empty() {
        return Ok(false);
    }
    let old = protobuf.replace(".v1.0", "@v1.0");
    let mut ranges = accept
        .split(',')
        .filter_map(|clause| clause.split(';').next())
        .map(str::trim);
    let found = ranges.find_map(|range| match range {
        JSON | "application/*" | "*/*" => Some(false),
        other => (other == protobuf || other == old).then_some(true),
    });
    found.ok_or(NotAcceptable)
}

fn refused() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NOT_ACCEPTABLE;
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body::Body as _;

    fn ask(path: &str, headers: &[(http::HeaderName, &str)]) -> Option<Response<Body>> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(name, value.parse().unwrap());
        }
        let table = Resources::builtin();
        let place = Place {
            resources: &table,
            cache: None,
            aggregation: None,
            address: "10.0.0.1:6443",
        };
        Documents::default().find(place, path, &map, false)
    }

    #[test]
    fn paths_of_discovery_are_answered_and_no_others() {
        for (path, known) in [
            ("/", true),
            ("/version", true),
            ("/api", true),
            ("/api/", true),
            ("/api/v1", true),
            ("/apis", true),
            ("/apis/apps", true),
            ("/apis/apps/v1", true),
            ("/api/v2", false),
            ("/apis/apps/v9", false),
            ("/apis/nope", false),
            ("/apis/apps/v1/deployments", false),
            ("/openapi/v3", true),
            ("/openapi/v3/apis/apps/v1", true),
            ("/openapi/v3/apis/apps/v9", false),
            ("/openapi/v2", true),
            ("/healthz", false),
        ] {
            assert_eq!(ask(path, &[]).is_some(), known, "{path}");
        }
    }

    #[test]
    fn aggregated_discovery_is_negotiated_and_revalidated() {
        const KUBECTL: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";
        let first = ask("/apis", &[(ACCEPT, KUBECTL)]).unwrap();
        assert_eq!(first.headers()[CONTENT_TYPE], DiscoveryVersion::V2.content_type());
        let tag = first.headers()[ETAG].to_str().unwrap().to_owned();
        let again = ask("/apis", &[(ACCEPT, KUBECTL), (IF_NONE_MATCH, &tag)]).unwrap();
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(again.body().size_hint().exact(), Some(0));
        let yaml = [(ACCEPT, "application/yaml")];
        let refused = ask("/openapi/v3/api/v1", &yaml).unwrap();
        assert_eq!(refused.status(), StatusCode::NOT_ACCEPTABLE);
        let plain = ask("/apis", &[(ACCEPT, "application/json")]).unwrap();
        assert_eq!(plain.headers()[CONTENT_TYPE], "application/json");
    }

    #[test]
    fn openapi_is_json_or_protobuf_and_compressed_for_those_who_take_it() {
        let kubectl = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
        let dotted = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
        for (accept, form) in [("*/*", JSON), (kubectl, dotted), (dotted, dotted)] {
            let plain = ask("/openapi/v2", &[(ACCEPT, accept)]).unwrap();
            assert_eq!(plain.headers()[CONTENT_TYPE], form);
            assert_eq!(plain.headers().get(CONTENT_ENCODING), None);
            let packed = ask("/openapi/v2", &[(ACCEPT, accept), (ACCEPT_ENCODING, "gzip, br")]).unwrap();
            assert_eq!(packed.headers()[CONTENT_ENCODING], "gzip");
            assert_eq!(packed.headers()[ETAG], plain.headers()[ETAG]);
            let size = |response: &Response<Body>| response.body().size_hint().exact().unwrap();
            assert!(size(&packed) * 4 < size(&plain), "{}", size(&packed));
        }
    }

    #[test]
    fn a_document_is_where_its_hash_says() {
        let path = "/openapi/v3/apis/apps/v1";
        let document = || ask(path, &[]).unwrap();
        let tag = document().headers()[ETAG]
            .to_str()
            .unwrap()
            .trim_matches('"')
            .to_owned();
        let same = hashed(document(), path, &tag);
        assert_eq!(same.headers()[CACHE_CONTROL], "public, immutable");
        let other = hashed(document(), path, "0");
        assert_eq!(other.status(), StatusCode::MOVED_PERMANENTLY);
        assert_eq!(other.headers()[LOCATION], format!("{path}?hash={tag}"));
    }
}
