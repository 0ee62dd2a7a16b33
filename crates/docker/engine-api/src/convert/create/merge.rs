//! What the image says and the request does not: upstream's `merge` of two `Config`s.

use std::collections::BTreeMap;

use image::RunConfig;

use crate::images::inspect::container_config;
use crate::wire::config::{Config, Empty, Healthcheck};

/// Fills in from the image's configuration what the request left open.
pub(crate) fn merge(config: &mut Config, image: &RunConfig) {
    inherit(&mut config.user, &image.user);
    inherit(&mut config.working_dir, &image.working_dir);
    inherit(&mut config.stop_signal, &image.stop_signal);
    config
        .exposed_ports
        .extend(image.exposed_ports.keys().map(|port| (port.clone(), Empty {})));
    merge_env(config.env.get_or_insert_default(), &image.env);
    merge_labels(config.labels.get_or_insert_default(), &image.labels);
    merge_command(config, image);
    merge_healthcheck(&mut config.healthcheck, image.healthcheck.as_ref());
    let volumes = image.volumes.keys().map(|volume| (volume.clone(), Empty {}));
    let mut all = config.volumes.take().unwrap_or_default();
    all.extend(volumes);
    config.volumes = Some(all).filter(|all| !all.is_empty());
    config.stop_timeout = config.stop_timeout.or(image.stop_timeout);
    if config.shell.as_ref().is_none_or(Vec::is_empty) {
        config.shell.clone_from(&image.shell);
    }
}

fn inherit(text: &mut String, from: &str) {
    if text.is_empty() {
        text.push_str(from);
    }
}

/// The image's variables come behind the request's, without those that the request sets itself.
fn merge_env(env: &mut Vec<String>, image: &[String]) {
    let name = |entry: &str| entry.split('=').next().unwrap_or(entry).to_owned();
    let own: Vec<_> = env.iter().map(|entry| name(entry)).collect();
    env.extend(image.iter().filter(|entry| !own.contains(&name(entry))).cloned());
}

fn merge_labels(labels: &mut BTreeMap<String, String>, image: &BTreeMap<String, String>) {
    for (name, value) in image {
        labels.entry(name.clone()).or_insert_with(|| value.clone());
    }
}

/// An entrypoint of one's own also means a command of one's own; one that is empty clears the
/// image's, and `[""]` says so without being empty.
fn merge_command(config: &mut Config, image: &RunConfig) {
    if config.entrypoint.as_ref().is_none_or(Vec::is_empty) {
        if config.cmd.as_ref().is_none_or(Vec::is_empty) {
            config.cmd.clone_from(&image.cmd);
        }
        if config.entrypoint.is_none() {
            config.entrypoint.clone_from(&image.entrypoint);
        }
    }
}

fn merge_healthcheck(own: &mut Option<Healthcheck>, image: Option<&image::Healthcheck>) {
    let Some(image) = image else { return };
    let own = own.get_or_insert_default();
    if own.test.is_empty() {
        own.test.clone_from(&image.test);
    }
    for (own, image) in [
        (&mut own.interval, image.interval),
        (&mut own.timeout, image.timeout),
        (&mut own.start_period, image.start_period),
        (&mut own.start_interval, image.start_interval),
        (&mut own.retries, image.retries),
    ] {
        if *own == 0 {
            *own = image;
        }
    }
}

/// The configuration of an image made from a container: what was asked for, completed by the
/// container's own, in the same way as a container's is by its image.
pub(crate) fn merge_into_image(asked: RunConfig, container: &RunConfig) -> RunConfig {
    let mut merged = container_config(&asked);
    merge(&mut merged, container);
    RunConfig {
        user: merged.user,
        exposed_ports: merged
            .exposed_ports
            .into_keys()
            .map(|port| (port, image::Empty {}))
            .collect(),
        env: merged.env.unwrap_or_default(),
        entrypoint: merged.entrypoint,
        cmd: merged.cmd,
        volumes: merged
            .volumes
            .into_iter()
            .flatten()
            .map(|(path, _)| (path, image::Empty {}))
            .collect(),
        working_dir: merged.working_dir,
        labels: merged.labels.unwrap_or_default(),
        stop_signal: merged.stop_signal,
        stop_timeout: merged.stop_timeout,
        healthcheck: merged.healthcheck.map(|check| image::Healthcheck {
            test: check.test,
            interval: check.interval,
            timeout: check.timeout,
            start_period: check.start_period,
            start_interval: check.start_interval,
            retries: check.retries,
        }),
        shell: merged.shell,
        on_build: asked.on_build,
        ..RunConfig::default()
    }
}

/// The words that are run: entrypoint and command in one. `--entrypoint ""` is sent as one empty
/// word and means none.
pub(crate) fn arguments(config: &Config) -> Vec<String> {
    let entrypoint = config.entrypoint.iter().flatten();
    let entrypoint: Vec<_> = entrypoint
        .filter(|_| config.entrypoint.as_deref() != Some(&[String::new()]))
        .collect();
    entrypoint
        .into_iter()
        .chain(config.cmd.iter().flatten())
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Option<Vec<String>> {
        Some(text.split_whitespace().map(String::from).collect())
    }

    #[test]
    fn the_command_is_the_requests_or_the_images() {
        let none = || None::<Vec<String>>;
        for (entrypoint, cmd, image_entrypoint, image_cmd, run) in [
            (none(), none(), words("/entry"), words("a b"), "/entry a b"),
            (none(), words("c"), words("/entry"), words("a b"), "/entry c"),
            (words("/own"), none(), words("/entry"), words("a b"), "/own"),
            (words("/own"), words("c"), words("/entry"), words("a"), "/own c"),
            (Some(vec![]), none(), words("/entry"), words("a"), "a"),
            (
                Some(vec![String::new()]),
                words("c"),
                words("/entry"),
                words("a"),
                "c",
            ),
            (none(), none(), none(), words("a b"), "a b"),
        ] {
            let mut config = Config {
                entrypoint,
                cmd,
                ..Config::default()
            };
            merge(
                &mut config,
                &RunConfig {
                    entrypoint: image_entrypoint,
                    cmd: image_cmd,
                    ..RunConfig::default()
                },
            );
            assert_eq!(arguments(&config).join(" "), run);
        }
    }

    #[test]
    fn what_the_request_says_wins() {
        let mut config = Config {
            user: "me".into(),
            env: words("A=1"),
            labels: Some(BTreeMap::from([("l".into(), "own".into())])),
            healthcheck: Some(Healthcheck {
                interval: 5,
                ..Healthcheck::default()
            }),
            ..Config::default()
        };
        let image = RunConfig {
            user: "image".into(),
            working_dir: "/w".into(),
            env: words("A=0 B=2").unwrap(),
            labels: BTreeMap::from([("l".into(), "image".into()), ("m".into(), "x".into())]),
            healthcheck: Some(image::Healthcheck {
                test: vec!["CMD".into(), "true".into()],
                interval: 9,
                retries: 3,
                ..image::Healthcheck::default()
            }),
            stop_timeout: Some(7),
            ..RunConfig::default()
        };
        merge(&mut config, &image);
        assert_eq!((config.user.as_str(), config.working_dir.as_str()), ("me", "/w"));
        assert_eq!(config.env, words("A=1 B=2"));
        assert_eq!(
            config.labels.unwrap().into_values().collect::<Vec<_>>(),
            ["own", "x"]
        );
        let healthcheck = config.healthcheck.unwrap();
        assert_eq!(
            (healthcheck.interval, healthcheck.retries, healthcheck.test.len()),
            (5, 3, 2)
        );
        assert_eq!(config.stop_timeout, Some(7));
    }

    #[test]
    fn no_volumes_are_none() {
        let mut config = Config {
            volumes: Some(BTreeMap::new()),
            ..Config::default()
        };
        merge(&mut config, &RunConfig::default());
        assert_eq!(config.volumes, None);
    }
}
