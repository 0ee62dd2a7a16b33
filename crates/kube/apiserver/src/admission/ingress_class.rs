//! `DefaultIngressClass` (upstream's plugin of this name): an Ingress that names no class gets the default one.

use schema::cursor::{self, Ref};
use schema::object::{Meta, ScanError, View};
use schema::tree::{Struct, Value};
use serde::Deserialize;

use super::default_class::{self, Class};
use super::{Operation, Request};
use crate::Answer;

const CLASSES: &str = "/registry/ingressclasses/";

/// How an Ingress names its class the old way.
const CLASS_ANNOTATION: &str = "kubernetes.io/ingress.class";

/// What admission looks at of an IngressClass.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct IngressClass {
    metadata: default_class::Metadata,
}

impl View for IngressClass {
    fn read(_: &Meta, body: &[u8]) -> Result<Self, ScanError> {
        super::read_view(body)
    }
}

impl Class for IngressClass {
    const MARKS: &[&str] = &["ingressclass.kubernetes.io/is-default-class"];

    fn metadata(&self) -> &default_class::Metadata {
        &self.metadata
    }
}

/// Gives a new Ingress the default class, if there is one.
///
/// # Errors
/// 500 for a class that cannot be read.
pub(super) fn mutate(request: &Request<'_>, ingress: Option<&mut Struct>) -> Answer<()> {
    let creates = request.is("networking.k8s.io", "ingresses") && request.operation == Operation::Create;
    let Some(ingress) = ingress.filter(|_| creates) else {
        return Ok(());
    };
    let read = Ref::new(request.types, ingress);
    let annotated = read.path("metadata.annotations").at(CLASS_ANNOTATION).exists();
    if annotated || read.path("spec.ingressClassName").exists() {
        return Ok(());
    }
    let classes = request.op.state.cache.snapshot(CLASSES);
    if let Some(name) = default_class::find::<IngressClass>(&classes)? {
        cursor::set(request.types, ingress, "spec.ingressClassName", Value::str(&name));
    }
    Ok(())
}
