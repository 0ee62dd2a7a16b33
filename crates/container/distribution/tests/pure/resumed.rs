//! A pull that follows one that failed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use distribution::{Credentials, Progress, Pull};
use image::{Digest, media_type};

use crate::fake::{Fake, Seen, reply};
use crate::hostile::{config_of, descriptor, manifest, registries};

/// Bytes that no compression makes fewer.
fn noise(count: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut next = || {
        // Knuth's MMIX.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    };
    (0..count).map(|_| next()).collect()
}

/// The first time the layer breaks off, and nothing more of it is given.
#[tokio::test]
async fn what_came_before_a_pull_failed_is_not_asked_for_again() {
    let mut builder = tar::Builder::new(Vec::new());
    let bytes = noise(4 << 20);
    let mut header = tar::Header::new_ustar();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    builder.append_data(&mut header, "noise", &*bytes).unwrap();
    let layer = builder.into_inner().unwrap();
    let config = config_of(&[Digest::of(&layer).to_string()]);
    let manifest = manifest(
        &descriptor(media_type::CONFIG, &config),
        &[descriptor(media_type::LAYER, &layer)],
    );
    let whole = Arc::new(AtomicBool::new(false));
    let (is_whole, of_layer) = (whole.clone(), Digest::of(&layer).to_string());
    let lied = Arc::new(AtomicBool::new(false));
    let lies = lied.clone();
    let fake = Fake::plain(move |seen: &Seen| {
        let last = seen.path.rsplit('/').next().unwrap_or_default();
        let from = seen
            .header("range")
            .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-'));
        let from = from.map(|from| from.parse::<usize>().unwrap());
        match (last, from) {
            ("v1", _) => reply(200)
                .with("content-type", media_type::MANIFEST)
                .body(manifest.clone()),
            (last, None) if last == of_layer && is_whole.load(Ordering::SeqCst) => {
                reply(200).body(layer.clone())
            }
            (last, None) if last == of_layer && lies.load(Ordering::SeqCst) => {
                reply(200).body(vec![0; layer.len()]).broken_after(3 << 20)
            }
            (last, None) if last == of_layer => reply(200).body(layer.clone()).broken_after(3 << 20),
            (last, Some(from)) if last == of_layer && is_whole.load(Ordering::SeqCst) => reply(206)
                .with(
                    "content-range",
                    format!("bytes {from}-{}/{}", layer.len() - 1, layer.len()),
                )
                .body(layer[from..].to_vec()),
            (last, _) if last == of_layer => reply(403),
            _ => reply(200).body(config.clone()),
        }
    })
    .await;
    let ranges = |fake: &Fake| {
        let asked = fake
            .seen()
            .into_iter()
            .filter(|seen| seen.path.contains("/blobs/"));
        asked
            .filter_map(|seen| seen.header("range").map(str::to_owned))
            .collect::<Vec<_>>()
    };
    // Also where what was kept turns out to be something else: then all of it is fetched.
    for lie in [false, true] {
        whole.store(false, Ordering::SeqCst);
        lied.store(lie, Ordering::SeqCst);
        let (registries, directory) = registries();
        let wish = Pull {
            reference: format!("{}/a/b:v1", fake.host()).parse().unwrap(),
            platform: None,
            credentials: Credentials::Anonymous,
        };
        let pull = async || {
            let (told, _listening) = tokio::sync::mpsc::channel(1000);
            registries.pull(&wish, &Progress(told)).await
        };
        let kept = || {
            std::fs::read_dir(directory.path().join("content/beginnings"))
                .unwrap()
                .count()
        };
        pull().await.unwrap_err();
        assert_eq!(kept(), 1);
        let before = ranges(&fake).len();
        whole.store(true, Ordering::SeqCst);
        pull().await.unwrap();
        let after = ranges(&fake).split_off(before);
        let [range] = &after[..] else { panic!("{after:?}") };
        assert_ne!(range, "bytes=0-");
        assert_eq!(kept(), 0);
        assert_eq!(
            std::fs::read_dir(directory.path().join("content/ingest"))
                .unwrap()
                .count(),
            0
        );
    }
}
