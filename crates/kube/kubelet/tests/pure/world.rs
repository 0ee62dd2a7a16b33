//! What a kubelet's parts do where there is no kernel: they write down, take a while, and sometimes fail.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_channel::{Receiver, Sender};
use driver::{Env, Rng, Sim};
use kubelet::container::{
    Attempt, ContainerIx, Ended, How, ImageFault, Observed, ObservedContainer, ObservedPod, Pulled, Sandbox,
    Sought, Standing, StartFault, Started, spec_hash,
};
use kubelet::traits::{
    Doing, Ending, HookTarget, ManifestFile, Manifests, Outcome, ProbeTarget, Prober, Refused, Runtime,
    Services, Volumes,
};
use kubelet::volume::{Mounts, Payload, Usage};
use kubelet::{ContainerId, Pod, Uid};

/// A container that is only written down.
#[derive(Clone, Debug)]
struct Written {
    uid: Uid,
    pod: String,
    seen: ObservedContainer,
}

#[derive(Default)]
struct Things {
    containers: BTreeMap<ContainerId, Written>,
    sandboxes: BTreeMap<Uid, Sandbox>,
    images: BTreeMap<String, bool>,
    /// Images that were asked of registries, and with which keys.
    pulls: Vec<(String, Vec<String>)>,
    volumes: BTreeMap<(String, String), Payload>,
    next: u32,
}

/// What a kubelet's parts do here: they write down, take a while, and sometimes fail.
pub(crate) struct World {
    sim: Sim,
    rng: Mutex<Rng>,
    things: Mutex<Things>,
    pub(crate) log: Mutex<Vec<String>>,
    pub(crate) environments: Mutex<BTreeMap<String, Vec<(String, String)>>>,
    ends: (Sender<Ending>, Mutex<Receiver<Ending>>),
    /// How many of a hundred preparations and starts fail.
    pub(crate) fails: Mutex<u64>,
    /// What each pod takes of the disk.
    pub(crate) usage: Mutex<Usage>,
    /// Files of static pods, by path.
    manifests: Mutex<BTreeMap<PathBuf, String>>,
    changes: (Sender<()>, Receiver<()>),
}

impl World {
    pub(crate) fn new(sim: Sim, seed: u64) -> Arc<Self> {
        let (sender, receiver) = async_channel::bounded(1024);
        Arc::new(Self {
            sim,
            rng: Mutex::new(Rng::from_seed(seed)),
            things: Mutex::default(),
            log: Mutex::default(),
            environments: Mutex::default(),
            ends: (sender, Mutex::new(receiver)),
            fails: Mutex::new(0),
            usage: Mutex::default(),
            manifests: Mutex::default(),
            changes: async_channel::bounded(1),
        })
    }

    fn note(&self, text: String) {
        self.log.lock().unwrap().push(text);
    }

    /// After a while; a moment that chance chooses.
    fn later<T: Send + 'static>(&self, done: impl FnOnce() -> T + Send + 'static) -> Doing<T> {
        let millis = 1 + self.rng.lock().unwrap().below(20);
        let sim = self.sim.clone();
        Box::pin(async move {
            sim.sleep(Duration::from_millis(millis)).await;
            done()
        })
    }

    fn is_unlucky(&self) -> bool {
        let fails = *self.fails.lock().unwrap();
        self.rng.lock().unwrap().below(100) < fails
    }

    /// An image that is not here, or is here now.
    pub(crate) fn image_is(&self, image: &str, here: bool) {
        self.things.lock().unwrap().images.insert(image.to_owned(), here);
        if here {
            self.ends.0.try_send(Ending::Images).unwrap();
        }
    }

    /// Writes a file of a static pod, or takes it away.
    pub(crate) fn manifest(&self, path: &str, text: Option<&str>) {
        let mut manifests = self.manifests.lock().unwrap();
        match text {
            Some(text) => drop(manifests.insert(path.into(), text.to_owned())),
            None => drop(manifests.remove(std::path::Path::new(path))),
        }
        let _rung = self.changes.0.try_send(());
    }

    /// Ends a container from outside, as `docker kill` does.
    pub(crate) fn kill(&self, pod: &str, code: i32) {
        let things = self.things.lock().unwrap();
        let running = things
            .containers
            .values()
            .find(|written| written.pod == pod && is_live(&written.seen));
        let (id, uid) = running
            .map(|written| (written.seen.id.clone(), written.uid.clone()))
            .unwrap();
        drop(things);
        self.end(&id, &uid, code);
    }

    fn end(&self, id: &ContainerId, uid: &Uid, code: i32) {
        let mut things = self.things.lock().unwrap();
        let Some(written) = things
            .containers
            .get_mut(id)
            .filter(|written| is_live(&written.seen))
        else {
            return;
        };
        let ended = Ended {
            how: How::Exited,
            code,
            started: None,
            finished: self.sim.wall(),
            message: "bye".to_owned(),
        };
        written.seen.standing = Standing::Ended(ended.clone());
        drop(things);
        let (id, uid) = (id.clone(), uid.clone());
        let _sent = self.ends.0.try_send(Ending::Ended { uid, id, ended });
    }

    /// Containers of a pod that run.
    pub(crate) fn running(&self, pod: &str) -> usize {
        let things = self.things.lock().unwrap();
        things
            .containers
            .values()
            .filter(|written| written.pod == pod && is_live(&written.seen))
            .count()
    }

    /// A file of a pod's volume.
    pub(crate) fn file(&self, pod: &str, volume: &str, path: &str) -> Option<String> {
        let things = self.things.lock().unwrap();
        let payload = things.volumes.get(&(pod.to_owned(), volume.to_owned()))?;
        let kubelet::volume::Content::Files { files, .. } = &payload.content else {
            return None;
        };
        let file = files.iter().find(|file| file.path == path)?;
        Some(String::from_utf8(file.content.clone()).unwrap())
    }

    /// Whether nothing is left of anything.
    pub(crate) fn is_empty(&self) -> bool {
        let things = self.things.lock().unwrap();
        things.containers.is_empty() && things.sandboxes.is_empty()
    }
}

fn is_live(seen: &ObservedContainer) -> bool {
    matches!(seen.standing, Standing::Running(_))
}

impl Runtime for World {
    fn prepare(&self, pod: &Arc<Pod>) -> Doing<Result<Sandbox, Refused>> {
        if self.is_unlucky() {
            let refused = Refused {
                reason: "FailedCreatePodSandBox".to_owned(),
                message: "Failed to create pod sandbox: bad luck".to_owned(),
            };
            return self.later(move || Err(refused));
        }
        let mut things = self.things.lock().unwrap();
        things.next += 1;
        let sandbox = Sandbox {
            address: Some(IpAddr::V4(Ipv4Addr::from(0x0a2a_0000 + things.next))),
            ..Sandbox::default()
        };
        let sandbox = things.sandboxes.entry(pod.uid.clone()).or_insert(sandbox).clone();
        drop(things);
        self.later(move || Ok(sandbox))
    }

    fn image(&self, pod: &Arc<Pod>, at: ContainerIx) -> Doing<Result<Sought, ImageFault>> {
        let name = pod.at(at).unwrap().image.clone();
        let here = self
            .things
            .lock()
            .unwrap()
            .images
            .get(&name)
            .copied()
            .unwrap_or(true);
        self.later(move || {
            Ok(match here {
                true => Sought::Here(crate::play::image()),
                false => Sought::Elsewhere,
            })
        })
    }

    fn pull(&self, pod: &Arc<Pod>, at: ContainerIx, keys: Vec<Vec<u8>>) -> Doing<Result<Pulled, ImageFault>> {
        let name = pod.at(at).unwrap().image.clone();
        let keys = keys.into_iter().map(|key| String::from_utf8(key).unwrap());
        self.things.lock().unwrap().pulls.push((name, keys.collect()));
        self.later(|| {
            Err(ImageFault {
                reason: kubelet::container::ImageReason::ErrImagePull,
                message: "no registries".to_owned(),
            })
        })
    }

    fn start(
        &self,
        pod: &Arc<Pod>,
        at: ContainerIx,
        attempt: Attempt,
        environment: Vec<(String, String)>,
        _mounts: Arc<Mounts>,
    ) -> Doing<Result<Started, StartFault>> {
        let container = pod.at(at).unwrap();
        let (name, key) = (container.name.clone(), pod.name.clone());
        if self.is_unlucky() {
            return self.later(|| Err(StartFault::Create("bad luck".to_owned())));
        }
        let live = |written: &&Written| {
            written.uid == pod.uid && written.seen.name == name && is_live(&written.seen)
        };
        let mut things = self.things.lock().unwrap();
        assert!(
            !things.containers.values().any(|written| live(&written)),
            "two of {key}/{name} at once"
        );
        let id = ContainerId::new(&format!("{}-{name}-{attempt}", &*pod.uid));
        let wall = self.sim.wall();
        let seen = ObservedContainer {
            id: id.clone(),
            name: name.clone(),
            attempt,
            hash: spec_hash(container),
            image: crate::play::image(),
            user: None,
            standing: Standing::Running(wall),
        };
        let written = Written {
            uid: pod.uid.clone(),
            pod: key.clone(),
            seen,
        };
        things.containers.insert(id.clone(), written);
        drop(things);
        self.note(format!("start {key}/{name}#{attempt}"));
        self.environments.lock().unwrap().insert(key, environment);
        self.later(move || {
            Ok(Started {
                id,
                at: wall,
                image: crate::play::image(),
                user: None,
            })
        })
    }

    fn resize(&self, pod: &Arc<Pod>, running: Vec<(ContainerIx, ContainerId)>) -> Doing<Result<(), String>> {
        let names: Vec<&str> = running
            .iter()
            .filter_map(|(at, _)| pod.at(*at))
            .map(|container| &*container.name)
            .collect();
        self.note(format!("resize {} [{}]", pod.name, names.join(" ")));
        self.later(|| Ok(()))
    }

    fn stop(&self, id: &ContainerId, grace: Duration) -> Doing<Result<(), String>> {
        self.note(format!(
            "stop {} within {}s",
            &id[id.len() - 3..],
            grace.as_secs()
        ));
        let uid = self
            .things
            .lock()
            .unwrap()
            .containers
            .get(id)
            .map(|written| written.uid.clone());
        if let Some(uid) = uid {
            self.end(id, &uid, 0);
        }
        self.later(|| Ok(()))
    }

    fn remove(&self, id: &ContainerId) -> Doing<()> {
        self.things.lock().unwrap().containers.remove(id);
        self.later(|| ())
    }

    fn tear_down(&self, uid: &Uid) -> Doing<Result<(), String>> {
        self.things.lock().unwrap().sandboxes.remove(uid);
        self.later(|| Ok(()))
    }

    fn observe(&self) -> Vec<ObservedPod> {
        let things = self.things.lock().unwrap();
        let mut pods: BTreeMap<Uid, ObservedPod> = BTreeMap::new();
        for written in things.containers.values() {
            let fresh = || ObservedPod {
                uid: written.uid.clone(),
                namespace: "default".to_owned(),
                name: written.pod.clone(),
                grace: Duration::from_secs(30),
                observed: Observed {
                    sandbox: things.sandboxes.get(&written.uid).cloned(),
                    containers: Vec::new(),
                },
            };
            let pod = pods.entry(written.uid.clone()).or_insert_with(fresh);
            pod.observed.containers.push(written.seen.clone());
        }
        pods.into_values().collect()
    }

    fn ends(&self) -> Receiver<Ending> {
        self.ends.1.lock().unwrap().clone()
    }
}

impl Volumes for World {
    fn write(&self, pod: &Arc<Pod>, payloads: Vec<Payload>) -> Doing<Result<Arc<Mounts>, Refused>> {
        let mut things = self.things.lock().unwrap();
        for payload in payloads {
            things
                .volumes
                .insert((pod.name.clone(), payload.volume.clone()), payload);
        }
        drop(things);
        self.later(|| Ok(Arc::default()))
    }

    fn update(&self, pod: &Arc<Pod>, payload: Payload) -> Doing<Result<(), Refused>> {
        self.note(format!("update {}/{}", pod.name, payload.volume));
        let key = (pod.name.clone(), payload.volume.clone());
        self.things.lock().unwrap().volumes.insert(key, payload);
        self.later(|| Ok(()))
    }

    fn usage(&self, _uid: &Uid) -> Doing<Usage> {
        let usage = self.usage.lock().unwrap().clone();
        self.later(move || usage)
    }
}

impl Prober for World {
    fn probe(&self, _target: ProbeTarget, _timeout: Duration) -> Doing<Outcome> {
        self.later(|| Outcome::Success)
    }

    fn hook(&self, _target: HookTarget, _limit: Duration) -> Doing<Result<(), String>> {
        self.later(|| Ok(()))
    }
}

impl Services for World {
    fn left(&self, _pod: IpAddr) -> Doing<()> {
        self.later(|| ())
    }
}

impl Manifests for World {
    fn read(&self) -> Doing<io::Result<Vec<ManifestFile>>> {
        let files = self.manifests.lock().unwrap().clone();
        let files = files
            .into_iter()
            .map(|(path, text)| (path, Ok(text.into_bytes())));
        let files = files.collect();
        Box::pin(async move { Ok(files) })
    }

    fn changed(&self) -> Doing<()> {
        let changes = self.changes.1.clone();
        Box::pin(async move { changes.recv().await.unwrap_or(()) })
    }
}
