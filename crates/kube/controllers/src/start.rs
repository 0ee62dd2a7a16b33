//! All controllers, started and stopped together.

use std::sync::Arc;

use apiserver::ApiServer;
use async_channel::{Receiver, Sender};
use auth::UserInfo;
use client::{Changes, Client, Informers, Recorder};
use driver::Env;
use futures_util::future::{Either, select};
use pki::{Authority, TokenIssuer};

use crate::aggregation::Aggregation;
use crate::certificates::Certificates;
use crate::deployment::Deployments;
use crate::driver::{Adding, Controller, Cx, Observer, Running};
use crate::endpoints::{Endpoints, Slices};
use crate::garbage::Garbage;
use crate::job::Jobs;
use crate::namespace::Namespaces;
use crate::node::{Evictions, Nodes, Placed};
use crate::pod_gc::PodGc;
use crate::policy::Policies;
use crate::protection::{Claims, Classes, Volumes};
use crate::quota::Quotas;
use crate::replica_set::ReplicaSets;
use crate::root_ca::RootCa;
use crate::selection::Selection;
use crate::service_account::ServiceAccounts;
use crate::tokens::Tokens;
use crate::ttl::Ttl;
use crate::workload::owned::Owned;
use crate::world::{Table, Tracked, World};

/// What upstream's process of controllers is called; field managers see it.
const AGENT: &str = "kube-controller-manager";

/// What the controllers are told at their start.
pub struct Config {
    /// The bundle by which pods know the API server, PEM.
    pub root_ca: String,
    /// Signs the tokens that secrets hold.
    pub tokens: TokenIssuer,
    /// Signs the certificates of kubelets and clients.
    pub authority: Authority,
    /// Which controllers run.
    pub selected: Selection,
}

/// The running controllers.
pub struct Controllers {
    observers: Vec<Arc<dyn Observer>>,
    /// Feeds end when it is dropped.
    going: Sender<()>,
    /// Closes when every task has ended.
    ended: Receiver<()>,
}

/// What a controller is started with.
struct Starter {
    server: ApiServer,
    env: Arc<dyn Env>,
    world: Arc<World>,
    told: Receiver<()>,
    alive: Sender<()>,
    observers: Vec<Arc<dyn Observer>>,
    selected: Selection,
}

impl Starter {
    /// Starts a controller, if it is selected by its name.
    fn add<C: Controller>(&mut self, name: &str, controller: C) {
        if !self.selected.runs(name) {
            return;
        }
        let user = identity(C::ACCOUNT);
        let client = Client::in_process(self.server.clone(), user, AGENT);
        let cx = Cx {
            recorder: Recorder::start(client.clone(), &self.env, C::SOURCE, ""),
            client,
            world: self.world.clone(),
            env: self.env.clone(),
        };
        self.observers
            .push(Running::start(controller, cx, &self.told, &self.alive));
    }
}

impl Controllers {
    /// Starts all of them beside an API server, in its process.
    pub fn start(config: Config, server: &ApiServer, env: &Arc<dyn Env>) -> Self {
        let world = Arc::new(World::new(Informers::in_process(server.clone())));
        let ((going, stop), (alive, ended)) = (async_channel::bounded(1), async_channel::bounded(1));
        let (telling, told) = async_channel::bounded(1);
        let mut starter = Starter {
            server: server.clone(),
            env: env.clone(),
            world: world.clone(),
            told,
            alive: alive.clone(),
            observers: Vec::new(),
            selected: config.selected.clone(),
        };
        add_all(&mut starter, config);
        let feeds = Feeds {
            world,
            env: env.clone(),
            observers: starter.observers.clone().into(),
            stop,
            alive,
        };
        env.spawn(Box::pin(feeds.run(telling)));
        let running = ended.clone();
        server.register("controller-manager", move || {
            let gone = running.is_closed();
            if gone {
                Err("the controllers have ended".to_owned())
            } else {
                Ok(())
            }
        });
        Self {
            observers: starter.observers,
            going,
            ended,
        }
    }

    /// Ends them: what is being dealt with is finished, nothing new is begun.
    pub async fn stop(self) {
        drop(self.going);
        self.observers.iter().for_each(|observer| observer.close());
        // Nothing is ever sent: it closes.
        let _closed = self.ended.recv().await;
    }

    /// Whether nothing waits to be dealt with now. Keys that wait for their time count.
    pub fn idle(&self) -> bool {
        self.observers.iter().all(|observer| observer.idle())
    }
}

/// The ServiceAccount of a controller; what has none acts as upstream's process itself.
fn identity(account: &str) -> UserInfo {
    match account {
        "" => UserInfo {
            name: "system:kube-controller-manager".to_owned(),
            ..UserInfo::default()
        },
        account => UserInfo::service_account("kube-system", account, ""),
    }
}

fn add_all(starter: &mut Starter, config: Config) {
    let Config {
        root_ca,
        tokens: issuer,
        authority,
        selected: _,
    } = config;
    starter.add("serviceaccount-controller", ServiceAccounts);
    starter.add(
        "root-ca-certificate-publisher-controller",
        RootCa {
            bundle: root_ca.clone(),
        },
    );
    starter.add("namespace-controller", Namespaces);
    starter.add("garbage-collector-controller", Garbage::default());
    starter.add("clusterrole-aggregation-controller", Aggregation);
    starter.add(
        "certificatesigningrequest-signing-controller",
        Certificates { authority },
    );
    starter.add("serviceaccount-token-controller", Tokens { issuer, root_ca });
    starter.add("persistentvolumeclaim-protection-controller", Claims);
    starter.add("persistentvolume-protection-controller", Volumes);
    starter.add("volumeattributesclass-protection-controller", Classes);
    starter.add("validatingadmissionpolicy-status-controller", Policies);
    starter.add("resourcequota-controller", Quotas);
    starter.add("endpointslice-controller", Slices::default());
    starter.add("endpoints-controller", Endpoints);
    add_workloads(starter);
    // Nodes come first: they keep what the others look into.
    let placed = Arc::new(Placed::default());
    starter.add(
        "node-lifecycle-controller",
        Nodes::new(starter.env.clone(), placed.clone()),
    );
    starter.add(
        "taint-eviction-controller",
        Evictions::new(starter.env.now(), placed.clone()),
    );
    starter.add("pod-garbage-collector-controller", PodGc::new(placed));
}

/// What makes pods. ReplicaSets come first: they keep the pods in order for the others.
fn add_workloads(starter: &mut Starter) {
    let pods: Arc<Owned> = Arc::default();
    starter.add("replicaset-controller", ReplicaSets { pods: pods.clone() });
    let deployments = Deployments {
        pods: pods.clone(),
        sets: Owned::default(),
    };
    starter.add("deployment-controller", deployments);
    starter.add("job-controller", Jobs { pods });
    starter.add("ttl-after-finished-controller", Ttl);
}

/// A resource that is followed; its feed ends when the channel is dropped.
type Followed = (Arc<Tracked>, Sender<()>);

/// What tells all controllers of all resources.
struct Feeds {
    world: Arc<World>,
    env: Arc<dyn Env>,
    observers: Arc<[Arc<dyn Observer>]>,
    /// Closes at the end.
    stop: Receiver<()>,
    alive: Sender<()>,
}

impl Feeds {
    /// Follows what is served, with a feed for each resource. `telling` is held until all that is there at the start
    /// has been told.
    async fn run(self, telling: Sender<()>) {
        let mut telling = Some(telling);
        let (mut epoch, mut feeds) = (0, Vec::new());
        while let Some(changed) = or_end(&self.stop, self.world.changed(epoch)).await {
            epoch = changed;
            match self.world.refresh().await {
                Ok(table) => {
                    feeds.retain(|(tracked, _)| is_in(&table, tracked));
                    self.follow_new(&table, &mut feeds, telling.take());
                }
                Err(error) => tracing::warn!(%error, "what is served cannot be read"),
            }
            self.rediscover().await;
        }
    }

    fn follow_new(&self, table: &Table, feeds: &mut Vec<Followed>, telling: Option<Sender<()>>) {
        for tracked in table.all() {
            let followed = feeds.iter().any(|(known, _)| Arc::ptr_eq(known, tracked));
            let observers: Vec<_> = self
                .observers
                .iter()
                .filter(|each| each.follows(tracked.resource()))
                .cloned()
                .collect();
            if followed || observers.is_empty() {
                continue;
            }
            // Nothing is ever sent: dropping it ends the feed, as the end of all does.
            let (going, gone) = async_channel::bounded(1);
            feeds.push((tracked.clone(), going));
            let feed = feed(tracked.clone(), observers, telling.clone());
            let (stop, alive) = (self.stop.clone(), self.alive.clone());
            self.env.spawn(Box::pin(async move {
                or_end(&stop, or_end(&gone, feed)).await;
                drop(alive);
            }));
        }
    }

    async fn rediscover(&self) {
        for adding in self.observers.iter().filter_map(|observer| observer.rediscover()) {
            adding.await;
        }
    }
}

fn is_in(table: &Table, tracked: &Arc<Tracked>) -> bool {
    table.all().any(|known| Arc::ptr_eq(known, tracked))
}

/// Tells observers of one resource. What all of them make of a change is known before any of their queues is waited for.
async fn feed(tracked: Arc<Tracked>, observers: Vec<Arc<dyn Observer>>, mut telling: Option<Sender<()>>) {
    let mut following = tracked.informer.follow();
    while let Some(changes) = following.next().await {
        let adding = tell(&tracked, &observers, &changes);
        telling = None;
        for adding in adding {
            adding.await;
        }
    }
    drop(telling);
}

fn tell(tracked: &Arc<Tracked>, observers: &[Arc<dyn Observer>], changes: &Changes) -> Vec<Adding> {
    observers
        .iter()
        .filter_map(|observer| observer.observe(tracked, changes))
        .collect()
}

/// The work's result, unless the channel closes first.
async fn or_end<T>(stop: &Receiver<()>, work: impl Future<Output = T>) -> Option<T> {
    let (stop, work) = (std::pin::pin!(stop.recv()), std::pin::pin!(work));
    match select(stop, work).await {
        Either::Left(_) => None,
        Either::Right((done, _)) => Some(done),
    }
}
