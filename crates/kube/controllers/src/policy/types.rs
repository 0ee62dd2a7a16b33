//! The types of the kinds that a policy names.

use cel::{Decl, custom_resource, row_object};
use client::{Discovery, Entry, Resource};
use schema::BUILTIN;
use schema::cursor::Ref;
use schema::json::{Options, decode};
use schema::resource::{by_resource, type_of_kind};

use super::spec::{ParamKind, Rule};
use crate::resources::DEFINITIONS;
use crate::world::World;

/// Kinds that a policy is checked against for one of its rules at most.
const MOST_KINDS: usize = 10;

/// What is served, and of which types it is.
pub(super) struct Types<'w> {
    world: &'w World,
    discovery: &'w Discovery,
}

/// A kind with its type.
pub(super) struct Typed {
    /// As upstream prints kinds: `apps/v1, Kind=Deployment`
    pub(super) kind: String,
    pub(super) decl: Decl,
}

impl<'w> Types<'w> {
    pub(super) const fn new(world: &'w World, discovery: &'w Discovery) -> Self {
        Self { world, discovery }
    }

    /// The kinds that rules name, by group, version and kind. Rules with `*` name none: there is no telling which.
    pub(super) fn of_rules(&self, rules: &[Rule]) -> Vec<Typed> {
        let mut kinds: Vec<&Resource> = Vec::new();
        for rule in rules {
            let named = self.named(rule);
            kinds.extend(&named);
            if named.len() == MOST_KINDS {
                break;
            }
        }
        kinds.sort_by_key(|resource| (&resource.group, &resource.version, &resource.kind));
        kinds.dedup();
        let typed = kinds.into_iter().filter_map(|resource| {
            Some(Typed {
                kind: format!("{}/{}, Kind={}", resource.group, resource.version, resource.kind),
                decl: self.decl(resource)?,
            })
        });
        typed.collect()
    }

    /// The type of a policy's parameters, if it is known.
    pub(super) fn of_params(&self, kind: &ParamKind) -> Option<Decl> {
        let entry = self.discovery.by_kind(&kind.api_version, &kind.kind)?;
        self.decl(&entry.resource)
    }

    fn named(&self, rule: &Rule) -> Vec<&'w Resource> {
        let wild = |names: &[String]| names.iter().any(|name| name.contains('*'));
        if wild(&rule.api_groups) || wild(&rule.api_versions) {
            return Vec::new();
        }
        let (groups, versions) = (sorted(&rule.api_groups), sorted(&rule.api_versions));
        let resources = sorted(&rule.resources);
        let resources = resources.iter().filter(|name| !name.contains(['*', '/']));
        let mut named = Vec::new();
        for group in &groups {
            for version in &versions {
                for plural in resources.clone() {
                    named.extend(self.served(group, version, plural));
                }
            }
        }
        named.truncate(MOST_KINDS);
        named
    }

    /// As upstream's mapper looks: the core group is no group, and every group will do.
    fn served(&self, group: &str, version: &str, plural: &str) -> impl Iterator<Item = &'w Resource> {
        let is = move |resource: &Resource| {
            *resource.plural == *plural
                && *resource.version == *version
                && (group.is_empty() || *resource.group == *group)
        };
        let entries: Vec<&'w Entry> = self
            .discovery
            .entries()
            .iter()
            .filter(|entry| is(&entry.resource))
            .collect();
        entries.into_iter().map(|entry| &entry.resource)
    }

    fn decl(&self, resource: &Resource) -> Option<Decl> {
        match by_resource(&resource.group, &resource.version, &resource.plural) {
            Some((def, version)) => Some(Decl::object(row_object(def.types.clone(), version.schema))),
            None => self.custom(resource),
        }
    }

    fn custom(&self, resource: &Resource) -> Option<Decl> {
        let definitions = self.world.objects(&DEFINITIONS);
        let definition = definitions.get(&format!("{}.{}", resource.plural, resource.group))?;
        let ty = type_of_kind(&DEFINITIONS.group, &DEFINITIONS.version, &DEFINITIONS.kind)?;
        let decoded = decode(&BUILTIN, ty, definition.body(), Options::default()).ok()?;
        let versions = Ref::new(&BUILTIN, &decoded.object).path("spec.versions");
        let version = versions
            .items()
            .find(|version| version.at("name").str() == &*resource.version)?;
        custom_resource(version.path("schema.openAPIV3Schema"))
    }
}

fn sorted(names: &[String]) -> Vec<&str> {
    let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
    names.sort_unstable();
    names
}
