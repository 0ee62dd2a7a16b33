//! RBAC: roles and who has them. Escalation is authorisation's to judge; here is form alone.

use schema::cursor::{self, Ref};
use schema::field::Errors;
use schema::row::Types;
use schema::tree::{Struct, Value};

use crate::rules::names;
use crate::{PLAIN, Place, Row, Strategy};

const GROUP: &str = "rbac.authorization.k8s.io";

pub(crate) const ROWS: &[Row] = &[
    (GROUP, "clusterrolebindings", &CLUSTER_BINDING),
    (GROUP, "clusterroles", &CLUSTER_ROLE),
    (GROUP, "rolebindings", &BINDING),
    (GROUP, "roles", &ROLE),
];

const RBAC: Strategy = Strategy {
    name: names::segment,
    create_on_update: true,
    resets: &[],
    ..PLAIN
};

const ROLE: Strategy = Strategy {
    validate_create: |_, role, errors| rules(role, true, errors),
    validate_update: |_, role, _, errors| rules(role, true, errors),
    ..RBAC
};

const CLUSTER_ROLE: Strategy = Strategy {
    validate_create: |_, role, errors| rules(role, false, errors),
    validate_update: |_, role, _, errors| rules(role, false, errors),
    ..RBAC
};

const BINDING: Strategy = Strategy {
    default: default_groups,
    validate_create: |_, binding, errors| binding_of(binding, true, errors),
    validate_update: |_, binding, old, errors| {
        binding_of(binding, true, errors);
        same_role(binding, old, errors);
    },
    ..RBAC
};

const CLUSTER_BINDING: Strategy = Strategy {
    default: default_groups,
    validate_create: |_, binding, errors| binding_of(binding, false, errors),
    validate_update: |_, binding, old, errors| {
        binding_of(binding, false, errors);
        same_role(binding, old, errors);
    },
    ..RBAC
};

fn default_groups(types: &Types, binding: &mut Struct) {
    if Ref::new(types, binding).path("roleRef.apiGroup").is_empty() {
        cursor::set(types, binding, "roleRef.apiGroup", Value::str(GROUP));
    }
    cursor::each_mut(types, binding, "subjects", |subject| {
        let read = Ref::new(types, subject);
        let human = matches!(read.at("kind").str(), "User" | "Group");
        if human && read.at("apiGroup").is_empty() {
            cursor::set(types, subject, "apiGroup", Value::str(GROUP));
        }
    });
}

fn rules(role: Ref<'_>, namespaced: bool, errors: &mut Errors) {
    let place = Place::root(role);
    place
        .child("rules")
        .each()
        .for_each(|each| rule(&each, namespaced, errors));
}

fn rule(rule: &Place<'_, '_>, namespaced: bool, errors: &mut Errors) {
    rule.child("verbs")
        .require(errors, "verbs must contain at least one value");
    let urls = rule.child("nonResourceURLs");
    let resources = rule.child("resources");
    if !urls.is_empty() {
        if namespaced {
            urls.invalid(errors, "namespaced rules cannot apply to non-resource URLs");
        }
        if ["apiGroups", "resources", "resourceNames"]
            .iter()
            .any(|name| !rule.at(name).is_empty())
        {
            urls.invalid(
                errors,
                "rules cannot apply to both regular resources and non-resource URLs",
            );
        }
        return;
    }
    rule.child("apiGroups")
        .require(errors, "resource rules must supply at least one api group");
    resources.require(errors, "resource rules must supply at least one resource");
    let names = rule.child("resourceNames");
    if !names.is_empty() && resources.len() > 1 {
        names.required(errors, "resource names cannot apply to multiple resources");
    }
}

fn binding_of(binding: Ref<'_>, namespaced: bool, errors: &mut Errors) {
    let place = Place::root(binding);
    let role = place.child("roleRef");
    if role.at("apiGroup").str() != GROUP {
        role.child("apiGroup").not_supported(errors, &[GROUP]);
    }
    let kinds: &[&str] = if namespaced {
        &["Role", "ClusterRole"]
    } else {
        &["ClusterRole"]
    };
    if !kinds.contains(&role.at("kind").str()) {
        role.child("kind").not_supported(errors, kinds);
    }
    let name = role.child("name");
    if name.require(errors, "") {
        name.check(errors, names::path_segment);
    }
    place
        .child("subjects")
        .each()
        .for_each(|each| subject(&each, namespaced, errors));
}

fn subject(subject: &Place<'_, '_>, namespaced: bool, errors: &mut Errors) {
    let (name, group) = (subject.child("name"), subject.child("apiGroup"));
    let named = name.require(errors, "");
    match subject.at("kind").str() {
        "ServiceAccount" => {
            if named {
                name.check(errors, names::dns1123_subdomain);
            }
            if !group.is_empty() {
                group.not_supported(errors, &[""]);
            }
            if !namespaced {
                subject.child("namespace").require(errors, "");
            }
        }
        kind @ ("User" | "Group") => {
            if !named {
                let kind = kind.to_lowercase();
                name.invalid(errors, format!("{kind} name cannot be empty"));
            }
            if group.str() != GROUP {
                group.not_supported(errors, &[GROUP]);
            }
        }
        _ => subject
            .child("kind")
            .not_supported(errors, &["ServiceAccount", "User", "Group"]),
    }
}

fn same_role(binding: Ref<'_>, old: Ref<'_>, errors: &mut Errors) {
    if binding.at("roleRef") != old.at("roleRef") {
        Place::root(binding)
            .child("roleRef")
            .invalid(errors, "cannot change roleRef");
    }
}
