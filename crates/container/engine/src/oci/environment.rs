//! The environment of a container's program.

use crate::spec::ContainerSpec;

use super::identity::User;
use super::{Inputs, namespaces};

/// `PATH` where the image has none.
pub const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What every container gets, then what it was given; `HOME` is the user's where nobody set it.
pub(super) fn of_container(spec: &ContainerSpec, inputs: &Inputs<'_>, user: &User) -> Vec<String> {
    let mut environment = vec![
        format!("PATH={DEFAULT_PATH}"),
        format!("HOSTNAME={}", namespaces::seen_hostname(spec, inputs)),
    ];
    if spec.tty {
        environment.push("TERM=xterm".to_owned());
    }
    let environment = merge(environment, inputs.joined.links);
    let mut environment = merge(environment, &spec.env);
    if !environment.iter().any(|entry| name(entry) == "HOME") {
        environment.push(format!("HOME={}", user.home));
    }
    environment
}

/// Puts `overrides` on top: a name that is there keeps its place and takes the new value, a name
/// without `=` takes the variable away, others follow in their order.
#[must_use]
pub fn merge(mut environment: Vec<String>, overrides: &[String]) -> Vec<String> {
    for entry in overrides {
        let at = environment.iter().position(|old| name(old) == name(entry));
        match (at, entry.contains('=')) {
            (Some(at), true) => environment[at].clone_from(entry),
            (Some(at), false) => drop(environment.remove(at)),
            (None, true) => environment.push(entry.clone()),
            (None, false) => {}
        }
    }
    environment
}

fn name(entry: &str) -> &str {
    entry.split_once('=').map_or(entry, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::super::defaults::owned;
    use super::*;

    #[test]
    fn overrides_replace_remove_and_append() {
        let check = |overrides: &[&str], expected: &[&str]| {
            let base = owned(&["PATH=/bin", "A=1"]);
            assert_eq!(merge(base, &owned(overrides)), owned(expected), "{overrides:?}");
        };
        check(&[], &["PATH=/bin", "A=1"]);
        check(&["PATH=/sbin", "B=2"], &["PATH=/sbin", "A=1", "B=2"]);
        check(&["A"], &["PATH=/bin"]);
        check(&["A", "A=3"], &["PATH=/bin", "A=3"]);
        check(&["C", "A="], &["PATH=/bin", "A="]);
        check(&["B=1", "B=2=3"], &["PATH=/bin", "A=1", "B=2=3"]);
    }
}
