//! Where in the store a key belongs.

use schema::object::Order;

/// Everything that the API server stores is below this.
pub(super) const ROOT: &str = "/registry/";

/// The prefix of the collection that a key is in, and how its bodies are ordered.
///
/// A rule about keys rather than a look at the table of resources: objects are there before the definition that
/// makes their row has been read, and stay while it changes. First elements that are groups have a dot, and
/// only those and `services` hold several collections.
pub(super) fn place(key: &str) -> Option<(&str, Order)> {
    const BUILT_IN: [&str; 2] = ["apiextensions.k8s.io", "apiregistration.k8s.io"];
    let rest = key.strip_prefix(ROOT)?;
    let first = &rest[..rest.find('/')?];
    let grouped = first.contains('.');
    let length = if grouped || first == "services" {
        let tail = &rest[first.len() + 1..];
        first.len() + 1 + tail.find('/')?
    } else {
        first.len()
    };
    let order = if grouped && !BUILT_IN.contains(&first) {
        Order::Sorted
    } else {
        Order::Declared
    };
    Some((&key[..=ROOT.len() + length], order))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Resources;

    #[test]
    fn every_resources_keys_are_in_its_own_collection() {
        for served in Resources::builtin().all() {
            let key = served.key("ns", "a");
            assert_eq!(
                place(&key),
                Some((served.key_prefix().as_str(), Order::Declared)),
                "{key}"
            );
        }
    }

    #[test]
    fn custom_resources_are_below_their_group() {
        assert_eq!(
            place("/registry/stable.example.com/crontabs/default/a"),
            Some(("/registry/stable.example.com/crontabs/", Order::Sorted))
        );
        for stray in ["/other/a", "/registry/", "/registry/pods", "/registry/a.b/c"] {
            assert_eq!(place(stray), None, "{stray}");
        }
    }
}
