//! The `IPAddress` objects of Services (KEP-1880): each address that a Service has is an object of its own.
//!
//! The Services are the truth, and these objects follow from them: they are written after the Service, without waiting
//! for the disk, and every start makes those that are missing and deletes those that no Service has.

use std::collections::BTreeSet;
use std::net::IpAddr;

use bytes::Bytes;
use kinds::alloc::{Allocators, ip_address};
use schema::cursor::{self, Ref};
use schema::object::body;
use schema::resource::type_of_kind;
use schema::tree::Value;
use schema::{BUILTIN, json};
use store::{Durability, Expect, Key, Op as StoreOp, Write};

use super::time::rfc3339;
use crate::Served;
use crate::server::State;

/// The label of the objects that are made here, and its value.
const MANAGED: (&str, &str) = ("ipaddress.kubernetes.io/managed-by", "ipallocator.k8s.io");

fn addresses(state: &State) -> Option<Served> {
    state.resources.lookup("networking.k8s.io", "v1", "ipaddresses")
}

fn object(state: &State, service: Ref<'_>, address: IpAddr) -> Option<Bytes> {
    let mut object = ip_address(service, address)?;
    let uid = Value::Str(state.uuid().into());
    cursor::set(&BUILTIN, &mut object, "metadata.uid", uid);
    let now = Value::Str(rfc3339(state.env.wall()).into());
    cursor::set(&BUILTIN, &mut object, "metadata.creationTimestamp", now);
    cursor::set(&BUILTIN, &mut object, "metadata.generation", Value::Int(1));
    Some(body(&BUILTIN, &object))
}

/// A failure is left for the next start to repair: the Service is there, and has its address.
async fn write(state: &State, op: StoreOp) {
    let durability = Durability::Relaxed;
    drop(state.store.write(Write { op, durability }).await);
}

async fn put(state: &State, served: &Served, service: Ref<'_>, address: IpAddr) {
    let Some(value) = object(state, service, address) else {
        return;
    };
    let put = StoreOp::Put {
        key: Key::from(served.key("", &address.to_string()).as_str()),
        value,
        expect: Expect::Absent,
        lease: None,
    };
    write(state, put).await;
}

async fn delete(state: &State, served: &Served, name: &str) {
    let delete = StoreOp::Delete {
        key: Key::from(served.key("", name).as_str()),
        expect: Expect::Any,
    };
    write(state, delete).await;
}

/// Follows a write of a Service.
pub(super) async fn follow(state: &State, service: Ref<'_>, taken: &[IpAddr], freed: &[IpAddr]) {
    let Some(served) = addresses(state) else { return };
    for address in freed {
        delete(state, &served, &address.to_string()).await;
    }
    for address in taken {
        put(state, &served, service, *address).await;
    }
}

/// Takes into account what the stored Services have: their addresses and ports are taken, and the addresses' objects
/// are there, no more and no fewer.
pub(crate) async fn settle(state: &State) {
    let (Some(served), Some(ty)) = (addresses(state), type_of_kind("", "v1", "Service")) else {
        return;
    };
    let prefix = served.key_prefix();
    let objects = state.cache.snapshot(&prefix);
    let mut known = BTreeSet::new();
    for stored in state.cache.snapshot("/registry/services/specs/").iter() {
        let Ok(decoded) = json::decode(&BUILTIN, ty, stored.body(), json::Options::default()) else {
            continue;
        };
        let service = Ref::new(&BUILTIN, &decoded.object);
        state.services.adopt(service);
        for address in Allocators::delete(service).freed {
            let name = address.to_string();
            if objects.get(&name).is_none() {
                put(state, &served, service, address).await;
            }
            known.insert(name);
        }
    }
    for stored in objects.iter() {
        let name = stored.key.strip_prefix(&prefix).unwrap_or_default();
        if !known.contains(name) && is_ours(stored.body()) {
            delete(state, &served, name).await;
        }
    }
}

fn is_ours(body: &[u8]) -> bool {
    let object: Result<serde_json::Value, _> = serde_json::from_slice(body);
    object.is_ok_and(|object| object["metadata"]["labels"][MANAGED.0] == MANAGED.1)
}
