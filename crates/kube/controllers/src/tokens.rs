//! Secrets of type `kubernetes.io/service-account-token` (upstream's `tokens_controller`): each has a token of the account
//! that it names, and goes with it.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use client::{Change, DeleteOptions, Resource};
use pki::{LegacyClaims, ObjectName, TokenIssuer};
use schema::object::Obj;
use serde_json::{Value, json};

use crate::act::Action;
use crate::driver::{Controller, Cx, Failed, Next, Touched};
use crate::object::{editable, split, target, text};
use crate::resources::{SECRETS, SERVICE_ACCOUNTS};
use crate::world::{Tracked, World};

const TYPE: &str = "kubernetes.io/service-account-token";
const NAME: &str = "kubernetes.io/service-account.name";
const UID: &str = "kubernetes.io/service-account.uid";

/// Fills secrets with tokens. Keys are secrets.
pub(crate) struct Tokens {
    pub(crate) issuer: TokenIssuer,
    pub(crate) root_ca: String,
}

impl Controller for Tokens {
    type Key = Box<str>;
    /// Upstream runs it as the process itself.
    const ACCOUNT: &'static str = "";
    const WORKERS: usize = 5;

    fn follows(&self, resource: &Resource) -> bool {
        *resource == SECRETS || *resource == SERVICE_ACCOUNTS
    }

    fn touch(&self, world: &World, of: &Arc<Tracked>, change: &Change, touched: &mut Touched<Self::Key>) {
        if of.is(&SECRETS) {
            let secret = change.object.as_ref().filter(|secret| is_token(secret));
            touched.now.extend(secret.map(|secret| secret.key.clone()));
            return;
        }
        // An account that came or went.
        if change.object.is_some() == change.previous.is_some() {
            return;
        }
        let Some(account) = change.either() else {
            return;
        };
        let secrets = world.objects(&SECRETS);
        let below = format!("{}/", account.meta.namespace);
        let own = secrets.range(&below, "").filter(|secret| is_token(secret));
        let own = own.filter(|secret| annotation(secret, NAME) == *account.meta.name);
        touched.now.extend(own.map(|secret| secret.key.clone()));
    }

    async fn reconcile(&self, cx: &Cx, key: &Self::Key) -> Result<Next, Failed> {
        let Some(secret) = cx.world.objects(&SECRETS).get(key).cloned() else {
            return Ok(Next::Done);
        };
        // An account that was made before its secret is in the informers after this.
        cx.world.settle().await;
        let (namespace, _) = split(key);
        let name = annotation(&secret, NAME);
        let account = cx
            .world
            .objects(&SERVICE_ACCOUNTS)
            .get(&format!("{namespace}/{name}"))
            .cloned();
        cx.perform(self.plan(&secret, account.as_deref())?).await?;
        Ok(Next::Done)
    }
}

fn is_token(secret: &Obj) -> bool {
    text(secret, &["type"]) == TYPE
}

fn annotation(secret: &Obj, name: &str) -> String {
    text(secret, &["metadata", "annotations", name])
}

impl Tokens {
    fn plan(&self, secret: &Obj, account: Option<&Obj>) -> Result<Option<Action>, Failed> {
        let uid = annotation(secret, UID);
        let account = account.filter(|account| uid.is_empty() || *account.meta.uid == *uid);
        let (Some(account), false) = (account, annotation(secret, NAME).is_empty()) else {
            return Ok(Some(Action::Delete {
                target: target(&SECRETS, &secret.meta),
                options: DeleteOptions::of_uid(&secret.meta.uid),
            }));
        };
        let mut object = editable(&SECRETS, secret)?;
        let before = object.clone();
        self.fill(&mut object, secret, account)?;
        Ok((object != before).then(|| Action::Update {
            target: target(&SECRETS, &secret.meta),
            object,
        }))
    }

    /// Sets what is missing or not right.
    fn fill(&self, object: &mut Value, secret: &Obj, account: &Obj) -> Result<(), Failed> {
        if !object["data"].is_object() {
            object["data"] = json!({});
        }
        let data = &mut object["data"];
        data["ca.crt"] = STANDARD.encode(&self.root_ca).into();
        data["namespace"] = STANDARD.encode(&*secret.meta.namespace).into();
        if data["token"].as_str().is_none_or(str::is_empty) {
            let name = ObjectName {
                name: account.meta.name.to_string(),
                uid: account.meta.uid.to_string(),
            };
            let claims = LegacyClaims::new(&secret.meta.namespace, &secret.meta.name, &name);
            data["token"] = STANDARD.encode(self.issuer.sign_legacy(&claims)?).into();
        }
        object["metadata"]["annotations"][UID] = (*account.meta.uid).into();
        Ok(())
    }
}
