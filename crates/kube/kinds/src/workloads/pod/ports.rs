//! A container's ports.

use std::collections::BTreeSet;

use schema::field::Errors;

use crate::Place;
use crate::rules::table::Rule;
use crate::rules::text::port_name;
use crate::rules::value::port_number;

/// The ports of a container.
pub(super) fn validate(ports: &Place<'_, '_>, errors: &mut Errors) {
    let mut names = BTreeSet::new();
    for port in ports.each() {
        let name = port.child("name");
        let wrong = port_name(name.str());
        if name.is_empty() {
        } else if !wrong.is_empty() {
            name.all_invalid(errors, wrong);
        } else if !names.insert(name.str()) {
            name.duplicate(errors);
        }
        number(&port, errors);
        Rule::RequiredWord(&["SCTP", "TCP", "UDP"]).check(&port.child("protocol"), errors);
    }
}

fn number(port: &Place<'_, '_>, errors: &mut Errors) {
    let (inner, outer) = (port.child("containerPort"), port.child("hostPort"));
    match inner.int() {
        0 => inner.required(errors, ""),
        _ => port_number(&inner, errors),
    }
    if outer.int() != 0 {
        port_number(&outer, errors);
    }
}

/// Containers that run at once cannot have the same port of the host.
pub(super) fn host_conflicts<'c, 'a: 'c>(
    containers: impl IntoIterator<Item = Place<'c, 'a>>,
    errors: &mut Errors,
) {
    let mut taken = BTreeSet::new();
    for container in containers {
        for port in container.child("ports").each() {
            let (number, address) = (port.child("hostPort"), port.at("hostIP").str());
            let text = format!("{}/{address}/{}", port.at("protocol").str(), number.int());
            if number.int() != 0 && !taken.insert(text.clone()) {
                let path = number.path();
                errors.push(schema::field::Error::duplicate(&path, text));
            }
        }
    }
}

/// In the host's network a port is the host's; a template may leave it out, since its pods get it as a default.
pub(super) fn host_network(spec: &Place<'_, '_>, is_pod: bool, errors: &mut Errors) {
    if !spec.at("hostNetwork").bool() {
        return;
    }
    for container in spec.child("containers").each() {
        for port in container.child("ports").each() {
            let (outer, inner) = (port.child("hostPort"), port.at("containerPort").int());
            if (is_pod || outer.int() != 0) && outer.int() != inner {
                let text = "must match `containerPort` when `hostNetwork` is true";
                outer.invalid_value(errors, outer.int(), text);
            }
        }
    }
}
