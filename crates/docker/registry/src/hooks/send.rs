//! One receiver's events on their way, in order.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderValue, Request};
use http_body_util::Full;
use https::{Caller, ServerTrust, Target};
use serde_json::{Value, json};
use tokio::sync::mpsc::Receiver;
use tokio::time::{sleep, timeout};

use super::Webhook;

/// Events of one request.
const TOGETHER: usize = 32;

/// Sends what comes until there is nobody any more to send for.
pub(super) async fn run(webhook: Webhook, caller: Caller, mut waiting: Receiver<Arc<Value>>) {
    let mut events = Vec::with_capacity(TOGETHER);
    while waiting.recv_many(&mut events, TOGETHER).await > 0 {
        let envelope = json!({"events": events.drain(..).map(Arc::unwrap_or_clone).collect::<Vec<_>>()});
        deliver(&webhook, &caller, envelope.to_string().into()).await;
    }
}

async fn deliver(webhook: &Webhook, caller: &Caller, envelope: Bytes) {
    let mut pause = webhook.retry;
    for attempt in 1..=webhook.attempts {
        let tried = timeout(webhook.timeout, post(webhook, caller, envelope.clone())).await;
        let why = match tried {
            Ok(Ok(())) => return,
            Ok(Err(why)) => why,
            Err(_) => "no answer in time".to_owned(),
        };
        tracing::debug!(url = %webhook.url, attempt, why, "a webhook did not take events");
        if attempt < webhook.attempts {
            sleep(pause).await;
            pause = pause.saturating_mul(2);
        } else {
            tracing::warn!(url = %webhook.url, why, "events are dropped: the webhook does not take them");
        }
    }
}

async fn post(webhook: &Webhook, caller: &Caller, envelope: Bytes) -> Result<(), String> {
    let target = target(webhook).ok_or("the URL names no host")?;
    let mut request = Request::post(webhook.url.clone())
        .body(Full::new(envelope))
        .map_err(|error| error.to_string())?;
    let headers = request.headers_mut();
    headers.extend(webhook.headers.clone());
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/vnd.docker.distribution.events.v2+json"),
    );
    if let Some(host) = webhook
        .url
        .authority()
        .and_then(|host| host.as_str().parse().ok())
    {
        headers.insert(HOST, host);
    }
    let response = caller
        .send(&target, request)
        .await
        .map_err(|error| error.to_string())?;
    let status = response.status();
    if status.is_success() || status.is_redirection() {
        return Ok(());
    }
    Err(format!("it answered {status}"))
}

fn target(webhook: &Webhook) -> Option<Target> {
    let host = webhook.url.host()?.trim_matches(['[', ']']).to_owned();
    let usual = if webhook.trust == ServerTrust::Plain {
        80
    } else {
        443
    };
    Some(Target {
        server_name: host.clone(),
        host: (host, webhook.url.port_u16().unwrap_or(usual)),
        address: None,
        trust: webhook.trust.clone(),
        identity: None,
    })
}
