//! `POST /containers/ID/wait`: the headers at once, the exit code when there is one.

use std::sync::Arc;

use engine::{Exit, WaitCondition};
use serde_json::json;

use crate::Api;
use crate::error::ApiError;
use crate::server::call::Call;
use crate::server::reply::{JSON, Reply};
use crate::stream::progress::record;

/// `POST /containers/ID/wait`. `docker run` sends it before the start and relies on the headers to
/// know that it is waiting, so the wait has begun when they go out.
pub(crate) async fn wait(call: Call<Api>) -> Result<Reply, ApiError> {
    let condition = if call.version.since(30) {
        condition(call.query.get("condition"))?
    } else {
        WaitCondition::NotRunning
    };
    let waiting = call.state.engine.waiter(&call.name, condition)?;
    if !call.version.since(30) {
        return Reply::json(&answer(&waiting.await?));
    }
    let (sender, reply) = Reply::stream(JSON);
    let ended = ended(call.state.clone(), call.name.clone(), condition, waiting);
    tokio::spawn(async move {
        // Cancel-safe: whichever arm loses is dropped and not needed again.
        let outcome = tokio::select! {
            biased;
            () = sender.closed() => return,
            outcome = ended => outcome,
        };
        let told = match outcome {
            Ok(exit) => answer(&exit),
            Err(error) => json!({ "StatusCode": -1, "Error": { "Message": error.to_string() } }),
        };
        sender.send(record(&told)).await;
    });
    Ok(reply)
}

/// The end that a condition is about. A start that failed is no exit, and upstream forgets its error
/// when the container is removed: the client has had it as the answer to its start.
async fn ended(
    api: Arc<Api>,
    name: String,
    condition: WaitCondition,
    first: impl Future<Output = Result<Exit, engine::Error>>,
) -> Result<Exit, engine::Error> {
    let mut exit = first.await?;
    while condition == WaitCondition::NextExit && !exit.error.is_empty() {
        exit = api.engine.waiter(&name, condition)?.await?;
    }
    if condition == WaitCondition::Removed {
        exit.error.clear();
    }
    Ok(exit)
}

fn answer(exit: &Exit) -> serde_json::Value {
    let error = (!exit.error.is_empty()).then(|| json!({ "Message": exit.error }));
    json!({ "StatusCode": exit.code, "Error": error })
}

fn condition(text: &str) -> Result<WaitCondition, ApiError> {
    match text {
        "" | "not-running" => Ok(WaitCondition::NotRunning),
        "next-exit" => Ok(WaitCondition::NextExit),
        "removed" => Ok(WaitCondition::Removed),
        unknown => Err(ApiError::bad(format!("invalid condition: {unknown:?}"))),
    }
}
