//! Devices that pods share (`resource.k8s.io`): classes, claims, what drivers offer. Selectors in CEL are compiled by
//! whoever evaluates them; here is their form.

mod claim;
mod config;
mod request;
mod slice;
mod taint;

use crate::Row;

const GROUP: &str = "resource.k8s.io";

pub(crate) const ROWS: &[Row] = &[
    (GROUP, "deviceclasses", &claim::CLASS),
    (GROUP, "resourceclaims", &claim::CLAIM),
    (GROUP, "resourceclaimtemplates", &claim::TEMPLATE),
    (GROUP, "resourceslices", &slice::STRATEGY),
];
