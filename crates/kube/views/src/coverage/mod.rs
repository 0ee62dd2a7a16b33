//! Nothing is accepted and ignored: the fields of a pod that this node cannot honour yet.
//!
//! [`unsupported`] names the first of them, and whoever meets the pod first (scheduler or kubelet) fails the pod with
//! that name. It is asked for every pod, so it walks the bytes once, along the few members of `refused`'s tree, and
//! makes neither a tree nor a copy of the rest. That every other field of the specification is honoured or does nothing
//! upstream either is shown by the table of the tests, which prints docs/coverage-pods.md.

mod refused;
mod walk;

use walk::Walk;

/// The reason of a pod that has failed because of such a field.
pub const REASON: &str = "UnsupportedField";

/// The path of the first field of a pod (JSON, members in the order of the specification) that is not honoured:
/// `spec.containers[0].volumeDevices`. `None` too for bytes that are not a pod, which somebody else refuses.
#[must_use]
pub fn unsupported(pod: &[u8]) -> Option<String> {
    Walk::of(&refused::POD).over(pod)
}

/// When a field is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// It is there, and neither null nor an empty list.
    Set,
    /// It has this value of a truth value.
    Bool(bool),
    /// It has this text.
    Text(&'static str),
    /// Its text begins with this.
    Prefix(&'static str),
}

/// A place in the tree of refused fields.
#[derive(Debug)]
enum Node {
    /// A field that is refused.
    Refused(When),
    /// An object of which these members matter.
    Members(&'static [(&'static str, Self)]),
    /// A list whose elements are so.
    Each(&'static Self),
}

/// Every refused field as its path, `[]` for the elements of a list, and when.
#[must_use]
pub fn refusals() -> Vec<(String, When)> {
    let mut found = Vec::new();
    list(&refused::POD, String::new(), &mut found);
    found
}

fn list(node: &Node, path: String, found: &mut Vec<(String, When)>) {
    match node {
        Node::Refused(when) => found.push((path, *when)),
        Node::Each(element) => list(element, path + "[]", found),
        Node::Members(members) => {
            for (name, member) in *members {
                let dot = if path.is_empty() { "" } else { "." };
                list(member, format!("{path}{dot}{name}"), found);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(spec: &str) -> Option<String> {
        unsupported(format!(r#"{{"metadata":{{"name":"a"}},"spec":{spec},"status":{{}}}}"#).as_bytes())
    }

    #[test]
    fn the_first_refused_field_is_named_with_indices() {
        let cases = [
            (r#"{"containers":[{"name":"a"}]}"#, None),
            (r#"{"hostUsers":true,"shareProcessNamespace":false}"#, None),
            (r#"{"hostUsers":false}"#, Some("spec.hostUsers")),
            (r#"{"schedulingGroup":null,"resourceClaims":[]}"#, None),
            (
                r#"{"schedulingGroup":{"podGroupName":"a"}}"#,
                Some("spec.schedulingGroup"),
            ),
            (
                r#"{"containers":[{"name":"a"},{"name":"b","volumeDevices":[{"name":"d"}]}]}"#,
                Some("spec.containers[1].volumeDevices"),
            ),
            (
                r#"{"volumes":[{"name":"a","emptyDir":{"medium":"HugePages-2Mi"}}]}"#,
                Some("spec.volumes[0].emptyDir.medium"),
            ),
            (r#"{"volumes":[{"emptyDir":{"medium":"Memory"}}]}"#, None),
            (
                r#"{"volumes":[{"nfs":{"server":"s","path":"/"}},{"rbd":{}}]}"#,
                Some("spec.volumes[0].nfs"),
            ),
            (
                r#"{"initContainers":[{"securityContext":{"procMount":"Unmasked"}}]}"#,
                Some("spec.initContainers[0].securityContext.procMount"),
            ),
            (
                r#"{"containers":[{"securityContext":{"procMount":"Default"}}]}"#,
                None,
            ),
            (
                r#"{"containers":[{"env":[{"name":"A"},{"valueFrom":{"fileKeyRef":{"key":"k"}}}]}]}"#,
                Some("spec.containers[0].env[1].valueFrom.fileKeyRef"),
            ),
        ];
        for (spec, path) in cases {
            assert_eq!(of(spec).as_deref(), path, "{spec}");
        }
    }

    #[test]
    fn what_is_not_a_pod_is_not_refused_here() {
        for bytes in [
            "",
            "[]",
            r#"{"spec":3}"#,
            r#"{"spec":{"volumes":{"nfs":1}}}"#,
            r#"{"spec":{"#,
        ] {
            assert_eq!(unsupported(bytes.as_bytes()), None, "{bytes}");
        }
    }

    #[test]
    fn paths_are_listed_once() {
        let mut paths: Vec<_> = refusals().into_iter().map(|(path, _)| path).collect();
        let all = paths.len();
        paths.sort_unstable();
        paths.dedup();
        assert_eq!(paths.len(), all);
        assert!(paths.iter().any(|path| path == "spec.volumes[].nfs"));
    }
}
