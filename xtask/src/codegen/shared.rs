//! Reads the Go tables of the reference folder and boils them down to `facts/types.tsv`.
//!
//! Import aliases are resolved here, once, so that a type has one name everywhere:
//! `core/v1.Container`, `meta/v1.Time`, `resource.Quantity`.

use super::Result;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

/// Defaults that upstream's markers give as a reference to a Go constant.
const DEFAULT_CONSTANTS: [(&str, &str); 2] = [
    ("ref(AzureSharedBlobDisk)", "\"Shared\""),
    ("ref(AzureDataDiskCachingReadWrite)", "\"ReadWrite\""),
];

/// Packages without wire types: upstream's internal versions and its test fixtures.
fn is_skipped(package: &str) -> bool {
    let last = package.rsplit('/').next().unwrap_or(package);
    let versioned = last.starts_with('v') && last[1..].starts_with(|c: char| c.is_ascii_digit());
    let plain = ["resource", "runtime", "intstr", "version"].contains(&last);
    package.contains("/testapigroup") || package.contains("/testing") || !(versioned || plain)
}

/// `k8s.io/api/core/v1` → `core/v1`, `k8s.io/apimachinery/pkg/api/resource` → `resource`.
fn short(package: &str) -> String {
    let mut parts = package.rsplit('/');
    let last = parts.next().unwrap_or(package);
    match parts.next() {
        Some(group) if last.starts_with('v') && last != "version" => format!("{group}/{last}"),
        _ => last.to_owned(),
    }
}

fn group(short_package: &str) -> &str {
    short_package.split('/').next().unwrap_or(short_package)
}

struct Go {
    /// Canonical type name → what it is written in terms of (`struct`, `string`, `[]string`, …).
    underlying: BTreeMap<String, String>,
    extra: Vec<String>,
}

impl Go {
    fn knows(&self, name: &str) -> bool {
        self.underlying.contains_key(name) || self.extra.iter().any(|extra| extra == name)
    }

    /// Resolves a Go type expression as seen from `package` (already short).
    fn canonical(&self, package: &str, go: &str) -> Result<String> {
        if let Some(rest) = go.strip_prefix('*') {
            return Ok(format!("*{}", self.canonical(package, rest)?));
        }
        if let Some(rest) = go.strip_prefix("[]") {
            return Ok(format!("[]{}", self.canonical(package, rest)?));
        }
        if let Some((key, value)) = go.strip_prefix("map[").and_then(|rest| rest.split_once(']')) {
            return Ok(format!(
                "map[{}]{}",
                self.named(package, key)?,
                self.canonical(package, value)?
            ));
        }
        self.named(package, go)
    }

    fn named(&self, package: &str, name: &str) -> Result<String> {
        if ["string", "bool", "byte", "int32", "int64", "float64", "struct"].contains(&name) {
            return Ok(name.to_owned());
        }
        let candidates = match name.split_once('.') {
            // The second is a Go type alias (`type X = v1.X`), which the tables leave out.
            None => vec![
                format!("{package}.{name}"),
                format!("{}/v1.{name}", group(package)),
            ],
            Some((alias, name)) => imports(package, alias)
                .iter()
                .map(|p| format!("{p}.{name}"))
                .collect(),
        };
        let found = candidates.into_iter().find(|c| self.knows(c));
        found.ok_or_else(|| format!("{package}: cannot resolve the Go type {name}").into())
    }
}

/// What an import alias can mean; the first package that has the name wins. `v1` alone is
/// ambiguous in upstream's sources: core where core has the type, else the group's own `v1`, else meta.
fn imports(package: &str, alias: &str) -> Vec<String> {
    let group = group(package);
    let fixed: &[&str] = match alias {
        "metav1" => &["meta/v1"],
        "corev1" | "apiv1" => &["core/v1"],
        "batchv1" => &["batch/v1"],
        "authnv1" | "authenticationv1" => &["authentication/v1"],
        "authorizationv1" => &["authorization/v1"],
        "v1" => {
            return [
                "core/v1",
                &format!("{group}/v1"),
                "authentication/v1",
                "coordination/v1",
                "meta/v1",
            ]
            .map(str::to_owned)
            .to_vec();
        }
        other => return vec![other.to_owned()],
    };
    fixed.iter().map(|p| (*p).to_owned()).collect()
}

fn rows(path: &Path) -> Result<Vec<Vec<String>>> {
    let text = std::fs::read_to_string(path)?;
    let rows = text.lines().filter(|line| !line.starts_with('#'));
    let rows = rows.map(|line| line.split('\t').map(str::to_owned).collect::<Vec<_>>());
    Ok(rows.filter(|row| !is_skipped(&row[0])).collect())
}

/// The text of `facts/types.tsv`: a line per type, and below it an indented line per field.
///
/// `extra` names the types that `types-extra.tsv` adds by hand: they resolve, but are not printed.
pub(super) fn types(kubernetes: &Path, extra: Vec<String>) -> Result<String> {
    let types = rows(&kubernetes.join("go-types-1.36.tsv"))?;
    let mut go = Go {
        underlying: BTreeMap::new(),
        extra,
    };
    for row in &types {
        go.underlying
            .insert(format!("{}.{}", short(&row[0]), row[1]), row[2].clone());
    }
    let mut fields: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in rows(&kubernetes.join("go-fields-1.36.tsv"))? {
        if let Some(line) = field(&go, &row)? {
            fields
                .entry(format!("{}.{}", short(&row[0]), row[1]))
                .or_default()
                .push(line);
        }
    }
    let mut markers: BTreeMap<String, &str> = BTreeMap::new();
    for row in types.iter().filter(|row| row[3].contains("structType=atomic")) {
        markers.insert(format!("{}.{}", short(&row[0]), row[1]), "atomic");
    }
    print(&go, &fields, &markers)
}

fn print(
    go: &Go,
    fields: &BTreeMap<String, Vec<String>>,
    markers: &BTreeMap<String, &str>,
) -> Result<String> {
    let mut out = String::from(super::facts::TYPES_HEADER);
    for (name, underlying) in &go.underlying {
        let package = name
            .rsplit_once('.')
            .map_or(name.as_str(), |(package, _)| package);
        let underlying = go.canonical(package, underlying)?;
        writeln!(
            out,
            "{}",
            join(&[name, &underlying, markers.get(name).copied().unwrap_or("")])
        )?;
        for line in fields.get(name).into_iter().flatten() {
            writeln!(out, "\t{line}")?;
        }
    }
    Ok(out)
}

/// Columns joined by tabs, without trailing empty ones.
pub(super) fn join(columns: &[&str]) -> String {
    columns.join("\t").trim_end_matches('\t').to_owned()
}

/// One field's line, or nothing for a field that is in no encoding.
fn field(go: &Go, row: &[String]) -> Result<Option<String>> {
    let [
        package,
        _,
        name,
        ty,
        json,
        options,
        wire,
        number,
        _,
        strategy,
        merge_key,
        markers,
    ] = row
    else {
        return Err(format!("a field row with {} columns", row.len()).into());
    };
    let inline = options == "inline";
    if (json.is_empty() && !inline) || json == "-" || (name == "(embedded)" && wire == "-") {
        return Ok(None);
    }
    if ty == "runtime.Object" {
        return Ok(None);
    }
    let ty = go.canonical(&short(package), ty)?;
    let markers: Vec<&str> = markers.split(';').collect();
    let mark = |key: &str| {
        markers
            .iter()
            .find_map(|m| m.strip_prefix(key)?.strip_prefix('='))
            .unwrap_or("")
    };
    let keys: Vec<&str> = markers
        .iter()
        .filter_map(|m| m.strip_prefix("listMapKey="))
        .collect();
    let required = markers
        .iter()
        .find(|m| ["required", "optional"].contains(m))
        .copied()
        .unwrap_or("");
    let list = [mark("listType"), mark("mapType"), mark("structType")].join("");
    let columns = [
        if inline { "" } else { json.as_str() },
        if inline { "inline" } else { options.as_str() },
        ty.as_str(),
        number.as_str(),
        required,
        list.as_str(),
        &keys.join(","),
        strategy.as_str(),
        merge_key.as_str(),
        default(mark("default")),
    ];
    Ok(Some(join(&columns)))
}

fn default(marker: &str) -> &str {
    DEFAULT_CONSTANTS
        .iter()
        .find(|(name, _)| *name == marker)
        .map_or(marker, |(_, value)| value)
}
