//! `serviceaccounts/token`: a token for an account, perhaps bound to a pod, a node or a secret with which it dies
//! (upstream's `TokenREST`).

use std::time::{Duration, SystemTime};

use http::StatusCode;
use pki::{Bound, Claims, ObjectName, Private};
use schema::BUILTIN;
use schema::cursor::{self, Ref};
use schema::field::{Error, Errors, Path};
use schema::object::Obj;
use schema::resource::type_of_kind;
use schema::row::TypesRef;
use schema::status::{GroupName, Status};
use schema::tree::{Struct, Value};

use crate::admission::{self, Kind, Request};
use crate::negotiate::{Expected, decode};
use crate::registry::{Op, rfc3339};
use crate::server::State;
use crate::verbs::write_options;
use crate::{Answer, Call, Reply, Served};

const API_VERSION: &str = "authentication.k8s.io/v1";

const KIND: Kind<'_> = Kind {
    group: "authentication.k8s.io",
    version: "v1",
    kind: "TokenRequest",
};

/// Seconds a token lasts if nothing is said, and may last at least and at most.
const DEFAULT_SECONDS: i64 = 3600;
const MIN_SECONDS: i64 = 600;
const MAX_SECONDS: i64 = 1 << 32;

/// What kubelets ask for when they serve the default projected volume. Such a token lasts a year, and its user is
/// warned after the time that was asked for: programs of old never read their token again.
const WARNED_SECONDS: i64 = 3607;
const EXTENDED: Duration = Duration::from_secs(365 * 24 * 3600);

/// Makes a token.
///
/// # Errors
/// 404 for accounts and objects that are not there, 409 for an object that is another by now, 422, 400.
pub(super) async fn create(state: &State, call: &Call, served: &Served) -> Answer<Reply> {
    let options = write_options(call, "CreateOptions", None)?;
    let ty = type_of_kind(KIND.group, KIND.version, KIND.kind);
    let expected = Expected {
        types: &BUILTIN,
        ty: ty.ok_or_else(|| Status::internal("no TokenRequest"))?,
        api_version: API_VERSION,
        kind: KIND.kind,
    };
    let mut tree = decode(call, &call.body, expected, options.fields)?;
    let op = Op::new(state, call, served, options);
    let request = Request::post(&op, KIND);
    cursor::set_default(
        &BUILTIN,
        &mut tree,
        "spec.expirationSeconds",
        Value::Int(DEFAULT_SECONDS),
    );
    admission::mutate(&request, Some(&mut tree)).await?;
    same_names(&op, Ref::new(&BUILTIN, &tree))?;
    let account = find(state, "serviceaccounts", &op.namespaced(&op.name), &op.name).await?;
    fill(&op, &mut tree);
    let asked = Ref::new(&BUILTIN, &tree);
    validate(asked)?;
    drop(admission::validate(&request, Some(asked)).await?);
    let bound = bound(&op, asked.path("spec.boundObjectRef")).await?;
    let token = sign(&op, &account, bound, asked.at("spec"))?;
    let ends = op.now + seconds(asked.path("spec.expirationSeconds").int());
    cursor::set(&BUILTIN, &mut tree, "status.token", Value::str(&token));
    cursor::set(
        &BUILTIN,
        &mut tree,
        "status.expirationTimestamp",
        Value::str(&rfc3339(ends)),
    );
    Ok(Reply::Tree {
        code: StatusCode::CREATED,
        api_version: API_VERSION.to_owned(),
        kind: KIND.kind.to_owned(),
        types: TypesRef::Static(&BUILTIN),
        object: Box::new(tree),
    })
}

fn seconds(count: i64) -> Duration {
    Duration::from_secs(u64::try_from(count).unwrap_or(0))
}

/// Name and namespace of the body, if it has them, are those of the path.
fn same_names(op: &Op<'_>, asked: Ref<'_>) -> Answer<()> {
    let checks = [("name", op.name.as_str()), ("namespace", op.namespace)];
    for (member, expected) in checks {
        let told = asked.at("metadata").at(member).str();
        if !told.is_empty() && told != expected {
            let why = format!("must match the service account {member} if specified");
            let error = Error::invalid(&Path::new("metadata").child(member), told, why);
            return Err(invalid(&op.name, &vec![error]));
        }
    }
    Ok(())
}

fn invalid(name: &str, errors: &Errors) -> crate::Refused {
    let kind = GroupName {
        group: KIND.group,
        name: KIND.kind,
    };
    Status::invalid(kind, name, errors).into()
}

/// What the request leaves out, or cannot say.
fn fill(op: &Op<'_>, tree: &mut Struct) {
    let own = op.state.config.tokens.issuer();
    if Ref::new(&BUILTIN, tree).path("spec.audiences").is_empty() {
        cursor::set(
            &BUILTIN,
            tree,
            "spec.audiences",
            Value::List(vec![Value::str(own)]),
        );
    }
    let texts = [
        ("metadata.name", op.name.as_str()),
        ("metadata.namespace", op.namespace),
        ("metadata.creationTimestamp", &rfc3339(op.now)),
    ];
    for (path, text) in texts {
        cursor::set(&BUILTIN, tree, path, Value::str(text));
    }
    cursor::remove(&BUILTIN, tree, "status");
}

fn validate(asked: Ref<'_>) -> Answer<()> {
    let lasts = asked.path("spec.expirationSeconds").int();
    let path = Path::new("spec").child("expirationSeconds");
    let why = match lasts {
        ..MIN_SECONDS => "may not specify a duration less than 10 minutes",
        _ if lasts > MAX_SECONDS => "may not specify a duration larger than 2^32 seconds",
        _ => return Ok(()),
    };
    Err(invalid("", &vec![Error::invalid(&path, lasts, why)]))
}

/// The object with which the token dies.
async fn bound(op: &Op<'_>, to: Ref<'_>) -> Answer<Bound> {
    if !to.exists() {
        return Ok(Bound::Account);
    }
    let (group, version) = to
        .at("apiVersion")
        .str()
        .split_once('/')
        .unwrap_or(("", to.at("apiVersion").str()));
    let (kind, name) = (to.at("kind").str(), to.at("name").str());
    let plural = match (group, kind) {
        ("", "Pod") => "pods",
        ("", "Node") => "nodes",
        ("", "Secret") => "secrets",
        _ => {
            let why = format!("cannot bind token to object of type {group}/{version}, Kind={kind}");
            return Err(Status::bad_request(why).into());
        }
    };
    let key = if plural == "nodes" {
        name.to_owned()
    } else {
        op.namespaced(name)
    };
    let object = find(op.state, plural, &key, name).await?;
    let bound = match plural {
        "pods" => pod(op, &object).await?,
        "nodes" => Bound::Node(identity(&object)),
        _ => Bound::Secret(identity(&object)),
    };
    let wanted = to.at("uid").str();
    if !wanted.is_empty() && wanted != &*object.meta.uid {
        let why = format!(
            "the UID in the bound object reference ({wanted}) does not match the UID in record. The object might have been deleted and then recreated"
        );
        return Err(Status::conflict(GroupName { group, name: kind }, name, &why).into());
    }
    Ok(bound)
}

/// A pod of the account, with the node that it is on.
async fn pod(op: &Op<'_>, pod: &Obj) -> Answer<Bound> {
    let read = |path: &[&str]| schema::json::pick(pod.body(), path).unwrap_or_default();
    if read(&["spec", "serviceAccountName"]) != op.name {
        let why = format!(
            "cannot bind token for serviceaccount {:?} to pod running with different serviceaccount name.",
            op.name
        );
        return Err(Status::bad_request(why).into());
    }
    let name = read(&["spec", "nodeName"]);
    if name.is_empty() {
        return Ok(Bound::Pod(identity(pod), None));
    }
    let node = op.state.cache.get("/registry/minions/", &name).await;
    let node = node.map_err(Status::internal)?;
    let node = node.map_or_else(
        || ObjectName {
            name: name.into_owned(),
            uid: String::new(),
        },
        |node| identity(&node),
    );
    Ok(Bound::Pod(identity(pod), Some(node)))
}

fn identity(object: &Obj) -> ObjectName {
    ObjectName {
        name: object.meta.name.to_string(),
        uid: object.meta.uid.to_string(),
    }
}

async fn find(state: &State, plural: &str, key: &str, name: &str) -> Answer<std::sync::Arc<Obj>> {
    let served = state.resources.lookup("", "v1", plural);
    let served = served.ok_or_else(Status::no_such_resource)?;
    let found = state.cache.get(&served.key_prefix(), key).await;
    let found = found.map_err(Status::internal)?;
    found.ok_or_else(|| Status::not_found(served.group_resource(), name).into())
}

fn sign(op: &Op<'_>, account: &Obj, bound: Bound, spec: Ref<'_>) -> Answer<String> {
    let tokens = &op.state.config.tokens;
    let audiences: Vec<String> = spec.at("audiences").strings().map(str::to_owned).collect();
    let asked = spec.at("expirationSeconds").int();
    let own = audiences.iter().all(|audience| audience == tokens.issuer());
    let extended = matches!(bound, Bound::Pod(..)) && asked == WARNED_SECONDS && own;
    let lifetime = if extended { EXTENDED } else { seconds(asked) };
    let mut claim = Private::new(op.namespace, identity(account), bound);
    if extended {
        let warned = (op.now + seconds(asked)).duration_since(SystemTime::UNIX_EPOCH);
        claim.warnafter = Some(warned.unwrap_or_default().as_secs());
    }
    let claims = Claims::new(claim, &audiences, &op.state.uuid(), op.now, lifetime);
    tokens
        .sign(claims)
        .map_err(|error| Status::internal(error).into())
}
