//! Prints what the codecs cost for a pod of about 3 KB, and how large the tables are:
//! `cargo run --release -p schema --example figures`.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a program that measures and prints"
)]

use schema::json::{self, Options};
use schema::{BUILTIN, MAX_REQUEST_BYTES, object, proto};
use std::hint::black_box;
use std::time::Instant;

const ROUNDS: u32 = 20_000;

/// Nanoseconds a call takes, as the median of nine batches.
fn median<T>(mut call: impl FnMut() -> T) -> f64 {
    let mut batch = || {
        let start = Instant::now();
        for _ in 0..ROUNDS / 9 {
            black_box(call());
        }
        start.elapsed().as_secs_f64() * 1e9 / f64::from(ROUNDS / 9)
    };
    let mut batches: Vec<f64> = (0..9).map(|_| batch()).collect();
    batches.sort_by(f64::total_cmp);
    batches[4]
}

fn print(what: &str, nanos: f64) {
    println!("{what:<28} {:8.2} us", nanos / 1000.0);
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let text = include_bytes!("pod.json");
    let ty = BUILTIN.find("core/v1", "Pod").ok_or("no Pod")?;
    let options = Options {
        report: true,
        ..Options::default()
    };
    let pod = json::decode(&BUILTIN, ty, text, options)?.object;
    let mut compact = Vec::new();
    json::encode(&BUILTIN, &pod, &mut compact);
    let message = proto::seal(&BUILTIN, &pod)?;
    let body = object::body(&BUILTIN, &pod);
    println!(
        "pod: JSON {} bytes, protobuf {} bytes, body {} bytes",
        compact.len(),
        message.len(),
        body.len()
    );
    println!(
        "type table: {} bytes for {} types",
        BUILTIN.size(),
        BUILTIN.ids().count()
    );
    print(
        "JSON decode (strict)",
        median(|| json::decode(&BUILTIN, ty, &compact, options)),
    );
    print(
        "JSON encode",
        median(|| {
            let mut out = Vec::with_capacity(compact.len());
            json::encode(&BUILTIN, &pod, &mut out);
            out
        }),
    );
    print(
        "protobuf decode",
        median(|| proto::open(&BUILTIN, Some(ty), &message, MAX_REQUEST_BYTES)),
    );
    print("protobuf encode", median(|| proto::seal(&BUILTIN, &pod)));
    print("body scan", median(|| object::scan(&body)));
    let (_, at) = object::scan(&body)?;
    let prefix = object::Prefix::new("v1", "Pod");
    print(
        "body splice",
        median(|| object::splice(&prefix, &body, at, object::Revision(123_456))),
    );
    Ok(())
}
