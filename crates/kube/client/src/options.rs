//! What a request may say beside its object.

use serde::Serialize;

/// Which objects of a collection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selectors {
    /// `app=web,tier!=db`; empty for all
    pub labels: String,
    /// `status.phase=Running`; empty for all
    pub fields: String,
}

/// How to read a collection (`meta/v1 ListOptions`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListOptions {
    /// Which objects.
    pub selectors: Selectors,
    /// Objects in one answer at most; 0 for no limit.
    pub limit: usize,
    /// Where the page before ended.
    pub continues: String,
    /// Not older than this; empty for the newest state, `0` for whatever the server has at hand.
    pub resource_version: String,
}

/// How to follow a collection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WatchOptions {
    /// Which objects.
    pub selectors: Selectors,
    /// After which version.
    pub resource_version: String,
    /// When the server shall end the watch; 0 for when it likes.
    pub timeout_seconds: u64,
}

/// How to write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriteOptions {
    /// Do everything but write.
    pub dry_run: bool,
    /// Who owns what is set; empty for the client's own name.
    pub field_manager: String,
    /// Take fields from their owners (apply only).
    pub force: bool,
    /// `Strict`, `Warn`, `Ignore`; empty for the server's choice.
    pub field_validation: String,
}

/// How a patch is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatchKind {
    /// RFC 6902
    Json,
    /// RFC 7386
    Merge,
    /// Kubernetes' own, by the row's merge keys.
    Strategic,
    /// Server-side apply; JSON or YAML.
    Apply,
}

impl PatchKind {
    /// The media type.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json-patch+json",
            Self::Merge => "application/merge-patch+json",
            Self::Strategic => "application/strategic-merge-patch+json",
            Self::Apply => "application/apply-patch+yaml",
        }
    }
}

/// What happens to dependents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Propagation {
    /// They stay, without an owner.
    Orphan,
    /// They go after the object.
    Background,
    /// They go before the object.
    Foreground,
}

/// What has to be true of an object for it to be deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Preconditions {
    /// Its uid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// Its version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_version: Option<String>,
}

/// How to delete (`meta/v1 DeleteOptions`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeleteOptions {
    /// Seconds that the object may take to end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grace_period_seconds: Option<i64>,
    /// What has to be true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preconditions: Option<Preconditions>,
    /// What happens to dependents.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub propagation_policy: Option<Propagation>,
    /// `["All"]` to do everything but delete.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dry_run: Vec<String>,
}

impl DeleteOptions {
    /// Deletes the object with this uid and no other.
    pub fn of_uid(uid: &str) -> Self {
        Self {
            preconditions: Some(Preconditions {
                uid: Some(uid.to_owned()),
                resource_version: None,
            }),
            ..Self::default()
        }
    }
}
