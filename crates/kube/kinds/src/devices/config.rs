//! What is passed on to drivers, and the names that they give to pools and attributes.

use schema::field::Errors;

use crate::Place;
use crate::rules::names::dns1123_subdomain;
use crate::rules::variable::c_identifier;
use crate::volume::driver_name;

const MAX_PARAMETERS: usize = 10 << 10;
const MAX_POOL: usize = 253;
const MAX_DOMAIN: usize = 63;
const MAX_ID: usize = 32;

/// Parameters that only the driver understands.
pub(super) fn opaque(config: &Place<'_, '_>, errors: &mut Errors) {
    let opaque = config.child("opaque");
    if !opaque.exists() {
        return opaque.required(errors, "");
    }
    driver_name(&opaque.child("driver"), errors);
    let parameters = opaque.child("parameters");
    let json = parameters.json();
    if !parameters.exists() || json == "null" {
        parameters.required(errors, "");
    } else if json.len() > MAX_PARAMETERS {
        parameters.too_long(errors, MAX_PARAMETERS);
    } else if !json.starts_with('{') {
        parameters.invalid_value(errors, "<value omitted>", "must be a valid JSON object");
    }
}

/// Parts that are DNS names, with slashes between them.
pub(super) fn pool_name(name: &Place<'_, '_>, errors: &mut Errors) {
    if !name.require(errors, "") {
        return;
    }
    if name.len() > MAX_POOL {
        name.too_long(errors, MAX_POOL);
    }
    for part in name.str().split('/') {
        let wrong = dns1123_subdomain(part).into_iter();
        wrong.for_each(|text| name.invalid_value(errors, part, text));
    }
}

/// `domain/identifier`, or the identifier alone where the domain may be the driver's.
pub(super) fn attribute(place: &Place<'_, '_>, qualified: bool, errors: &mut Errors) {
    let wrong = attribute_faults(place.str(), qualified);
    wrong
        .into_iter()
        .for_each(|(part, text)| place.invalid_value(errors, part, text));
}

/// What is wrong with the name of an attribute: the part, and why.
pub(super) fn attribute_faults(name: &str, qualified: bool) -> Vec<(String, String)> {
    let all = |part: &str, texts: Vec<String>| -> Vec<(String, String)> {
        texts.into_iter().map(|text| (part.to_owned(), text)).collect()
    };
    let identifier = |id: &str| {
        let long = (id.len() > MAX_ID).then(|| format!("may not be more than {MAX_ID} bytes"));
        all(id, long.into_iter().chain(c_identifier(id)).collect())
    };
    match name.split('/').collect::<Vec<_>>()[..] {
        [_] if qualified => all(name, vec!["must include a domain".to_owned()]),
        [id] => identifier(id),
        [domain, id] => {
            let long =
                (domain.len() > MAX_DOMAIN).then(|| format!("may not be more than {MAX_DOMAIN} bytes"));
            let mut wrong = all(
                domain,
                long.into_iter().chain(dns1123_subdomain(domain)).collect(),
            );
            wrong.extend(identifier(id));
            wrong
        }
        _ => all(name, vec!["must not have more than one '/'".to_owned()]),
    }
}
