//! Health checks: what a container's `HEALTHCHECK` says about it, as a pure state machine.
//!
//! The caller runs the probes; it asks [`Health::next_probe`] when, and tells each outcome to
//! [`Health::record`]. Probes never overlap: the next interval begins when a probe has ended.

use std::time::Duration;

use crate::spec::{Healthcheck, Probe};
use crate::state::{Health, HealthStatus, ProbeResult};

/// Bytes of a probe's output that are kept; `...` marks what was cut.
pub const OUTPUT_LENGTH: usize = 4096;
/// The shortest duration a check may name.
pub const SHORTEST: Duration = Duration::from_millis(1);

const DEFAULT_INTERVAL: Duration = Duration::from_secs(30);
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
const DEFAULT_START_INTERVAL: Duration = Duration::from_secs(5);
const DEFAULT_RETRIES: u32 = 3;

impl Probe {
    /// Reads `Healthcheck.Test`; `shell` is the image's, empty for the default. None for `NONE`
    /// and for an empty list, which leaves the container without a check.
    ///
    /// # Errors
    /// A first word that is none of `CMD`, `CMD-SHELL`, `NONE`, or one without its command.
    pub fn parse(test: &[String], shell: &[String]) -> Result<Option<Self>, InvalidHealthcheck> {
        let Some((kind, rest)) = test.split_first() else {
            return Ok(None);
        };
        match (kind.as_str(), rest) {
            ("NONE", _) => Ok(None),
            ("CMD", [_, ..]) => Ok(Some(Self::Exec(rest.to_vec()))),
            ("CMD-SHELL", [line]) => Ok(Some(Self::Shell(shell_words(shell), line.clone()))),
            ("CMD" | "CMD-SHELL", _) => Err(InvalidHealthcheck::Command(kind.clone())),
            _ => Err(InvalidHealthcheck::Kind(kind.clone())),
        }
    }

    /// The arguments to run.
    #[must_use]
    pub fn arguments(&self) -> Vec<String> {
        match self {
            Self::Exec(arguments) => arguments.clone(),
            Self::Shell(shell, line) => shell.iter().chain([line]).cloned().collect(),
        }
    }
}

fn shell_words(shell: &[String]) -> Vec<String> {
    if shell.is_empty() {
        return ["/bin/sh", "-c"].map(str::to_owned).to_vec();
    }
    shell.to_vec()
}

/// A check that cannot be: a 400 with Docker's text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHealthcheck {
    /// A kind nobody knows.
    #[error("Unknown healthcheck type '{0}' (expected 'CMD', 'CMD-SHELL' or 'NONE')")]
    Kind(String),
    /// No command, or too much of it.
    #[error("Missing command after '{0}' in Healthcheck, or more than one with 'CMD-SHELL'")]
    Command(String),
    /// A duration that is neither zero nor a millisecond.
    #[error("{0} in Healthcheck cannot be less than 1ms")]
    Short(&'static str),
    /// Retries below zero.
    #[error("Retries in Healthcheck cannot be negative")]
    Retries,
}

impl Healthcheck {
    /// Reads a check as the image or the request has it; a zero is the default, and so is an
    /// empty `shell`. None if there is no check.
    ///
    /// # Errors
    /// See [`InvalidHealthcheck`].
    pub fn parse(config: &image::Healthcheck, shell: &[String]) -> Result<Option<Self>, InvalidHealthcheck> {
        let interval = duration("Interval", config.interval, DEFAULT_INTERVAL)?;
        let timeout = duration("Timeout", config.timeout, DEFAULT_TIMEOUT)?;
        let start_period = duration("StartPeriod", config.start_period, Duration::ZERO)?;
        let start_interval = duration("StartInterval", config.start_interval, DEFAULT_START_INTERVAL)?;
        let retries = u32::try_from(config.retries).map_err(|_| InvalidHealthcheck::Retries)?;
        Ok(Probe::parse(&config.test, shell)?.map(|probe| Self {
            probe,
            interval,
            timeout,
            start_period,
            start_interval,
            retries: if retries == 0 { DEFAULT_RETRIES } else { retries },
        }))
    }

    /// The text of a probe that ran too long, with what it had written.
    #[must_use]
    pub fn timeout_output(&self, output: &str) -> String {
        let limit = go_duration(self.timeout);
        if output.is_empty() {
            format!("Health check exceeded timeout ({limit})")
        } else {
            format!("Health check exceeded timeout ({limit}): {output}")
        }
    }
}

fn duration(name: &'static str, nanoseconds: i64, default: Duration) -> Result<Duration, InvalidHealthcheck> {
    let value = u64::try_from(nanoseconds).map_err(|_| InvalidHealthcheck::Short(name))?;
    match Duration::from_nanos(value) {
        Duration::ZERO => Ok(default),
        short if short < SHORTEST => Err(InvalidHealthcheck::Short(name)),
        long => Ok(long),
    }
}

/// A duration of a second or more as Go prints it, `1m30s`; shorter ones in milliseconds.
fn go_duration(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    let (hours, minutes) = (duration.as_secs() / 3600, duration.as_secs() / 60 % 60);
    match (hours, minutes) {
        _ if seconds < 1.0 => format!("{}ms", duration.as_secs_f64() * 1000.0),
        (0, 0) => format!("{seconds}s"),
        (0, _) => format!("{minutes}m{}s", seconds % 60.0),
        _ => format!("{hours}h{minutes}m{}s", seconds % 60.0),
    }
}

/// A probe's output as it is kept: at most [`OUTPUT_LENGTH`] bytes of text.
#[must_use]
pub fn output(bytes: &[u8]) -> String {
    let kept = &bytes[..bytes.len().min(OUTPUT_LENGTH)];
    let text = String::from_utf8_lossy(kept).into_owned();
    if bytes.len() > OUTPUT_LENGTH {
        text + "..."
    } else {
        text
    }
}

impl Health {
    /// The container was started (again): nothing is known, what was logged stays readable.
    #[must_use]
    pub fn restarted(mut self) -> Self {
        (self.status, self.failing_streak) = (HealthStatus::Starting, 0);
        self
    }

    /// How long to wait until the next probe begins; `running_for` is the container's age.
    #[must_use]
    pub fn next_probe(&self, check: &Healthcheck, running_for: Duration) -> Duration {
        let starting = self.status == HealthStatus::Starting && running_for < check.start_period;
        if starting {
            check.start_interval
        } else {
            check.interval
        }
    }

    /// Takes an outcome in; `age` is the container's age when the probe began. Answers the new
    /// status if it is another one than before, which is an event.
    pub fn record(
        &mut self,
        check: &Healthcheck,
        result: ProbeResult,
        age: Duration,
    ) -> Option<HealthStatus> {
        let before = self.status;
        if result.exit_code == 0 {
            (self.status, self.failing_streak) = (HealthStatus::Healthy, 0);
        } else if before != HealthStatus::Starting || age >= check.start_period {
            self.failing_streak = self.failing_streak.saturating_add(1);
            if self.failing_streak >= check.retries {
                self.status = HealthStatus::Unhealthy;
            }
        }
        self.log.push(result);
        let old = self.log.len().saturating_sub(Self::KEPT);
        self.log.drain(..old);
        (self.status != before).then_some(self.status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use proptest::prelude::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    fn check(start_period: u64, retries: u32) -> Healthcheck {
        Healthcheck {
            probe: Probe::Exec(words(&["true"])),
            interval: Duration::from_secs(30),
            timeout: Duration::from_secs(30),
            start_period: Duration::from_secs(start_period),
            start_interval: Duration::from_secs(5),
            retries,
        }
    }

    fn result(exit_code: i32) -> ProbeResult {
        let at = Timestamp::UNIX_EPOCH;
        ProbeResult {
            start: at,
            end: at,
            exit_code,
            output: String::new(),
        }
    }

    fn config(test: &[&str]) -> image::Healthcheck {
        image::Healthcheck {
            test: words(test),
            ..image::Healthcheck::default()
        }
    }

    #[test]
    fn tests_are_read_and_run_by_the_right_shell() {
        let arguments = |test: &[&str], shell: &[&str]| {
            let probe = Probe::parse(&words(test), &words(shell)).unwrap();
            probe.map(|probe| probe.arguments())
        };
        assert_eq!(arguments(&["CMD", "a", "b"], &["sh"]), Some(words(&["a", "b"])));
        assert_eq!(
            arguments(&["CMD-SHELL", "a b"], &[]),
            Some(words(&["/bin/sh", "-c", "a b"]))
        );
        assert_eq!(
            arguments(&["CMD-SHELL", "a"], &["bash", "-ec"]),
            Some(words(&["bash", "-ec", "a"]))
        );
        assert_eq!(arguments(&["NONE"], &[]), None);
        assert_eq!(arguments(&[], &[]), None);
        for bad in [
            &["CMD"][..],
            &["CMD-SHELL"],
            &["CMD-SHELL", "a", "b"],
            &["curl", "x"],
        ] {
            assert!(Probe::parse(&words(bad), &[]).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn zeros_are_defaults_and_shorter_than_a_millisecond_is_refused() {
        let parsed = Healthcheck::parse(&config(&["CMD", "true"]), &[])
            .unwrap()
            .unwrap();
        assert_eq!(parsed, check(0, 3));
        type Set = fn(&mut image::Healthcheck);
        let cases: [(Set, &str); 5] = [
            (
                |c| c.interval = 999_999,
                "Interval in Healthcheck cannot be less than 1ms",
            ),
            (
                |c| c.timeout = -1,
                "Timeout in Healthcheck cannot be less than 1ms",
            ),
            (
                |c| c.start_period = 1,
                "StartPeriod in Healthcheck cannot be less than 1ms",
            ),
            (
                |c| c.start_interval = 1,
                "StartInterval in Healthcheck cannot be less than 1ms",
            ),
            (|c| c.retries = -1, "Retries in Healthcheck cannot be negative"),
        ];
        for (set, text) in cases {
            let mut bad = config(&["CMD", "true"]);
            set(&mut bad);
            assert_eq!(Healthcheck::parse(&bad, &[]).unwrap_err().to_string(), text);
        }
    }

    #[test]
    fn a_container_becomes_unhealthy_by_its_retries_and_healthy_by_one_success() {
        let (check, mut health) = (check(0, 2), Health::default());
        let mut record = |code| health.record(&check, result(code), Duration::from_secs(9));
        assert_eq!(record(1), None);
        assert_eq!(record(-1), Some(HealthStatus::Unhealthy));
        assert_eq!(record(1), None);
        assert_eq!(record(0), Some(HealthStatus::Healthy));
        assert_eq!(record(0), None);
        assert_eq!(record(2), None);
        assert_eq!(record(0), None, "one failure of two leaves it healthy");
    }

    #[test]
    fn failures_in_the_start_period_do_not_count_but_a_success_ends_it() {
        let (check, mut health) = (check(60, 1), Health::default());
        let early = Duration::from_secs(59);
        assert_eq!(health.record(&check, result(1), early), None);
        assert_eq!((health.failing_streak, health.log.len()), (0, 1));
        assert_eq!(health.next_probe(&check, early), check.start_interval);
        assert_eq!(
            health.record(&check, result(0), early),
            Some(HealthStatus::Healthy)
        );
        assert_eq!(health.next_probe(&check, early), check.interval);
        assert_eq!(
            health.record(&check, result(1), early),
            Some(HealthStatus::Unhealthy)
        );
        let mut late = Health::default();
        let age = Duration::from_secs(60);
        assert_eq!(late.record(&check, result(1), age), Some(HealthStatus::Unhealthy));
    }

    #[test]
    fn output_is_bounded_and_says_so() {
        assert_eq!(output(b"ok\n"), "ok\n");
        assert_eq!(output(&[b'x'; OUTPUT_LENGTH]).len(), OUTPUT_LENGTH);
        let cut = output(&[b'x'; OUTPUT_LENGTH + 1]);
        assert!(cut.ends_with("x...") && cut.len() == OUTPUT_LENGTH + 3);
    }

    #[test]
    fn a_timeout_names_its_limit() {
        for (timeout, text) in [
            (500, "500ms"),
            (1_500, "1.5s"),
            (90_000, "1m30s"),
            (3_600_000, "1h0m0s"),
        ] {
            let check = Healthcheck {
                timeout: Duration::from_millis(timeout),
                ..check(0, 1)
            };
            assert_eq!(
                check.timeout_output(""),
                format!("Health check exceeded timeout ({text})")
            );
        }
        assert!(check(0, 1).timeout_output("so far").ends_with("(30s): so far"));
    }

    #[test]
    fn a_row_survives_and_a_restart_keeps_the_log() {
        let mut health = Health::default();
        health.record(&check(0, 1), result(3), Duration::ZERO);
        let row = serde_json::to_string(&health).unwrap();
        assert_eq!(serde_json::from_str::<Health>(&row).unwrap(), health);
        let restarted = health.restarted();
        assert_eq!(restarted.status, HealthStatus::Starting);
        assert_eq!((restarted.failing_streak, restarted.log.len()), (0, 1));
    }

    proptest! {
        /// The model: with no start period, unhealthy is a suffix of at least `retries` failures
        /// since the last success, healthy is a success or fewer failures after one.
        #[test]
        fn the_verdict_depends_on_the_last_success_and_the_failures_since(
            retries in 1_u32..5,
            codes in proptest::collection::vec(0_i32..2, 0..30),
        ) {
            let (check, mut health) = (check(0, retries), Health::default());
            for (count, code) in codes.iter().enumerate() {
                let before = health.status;
                let told = health.record(&check, result(*code), Duration::from_secs(1));
                let seen = &codes[..=count];
                let failures = seen.iter().rev().take_while(|code| **code != 0).count();
                let expected = if failures >= retries as usize {
                    HealthStatus::Unhealthy
                } else if failures < seen.len() {
                    HealthStatus::Healthy
                } else {
                    HealthStatus::Starting
                };
                prop_assert_eq!(health.status, expected);
                prop_assert_eq!(told.is_some(), before != expected);
                prop_assert_eq!(health.failing_streak as usize, failures);
                prop_assert_eq!(health.log.len(), seen.len().min(Health::KEPT));
            }
        }
    }
}
