//! Documents of discovery and the index of OpenAPI v3, with what other servers serve merged in.
//!
//! They are merged as JSON, after printing: there are few such servers, and documents are kept until something changes.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use openapi::{group_priority, version_rank};
use serde_json::{Value, json};

use super::{Aggregation, Remote, Table};

impl Aggregation {
    /// `/apis`
    pub(crate) fn groups(&self, printed: Vec<u8>) -> Vec<u8> {
        self.merged(printed, |table, document| {
            let groups = document["groups"].as_array_mut();
            groups.into_iter().for_each(|groups| plain_groups(table, groups));
        })
    }

    /// `/apis/GROUP`, which this server may have no resources of.
    pub(crate) fn group(&self, name: &str, printed: Option<Vec<u8>>) -> Option<Vec<u8>> {
        let table = self.table();
        let versions = of_group(&table, name);
        if versions.is_empty() {
            return printed;
        }
        let own = printed.and_then(|printed| serde_json::from_slice(&printed).ok());
        let mut group = own.unwrap_or_else(|| json!({"kind": "APIGroup", "apiVersion": "v1", "name": name}));
        add_versions(&mut group, &versions);
        serde_json::to_vec(&group).ok()
    }

    /// `/apis` with everything below.
    pub(crate) fn aggregated(&self, printed: Vec<u8>) -> Vec<u8> {
        self.merged(printed, |table, document| {
            let items = document["items"].as_array_mut();
            items
                .into_iter()
                .for_each(|items| aggregated_groups(table, items));
        })
    }

    /// `/openapi/v3`
    pub(crate) fn openapi_index(&self, printed: Vec<u8>) -> Vec<u8> {
        self.merged(printed, |table, document| {
            for (key, remote) in &table.remotes {
                let url = table
                    .described
                    .get(key)
                    .and_then(|described| described.openapi.clone());
                if let Some(url) = url {
                    let place = format!("apis/{}", remote.api_version());
                    document["paths"][place] = json!({ "serverRelativeURL": url });
                }
            }
        })
    }

    fn merged(&self, printed: Vec<u8>, change: impl FnOnce(&Table, &mut Value)) -> Vec<u8> {
        let table = self.table();
        if table.remotes.is_empty() {
            return printed;
        }
        let Ok(mut document) = serde_json::from_slice(&printed) else {
            return printed;
        };
        change(&table, &mut document);
        serde_json::to_vec(&document).unwrap_or(printed)
    }
}

fn of_group<'a>(table: &'a Table, name: &str) -> Vec<&'a Remote> {
    let remotes = table.remotes.values().map(|remote| &**remote);
    remotes.filter(|remote| remote.group == name).collect()
}

fn by_group(table: &Table) -> BTreeMap<&str, Vec<&Remote>> {
    let mut groups: BTreeMap<&str, Vec<&Remote>> = BTreeMap::new();
    for remote in table.remotes.values() {
        groups.entry(&remote.group).or_default().push(remote);
    }
    groups
}

fn plain_groups(table: &Table, groups: &mut Vec<Value>) {
    for (name, remotes) in by_group(table) {
        let at = place(groups, |group| &group["name"], name, &remotes);
        let at = at.unwrap_or_else(|at| {
            groups.insert(at, json!({ "name": name }));
            at
        });
        add_versions(&mut groups[at], &remotes);
    }
}

fn aggregated_groups(table: &Table, items: &mut Vec<Value>) {
    for (name, remotes) in by_group(table) {
        let at = place(items, |item| &item["metadata"]["name"], name, &remotes);
        let at = at.unwrap_or_else(|at| {
            items.insert(at, json!({"metadata": {"name": name}, "versions": []}));
            at
        });
        let Some(versions) = items[at]["versions"].as_array_mut() else {
            continue;
        };
        for remote in &remotes {
            let key = (remote.group.clone(), remote.version.clone());
            let described = table
                .described
                .get(&key)
                .map(|described| described.discovery.clone());
            let described =
                described.unwrap_or_else(|| json!({"version": remote.version, "freshness": "Stale"}));
            versions.retain(|version| version["version"] != remote.version.as_str());
            versions.push(described);
        }
        sort(versions, name, &remotes);
    }
}

/// Where a group is, or where it belongs: by the greatest priority of its versions.
fn place(
    groups: &[Value],
    name_of: fn(&Value) -> &Value,
    name: &str,
    remotes: &[&Remote],
) -> Result<usize, usize> {
    if let Some(at) = groups.iter().position(|group| name_of(group) == name) {
        return Ok(at);
    }
    let priority = remotes
        .iter()
        .map(|remote| remote.priority.group)
        .max()
        .unwrap_or(0);
    let below = |group: &Value| {
        let other = name_of(group).as_str().unwrap_or_default();
        (group_priority(other, "").group, Reverse(other)) < (priority, Reverse(name))
    };
    Err(groups.iter().position(below).unwrap_or(groups.len()))
}

fn add_versions(group: &mut Value, remotes: &[&Remote]) {
    let name = group["name"].as_str().unwrap_or_default().to_owned();
    let mut versions = group["versions"].as_array().cloned().unwrap_or_default();
    for remote in remotes {
        versions.retain(|version| version["version"] != remote.version.as_str());
        versions.push(json!({"groupVersion": remote.api_version(), "version": remote.version}));
    }
    sort(&mut versions, &name, remotes);
    group["preferredVersion"] = versions.first().cloned().unwrap_or_default();
    group["versions"] = versions.into();
}

/// Greatest priority first, then as versions are ranked.
fn sort(versions: &mut [Value], group: &str, remotes: &[&Remote]) {
    versions.sort_by(|a, b| {
        let key = |version: &'_ Value| {
            let name = version["version"].as_str().unwrap_or_default().to_owned();
            let remote = remotes.iter().find(|remote| remote.version == name);
            let own = || group_priority(group, &name).version;
            (remote.map_or_else(own, |remote| remote.priority.version), name)
        };
        let (a, b) = (key(a), key(b));
        (b.0, version_rank(&b.1)).cmp(&(a.0, version_rank(&a.1)))
    });
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use openapi::GroupPriority;

    use super::*;
    use crate::outbound::Trust;
    use crate::outbound::service::Reference;

    fn remote(group: &str, version: &str, priority: (i32, i32)) -> Arc<Remote> {
        Arc::new(Remote {
            name: format!("{version}.{group}"),
            group: group.to_owned(),
            version: version.to_owned(),
            to: Reference {
                namespace: "n".to_owned(),
                name: "s".to_owned(),
                port: 443,
            },
            trust: Trust::Anyone,
            available: true,
            priority: GroupPriority {
                group: priority.0,
                version: priority.1,
            },
        })
    }

    fn aggregation(remotes: Vec<Arc<Remote>>) -> Aggregation {
        let remotes = remotes
            .into_iter()
            .map(|remote| ((remote.group.clone(), remote.version.clone()), remote))
            .collect();
        let aggregation = Aggregation::default();
        aggregation.put(Table {
            remotes,
            ..Table::default()
        });
        aggregation
    }

    #[test]
    fn groups_stand_where_their_priority_says_and_so_do_versions() {
        let all = aggregation(vec![
            remote("metrics.k8s.io", "v1beta1", (100, 100)),
            remote("first.example.com", "v1", (17_790, 15)),
            remote("own.example.com", "v2", (1000, 200)),
        ]);
        let printed = json!({"groups": [
            {"name": "apps"}, {"name": "events.k8s.io"},
            {"name": "own.example.com", "versions": [{"groupVersion": "own.example.com/v1", "version": "v1"}]},
        ]});
        let merged: Value = serde_json::from_slice(&all.groups(printed.to_string().into())).unwrap();
        let groups = merged["groups"].as_array().unwrap();
        let names: Vec<&str> = groups
            .iter()
            .map(|group| group["name"].as_str().unwrap())
            .collect();
        assert_eq!(
            names,
            [
                "apps",
                "first.example.com",
                "events.k8s.io",
                "own.example.com",
                "metrics.k8s.io"
            ]
        );
        assert_eq!(
            groups[3]["versions"],
            json!([
                {"groupVersion": "own.example.com/v2", "version": "v2"},
                {"groupVersion": "own.example.com/v1", "version": "v1"},
            ])
        );
        assert_eq!(groups[4]["preferredVersion"]["version"], "v1beta1");
        let one: Value = serde_json::from_slice(&all.group("metrics.k8s.io", None).unwrap()).unwrap();
        assert_eq!(
            (&one["kind"], &one["name"]),
            (&json!("APIGroup"), &json!("metrics.k8s.io"))
        );
        assert!(all.group("nobody.example.com", None).is_none());
    }

    #[test]
    fn what_no_server_has_said_is_stale() {
        let all = aggregation(vec![remote("metrics.k8s.io", "v1beta1", (100, 100))]);
        let merged = all.aggregated(
            json!({"items": [{"metadata": {"name": "apps"}}]})
                .to_string()
                .into(),
        );
        let merged: Value = serde_json::from_slice(&merged).unwrap();
        assert_eq!(
            merged["items"][1],
            json!({"metadata": {"name": "metrics.k8s.io"}, "versions": [{"version": "v1beta1", "freshness": "Stale"}]})
        );
    }
}
