//! Taints of nodes and tolerations of pods (`core/v1 Taint`, `Toleration`).

use std::sync::{Arc, LazyLock};

use jiff::Timestamp;
use serde::Deserialize;

use crate::text::Text;

/// What a taint does to pods that do not tolerate it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
pub enum Effect {
    /// Keeps new pods away.
    NoSchedule,
    /// Keeps new pods away if they have another place.
    PreferNoSchedule,
    /// Keeps new pods away and sends those that are there away.
    NoExecute,
}

/// A taint of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taint {
    /// `node.kubernetes.io/not-ready`
    pub key: Box<str>,
    /// Often empty.
    pub value: Box<str>,
    /// What it does.
    pub effect: Effect,
    /// `timeAdded`: since when a `NoExecute` taint is there.
    pub added: Option<Timestamp>,
}

/// A taint that a pod does not mind.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Toleration {
    /// Empty: every key.
    pub key: Box<str>,
    /// The value that the taint must have; none: any (operator `Exists`).
    pub value: Option<Box<str>>,
    /// None: every effect.
    pub effect: Option<Effect>,
    /// How long a `NoExecute` taint is tolerated, in seconds; none: for ever; below 1: not at all.
    pub seconds: Option<i64>,
}

impl Toleration {
    /// Whether the pod does not mind this taint (for a while, if [`Toleration::seconds`] says so).
    pub fn tolerates(&self, taint: &Taint) -> bool {
        let value = self.value.as_ref().is_none_or(|value| *value == taint.value);
        let key = self.key.is_empty() || self.key == taint.key;
        key && value && self.effect.is_none_or(|effect| effect == taint.effect)
    }
}

/// The first taint with one of the effects that nothing tolerates.
pub fn untolerated<'t>(
    taints: &'t [Taint],
    tolerations: &[Toleration],
    effects: &[Effect],
) -> Option<&'t Taint> {
    let minds = |taint: &&Taint| !tolerations.iter().any(|each| each.tolerates(taint));
    taints
        .iter()
        .filter(|taint| effects.contains(&taint.effect))
        .find(minds)
}

/// A pod's tolerations, shared.
pub type Tolerations = Arc<[Toleration]>;

/// What admission gives every pod (`DefaultTolerationSeconds`): most pods have just these, and share them.
static USUAL: LazyLock<Tolerations> = LazyLock::new(|| {
    let keys = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"];
    let usual = |key: &str| Toleration {
        key: key.into(),
        value: None,
        effect: Some(Effect::NoExecute),
        seconds: Some(300),
    };
    keys.map(usual).into()
});
static NONE: LazyLock<Tolerations> = LazyLock::new(|| [].into());

/// As it stands in a node.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct RawTaint<'a> {
    #[serde(borrow)]
    key: Text<'a>,
    value: Text<'a>,
    effect: Option<Effect>,
    time_added: Text<'a>,
}

impl RawTaint<'_> {
    /// A taint without an effect does nothing; validation lets none in.
    pub(crate) fn read(&self) -> Option<Taint> {
        Some(Taint {
            key: self.key.boxed(),
            value: self.value.boxed(),
            effect: self.effect?,
            added: self.time_added.time(),
        })
    }
}

/// As it stands in a pod.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct RawToleration<'a> {
    #[serde(borrow)]
    key: Text<'a>,
    operator: Text<'a>,
    value: Text<'a>,
    effect: Text<'a>,
    toleration_seconds: Option<i64>,
}

impl RawToleration<'_> {
    fn effect(&self) -> Option<Effect> {
        match &*self.effect {
            "NoSchedule" => Some(Effect::NoSchedule),
            "PreferNoSchedule" => Some(Effect::PreferNoSchedule),
            "NoExecute" => Some(Effect::NoExecute),
            _ => None,
        }
    }

    fn exists(&self) -> bool {
        &*self.operator == "Exists"
    }

    fn read(&self) -> Toleration {
        Toleration {
            key: self.key.boxed(),
            value: (!self.exists()).then(|| self.value.boxed()),
            effect: self.effect(),
            seconds: self.toleration_seconds,
        }
    }

    fn is(&self, known: &Toleration) -> bool {
        self.exists()
            && known.value.is_none()
            && *self.key == *known.key
            && self.effect() == known.effect
            && self.toleration_seconds == known.seconds
    }
}

/// The tolerations of a pod, without an allocation where they are the usual ones.
pub(crate) fn tolerations(raw: &[RawToleration<'_>]) -> Tolerations {
    let same = |known: &Tolerations| {
        raw.len() == known.len() && raw.iter().zip(known.iter()).all(|(raw, known)| raw.is(known))
    };
    for known in [&USUAL, &NONE] {
        if same(known) {
            return Arc::clone(known);
        }
    }
    raw.iter().map(RawToleration::read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taint(key: &str, value: &str, effect: Effect) -> Taint {
        let (key, value) = (key.into(), value.into());
        Taint {
            key,
            value,
            effect,
            added: None,
        }
    }

    fn read(json: &str) -> Tolerations {
        tolerations(&serde_json::from_str::<Vec<RawToleration<'_>>>(json).unwrap())
    }

    #[test]
    fn a_toleration_is_compared_by_key_value_and_effect() {
        use Effect::{NoExecute, NoSchedule};
        let cases = [
            (r#"{"operator":"Exists"}"#, "k", "v", NoSchedule, true),
            (r#"{"key":"k","operator":"Exists"}"#, "k", "v", NoExecute, true),
            (r#"{"key":"k","operator":"Exists"}"#, "j", "v", NoExecute, false),
            (r#"{"key":"k","value":"v"}"#, "k", "v", NoSchedule, true),
            (
                r#"{"key":"k","operator":"Equal","value":"v"}"#,
                "k",
                "w",
                NoSchedule,
                false,
            ),
            (r#"{"key":"k","effect":"NoExecute"}"#, "k", "", NoSchedule, false),
            (r#"{"key":"k","effect":"NoExecute"}"#, "k", "", NoExecute, true),
        ];
        for (toleration, key, value, effect, expected) in cases {
            let tolerations = read(&format!("[{toleration}]"));
            let taints = [taint(key, value, effect)];
            let minds = untolerated(&taints, &tolerations, &[NoSchedule, NoExecute]);
            assert_eq!(minds.is_none(), expected, "{toleration} {key}={value}:{effect:?}");
        }
    }

    #[test]
    fn the_usual_tolerations_are_shared() {
        let usual = r#"[{"key":"node.kubernetes.io/not-ready","operator":"Exists","effect":"NoExecute","tolerationSeconds":300},{"key":"node.kubernetes.io/unreachable","operator":"Exists","effect":"NoExecute","tolerationSeconds":300}]"#;
        assert!(Arc::ptr_eq(&read(usual), &USUAL));
        assert!(Arc::ptr_eq(&read("[]"), &NONE));
        let own = read(&usual.replacen("300", "30", 1));
        assert_eq!(
            (own.len(), own[0].seconds, own[1].seconds),
            (2, Some(30), Some(300))
        );
    }
}
