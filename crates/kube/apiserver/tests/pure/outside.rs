//! Servers outside: what this server asks them, and what they answer.

use std::sync::{Arc, Mutex};

use apiserver::Body;
use apiserver::outbound::{Outbound, OutboundError, Outgoing, Sending};
use http::Response;
use serde_json::Value;

/// What a server outside does with a request.
pub(crate) enum Does {
    /// Answers JSON.
    Answers(u16, Value),
    /// Answers this.
    Responds(Response<String>),
    IsNotThere,
}

type Says = dyn Fn(&Outgoing, &Value) -> Does + Send + Sync;

/// Servers outside. They are told the request and its body as JSON.
pub(crate) struct Outside {
    says: Box<Says>,
    seen: Mutex<Vec<(Outgoing, Value)>>,
}

impl Outside {
    pub(crate) fn new(says: impl Fn(&Outgoing, &Value) -> Does + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            says: Box::new(says),
            seen: Mutex::default(),
        })
    }

    /// What was asked since the last time, in order.
    pub(crate) fn asked(&self) -> Vec<(Outgoing, Value)> {
        std::mem::take(&mut *self.seen.lock().unwrap())
    }
}

impl Outbound for Outside {
    fn send(&self, outgoing: Outgoing) -> Sending {
        let body: Value = serde_json::from_slice(outgoing.request.body()).unwrap_or_default();
        let does = (self.says)(&outgoing, &body);
        self.seen.lock().unwrap().push((outgoing, body));
        Box::pin(async move {
            match does {
                Does::Answers(code, answer) => {
                    let response = Response::builder().status(code).body(answer.to_string());
                    Ok(response.unwrap().map(Body::full))
                }
                Does::Responds(response) => Ok(response.map(Body::full)),
                Does::IsNotThere => Err(OutboundError::Connect {
                    address: "10.0.0.9:443".to_owned(),
                    why: std::io::ErrorKind::ConnectionRefused.into(),
                }),
            }
        })
    }
}
