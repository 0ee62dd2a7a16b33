//! The table of endpoints (distribution-spec, "Endpoints"), from which requests are told apart and
//! docs/coverage-registry.md is printed.

use http::Method;

use crate::error::{Code, Fault};
use crate::names::Name;

/// What a request does to a repository, as rights are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Right {
    Pull,
    Push,
    Delete,
}

/// What is to be done. HEAD is GET without the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Check,
    Catalog,
    Collect,
    Tags,
    ManifestGet,
    ManifestPut,
    ManifestDelete,
    Referrers,
    BlobGet,
    BlobDelete,
    UploadBegin,
    UploadStatus,
    UploadChunk,
    UploadFinish,
    UploadCancel,
}

/// Where something is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resource {
    Base,
    Catalog,
    Collect,
    Tags,
    Manifest,
    Referrers,
    Blob,
    Uploads,
    Upload,
}

/// A row of the table.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) method: Method,
    pub(crate) resource: Resource,
    pub(crate) action: Action,
    /// None is judged by the action itself.
    pub(crate) right: Option<Right>,
}

macro_rules! routes {
    ($($method:ident $resource:ident $action:ident $right:expr;)*) => {
        pub(crate) static ROUTES: &[Route] = &[$(Route {
            method: Method::$method,
            resource: Resource::$resource,
            action: Action::$action,
            right: $right,
        }),*];
    };
}

routes! {
    GET Base Check None;
    HEAD Base Check None;
    GET Catalog Catalog None;
    POST Collect Collect None;
    GET Tags Tags Some(Right::Pull);
    GET Manifest ManifestGet Some(Right::Pull);
    HEAD Manifest ManifestGet Some(Right::Pull);
    PUT Manifest ManifestPut Some(Right::Push);
    DELETE Manifest ManifestDelete Some(Right::Delete);
    GET Referrers Referrers Some(Right::Pull);
    GET Blob BlobGet Some(Right::Pull);
    HEAD Blob BlobGet Some(Right::Pull);
    DELETE Blob BlobDelete Some(Right::Delete);
    POST Uploads UploadBegin Some(Right::Push);
    GET Upload UploadStatus Some(Right::Push);
    HEAD Upload UploadStatus Some(Right::Push);
    PATCH Upload UploadChunk Some(Right::Push);
    PUT Upload UploadFinish Some(Right::Push);
    DELETE Upload UploadCancel Some(Right::Push);
}

/// What a path names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) resource: Resource,
    /// None where it is none's.
    pub(crate) name: Option<Name>,
    /// What stands at the end: a tag, a digest, an upload's id.
    pub(crate) last: String,
}

/// Tells what a path names. A repository's name may hold any of the words that stand behind it, so it is read from the
/// end.
///
/// # Errors
/// `None` is a path of nothing; else `NAME_INVALID`.
pub(crate) fn find(path: &str) -> Result<Option<Found>, Fault> {
    let alone = |resource| {
        Ok(Some(Found {
            resource,
            name: None,
            last: String::new(),
        }))
    };
    let rest = match path {
        "/v2" | "/v2/" => return alone(Resource::Base),
        "/v2/_catalog" => return alone(Resource::Catalog),
        "/v2/_gantry/registry/collect" => return alone(Resource::Collect),
        _ => path.strip_prefix("/v2/"),
    };
    let Some(rest) = rest else { return Ok(None) };
    let (resource, name, last) = if let Some(name) = rest.strip_suffix("/tags/list") {
        (Resource::Tags, name, "")
    } else if let Some(name) = rest
        .strip_suffix("/blobs/uploads/")
        .or_else(|| rest.strip_suffix("/blobs/uploads"))
    {
        (Resource::Uploads, name, "")
    } else {
        let Some((before, last)) = rest.rsplit_once('/') else {
            return Ok(None);
        };
        let kinds = [
            ("/blobs/uploads", Resource::Upload),
            ("/manifests", Resource::Manifest),
            ("/blobs", Resource::Blob),
            ("/referrers", Resource::Referrers),
        ];
        let found = kinds
            .iter()
            .find_map(|(end, kind)| Some((*kind, before.strip_suffix(end)?)));
        let Some((resource, name)) = found else {
            return Ok(None);
        };
        (resource, name, last)
    };
    Ok(Some(Found {
        resource,
        name: Some(name.parse()?),
        last: last.to_owned(),
    }))
}

/// The row of a method and a resource.
///
/// # Errors
/// `UNSUPPORTED` with the methods that there are.
pub(crate) fn select(method: &Method, resource: Resource) -> Result<&'static Route, Fault> {
    let of = || ROUTES.iter().filter(|route| route.resource == resource);
    of().find(|route| route.method == *method).ok_or_else(|| {
        let methods: Vec<&str> = of().map(|route| route.method.as_str()).collect();
        let fault = Fault::from(Code::Unsupported);
        match methods.join(", ").parse() {
            Ok(allowed) => fault.header(http::header::ALLOW, allowed),
            Err(_) => fault,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found(path: &str) -> Option<(Resource, String, String)> {
        let found = find(path).unwrap()?;
        let name = found.name.map(|name| name.as_str().to_owned());
        Some((found.resource, name.unwrap_or_default(), found.last))
    }

    #[test]
    fn paths_name_what_they_name() {
        use Resource::{Base, Blob, Catalog, Manifest, Referrers, Tags, Upload, Uploads};
        for (path, resource, name, last) in [
            ("/v2", Base, "", ""),
            ("/v2/", Base, "", ""),
            ("/v2/_catalog", Catalog, "", ""),
            ("/v2/a/tags/list", Tags, "a", ""),
            ("/v2/a/b/tags/list", Tags, "a/b", ""),
            ("/v2/a/manifests/v1", Manifest, "a", "v1"),
            ("/v2/a/blobs/sha256:0", Blob, "a", "sha256:0"),
            ("/v2/a/blobs/uploads/", Uploads, "a", ""),
            ("/v2/a/blobs/uploads", Uploads, "a", ""),
            ("/v2/a/blobs/uploads/id", Upload, "a", "id"),
            ("/v2/a/referrers/sha256:0", Referrers, "a", "sha256:0"),
            // Repositories that are named like the rest.
            ("/v2/blobs/uploads/manifests/x", Manifest, "blobs/uploads", "x"),
            (
                "/v2/manifests/manifests/manifests",
                Manifest,
                "manifests",
                "manifests",
            ),
            ("/v2/a/blobs/blobs/uploads/id", Upload, "a/blobs", "id"),
            ("/v2/tags/list/tags/list", Tags, "tags/list", ""),
        ] {
            let expected = Some((resource, name.to_owned(), last.to_owned()));
            assert_eq!(found(path), expected, "{path}");
        }
        for path in [
            "",
            "/",
            "/v1/",
            "/v3/a/tags/list",
            "/v2/a",
            "/v2/a/b",
            "/v2/manifests/x",
            "/metrics",
        ] {
            assert_eq!(found(path), None, "{path}");
        }
        for path in [
            "/v2/A/manifests/x",
            "/v2//manifests/x",
            "/v2/../manifests/x",
            "/v2/a%2Fb/tags/list",
        ] {
            assert_eq!(find(path).unwrap_err().code(), Code::NameInvalid, "{path}");
        }
    }

    #[test]
    fn other_methods_are_refused_with_those_that_there_are() {
        let fault = select(&Method::PATCH, Resource::Manifest).unwrap_err();
        assert_eq!(fault.code(), Code::Unsupported);
        assert_eq!(fault.headers[0].1, "GET, HEAD, PUT, DELETE");
    }

    proptest! {
        #[test]
        fn no_path_is_too_strange(path in ".{0,80}") {
            let _ = find(&path);
        }
    }
}
