//! A container's state in words: `Up 3 seconds (healthy)`, `Exited (0) 2 minutes ago`.

use engine::{HealthStatus, State, Status};
use jiff::Timestamp;

use crate::convert::time::{human, since};

/// The text of `docker ps` (upstream's `State.String`).
pub(crate) fn text(state: &State, now: Timestamp) -> String {
    let ago = |then: Option<Timestamp>| human(since(then.unwrap_or(now), now));
    match state.status {
        Status::Created => "Created".into(),
        Status::Running => match health(state) {
            Some(health) => format!("Up {} ({health})", ago(state.started_at)),
            None => format!("Up {}", ago(state.started_at)),
        },
        Status::Paused => format!("Up {} (Paused)", ago(state.started_at)),
        Status::Restarting => format!("Restarting ({}) {} ago", state.exit_code, ago(state.finished_at)),
        Status::Removing => "Removal In Progress".into(),
        Status::Dead => "Dead".into(),
        Status::Exited => format!("Exited ({}) {} ago", state.exit_code, ago(state.finished_at)),
    }
}

/// Health in the words of the status text.
fn health(state: &State) -> Option<&'static str> {
    state.health.as_ref().map(|health| match health.status {
        HealthStatus::Starting => "health: starting",
        HealthStatus::Healthy => "healthy",
        HealthStatus::Unhealthy => "unhealthy",
    })
}

/// Health in the words of filters and of `inspect`.
pub(crate) fn health_word(state: &State) -> &'static str {
    state
        .health
        .as_ref()
        .map_or("none", |health| health.status.as_str())
}

#[cfg(test)]
mod tests {
    use engine::Health;

    use super::*;

    #[test]
    fn states_are_said_as_upstream_does() {
        let at = |second: i64| Timestamp::from_second(second).ok();
        let healthy = Some(Health {
            status: HealthStatus::Healthy,
            ..Health::default()
        });
        let starting = Some(Health::default());
        for (status, health, text_) in [
            (Status::Created, None, "Created"),
            (Status::Running, None, "Up 3 seconds"),
            (Status::Running, healthy, "Up 3 seconds (healthy)"),
            (Status::Running, starting, "Up 3 seconds (health: starting)"),
            (Status::Paused, None, "Up 3 seconds (Paused)"),
            (Status::Restarting, None, "Restarting (7) 1 second ago"),
            (Status::Removing, None, "Removal In Progress"),
            (Status::Exited, None, "Exited (7) 1 second ago"),
            (Status::Dead, None, "Dead"),
        ] {
            let state = State {
                status,
                health,
                exit_code: 7,
                started_at: at(100),
                finished_at: at(102),
                ..State::default()
            };
            assert_eq!(text(&state, at(103).unwrap()), text_);
        }
    }
}
