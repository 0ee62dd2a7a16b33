//! `POST /containers/ID/wait`: the headers at once, the exit code when there is one.

use engine::WaitCondition;
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
    tokio::spawn(async move {
        // Cancel-safe: whichever arm loses is dropped and not needed again.
        tokio::select! {
            biased;
            () = sender.closed() => {}
            exit = waiting => match exit {
                Ok(exit) => {
                    sender.send(record(&answer(&exit))).await;
                }
                Err(error) => {
                    let failed = json!({ "StatusCode": -1, "Error": { "Message": error.to_string() } });
                    sender.send(record(&failed)).await;
                }
            }
        }
    });
    Ok(reply)
}

fn answer(exit: &engine::Exit) -> serde_json::Value {
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
