//! What is done over a container's life: restarts, health, logs.

use std::collections::BTreeMap;
use std::time::Duration;

use engine::spec::{Healthcheck, LogDriver, Probe, RestartPolicy};
use regex_lite::Regex;

use crate::error::ApiError;
use crate::wire::config::{self, Config};
use crate::wire::host_config::{self, LogConfig};

/// Upstream's defaults of a healthcheck.
const INTERVAL: Duration = Duration::from_secs(30);
const START_INTERVAL: Duration = Duration::from_secs(5);
const RETRIES: u32 = 3;

/// The restart policy; it has been checked.
pub(crate) fn restart(policy: &host_config::RestartPolicy) -> RestartPolicy {
    match policy.name.as_str() {
        "always" => RestartPolicy::Always,
        "unless-stopped" => RestartPolicy::UnlessStopped,
        "on-failure" => RestartPolicy::OnFailure {
            maximum: u32::try_from(policy.maximum_retry_count).unwrap_or(0),
        },
        _ => RestartPolicy::No,
    }
}

/// The healthcheck with its defaults; none when it is disabled or says nothing to run.
pub(crate) fn healthcheck(config: &Config) -> Result<Option<Healthcheck>, ApiError> {
    let Some(check) = &config.healthcheck else {
        return Ok(None);
    };
    let Some(probe) = probe(check, config.shell.as_deref())? else {
        return Ok(None);
    };
    let or = |nanoseconds: i64, default: Duration| match u64::try_from(nanoseconds) {
        Ok(0) | Err(_) => default,
        Ok(nanoseconds) => Duration::from_nanos(nanoseconds),
    };
    Ok(Some(Healthcheck {
        probe,
        interval: or(check.interval, INTERVAL),
        timeout: or(check.timeout, INTERVAL),
        start_period: or(check.start_period, Duration::ZERO),
        start_interval: or(check.start_interval, START_INTERVAL),
        retries: u32::try_from(check.retries)
            .ok()
            .filter(|retries| *retries > 0)
            .unwrap_or(RETRIES),
    }))
}

fn probe(check: &config::Healthcheck, shell: Option<&[String]>) -> Result<Option<Probe>, ApiError> {
    let Some((kind, words)) = check.test.split_first() else {
        return Ok(None);
    };
    match kind.as_str() {
        "NONE" => Ok(None),
        "CMD" => Ok((!words.is_empty()).then(|| Probe::Exec(words.to_vec()))),
        "CMD-SHELL" => {
            let shell = shell.filter(|words| !words.is_empty()).map(<[String]>::to_vec);
            let line = words.first().cloned().unwrap_or_default();
            Ok(Some(Probe::Shell(
                shell.unwrap_or_else(|| vec!["/bin/sh".into(), "-c".into()]),
                line,
            )))
        }
        unknown => Err(ApiError::bad(format!(
            "Unknown healthcheck type '{unknown}' (expected 'CMD')"
        ))),
    }
}

/// Where output is logged. `json-file` when nothing is said.
pub(crate) fn log(log: &LogConfig, config: &Config) -> Result<LogDriver, ApiError> {
    match log.kind.as_str() {
        "none" => Ok(LogDriver::None),
        "" | "json-file" => json_file(&log.config, config),
        known @ ("local" | "syslog" | "journald" | "gelf" | "fluentd" | "awslogs" | "splunk" | "gcplogs") => {
            Err(ApiError::unsupported(format!(
                "HostConfig.LogConfig.Type {known:?} is not supported yet"
            )))
        }
        unknown => Err(ApiError::bad(format!(
            "logger: no log driver named '{unknown}' is registered"
        ))),
    }
}

fn json_file(options: &BTreeMap<String, String>, config: &Config) -> Result<LogDriver, ApiError> {
    for (name, value) in options {
        check_option(name, value)?;
    }
    // Names are checked at create, values when a start makes the logger.
    let made = made_json_file(options, config);
    Ok(made.unwrap_or_else(|error| LogDriver::Unusable {
        reason: error.message,
    }))
}

fn made_json_file(options: &BTreeMap<String, String>, config: &Config) -> Result<LogDriver, ApiError> {
    let option = |name: &str| options.get(name).map(String::as_str);
    Ok(LogDriver::JsonFile {
        max_size: option("max-size").map_or(Ok(0), max_size)?,
        max_files: option("max-file").map_or(Ok(1), max_files)?,
        attributes: attributes(options, config)?,
    })
}

fn check_option(name: &str, value: &str) -> Result<(), ApiError> {
    let unsupported = || {
        Err(ApiError::unsupported(format!(
            "HostConfig.LogConfig.Config[{name:?}] is not supported yet"
        )))
    };
    match (name, value) {
        ("max-size" | "max-file" | "labels" | "labels-regex" | "env" | "env-regex", _) => Ok(()),
        ("mode", "" | "blocking")
        | ("compress", "false" | "0" | "f" | "F" | "False" | "FALSE")
        | ("tag", "") => Ok(()),
        ("mode", "non-blocking") | ("compress" | "tag" | "max-buffer-size" | "cache-disabled", _) => {
            unsupported()
        }
        ("mode", other) => Err(ApiError::bad(format!(
            "logger: logging mode not supported: {other}"
        ))),
        _ => Err(ApiError::bad(format!(
            "unknown log opt '{name}' for json-file log driver"
        ))),
    }
}

/// `10m`: units of a thousand, as upstream reads them here.
fn max_size(text: &str) -> Result<u64, ApiError> {
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic()).trim();
    let factor: u64 = match text[number.len()..]
        .trim()
        .to_ascii_lowercase()
        .trim_end_matches('b')
    {
        "" => 1,
        "k" => 1_000,
        "m" => 1_000_000,
        "g" => 1_000_000_000,
        _ => return Err(ApiError::bad(format!("invalid size: '{text}'"))),
    };
    let size = number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(factor));
    match size {
        Some(0) => Err(ApiError::bad("max-size must be a positive number")),
        Some(size) => Ok(size),
        None => Err(ApiError::bad(format!("invalid size: '{text}'"))),
    }
}

fn max_files(text: &str) -> Result<u16, ApiError> {
    match text.parse() {
        Ok(0) => Err(ApiError::bad("max-file cannot be less than 1")),
        Ok(files) => Ok(files),
        Err(_) => Err(ApiError::bad(format!(
            "strconv.Atoi: parsing {text:?}: invalid syntax"
        ))),
    }
}

/// Labels and variables that go with every line.
fn attributes(
    options: &BTreeMap<String, String>,
    config: &Config,
) -> Result<BTreeMap<String, String>, ApiError> {
    let labels = config.labels.clone().unwrap_or_default();
    let pairs = config
        .env
        .iter()
        .flatten()
        .filter_map(|entry| entry.split_once('='));
    let env: BTreeMap<_, _> = pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let mut chosen = BTreeMap::new();
    for (list, regex, from) in [("labels", "labels-regex", &labels), ("env", "env-regex", &env)] {
        let named: Vec<_> = options
            .get(list)
            .iter()
            .flat_map(|names| names.split(','))
            .collect();
        let pattern = options
            .get(regex)
            .filter(|text| !text.is_empty())
            .map(|text| compile(text))
            .transpose()?;
        let wanted = |name: &String| {
            named.contains(&name.as_str()) || pattern.as_ref().is_some_and(|pattern| pattern.is_match(name))
        };
        chosen.extend(
            from.iter()
                .filter(|(name, _)| wanted(name))
                .map(|(k, v)| (k.clone(), v.clone())),
        );
    }
    Ok(chosen)
}

fn compile(pattern: &str) -> Result<Regex, ApiError> {
    Regex::new(pattern).map_err(|cause| ApiError::bad(format!("error parsing regexp: {cause}: `{pattern}`")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn config(value: serde_json::Value) -> Config {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn health_has_defaults_and_can_be_none() {
        assert_eq!(healthcheck(&config(json!({}))).unwrap(), None);
        assert_eq!(
            healthcheck(&config(json!({"Healthcheck": {"Test": ["NONE"]}}))).unwrap(),
            None
        );
        assert_eq!(healthcheck(&config(json!({"Healthcheck": {}}))).unwrap(), None);
        let check = healthcheck(&config(
            json!({"Healthcheck": {"Test": ["CMD-SHELL", "x y"], "Interval": 2_000_000}}),
        ));
        let check = check.unwrap().unwrap();
        assert_eq!(
            check.probe,
            Probe::Shell(vec!["/bin/sh".into(), "-c".into()], "x y".into())
        );
        assert_eq!(
            (check.interval, check.timeout, check.retries),
            (Duration::from_millis(2), INTERVAL, 3)
        );
        let wrong = healthcheck(&config(json!({"Healthcheck": {"Test": ["x"]}}))).unwrap_err();
        assert_eq!(wrong.message, "Unknown healthcheck type 'x' (expected 'CMD')");
    }

    fn read(log_config: serde_json::Value) -> Result<LogDriver, String> {
        let own = config(json!({"Labels": {"a": "1", "b": "2"}, "Env": ["E=3", "F"]}));
        log(&serde_json::from_value(log_config).unwrap(), &own).map_err(|error| error.message)
    }

    #[test]
    fn logs_are_rotated_and_labelled() {
        let driver = read(
            json!({"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3", "labels": "a,x", "env-regex": "^E"}}),
        );
        let attributes = BTreeMap::from([("E".into(), "3".into()), ("a".into(), "1".into())]);
        assert_eq!(
            driver,
            Ok(LogDriver::JsonFile {
                max_size: 10_000_000,
                max_files: 3,
                attributes
            })
        );
        assert_eq!(read(json!({"Type": "none"})), Ok(LogDriver::None));
    }

    #[test]
    fn values_are_read_when_a_start_makes_the_logger() {
        for (option, value, reason) in [
            ("max-size", "0", "max-size must be a positive number"),
            ("max-size", "x", "invalid size: 'x'"),
            ("max-file", "0", "max-file cannot be less than 1"),
            ("max-file", "x", "strconv.Atoi: parsing \"x\": invalid syntax"),
        ] {
            let reason = reason.to_owned();
            assert_eq!(
                read(json!({"Config": {option: value}})),
                Ok(LogDriver::Unusable { reason })
            );
        }
    }

    #[test]
    fn what_logging_cannot_do_is_refused() {
        for (log_config, sentence) in [
            (
                json!({"Type": "zz"}),
                "logger: no log driver named 'zz' is registered",
            ),
            (
                json!({"Type": "syslog"}),
                "HostConfig.LogConfig.Type \"syslog\" is not supported yet",
            ),
            (
                json!({"Config": {"zz": "1"}}),
                "unknown log opt 'zz' for json-file log driver",
            ),
            (
                json!({"Config": {"compress": "true"}}),
                "HostConfig.LogConfig.Config[\"compress\"] is not supported yet",
            ),
            (
                json!({"Config": {"mode": "zz"}}),
                "logger: logging mode not supported: zz",
            ),
        ] {
            assert_eq!(read(log_config), Err(sentence.to_owned()));
        }
    }
}
