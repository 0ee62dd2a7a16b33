//! The half of a node that knows nothing of Kubernetes: images, networks, containers, and docker's API.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use builder::Builder;
use disk::Disk;
use distribution::Registries;
use driver::{Clock, Rng};
use engine::Engine;
use engine::supervised::Supervisor;
use image::Images;
use network::{Networks, Pool};
use store::Store;
use tokio::runtime::Handle;
use tracing::Instrument;

use crate::config::Config;
use crate::docker::{Docker, Rooms};
use crate::node::{Error, blocking};
use crate::stage;

/// Its rooms, open.
pub(crate) struct Containers {
    pub(crate) images: Images,
    pub(crate) networks: Networks,
    pub(crate) engine: Engine,
    pub(crate) registries: Registries,
    pub(crate) disk: Disk,
    pub(crate) docker: Docker,
}

impl Containers {
    /// Opens them one after the other: what a room needs is above it.
    pub(crate) async fn open(
        config: &Config,
        supervisor: &Supervisor,
        store: &Arc<dyn Store>,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        let paths = config.paths();
        let images = blocking(&stage!("images"), || {
            let places = image::Config {
                content: paths.content(),
                snapshots: paths.snapshots(),
                limits: image::Limits::default(),
            };
            Images::open(places, store.clone(), Arc::new(supervisor.clone()), clock.clone())
        })?;
        let registries = blocking(&stage!("registries"), || registries(config, &images))?;
        let networks = blocking(&stage!("networks"), || {
            let holder = Arc::new(supervisor.clone());
            let (settings, rng) = (network_config(config), Rng::from_os()?);
            let opened = Networks::open(
                settings,
                store.clone(),
                holder,
                clock.clone(),
                rng,
                Handle::current(),
            );
            Ok::<_, Error>(opened?)
        })?;
        let engine = Engine::open(engine::Config {
            instance: config.name.to_string(),
            data_dir: config.data_dir.clone(),
            run_dir: config.run_dir.clone(),
            supervisor: supervisor.clone(),
            images: images.clone(),
            networks: networks.clone(),
            store: store.clone(),
            clock: clock.clone(),
            rng: Rng::from_os()?,
        });
        let engine = engine.instrument(stage!("engine")).await?;
        let builder = blocking(&stage!("builder"), || {
            let builder = Builder::open(
                engine.clone(),
                images.clone(),
                store.clone(),
                paths.build(),
                clock.clone(),
            )?;
            // Opening the builder has cleared its directory, so what fetches into it comes after it.
            let sources = fetch::Sources::open(registries.client().clone(), paths.build().join("fetched"));
            Ok::<_, Error>(builder.with_fetch(Arc::new(sources?)))
        })?;
        let disk = Disk::new(disk::Parts {
            engine: engine.clone(),
            builder: builder.clone(),
            clock: clock.clone(),
            data: config.data_dir.clone(),
            quota: config.disk_quota,
            minimum_age: config.image_minimum_gc_age,
            registry: Some(config.registry.port).filter(|port| *port != 0),
        });
        let docker = blocking(&stage!("docker"), || {
            Docker::serve(
                config,
                supervisor,
                Rooms {
                    engine: engine.clone(),
                    builder,
                    registries: registries.clone(),
                    disk: disk.clone(),
                },
                &**store,
                clock.clone(),
            )
        })?;
        Ok(Self {
            images,
            networks,
            engine,
            registries,
            disk,
            docker,
        })
    }
}

/// Other people's registries, as the configuration describes them. They are asked when somebody pulls or pushes.
fn registries(config: &Config, images: &Images) -> Result<Registries, Error> {
    let settings = distribution::Settings {
        proxies: config.registries.proxies.clone(),
        ..distribution::Settings::default()
    };
    let sources = config.registries.sources();
    let (client, warnings) = distribution::Client::following(sources, settings, Rng::from_os()?)?;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    let own = Some(config.registry.port).filter(|port| *port != 0);
    Ok(Registries::new(client, images.clone(), own))
}

/// The pools of dockerd, in its order: /16 networks of 172.17.0.0 on, then /20 of 192.168.0.0/16.
fn network_config(config: &Config) -> network::Config {
    let pool = |base: String, size| Pool { base, size };
    let mut pools: Vec<Pool> = (17..32)
        .map(|second| pool(format!("172.{second}.0.0/16"), 16))
        .collect();
    pools.push(pool("192.168.0.0/16".to_owned(), 20));
    network::Config {
        instance: config.name.to_string(),
        run_dir: config.run_dir.clone(),
        pools,
        publish_on: Ipv4Addr::UNSPECIFIED.into(),
        ready: config.ready_namespaces,
        resolv_conf: "/etc/resolv.conf".into(),
        hosts: "/etc/hosts".into(),
        cluster: cluster_config(config),
    }
}

/// The network of pods and services; none on a node without pods.
fn cluster_config(config: &Config) -> Option<network::Cluster> {
    let kubernetes = &config.kubernetes;
    let IpAddr::V4(dns) = kubernetes.cluster_dns() else {
        return None;
    };
    let pods = kubernetes.pod_cidr.to_string().parse().ok()?;
    let services = kubernetes.service_cidr.to_string().parse().ok()?;
    let cluster = network::Cluster {
        domain: kubernetes.cluster_domain.to_string(),
        ready: config.ready_namespaces,
        ..network::Cluster::new(pods, services, dns)
    };
    (!kubernetes.without.kubelet).then_some(cluster)
}
