//! The client's verbs and informers, as a remote process uses them: here is the control plane to try them on.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use auth::UserInfo;
use bytes::Bytes;
use client::{
    Answered, Changes, Client, DeleteOptions, Discovery, Event, Follow, InProcess, Informers, ListOptions,
    PatchKind, Selectors, Step, Transport, WatchOptions, WriteOptions,
};
use driver::Env;
use http::Request;
use http_body_util::BodyExt;
use serde_json::json;

use crate::node::{MAPS, Node, WIDGETS};

#[test]
fn every_verb_does_what_it_says() {
    let node = Node::open(1, driver::SimDisk::new());
    let client = node.client.clone();
    node.run(async move {
        let (place, options) = (MAPS.within("default"), WriteOptions::default());
        for name in ["a", "b", "c"] {
            let object = json!({"metadata": {"name": name, "labels": {"n": name}}, "data": {"k": "v"}});
            client.create(place, object.to_string(), &options).await.unwrap();
        }
        let twice = client
            .create(place, json!({"metadata": {"name": "a"}}).to_string(), &options)
            .await;
        assert!(twice.unwrap_err().is_already_exists());
        let dry = WriteOptions {
            dry_run: true,
            ..WriteOptions::default()
        };
        let merge = json!({"data": {"k": "w"}}).to_string();
        let patched = client
            .patch(place.named("a"), PatchKind::Merge, merge, &dry)
            .await
            .unwrap();
        assert_eq!(patched.text(&["data", "k"]), "w");
        let got = client.get(place.named("a")).await.unwrap();
        assert_eq!(got.text(&["data", "k"]), "v", "a dry run writes nothing");

        let page = ListOptions {
            limit: 2,
            ..ListOptions::default()
        };
        let first = client.list(place, &page).await.unwrap();
        assert_eq!(first.items.len(), 2);
        let rest = ListOptions {
            continues: first.continues,
            ..page
        };
        let rest = client.list(place, &rest).await.unwrap();
        assert!(!rest.items.is_empty() && rest.resource_version == first.resource_version);

        let watch = WatchOptions {
            resource_version: first.resource_version.clone(),
            ..WatchOptions::default()
        };
        let mut watch = client.watch(place, &watch).await.unwrap();
        let config =
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "d"}, "data": {"x": "1"}});
        let manager = WriteOptions {
            field_manager: "tester".to_owned(),
            ..WriteOptions::default()
        };
        client
            .apply(place.named("d"), config.to_string(), &manager)
            .await
            .unwrap();
        client
            .delete(place.named("d"), &DeleteOptions::default())
            .await
            .unwrap();
        assert!(matches!(watch.next().await.unwrap(), Some(Event::Added(object)) if object.name() == "d"));
        assert!(matches!(watch.next().await.unwrap(), Some(Event::Deleted(object)) if object.name() == "d"));
        let gone = client.get(place.named("d")).await.unwrap_err();
        assert!(gone.is_not_found() && gone.to_string() == "configmaps \"d\" not found");

        let which = ListOptions {
            selectors: Selectors {
                labels: "n in (a,b)".to_owned(),
                ..Selectors::default()
            },
            ..ListOptions::default()
        };
        client
            .delete_collection(place, &DeleteOptions::default(), &which)
            .await
            .unwrap();
        let left = client.list_all(place, &ListOptions::default()).await.unwrap();
        let names: Vec<String> = left.items.iter().map(client::Object::name).collect();
        assert_eq!(names, ["c", "kube-root-ca.crt"]);
    });
}

#[test]
fn discovery_over_the_wire_is_the_tables() {
    let node = Node::open(1, driver::SimDisk::new());
    let client = node.client.clone();
    let asked = node.run(async move { Discovery::read(&client).await }).unwrap();
    let own = Discovery::of(node.server.resources());
    let mut asked: Vec<String> = asked.entries().iter().map(|each| format!("{each:?}")).collect();
    let mut own: Vec<String> = own.entries().iter().map(|each| format!("{each:?}")).collect();
    asked.sort();
    own.sort();
    assert_eq!(asked, own);
}

#[test]
fn what_is_followed_from_too_long_ago_is_listed_anew() {
    // After a restart the cache knows nothing of before.
    let node = Node::open(1, driver::SimDisk::new()).crash(2);
    let env: Arc<dyn Env> = Arc::new(node.sim());
    let everything = Selectors::default();
    let mut follow = Follow::new(node.client.clone(), env, MAPS.clone(), "default", everything).from("1");
    node.run(async move {
        let Step::Listed { objects, .. } = follow.next(|_| {}).await else {
            panic!("it is too long ago");
        };
        assert_eq!(objects.len(), 1);
    });
}

#[test]
fn a_remote_informer_shows_what_the_server_has() {
    let node = Node::open(1, driver::SimDisk::new());
    node.define_widgets();
    let env: Arc<dyn Env> = Arc::new(node.sim());
    let informers = Informers::remote(node.client.clone(), env);
    let (maps, widgets) = (informers.of(&MAPS), informers.of(&WIDGETS));
    let mut following = maps.follow();
    let first = node.run(async move { (following.next().await, following) });
    let (Some(Changes::All(snapshot)), mut following) = first else {
        panic!("how things stand comes first");
    };
    assert!(snapshot.get("default/kube-root-ca.crt").is_some());
    node.map("default", "m", &[]);
    node.create(
        &WIDGETS,
        "default",
        &json!({"metadata": {"name": "w"}, "spec": {"size": 1}}),
    );
    let (change, mut following) = node.run(async move { (following.next().await, following) });
    let Some(Changes::One(change)) = change else {
        panic!("one has changed: {change:?}");
    };
    assert_eq!(change.object.unwrap().meta.name.as_ref(), "m");
    node.until("widgets are seen", |_| {
        widgets.snapshot().get("default/w").is_some()
    });
    node.delete(&MAPS, "default", "m", None);
    let (change, _following) = node.run(async move { (following.next().await, following) });
    assert!(matches!(change, Some(Changes::One(change)) if change.object.is_none()));
    assert!(maps.snapshot().get("default/m").is_none());
    assert_eq!(maps.snapshot().len(), node.names(&MAPS, "").len());
}

/// A transport that counts the answers which somebody still reads.
struct Counting {
    inner: InProcess,
    open: Arc<AtomicUsize>,
}

/// One of them.
struct Open(Arc<AtomicUsize>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Transport for Counting {
    fn send(&self, request: Request<Bytes>) -> Answered<'_> {
        let (sending, open) = (self.inner.send(request), self.open.clone());
        Box::pin(async move {
            let answer = sending.await?;
            open.fetch_add(1, Ordering::SeqCst);
            let held = Open(open);
            Ok(answer.map(|body| {
                let counted = body.map_frame(move |frame| {
                    let _held = &held;
                    frame
                });
                counted.boxed_unsync()
            }))
        })
    }
}

#[test]
fn a_resource_is_followed_for_as_long_as_somebody_wants_it() {
    let node = Node::open(1, driver::SimDisk::new());
    let open = Arc::new(AtomicUsize::new(0));
    let admin = UserInfo {
        groups: vec![UserInfo::MASTERS.to_owned()],
        ..UserInfo::default()
    };
    let transport = Counting {
        inner: InProcess::new(node.server.clone(), admin),
        open: open.clone(),
    };
    let env: Arc<dyn Env> = Arc::new(node.sim());
    let informers = Informers::remote(Client::new(Arc::new(transport), "tester"), env);
    let watches = |count: usize, what: &str| node.until(what, |_| open.load(Ordering::SeqCst) == count);
    let (one, other) = (informers.of(&MAPS), informers.of(&MAPS));
    watches(1, "both share one watch");
    let following = one.follow();
    drop((one, other));
    node.settle();
    watches(1, "who follows keeps it");
    drop(following);
    watches(0, "nobody wants it");
    let again = informers.of(&MAPS);
    watches(1, "it is followed anew");
    assert!(again.snapshot().get("default/kube-root-ca.crt").is_some());
}
