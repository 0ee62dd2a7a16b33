//! Conditions of workloads: one for each type, the one that changed last at the end.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::time::Time;

/// Whether a condition holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Truth {
    True,
    False,
    #[default]
    Unknown,
}

/// A condition of a Deployment, a ReplicaSet or a Job; each kind has some of the times.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Condition {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) status: Truth,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_probe_time: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_update_time: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_transition_time: Option<Time>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) reason: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) message: String,
}

impl Condition {
    /// One that begins to be so now.
    pub(crate) fn new(kind: &str, status: Truth, reason: &str, message: String, now: SystemTime) -> Self {
        Self {
            kind: kind.to_owned(),
            status,
            reason: reason.to_owned(),
            message,
            last_transition_time: Some(Time::of(now)),
            ..Self::default()
        }
    }

    /// The same with a time of its last update, as Deployments have it.
    #[must_use]
    pub(crate) fn updated(self) -> Self {
        let last_update_time = self.last_transition_time;
        Self {
            last_update_time,
            ..self
        }
    }

    /// The same with a time of its last probe, as Jobs have it.
    #[must_use]
    pub(crate) fn probed(self) -> Self {
        let last_probe_time = self.last_transition_time;
        Self {
            last_probe_time,
            ..self
        }
    }

    pub(crate) fn is_true(&self) -> bool {
        self.status == Truth::True
    }
}

/// The condition of a type.
pub(crate) fn find<'a>(conditions: &'a [Condition], kind: &str) -> Option<&'a Condition> {
    conditions.iter().find(|each| each.kind == kind)
}

/// Puts a condition in. One with the same status and reason stays as it is; one with the same status keeps the time when
/// it became so.
pub(crate) fn set(conditions: &mut Vec<Condition>, mut condition: Condition) {
    if let Some(old) = find(conditions, &condition.kind).filter(|old| old.status == condition.status) {
        if old.reason == condition.reason {
            return;
        }
        condition.last_transition_time = old.last_transition_time;
    }
    remove(conditions, &condition.kind);
    conditions.push(condition);
}

/// Takes the condition of a type out.
pub(crate) fn remove(conditions: &mut Vec<Condition>, kind: &str) {
    conditions.retain(|each| each.kind != kind);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(second: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(second)
    }

    #[test]
    fn what_changes_goes_last_and_keeps_its_time_while_it_holds() {
        let mut conditions = Vec::new();
        let new = |kind, status, reason, second| {
            Condition::new(kind, status, reason, String::new(), at(second)).updated()
        };
        set(&mut conditions, new("A", Truth::True, "x", 1));
        set(&mut conditions, new("B", Truth::True, "x", 2));
        let before = conditions.clone();
        set(&mut conditions, new("A", Truth::True, "x", 3));
        assert_eq!(conditions, before, "nothing new");
        set(&mut conditions, new("A", Truth::True, "y", 4));
        let times = |kind| {
            let found = find(&conditions, kind).unwrap();
            (
                found.last_update_time.unwrap(),
                found.last_transition_time.unwrap(),
            )
        };
        assert_eq!(times("A"), (Time::of(at(4)), Time::of(at(1))));
        assert_eq!(conditions[1].kind, "A");
        set(&mut conditions, new("A", Truth::False, "y", 5));
        assert_eq!(
            find(&conditions, "A").unwrap().last_transition_time,
            Some(Time::of(at(5)))
        );
        remove(&mut conditions, "A");
        assert!(find(&conditions, "B").unwrap().is_true() && find(&conditions, "A").is_none());
    }
}
