//! A container's variables: upstream's `ValidateEnv` and `ValidateEnvFrom`.

use schema::field::Errors;

use super::scene::each_container;
use crate::Place;
use crate::rules::names::{dns_subdomain, dns1123_label};
use crate::rules::paths::no_backsteps;
use crate::rules::table::Rule::{Of, RequiredText, Text};
use crate::rules::table::{Rules, check};
use crate::rules::text::config_map_key;
use crate::rules::variable::env_var_name;
use crate::workloads::downward;

type Judge = fn(&Place<'_, '_>, &mut Errors);

/// Where a variable's value can come from.
const SOURCES: [(&str, Judge); 5] = [
    ("fieldRef", |field, errors| {
        downward::field(field, downward::VARIABLE_FIELDS, errors);
    }),
    ("resourceFieldRef", |field, errors| {
        downward::resource(field, false, errors);
    }),
    ("configMapKeyRef", |key, errors| check(key, KEY, errors)),
    ("secretKeyRef", |key, errors| check(key, KEY, errors)),
    ("fileKeyRef", |key, errors| check(key, FILE_KEY, errors)),
];

fn name(place: &Place<'_, '_>, errors: &mut Errors) {
    place.all_invalid(errors, dns_subdomain(place.str(), false));
}

const KEY: Rules = &[("name", Of(name)), ("key", RequiredText(config_map_key))];

const FILE_KEY: Rules = &[
    ("key", RequiredText(env_var_name)),
    ("volumeName", RequiredText(dns1123_label)),
    ("path", Of(file)),
];

fn file(path: &Place<'_, '_>, errors: &mut Errors) {
    if path.require(errors, "") {
        no_backsteps(path, errors);
    }
}

/// The files that variables are read from are in volumes that containers share.
pub(super) fn files(spec: &Place<'_, '_>, errors: &mut Errors) {
    let volumes = spec.at("volumes");
    each_container(spec, |container| {
        for variable in container.child("env").each() {
            let from = variable.child("valueFrom");
            let file = from.child("fileKeyRef");
            let name = file.child("volumeName");
            let volume = volumes
                .items()
                .find(|volume| volume.at("name").str() == name.str());
            match volume {
                _ if !file.exists() => {}
                None => name.not_found(errors),
                Some(volume) if volume.at("emptyDir").exists() => {}
                Some(_) => name.invalid(errors, "referenced volume must be of type emptyDir"),
            }
        }
    });
}

/// The variables.
pub(super) fn variables(variables: &Place<'_, '_>, errors: &mut Errors) {
    for variable in variables.each() {
        RequiredText(env_var_name).check(&variable.child("name"), errors);
        let from = variable.child("valueFrom");
        if from.exists() {
            value_from(&from, variable.at("value").is_empty(), errors);
        }
    }
}

fn value_from(from: &Place<'_, '_>, no_value: bool, errors: &mut Errors) {
    let given: Vec<_> = SOURCES
        .iter()
        .filter(|(name, _)| from.at(name).exists())
        .collect();
    given
        .iter()
        .for_each(|(name, rule)| rule(&from.child(name), errors));
    let text = match given.len() {
        0 => {
            "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
        }
        _ if !no_value => "may not be specified when `value` is not empty",
        1 => return,
        _ => "may not have more than one field specified at a time",
    };
    from.invalid_value(errors, "", text);
}

fn reference_name(text: &str) -> Vec<String> {
    dns_subdomain(text, true)
}

/// Maps and secrets that become variables. Errors about their number name the list.
pub(super) fn from(sources: &Place<'_, '_>, errors: &mut Errors) {
    for source in sources.each() {
        Text(env_var_name).check(&source.child("prefix"), errors);
        let names = ["configMapRef", "secretRef"];
        let given: Vec<_> = names.iter().filter(|name| source.at(name).exists()).collect();
        for name in &given {
            RequiredText(reference_name).check(&source.child(name).child("name"), errors);
        }
        match given.len() {
            0 => sources.invalid_value(errors, "", "must specify one of: `configMapRef` or `secretRef`"),
            1 => {}
            _ => sources.invalid_value(errors, "", "may not have more than one field specified at a time"),
        }
    }
}
