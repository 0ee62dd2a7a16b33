//! The downward API: what a container can learn of its pod through variables and files.

use schema::field::Errors;

use crate::Place;
use crate::rules::quantity::Quantity;
use crate::rules::table::Rule;
use crate::rules::text::qualified_name;

/// Fields that a variable can have.
pub(crate) const VARIABLE_FIELDS: &[&str] = &[
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];

/// Fields that a file can have.
pub(crate) const VOLUME_FIELDS: &[&str] = &[
    "metadata.annotations",
    "metadata.labels",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
];

/// Fields that upstream converts between versions, beside those above.
const KNOWN_FIELDS: [&str; 4] = [
    "spec.host",
    "spec.restartPolicy",
    "spec.schedulerName",
    "status.phase",
];

/// `metadata.labels['key']`: the map and the key.
fn subscripted(path: &str) -> Option<(&str, &str)> {
    let (map, key) = path.strip_suffix("']")?.split_once("['")?;
    (!map.is_empty()).then_some((map, key))
}

/// Why upstream cannot convert the path of a field.
fn unconvertible(version: &str, path: &str) -> Option<String> {
    let known = |path: &str| {
        VARIABLE_FIELDS.contains(&path) || VOLUME_FIELDS.contains(&path) || KNOWN_FIELDS.contains(&path)
    };
    match subscripted(path) {
        _ if version != "v1" => Some(format!("unsupported pod version: {version}")),
        Some(("metadata.annotations" | "metadata.labels", _)) => None,
        Some(_) => Some(format!("field label does not support subscript: {path}")),
        None => (!known(path)).then(|| format!("field label not supported: {path}")),
    }
}

/// `ObjectFieldSelector`: one of these fields.
pub(crate) fn field(field: &Place<'_, '_>, fields: &[&str], errors: &mut Errors) {
    let (version, path) = (field.child("apiVersion"), field.child("fieldPath"));
    if !version.require(errors, "") || !path.require(errors, "") {
        return;
    }
    if let Some(why) = unconvertible(version.str(), path.str()) {
        return path.invalid(errors, format!("error converting fieldPath: {why}"));
    }
    match subscripted(path.str()) {
        Some(("metadata.annotations", key)) => {
            let key = key.to_lowercase();
            let wrong = qualified_name(&key).into_iter();
            wrong.for_each(|text| field.invalid_value(errors, key.as_str(), text));
        }
        Some((_, key)) => {
            let wrong = qualified_name(key).into_iter();
            wrong.for_each(|text| field.invalid_value(errors, key, text));
        }
        None if !fields.contains(&path.str()) && path.str() != "spec.host" => {
            path.not_supported(errors, fields);
        }
        None => {}
    }
}

const RESOURCES: &[&str] = &[
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
];

fn is_huge_page(resource: &str) -> bool {
    resource.starts_with("requests.hugepages-") || resource.starts_with("limits.hugepages-")
}

/// `ResourceFieldSelector`; a file says whose resource it is.
pub(crate) fn resource(field: &Place<'_, '_>, in_volume: bool, errors: &mut Errors) {
    let resource = field.child("resource");
    if in_volume && field.at("containerName").is_empty() {
        field.child("containerName").required(errors, "");
    } else if resource.require(errors, "") && !is_huge_page(resource.str()) {
        Rule::Word(RESOURCES).check(&resource, errors);
    }
    divisor(field, resource.str(), errors);
}

const BYTES: [&str; 13] = [
    "1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei",
];

/// What a resource can be divided by. The error shows the resource.
fn divisor(field: &Place<'_, '_>, resource: &str, errors: &mut Errors) {
    let divisor = field.child("divisor");
    let (values, text): (&[&str], _) = match resource.split_once('.').map_or("", |(_, name)| name) {
        "cpu" => (&["1m", "1"], "1m and 1 are supported with the cpu resource"),
        "memory" => (&BYTES, "memory"),
        "ephemeral-storage" => (&BYTES, "local ephemeral storage"),
        _ if is_huge_page(resource) => (&BYTES, "hugepages"),
        _ => return,
    };
    if Quantity::of(divisor.value()) == Quantity::default() || values.contains(&divisor.str()) {
        return;
    }
    let text = match values.len() {
        2 => text.to_owned(),
        _ => format!("{} are supported with the {text} resource", BYTES.join(", ")),
    };
    divisor.invalid_value(errors, resource, format!("only divisor's values {text}"));
}
