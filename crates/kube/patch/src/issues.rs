//! What is odd about a patch itself: members given twice, and operations with members that they do not
//! have. Upstream refuses (`fieldValidation=Strict`) or warns (`Warn`) of these as of those of an object.

use std::sync::OnceLock;

use schema::custom::{Member, Rows, TooLarge};
use schema::json::{Options, decode};
use schema::row::{Kind, Marks, Shape, TypeId, Types};

/// The form of a patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `application/json-patch+json`
    Json,
    /// `application/merge-patch+json`
    Merge,
    /// `application/strategic-merge-patch+json`
    Strategic,
}

/// The texts of the issues of a patch, in upstream's words; none for one that is no JSON.
pub fn issues(format: Format, patch: &[u8]) -> Vec<String> {
    let Some((types, object, list)) = rows() else {
        return Vec::new();
    };
    let options = Options {
        report: true,
        ..Options::default()
    };
    let found = |ty: TypeId, json: &[u8]| {
        let options = Options {
            max_bytes: json.len(),
            ..options
        };
        decode(types, ty, json, options)
            .map(|decoded| decoded.issues)
            .unwrap_or_default()
    };
    if format != Format::Json {
        return found(*object, patch).iter().map(ToString::to_string).collect();
    }
    let wrapped = [br#"{"patch":"#, patch, b"}"].concat();
    let told = |mut issue: schema::json::Issue| {
        issue.path = issue.path.trim_start_matches("patch").to_owned();
        format!("json patch {issue}")
    };
    found(*list, &wrapped).into_iter().map(told).collect()
}

/// Rows of an object of anything, and of a list of operations under the name `patch`.
fn rows() -> Option<&'static (Types, TypeId, TypeId)> {
    static ROWS: OnceLock<Option<(Types, TypeId, TypeId)>> = OnceLock::new();
    ROWS.get_or_init(|| make().ok()).as_ref()
}

fn make() -> Result<(Types, TypeId, TypeId), TooLarge> {
    let mut rows = Rows::new()?;
    let open = Marks {
        open: true,
        ..Marks::default()
    };
    let object = rows.object("Patch", open, &[])?;
    let members = ["from", "op", "path", "value"].map(|name| Member::new(name, Kind::Any));
    let operation = rows.object("Operation", Marks::default(), &members)?;
    let list = [Member::object("patch", operation).shaped(Shape::List)];
    let list = rows.object("Patches", Marks::default(), &list)?;
    Ok((rows.finish(), object, list))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_odd_about_a_patch_is_told() {
        let json = br#"[{"op":"add","path":"/a","path":"/b","foo":1,"value":{"x":1,"x":2}}]"#;
        assert_eq!(
            issues(Format::Json, json),
            [
                r#"json patch duplicate field "[0].path""#,
                r#"json patch duplicate field "[0].value.x""#,
                r#"json patch unknown field "[0].foo""#,
            ]
        );
        let merge = br#"{"spec":{"a":1,"a":2},"b":null}"#;
        assert_eq!(issues(Format::Merge, merge), [r#"duplicate field "spec.a""#]);
        assert!(issues(Format::Strategic, b"[").is_empty());
    }
}
