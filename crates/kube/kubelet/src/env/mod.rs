//! The environment of a container, from its pod, the objects that it names, and the services of its namespace.

mod expand;
mod fields;
mod links;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

pub use expand::{Room, TooLong, expand};
pub use fields::{metadata, resource};
pub use links::links;

use crate::facts::NodeFacts;
use crate::pod::{Container, EnvFrom, EnvSource, EnvVar, KeyRef, Pod};
use crate::source::{SourceKey, Sources};

/// What an environment is made from.
#[derive(Clone, Copy, Debug)]
pub struct World<'a> {
    /// Whose container it is.
    pub pod: &'a Pod,
    /// On which node.
    pub node: &'a NodeFacts,
    /// The pod's address.
    pub address: Option<IpAddr>,
    /// What is there of the objects that it names.
    pub sources: &'a Sources,
    /// Variables of services ([`links()`]), already chosen.
    pub links: &'a [(String, String)],
}

/// An environment, and what people should know of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// Names and values; none twice.
    pub variables: Vec<(String, String)>,
    /// Messages of `InvalidEnvironmentVariableNames`.
    pub skipped: Vec<String>,
}

/// The ConfigMaps and Secrets that a container's environment names.
pub fn needs(container: &Container) -> BTreeSet<SourceKey> {
    let from = container
        .env_from
        .iter()
        .filter_map(|from| source_of(from).map(|(key, _)| key));
    let env = container
        .env
        .iter()
        .filter_map(|variable| key_of(variable).map(|(key, _)| key));
    from.chain(env).collect()
}

fn source_of(from: &EnvFrom) -> Option<(SourceKey, bool)> {
    let map = from
        .config_map_ref
        .as_ref()
        .map(|map| (SourceKey::config_map(&map.name), map.optional));
    map.or_else(|| {
        let secret = from.secret_ref.as_ref()?;
        Some((SourceKey::secret(&secret.name), secret.optional))
    })
}

fn key_of(variable: &EnvVar) -> Option<(SourceKey, &KeyRef)> {
    match variable.value_from.as_ref()? {
        EnvSource::ConfigMapKeyRef(key) => Some((SourceKey::config_map(&key.name), key)),
        EnvSource::SecretKeyRef(key) => Some((SourceKey::secret(&key.name), key)),
        _ => None,
    }
}

/// The environment of a container: services, then `envFrom` in order, then `env` in order; later ones win.
///
/// # Errors
/// What is named and not there, or more than a program can be given: the message of `CreateContainerConfigError`.
pub fn of(world: World<'_>, container: &Container) -> Result<Environment, String> {
    let mut skipped = Vec::new();
    let mut known = Known::default();
    for (name, value) in world.links {
        known.set(name, value.clone())?;
    }
    for from in &container.env_from {
        for (name, value) in all_of(world, from, &mut skipped)? {
            known.set(&name, value)?;
        }
    }
    for variable in &container.env {
        if let Some(value) = value_of(world, container, variable, &known.values)? {
            known.set(&variable.name, value)?;
        }
    }
    Ok(Environment {
        variables: known.in_order(),
        skipped,
    })
}

/// The variables so far.
#[derive(Default)]
struct Known {
    values: BTreeMap<String, String>,
    order: Vec<String>,
    room: Room,
}

impl Known {
    fn set(&mut self, name: &str, value: String) -> Result<(), String> {
        let taken = self.room.take(name.len() + value.len());
        taken.map_err(|error| error.to_string())?;
        if self.values.insert(name.to_owned(), value).is_none() {
            self.order.push(name.to_owned());
        }
        Ok(())
    }

    fn in_order(mut self) -> Vec<(String, String)> {
        let take = |name: String| self.values.remove(&name).map(|value| (name, value));
        self.order.into_iter().filter_map(take).collect()
    }
}

/// What `envFrom` brings.
fn all_of(
    world: World<'_>,
    from: &EnvFrom,
    skipped: &mut Vec<String>,
) -> Result<Vec<(String, String)>, String> {
    let Some((key, optional)) = source_of(from) else {
        return Ok(Vec::new());
    };
    let Some(data) = world.sources.get(&key) else {
        return if optional {
            Ok(Vec::new())
        } else {
            Err(key.missing())
        };
    };
    let named = data
        .iter()
        .map(|(name, value)| (format!("{}{name}", from.prefix), text(value)));
    let (good, bad): (Vec<_>, Vec<_>) = named.partition(|(name, _)| is_name(name));
    if !bad.is_empty() {
        let names: Vec<String> = bad.into_iter().map(|(name, _)| name).collect();
        skipped.push(format!(
            "Keys [{}] from the EnvFrom {} {}/{} were skipped since they are considered invalid environment variable names.",
            names.join(", "),
            key.kind.lower().replace("configmap", "configMap"),
            world.pod.namespace,
            key.name
        ));
    }
    Ok(good)
}

/// A variable's value; none of one that may be missing and is.
fn value_of(
    world: World<'_>,
    container: &Container,
    variable: &EnvVar,
    known: &BTreeMap<String, String>,
) -> Result<Option<String>, String> {
    match &variable.value_from {
        None => {
            let known = |name: &str| known.get(name).map(String::as_str);
            let expanded = expand(&variable.value, &mut Room::default(), known);
            expanded.map(Some).map_err(|error| error.to_string())
        }
        Some(EnvSource::FieldRef(field)) => {
            let found = fields::of(world.pod, world.node, world.address, &field.field_path);
            found
                .map(Some)
                .ok_or_else(|| format!("unsupported fieldPath: {}", field.field_path))
        }
        Some(EnvSource::ResourceFieldRef(wanted)) => {
            resource(world.pod, Some(container), world.node, wanted).map(Some)
        }
        Some(EnvSource::ConfigMapKeyRef(_) | EnvSource::SecretKeyRef(_)) => by_key(world, variable),
        Some(EnvSource::Other(_)) => Err(format!("the source of {} is not supported", variable.name)),
    }
}

fn by_key(world: World<'_>, variable: &EnvVar) -> Result<Option<String>, String> {
    let Some((source, wanted)) = key_of(variable) else {
        return Ok(None);
    };
    let Some(data) = world.sources.get(&source) else {
        return if wanted.optional {
            Ok(None)
        } else {
            Err(source.missing())
        };
    };
    match data.get(&wanted.key) {
        Some(value) => Ok(Some(text(value))),
        None if wanted.optional => Ok(None),
        None => Err(format!(
            "couldn't find key {} in {} {}/{}",
            wanted.key, source.kind, world.pod.namespace, source.name
        )),
    }
}

fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value).into_owned()
}

/// Whether a process may have a variable of this name: printable ASCII without `=` (KEP-4369).
fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| matches!(byte, b' '..=b'~') && byte != b'=')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Data;
    use std::sync::Arc;

    fn sources() -> Sources {
        let data = |pairs: &[(&str, &str)]| {
            let own = pairs
                .iter()
                .map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec()));
            Arc::new(Data::new(own))
        };
        [
            (SourceKey::config_map("m"), data(&[("A", "map"), ("only", "x")])),
            (SourceKey::secret("s"), data(&[("A", "secret")])),
        ]
        .into_iter()
        .collect()
    }

    fn check(container: &str, expected: Result<&[(&str, &str)], &str>) {
        let json = format!(
            r#"{{"metadata":{{"name":"p","namespace":"n"}},"spec":{{"containers":[{{"name":"c",{container}}}]}}}}"#
        );
        let pod = Pod::parse(json.as_bytes()).unwrap();
        let world = World {
            pod: &pod,
            node: &NodeFacts::default(),
            address: "10.0.0.9".parse().ok(),
            sources: &sources(),
            links: &[("A".to_owned(), "link".to_owned())],
        };
        let made = of(world, &pod.spec.all[0]).map(|made| made.variables);
        let expected = expected
            .map(|pairs| {
                pairs
                    .iter()
                    .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                    .collect::<Vec<_>>()
            })
            .map_err(str::to_owned);
        assert_eq!(made, expected, "{container}");
    }

    #[test]
    fn a_few_lines_do_not_ask_for_more_than_the_node_has() {
        let doubled = (1..40).map(|at| format!(r#",{{"name":"A{at}","value":"$(A{0})$(A{0})"}}"#, at - 1));
        let env = format!(
            r#"{{"name":"A0","value":"{}"}}{}"#,
            "x".repeat(1000),
            doubled.collect::<String>()
        );
        check(&format!(r#""env":[{env}]"#), Err("argument list too long"));
    }

    #[test]
    fn later_ones_win_and_see_earlier_ones() {
        check(r#""env":[]"#, Ok(&[("A", "link")]));
        check(
            r#""envFrom":[{"prefix":"P_","configMapRef":{"name":"m"}},{"secretRef":{"name":"s"}}],
               "env":[{"name":"B","value":"$(A)-$(P_A)-$(C)-$$(A)"},{"name":"C","value":"1"}]"#,
            Ok(&[
                ("A", "secret"),
                ("P_A", "map"),
                ("P_only", "x"),
                ("B", "secret-map-$(C)-$(A)"),
                ("C", "1"),
            ]),
        );
        check(
            r#""env":[{"name":"IP","valueFrom":{"fieldRef":{"fieldPath":"status.podIP"}}},
                {"name":"K","valueFrom":{"secretKeyRef":{"name":"s","key":"A"}}},
                {"name":"N","valueFrom":{"configMapKeyRef":{"name":"m","key":"none","optional":true}}}]"#,
            Ok(&[("A", "link"), ("IP", "10.0.0.9"), ("K", "secret")]),
        );
    }

    #[test]
    fn what_is_missing_is_named() {
        check(
            r#""envFrom":[{"configMapRef":{"name":"x"}}]"#,
            Err("configmap \"x\" not found"),
        );
        check(
            r#""envFrom":[{"secretRef":{"name":"x","optional":true}}]"#,
            Ok(&[("A", "link")]),
        );
        check(
            r#""env":[{"name":"K","valueFrom":{"secretKeyRef":{"name":"s","key":"B"}}}]"#,
            Err("couldn't find key B in Secret n/s"),
        );
        check(
            r#""env":[{"name":"K","valueFrom":{"secretKeyRef":{"name":"t","key":"B"}}}]"#,
            Err("secret \"t\" not found"),
        );
        check(
            r#""env":[{"name":"K","valueFrom":{"fieldRef":{"fieldPath":"spec.x"}}}]"#,
            Err("unsupported fieldPath: spec.x"),
        );
    }

    #[test]
    fn services_are_told_as_links() {
        use schema::object::{Meta, View};
        let body = br#"{"metadata":{"name":"my-db"},"spec":{"clusterIP":"10.43.0.7","clusterIPs":["10.43.0.7"],"ports":[{"name":"sql","port":5432,"protocol":"TCP","targetPort":5432},{"name":"stats-x","port":53,"protocol":"UDP","targetPort":1}]}}"#;
        let view = views::ServiceView::read(&Meta::default(), body).unwrap();
        let expected = [
            "MY_DB_SERVICE_HOST=10.43.0.7",
            "MY_DB_SERVICE_PORT=5432",
            "MY_DB_SERVICE_PORT_SQL=5432",
            "MY_DB_SERVICE_PORT_STATS_X=53",
            "MY_DB_PORT=tcp://10.43.0.7:5432",
            "MY_DB_PORT_5432_TCP=tcp://10.43.0.7:5432",
            "MY_DB_PORT_5432_TCP_PROTO=tcp",
            "MY_DB_PORT_5432_TCP_PORT=5432",
            "MY_DB_PORT_5432_TCP_ADDR=10.43.0.7",
            "MY_DB_PORT_53_UDP=udp://10.43.0.7:53",
            "MY_DB_PORT_53_UDP_PROTO=udp",
            "MY_DB_PORT_53_UDP_PORT=53",
            "MY_DB_PORT_53_UDP_ADDR=10.43.0.7",
        ];
        let made: Vec<String> = links("my-db", &view)
            .into_iter()
            .map(|(k, v)| format!("{k}={v}"))
            .collect();
        assert_eq!(made, expected);
    }
}
