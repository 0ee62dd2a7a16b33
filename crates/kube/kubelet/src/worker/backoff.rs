//! Ever longer pauses for what fails again and again.

use std::time::Duration;

use driver::Instant;

/// The first pause after the first one that is none, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(300));

/// What fails so long after the last failure begins anew.
const FORGOTTEN: Duration = Duration::from_secs(600);

/// Upstream's pod back-off: 10 s, 20, 40 … 300.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Backoff {
    raised: Option<(Instant, Duration)>,
}

impl Backoff {
    /// Until when to wait after something ended at `since`; none for not at all.
    pub(crate) fn until(&self, since: Instant) -> Option<Instant> {
        let (raised, pause) = self.raised?;
        let known = since.saturating_since(raised) <= FORGOTTEN;
        known.then(|| since.saturating_add(pause))
    }

    /// The next pause will be longer. `since` is when what ended did so.
    pub(crate) fn raise(&mut self, since: Instant, now: Instant) {
        let (first, longest) = PAUSES;
        let before = self
            .raised
            .filter(|(raised, _)| since.saturating_since(*raised) <= FORGOTTEN);
        let pause = before.map_or(first, |(_, pause)| pause.saturating_mul(2).min(longest));
        self.raised = Some((now, pause));
    }

    /// The pause that holds now.
    pub(crate) fn pause(&self) -> Duration {
        self.raised.map_or(Duration::ZERO, |(_, pause)| pause)
    }
}

/// Go's way of writing whole seconds: `10s`, `1m20s`, `5m0s`.
pub(crate) fn go_seconds(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s}s"),
        (0, m, s) => format!("{m}m{s}s"),
        (h, m, s) => format!("{h}h{m}m{s}s"),
    }
}

/// The same with milliseconds: `512ms`, `1.5s`, `1m0.25s`.
pub(crate) fn go_millis(duration: Duration) -> String {
    let (seconds, millis) = (duration.as_secs(), duration.subsec_millis());
    if millis == 0 {
        return go_seconds(duration);
    }
    if seconds == 0 {
        return format!("{millis}ms");
    }
    let whole = go_seconds(duration);
    let fraction = format!("{millis:03}");
    format!(
        "{}.{}s",
        whole.trim_end_matches('s'),
        fraction.trim_end_matches('0')
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_to_a_bound_and_are_forgotten() {
        let mut backoff = Backoff::default();
        let mut now = Instant::from_origin(Duration::from_secs(1000));
        let mut pauses = Vec::new();
        for _ in 0..8 {
            let until = backoff.until(now).unwrap_or(now);
            pauses.push(until.saturating_since(now).as_secs());
            now = until;
            backoff.raise(now, now);
        }
        assert_eq!(pauses, [0, 10, 20, 40, 80, 160, 300, 300]);
        let later = now.saturating_add(FORGOTTEN + Duration::from_secs(1));
        assert_eq!(backoff.until(later), None);
        backoff.raise(later, later);
        assert_eq!(backoff.pause(), PAUSES.0);
    }

    #[test]
    fn durations_are_written_as_go_writes_them() {
        let cases = [
            (0, "0s"),
            (10, "10s"),
            (80, "1m20s"),
            (300, "5m0s"),
            (3600, "1h0m0s"),
        ];
        for (seconds, text) in cases {
            assert_eq!(go_seconds(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn milliseconds_are_written_as_go_writes_them() {
        let cases = [
            (0, "0s"),
            (512, "512ms"),
            (1500, "1.5s"),
            (60_250, "1m0.25s"),
            (3_600_001, "1h0m0.001s"),
        ];
        for (millis, expected) in cases {
            assert_eq!(go_millis(Duration::from_millis(millis)), expected);
        }
    }
}
