//! Restart policies: what becomes of a container whose process has ended.
//!
//! A pure state machine over exits. Docker's rules are kept exactly, also the surprising ones: a
//! run of ten seconds forgives the past back-off, whatever the policy; `always` restarts a
//! container at boot that a user had stopped; `on-failure` counts every restart since the
//! container was last started by hand.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::spec::RestartPolicy;

/// The pause before a container's first restart.
pub const FIRST_DELAY: Duration = Duration::from_millis(100);
/// The longest pause between two runs.
pub const LONGEST_DELAY: Duration = Duration::from_secs(60);
/// A run that lasts this long starts the back-off anew.
pub const STEADY: Duration = Duration::from_secs(10);

/// A policy that cannot be: a 400 with Docker's text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPolicy {
    /// A name that is no policy.
    #[error(
        "invalid restart policy: unknown policy '{0}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'"
    )]
    Unknown(String),
    /// A count with a policy that has none.
    #[error("invalid restart policy: maximum retry count can only be used with 'on-failure'")]
    CountWithout,
    /// A count with a policy that has none, and below zero.
    #[error(
        "invalid restart policy: maximum retry count can only be used with 'on-failure' and cannot be negative"
    )]
    CountWithoutAndNegative,
    /// A negative count.
    #[error("invalid restart policy: maximum retry count cannot be negative")]
    Negative,
}

impl RestartPolicy {
    /// Reads the two fields of a request; an empty name is `no`.
    ///
    /// # Errors
    /// An unknown name, or a retry count where none may be.
    pub fn parse(name: &str, maximum_retries: i64) -> Result<Self, InvalidPolicy> {
        let plain = match name {
            // Clients before 25.0 sent an empty policy, with whatever count.
            "" => return Ok(Self::No),
            "no" => Self::No,
            "always" => Self::Always,
            "unless-stopped" => Self::UnlessStopped,
            "on-failure" => {
                let maximum = u32::try_from(maximum_retries.min(u32::MAX.into()));
                let maximum = maximum.map_err(|_| InvalidPolicy::Negative)?;
                return Ok(Self::OnFailure { maximum });
            }
            unknown => return Err(InvalidPolicy::Unknown(unknown.to_owned())),
        };
        match maximum_retries {
            0 => Ok(plain),
            ..0 => Err(InvalidPolicy::CountWithoutAndNegative),
            _ => Err(InvalidPolicy::CountWithout),
        }
    }

    /// The name in requests and answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::Always => "always",
            Self::UnlessStopped => "unless-stopped",
            Self::OnFailure { .. } => "on-failure",
        }
    }

    /// `MaximumRetryCount` in answers.
    #[must_use]
    pub const fn maximum_retries(self) -> u32 {
        match self {
            Self::OnFailure { maximum } => maximum,
            _ => 0,
        }
    }

    /// Whether a container that is not running is started when the daemon starts.
    #[must_use]
    pub const fn starts_at_boot(self, exit_code: i32, stopped_by_user: bool, restarts: u32) -> bool {
        match self {
            Self::No => false,
            Self::Always => true,
            Self::UnlessStopped => !stopped_by_user,
            Self::OnFailure { maximum } => exit_code != 0 && (maximum == 0 || restarts < maximum),
        }
    }
}

impl fmt::Display for RestartPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Its exit code.
    pub exit_code: i32,
    /// How long it ran, on a monotonic clock.
    pub ran: Duration,
    /// A stop or kill was asked for since it was started, or the daemon is going down.
    pub stopped_by_user: bool,
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It stays as it is.
    Stay,
    /// It is started again after this pause; meanwhile it is `restarting`.
    Restart {
        /// The pause.
        after: Duration,
    },
}

/// What a policy remembers of a container between its runs. A start by hand begins a new one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restarts {
    /// Restarts so far: `RestartCount` of inspect.
    pub count: u32,
    /// The last pause; zero if there was none, or it is forgiven.
    pub delay: Duration,
}

impl Restarts {
    /// Judges the end of a run.
    pub fn ended(&mut self, policy: RestartPolicy, ended: Ended) -> Decision {
        if ended.stopped_by_user {
            return Decision::Stay;
        }
        if ended.ran >= STEADY {
            self.delay = Duration::ZERO;
        }
        self.delay = next_delay(self.delay);
        if !policy.starts_at_boot(ended.exit_code, false, self.count) {
            return Decision::Stay;
        }
        self.count = self.count.saturating_add(1);
        Decision::Restart { after: self.delay }
    }
}

/// 100 ms, doubled each time, up to a minute.
fn next_delay(last: Duration) -> Duration {
    if last.is_zero() {
        FIRST_DELAY
    } else {
        last.saturating_mul(2).min(LONGEST_DELAY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FAST: Duration = Duration::from_millis(3);

    fn failed(exit_code: i32) -> Ended {
        Ended {
            exit_code,
            ran: FAST,
            stopped_by_user: false,
        }
    }

    #[test]
    fn names_and_counts_are_read_as_docker_reads_them() {
        let on_failure = |maximum| RestartPolicy::OnFailure { maximum };
        for (name, count, expected) in [
            ("", 0, Ok(RestartPolicy::No)),
            ("", 5, Ok(RestartPolicy::No)),
            ("no", 0, Ok(RestartPolicy::No)),
            ("always", 0, Ok(RestartPolicy::Always)),
            ("unless-stopped", 0, Ok(RestartPolicy::UnlessStopped)),
            ("on-failure", 0, Ok(on_failure(0))),
            ("on-failure", 5, Ok(on_failure(5))),
            ("on-failure", -1, Err(InvalidPolicy::Negative)),
            ("always", 3, Err(InvalidPolicy::CountWithout)),
            ("no", 1, Err(InvalidPolicy::CountWithout)),
            ("always", -3, Err(InvalidPolicy::CountWithoutAndNegative)),
            ("sometimes", 0, Err(InvalidPolicy::Unknown("sometimes".into()))),
        ] {
            assert_eq!(RestartPolicy::parse(name, count), expected, "{name} {count}");
        }
    }

    #[test]
    fn the_pause_doubles_up_to_a_minute_and_a_steady_run_forgives() {
        let mut restarts = Restarts::default();
        let mut pause = |ran| match restarts.ended(RestartPolicy::Always, Ended { ran, ..failed(0) }) {
            Decision::Restart { after } => after.as_millis(),
            Decision::Stay => panic!("always restarts"),
        };
        let pauses: Vec<u128> = (0..11).map(|_| pause(FAST)).collect();
        assert_eq!(
            pauses,
            [
                100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 51_200, 60_000
            ]
        );
        assert_eq!(pause(Duration::from_millis(9_999)), 60_000);
        assert_eq!(pause(STEADY), 100);
    }

    #[test]
    fn which_policy_restarts_what() {
        for (policy, clean, failure) in [
            (RestartPolicy::No, false, false),
            (RestartPolicy::Always, true, true),
            (RestartPolicy::UnlessStopped, true, true),
            (RestartPolicy::OnFailure { maximum: 0 }, false, true),
        ] {
            for (code, expected) in [(0, clean), (1, failure), (137, failure)] {
                let decision = Restarts::default().ended(policy, failed(code));
                assert_eq!(decision != Decision::Stay, expected, "{policy} after {code}");
            }
            let stopped = Ended {
                stopped_by_user: true,
                ..failed(137)
            };
            assert_eq!(
                Restarts::default().ended(policy, stopped),
                Decision::Stay,
                "{policy} stopped"
            );
        }
    }

    #[test]
    fn at_boot_only_unless_stopped_remembers_the_stop() {
        for (policy, stopped, expected) in [
            (RestartPolicy::No, false, false),
            (RestartPolicy::Always, true, true),
            (RestartPolicy::UnlessStopped, true, false),
            (RestartPolicy::UnlessStopped, false, true),
        ] {
            assert_eq!(
                policy.starts_at_boot(0, stopped, 0),
                expected,
                "{policy} {stopped}"
            );
        }
        let thrice = RestartPolicy::OnFailure { maximum: 3 };
        assert!(thrice.starts_at_boot(1, false, 2));
        assert!(!thrice.starts_at_boot(1, false, 3), "its retries are used up");
        assert!(!thrice.starts_at_boot(0, false, 0));
    }

    proptest! {
        #[test]
        fn retries_are_never_exceeded_and_pauses_stay_in_bounds(
            maximum in 0_u32..6,
            exits in proptest::collection::vec((0_i32..3, 0_u64..20_000), 0..40),
        ) {
            let policy = RestartPolicy::OnFailure { maximum };
            let (mut restarts, mut done) = (Restarts::default(), 0_u32);
            for (exit_code, ran) in exits {
                let ran = Duration::from_millis(ran);
                match restarts.ended(policy, Ended { exit_code, ran, stopped_by_user: false }) {
                    Decision::Restart { after } => {
                        done += 1;
                        prop_assert!(exit_code != 0);
                        prop_assert!(after >= FIRST_DELAY && after <= LONGEST_DELAY);
                        prop_assert!(ran < STEADY || after == FIRST_DELAY);
                    }
                    Decision::Stay => prop_assert!(exit_code == 0 || done == maximum),
                }
                prop_assert_eq!(restarts.count, done);
                prop_assert!(maximum == 0 || done <= maximum);
            }
        }
    }
}
