//! Certificate requests (upstream's `csrapproving`, `csrsigning` and `csrcleaner`): kubelets' client certificates are
//! approved when their askers may have them, what is approved is signed by the cluster's authority, and what nobody
//! needs any more is removed.

mod approve;
mod clean;
mod request;
mod sign;

use std::sync::Arc;

use client::{Change, Resource};
use pki::Authority;
use schema::object::Obj;

use crate::driver::{Controller, Cx, Failed, Next, Touched};
use crate::resources::SIGNING_REQUESTS;
use crate::world::{Tracked, World};
use request::SigningRequest;

/// Approves, signs and removes requests, which are the keys.
pub(crate) struct Certificates {
    pub(crate) authority: Authority,
}

impl Controller for Certificates {
    type Key = Box<str>;
    const ACCOUNT: &'static str = "certificate-controller";
    const WORKERS: usize = 5;

    fn follows(&self, resource: &Resource) -> bool {
        *resource == SIGNING_REQUESTS
    }

    fn touch(&self, _: &World, _: &Arc<Tracked>, change: &Change, touched: &mut Touched<Self::Key>) {
        touched
            .now
            .extend(change.object.iter().map(|object| object.key.clone()));
    }

    async fn reconcile(&self, cx: &Cx, key: &Self::Key) -> Result<Next, Failed> {
        let Some(object) = cx.world.objects(&SIGNING_REQUESTS).get(key).cloned() else {
            return Ok(Next::Done);
        };
        let request = SigningRequest::read(&object)?;
        let now = cx.env.wall();
        if let Some(left) = clean::time_left(&object, &request, now) {
            if left.is_zero() {
                cx.perform([clean::remove(&object)]).await?;
                return Ok(Next::Done);
            }
            self.answer(cx, &object, &request).await?;
            return Ok(Next::After(left));
        }
        self.answer(cx, &object, &request).await?;
        Ok(Next::Done)
    }
}

impl Certificates {
    /// Approves or signs, whichever is due.
    async fn answer(&self, cx: &Cx, object: &Obj, request: &SigningRequest) -> Result<(), Failed> {
        if request.is_undecided() {
            return approve::approve(cx, object, request).await;
        }
        if request.is_to_be_signed() {
            let action = sign::sign(&self.authority, object, request, cx.env.wall())?;
            return cx.perform(action).await;
        }
        Ok(())
    }
}
