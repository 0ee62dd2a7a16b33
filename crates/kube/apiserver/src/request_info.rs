//! What a path and a method mean (upstream's `RequestInfoFactory`). Pure.

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
