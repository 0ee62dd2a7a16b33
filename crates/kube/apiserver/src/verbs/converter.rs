//! A watch in a version that a webhook converts to: one event after the other, each once its webhook has answered.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use schema::object::Obj;

use crate::cache::Change;
use crate::custom::conversion;
use crate::registry::convert;
use crate::server::State;
use crate::{Answer, Served};

type Converting = Pin<Box<dyn Future<Output = Answer<Arc<Obj>>> + Send>>;

/// Converts what one watch is told.
pub(super) struct Converter {
    state: Arc<State>,
    served: Served,
    /// The event that is being converted.
    work: Option<(Change, Converting)>,
}

impl Converter {
    /// Nothing where objects need no webhook.
    pub(super) fn of(state: &Arc<State>, served: &Served) -> Option<Self> {
        conversion::webhook(served)?;
        Some(Self {
            state: state.clone(),
            served: served.clone(),
            work: None,
        })
    }

    /// Takes an object on, unless it is of the watch's version; poll it then.
    pub(super) fn takes(&mut self, change: Change, object: &Arc<Obj>) -> bool {
        if convert::is_own(&self.served, object) {
            return false;
        }
        let (state, served, object) = (self.state.clone(), self.served.clone(), object.clone());
        let work = Box::pin(async move { conversion::shown(&state, &served, object).await });
        self.work = Some((change, work));
        true
    }

    /// Whether an object is being converted.
    pub(super) const fn is_busy(&self) -> bool {
        self.work.is_some()
    }

    /// The object that was taken on, once it is converted; nothing if none was.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<(Change, Answer<Arc<Obj>>)>> {
        let Some((change, work)) = &mut self.work else {
            return Poll::Ready(None);
        };
        let change = *change;
        work.as_mut().poll(cx).map(|converted| {
            self.work = None;
            Some((change, converted))
        })
    }
}
