//! Keeping a datapath as the map says.
//!
//! One task hears of services and slices, takes together what is there already, and hands the difference on; a change is
//! in force before the next one is looked at. What the datapath refuses is said again, later or with what comes next.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_channel::{Receiver, Sender};
use client::{Changes, Following, Informers, Resource};
use driver::Env;
use driver::env::{Doing, Sleep};
use futures_util::FutureExt;
use futures_util::future::{pending, select};

use crate::left::Leading;
use crate::map::Change;
use crate::world::World;

static SERVICES: Resource = Resource::new("", "v1", "services", "Service", true);
static SLICES: Resource = Resource::new("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", true);

/// How long after a refusal the same is said again: doubling, up to the longest.
const RETRY: Duration = Duration::from_millis(500);
const LONGEST_RETRY: Duration = Duration::from_secs(30);

/// How often a pod's open connections are counted while it waits for them: doubling, up to the longest.
const COUNT: Duration = Duration::from_millis(2);
const LONGEST_COUNT: Duration = Duration::from_millis(50);

/// What is heard at once at most, so that a flood of events does not keep the datapath from what is known.
const AT_ONCE: usize = 4_096;

/// What leads connections of this node where the map says.
pub trait Datapath: Send + Sync {
    /// Carries a change out: connections that begin once this is done go the new way. On a refusal, whose reason is for
    /// logs, all or nothing of it may be so; it is said again.
    fn change(&self, change: Change) -> Doing<Result<(), String>>;

    /// How many connections through services a pod has to answer still.
    fn connections(&self, pod: IpAddr) -> Doing<usize>;
}

/// The running proxy. It ends when this is dropped; what the datapath was told stays in force.
pub struct Proxy {
    leading: Arc<Leading>,
    datapath: Arc<dyn Datapath>,
    env: Arc<dyn Env>,
    /// Closes when the first change is in force.
    synced: Receiver<()>,
    /// The task ends when it is dropped.
    _going: Sender<()>,
}

impl Proxy {
    /// Keeps the datapath of the node of this name.
    pub fn start(informers: &Informers, node: &str, datapath: Arc<dyn Datapath>, env: &Arc<dyn Env>) -> Self {
        let leading = Arc::new(Leading::default());
        let (syncing, synced) = async_channel::bounded(1);
        let (going, stop) = async_channel::bounded(1);
        let keeper = Keeper {
            world: World::new(node),
            services: informers.of(&SERVICES).follow(),
            slices: informers.of(&SLICES).follow(),
            leading: leading.clone(),
            datapath: datapath.clone(),
            env: env.clone(),
            stop,
            failures: 0,
        };
        env.spawn(Box::pin(keeper.run(syncing)));
        Self {
            leading,
            datapath,
            env: env.clone(),
            synced,
            _going: going,
        }
    }

    /// Ends once the datapath knew all that was there at the start.
    pub async fn synced(&self) {
        synced(&self.synced).await;
    }

    /// Done once no service leads new connections to the address because it is ready there, and no connection through a
    /// service is open to it. It may take for ever: whoever asks sets the bound.
    pub fn left(&self, pod: IpAddr) -> Doing<()> {
        let (leading, datapath, env) = (self.leading.clone(), self.datapath.clone(), self.env.clone());
        let start = self.synced.clone();
        Box::pin(async move {
            synced(&start).await;
            let IpAddr::V4(address) = pod else { return };
            while let Some(closes) = leading.leads_to(address) {
                // Nothing is ever sent: it closes.
                let _closed = closes.recv().await;
            }
            let mut pause = COUNT;
            while leading.has_led_to(address) && datapath.connections(pod).await > 0 {
                env.sleep(pause).await;
                pause = (pause * 2).min(LONGEST_COUNT);
            }
            leading.done(address);
        })
    }
}

async fn synced(synced: &Receiver<()>) {
    // Nothing is ever sent: it closes.
    let _closed = synced.recv().await;
}

/// What the task holds.
struct Keeper {
    world: World,
    services: Following,
    slices: Following,
    leading: Arc<Leading>,
    datapath: Arc<dyn Datapath>,
    env: Arc<dyn Env>,
    /// Closes at the end.
    stop: Receiver<()>,
    /// Refusals since the datapath last did what it was told.
    failures: u32,
}

enum Heard {
    Services(Changes),
    Slices(Changes),
    /// It is time to say it again.
    Time,
    End,
}

impl Keeper {
    async fn run(mut self, syncing: Sender<()>) {
        let mut syncing = Some(syncing);
        if self.begin().await {
            loop {
                self.drain();
                let retry = self.carry_out().await;
                if retry.is_none() {
                    syncing = None;
                }
                if !self.hear(retry).await {
                    break;
                }
            }
        }
        self.leading.end();
        drop(syncing);
    }

    /// Hears how both stand before anything is decided: services without their slices would be refused to everybody.
    async fn begin(&mut self) -> bool {
        let (mut services, mut slices) = (false, false);
        while !(services && slices) {
            match self.next(None).await {
                Heard::Services(changes) => {
                    self.world.services(&changes);
                    services = true;
                }
                Heard::Slices(changes) => {
                    self.world.slices(&changes);
                    slices = true;
                }
                Heard::Time => {}
                Heard::End => return false,
            }
        }
        true
    }

    /// Waits for the next thing; false at the end.
    async fn hear(&mut self, retry: Option<Sleep>) -> bool {
        match self.next(retry).await {
            Heard::Services(changes) => self.world.services(&changes),
            Heard::Slices(changes) => self.world.slices(&changes),
            Heard::Time => {}
            Heard::End => return false,
        }
        true
    }

    /// Following is cancel-safe: what is not taken now is there the next time.
    async fn next(&mut self, retry: Option<Sleep>) -> Heard {
        let services = self.services.next();
        let services = services.map(|heard| heard.map_or(Heard::End, Heard::Services));
        let slices = self.slices.next();
        let slices = slices.map(|heard| heard.map_or(Heard::End, Heard::Slices));
        let stop = self.stop.recv().map(|_| Heard::End);
        let time = retry.unwrap_or_else(|| Box::pin(pending())).map(|()| Heard::Time);
        let ended = select(Box::pin(stop), time).map(|either| either.factor_first().0);
        let told = select(Box::pin(services), Box::pin(slices)).map(|either| either.factor_first().0);
        select(ended, told).await.factor_first().0
    }

    /// Hears what is there already.
    fn drain(&mut self) {
        for _ in 0..AT_ONCE {
            let services = self.services.next().now_or_never().flatten();
            let slices = self.slices.next().now_or_never().flatten();
            if let Some(changes) = &services {
                self.world.services(changes);
            }
            if let Some(changes) = &slices {
                self.world.slices(changes);
            }
            if services.is_none() && slices.is_none() {
                return;
            }
        }
    }

    /// Hands on what has to change; answers when to try again if that was refused.
    async fn carry_out(&mut self) -> Option<Sleep> {
        let change = self.world.change();
        if !change.is_empty()
            && let Err(error) = self.datapath.change(change).await
        {
            let pause = (RETRY * 2_u32.saturating_pow(self.failures)).min(LONGEST_RETRY);
            self.failures = (self.failures + 1).min(16);
            tracing::warn!(error, ?pause, "services cannot be changed");
            return Some(self.env.sleep(pause));
        }
        self.failures = 0;
        self.leading.turn(&self.world.done());
        None
    }
}
