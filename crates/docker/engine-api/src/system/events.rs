//! `GET /events`.

use engine::events::{Event, EventQuery, Filter, Kind};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::Api;
use crate::convert::time;
use crate::error::ApiError;
use crate::filters::Filters;
use crate::server::call::Call;
use crate::server::reply::{JSON, Reply};
use crate::stream::progress::record;

/// `GET /events`: what is remembered since then, and what happens until then.
pub(crate) async fn events(call: Call<Api>) -> Result<Reply, ApiError> {
    let query = &call.query;
    let (since, until) = (
        time::timestamp(query.get("since"))?,
        time::timestamp(query.get("until"))?,
    );
    if since.zip(until).is_some_and(|(since, until)| until < since) {
        return Err(ApiError::bad(format!(
            "`since` time ({}) cannot be after `until` time ({})",
            query.get("since"),
            query.get("until")
        )));
    }
    let filter = Filter::new(Filters::parse(query.get("filters"))?.into_inner());
    let now = call.state.now();
    let mut subscription = call
        .state
        .engine
        .events()
        .subscribe(EventQuery { since, until, filter });
    let since_46 = call.version.since(46);
    let (sender, reply) = Reply::stream(JSON);
    tokio::spawn(async move {
        let shown = |event: &Event| since_46 || event.kind != Kind::Image || event.action != "create";
        if until.is_some_and(|until| until < now) {
            while let Some(event) = subscription.next_now() {
                if shown(&event) && !sender.send(record(&document(&event))).await {
                    return;
                }
            }
            return;
        }
        let end = rest(until, now);
        tokio::pin!(end);
        loop {
            // `next` is cancel-safe; the others only wait.
            let event = tokio::select! {
                biased;
                () = sender.closed() => return,
                event = subscription.next() => event,
                () = &mut end => return,
            };
            let Some(event) = event else { return };
            if shown(&event) && !sender.send(record(&document(&event))).await {
                return;
            }
        }
    });
    Ok(reply)
}

/// Resolves at `until`; never when there is none.
async fn rest(until: Option<Timestamp>, now: Timestamp) {
    match until {
        Some(until) => tokio::time::sleep(time::since(now, until)).await,
        None => std::future::pending().await,
    }
}

/// An event. Of containers and images the oldest members are still told, too.
fn document(event: &Event) -> Value {
    let actor = &event.actor;
    let mut shown = serde_json::Map::new();
    if matches!(event.kind, Kind::Container | Kind::Image) {
        shown.insert("status".into(), event.action.as_str().into());
        shown.insert("id".into(), actor.id.as_str().into());
    }
    if let (Kind::Container, Some(image)) = (event.kind, actor.attributes.get("image")) {
        shown.insert("from".into(), image.as_str().into());
    }
    shown.insert("Type".into(), event.kind.as_str().into());
    shown.insert("Action".into(), event.action.as_str().into());
    shown.insert(
        "Actor".into(),
        json!({ "ID": actor.id, "Attributes": actor.attributes }),
    );
    shown.insert("scope".into(), "local".into());
    shown.insert("time".into(), event.time.as_second().into());
    shown.insert(
        "timeNano".into(),
        i64::try_from(event.time.as_nanosecond())
            .unwrap_or(i64::MAX)
            .into(),
    );
    Value::Object(shown)
}

#[cfg(test)]
mod tests {
    use engine::events::Actor;

    use super::*;

    #[test]
    fn containers_keep_their_oldest_members() {
        let attributes = [("image".to_owned(), "busybox".to_owned())].into_iter().collect();
        let event = Event {
            kind: Kind::Container,
            action: "start".into(),
            actor: Actor {
                id: "x".into(),
                attributes,
            },
            time: Timestamp::new(5, 7).unwrap(),
        };
        let shown = document(&event);
        assert_eq!(
            (&shown["status"], &shown["from"], &shown["id"]),
            (&json!("start"), &json!("busybox"), &json!("x"))
        );
        assert_eq!(
            (&shown["time"], &shown["timeNano"]),
            (&json!(5), &json!(5_000_000_007_i64))
        );
        let volume = document(&Event {
            kind: Kind::Volume,
            ..event
        });
        assert!(volume.get("status").is_none() && volume.get("from").is_none());
    }
}
