//! What a Deployment says, as far as its controller looks.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::status::Status;
use crate::selector::LabelSelector;

/// No limit, where numbers have 32 bits.
const UNLIMITED: i64 = i32::MAX as i64;

/// A Deployment.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Deployment {
    pub(super) metadata: Annotated,
    pub(super) spec: Spec,
    pub(super) status: Status,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Annotated {
    pub(super) name: String,
    pub(super) generation: i64,
    pub(super) annotations: BTreeMap<String, String>,
    pub(super) deletion_timestamp: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Spec {
    pub(super) replicas: i64,
    pub(super) selector: Value,
    pub(super) template: Value,
    pub(super) strategy: Strategy,
    pub(super) min_ready_seconds: i64,
    pub(super) paused: bool,
    revision_history_limit: Option<i64>,
    progress_deadline_seconds: Option<i64>,
}

/// How old pods are replaced.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Strategy {
    #[serde(rename = "type")]
    pub(super) kind: StrategyKind,
    rolling_update: RollingUpdate,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) enum StrategyKind {
    #[default]
    RollingUpdate,
    Recreate,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RollingUpdate {
    max_surge: Share,
    max_unavailable: Share,
}

/// A number of pods, or so many in a hundred.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Share {
    Number(i64),
    Percent(String),
}

impl Default for Share {
    fn default() -> Self {
        Self::Number(0)
    }
}

impl Share {
    /// So many of all. What is no share, validation has refused.
    fn of(&self, all: i64, up: bool) -> i64 {
        let percent = match self {
            Self::Number(number) => return *number,
            Self::Percent(text) => text.strip_suffix('%').and_then(|text| text.parse::<i64>().ok()),
        };
        let hundredfold = percent.unwrap_or(0).saturating_mul(all);
        if up {
            hundredfold.saturating_add(99).div_euclid(100)
        } else {
            hundredfold.div_euclid(100)
        }
    }
}

impl Deployment {
    /// Which ReplicaSets and pods are its own.
    pub(super) fn labels(&self) -> LabelSelector {
        LabelSelector::deserialize(&self.spec.selector).unwrap_or_default()
    }

    pub(super) fn is_rolling(&self) -> bool {
        self.spec.strategy.kind == StrategyKind::RollingUpdate
    }

    /// How many pods there may be beyond `replicas`, and how many of these may be unavailable. Both are never zero, since
    /// then nothing could ever be replaced.
    fn fenceposts(&self) -> (i64, i64) {
        let (update, replicas) = (&self.spec.strategy.rolling_update, self.spec.replicas);
        match (
            update.max_surge.of(replicas, true),
            update.max_unavailable.of(replicas, false),
        ) {
            (0, 0) => (0, 1),
            both => both,
        }
    }

    /// The most pods that may be there while old ones are replaced.
    pub(super) fn max_total(&self) -> i64 {
        self.spec.replicas + if self.is_rolling() { self.fenceposts().0 } else { 0 }
    }

    /// The fewest pods that must be available while old ones are replaced.
    pub(super) fn min_available(&self) -> i64 {
        if !self.is_rolling() || self.spec.replicas == 0 {
            return self.spec.replicas;
        }
        (self.spec.replicas - self.fenceposts().1).max(0)
    }

    /// Seconds without progress after which a rollout is said to be stuck.
    pub(super) fn progress_deadline(&self) -> Option<i64> {
        self.spec
            .progress_deadline_seconds
            .filter(|limit| *limit != UNLIMITED)
    }

    /// Old ReplicaSets that are kept.
    pub(super) fn history_limit(&self) -> Option<usize> {
        let limit = self
            .spec
            .revision_history_limit
            .filter(|limit| *limit != UNLIMITED);
        limit.and_then(|limit| usize::try_from(limit).ok())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn shares_are_rounded_apart_and_never_both_nothing() {
        let cases = [
            (10, json!("25%"), json!("25%"), (13, 8)),
            (10, json!(3), json!(2), (13, 8)),
            (2, json!("0%"), json!("1%"), (2, 1)),
            (1, json!("1%"), json!("25%"), (2, 1)),
            (3, json!("100%"), json!("100%"), (6, 0)),
            (2, json!(0), json!(5), (2, 0)),
            (0, json!(1), json!(1), (1, 0)),
        ];
        for (replicas, surge, unavailable, expected) in cases {
            let update = json!({"maxSurge": surge, "maxUnavailable": unavailable});
            let spec =
                json!({"replicas": replicas, "strategy": {"type": "RollingUpdate", "rollingUpdate": update}});
            let deployment: Deployment = serde_json::from_value(json!({"spec": spec})).unwrap();
            assert_eq!(
                (deployment.max_total(), deployment.min_available()),
                expected,
                "{spec}"
            );
        }
        let recreate = json!({"spec": {"replicas": 3, "strategy": {"type": "Recreate"}}});
        let recreate: Deployment = serde_json::from_value(recreate).unwrap();
        assert_eq!((recreate.max_total(), recreate.min_available()), (3, 3));
    }
}
