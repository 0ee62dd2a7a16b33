//! Requests that nobody sends by mistake: none ends in a panic, and no byte of an upload is lost or doubled.

use image::Digest;
use proptest::prelude::*;
use tokio::runtime::Builder;

use crate::setup::Setup;
use crate::suite::{Ask, Registry, ask, with};

fn run<T>(work: impl Future<Output = T>) -> T {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(work)
}

/// What a client does to an upload.
#[derive(Clone, Debug)]
enum Step {
    Patch {
        range: Option<(u64, u64)>,
        bytes: Vec<u8>,
        streamed: bool,
    },
    Status,
    Other(&'static str),
}

fn step() -> impl Strategy<Value = Step> {
    let bytes = proptest::collection::vec(any::<u8>(), 0..40);
    let range = proptest::option::of((0u64..60, 0u64..60));
    prop_oneof![
        4 => (range, bytes, any::<bool>()).prop_map(|(range, bytes, streamed)| Step::Patch { range, bytes, streamed }),
        1 => Just(Step::Status),
        1 => prop_oneof![Just("POST"), Just("OPTIONS"), Just("HEAD")].prop_map(Step::Other),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The model is the bytes of the requests that were accepted.
    #[test]
    fn an_upload_is_what_was_accepted(steps in proptest::collection::vec(step(), 0..20)) {
        run(async {
            let setup = Setup::new(|_| {});
            let begun = ask("POST", "/v2/x/blobs/uploads/").expect(&setup, 202).await.location();
            let mut model: Vec<u8> = Vec::new();
            for step in steps {
                match step {
                    Step::Patch { range, bytes, streamed } => {
                        let mut patch = ask("PATCH", &begun).body(bytes.clone());
                        patch.streamed = streamed;
                        if let Some((first, last)) = range {
                            patch = patch.header("content-range", format!("{first}-{last}"));
                        }
                        let got = setup.send(patch).await;
                        // A stream that brings less than it has announced is refused, and what came of it is there.
                        let status = ask("GET", &begun).expect(&setup, 204).await;
                        let end: usize = status.text("range").strip_prefix("0-").unwrap().parse().unwrap();
                        if got.status == 202 {
                            model.extend_from_slice(&bytes);
                        } else if end + 1 > model.len() && end > 0 {
                            let more = end + 1 - model.len();
                            model.extend_from_slice(&bytes[..more]);
                        }
                        assert_eq!(end, model.len().saturating_sub(1));
                    }
                    Step::Status => drop(ask("GET", &begun).expect(&setup, 204).await),
                    Step::Other(method) => drop(setup.send(ask(method, &begun)).await),
                }
            }
            let digest = Digest::of(&model);
            ask("PUT", with(&begun, &format!("digest={digest}"))).expect(&setup, 201).await;
            let got = ask("GET", format!("/v2/x/blobs/{digest}")).expect(&setup, 200).await;
            assert_eq!(got.body, model);
        });
    }

    #[test]
    fn no_request_is_too_strange(
        method in prop_oneof![
            Just("GET"), Just("HEAD"), Just("PUT"), Just("POST"), Just("PATCH"), Just("DELETE"), Just("TRACE")
        ],
        path in prop_oneof![
            "/v2/[a-z/._-]{0,20}(/(manifests|blobs|referrers|tags|uploads|list)){0,3}(/[a-zA-Z0-9:.%_-]{0,80})?",
            "/[!-~&&[^#?]]{0,60}",
        ],
        query in "([?][a-z]{0,3}(n|last|ns|tag|mount|from|digest|artifactType)=[a-zA-Z0-9:./%_-]{0,40})?",
        headers in proptest::collection::vec((
            prop_oneof![
                Just("range"), Just("content-range"), Just("content-length"), Just("content-type"), Just("accept"),
                Just("if-none-match"), Just("authorization"), Just("if-range"), Just("origin"),
            ],
            "[ -~]{0,40}",
        ), 0..4),
        body in proptest::collection::vec(any::<u8>(), 0..64),
    ) {
        run(async {
            let setup = Setup::new(|_| {});
            let ask = Ask { method, path: format!("{path}{query}"), headers, body: body.into(), streamed: false };
            // What no client's library makes a request of no server is sent either.
            let valid = ask.path.parse::<http::Uri>().is_ok_and(|uri| uri.authority().is_none());
            if valid && ask.headers.iter().all(|(_, value)| http::HeaderValue::from_str(value).is_ok()) {
                let got = setup.send(ask.clone()).await;
                assert!(got.status.as_u16() < 500, "{ask:?}: {got:?}");
            }
        });
    }
}

#[tokio::test]
async fn long_names_are_not_echoed() {
    let setup = Setup::new(|_| {});
    let got = ask("GET", format!("/v2/{}/manifests/v1", "a".repeat(60_000)))
        .expect(&setup, 400)
        .await;
    assert!(got.body.len() < 1000);
    let got = ask("GET", format!("/v2/x/manifests/{}", "v".repeat(60_000)))
        .expect(&setup, 404)
        .await;
    assert!(got.body.len() < 1000);
}
