//! The options of writes: parameters (`CreateOptions`, `UpdateOptions`, `PatchOptions`) and `DeleteOptions`, which
//! come in the body or as parameters.

use http::header::USER_AGENT;
use schema::field::{BadValue, Error, Errors, Path};
use schema::status::{GroupName, Status};

use crate::negotiate::{FieldValidation, options_json};
use crate::registry::{DeleteOptions, Options, Propagation};
use crate::{Answer, Call};

/// The longest field manager, in bytes.
const MAX_MANAGER: usize = 128;

const META: &str = "meta.k8s.io";

/// Reads and checks a write's parameters. `kind` is what errors call them: `CreateOptions`. `apply`: the write is a
/// server-side apply; nothing where it is no patch.
///
/// # Errors
/// 422, and 400 for a `force` that is no boolean.
pub(crate) fn write_options(call: &Call, kind: &str, apply: Option<bool>) -> Answer<Options> {
    let mut errors = Errors::new();
    let manager = call.query.get("fieldManager").unwrap_or_default();
    let force = boolean(call, "force")?.filter(|_| apply.is_some());
    match apply {
        Some(true) if manager.is_empty() => {
            let why = "is required for apply patch";
            errors.push(Error::required(&Path::new("fieldManager"), why));
        }
        Some(false) if force.is_some() => {
            let why = "may not be specified for non-apply patch";
            errors.push(Error::forbidden(&Path::new("force"), why));
        }
        _ => {}
    }
    check_manager(manager, &mut errors);
    let dry_run = dry_run(&call.query.all("dryRun").collect::<Vec<_>>(), &mut errors);
    let fields = field_validation(call.query.get("fieldValidation"), &mut errors);
    refuse(kind, &errors)?;
    let manager = if manager.is_empty() {
        agent(call)
    } else {
        manager.to_owned()
    };
    Ok(Options {
        dry_run,
        manager,
        fields,
        force: force.unwrap_or(false),
    })
}

fn refuse(kind: &str, errors: &Errors) -> Answer<()> {
    if errors.is_empty() {
        return Ok(());
    }
    let kind = GroupName {
        group: META,
        name: kind,
    };
    Err(Status::invalid(kind, "", errors).into())
}

/// Go's `strconv.ParseBool`, where absent and false differ.
fn boolean(call: &Call, name: &str) -> Answer<Option<bool>> {
    match call.query.get(name) {
        None => Ok(None),
        Some("" | "false" | "0" | "f" | "F" | "FALSE" | "False") => Ok(Some(false)),
        Some("1" | "t" | "T" | "true" | "TRUE" | "True") => Ok(Some(true)),
        Some(other) => {
            Err(Status::bad_request(format!("invalid value {other:?} of {name}: not a boolean")).into())
        }
    }
}

fn check_manager(manager: &str, errors: &mut Errors) {
    let path = Path::new("fieldManager");
    if manager.len() > MAX_MANAGER {
        errors.push(Error::too_long(&path, MAX_MANAGER));
    }
    for (at, character) in manager
        .char_indices()
        .filter(|(_, character)| character.is_control())
    {
        let why = format!(
            "invalid character U+{:04X} (at position {at})",
            u32::from(character)
        );
        errors.push(Error::invalid(&path, manager, why));
    }
}

fn dry_run(values: &[&str], errors: &mut Errors) -> bool {
    if values.iter().any(|value| *value != "All") {
        let shown = BadValue::json(&serde_json::json!(values).to_string());
        errors.push(Error::not_supported(&Path::new("dryRun"), shown, &["All"]));
    }
    !values.is_empty()
}

fn field_validation(value: Option<&str>, errors: &mut Errors) -> FieldValidation {
    match value.unwrap_or_default() {
        "" | "Warn" => FieldValidation::Warn,
        "Ignore" => FieldValidation::Ignore,
        "Strict" => FieldValidation::Strict,
        other => {
            let supported = ["", "Ignore", "Strict", "Warn"];
            errors.push(Error::not_supported(
                &Path::new("fieldValidation"),
                other,
                &supported,
            ));
            FieldValidation::Warn
        }
    }
}

/// What a client calls itself: the user agent up to the first slash.
fn agent(call: &Call) -> String {
    let agent = call.headers.get(USER_AGENT).map(http::HeaderValue::as_bytes);
    let agent = String::from_utf8_lossy(agent.unwrap_or_default()).into_owned();
    let name = agent.split('/').next().unwrap_or_default();
    let mut kept = String::new();
    for character in name.chars().filter(|character| !character.is_control()) {
        if kept.len() + character.len_utf8() > MAX_MANAGER {
            break;
        }
        kept.push(character);
    }
    kept
}

/// The body of a deletion, as it is written.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Wire {
    kind: Option<String>,
    grace_period_seconds: Option<i64>,
    preconditions: Option<Preconditions>,
    orphan_dependents: Option<bool>,
    propagation_policy: Option<String>,
    dry_run: Option<Vec<String>>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Preconditions {
    uid: Option<String>,
    resource_version: Option<String>,
}

/// Reads and checks a deletion's options.
///
/// # Errors
/// 415, 400 and 422.
pub(super) fn delete_options(call: &Call) -> Answer<(DeleteOptions, Options)> {
    let wire = if call.body.is_empty() {
        parameters(call)?
    } else {
        body(call)?
    };
    check(wire)
}

/// Checks options that come inside another body (an Eviction's).
///
/// # Errors
/// 400 and 422.
pub(crate) fn delete_options_of(json: &str) -> Answer<(DeleteOptions, Options)> {
    let wire = serde_json::from_str(json).map_err(|error| Status::bad_request(error.to_string()))?;
    check(wire)
}

fn body(call: &Call) -> Answer<Wire> {
    let json = options_json(call, "DeleteOptions")?;
    let wire: Wire = serde_json::from_slice(&json).map_err(|error| Status::bad_request(error.to_string()))?;
    match wire.kind.as_deref() {
        None | Some("" | "DeleteOptions") => Ok(wire),
        Some(_) => Err(Status::bad_request("decoded object cannot be converted to DeleteOptions").into()),
    }
}

fn parameters(call: &Call) -> Answer<Wire> {
    let grace = call.query.get("gracePeriodSeconds").map(str::parse).transpose();
    let dry_run: Vec<String> = call.query.all("dryRun").map(str::to_owned).collect();
    Ok(Wire {
        grace_period_seconds: grace
            .map_err(|_| Status::bad_request("gracePeriodSeconds is not an integer"))?,
        orphan_dependents: boolean(call, "orphanDependents")?,
        propagation_policy: call.query.get("propagationPolicy").map(str::to_owned),
        dry_run: Some(dry_run),
        ..Wire::default()
    })
}

fn check(wire: Wire) -> Answer<(DeleteOptions, Options)> {
    let mut errors = Errors::new();
    let path = Path::new("propagationPolicy");
    let policy = wire.propagation_policy.as_deref();
    if let (Some(policy), Some(_)) = (policy, wire.orphan_dependents) {
        let why = "orphanDependents and deletionPropagation cannot be both set";
        errors.push(Error::invalid(&path, policy, why));
    }
    let propagation = match (policy, wire.orphan_dependents) {
        (Some("Orphan"), _) | (None, Some(true)) => Some(Propagation::Orphan),
        (Some("Background"), _) | (None, Some(false)) => Some(Propagation::Background),
        (Some("Foreground"), _) => Some(Propagation::Foreground),
        (None, None) => None,
        (Some(other), _) => {
            let supported = ["Foreground", "Background", "Orphan", "nil"];
            errors.push(Error::not_supported(&path, other, &supported));
            None
        }
    };
    let values: Vec<&str> = wire.dry_run.iter().flatten().map(String::as_str).collect();
    let dry_run = dry_run(&values, &mut errors);
    refuse("DeleteOptions", &errors)?;
    let preconditions = wire.preconditions.unwrap_or_default();
    let delete = DeleteOptions {
        grace: wire.grace_period_seconds,
        uid: preconditions.uid,
        version: preconditions.resource_version,
        propagation,
        by_orphan_flag: wire.orphan_dependents == Some(false),
    };
    let options = Options {
        dry_run,
        ..Options::default()
    };
    Ok((delete, options))
}
