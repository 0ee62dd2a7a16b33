//! What a path and a method mean (upstream's `RequestInfoFactory`). Pure.

use http::Method;

use crate::Query;

/// What a request wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verb {
    /// Read one object.
    Get,
    /// Read many.
    List,
    /// Follow changes.
    Watch,
    /// Make one.
    Create,
    /// Replace one.
    Update,
    /// Change one by description.
    Patch,
    /// End one.
    Delete,
    /// End many.
    DeleteCollection,
    /// Pass on to a node, pod or service (deprecated path).
    Proxy,
    /// A request that is not for a resource: the method, in lower case, is its verb (`get`, `post`, `put` …).
    Method(&'static str),
}

impl Verb {
    /// The name that rights and audit use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::DeleteCollection => "deletecollection",
            Self::Proxy => "proxy",
            Self::Method(name) => name,
        }
    }
}

/// A path and a method, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestInfo {
    /// `/api/v1/pods`; false for `/healthz`, `/apis/apps`.
    pub is_resource: bool,
    /// What is wanted.
    pub verb: Verb,
    /// `api` or `apis`; empty for other paths.
    pub api_prefix: String,
    /// Empty for the core group.
    pub group: String,
    /// `v1`
    pub version: String,
    /// `pods`
    pub resource: String,
    /// `status`; empty for the object itself.
    pub subresource: String,
    /// Empty across namespaces and for cluster-scoped resources.
    pub namespace: String,
    /// Empty for collections.
    pub name: String,
    /// The path, decoded.
    pub path: String,
    /// The path's elements from the resource on.
    pub parts: Vec<String>,
    /// The raw selectors of a list-like request, which authorisation may look at.
    pub field_selector: String,
    /// See `field_selector`.
    pub label_selector: String,
}

/// A path that names a special verb and nothing else (`/api/v1/watch`).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unable to determine kind and namespace from url, {0}")]
pub struct NoResource(pub String);

/// Paths below a namespace that are the namespace's own, not resources in it.
const NAMESPACE_SUBRESOURCES: [&str; 2] = ["status", "finalize"];

impl RequestInfo {
    /// Reads a method, a decoded path and a query.
    ///
    /// # Errors
    /// `NoResource`; upstream answers 500.
    pub fn parse(method: &Method, path: &str, query: &Query) -> Result<Self, NoResource> {
        let mut info = Self::of_path(method, path);
        let parts: Vec<&str> = path
            .trim_matches('/')
            .split('/')
            .filter(|part| !part.is_empty() || path.contains("//"))
            .collect();
        let Some(parts) = info.take_group_version(&parts) else {
            return Ok(info);
        };
        let special = ["proxy", "watch"].contains(&parts[0]);
        if special && parts.len() < 2 {
            return Err(NoResource(path.to_owned()));
        }
        info.is_resource = true;
        info.verb = if special {
            special_verb(parts[0])
        } else {
            verb_of(method)
        };
        info.take_parts(if special { &parts[1..] } else { parts });
        info.settle_verb(query, special);
        Ok(info)
    }

    fn of_path(method: &Method, path: &str) -> Self {
        Self {
            is_resource: false,
            verb: Verb::Method(lower_case(method)),
            api_prefix: String::new(),
            group: String::new(),
            version: String::new(),
            resource: String::new(),
            subresource: String::new(),
            namespace: String::new(),
            name: String::new(),
            path: path.to_owned(),
            parts: Vec::new(),
            field_selector: String::new(),
            label_selector: String::new(),
        }
    }

    /// Takes `/api/VERSION` or `/apis/GROUP/VERSION` off, if there is more behind.
    fn take_group_version<'a>(&mut self, parts: &'a [&'a str]) -> Option<&'a [&'a str]> {
        let groups = match *parts.first()? {
            "api" => 0,
            "apis" => 1,
            _ => return None,
        };
        if parts.len() < 3 {
            return None;
        }
        parts[0].clone_into(&mut self.api_prefix);
        if parts.len() < 3 + groups {
            return None;
        }
        if groups == 1 {
            parts[1].clone_into(&mut self.group);
        }
        parts[1 + groups].clone_into(&mut self.version);
        Some(&parts[2 + groups..])
    }

    /// Namespace, resource, name and subresource.
    fn take_parts(&mut self, parts: &[&str]) {
        let mut parts = parts;
        if let ["namespaces", namespace, rest @ ..] = parts {
            (*namespace).clone_into(&mut self.namespace);
            if rest
                .first()
                .is_some_and(|next| !NAMESPACE_SUBRESOURCES.contains(next))
            {
                parts = rest;
            }
        }
        let part = |at: usize| parts.get(at).copied().unwrap_or_default().to_owned();
        self.resource = part(0);
        self.name = part(1);
        if self.verb != Verb::Proxy {
            self.subresource = part(2);
        }
        self.parts = parts.iter().map(|&part| part.to_owned()).collect();
    }

    /// Without a name, `get` lists or watches and `delete` deletes a collection.
    fn settle_verb(&mut self, query: &Query, special: bool) {
        if self.name.is_empty() && self.verb == Verb::Get {
            self.verb = if is_watch(query) { Verb::Watch } else { Verb::List };
            self.name = selected_name(query).unwrap_or_default();
        }
        if self.name.is_empty() && self.verb == Verb::Delete {
            self.verb = Verb::DeleteCollection;
        }
        let selects = matches!(self.verb, Verb::List | Verb::Watch | Verb::DeleteCollection);
        if !special && selects {
            let first = |name: &str| query.get(name).unwrap_or_default().to_owned();
            self.field_selector = first("fieldSelector");
            self.label_selector = first("labelSelector");
        }
    }
}

fn special_verb(part: &str) -> Verb {
    if part == "proxy" { Verb::Proxy } else { Verb::Watch }
}

fn verb_of(method: &Method) -> Verb {
    match *method {
        Method::POST => Verb::Create,
        Method::GET | Method::HEAD => Verb::Get,
        Method::PUT => Verb::Update,
        Method::PATCH => Verb::Patch,
        Method::DELETE => Verb::Delete,
        _ => Verb::Method(""),
    }
}

fn lower_case(method: &Method) -> &'static str {
    match *method {
        Method::GET => "get",
        Method::HEAD => "head",
        Method::POST => "post",
        Method::PUT => "put",
        Method::PATCH => "patch",
        Method::DELETE => "delete",
        Method::OPTIONS => "options",
        Method::CONNECT => "connect",
        Method::TRACE => "trace",
        _ => "",
    }
}

/// Upstream's reading of a boolean parameter: there, and neither `false` nor `0`.
pub(crate) fn is_true(query: &Query, name: &str) -> bool {
    query.get(name).is_some_and(is_truth)
}

/// Whether the value of a boolean parameter is yes.
pub(crate) fn is_truth(value: &str) -> bool {
    !value.eq_ignore_ascii_case("false") && value != "0"
}

fn is_watch(query: &Query) -> bool {
    is_true(query, "watch")
}

/// The name that a field selector pins, if the selector can be read and the name can stand in a path. Rights
/// given for one name then hold for a list or watch of it alone.
fn selected_name(query: &Query) -> Option<String> {
    let mut pinned = None;
    for term in query
        .get("fieldSelector")?
        .split(',')
        .filter(|term| !term.is_empty())
    {
        let (field, value) = term.split_once('=')?;
        if field == "metadata.name" {
            pinned = Some(value.trim_start_matches('=').to_owned());
        }
    }
    pinned.filter(|name| is_path_segment(name))
}

fn is_path_segment(name: &str) -> bool {
    !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '%'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(method: &str, url: &str) -> RequestInfo {
        let uri: http::Uri = url.parse().unwrap();
        let method: Method = method.parse().unwrap();
        RequestInfo::parse(&method, uri.path(), &Query::of(&uri)).unwrap()
    }

    /// Upstream's `TestGetAPIRequestInfo`: method, URL, verb, group, namespace, resource, subresource, name.
    #[test]
    fn paths_of_resources_are_read_as_upstream_does() {
        const CASES: &[(&str, &str, &str, [&str; 5])] = &[
            (
                "GET",
                "/api/v1/namespaces",
                "list",
                ["", "", "namespaces", "", ""],
            ),
            (
                "GET",
                "/api/v1/namespaces/other",
                "get",
                ["", "other", "namespaces", "", "other"],
            ),
            (
                "GET",
                "/api/v1/namespaces/other/pods",
                "list",
                ["", "other", "pods", "", ""],
            ),
            (
                "GET",
                "/api/v1/namespaces/other/pods/foo",
                "get",
                ["", "other", "pods", "", "foo"],
            ),
            (
                "HEAD",
                "/api/v1/namespaces/other/pods/foo",
                "get",
                ["", "other", "pods", "", "foo"],
            ),
            ("HEAD", "/api/v1/pods", "list", ["", "", "pods", "", ""]),
            (
                "GET",
                "/api/v1/proxy/namespaces/other/pods/foo",
                "proxy",
                ["", "other", "pods", "", "foo"],
            ),
            (
                "GET",
                "/api/v1/proxy/namespaces/other/pods/foo/sub/path",
                "proxy",
                ["", "other", "pods", "", "foo"],
            ),
            ("GET", "/api/v1/watch/pods", "watch", ["", "", "pods", "", ""]),
            (
                "GET",
                "/api/v1/pods?watch=true",
                "watch",
                ["", "", "pods", "", ""],
            ),
            (
                "GET",
                "/api/v1/pods?watch=false",
                "list",
                ["", "", "pods", "", ""],
            ),
            (
                "GET",
                "/api/v1/watch/namespaces/other/pods",
                "watch",
                ["", "other", "pods", "", ""],
            ),
            (
                "GET",
                "/api/v1/namespaces/other/pods?watch=0",
                "list",
                ["", "other", "pods", "", ""],
            ),
            (
                "GET",
                "/api/v1/namespaces/other/pods/foo/status",
                "get",
                ["", "other", "pods", "status", "foo"],
            ),
            (
                "GET",
                "/api/v1/namespaces/other/pods/foo/proxy/x",
                "get",
                ["", "other", "pods", "proxy", "foo"],
            ),
            (
                "PUT",
                "/api/v1/namespaces/other/finalize",
                "update",
                ["", "other", "namespaces", "finalize", "other"],
            ),
            (
                "PUT",
                "/api/v1/namespaces/other/status",
                "update",
                ["", "other", "namespaces", "status", "other"],
            ),
            (
                "PATCH",
                "/api/v1/namespaces/other/pods/foo",
                "patch",
                ["", "other", "pods", "", "foo"],
            ),
            (
                "DELETE",
                "/api/v1/namespaces/other/pods/foo",
                "delete",
                ["", "other", "pods", "", "foo"],
            ),
            (
                "POST",
                "/api/v1/namespaces/other/pods",
                "create",
                ["", "other", "pods", "", ""],
            ),
            (
                "DELETE",
                "/api/v1/nodes",
                "deletecollection",
                ["", "", "nodes", "", ""],
            ),
            (
                "DELETE",
                "/api/v1/namespaces/other/pods",
                "deletecollection",
                ["", "other", "pods", "", ""],
            ),
            (
                "POST",
                "/apis/extensions/v1/namespaces/other/pods",
                "create",
                ["extensions", "other", "pods", "", ""],
            ),
        ];
        for (method, url, verb, expected) in CASES {
            let info = parse(method, url);
            assert!(info.is_resource, "{url}");
            assert_eq!(info.verb.name(), *verb, "{url}");
            let found = [
                &info.group,
                &info.namespace,
                &info.resource,
                &info.subresource,
                &info.name,
            ];
            assert_eq!(found.map(String::as_str), *expected, "{url}");
        }
    }

    #[test]
    fn other_paths_are_no_resources() {
        let urls = [
            "/",
            "/api",
            "/api/version",
            "/api/version/",
            "/apis/group/version/",
            "/bad/v1/pods",
            "/apis/v1/pods",
            "/healthz",
        ];
        for url in urls {
            assert!(!parse("GET", url).is_resource, "{url}");
        }
        assert_eq!(parse("GET", "/healthz").verb.name(), "get");
        let watch = RequestInfo::parse(&Method::GET, "/api/v1/watch", &Query::default());
        assert!(watch.is_err());
    }

    #[test]
    fn selectors_are_told_to_those_who_judge() {
        let list = "/apis/group/version/resource?";
        let cases = [
            ("fieldSelector=metadata.name=name1", "name1"),
            ("watch=true&fieldSelector=metadata.name=name1", "name1"),
            ("fieldSelector=foo=bar&labelSelector=baz=qux", ""),
            ("fieldSelector=metadata.name=name1,foo", ""),
        ];
        for (query, name) in cases {
            assert_eq!(parse("GET", &format!("{list}{query}")).name, name, "{query}");
        }
        let deleting = parse("DELETE", &format!("{list}fieldSelector=foo=bar"));
        assert_eq!(
            (deleting.verb.name(), deleting.field_selector.as_str()),
            ("deletecollection", "foo=bar")
        );
        assert_eq!(
            parse("GET", "/apis/g/v1/watch/r?fieldSelector=a=b").field_selector,
            ""
        );
    }
}
