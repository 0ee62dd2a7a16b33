//! Every namespace has the ServiceAccount `default` (upstream's `serviceaccounts_controller`).

use std::sync::Arc;

use client::{Change, Resource};
use schema::object::Obj;
use serde_json::json;

use crate::act::Action;
use crate::driver::{Controller, Cx, Failed, Next, Touched};
use crate::object::split;
use crate::resources::{NAMESPACES, SERVICE_ACCOUNTS};
use crate::world::{Tracked, World};

const NAME: &str = "default";

/// Keys are namespaces.
pub(crate) struct ServiceAccounts;

impl Controller for ServiceAccounts {
    type Key = Box<str>;
    const ACCOUNT: &'static str = "service-account-controller";
    const WORKERS: usize = 1;

    fn follows(&self, resource: &Resource) -> bool {
        *resource == NAMESPACES || *resource == SERVICE_ACCOUNTS
    }

    fn touch(&self, _: &World, of: &Arc<Tracked>, change: &Change, touched: &mut Touched<Self::Key>) {
        touched.now.extend(lacking(of, change, NAME));
    }

    async fn reconcile(&self, cx: &Cx, key: &Self::Key) -> Result<Next, Failed> {
        let namespace = cx.world.objects(&NAMESPACES).get(key).cloned();
        let account = cx
            .world
            .objects(&SERVICE_ACCOUNTS)
            .get(&format!("{key}/{NAME}"))
            .cloned();
        cx.perform(plan(namespace.as_deref(), account.as_deref())).await?;
        Ok(Next::Done)
    }
}

/// The namespace that may lack something of a name because of this change: it is new, or what it had is gone.
pub(crate) fn lacking(of: &Tracked, change: &Change, name: &str) -> Option<Box<str>> {
    if of.is(&NAMESPACES) {
        let namespace = change.object.as_ref().filter(|_| change.previous.is_none())?;
        return Some(namespace.meta.name.clone());
    }
    let gone = change.previous.as_ref().filter(|_| change.object.is_none())?;
    let (namespace, own) = split(&gone.key);
    (own == name).then(|| namespace.into())
}

fn plan(namespace: Option<&Obj>, account: Option<&Obj>) -> Option<Action> {
    let namespace = namespace.filter(|object| object.meta.deletion_timestamp.is_none())?;
    if account.is_some() {
        return None;
    }
    let namespace = namespace.meta.name.to_string();
    Some(Action::Create {
        resource: SERVICE_ACCOUNTS.clone(),
        object: json!({
            "apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": {"name": NAME, "namespace": namespace},
        }),
        namespace,
    })
}
