//! Priority and fairness: which requests wait for which (`flowcontrol.apiserver.k8s.io`).

mod flow_schema;
mod level;

use crate::Row;

const GROUP: &str = "flowcontrol.apiserver.k8s.io";

pub(crate) const ROWS: &[Row] = &[
    (GROUP, "flowschemas", &flow_schema::STRATEGY),
    (GROUP, "prioritylevelconfigurations", &level::STRATEGY),
];
