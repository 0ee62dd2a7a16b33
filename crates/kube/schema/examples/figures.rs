//! Prints what the codecs cost for a pod of about 3 KB, and how large the tables are:
//! `cargo run --release -p schema --example figures`.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a program that measures and prints"
)]

use schema::json::{self, Options};
use schema::object::{Order, Prefix};
use schema::{BUILTIN, MAX_REQUEST_BYTES, object, proto};
use std::hint::black_box;
use std::time::Instant;

const ROUNDS: u32 = 20_000;

/// Nanoseconds a call takes in the best of nine batches: what other work on the machine costs is
/// not the codec's.
fn best<T>(mut call: impl FnMut() -> T) -> f64 {
    let mut batch = || {
        let start = Instant::now();
        for _ in 0..ROUNDS / 9 {
            black_box(call());
        }
        start.elapsed().as_secs_f64() * 1e9 / f64::from(ROUNDS / 9)
    };
    (0..9).map(|_| batch()).fold(f64::INFINITY, f64::min)
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
        best(|| json::decode(&BUILTIN, ty, &compact, options)),
    );
    print(
        "JSON encode",
        best(|| {
            let mut out = Vec::with_capacity(compact.len());
            json::encode(&BUILTIN, &pod, &mut out);
            out
        }),
    );
    print(
        "protobuf decode",
        best(|| proto::open(&BUILTIN, Some(ty), &message, MAX_REQUEST_BYTES)),
    );
    print("protobuf encode", best(|| proto::seal(&BUILTIN, &pod)));
    print("body scan", best(|| object::scan(&body, Order::Declared)));
    let (_, at) = object::scan(&body, Order::Declared)?;
    let prefix = Prefix::new("v1", "Pod", Order::Declared);
    print(
        "body splice",
        best(|| object::splice(&prefix, &body, at, object::Revision(123_456))),
    );
    Ok(())
}
