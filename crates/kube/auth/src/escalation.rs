//! Nobody gives rights that they do not have themselves.

use std::collections::{BTreeMap, BTreeSet};

use crate::objects::{PolicyRule, quoted};
use crate::policy::aggregate;
use crate::{Policy, UserInfo};

impl PolicyRule {
    /// Everything, as two rules: what one must have to set a role's `aggregationRule`, which gathers anything.
    pub fn everything() -> [Self; 2] {
        let all = || vec![Box::from("*")];
        let resources = Self {
            verbs: all(),
            api_groups: all(),
            resources: all(),
            ..Self::default()
        };
        let paths = Self {
            verbs: all(),
            non_resource_urls: all(),
            ..Self::default()
        };
        [resources, paths]
    }
}

impl Policy {
    /// Checks that the user has all that these rules give in the namespace.
    ///
    /// # Errors
    /// Upstream's text, which lists what is missing.
    pub fn may_grant(&self, user: &UserInfo, namespace: &str, rules: &[PolicyRule]) -> Result<(), String> {
        let own = self.rules(user, namespace);
        let lacking = lacking(&own.rules, rules);
        if lacking.is_empty() {
            return Ok(());
        }
        let lines: BTreeSet<String> = compact(lacking).iter().map(PolicyRule::to_string).collect();
        let lines: Vec<String> = lines.into_iter().collect();
        let mut text = format!(
            "user {:?} (groups={}) is attempting to grant RBAC permissions not currently held:\n{}",
            user.name,
            quoted(&user.groups),
            lines.join("\n")
        );
        if !own.missing.is_empty() {
            text.push_str(&format!("; resolution errors: [{}]", aggregate(&own.missing)));
        }
        Err(text)
    }
}

/// What rules give that others do not, as rules of one verb each.
pub(crate) fn lacking(own: &[PolicyRule], rules: &[PolicyRule]) -> Vec<PolicyRule> {
    let atoms = rules.iter().flat_map(atoms);
    atoms
        .filter(|atom| !own.iter().any(|rule| rule.covers(atom)))
        .collect()
}

/// A rule cut into rules of one verb on one resource of one group (and one name), or on one path.
fn atoms(rule: &PolicyRule) -> Vec<PolicyRule> {
    let mut atoms = Vec::new();
    for verb in &rule.verbs {
        let of_verb = PolicyRule {
            verbs: vec![verb.clone()],
            ..PolicyRule::default()
        };
        for group in &rule.api_groups {
            for resource in &rule.resources {
                let of_resource = PolicyRule {
                    api_groups: vec![group.clone()],
                    resources: vec![resource.clone()],
                    ..of_verb.clone()
                };
                atoms.extend(named(&of_resource, &rule.resource_names));
            }
        }
        atoms.extend(rule.non_resource_urls.iter().map(|path| PolicyRule {
            non_resource_urls: vec![path.clone()],
            ..of_verb.clone()
        }));
    }
    atoms
}

fn named(rule: &PolicyRule, names: &[Box<str>]) -> Vec<PolicyRule> {
    let with = |names: Vec<Box<str>>| PolicyRule {
        resource_names: names,
        ..rule.clone()
    };
    match names {
        [] => vec![with(Vec::new())],
        names => names.iter().map(|name| with(vec![name.clone()])).collect(),
    }
}

/// Rules that differ in their verb alone become one, as upstream prints them.
fn compact(atoms: Vec<PolicyRule>) -> Vec<PolicyRule> {
    let mut merged: BTreeMap<String, PolicyRule> = BTreeMap::new();
    let mut paths = Vec::new();
    for mut atom in atoms {
        if !atom.non_resource_urls.is_empty() {
            paths.push(atom);
            continue;
        }
        let verbs = std::mem::take(&mut atom.verbs);
        let rule = merged.entry(atom.to_string()).or_insert(atom);
        rule.verbs.extend(verbs);
    }
    merged.into_values().chain(paths).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Binding, Role};

    fn rules(json: &str) -> Vec<PolicyRule> {
        serde_json::from_str(json).unwrap()
    }

    fn user() -> UserInfo {
        UserInfo {
            name: "u".to_owned(),
            groups: vec!["g".to_owned()],
            ..UserInfo::default()
        }
    }

    fn policy() -> Policy {
        let mut policy = Policy::default();
        let own = rules(r#"[{"apiGroups":[""],"resources":["pods","configmaps"],"verbs":["get","list"]}]"#);
        policy.set_role("", "own", Some(Role { rules: own }));
        let binding =
            r#"{"roleRef":{"kind":"ClusterRole","name":"own"},"subjects":[{"kind":"User","name":"u"}]}"#;
        policy.set_binding("", "own", serde_json::from_str::<Binding>(binding).ok());
        policy
    }

    #[test]
    fn what_one_has_one_may_give() {
        let given =
            rules(r#"[{"apiGroups":[""],"resources":["pods"],"resourceNames":["a"],"verbs":["get"]}]"#);
        assert_eq!(policy().may_grant(&user(), "", &given), Ok(()));
    }

    #[test]
    fn what_one_lacks_is_listed() {
        let given = rules(
            r#"[{"apiGroups":[""],"resources":["pods","secrets"],"verbs":["get","delete"]},
            {"nonResourceURLs":["/x"],"verbs":["get"]}]"#,
        );
        assert_eq!(
            policy().may_grant(&user(), "", &given).unwrap_err(),
            concat!(
                "user \"u\" (groups=[\"g\"]) is attempting to grant RBAC permissions not currently held:\n",
                "{APIGroups:[\"\"], Resources:[\"pods\"], Verbs:[\"delete\"]}\n",
                "{APIGroups:[\"\"], Resources:[\"secrets\"], Verbs:[\"get\" \"delete\"]}\n",
                "{NonResourceURLs:[\"/x\"], Verbs:[\"get\"]}"
            )
        );
    }
}
