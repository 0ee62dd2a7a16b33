//! Priority and fairness (KEP-1040): which flow a request belongs to, and when it is its turn.
//!
//! The first schema that a request matches leads to a priority level, which grants seats out of the server's own and lets
//! flows wait fairly for them ([`level`]). Schemas and levels are read from the watch cache when they have changed;
//! between changes a request costs one look at two revisions, a match and a count. Levels do not lend seats to each
//! other.

mod dump;
mod level;
mod schema;
mod upkeep;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use auth::UserInfo;
use driver::Instant;
use http::{HeaderMap, HeaderName, HeaderValue};
use schema::{FlowSchema, LevelSpec, Limited, SchemaSpec};
use serde::Deserialize;
use serde::de::DeserializeOwned;

pub(crate) use dump::answer;
pub(crate) use level::Seat;
pub(crate) use upkeep::keep;

use crate::bootstrap::flow;
use crate::cache::Snapshot;
use crate::server::State;
use crate::{RequestInfo, Served, Verb};
use ::schema::object::{Obj, Revision};
use level::{Found, Level, Limits, Waiting};

const SCHEMAS: &str = "/registry/flowschemas/";
const LEVELS: &str = "/registry/prioritylevelconfigurations/";

/// Seats of the whole server: upstream's 400 for reading and 200 for writing.
const SEATS: u32 = 600;

/// The longest that a request waits, as a part of the time that it has (upstream's quarter).
const WAIT_PART: u32 = 4;

/// Objects of a list for each seat, and the most seats of one request.
const OBJECTS_A_SEAT: usize = 100;
const WIDEST: usize = 10;

const SCHEMA_HEADER: HeaderName = HeaderName::from_static("x-kubernetes-pf-flowschema-uid");
const LEVEL_HEADER: HeaderName = HeaderName::from_static("x-kubernetes-pf-prioritylevel-uid");

/// The server's levels, as of the objects that they were made of.
#[derive(Debug, Default)]
pub(crate) struct Fairness(Mutex<Known>);

#[derive(Debug)]
struct Known {
    changed: [Revision; 2],
    config: Arc<Config>,
}

impl Default for Known {
    fn default() -> Self {
        let changed = [Revision(0); 2];
        let config = Arc::default();
        Self { changed, config }
    }
}

/// Schemas in the order in which they are tried, each with its level.
#[derive(Debug, Default)]
struct Config {
    flows: Vec<Arc<Flow>>,
    levels: BTreeMap<String, Arc<Level>>,
}

/// A schema and its level.
#[derive(Debug)]
pub(crate) struct Flow {
    schema: FlowSchema,
    level: Arc<Level>,
}

/// There is no seat, and no room to wait or no time left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rejected;

impl Fairness {
    fn config(&self, state: &State) -> Arc<Config> {
        let changed = state.cache.all_changed([SCHEMAS, LEVELS]);
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.changed != changed || known.config.flows.is_empty() {
            let (schemas, levels) = (state.cache.snapshot(SCHEMAS), state.cache.snapshot(LEVELS));
            let config = Arc::new(Config::new(&schemas, &levels, &known.config));
            *known = Known { changed, config };
        }
        known.config.clone()
    }

    /// The flow that a request belongs to; the last schema takes whatever no other has.
    pub(crate) fn classify(&self, state: &State, user: &UserInfo, info: &RequestInfo) -> Option<Arc<Flow>> {
        let config = self.config(state);
        let mut flows = config.flows.iter();
        let found = flows.find(|flow| flow.schema.matches(user, info));
        found.or(config.flows.last()).cloned()
    }
}

impl Flow {
    /// Waits for a request's seats, at most a part of the time that it has.
    ///
    /// # Errors
    /// [`Rejected`]
    pub(crate) async fn seat(
        &self,
        state: &State,
        (user, info): (&UserInfo, &RequestInfo),
        width: u32,
        deadline: Instant,
    ) -> Result<Seat, Rejected> {
        let flow = (&*self.schema.name, self.schema.distinguisher(user, info));
        let waiting = match self.level.enter(width, flow, state.env.wall()) {
            Found::Seat(seat) => return Ok(seat),
            Found::Nothing => return Err(Rejected),
            Found::Wait(waiting) => waiting,
        };
        let now = state.env.now();
        let until = now.saturating_add(deadline.saturating_since(now) / WAIT_PART);
        let seated = driver::env::until(&*state.env, until, waiting).await;
        seated.map_err(|_| {
            Waiting::timed_out(&self.level);
            Rejected
        })
    }

    /// Tells the client which schema and level its request was.
    pub(crate) fn tell(&self, headers: &mut HeaderMap) {
        headers.insert(SCHEMA_HEADER, self.schema.uid.clone());
        headers.insert(LEVEL_HEADER, self.level.uid.clone());
    }
}

/// How many seats a request takes: a list as many as it is long.
pub(crate) fn width(state: &State, info: &RequestInfo, served: Option<&Served>) -> u32 {
    let Some(served) = served.filter(|_| info.verb == Verb::List) else {
        return 1;
    };
    let objects = state.cache.count(&served.key_prefix());
    u32::try_from(objects.div_ceil(OBJECTS_A_SEAT).clamp(1, WIDEST)).unwrap_or(1)
}

impl Config {
    /// Levels that are as they were go on with those who wait in them.
    fn new(schemas: &Snapshot, levels: &Snapshot, before: &Self) -> Self {
        let mut specs: Vec<(String, HeaderValue, LevelSpec)> =
            levels.iter().filter_map(|level| read(level)).collect();
        for name in flow::MANDATORY {
            if !specs.iter().any(|(known, ..)| known == name) {
                specs.push((name.to_owned(), HeaderValue::from_static(""), fallback(name)));
            }
        }
        let shares: u32 = specs
            .iter()
            .filter_map(|(.., spec)| Some(spec.limited.as_ref()?.nominal_concurrency_shares))
            .sum();
        let level = |(name, uid, spec): (String, HeaderValue, LevelSpec)| {
            let limits = limits(&spec, shares);
            let same = |level: &&Arc<Level>| level.limits == limits && level.uid == uid;
            let level = before.levels.get(&name).filter(same).cloned();
            let level = level.unwrap_or_else(|| Arc::new(Level::new(&name, uid, limits)));
            (name, level)
        };
        let levels: BTreeMap<String, Arc<Level>> = specs.into_iter().map(level).collect();
        Self {
            flows: flows(schemas, &levels),
            levels,
        }
    }
}

/// Schemas whose level is there, by precedence and name; last the one that takes everything.
fn flows(schemas: &Snapshot, levels: &BTreeMap<String, Arc<Level>>) -> Vec<Arc<Flow>> {
    let flow = |(name, uid, spec): (String, HeaderValue, SchemaSpec)| {
        let level = levels.get(&spec.priority_level_configuration.name)?.clone();
        let schema = FlowSchema { name, uid, spec };
        Some(Arc::new(Flow { schema, level }))
    };
    let mut flows: Vec<Arc<Flow>> = schemas.iter().filter_map(|schema| flow(read(schema)?)).collect();
    flows.sort_by(|one, other| {
        let key = |flow: &Flow| (flow.schema.spec.matching_precedence, flow.schema.name.clone());
        key(one).cmp(&key(other))
    });
    if flows.last().is_none_or(|flow| flow.schema.name != "catch-all") {
        let spec = SchemaSpec::of_level("catch-all");
        flows.extend(flow(("catch-all".to_owned(), HeaderValue::from_static(""), spec)));
    }
    flows
}

/// What a mandatory level is while its object is not there.
fn fallback(name: &str) -> LevelSpec {
    LevelSpec {
        limited: (name != flow::EXEMPT).then(Limited::catch_all),
    }
}

fn limits(spec: &LevelSpec, shares: u32) -> Limits {
    let Some(limited) = &spec.limited else {
        return Limits {
            seats: None,
            queuing: None,
        };
    };
    let seats =
        (u64::from(SEATS) * u64::from(limited.nominal_concurrency_shares)).div_ceil(u64::from(shares.max(1)));
    Limits {
        seats: Some(u32::try_from(seats).unwrap_or(u32::MAX)),
        queuing: limited.limit_response.queuing,
    }
}

/// Name, uid and specification of an object. What is stored was validated; what cannot be read all the same is as if it
/// were not there.
fn read<T: DeserializeOwned>(object: &Arc<Obj>) -> Option<(String, HeaderValue, T)> {
    #[derive(Deserialize)]
    struct Holder<T> {
        spec: T,
    }
    let holder: Holder<T> = serde_json::from_slice(object.body())
        .inspect_err(
            |error| tracing::warn!(key = %object.key, %error, "a flow control object cannot be read"),
        )
        .ok()?;
    let uid = HeaderValue::try_from(&*object.meta.uid).ok()?;
    Some((object.meta.name.to_string(), uid, holder.spec))
}
