//! `GET /images/json`.

use std::collections::BTreeMap;
use std::sync::Arc;

use image::{Digest, Image, Reference};
use jiff::Timestamp;
use regex_lite::Regex;
use serde_json::{Value, json};

use super::inspect::manifests;
use crate::Api;
use crate::api::blocking;
use crate::convert::time;
use crate::error::ApiError;
use crate::filters::Filters;
use crate::server::call::Call;
use crate::server::reply::Reply;
use crate::server::version::ApiVersion;

const FILTERS: &[&str] = &["before", "dangling", "label", "reference", "since", "until"];

/// `GET /images/json`. `manifests` asks for what the indexes list that names stand for.
pub(crate) async fn list(call: Call<Api>) -> Result<Reply, ApiError> {
    let mut filters = Filters::parse(call.query.get("filters"))?;
    if let Some(pattern) = call.query.text("filter").filter(|_| !call.version.since(41)) {
        filters.add("reference", pattern);
    }
    filters.accept(FILTERS)?;
    let api = &call.state;
    let selection = Selection::parse(filters, call.query.bool("all"), api)?;
    let shared =
        (call.version.since(42) && call.query.bool("shared-size")).then(|| api.images().disk_usage().shared);
    let mut rows: Vec<_> = api
        .images()
        .list()
        .iter()
        .filter_map(|image| selection.row(api, image))
        .collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.image.config.created));
    let listed = call.version.since(47) && call.query.bool("manifests");
    let documents = rows.iter().map(|row| row.document(shared.as_ref(), call.version));
    let documents: Vec<_> = documents.collect();
    if !listed {
        return Reply::json(&documents);
    }
    let api = call.state.clone();
    let documents = blocking(move || {
        let mut documents = documents;
        for (row, shown) in rows.iter().zip(&mut documents) {
            add_manifests(&api, row, shown)?;
        }
        Ok::<_, ApiError>(documents)
    });
    Reply::json(&documents.await?)
}

/// What the indexes list; such an image is as large as all of that is together.
fn add_manifests(api: &Api, row: &Row, shown: &mut Value) -> Result<(), ApiError> {
    if let Some(manifests) = manifests(api, &row.image.tags)? {
        let each = manifests.as_array().into_iter().flatten();
        let sizes = each.filter_map(|manifest| manifest["Size"]["Total"].as_u64());
        shown["Size"] = sizes.fold(0, u64::saturating_add).into();
        shown["Manifests"] = manifests;
    }
    Ok(())
}

/// The images that `GET /system/df` lists, those of a build's steps left out, with how many containers use each.
pub(crate) fn with_usage(api: &Api, version: ApiVersion) -> Result<Vec<Value>, ApiError> {
    let selection = Selection::parse(Filters::default(), false, api)?;
    let shared = api.images().disk_usage().shared;
    let all = api.images().list();
    let rows = all
        .iter()
        .filter_map(|image| selection.row(api, image))
        .map(|row| {
            let mut shown = row.document(Some(&shared), version);
            shown["Containers"] = api.uses(&row.image.id).len().into();
            shown
        });
    Ok(rows.collect())
}

/// Which images are asked for.
struct Selection {
    filters: Filters,
    all: bool,
    dangling: Option<bool>,
    references: Vec<Regex>,
    before: Option<Timestamp>,
    since: Option<Timestamp>,
}

/// An image with the names that were selected.
struct Row {
    image: Arc<Image>,
    tags: Vec<String>,
    digests: Vec<String>,
}

impl Selection {
    fn parse(filters: Filters, all: bool, api: &Api) -> Result<Self, ApiError> {
        let dangling = filters
            .has("dangling")
            .then(|| filters.bool_or("dangling", false))
            .transpose()?;
        let created = |name: &str| -> Result<Option<Timestamp>, ApiError> {
            Ok(api.images().resolve(name)?.config.created)
        };
        let now = api.now();
        let named: Vec<_> = filters.values("before").map(created).collect::<Result<_, _>>()?;
        let until: Vec<_> = filters
            .values("until")
            .map(|text| time::until(text, now).map(Some))
            .collect::<Result<_, _>>()?;
        let since: Vec<_> = filters.values("since").map(created).collect::<Result<_, _>>()?;
        Ok(Self {
            all,
            dangling,
            references: filters.values("reference").map(glob).collect::<Result<_, _>>()?,
            before: named.into_iter().chain(until).flatten().min(),
            since: since.into_iter().flatten().max(),
            filters,
        })
    }

    fn row(&self, api: &Api, image: &Arc<Image>) -> Option<Row> {
        let created = image.config.created;
        let in_time = self
            .before
            .is_none_or(|before| created.is_some_and(|created| created < before))
            && self
                .since
                .is_none_or(|since| created.is_some_and(|created| created > since));
        if !in_time || !self.filters.labels("label", &image.config.config.labels) {
            return None;
        }
        let row = Row {
            tags: image
                .tags
                .iter()
                .filter(|tag| self.names(tag))
                .map(Reference::familiar)
                .collect(),
            digests: image
                .digests
                .iter()
                .filter(|text| self.names_text(text))
                .cloned()
                .collect(),
            image: image.clone(),
        };
        let nameless = row.tags.is_empty() && row.digests.is_empty();
        let shown = if nameless {
            // With all that an index lists it is one row.
            let is_listed = || !image.result && api.images().is_listed(&image.id);
            let is_part = || !api.images().children(&image.id).is_empty();
            (self.all || !is_part())
                && !is_listed()
                && self.dangling != Some(false)
                && self.references.is_empty()
        } else {
            self.dangling != Some(true) || row.tags.is_empty()
        };
        shown.then_some(row)
    }

    fn names(&self, reference: &Reference) -> bool {
        self.references.is_empty()
            || self
                .references
                .iter()
                .any(|glob| glob.is_match(&reference.familiar()) || glob.is_match(&reference.familiar_name()))
    }

    fn names_text(&self, text: &str) -> bool {
        let name = text.split('@').next().unwrap_or(text);
        self.references.is_empty()
            || self
                .references
                .iter()
                .any(|glob| glob.is_match(text) || glob.is_match(name))
    }
}

impl Row {
    fn document(&self, shared: Option<&BTreeMap<Digest, u64>>, version: ApiVersion) -> Value {
        let image = &self.image;
        let none = |list: &[String], none: &str| {
            let nameless = self.tags.is_empty() && self.digests.is_empty() && !version.since(43);
            if nameless {
                vec![none.to_owned()]
            } else {
                list.to_vec()
            }
        };
        let mut row = json!({
            "Containers": -1,
            "Created": image.config.created.map_or(0, |created| created.as_second()),
            "Id": image.id.to_string(),
            "Labels": Some(&image.config.config.labels).filter(|labels| !labels.is_empty()),
            "ParentId": image.shown_parent().map(|parent| parent.to_string()).unwrap_or_default(),
            "RepoDigests": none(&self.digests, "<none>@<none>"),
            "RepoTags": none(&self.tags, "<none>:<none>"),
            "SharedSize": -1,
            "Size": image.size,
        });
        if let Some(shared) = shared {
            row["SharedSize"] = shared.get(&image.id).copied().unwrap_or(0).into();
        }
        if !version.since(44) {
            row["VirtualSize"] = image.size.into();
        }
        row
    }
}

/// Go's `path.Match` as a regular expression: `*` and `?` do not cross a slash.
fn glob(pattern: &str) -> Result<Regex, ApiError> {
    let wrong = || ApiError::internal("syntax error in pattern");
    let mut expression = String::from("^");
    let mut rest = pattern.chars();
    while let Some(character) = rest.next() {
        match character {
            '*' => expression.push_str("[^/]*"),
            '?' => expression.push_str("[^/]"),
            '[' => expression.push_str(&class(&mut rest).ok_or_else(wrong)?),
            '\\' => expression.push_str(&regex_lite::escape(&rest.next().ok_or_else(wrong)?.to_string())),
            other => expression.push_str(&regex_lite::escape(&other.to_string())),
        }
    }
    expression.push('$');
    Regex::new(&expression).map_err(|_| wrong())
}

/// What is between brackets: characters and ranges of them, `^` first for all others.
fn class(rest: &mut std::str::Chars<'_>) -> Option<String> {
    let mut class = String::from("[");
    let mut empty = true;
    for (at, character) in rest.enumerate() {
        match character {
            ']' if !empty => {
                class.push(']');
                return Some(class);
            }
            '^' if at == 0 => class.push('^'),
            '-' if !empty => class.push('-'),
            other => {
                class.push_str(&regex_lite::escape(&other.to_string()));
                empty = false;
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_gos() {
        for (pattern, text, matches) in [
            ("busybox", "busybox", true),
            ("busy*", "busybox:latest", true),
            ("*box:*", "busybox:latest", true),
            ("*", "a/b", false),
            ("*/*", "a/b", true),
            ("b?x", "box", true),
            ("b[a-o]x", "box", true),
            ("b[^a-o]x", "box", false),
            ("a.c", "abc", false),
            ("\\*", "*", true),
        ] {
            assert_eq!(glob(pattern).unwrap().is_match(text), matches, "{pattern} {text}");
        }
        for pattern in ["[", "[]", "a\\"] {
            assert_eq!(glob(pattern).unwrap_err().message, "syntax error in pattern");
        }
    }
}
