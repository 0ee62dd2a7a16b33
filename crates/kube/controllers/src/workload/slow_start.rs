//! Creating many things where the first may show that none can be made.

use client::{Client, Error};
use futures_util::{StreamExt, stream};

use crate::act::{Action, attempt};

/// Writes under way at once: they share the store's syncs.
const AT_ONCE: usize = 64;

/// Carries writes out 1, 2, 4 … at a time, and no more after the first batch in which one fails: a quota that is used up
/// costs a few requests and not hundreds. Answers for each that was tried, in their order.
pub(crate) async fn slow_start(client: &Client, actions: &[Action]) -> Vec<Result<(), Error>> {
    let mut done = Vec::with_capacity(actions.len());
    let mut size = 1;
    while done.len() < actions.len() && done.iter().all(Result::is_ok) {
        let end = actions.len().min(done.len() + size);
        done.extend(together(client, &actions[done.len()..end]).await);
        size *= 2;
    }
    done
}

/// Carries writes out that do not depend on each other. Answers for each, in their order.
pub(crate) async fn together(client: &Client, actions: &[Action]) -> Vec<Result<(), Error>> {
    let work: Vec<_> = actions.iter().map(|action| attempt(client, action)).collect();
    stream::iter(work).buffered(AT_ONCE).collect().await
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Mutex};

    use bytes::Bytes;
    use client::{Answered, Transport, TransportError};
    use driver::Sim;
    use http_body_util::{BodyExt, Full};
    use serde_json::json;

    use super::*;
    use crate::resources::PODS;

    /// Answers 201 a few times and then 403.
    struct Quota(AtomicUsize);

    impl Transport for Quota {
        fn send(&self, _: http::Request<Bytes>) -> Answered<'_> {
            let left = self
                .0
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
            let code = if left.is_ok() { 201 } else { 403 };
            let body = json!({"kind": "Status", "status": "Failure", "code": code}).to_string();
            Box::pin(async move {
                let body = Full::new(Bytes::from(body)).map_err(|never| -> TransportError { match never {} });
                Ok(http::Response::builder()
                    .status(code)
                    .body(body.boxed_unsync())
                    .unwrap())
            })
        }
    }

    #[test]
    fn nothing_is_tried_after_a_batch_with_a_failure() {
        // Batches end at 1, 3, 7, 15.
        for (allowed, tried) in [(0, 1), (1, 3), (2, 3), (3, 7), (6, 7), (7, 15), (20, 20)] {
            let client = Client::new(Arc::new(Quota(AtomicUsize::new(allowed))), "tester");
            let create = Action::Create {
                resource: PODS.clone(),
                namespace: "x".to_owned(),
                object: json!({}),
            };
            let done = Arc::new(Mutex::new(Vec::new()));
            let seen = done.clone();
            let sim = Sim::new(1);
            sim.block_on(async move {
                let results = slow_start(&client, &vec![create; 20]).await;
                *seen.lock().unwrap() = results;
            });
            let done = done.lock().unwrap();
            let made = done.iter().filter(|result| result.is_ok()).count();
            assert_eq!((done.len(), made), (tried, allowed.min(20)), "{allowed}");
        }
    }
}
