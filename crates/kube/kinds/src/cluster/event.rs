//! `Event`, of both groups; trees are the core group's. Upstream: `pkg/apis/core/validation/events.go`.

use schema::cursor::Ref;
use schema::field::Errors;

use crate::rules::{names, text, value};
use crate::{PLAIN, Place, SelectableField, Strategy};

/// An event's name is not looked at by the core group.
pub(super) const CORE: Strategy = Strategy {
    validate_create: |_, event, errors| legacy(event, errors),
    validate_update: |_, event, _, errors| legacy(event, errors),
    create_on_update: true,
    fields: FIELDS,
    resets: &[],
    ..PLAIN
};

/// What comes through `events.k8s.io` is judged strictly.
pub(super) const EVENTS: Strategy = Strategy {
    validate_create: |_, event, errors| {
        legacy(event, errors);
        strict(event, errors);
    },
    validate_update: |_, event, old, errors| {
        legacy(event, errors);
        unchanged(event, old, errors);
    },
    ..CORE
};

const FIELDS: &[SelectableField] = &[
    SelectableField::text("involvedObject.kind"),
    SelectableField::text("involvedObject.namespace"),
    SelectableField::text("involvedObject.name"),
    SelectableField::text("involvedObject.uid"),
    SelectableField::text("involvedObject.apiVersion"),
    SelectableField::text("involvedObject.resourceVersion"),
    SelectableField::text("involvedObject.fieldPath"),
    SelectableField::text("reason"),
    SelectableField::text("reportingComponent"),
    SelectableField {
        name: "source",
        path: "source.component|reportingComponent",
        absent: "",
    },
    SelectableField::text("type"),
];

fn legacy(event: Ref<'_>, errors: &mut Errors) {
    let place = Place::root(event);
    let involved = place.child("involvedObject");
    let about = involved.child("namespace");
    let namespace = event.path("metadata.namespace").str();
    let new_style = event.at("eventTime").exists();
    let agrees = match (about.str(), new_style) {
        ("", false) => matches!(namespace, "" | "default"),
        ("", true) => matches!(namespace, "default" | "kube-system"),
        (about, false) => about == namespace,
        (_, true) => true,
    };
    if !agrees {
        about.invalid_value(errors, about.str(), "does not match event.namespace");
    }
    if new_style {
        let controller = place.named("reportingController", event.at("reportingComponent"));
        controller.require(errors, "");
        controller.check(errors, text::qualified_name);
        for (name, max) in [("reportingInstance", 128), ("action", 128), ("reason", 128)] {
            place.child(name).require(errors, "");
            limited(&place.child(name), max, errors);
        }
        limited(&place.child("message"), 1024, errors);
    }
    for text in names::dns1123_subdomain(namespace) {
        place
            .named("namespace", event.path("metadata.namespace"))
            .invalid_value(errors, namespace, text);
    }
}

fn limited(field: &Place<'_, '_>, max: usize, errors: &mut Errors) {
    if field.len() > max {
        field.invalid_value(errors, "", format!("can have at most {max} characters"));
    }
}

fn strict(event: Ref<'_>, errors: &mut Errors) {
    let place = Place::root(event);
    series(event, errors);
    place.child("eventTime").require(errors, "");
    let kind = event.at("type").str();
    if !matches!(kind, "Normal" | "Warning") {
        place
            .child("type")
            .invalid_value(errors, "", format!("has invalid value: {kind}"));
    }
    let unset = ["firstTimestamp", "lastTimestamp", "count", "source"].map(|name| place.child(name));
    for field in unset.iter().filter(|field| !field.is_empty()) {
        field.invalid_value(errors, "", "needs to be unset");
    }
}

fn series(event: Ref<'_>, errors: &mut Errors) {
    let place = Place::root(event);
    let series = place.child("series");
    if !series.exists() {
        return;
    }
    if series.at("count").int() < 2 {
        series
            .child("count")
            .invalid_value(errors, "", "should be at least 2");
    }
    series.child("lastObservedTime").require(errors, "");
}

fn unchanged(event: Ref<'_>, old: Ref<'_>, errors: &mut Errors) {
    if event.at("series") != old.at("series") {
        series(event, errors);
    }
    let place = Place::root(event);
    for (name, member) in [
        ("involvedObject", "involvedObject"),
        ("reason", "reason"),
        ("message", "message"),
        ("source", "source"),
        ("firstTimestamp", "firstTimestamp"),
        ("lastTimestamp", "lastTimestamp"),
        ("count", "count"),
        ("type", "type"),
        ("eventTime", "eventTime"),
        ("action", "action"),
        ("related", "related"),
        ("reportingController", "reportingComponent"),
        ("reportingInstance", "reportingInstance"),
    ] {
        let field = place.named(name, event.at(member));
        if field.value() != old.at(member) {
            field.invalid(errors, value::IMMUTABLE);
        }
    }
}
