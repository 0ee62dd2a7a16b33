use bytes::Bytes;
use driver::Sim;
use store::{Expect, Key, Store as _};

use super::*;
use crate::cache::tests::Driven;
use crate::select::{LabelSelector, Selection};

const PODS: &str = "/registry/pods/";

async fn put(store: &Driven, namespace: &str, at: usize) {
    let label = at % 3;
    let body = format!(
        r#"{{"metadata":{{"name":"p{at:03}","namespace":"{namespace}","labels":{{"l":"{label}"}}}}}}"#
    );
    let key = Key::from(format!("{PODS}{namespace}/p{at:03}").as_str());
    store.put(key, Bytes::from(body), Expect::Any).await.unwrap();
}

fn options(labels: &str, limit: usize, continues: &str) -> ListOptions {
    let selection = Selection {
        labels: LabelSelector::parse(labels).unwrap(),
        ..Selection::default()
    };
    ListOptions {
        selection,
        limit: Some(limit),
        continues: continues.to_owned(),
        ..ListOptions::default()
    }
}

async fn page(cache: &Cache, below: &str, options: &ListOptions) -> Result<Listed, ReadError> {
    let token = token(options).unwrap();
    let part = Part {
        prefix: PODS,
        below: below.to_owned(),
        start: token
            .as_ref()
            .map_or(String::new(), |token| format!("{below}{}", token.start)),
        single: false,
    };
    match source(options, token.as_ref()).unwrap() {
        Source::Exact(revision) => exact(cache, &part, options, options.limit, revision).await,
        _ => {
            cache.wait_for_newest().await?;
            Ok(cached(cache.snapshot(PODS), part, options, options.limit))
        }
    }
}

/// The keys of all pages, each read after somebody has changed the collection.
async fn pages(cache: &Cache, store: &Driven, below: &str, labels: &str, limit: usize) -> Vec<String> {
    let (mut keys, mut continues) = (Vec::new(), String::new());
    loop {
        let mut listed = page(cache, below, &options(labels, limit, &continues))
            .await
            .unwrap();
        let objects = listed.objects.collect();
        assert!(objects.len() <= limit);
        keys.extend(objects.iter().map(|object| object.key.to_string()));
        assert_eq!(
            listed.remaining.is_some(),
            labels.is_empty() && !listed.continues.is_empty()
        );
        if listed.continues.is_empty() {
            return keys;
        }
        continues = listed.continues;
        put(store, "a", 500 + keys.len()).await;
        store
            .delete(Key::from(format!("{PODS}b/p007").as_str()), Expect::Any)
            .await
            .unwrap();
        cache.wait_for_newest().await.unwrap();
    }
}

/// The keys of a list without a limit, found `step` at a time.
async fn unlimited(cache: &Cache, below: &str, labels: &str, step: usize) -> Vec<String> {
    let options = ListOptions {
        limit: None,
        ..options(labels, 1, "")
    };
    let mut listed = page(cache, below, &options).await.unwrap();
    assert!(matches!(listed.objects, Objects::Whole(_)));
    let mut keys = Vec::new();
    loop {
        let until = keys.len() + step;
        let more = listed.objects.next_while(|object| {
            keys.push(object.key.to_string());
            keys.len() < until
        });
        if !more {
            return keys;
        }
    }
}

#[test]
fn pages_are_the_snapshot_of_the_first_one() {
    let sim = Sim::new(1);
    let env = sim.clone();
    sim.block_on(async move {
        for (below, labels, limit) in [
            ("", "", 7),
            ("b/", "", 1),
            ("", "l=1", 5),
            ("b/", "l!=1", 100),
            ("", "", 60),
        ] {
            let store = Driven::new(10_000);
            for at in 0..30 {
                put(&store, "a", at).await;
                put(&store, "b", at).await;
            }
            let cache = Cache::open(store.clone(), Arc::new(env.clone())).await.unwrap();
            let mut whole = page(&cache, below, &options(labels, 1000, "")).await.unwrap();
            let objects = whole.objects.collect();
            let expected: Vec<String> = objects.iter().map(|object| object.key.to_string()).collect();
            assert_eq!(unlimited(&cache, below, labels, limit).await, expected);
            assert_eq!(
                pages(&cache, &store, below, labels, limit).await,
                expected,
                "{below} {labels} {limit}"
            );
        }
    });
}

#[test]
fn a_page_of_a_forgotten_revision_says_how_to_go_on() {
    let sim = Sim::new(2);
    let env = sim.clone();
    sim.block_on(async move {
        let store = Driven::new(10_000);
        for at in 0..4 {
            put(&store, "a", at).await;
        }
        let cache = Cache::open(store.clone(), Arc::new(env)).await.unwrap();
        let first = page(&cache, "", &options("", 2, "")).await.unwrap();
        assert_eq!(first.remaining, Some(2));
        put(&store, "a", 4).await;
        store.compact(store.revision()).await.unwrap();
        let error = page(&cache, "", &options("", 2, &first.continues))
            .await
            .unwrap_err();
        let start = Token::decode(&first.continues).unwrap().start;
        let status = serde_json::to_value(read_error::status(&error, Some(&start))).unwrap();
        assert_eq!(
            (&status["code"], &status["reason"]),
            (&410.into(), &"Expired".into())
        );
        let again = status["metadata"]["continue"].as_str().unwrap();
        let rest = page(&cache, "", &options("", 5, again))
            .await
            .unwrap()
            .objects
            .collect();
        let keys: Vec<&str> = rest.iter().map(|object| &*object.key).collect();
        assert_eq!(keys, ["a/p002", "a/p003", "a/p004"]);
    });
}
