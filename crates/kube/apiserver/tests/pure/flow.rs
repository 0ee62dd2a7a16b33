//! Clients that send, read or stay too little: whose seats they hold, and what becomes of their work.

use std::time::Duration;

use apiserver::{BodyError, Incoming};
use bytes::Bytes;
use futures_util::{FutureExt, stream};
use http::Request;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use serde_json::json;

use crate::door::{Door, named, whole};

const FLOW: &str = "/apis/flowcontrol.apiserver.k8s.io/v1";
const RIGHTS: &str = "/apis/rbac.authorization.k8s.io/v1";
const MAPS: &str = "/api/v1/namespaces/default/configmaps";

fn make(door: &Door, path: &str, object: &serde_json::Value) {
    let got = door.send("POST", path, &object.to_string());
    assert_eq!(got.code, 201, "{}", got.text);
}

/// A server on which `somebody` may do anything, and has one seat for it and no queue.
fn one_seat() -> Door {
    let door = Door::open();
    let somebody = json!([{"kind": "User", "name": "somebody"}]);
    make(
        &door,
        &format!("{RIGHTS}/clusterrolebindings"),
        &json!({
            "metadata": {"name": "somebody"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": somebody,
        }),
    );
    make(
        &door,
        &format!("{FLOW}/prioritylevelconfigurations"),
        &json!({
            "metadata": {"name": "narrow"},
            "spec": {
                "type": "Limited",
                "limited": {"nominalConcurrencyShares": 0, "limitResponse": {"type": "Reject"}},
            },
        }),
    );
    make(
        &door,
        &format!("{FLOW}/flowschemas"),
        &json!({
            "metadata": {"name": "narrow"},
            "spec": {
                "matchingPrecedence": 2,
                "priorityLevelConfiguration": {"name": "narrow"},
                "rules": [{
                    "subjects": [{"kind": "User", "user": {"name": "somebody"}}],
                    "resourceRules": [{
                        "verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "namespaces": ["*"],
                        "clusterScope": true,
                    }],
                }],
            },
        }),
    );
    door.settle();
    door
}

fn get(path: &str) -> Request<Incoming> {
    Request::get(path).body(whole(Bytes::new())).unwrap()
}

/// A body of which only this much comes.
fn half(bytes: &'static [u8]) -> Incoming {
    let frames = stream::iter([Ok::<_, BodyError>(Frame::data(Bytes::from_static(bytes)))]);
    StreamBody::new(stream::StreamExt::chain(frames, stream::pending())).boxed()
}

#[test]
fn an_answer_holds_its_seat_until_it_is_sent_or_given_up() {
    let door = one_seat();
    let held = door.answer("somebody", get(MAPS));
    assert_eq!(held.status(), 200);
    // Upstream grants at least one seat; this one waits for its client.
    assert_eq!(door.answer("somebody", get(MAPS)).status(), 429);
    drop(held);
    let sent = door.answer("somebody", get(MAPS));
    let text = sent.into_body().collect().now_or_never().unwrap().unwrap();
    assert!(text.to_bytes().starts_with(b"{\"kind\":\"ConfigMapList\""));
    assert_eq!(door.answer("somebody", get(MAPS)).status(), 200);
}

#[test]
fn a_body_that_comes_slowly_holds_no_seat_and_its_time_is_bounded() {
    let door = one_seat();
    let slow = || Request::post(MAPS).body(half(b"{\"kind\"")).unwrap();
    let begun: Vec<_> = (0..5).map(|_| door.begin_as("somebody", slow())).collect();
    door.run_ready();
    assert_eq!(door.answer("somebody", get(MAPS)).status(), 200);
    door.pass(Duration::from_secs(61));
    for code in begun {
        assert_eq!(*code.lock().unwrap(), Some(504));
    }
}

#[test]
fn who_may_not_write_is_told_before_the_body_is_read() {
    let door = Door::open();
    let request = Request::post(MAPS).body(half(b"{")).unwrap();
    assert_eq!(door.answer("nobody", request).status(), 403);
}

fn service(address: &str) -> Bytes {
    let spec = json!({"ports": [{"port": 80}], "clusterIP": address});
    Bytes::from(json!({"metadata": {"generateName": "s-"}, "spec": spec}).to_string())
}

/// The store has the write, the client has left before it is told: the object has its address all the same.
#[test]
fn a_write_that_has_begun_is_finished_for_a_client_that_left() {
    const SERVICES: &str = "/api/v1/namespaces/default/services";
    let door = one_seat();
    let request = |address: &str| Request::post(SERVICES).body(whole(service(address))).unwrap();
    let mut work = Box::pin(door.handle(request("10.43.0.77"), named("somebody")));
    for _ in 0..10 {
        assert!((&mut work).now_or_never().is_none(), "nobody turns the writer");
        door.run_ready();
    }
    // Its seat is still taken.
    drop(work);
    assert_eq!(door.answer("somebody", get(SERVICES)).status(), 429);
    door.pass(Duration::from_secs(1));
    let listed = door.send("GET", SERVICES, "");
    assert!(listed.text.contains("10.43.0.77"), "{}", listed.text);
    assert_eq!(door.answer("somebody", request("10.43.0.77")).status(), 422);
    assert_eq!(door.answer("somebody", request("10.43.0.78")).status(), 201);
}
