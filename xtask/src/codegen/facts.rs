//! The committed fact tables, parsed: the only input of the generated code.
//!
//! | file | made by | rows |
//! |---|---|---|
//! | `types.tsv` | codegen, from upstream's Go tags | types and, indented, their fields |
//! | `types-extra.tsv` | hand | types that upstream's table does not list |
//! | `resources.tsv` | codegen, from upstream's OpenAPI paths | resources and, indented, subresources |
//! | `groups.tsv` | hand | Go package → API group |
//! | `overlay.tsv` | hand | short names, categories, singular names, storage versions |

use super::Result;
use std::path::Path;

pub(super) const TYPES_HEADER: &str = "\
# Go types of the Kubernetes API at v1.36.3: name, underlying type, `atomic` where the struct is one value.\n\
# Indented, its fields in declaration order: json name, json options, type, protobuf number, required/optional,\n\
# list/map/struct type, list map keys, patch strategy, patch merge key, default (JSON).\n";

pub(super) struct GoType {
    pub name: String,
    pub underlying: String,
    pub atomic: bool,
    pub fields: Vec<GoField>,
}

pub(super) struct GoField {
    pub json: String,
    pub options: String,
    pub ty: String,
    pub number: u16,
    pub presence: String,
    pub topology: String,
    pub keys: Vec<String>,
    pub strategy: String,
    pub merge_key: String,
    pub default: String,
}

pub(super) struct Resource {
    pub group: String,
    pub version: String,
    pub plural: String,
    pub kind: String,
    pub namespaced: bool,
    pub verbs: Vec<String>,
    pub subresources: Vec<Subresource>,
}

#[derive(PartialEq, Eq)]
pub(super) struct Subresource {
    pub name: String,
    pub group: String,
    pub version: String,
    pub kind: String,
    pub verbs: Vec<String>,
}

pub(super) struct Overlay {
    pub group: String,
    pub plural: String,
    pub short_names: Vec<String>,
    pub categories: Vec<String>,
    pub singular: String,
    /// `version`, or `group/version` where a resource is stored as one of another group.
    pub storage: String,
}

pub(super) struct Facts {
    pub types: Vec<GoType>,
    pub resources: Vec<Resource>,
    pub groups: Vec<(String, String)>,
    pub overlay: Vec<Overlay>,
}

impl Facts {
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let text =
            |name: &str| std::fs::read_to_string(folder.join(name)).map_err(|e| format!("{name}: {e}"));
        let mut types = types(&text("types.tsv")?)?;
        types.extend(self::types(&text("types-extra.tsv")?)?);
        types.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Self {
            types,
            resources: resources(&text("resources.tsv")?),
            groups: lines(&text("groups.tsv")?)
                .map(|c| (cell(&c, 0), cell(&c, 1)))
                .collect(),
            overlay: lines(&text("overlay.tsv")?).map(|c| overlay(&c)).collect(),
        })
    }
}

/// The names of the types in `types-extra.tsv`.
pub(super) fn extra_names(folder: &Path) -> Result<Vec<String>> {
    let extra = types(&std::fs::read_to_string(folder.join("types-extra.tsv"))?)?;
    Ok(extra.into_iter().map(|t| t.name).collect())
}

fn lines(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split('\t').collect())
}

fn cell(columns: &[&str], index: usize) -> String {
    columns.get(index).copied().unwrap_or("").to_owned()
}

fn list(columns: &[&str], index: usize) -> Vec<String> {
    let cell = columns.get(index).copied().unwrap_or("");
    cell.split(',')
        .filter(|item| !item.is_empty())
        .map(str::to_owned)
        .collect()
}

fn types(text: &str) -> Result<Vec<GoType>> {
    let mut types: Vec<GoType> = Vec::new();
    for columns in lines(text) {
        if columns[0].is_empty() && columns.len() > 1 {
            types
                .last_mut()
                .ok_or("a field before the first type")?
                .fields
                .push(field(&columns[1..])?);
        } else {
            let (name, underlying) = (cell(&columns, 0), cell(&columns, 1));
            types.push(GoType {
                name,
                underlying,
                atomic: cell(&columns, 2) == "atomic",
                fields: Vec::new(),
            });
        }
    }
    Ok(types)
}

fn field(c: &[&str]) -> Result<GoField> {
    let number = cell(c, 3);
    Ok(GoField {
        json: cell(c, 0),
        options: cell(c, 1),
        ty: cell(c, 2),
        number: if number.is_empty() { 0 } else { number.parse()? },
        presence: cell(c, 4),
        topology: cell(c, 5),
        keys: list(c, 6),
        strategy: cell(c, 7),
        merge_key: cell(c, 8),
        default: cell(c, 9),
    })
}

fn resources(text: &str) -> Vec<Resource> {
    let mut resources: Vec<Resource> = Vec::new();
    for c in lines(text) {
        match resources.last_mut() {
            Some(resource) if c[0].is_empty() && c.get(1).is_some_and(|s| s.is_empty()) => {
                resource.subresources.push(subresource(&c[2..]));
            }
            _ => resources.push(resource(&c)),
        }
    }
    resources
}

fn resource(c: &[&str]) -> Resource {
    Resource {
        group: cell(c, 0),
        version: cell(c, 1),
        plural: cell(c, 2),
        kind: cell(c, 3),
        namespaced: cell(c, 4) == "namespaced",
        verbs: list(c, 5),
        subresources: Vec::new(),
    }
}

fn subresource(c: &[&str]) -> Subresource {
    let (group, version) = (cell(c, 1), cell(c, 2));
    Subresource {
        name: cell(c, 0),
        group,
        version,
        kind: cell(c, 3),
        verbs: list(c, 4),
    }
}

fn overlay(c: &[&str]) -> Overlay {
    Overlay {
        group: cell(c, 0),
        plural: cell(c, 1),
        short_names: list(c, 2),
        categories: list(c, 3),
        singular: cell(c, 4),
        storage: cell(c, 5),
    }
}
