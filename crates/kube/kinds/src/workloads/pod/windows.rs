//! What belongs to one operating system: options of Windows, and what a pod of another system may not have.

use schema::field::Errors;

use super::scene::each_container;
use crate::Place;
use crate::rules::names::dns1123_subdomain;
use crate::rules::table::Rule;

const MAX_SPEC: usize = 64 << 10;
const MAX_DOMAIN: usize = 256;
const MAX_USER: usize = 104;

/// `windowsOptions`
pub(super) fn options(options: &Place<'_, '_>, errors: &mut Errors) {
    let name = options.child("gmsaCredentialSpecName");
    if name.exists() {
        name.check(errors, dns1123_subdomain);
    }
    let spec = options.child("gmsaCredentialSpec");
    match spec.len() {
        0 if spec.exists() => spec.invalid(errors, "gmsaCredentialSpec cannot be an empty string"),
        length if length > MAX_SPEC => spec.invalid(errors, "gmsaCredentialSpec size must be under 64 KiB"),
        _ => {}
    }
    let user = options.child("runAsUserName");
    if user.exists() {
        let wrong = user_name(user.str()).into_iter();
        wrong.for_each(|text| user.invalid(errors, format!("runAsUserName{text}")));
    }
}

/// What is wrong with `DOMAIN\USER` or `USER`.
fn user_name(name: &str) -> Vec<String> {
    let text = |text: &str| vec![text.to_owned()];
    if name.is_empty() {
        return text(" cannot be an empty string");
    }
    if name.chars().any(|c| c.is_ascii_control()) {
        return text(" cannot contain control characters");
    }
    match name.split('\\').collect::<Vec<_>>()[..] {
        [user] => user_part(user),
        [domain, user] => domain_part(domain).into_iter().chain(user_part(user)).collect(),
        _ => text(" cannot contain more than one backslash"),
    }
}

fn domain_part(domain: &str) -> Vec<String> {
    let long = domain.len() >= MAX_DOMAIN;
    let right = is_net_bios(domain) || is_dns(domain);
    [
        (
            long,
            format!("'s Domain length must be under {MAX_DOMAIN} characters"),
        ),
        (
            !right,
            "'s Domain doesn't match the NetBios nor the DNS format".to_owned(),
        ),
    ]
    .into_iter()
    .filter_map(|(wrong, text)| wrong.then_some(text))
    .collect()
}

fn is_net_bios(domain: &str) -> bool {
    let count = domain.chars().count();
    (1..=15).contains(&count)
        && !domain.starts_with('.')
        && !domain.contains(['\\', '/', ':', '*', '?', '"', '<', '>', '|'])
}

fn is_dns(domain: &str) -> bool {
    let label = |label: &str| {
        let bytes = label.as_bytes();
        let ends = bytes.first().zip(bytes.last());
        bytes.len() <= 63
            && ends.is_some_and(|(first, last)| first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric())
            && bytes
                .iter()
                .all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
    };
    domain.split('.').all(label)
}

fn user_part(user: &str) -> Vec<String> {
    const BAD: &str = r#""/\:;|=,+*?<>@[]"#;
    let blank = !user.is_empty() && user.chars().all(|c| c == '.' || c == ' ');
    [
        (user.is_empty(), "'s User cannot be empty".to_owned()),
        (
            user.len() > MAX_USER,
            format!("'s User length must not be longer than {MAX_USER} characters"),
        ),
        (blank, "'s User cannot contain only periods or spaces".to_owned()),
        (
            user.contains(|c| BAD.contains(c)),
            format!("'s User cannot contain the following characters: {BAD}"),
        ),
    ]
    .into_iter()
    .filter_map(|(wrong, text)| wrong.then_some(text))
    .collect()
}

/// Containers that are processes of a Windows host: all or none, and in its network.
pub(super) fn host_process(spec: &Place<'_, '_>, errors: &mut Errors) {
    let whole = spec
        .value()
        .path("securityContext.windowsOptions.hostProcess")
        .boolean();
    let (mut all, mut of_host) = (0, 0);
    each_container(spec, |container| {
        all += 1;
        let context = container.child("securityContext");
        let options = context.child("windowsOptions");
        let own = options.child("hostProcess");
        if let (Some(whole), Some(one)) = (whole, own.boolean())
            && whole != one
        {
            let text = format!("pod hostProcess value must be identical if both are specified, was {whole}");
            own.invalid(errors, text);
        }
        of_host += i32::from(own.boolean().or(whole) == Some(true));
    });
    if of_host > 0 && of_host != all {
        let text =
            "If pod contains any hostProcess containers then all containers must be HostProcess containers";
        spec.invalid_value(errors, "", text);
    }
    if of_host > 0 && !spec.at("hostNetwork").bool() {
        let text = "hostNetwork must be true if pod contains any hostProcess containers";
        spec.child("hostNetwork").invalid_value(errors, false, text);
    }
}

/// A pod's members that Windows does not have, in upstream's order: of the security context or, if not there, of the
/// spec.
const POD: [&str; 15] = [
    "appArmorProfile",
    "seLinuxOptions",
    "hostUsers",
    "hostPID",
    "hostIPC",
    "seccompProfile",
    "fsGroup",
    "fsGroupChangePolicy",
    "sysctls",
    "shareProcessNamespace",
    "runAsUser",
    "runAsGroup",
    "supplementalGroups",
    "supplementalGroupsPolicy",
    "seLinuxChangePolicy",
];
const CONTAINER_CONTEXT: [&str; 10] = [
    "appArmorProfile",
    "seLinuxOptions",
    "seccompProfile",
    "capabilities",
    "readOnlyRootFilesystem",
    "privileged",
    "allowPrivilegeEscalation",
    "procMount",
    "runAsUser",
    "runAsGroup",
];

/// Whether a member is set; one that Go holds by value is not while it is false.
fn is_set(place: &Place<'_, '_>, name: &str) -> bool {
    match name {
        "hostPID" | "hostIPC" => place.at(name).bool(),
        "sysctls" => !place.at(name).is_empty(),
        _ => place.at(name).exists(),
    }
}

fn without(place: &Place<'_, '_>, names: &[&str], text: &str, errors: &mut Errors) {
    for name in names.iter().filter(|name| is_set(place, name)) {
        place.child(name).forbidden(errors, text);
    }
}

/// `spec.os` and what it excludes.
pub(super) fn os(spec: &Place<'_, '_>, errors: &mut Errors) {
    let os = spec.child("os");
    if !os.exists() {
        return;
    }
    let name = os.child("name");
    if !name.require(errors, "") {
        return;
    }
    let (text, pod, container): (_, &[&str], &[&str]) = match name.str() {
        "linux" => (
            "windows options cannot be set for a linux pod",
            &["windowsOptions"],
            &["windowsOptions"],
        ),
        "windows" => ("cannot be set for a windows pod", &POD, &CONTAINER_CONTEXT),
        _ => return Rule::Word(&["linux", "windows"]).check(&os.holding(name.value()), errors),
    };
    let context = spec.child("securityContext");
    for name in pod {
        without(&context, &[name], text, errors);
        without(spec, &[name], text, errors);
    }
    each_container(spec, |each| {
        without(&each.child("securityContext"), container, text, errors);
    });
}
