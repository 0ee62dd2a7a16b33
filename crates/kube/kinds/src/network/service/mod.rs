//! Services: `pkg/registry/core/service/strategy.go`.
//!
//! Addresses and ports are given out before the strategy is asked ([`crate::alloc`]), so a Service that comes
//! here has them.

pub(crate) mod cluster_ips;
mod defaults;
mod external;
pub(crate) mod shape;
mod status;
mod transition;
mod validate;
mod warn;

pub(super) use status::{address, hostname};
pub(super) use validate::PROTOCOLS;

use crate::rules::names;
use crate::{PLAIN, SelectableField, Strategy};

pub(super) const STRATEGY: Strategy = Strategy {
    default: defaults::set,
    prepare_update: transition::drop_dependent,
    validate_create: |_, service, errors| validate::service(service, None, errors),
    validate_update: |_, service, old, errors| validate::update(service, old, errors),
    validate_status: |_, service, old, errors| status::validate(service, old, errors),
    warn: |_, service, old| warn::warnings(service, old),
    name: names::dns_label,
    create_on_update: true,
    fields: &[
        SelectableField::text("spec.clusterIP"),
        SelectableField::text("spec.type"),
    ],
    ..PLAIN
};
