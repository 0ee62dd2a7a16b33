//! What a server serves, and which resource a person means by a word.

use apiserver::Resources;
use serde::Deserialize;

use crate::{Client, Error, Resource};

/// Aggregated discovery (KEP-3352): all groups in one answer.
const ACCEPT: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// One resource that is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The resource.
    pub resource: Resource,
    /// `pod`
    pub singular: String,
    /// `po`
    pub short_names: Vec<String>,
    /// `all`
    pub categories: Vec<String>,
    /// `get`, `list` …
    pub verbs: Vec<String>,
}

impl Entry {
    /// Whether all of these verbs are there.
    pub fn has(&self, verbs: &[&str]) -> bool {
        verbs.iter().all(|verb| self.verbs.iter().any(|own| own == verb))
    }

    /// Whether a person may mean this resource by a word without a group: plural, singular, short name or kind.
    fn is_called(&self, word: &str) -> bool {
        let names = [&*self.resource.plural, &self.singular];
        names.contains(&word)
            || self.resource.kind.eq_ignore_ascii_case(word)
            || self.short_names.iter().any(|short| short == word)
    }
}

/// Everything that a server serves, groups in its order of preference, preferred versions first.
#[derive(Clone, Debug, Default)]
pub struct Discovery {
    entries: Vec<Entry>,
    /// Groups and versions that did not answer: those of an extension server.
    pub stale: Vec<String>,
}

impl Discovery {
    /// Asks a server.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn read(client: &Client) -> Result<Self, Error> {
        let mut discovery = Self::default();
        for path in ["/api", "/apis"] {
            let answer = client.raw(path, ACCEPT).await?;
            let groups: GroupList = serde_json::from_slice(&answer).map_err(Error::answer)?;
            groups.items.into_iter().for_each(|group| discovery.add(group));
        }
        Ok(discovery)
    }

    /// What this process's own table serves.
    pub fn of(resources: &Resources) -> Self {
        let entry = |served: &apiserver::Served| {
            let (def, version) = (&served.def, served.version());
            let texts = |texts: &[std::borrow::Cow<'static, str>]| {
                texts.iter().map(|text| text.to_string()).collect()
            };
            Entry {
                resource: Resource::of(def, &version.name),
                singular: def.singular.to_string(),
                short_names: texts(&def.short_names),
                categories: texts(&def.categories),
                verbs: version.verbs.names().map(str::to_owned).collect(),
            }
        };
        Self {
            entries: resources.all().iter().map(entry).collect(),
            stale: Vec::new(),
        }
    }

    fn add(&mut self, group: Group) {
        for version in group.versions {
            if version.freshness == "Stale" {
                self.stale
                    .push(format!("{}/{}", group.metadata.name, version.version));
            }
            let entries = version
                .resources
                .into_iter()
                .map(|row| row.entry(&group.metadata.name, &version.version));
            self.entries.extend(entries);
        }
    }

    /// Every resource in every version.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Every resource once, in the version that its server prefers.
    pub fn preferred(&self) -> impl Iterator<Item = &Entry> {
        let first = |at: usize, entry: &Entry| {
            let same = |other: &Entry| {
                other.resource.group == entry.resource.group && other.resource.plural == entry.resource.plural
            };
            !self.entries[..at].iter().any(same)
        };
        let all = self.entries.iter().enumerate();
        all.filter(move |(at, entry)| first(*at, entry))
            .map(|(_, entry)| entry)
    }

    /// The resource that objects of a kind belong to.
    pub fn by_kind(&self, api_version: &str, kind: &str) -> Option<&Entry> {
        let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
        let found = |entry: &&Entry| {
            let resource = &entry.resource;
            resource.kind == kind && resource.group == group && resource.version == version
        };
        self.entries.iter().find(found)
    }

    /// What a person means: `pods`, `po`, `Pod`, `deployments.apps`, `deploy.v1.apps`.
    pub fn find(&self, word: &str) -> Option<&Entry> {
        let word = word.to_ascii_lowercase();
        let whole = self.entries.iter().find(|entry| entry.is_called(&word));
        whole.or_else(|| {
            let (name, rest) = word.split_once('.')?;
            let named = |entry: &&Entry| {
                let resource = &entry.resource;
                let full = format!("{}.{}", resource.version, resource.group);
                entry.is_called(name) && (resource.group == rest || full == rest)
            };
            self.entries.iter().find(named)
        })
    }

    /// The resources of a category, such as `all`, each once.
    pub fn category(&self, category: &str) -> Vec<&Entry> {
        let in_it = |entry: &&Entry| entry.categories.iter().any(|own| own == category);
        self.preferred().filter(in_it).collect()
    }
}

#[derive(Deserialize)]
struct GroupList {
    #[serde(default)]
    items: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    #[serde(default)]
    metadata: Metadata,
    #[serde(default)]
    versions: Vec<GroupVersion>,
}

#[derive(Default, Deserialize)]
struct Metadata {
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GroupVersion {
    version: String,
    #[serde(default)]
    freshness: String,
    #[serde(default)]
    resources: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    resource: String,
    #[serde(default)]
    response_kind: ResponseKind,
    #[serde(default)]
    scope: String,
    #[serde(default)]
    singular_resource: String,
    #[serde(default)]
    verbs: Vec<String>,
    #[serde(default)]
    short_names: Vec<String>,
    #[serde(default)]
    categories: Vec<String>,
}

#[derive(Default, Deserialize)]
struct ResponseKind {
    #[serde(default)]
    kind: String,
}

impl Row {
    fn entry(self, group: &str, version: &str) -> Entry {
        Entry {
            resource: Resource {
                group: group.to_owned().into(),
                version: version.to_owned().into(),
                plural: self.resource.into(),
                kind: self.response_kind.kind.into(),
                namespaced: self.scope == "Namespaced",
            },
            singular: self.singular_resource,
            short_names: self.short_names,
            categories: self.categories,
            verbs: self.verbs,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_a_resource() {
        let discovery = Discovery::of(&Resources::builtin());
        let found = |word: &str| discovery.find(word).map(|entry| entry.resource.group_resource());
        let cases = [
            ("pods", Some("pods")),
            ("po", Some("pods")),
            ("Pod", Some("pods")),
            ("deploy", Some("deployments.apps")),
            ("deployments.apps", Some("deployments.apps")),
            ("deploy.v1.apps", Some("deployments.apps")),
            ("deployments.v9.apps", None),
            ("events.events.k8s.io", Some("events.events.k8s.io")),
            ("nonsense", None),
        ];
        for (word, expected) in cases {
            assert_eq!(found(word).as_deref(), expected, "{word}");
        }
        let kind = discovery.by_kind("apps/v1", "Deployment").unwrap();
        assert_eq!(kind.resource.plural, "deployments");
        assert!(kind.has(&["list", "deletecollection"]));
        assert!(
            discovery
                .category("all")
                .iter()
                .any(|entry| entry.resource.plural == "pods")
        );
        let horizontal = discovery
            .preferred()
            .filter(|entry| entry.singular == "horizontalpodautoscaler");
        assert_eq!(
            horizontal
                .map(|entry| &*entry.resource.version)
                .collect::<Vec<_>>(),
            ["v2"]
        );
    }
}
