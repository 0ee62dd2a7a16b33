//! What is about a manifest is listed in pages that clients take, however much each says of itself.

use std::collections::BTreeSet;

use image::Digest;
use serde_json::{Value, json};

use crate::setup::Setup;
use crate::suite::ask;
use crate::suite::content::{artifact, push_manifest};

#[tokio::test]
async fn referrers_come_in_pages_of_bounded_size() {
    let setup = Setup::new(|_| {});
    let subject = Digest::of(b"subject");
    let about = |notes: usize| {
        json!({
            "subject": {"mediaType": "x", "digest": subject.to_string(), "size": 7},
            "annotations": {"note": "n".repeat(notes)},
        })
    };
    let mut pushed = BTreeSet::new();
    // Two of the first fit a page, and the last one's notes none.
    for (seed, notes) in [("1", 1 << 20), ("2", 1 << 20), ("3", 1 << 20), ("4", 3 << 20)] {
        let bytes = artifact(&setup, "x", seed, about(notes)).await;
        let digest = Digest::of(&bytes).to_string();
        push_manifest(&setup, "x", &digest, &bytes).await;
        pushed.insert(digest);
    }
    let (mut path, mut found, mut noted, mut pages) =
        (format!("/v2/x/referrers/{subject}"), BTreeSet::new(), 0, 0);
    loop {
        let got = ask("GET", &path).expect(&setup, 200).await;
        assert!(got.body.len() < 4 << 20, "{} bytes", got.body.len());
        for each in got.json()["manifests"].as_array().unwrap() {
            assert!(found.insert(each["digest"].as_str().unwrap().to_owned()));
            noted += usize::from(each["annotations"] != Value::Null);
        }
        pages += 1;
        let Some(link) = got.headers.get("link") else {
            break;
        };
        let link = link.to_str().unwrap();
        let end = link.find('>').unwrap();
        path = link[1..end].to_owned();
    }
    assert_eq!((found, noted), (pushed, 3));
    assert!(pages > 1);
}
