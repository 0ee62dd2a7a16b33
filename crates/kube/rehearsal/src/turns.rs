//! Who runs when: the executor until it has nothing to do, then the store's writer, then time.

use std::sync::{Arc, Mutex};

use driver::{Env as _, Sim};
use store::Writer;

/// What runs longer than this many rounds runs for ever.
const ROUNDS: u32 = 100_000;

/// Lets the writer work once; false if there was nothing to write.
pub(crate) fn write(writer: &mut Writer) -> bool {
    let job = writer.turn();
    let wrote = job.is_some();
    if let Some(job) = job {
        writer.finish(job.run());
    }
    wrote
}

/// Runs a future to its end, turning the store's writer whenever nobody else can work.
pub(crate) fn run<T: Send + 'static>(
    sim: &Sim,
    writer: &Mutex<Writer>,
    work: impl Future<Output = T> + Send + 'static,
) -> T {
    let slot = Arc::new(Mutex::new(None));
    let done = slot.clone();
    sim.spawn(Box::pin(async move {
        let result = work.await;
        *done.lock().unwrap() = Some(result);
    }));
    for _ in 0..ROUNDS {
        sim.run_ready();
        if let Some(result) = slot.lock().unwrap().take() {
            return result;
        }
        write(&mut writer.lock().unwrap());
        if !sim.is_ready() {
            sim.step();
        }
    }
    panic!("it does not end");
}
