//! Uploads that an earlier run has left.

use std::sync::Arc;
use std::time::Duration;

use driver::{Clock, ManualClock};
use image::{Digest, LeftUpload};

use crate::memory::Memory;
use crate::setup::Setup;
use crate::suite::ask;

fn name(number: u8) -> String {
    format!("{number:02x}000000-0000-4000-8000-000000000000")
}

fn left(clock: &ManualClock, number: u8, repository: &str, age: u64) -> LeftUpload {
    LeftUpload {
        name: name(number),
        note: format!(
            r#"{{"repository":"localhost:5000/{repository}","client":"ann","algorithm":"sha256"}}"#
        )
        .into(),
        written: clock.wall() - Duration::from_secs(age),
    }
}

#[tokio::test]
async fn whoever_began_an_upload_goes_on_after_a_restart() {
    let (memory, clock) = (Memory::default(), Arc::new(ManualClock::new()));
    memory.leave(left(&clock, 1, "team/app", 10), b"half of ");
    memory.leave(left(&clock, 2, "team/app", 3601), b"too old");
    let odd = LeftUpload {
        name: "odd".to_owned(),
        ..left(&clock, 3, "team/app", 0)
    };
    memory.leave(odd, b"none of ours");
    let unsaid = LeftUpload {
        note: b"{}".to_vec(),
        ..left(&clock, 4, "team/app", 0)
    };
    memory.leave(unsaid, b"nobody's");
    let setup = Setup::over(memory, clock, |_| (), None);
    assert_eq!(
        setup.memory.left(),
        [name(1)],
        "what cannot be gone on with is cleared"
    );
    let path = format!("/v2/team/app/blobs/uploads/{}", name(1));
    let status = ask("GET", &path).expect(&setup, 204).await;
    assert_eq!(status.headers["range"], "0-7");
    ask("GET", format!("/v2/other/blobs/uploads/{}", name(1)))
        .expect(&setup, 404)
        .await;
    ask("GET", format!("/v2/team/app/blobs/uploads/{}", name(2)))
        .expect(&setup, 404)
        .await;
    let digest = Digest::of(b"half of it");
    ask("PUT", format!("{path}?digest={digest}"))
        .body("it")
        .expect(&setup, 201)
        .await;
    let got = ask("GET", format!("/v2/team/app/blobs/{digest}"))
        .expect(&setup, 200)
        .await;
    assert_eq!(got.body, &b"half of it"[..]);
}

#[tokio::test]
async fn no_more_are_taken_up_than_may_be_open() {
    let (memory, clock) = (Memory::default(), Arc::new(ManualClock::new()));
    for number in 1..=5 {
        memory.leave(left(&clock, number, "x", number.into()), b"1");
    }
    let setup = Setup::over(
        memory,
        clock,
        |config| config.limits.uploads_of_one_client = 2,
        None,
    );
    assert_eq!(setup.memory.left(), [name(1), name(2)], "those of the last");
}
