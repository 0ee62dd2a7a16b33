//! The options of lists and watches: read, defaulted and checked as upstream does
//! (apimachinery `internalversion.ListOptions`).

use schema::field::{Error, Errors, Path};
use schema::json::go_quote;
use schema::object::Revision;
use schema::status::{GroupName, Status};

use crate::select::{FieldSelector, LabelSelector, Selection, resolve};
use crate::{Answer, Call, Query, Served};

/// `resourceVersionMatch`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Match {
    /// The state at just this revision.
    Exact,
    /// The state at this revision or later.
    NotOlderThan,
}

/// What a list or watch was asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ListOptions {
    pub(crate) watch: bool,
    pub(crate) selection: Selection,
    /// As it was sent: that it is absent, `0` or a number makes a difference.
    pub(crate) resource_version: String,
    pub(crate) version_match: Option<Match>,
    /// None for everything.
    pub(crate) limit: Option<usize>,
    /// The token; empty if none was sent.
    pub(crate) continues: String,
    /// None for the server's own; a watch whose time is negative is over when it begins, as upstream's.
    pub(crate) timeout_seconds: Option<i64>,
    pub(crate) bookmarks: bool,
    pub(crate) send_initial_events: Option<bool>,
}

impl ListOptions {
    /// Reads the options of a call.
    ///
    /// # Errors
    /// 400 for what cannot be read, 422 for what does not go together.
    pub(crate) fn of(call: &Call, served: &Served, watch: bool) -> Answer<Self> {
        let query = &call.query;
        let text = |name: &str| query.get(name).unwrap_or_default().to_owned();
        let version_match = text("resourceVersionMatch");
        let limit = integer(query, "limit")?.unwrap_or(0);
        let mut options = Self {
            watch: watch || boolean(query, "watch").unwrap_or(false),
            selection: selection(call, served)?,
            resource_version: text("resourceVersion"),
            version_match: parse_match(&version_match),
            limit: usize::try_from(limit).ok().filter(|limit| *limit > 0),
            continues: text("continue"),
            timeout_seconds: integer(query, "timeoutSeconds")?.filter(|seconds| *seconds != 0),
            bookmarks: boolean(query, "allowWatchBookmarks").unwrap_or(false),
            send_initial_events: boolean(query, "sendInitialEvents"),
        };
        options.set_defaults(&version_match);
        let errors = options.check(&version_match);
        if !errors.is_empty() {
            let kind = GroupName {
                group: "meta.k8s.io",
                name: "ListOptions",
            };
            return Err(Status::invalid(kind, "", &errors).into());
        }
        Ok(options)
    }

    /// A watch that names no revision begins with what is there.
    fn set_defaults(&mut self, version_match: &str) {
        let unset = self.send_initial_events.is_none() && version_match.is_empty();
        if self.watch && unset && matches!(self.resource_version.as_str(), "" | "0") {
            self.send_initial_events = Some(true);
            self.version_match = Some(Match::NotOlderThan);
        }
    }

    fn check(&self, version_match: &str) -> Errors {
        if self.watch {
            self.check_watch(version_match)
        } else {
            self.check_list(version_match)
        }
    }

    fn check_list(&self, version_match: &str) -> Errors {
        let (mut errors, path) = (Errors::new(), Path::new("resourceVersionMatch"));
        if !version_match.is_empty() {
            if self.resource_version.is_empty() {
                let detail = "resourceVersionMatch is forbidden unless resourceVersion is provided";
                errors.push(Error::forbidden(&path, detail));
            }
            self.refuse_continue(&path, &mut errors);
            if self.version_match.is_none() {
                let known = ["Exact", "NotOlderThan", ""];
                errors.push(Error::not_supported(&path, version_match, &known));
            }
            if self.version_match == Some(Match::Exact) && self.resource_version == "0" {
                let detail = r#"resourceVersionMatch "exact" is forbidden for resourceVersion "0""#;
                errors.push(Error::forbidden(&path, detail));
            }
        }
        if self.send_initial_events.is_some() {
            let path = Path::new("sendInitialEvents");
            errors.push(Error::forbidden(&path, "sendInitialEvents is forbidden for list"));
        }
        errors
    }

    fn check_watch(&self, version_match: &str) -> Errors {
        let (mut errors, path) = (Errors::new(), Path::new("resourceVersionMatch"));
        let not_older = self.version_match == Some(Match::NotOlderThan);
        if self.send_initial_events.is_some() && !not_older {
            let detail = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
            errors.push(Error::forbidden(&path, detail));
        }
        if !version_match.is_empty() {
            if self.send_initial_events.is_none() {
                let detail =
                    "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided";
                errors.push(Error::forbidden(&path, detail));
            }
            if !not_older {
                errors.push(Error::not_supported(&path, version_match, &["NotOlderThan"]));
            }
            self.refuse_continue(&path, &mut errors);
        }
        errors
    }

    fn refuse_continue(&self, path: &Path, errors: &mut Errors) {
        if !self.continues.is_empty() {
            let detail = "resourceVersionMatch is forbidden when continue is provided";
            errors.push(Error::forbidden(path, detail));
        }
    }

    /// The revision as a number; 0 for none and for `0`.
    ///
    /// # Errors
    /// 400 with the sentence that `prefix` begins.
    pub(crate) fn revision(&self, prefix: &str) -> Answer<Revision> {
        parse_revision(&self.resource_version, prefix)
    }
}

/// Reads a resource version as lists, watches and GET do.
pub(crate) fn parse_revision(text: &str, prefix: &str) -> Answer<Revision> {
    if matches!(text, "" | "0") {
        return Ok(Revision(0));
    }
    text.parse().map(Revision).map_err(|_| {
        let why = format!(
            "strconv.ParseUint: parsing {}: {}",
            go_quote(text),
            number_error(text)
        );
        let error = Error::invalid(&Path::new("resourceVersion"), text, why);
        Status::bad_request(format!("{prefix}{error}")).into()
    })
}

fn number_error(text: &str) -> &'static str {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits {
        "value out of range"
    } else {
        "invalid syntax"
    }
}

fn parse_match(text: &str) -> Option<Match> {
    match text {
        "Exact" => Some(Match::Exact),
        "NotOlderThan" => Some(Match::NotOlderThan),
        _ => None,
    }
}

/// Go's conversion of a query value: only `0` and `false` are false.
fn boolean(query: &Query, name: &str) -> Option<bool> {
    let value = query.get(name)?;
    Some(value != "0" && !value.eq_ignore_ascii_case("false"))
}

fn integer(query: &Query, name: &str) -> Answer<Option<i64>> {
    let Some(text) = query.get(name) else {
        return Ok(None);
    };
    let sign = |text: &str| text.trim_start_matches(['+', '-']).to_owned();
    text.parse().map(Some).map_err(|_| {
        let why = number_error(&sign(text));
        Status::bad_request(format!("strconv.ParseInt: parsing {}: {why}", go_quote(text))).into()
    })
}

fn selection(call: &Call, served: &Served) -> Answer<Selection> {
    let text = |name: &str| call.query.get(name).unwrap_or_default();
    let bad = |why: String| Status::bad_request(why);
    let labels = LabelSelector::parse(text("labelSelector")).map_err(|why| bad(why.0))?;
    let fields = FieldSelector::parse(text("fieldSelector")).map_err(|why| bad(why.0))?;
    let fields = resolve(fields, served).map_err(|why| bad(why.0))?;
    let fields = match call.info.name.as_str() {
        "" => fields,
        name if fields.is_empty() => FieldSelector::name(name),
        name if fields.required("metadata.name") == Some(name) => fields,
        _ => {
            let why = "fieldSelector metadata.name doesn't match requested name";
            return Err(Status::bad_request(why).into());
        }
    };
    Ok(Selection { labels, fields })
}
