//! Values as upstream's errors print them: JSON of its *internal* types.
//!
//! Upstream validates objects in a version of its own, whose Go structs have no JSON names. So a struct in an error
//! shows every member under its Go name, absent ones as `null` or zero, in the order of the internal struct. Nearly
//! always that is the order of the rows; [`names`] says where it is not. What belongs to `meta/v1` (selectors, owner
//! references) has no internal version and is printed as clients know it.

mod diff;
mod names;

use schema::cursor::Ref;
use schema::field::BadValue;
use schema::json::{encode, encode_value, write_string};
use schema::row::{Kind, Shape, TypeId, Types};
use schema::tree::{Map, Struct, Value};

use names::{Own, go_name};

/// What stands here as an error shows it; `null` where nothing is.
pub(crate) fn bad_value(value: Ref<'_>) -> BadValue {
    match value.text() {
        Some(text) => text.into(),
        None => BadValue::json(&json(value)),
    }
}

/// What stands here as JSON of upstream's internal type.
pub fn json(value: Ref<'_>) -> String {
    let mut printer = Printer::new(value.types(), None);
    printer.place(value);
    printer.text()
}

/// What changed from one value to another: upstream's `diff.Diff`, a unified diff of both as indented JSON.
pub(crate) fn difference(old: Ref<'_>, new: Ref<'_>) -> String {
    let indented = |value: Ref<'_>| {
        let mut printer = Printer::new(value.types(), Some(0));
        printer.place(value);
        printer.text()
    };
    diff::unified(&indented(old), &indented(new))
}

/// The same of some members of an object, which upstream has in a struct of their own.
pub(crate) fn difference_of(members: &[&str], old: Ref<'_>, new: Ref<'_>) -> String {
    let indented = |value: Ref<'_>| {
        let mut printer = Printer::new(value.types(), Some(0));
        if let Some(object) = value.object() {
            printer.members(object, members);
        }
        printer.text()
    };
    diff::unified(&indented(old), &indented(new))
}

struct Printer<'a> {
    types: &'a Types,
    out: Vec<u8>,
    /// How deep it is, where each member has a line of its own.
    depth: Option<usize>,
}

impl<'a> Printer<'a> {
    const fn new(types: &'a Types, depth: Option<usize>) -> Self {
        let out = Vec::new();
        Self { types, out, depth }
    }

    fn text(self) -> String {
        String::from_utf8_lossy(&self.out).into_owned()
    }

    fn place(&mut self, value: Ref<'_>) {
        match (value.object(), value.value()) {
            (Some(object), _) => self.object(object.ty, Some(object)),
            (None, Some(value)) => self.value(value),
            (None, None) => self.out.extend_from_slice(b"null"),
        }
    }

    /// A struct; none stands for Go's zero of it.
    fn object(&mut self, ty: TypeId, object: Option<&Struct>) {
        let (package, name) = self.types.type_name(ty);
        if package.starts_with("meta/") {
            return self.external(ty, object);
        }
        self.open(b'{');
        let mut first = true;
        let own = names::own(package, name);
        for part in own {
            self.part(ty, object, part, &mut first);
        }
        if own.is_empty() {
            for index in 0..self.types.fields(ty).len() {
                self.member(ty, object, index, &mut first);
            }
        }
        self.close(b'}', first);
    }

    fn members(&mut self, object: &Struct, members: &[&str]) {
        self.open(b'{');
        let mut first = true;
        for json in members {
            if let Some(index) = self.types.slot(object.ty, json, 0) {
                self.member(object.ty, Some(object), index, &mut first);
            }
        }
        self.close(b'}', first);
    }

    fn part(&mut self, ty: TypeId, object: Option<&Struct>, part: &Own, first: &mut bool) {
        let all = self.types.fields(ty);
        match *part {
            Own::Member(json) => {
                if let Some(index) = self.types.slot(ty, json, 0) {
                    self.member(ty, object, index, first);
                }
            }
            Own::Others(listed) => {
                let others =
                    (0..all.len()).filter(|index| !listed.contains(&self.types.name(all[*index].json)));
                others
                    .collect::<Vec<_>>()
                    .into_iter()
                    .for_each(|index| self.member(ty, object, index, first));
            }
            Own::Lent => self.lent(ty, object, first),
        }
    }

    /// `PodSecurityContext`, which upstream gives members of the spec.
    fn lent(&mut self, spec: TypeId, object: Option<&Struct>, first: &mut bool) {
        self.name("SecurityContext", first);
        self.open(b'{');
        let mut inner = true;
        for json in names::LENT {
            if let Some(index) = self.types.slot(spec, json, 0) {
                self.member(spec, object, index, &mut inner);
            }
        }
        if let Some(index) = self.types.slot(spec, "securityContext", 0) {
            let context = object
                .and_then(|object| object.get(index))
                .and_then(Value::as_struct);
            let ty = self.types.fields(spec)[index].ty;
            for json in names::SECURITY {
                if let Some(index) = self.types.slot(ty, json, 0) {
                    self.member(ty, context, index, &mut inner);
                }
            }
        }
        self.close(b'}', inner);
    }

    fn member(&mut self, ty: TypeId, object: Option<&Struct>, index: usize, first: &mut bool) {
        let field = &self.types.fields(ty)[index];
        let (form, json) = (self.types.form(field), self.types.name(field.json));
        let value = object.and_then(|object| object.get(index));
        if json == "metadata" && form.kind == Kind::Struct {
            return self.embedded(field.ty, value, first);
        }
        let (_, name) = self.types.type_name(ty);
        self.name(&go_name(name, json), first);
        match (form.shape, value) {
            (Shape::Ptr | Shape::List | Shape::Map, None) => self.out.extend_from_slice(b"null"),
            (_, Some(value)) => self.value(value),
            (Shape::Value, None) if form.kind == Kind::Struct => self.object(field.ty, None),
            (Shape::Value, None) => self.zero(form.kind),
        }
    }

    /// Metadata is embedded: its members are the object's own.
    fn embedded(&mut self, ty: TypeId, value: Option<&Value>, first: &mut bool) {
        let mut text = Vec::new();
        let empty = Struct::new(ty);
        encode(
            self.types,
            value.and_then(Value::as_struct).unwrap_or(&empty),
            &mut text,
        );
        let parsed: Result<Value, _> = schema::json::parse(&text);
        if let Ok(Value::Map(members)) = parsed {
            for (name, value) in members.entries() {
                self.name(name, first);
                self.value(value);
            }
        }
    }

    /// A type that has no internal version.
    fn external(&mut self, ty: TypeId, object: Option<&Struct>) {
        let empty = Struct::new(ty);
        let mut text = Vec::new();
        encode(self.types, object.unwrap_or(&empty), &mut text);
        match (self.depth, schema::json::parse(&text)) {
            (Some(_), Ok(value)) => self.value(&value),
            _ => self.out.extend_from_slice(&text),
        }
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Struct(object) => self.object(object.ty, Some(object)),
            Value::List(items) => self.list(items),
            Value::Map(map) => self.map(map),
            plain => encode_value(self.types, plain, &mut self.out),
        }
    }

    fn list(&mut self, items: &[Value]) {
        self.open(b'[');
        let mut first = true;
        for item in items {
            self.next(&mut first);
            self.value(item);
        }
        self.close(b']', first);
    }

    fn map(&mut self, map: &Map) {
        self.open(b'{');
        let mut first = true;
        for (key, value) in map.entries() {
            self.name(key, &mut first);
            self.value(value);
        }
        self.close(b'}', first);
    }

    fn zero(&mut self, kind: Kind) {
        let text: &[u8] = match kind {
            Kind::Bool => b"false",
            Kind::Int32 | Kind::Int64 | Kind::Float64 | Kind::IntOrString => b"0",
            Kind::String => b"\"\"",
            Kind::Quantity => b"\"0\"",
            Kind::Duration => b"\"0s\"",
            _ => b"null",
        };
        self.out.extend_from_slice(text);
    }

    fn name(&mut self, name: &str, first: &mut bool) {
        self.next(first);
        write_string(&mut self.out, name);
        self.out.push(b':');
        if self.depth.is_some() {
            self.out.push(b' ');
        }
    }

    fn open(&mut self, bracket: u8) {
        self.out.push(bracket);
        self.depth = self.depth.map(|depth| depth + 1);
    }

    fn next(&mut self, first: &mut bool) {
        if !std::mem::take(first) {
            self.out.push(b',');
        }
        self.line();
    }

    fn close(&mut self, bracket: u8, empty: bool) {
        self.depth = self.depth.map(|depth| depth - 1);
        if !empty {
            self.line();
        }
        self.out.push(bracket);
    }

    fn line(&mut self) {
        if let Some(depth) = self.depth {
            self.out.push(b'\n');
            self.out.extend(std::iter::repeat_n(b' ', depth));
        }
    }
}

#[cfg(test)]
mod tests {
    use schema::BUILTIN;
    use schema::json::{Options, decode};

    use super::*;

    fn read(package: &str, name: &str, text: &str) -> Struct {
        let ty = BUILTIN.find(package, name).unwrap();
        let options = Options::default();
        decode(&BUILTIN, ty, text.as_bytes(), options).unwrap().object
    }

    #[test]
    fn structs_show_every_member_under_its_go_name() {
        let cases = [
            (
                "SeccompProfile",
                r#"{"type":"RuntimeDefault","localhostProfile":"x"}"#,
                r#"{"Type":"RuntimeDefault","LocalhostProfile":"x"}"#,
            ),
            (
                "ServicePort",
                r#"{"port":80,"protocol":"TCP"}"#,
                r#"{"Name":"","Protocol":"TCP","AppProtocol":null,"Port":80,"TargetPort":0,"NodePort":0}"#,
            ),
            (
                "Taint",
                r#"{"key":"k","effect":"NoSchedule"}"#,
                r#"{"Key":"k","Value":"","Effect":"NoSchedule","TimeAdded":null}"#,
            ),
            (
                "HTTPGetAction",
                r#"{"path":"/<","port":"p"}"#,
                r#"{"Path":"/\u003c","Port":"p","Host":"","Scheme":"","HTTPHeaders":null}"#,
            ),
            (
                "PodAffinityTerm",
                r#"{"labelSelector":{"matchLabels":{"a":"b"}},"topologyKey":"t"}"#,
                r#"{"LabelSelector":{"matchLabels":{"a":"b"}},"Namespaces":null,"TopologyKey":"t","NamespaceSelector":null,"MatchLabelKeys":null,"MismatchLabelKeys":null}"#,
            ),
        ];
        for (name, text, expected) in cases {
            let object = read("core/v1", name, text);
            assert_eq!(json(Ref::new(&BUILTIN, &object)), expected, "{name}");
        }
    }

    #[test]
    fn a_template_has_its_metadata_embedded() {
        let text = r#"{"metadata":{"labels":{"a":"b"}},"spec":{"hostNetwork":true}}"#;
        let template = read("core/v1", "PodTemplateSpec", text);
        let printed = json(Ref::new(&BUILTIN, &template));
        assert!(
            printed.starts_with(r#"{"labels":{"a":"b"},"Spec":{"Volumes":null,"#),
            "{printed}"
        );
        let context = r#""NodeName":"","SecurityContext":{"HostNetwork":true,"HostPID":false,"HostIPC":false,"ShareProcessNamespace":null,"HostUsers":null,"SELinuxOptions":null,"#;
        assert!(printed.contains(context), "{printed}");
    }

    #[test]
    fn a_difference_is_unified() {
        let pod = |name: &str| read("core/v1", "PodSpec", &format!(r#"{{"hostname":"{name}"}}"#));
        let (old, new) = (pod("a"), pod("b"));
        let told = difference(Ref::new(&BUILTIN, &old), Ref::new(&BUILTIN, &new));
        let expected = concat!(
            "@@ -31,7 +31,7 @@\n",
            "  \"SELinuxChangePolicy\": null\n",
            " },\n",
            " \"ImagePullSecrets\": null,\n",
            "- \"Hostname\": \"a\",\n",
            "+ \"Hostname\": \"b\",\n",
            "  \"Subdomain\": \"\",\n",
            "  \"SetHostnameAsFQDN\": null,\n",
            "  \"Affinity\": null,\n",
        );
        let trimmed = |text: &str| text.replace("\n   ", "\n  ");
        assert_eq!(trimmed(&told).lines().count(), expected.lines().count(), "{told}");
        assert!(
            told.contains("\n- \"Hostname\": \"a\",\n+ \"Hostname\": \"b\",\n"),
            "{told}"
        );
        assert!(told.starts_with("@@ -"), "{told}");
    }
}
