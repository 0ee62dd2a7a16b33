//! Signers of certificates and trust bundles: their names stand in several kinds.

use schema::field::Errors;

use crate::Place;
use crate::rules::names::{dns1123_label, dns1123_subdomain};
use crate::rules::table::TextRule;

const MAX_DOMAIN: usize = 253;
/// The longest name: a domain, a slash, and a path of a namespace and a resource's name.
const MAX_NAME: usize = MAX_DOMAIN + 1 + 253 + 1 + 63;

/// `domain/path`: a domain of two labels, a path that is a resource's name with or without its namespace.
pub(crate) fn name(place: &Place<'_, '_>, errors: &mut Errors) {
    if !place.require(errors, "") {
        return;
    }
    let parts: Vec<&str> = place.str().split('/').collect();
    let [domain, path] = parts[..] else {
        let text = "must be a fully qualified domain and path of the form 'example.com/signer-name'";
        return place.invalid(errors, text);
    };
    if domain.len() > MAX_DOMAIN {
        place.too_long(errors, MAX_DOMAIN);
    }
    labels(place, domain, dns1123_label, errors);
    if !domain.contains('.') {
        let text = "should be a domain with at least two segments separated by dots";
        place.invalid_value(errors, domain, text);
    }
    labels(place, path, dns1123_subdomain, errors);
    if place.len() > MAX_NAME {
        place.too_long(errors, MAX_NAME);
    }
}

/// The labels between dots; the first wrong one is told.
fn labels(place: &Place<'_, '_>, part: &str, rule: TextRule, errors: &mut Errors) {
    let wrong = part.split('.').map(|label| (label, rule(label)));
    let Some((label, texts)) = wrong.into_iter().find(|(_, texts)| !texts.is_empty()) else {
        return;
    };
    for text in texts {
        place.invalid_value(errors, part, format!("validating label {label:?}: {text}"));
    }
}

/// The signer that a trust bundle's name starts with: `domain:path:name`.
fn of_bundle(name: &str) -> String {
    let signer = name.rsplit_once(':').map_or("", |(signer, _)| signer);
    signer.replace(':', "/")
}

/// What is wrong with the name of a trust bundle.
pub(crate) fn bundle_name(name: &str) -> Vec<String> {
    bundle_name_of(&of_bundle(name), name)
}

/// The same, where the bundle's signer is known.
pub(crate) fn bundle_name_of(signer: &str, name: &str) -> Vec<String> {
    if signer.is_empty() {
        return match name.contains(':') {
            true => vec!["ClusterTrustBundle without signer name must not have \":\" in its name".to_owned()],
            false => dns1123_subdomain(name),
        };
    }
    let prefix = format!("{}:", signer.replace('/', ":"));
    match name.strip_prefix(&prefix) {
        Some(rest) => dns1123_subdomain(rest),
        None => vec![format!(
            "ClusterTrustBundle for signerName {signer} must be named with prefix {prefix}"
        )],
    }
}
