//! The `IPAddress` object that stands for an address of a Service.

use std::net::IpAddr;

use schema::cursor::{self, Ref};
use schema::resource::type_of_kind;
use schema::tree::{Struct, Value};

use super::addresses::Family;

/// Who made these objects, in `ipaddress.kubernetes.io/managed-by`.
const ALLOCATOR: &str = "ipallocator.k8s.io";

/// The object that says which Service has the address (KEP-1880); its name is the address.
pub fn ip_address(service: Ref<'_>, address: IpAddr) -> Option<Struct> {
    let types = service.types();
    let mut object = Struct::new(type_of_kind("networking.k8s.io", "v1", "IPAddress")?);
    cursor::set(
        types,
        &mut object,
        "metadata.name",
        Value::str(&address.to_string()),
    );
    let labels = cursor::map_mut(types, &mut object, "metadata.labels")?;
    labels.insert(
        "ipaddress.kubernetes.io/ip-family",
        Value::str(Family::of(address).name()),
    );
    labels.insert("ipaddress.kubernetes.io/managed-by", Value::str(ALLOCATOR));
    let parent = [
        ("spec.parentRef.resource", "services"),
        (
            "spec.parentRef.namespace",
            service.path("metadata.namespace").str(),
        ),
        ("spec.parentRef.name", service.path("metadata.name").str()),
    ];
    for (path, text) in parent {
        cursor::set(types, &mut object, path, Value::str(text));
    }
    Some(object)
}
