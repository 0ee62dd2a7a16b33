//! Bodies as deep as they are told.

use schema::resource::type_of_kind;
use schema::{BUILTIN, json, proto};
use serde_json::json;

/// `open` and `close` so many times around `core`.
pub(super) fn nested(open: &str, core: &str, close: &str, levels: usize) -> String {
    [&open.repeat(levels), core, &close.repeat(levels)].concat()
}

pub(super) fn maps(levels: usize) -> String {
    nested(r#"{"a":"#, "1", "}", levels)
}

pub(super) fn lists(levels: usize) -> String {
    nested("[", "1", "]", levels)
}

pub(super) fn nots(levels: usize) -> String {
    nested(r#"{"not":"#, "{}", "}", levels)
}

pub(super) fn properties(levels: usize) -> String {
    nested(
        r#"{"type":"object","properties":{"a":"#,
        r#"{"type":"string"}"#,
        "}}",
        levels,
    )
}

/// A definition of trees: anything at all, or what `schema` says.
pub(super) fn definition(plural: &str, schema: &str) -> String {
    format!(
        r#"{{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition",
        "metadata":{{"name":"{plural}.test.example.com"}},"spec":{{"group":"test.example.com","scope":"Namespaced",
        "names":{{"plural":"{plural}","kind":"K{plural}"}},"versions":[{{"name":"v1","served":true,"storage":true,
        "schema":{{"openAPIV3Schema":{{"type":"object","properties":{{"spec":{schema}}}}}}}}}]}}}}"#
    )
}

pub(super) fn rule(expression: &str) -> String {
    let schema = json!({"type": "object", "x-kubernetes-validations": [{"rule": expression}]});
    definition("ruled", &schema.to_string())
}

pub(super) fn policy(expression: &str) -> String {
    let object = json!({
        "metadata": {"name": "deep"},
        "spec": {
            "matchConstraints": {"resourceRules": [{
                "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"], "operations": ["CREATE"],
            }]},
            "validations": [{"expression": expression}],
        },
    });
    object.to_string()
}

pub(super) fn tree(name: &str, spec: &str) -> String {
    format!(
        r#"{{"apiVersion":"test.example.com/v1","kind":"Ktrees","metadata":{{"name":"{name}"}},"spec":{{"x":{spec}}}}}"#
    )
}

/// A sealed definition whose schema says `not` so often; wrapped level by level, as our encoder recurses too.
pub(super) fn protobuf(levels: usize) -> Vec<u8> {
    let marked = definition("proto", r#"{"not":{"description":"@"}}"#);
    let ty = type_of_kind("apiextensions.k8s.io", "v1", "CustomResourceDefinition").unwrap();
    let decoded = json::decode(&BUILTIN, ty, marked.as_bytes(), json::Options::default()).unwrap();
    let whole = proto::seal(&BUILTIN, &decoded.object).unwrap();
    [&whole[..4], &rewrite(&whole[4..], levels).unwrap()].concat()
}

/// The key of `JSONSchemaProps.not`: field 28, of a length.
const NOT: [u8; 2] = [0xe2, 0x01];

fn varint(mut number: usize) -> Vec<u8> {
    let mut out = Vec::new();
    loop {
        let low = u8::try_from(number & 0x7f).unwrap();
        number >>= 7;
        if number == 0 {
            out.push(low);
            return out;
        }
        out.push(low | 0x80);
    }
}

/// A message whose first `not` is wrapped in so many more, and every length on the way to it; none if it has none.
fn rewrite(message: &[u8], levels: usize) -> Option<Vec<u8>> {
    let mut at = 0;
    while at < message.len() {
        let begin = at;
        let key = read_varint(message, &mut at)?;
        match key & 7 {
            0 => {
                read_varint(message, &mut at)?;
            }
            2 => {
                let length = read_varint(message, &mut at)?;
                let body = message.get(at..at.checked_add(length)?)?;
                let after = &message[at + length..];
                at += length;
                let new = if message[begin..].starts_with(&NOT) {
                    Some((0..levels).fold(body.to_vec(), |inner, _| field(&NOT, &inner)))
                } else {
                    rewrite(body, levels)
                };
                if let Some(new) = new {
                    let key = &message[begin..begin + varint(key).len()];
                    return Some([&message[..begin], &field(key, &new), after].concat());
                }
            }
            _ => return None,
        }
    }
    None
}

fn field(key: &[u8], body: &[u8]) -> Vec<u8> {
    [key, &varint(body.len()), body].concat()
}

fn read_varint(bytes: &[u8], at: &mut usize) -> Option<usize> {
    let (mut number, mut shift) = (0_usize, 0);
    loop {
        let byte = *bytes.get(*at)?;
        *at += 1;
        number |= usize::from(byte & 0x7f).checked_shl(shift)?;
        if byte < 0x80 {
            return Some(number);
        }
        shift += 7;
    }
}

/// A tree in block style, each level two blanks further in.
pub(super) fn block(name: &str, levels: usize) -> String {
    let lines = (1..=levels).map(|level| format!("{}a:\n", "  ".repeat(level)));
    format!(
        "metadata: {{name: {name}}}\nspec:\n{}{}b: 1\n",
        lines.collect::<String>(),
        "  ".repeat(levels + 1)
    )
}

/// Operations that put the whole object one level further in each time.
pub(super) fn nesting(times: usize) -> String {
    let once = r#"{"op":"copy","from":"/spec","path":"/q"},{"op":"add","path":"/spec","value":{}},{"op":"move","from":"/q","path":"/spec/n"}"#;
    format!("[{}]", vec![once; times].join(","))
}

pub(super) fn managers(levels: usize) -> String {
    let fields = nested(r#"{"f:a":"#, "{}", "}", levels);
    format!(
        r#"{{"metadata":{{"name":"m","managedFields":[{{"manager":"x","operation":"Update","apiVersion":"v1",
        "time":"2026-01-01T00:00:00Z","fieldsType":"FieldsV1","fieldsV1":{fields}}}]}}}}"#
    )
}
