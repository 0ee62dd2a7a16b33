//! The webhooks of all configurations, in the order in which they are asked: read once a change, shared by all writes.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use schema::BUILTIN;
use schema::cursor::Ref;
use schema::json::{self, Options};
use schema::object::{Obj, Revision};
use schema::resource::type_of_kind;

use crate::admission::policy::{self, Expression};
use crate::outbound::hook::ClientConfig;
use crate::select::LabelSelector;
use crate::server::State;

const GROUP: &str = "admissionregistration.k8s.io";

/// How long a webhook may take if nothing is said, in seconds.
const TIMEOUT: i64 = 10;

/// A webhook.
#[derive(Debug)]
pub(super) struct Hook {
    /// Tells webhooks of one name apart: `CONFIGURATION/NAME/N`.
    pub(super) id: String,
    /// The configuration that it is from.
    pub(super) configuration: String,
    /// How errors call it.
    pub(super) name: String,
    /// Where it is.
    pub(super) client: ClientConfig,
    /// What it is asked about.
    pub(super) rules: Vec<Rule>,
    /// Whether a write in another version of what a rule names is converted to it.
    pub(super) equivalent: bool,
    /// Objects of which namespaces.
    pub(super) namespaces: Result<LabelSelector, String>,
    /// Which objects.
    pub(super) objects: Result<LabelSelector, String>,
    /// Expressions that must hold.
    pub(super) conditions: Vec<Expression>,
    /// Whether a write goes on when the webhook cannot be asked.
    pub(super) ignores_failure: bool,
    /// How long it may take.
    pub(super) timeout: Duration,
    /// Whether it may be asked about a dry run.
    pub(super) dry_runs: bool,
    /// Whether it is asked again when a later one has changed the object.
    pub(super) reinvoked: bool,
    /// The version of `AdmissionReview` that it reads, as the first one that this server writes too.
    pub(super) review: Option<ReviewVersion>,
}

/// A version of `AdmissionReview`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReviewVersion {
    V1,
    V1Beta1,
}

impl ReviewVersion {
    fn of(name: &str) -> Option<Self> {
        match name {
            "v1" => Some(Self::V1),
            "v1beta1" => Some(Self::V1Beta1),
            _ => None,
        }
    }

    /// `admission.k8s.io/v1`
    pub(super) const fn api_version(self) -> &'static str {
        match self {
            Self::V1 => "admission.k8s.io/v1",
            Self::V1Beta1 => "admission.k8s.io/v1beta1",
        }
    }
}

/// `RuleWithOperations`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::admission) struct Rule {
    pub(in crate::admission) operations: Vec<String>,
    pub(in crate::admission) groups: Vec<String>,
    pub(in crate::admission) versions: Vec<String>,
    pub(in crate::admission) resources: Vec<String>,
    pub(in crate::admission) scope: String,
}

/// The webhooks of one kind of configuration.
pub(super) type Hooks = Arc<Vec<Hook>>;

#[derive(Debug, Default)]
struct Known(Mutex<(Option<Revision>, Hooks)>);

/// All webhooks.
#[derive(Debug, Default)]
pub(crate) struct Webhooks {
    mutating: Known,
    validating: Known,
}

impl Webhooks {
    /// Those that may change objects.
    pub(super) fn mutating(&self, state: &State) -> Hooks {
        self.mutating.current(
            state,
            "/registry/mutatingwebhookconfigurations/",
            "MutatingWebhookConfiguration",
        )
    }

    /// Those that judge.
    pub(super) fn validating(&self, state: &State) -> Hooks {
        self.validating.current(
            state,
            "/registry/validatingwebhookconfigurations/",
            "ValidatingWebhookConfiguration",
        )
    }
}

impl Known {
    fn current(&self, state: &State, prefix: &str, kind: &str) -> Hooks {
        let changed = state.cache.changed(prefix);
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.0 != Some(changed) {
            let all = state.cache.snapshot(prefix);
            let hooks = all.iter().flat_map(|object| read(object, kind)).collect();
            *known = (Some(all.changed), Arc::new(hooks));
        }
        known.1.clone()
    }
}

/// A configuration's webhooks; none if it cannot be read, which validation does not let happen.
fn read(object: &Obj, kind: &str) -> Vec<Hook> {
    let decode = |ty| json::decode(&BUILTIN, ty, object.body(), Options::default());
    let decoded = type_of_kind(GROUP, "v1", kind).map(decode);
    let Some(Ok(configuration)) = decoded else {
        tracing::warn!(key = %object.key, "a webhook configuration cannot be read");
        return Vec::new();
    };
    let configuration = Ref::new(&BUILTIN, &configuration.object);
    let mut hooks: Vec<Hook> = Vec::new();
    for hook in configuration.at("webhooks").items() {
        let name = hook.at("name").str();
        let same = hooks.iter().filter(|other| other.name == name).count();
        hooks.push(Hook::of(hook, &object.meta.name, same));
    }
    hooks
}

impl Hook {
    /// One of a configuration, after `same` others of its name.
    fn of(hook: Ref<'_>, configuration: &str, same: usize) -> Self {
        let name = hook.at("name").str();
        let is = |member: &str, value: &str| hook.at(member).str() == value;
        let seconds = hook.at("timeoutSeconds").integer().unwrap_or(TIMEOUT);
        let selector = |member| {
            let parsed = LabelSelector::of(hook.at(member)).map(Option::unwrap_or_default);
            parsed.map_err(|error| error.to_string())
        };
        Self {
            id: format!("{configuration}/{name}/{same}"),
            configuration: configuration.to_owned(),
            name: name.to_owned(),
            client: ClientConfig::of(hook.at("clientConfig")),
            rules: hook.at("rules").items().map(Rule::of).collect(),
            equivalent: !is("matchPolicy", "Exact"),
            namespaces: selector("namespaceSelector"),
            objects: selector("objectSelector"),
            conditions: policy::read_conditions(hook.at("matchConditions")),
            ignores_failure: is("failurePolicy", "Ignore"),
            timeout: Duration::from_secs(u64::try_from(seconds).unwrap_or(1)),
            dry_runs: is("sideEffects", "None") || is("sideEffects", "NoneOnDryRun"),
            reinvoked: is("reinvocationPolicy", "IfNeeded"),
            review: hook
                .at("admissionReviewVersions")
                .strings()
                .find_map(ReviewVersion::of),
        }
    }
}

impl Rule {
    /// Reads a rule.
    pub(in crate::admission) fn of(rule: Ref<'_>) -> Self {
        let texts = |member| rule.at(member).strings().map(str::to_owned).collect();
        Self {
            operations: texts("operations"),
            groups: texts("apiGroups"),
            versions: texts("apiVersions"),
            resources: texts("resources"),
            scope: rule.at("scope").str().to_owned(),
        }
    }
}
