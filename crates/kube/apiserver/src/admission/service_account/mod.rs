//! `ServiceAccount` (upstream's plugin of this name): every pod runs as an account that exists, pulls images with its
//! secrets, and finds its token mounted.

pub(super) mod references;
mod token_volume;

use std::sync::Arc;
use std::time::Duration;

use schema::cursor::{self, Ref};
use schema::object::{Meta, ScanError, View};
use schema::status::{GroupName, Status};
use schema::tree::{Struct, Value};
use serde::Deserialize;

use super::{Operation, Request, tree};
use crate::{Answer, Refused};

const PREFIX: &str = "/registry/serviceaccounts/";

/// The account of pods that name none.
const DEFAULT: &str = "default";

/// How long a pod waits for the default account of a namespace that was just made.
const PATIENCE: Duration = Duration::from_millis(1500);

/// What admission looks at of an account.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Account {
    metadata: Metadata,
    automount_service_account_token: Option<bool>,
    image_pull_secrets: Vec<Named>,
    secrets: Vec<Named>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Metadata {
    name: String,
    annotations: std::collections::BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Named {
    name: String,
}

impl View for Account {
    fn read(_: &Meta, body: &[u8]) -> Result<Self, ScanError> {
        super::read_view(body)
    }
}

/// Waits a while for the default account of the pod's namespace: a controller makes it once there is a namespace.
pub(super) async fn wait_for_default(request: &Request<'_>, pod: Option<&Struct>) {
    let Some(pod) = pod.filter(|_| creates_pod(request)) else {
        return;
    };
    let named = Ref::new(request.types, pod).path("spec.serviceAccountName").str();
    if !["", DEFAULT].contains(&named) {
        return;
    }
    let state = request.op.state;
    let key = format!("{}/{DEFAULT}", request.op.namespace);
    let there = async {
        loop {
            let accounts = state.cache.snapshot(PREFIX);
            if accounts.get(&key).is_some() || !state.cache.wait_for_change(PREFIX, accounts.changed).await {
                return;
            }
        }
    };
    if state.cache.snapshot(PREFIX).get(&key).is_none() {
        // Whether it came or not is seen by who looks for it.
        let _: Result<(), driver::env::Elapsed> =
            driver::env::timeout(state.env.sleep(PATIENCE), there).await;
    }
}

fn creates_pod(request: &Request<'_>) -> bool {
    request.is("", "pods") && request.operation == Operation::Create
}

/// Gives a new pod its account, the account's pull secrets and its token.
///
/// # Errors
/// 403 for an account that does not exist, and what [`validate`] says.
pub(super) fn mutate(request: &Request<'_>, pod: Option<&mut Struct>) -> Answer<()> {
    let Some(pod) = pod.filter(|_| creates_pod(request)) else {
        return Ok(());
    };
    let types = request.types;
    if !references::is_mirror(Ref::new(types, pod)) {
        if Ref::new(types, pod).path("spec.serviceAccountName").is_empty() {
            for path in ["spec.serviceAccountName", "spec.serviceAccount"] {
                cursor::set(types, pod, path, Value::str(DEFAULT));
            }
        }
        let account = account(request, Ref::new(types, pod))?;
        if automounts(&account, Ref::new(types, pod)) {
            token_volume::mount(request, pod);
        }
        if Ref::new(types, pod).path("spec.imagePullSecrets").is_empty() {
            account
                .image_pull_secrets
                .iter()
                .for_each(|secret| add_pull_secret(request, pod, &secret.name));
        }
    }
    validate(request, Some(Ref::new(types, pod)))
}

fn add_pull_secret(request: &Request<'_>, pod: &mut Struct, name: &str) {
    let mut reference = tree::piece("core/v1", "LocalObjectReference", "{}");
    cursor::set(request.types, &mut reference, "name", Value::str(name));
    tree::push_object(request.types, pod, "spec.imagePullSecrets", reference);
}

fn automounts(account: &Account, pod: Ref<'_>) -> bool {
    let own = pod.path("spec.automountServiceAccountToken").boolean();
    own.or(account.automount_service_account_token).unwrap_or(true)
}

/// Checks a new pod's account and secrets, and those that an ephemeral container names.
///
/// # Errors
/// 403
pub(super) fn validate(request: &Request<'_>, pod: Option<Ref<'_>>) -> Answer<()> {
    let Some(pod) = pod else { return Ok(()) };
    let debugs = request.is_of("", "pods") && request.op.subresource == "ephemeralcontainers";
    if !creates_pod(request) && !debugs {
        return Ok(());
    }
    if !debugs && references::is_mirror(pod) {
        return references::of_mirror(pod).map_err(|why| request.forbidden(Some(pod), why));
    }
    if pod.path("spec.serviceAccountName").is_empty() {
        let name = pod.path("metadata.name").str();
        let why = format!(
            "no service account specified for pod {}/{name}",
            request.op.namespace
        );
        return Err(request.forbidden(Some(pod), &why));
    }
    let account = account(request, pod)?;
    if !references::limited(&account) {
        return Ok(());
    }
    let judged = if debugs {
        references::of_ephemeral(&account, pod)
    } else {
        references::of_pod(&account, pod)
    };
    judged.map_err(|why| request.forbidden(Some(pod), &why))
}

/// The pod's account.
fn account(request: &Request<'_>, pod: Ref<'_>) -> Result<Arc<Account>, Refused> {
    let (namespace, name) = (request.op.namespace, pod.path("spec.serviceAccountName").str());
    let accounts = request.op.state.cache.snapshot(PREFIX);
    match accounts.get(&format!("{namespace}/{name}")) {
        Some(found) => Ok(found.view().map_err(Status::internal)?),
        None => {
            let resource = GroupName {
                group: "",
                name: "serviceaccount",
            };
            let missing = Status::not_found(resource, name).message;
            let why = format!("error looking up service account {namespace}/{name}: {missing}");
            Err(request.forbidden(Some(pod), &why))
        }
    }
}
