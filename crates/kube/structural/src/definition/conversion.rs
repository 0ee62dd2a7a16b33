//! `spec.conversion`, under upstream's internal names.

use std::collections::BTreeSet;

use kinds::Place;
use kinds::rules::{names, value};
use schema::field::Errors;

/// The versions of `ConversionReview` that the server speaks.
const REVIEWS: [&str; 2] = ["v1", "v1beta1"];
const FORM: &str = "; desired format: https://host[/path]";

pub(super) fn validate(conversion: &Place<'_, '_>, errors: &mut Errors) {
    if !conversion.exists() {
        return;
    }
    let strategy = conversion.child("strategy");
    value::required_one_of(&strategy, errors, &["None", "Webhook"]);
    let webhook = conversion.value().at("webhook");
    let client = conversion.named("webhookClientConfig", webhook.at("clientConfig"));
    let reviews = conversion.named("conversionReviewVersions", webhook.at("conversionReviewVersions"));
    if strategy.str() == "Webhook" {
        match client.exists() {
            true => caller(&client, errors),
            false => client.required(errors, "required when strategy is set to Webhook"),
        }
        return review_versions(&reviews, errors);
    }
    for place in [client, reviews].iter().filter(|place| place.exists()) {
        place.forbidden(errors, "should not be set when strategy is not set to Webhook");
    }
}

fn caller(client: &Place<'_, '_>, errors: &mut Errors) {
    let (url, service) = (client.child("url"), client.child("service"));
    match (url.exists(), service.exists()) {
        (true, false) => address(&url, errors),
        (false, true) => reference(&service, errors),
        _ => client.required(errors, "exactly one of url or service is required"),
    }
}

fn address(url: &Place<'_, '_>, errors: &mut Errors) {
    let (scheme, rest) = url.str().split_once("://").unwrap_or(("", url.str()));
    if scheme != "https" {
        let detail = format!("'https' is the only allowed URL scheme{FORM}");
        url.invalid_value(errors, scheme, detail);
    }
    let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let authority = rest.split('/').next().unwrap_or_default();
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    if host.is_empty() {
        url.invalid_value(errors, "", format!("host must be specified{FORM}"));
    }
    let unwanted = [
        (user, "user information is not permitted in the URL"),
        (fragment, "fragments are not permitted in the URL"),
        (query, "query parameters are not permitted in the URL"),
    ];
    for (text, why) in unwanted.into_iter().filter(|(text, _)| !text.is_empty()) {
        url.invalid_value(errors, text, why);
    }
}

fn reference(service: &Place<'_, '_>, errors: &mut Errors) {
    // Upstream hands over name and namespace in the other order, and so it names them.
    for (shown, member) in [("name", "namespace"), ("namespace", "name")] {
        service.named(shown, service.at(member)).require(errors, "");
    }
    let port = service.child("port");
    if !(1..=65_535).contains(&port.int()) {
        let why = "port is not valid: must be between 1 and 65535, inclusive";
        port.invalid(errors, why);
    }
    path(&service.child("path"), errors);
}

fn path(path: &Place<'_, '_>, errors: &mut Errors) {
    let text = path.str();
    if text.is_empty() || text == "/" {
        return;
    }
    if text == "//" {
        return path.invalid(errors, "segment[0] may not be empty");
    }
    if !text.starts_with('/') {
        path.invalid(errors, "must start with a '/'");
    }
    let rest = text.get(1..).unwrap_or_default();
    for (at, step) in rest.strip_suffix('/').unwrap_or(rest).split('/').enumerate() {
        if step.is_empty() {
            path.invalid(errors, format!("segment[{at}] may not be empty"));
            continue;
        }
        for why in names::dns1123_subdomain(step) {
            path.invalid(errors, format!("segment[{at}]: {why}"));
        }
    }
}

fn review_versions(versions: &Place<'_, '_>, errors: &mut Errors) {
    if !versions.require(errors, "") {
        return;
    }
    let mut seen = BTreeSet::new();
    for version in versions.each() {
        match seen.insert(version.str()) {
            true => version.check(errors, names::dns1035_label),
            false => version.invalid(errors, "duplicate version"),
        }
    }
    if !versions.strings().any(|version| REVIEWS.contains(&version)) {
        versions.invalid(
            errors,
            format!("must include at least one of {}", REVIEWS.join(", ")),
        );
    }
}
