//! File systems on the network and drivers.

use schema::field::{Error, Errors};

use crate::Place;
use crate::rules::names::{dns1123_label, dns1123_subdomain};
use crate::rules::table::Rule;

/// `NFSVolumeSource`: the path is absolute.
pub(super) fn nfs(place: &Place<'_, '_>, errors: &mut Errors) {
    let path = place.child("path");
    if !path.str().starts_with('/') {
        path.invalid(errors, "must be an absolute path");
    }
}

/// Upstream's `net.SplitHostPort`: one colon, or an address in brackets and a colon.
fn is_host_port(text: &str) -> bool {
    match text.rsplit_once(':') {
        Some((host, _)) if host.starts_with('[') => host.ends_with(']'),
        Some((host, _)) => !host.contains([':', '[', ']']),
        None => false,
    }
}

/// `QuobyteVolumeSource`
pub(super) fn quobyte(place: &Place<'_, '_>, errors: &mut Errors) {
    const PAIRS: &str = "must be a host:port pair or multiple pairs separated by commas";
    let registry = place.child("registry");
    if registry.require(errors, PAIRS) {
        if place.at("tenant").len() >= 65 {
            let tenant = place.child("tenant");
            tenant.required(
                errors,
                "must be a UUID and may not exceed a length of 64 characters",
            );
        } else {
            let wrong = registry.str().split(',').filter(|pair| !is_host_port(pair));
            wrong.for_each(|_| registry.invalid(errors, PAIRS));
        }
    }
    place.child("volume").require(errors, "");
}

/// `FlockerVolumeSource`
pub(super) fn flocker(place: &Place<'_, '_>, errors: &mut Errors) {
    let (name, id) = (place.child("datasetName"), place.at("datasetUUID"));
    match (name.is_empty(), id.is_empty()) {
        (true, true) => place.required(errors, "one of datasetName and datasetUUID is required"),
        (false, false) => {
            let text = "datasetName and datasetUUID can not be specified simultaneously";
            place.invalid_value(errors, "resource", text);
        }
        _ => {}
    }
    if name.str().contains('/') {
        name.invalid(errors, "must not contain '/'");
    }
}

/// Options of a flex volume: Kubernetes' own names are reserved.
pub(super) fn flex_options(options: &Place<'_, '_>, errors: &mut Errors) {
    for (key, option) in options.each_entry() {
        let domain = format!(".{}", key.split('/').next().unwrap_or(key).to_lowercase());
        if domain.ends_with(".kubernetes.io") || domain.ends_with(".k8s.io") {
            option.invalid_value(errors, key, "kubernetes.io and k8s.io namespaces are reserved");
        }
    }
}

/// A name is required where there is a reference to a secret.
pub(super) fn secret_name(reference: &Place<'_, '_>, errors: &mut Errors) {
    reference.child("name").require(errors, "");
}

/// A name and a namespace.
pub(super) fn secret(reference: &Place<'_, '_>, errors: &mut Errors) {
    reference.child("name").require(errors, "");
    reference.child("namespace").require(errors, "");
}

/// A reference to a secret that is judged by its form too.
pub(super) fn strict_secret(reference: &Place<'_, '_>, errors: &mut Errors) {
    Rule::RequiredText(dns1123_subdomain).check(&reference.child("name"), errors);
    Rule::RequiredText(dns1123_label).check(&reference.child("namespace"), errors);
}

/// The secret of an inline CSI volume. Upstream's error names `name` of the volume.
pub(super) fn csi_secret(csi: &Place<'_, '_>, errors: &mut Errors) {
    let reference = csi.child("nodePublishSecretRef");
    let name = reference.child("name");
    if reference.exists() && name.require(errors, "") {
        csi.named("name", name.value()).check(errors, dns1123_subdomain);
    }
}

/// The name of a CSI driver: its case does not count.
pub(crate) fn driver_name(place: &Place<'_, '_>, errors: &mut Errors) {
    if !place.require(errors, "") {
        return;
    }
    if place.len() > 63 {
        errors.push(Error::too_long(&place.path(), 63));
    }
    place.all_invalid(errors, dns1123_subdomain(&place.str().to_lowercase()));
}
