//! Prints `src/generated/types.rs`: every API struct as rows of plain numbers.
//!
//! Inlined members are flattened here: a type's field list is its JSON object, in upstream's
//! order; its wire list is its protobuf message, in number order, where an inlined member is one
//! entry that points at a run of the flattened fields.

use super::Result;
use super::facts::{Facts, GoField, GoType};
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;

const NONE: usize = u16::MAX as usize;

/// Types with an encoding of their own: the kind that stands for each.
const SPECIAL: [(&str, &str); 16] = [
    ("meta/v1.Time", "Time"),
    ("meta/v1.MicroTime", "MicroTime"),
    ("meta/v1.Duration", "Duration"),
    ("meta/v1.FieldsV1", "Raw"),
    ("resource.Quantity", "Quantity"),
    ("intstr.IntOrString", "IntOrString"),
    ("runtime.RawExtension", "Raw"),
    ("apiextensions/v1.JSON", "Raw"),
    ("apiextensions/v1beta1.JSON", "Raw"),
    ("apiextensions/v1.JSONSchemaPropsOrArray", "SchemaOrArray"),
    ("apiextensions/v1beta1.JSONSchemaPropsOrArray", "SchemaOrArray"),
    ("apiextensions/v1.JSONSchemaPropsOrBool", "SchemaOrBool"),
    ("apiextensions/v1beta1.JSONSchemaPropsOrBool", "SchemaOrBool"),
    ("apiextensions/v1.JSONSchemaPropsOrStringArray", "SchemaOrStrings"),
    (
        "apiextensions/v1beta1.JSONSchemaPropsOrStringArray",
        "SchemaOrStrings",
    ),
    ("runtime.Unknown", "Raw"),
];

/// Kinds that Go's `omitempty` cannot omit by value, because they are structs to Go.
const STRUCTS: [&str; 10] = [
    "Struct",
    "Time",
    "MicroTime",
    "Duration",
    "Raw",
    "Quantity",
    "IntOrString",
    "SchemaOrArray",
    "SchemaOrBool",
    "SchemaOrStrings",
];

/// Strings, each stored once; an id is its position.
#[derive(Default)]
struct Interner {
    ids: HashMap<String, usize>,
    list: Vec<String>,
}

impl Interner {
    fn id(&mut self, text: &str) -> usize {
        if let Some(id) = self.ids.get(text) {
            return *id;
        }
        self.list.push(text.to_owned());
        self.ids.insert(text.to_owned(), self.list.len() - 1);
        self.list.len() - 1
    }
}

/// `form` is an index into the table of forms: what about a hundred and fifty distinct
/// combinations of kind, shape, emission, presence, merge rule and default have in common.
#[derive(Clone)]
struct Field {
    json: usize,
    go: usize,
    ty: usize,
    form: usize,
}

#[derive(Clone)]
struct Wire {
    number: u16,
    slot: usize,
    inline: usize,
}

struct Type {
    package: usize,
    name: usize,
    fields: Vec<Field>,
    wires: Vec<Wire>,
    atomic: bool,
}

/// All types, sorted by (package, name), and what their rows point at.
pub(super) struct Table<'a> {
    by_name: BTreeMap<(&'a str, &'a str), usize>,
    go: HashMap<&'a str, &'a GoType>,
    names: Interner,
    merges: Interner,
    forms: Interner,
    types: Vec<Type>,
}

fn split(name: &str) -> (&str, &str) {
    name.rsplit_once('.').unwrap_or(("", name))
}

fn special(name: &str) -> Option<&'static str> {
    SPECIAL.iter().find(|(n, _)| *n == name).map(|(_, kind)| *kind)
}

impl<'a> Table<'a> {
    pub(super) fn build(facts: &'a Facts) -> Result<Self> {
        let structs = facts
            .types
            .iter()
            .filter(|t| t.underlying == "struct" && special(&t.name).is_none());
        let mut keys: Vec<_> = structs.map(|t| split(&t.name)).collect();
        keys.sort_unstable();
        let mut table = Table {
            by_name: keys.iter().enumerate().map(|(id, key)| (*key, id)).collect(),
            go: facts.types.iter().map(|t| (t.name.as_str(), t)).collect(),
            names: Interner::default(),
            merges: Interner::default(),
            forms: Interner::default(),
            types: Vec::new(),
        };
        table.names.id("");
        table.merges.id("Merge::NONE");
        for (package, name) in keys {
            let row = table.row(package, name)?;
            table.types.push(row);
        }
        Ok(table)
    }

    /// The dense id of `package.name`, for rows that name a type.
    pub(super) fn id(&self, package: &str, name: &str) -> Option<usize> {
        self.by_name.get(&(package, name)).copied()
    }

    fn row(&mut self, package: &str, name: &str) -> Result<Type> {
        let full = format!("{package}.{name}");
        let (fields, wires) = self.flatten(&full)?;
        Ok(Type {
            atomic: self.go.get(full.as_str()).is_some_and(|go| go.atomic),
            package: self.names.id(package),
            name: self.names.id(name),
            fields,
            wires,
        })
    }

    fn flatten(&mut self, name: &str) -> Result<(Vec<Field>, Vec<Wire>)> {
        let go = *self.go.get(name).ok_or_else(|| format!("no type {name}"))?;
        let (mut fields, mut wires) = (Vec::new(), Vec::new());
        for field in &go.fields {
            let slot = fields.len();
            let inline = if field.options == "inline" {
                fields.extend(self.flatten(&field.ty)?.0);
                self.by_name[&split(&field.ty)]
            } else {
                fields.push(
                    self.field(field)
                        .map_err(|e| format!("{name}.{}: {e}", field.json))?,
                );
                NONE
            };
            // Audit events hold `runtime.Unknown`, whose message is not that of a raw value; they are
            // only ever written as JSON.
            if field.number > 0 && !field.ty.ends_with("runtime.Unknown") {
                wires.push(Wire {
                    number: field.number,
                    slot,
                    inline,
                });
            }
        }
        wires.sort_by_key(|wire| wire.number);
        Ok((fields, wires))
    }

    fn field(&mut self, field: &GoField) -> Result<Field> {
        let (shape, element) = self.shape(&field.ty)?;
        let (kind, ty) = self.kind(&element)?;
        let omit = field.options.contains("omitempty");
        let opaque = shape == "Value" && STRUCTS.contains(&kind) && !field.options.contains("omitzero");
        let presence = match field.presence.as_str() {
            "required" => "Required",
            "optional" => "Optional",
            _ => "Unmarked",
        };
        let emit = if omit && !opaque { "NonEmpty" } else { "Always" };
        let (merge, default) = (self.merge(field, &element), self.names.id(&field.default));
        let form = format!(
            "Form {{ kind: Kind::{kind}, shape: Shape::{shape}, emit: Emit::{emit}, presence: Presence::{presence}, merge: {merge}, default: NameId({default}) }}"
        );
        let (json, go) = (self.names.id(&field.json), self.names.id(&go_text(&field.ty)));
        Ok(Field {
            json,
            go,
            ty,
            form: self.forms.id(&form),
        })
    }

    /// Splits a Go type into its shape and the type of one value.
    fn shape(&self, ty: &str) -> Result<(&'static str, String)> {
        if let Some(rest) = ty.strip_prefix('*') {
            return Ok(("Ptr", rest.to_owned()));
        }
        if ty == "[]byte" || special(ty).is_some() {
            return Ok(("Value", ty.to_owned()));
        }
        if let Some(rest) = ty.strip_prefix("[]") {
            return Ok(("List", rest.to_owned()));
        }
        if let Some((_, value)) = ty.strip_prefix("map[").and_then(|rest| rest.split_once(']')) {
            return Ok(("Map", value.to_owned()));
        }
        match self.go.get(ty).map(|go| go.underlying.as_str()) {
            Some(under) if under != "[]string" && (under.starts_with("[]") || under.starts_with("map[")) => {
                self.shape(under)
            }
            _ => Ok(("Value", ty.to_owned())),
        }
    }

    fn kind(&self, ty: &str) -> Result<(&'static str, usize)> {
        if let Some(kind) = special(ty) {
            let schema = kind
                .starts_with("SchemaOr")
                .then(|| self.id(split(ty).0, "JSONSchemaProps"));
            return Ok((kind, schema.flatten().unwrap_or(NONE)));
        }
        let scalar = match ty {
            "bool" => "Bool",
            "int32" => "Int32",
            "int64" => "Int64",
            "float64" => "Float64",
            "string" => "String",
            "[]byte" => "Bytes",
            _ => "",
        };
        if !scalar.is_empty() {
            return Ok((scalar, NONE));
        }
        let go = self.go.get(ty).ok_or_else(|| format!("no type {ty}"))?;
        match go.underlying.as_str() {
            "struct" => Ok(("Struct", self.by_name[&split(ty)])),
            "[]string" => Ok(("Strings", NONE)),
            under => self.kind(under),
        }
    }

    fn merge(&mut self, field: &GoField, element: &str) -> usize {
        let atomic_struct = self.go.get(element).is_some_and(|go| go.atomic) && !field.ty.starts_with("[]");
        let topology = match field.topology.as_str() {
            "atomic" => "Atomic",
            "set" => "Set",
            "map" => "Map",
            _ if atomic_struct => "Atomic",
            _ => "Unmarked",
        };
        let keys: Vec<String> = field
            .keys
            .iter()
            .map(|k| format!("NameId({})", self.names.id(k)))
            .collect();
        let has = |strategy| field.strategy.split(',').any(|s| s == strategy);
        let patch = match (has("merge"), has("replace"), has("retainKeys")) {
            (true, _, true) => "MergeRetainKeys",
            (true, _, false) => "Merge",
            (false, _, true) => "RetainKeys",
            (false, _, false) => "Replace",
        };
        let key = self.names.id(&field.merge_key);
        if topology == "Unmarked" && patch == "Replace" && keys.is_empty() && key == 0 {
            return 0;
        }
        self.merges.id(&format!(
            "Merge {{ topology: Topology::{topology}, keys: Cow::Borrowed(&[{}]), patch: Patch::{patch}, patch_key: NameId({key}) }}",
            keys.join(", ")
        ))
    }

    /// The Rust source of the table.
    pub(super) fn print(&self) -> String {
        let mut out = String::from(
            "// @generated by `cargo xtask codegen` from facts/*.tsv: do not edit.\n\
             use crate::row::{Emit, Field, Form, Kind, Merge, NameId, Patch, Presence, Shape, Topology, Type, Types, Wire};\n\
             use std::borrow::Cow;\n\n\
             /// The types of Kubernetes v1.36.3.\n\
             pub static BUILTIN: Types = Types {\n    text: Cow::Borrowed(TEXT),\n    names: Cow::Borrowed(&NAMES),\n    types: Cow::Borrowed(&TYPES),\n    \
             fields: Cow::Borrowed(&FIELDS),\n    sorted: Cow::Borrowed(&SORTED),\n    wires: Cow::Borrowed(&WIRES),\n    merges: Cow::Borrowed(&MERGES),\n    forms: Cow::Borrowed(&FORMS),\n    custom: None,\n};\n\n\
             const fn f(json: u16, go: u16, ty: u16, form: u16) -> Field {\n    Field::new(json, go, ty, form)\n}\n\n\
             const fn w(number: u16, slot: u16, inline: u16) -> Wire {\n    Wire::new(number, slot, inline)\n}\n\n\
             const fn t(package: u16, name: u16, fields: u16, n: u16, wires: u16, m: u16) -> Type {\n    Type::new(package, name, fields, n, wires, m)\n}\n\n",
        );
        self.print_names(&mut out);
        self.print_types(&mut out);
        self.print_fields(&mut out);
        out
    }

    fn print_names(&self, out: &mut String) {
        let text = self.names.list.concat();
        let mut ends = vec![0];
        for name in &self.names.list {
            ends.push(ends[ends.len() - 1] + name.len());
        }
        let _ = writeln!(out, "static TEXT: &str = {text:?};\n");
        print_array(out, "NAMES", "u32", ends.iter().map(usize::to_string), 20);
        print_array(out, "MERGES", "Merge", self.merges.list.iter().cloned(), 1);
    }

    fn print_types(&self, out: &mut String) {
        let (mut fields, mut wires) = (0, 0);
        let rows = self.types.iter().map(|t| {
            let atomic = if t.atomic { ".atomic()" } else { "" };
            let row = format!(
                "t({}, {}, {fields}, {}, {wires}, {}){atomic}",
                t.package,
                t.name,
                t.fields.len(),
                t.wires.len()
            );
            fields += t.fields.len();
            wires += t.wires.len();
            row
        });
        print_array(out, "TYPES", "Type", rows.collect::<Vec<_>>().into_iter(), 8);
    }

    fn print_fields(&self, out: &mut String) {
        let numbers = self.types.iter().flat_map(|t| &t.fields);
        let rows = numbers.map(|f| format!("f({}, {}, {}, {})", f.json, f.go, f.ty, f.form));
        print_array(out, "FORMS", "Form", self.forms.list.iter().cloned(), 1);
        print_array(out, "FIELDS", "Field", rows, 8);
        let wires = self.types.iter().flat_map(|t| &t.wires);
        print_array(
            out,
            "WIRES",
            "Wire",
            wires.map(|w| format!("w({}, {}, {})", w.number, w.slot, w.inline)),
            10,
        );
        let sorted = self.types.iter().flat_map(|t| {
            let mut order: Vec<usize> = (0..t.fields.len()).collect();
            order.sort_by_key(|slot| &self.names.list[t.fields[*slot].json]);
            order
        });
        print_array(out, "SORTED", "u16", sorted.map(|slot| slot.to_string()), 30);
    }
}

fn print_array(out: &mut String, name: &str, ty: &str, rows: impl Iterator<Item = String>, per_line: usize) {
    let rows: Vec<String> = rows.collect();
    let _ = writeln!(out, "static {name}: [{ty}; {}] = [", rows.len());
    for line in rows.chunks(per_line) {
        let _ = writeln!(out, "    {},", line.join(", "));
    }
    out.push_str("];\n\n");
}

/// How Go itself prints the type in an error: `[]v1.Container`, `map[string]string`.
fn go_text(ty: &str) -> String {
    let ty = ty.trim_start_matches('*');
    let end_of_prefix = ty.rfind(']').map_or(0, |end| end + 1);
    let (prefix, name) = ty.split_at(end_of_prefix);
    let name = name.rsplit('/').next().unwrap_or(name);
    let name = if name == "byte" { "uint8" } else { name };
    match prefix.strip_prefix("map[").and_then(|rest| rest.split_once(']')) {
        Some((key, rest)) => format!("map[{}]{rest}{name}", key.rsplit('/').next().unwrap_or(key)),
        None => format!("{prefix}{name}"),
    }
}
