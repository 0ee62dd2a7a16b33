//! Certificates: requests for them, and whom they make trusted.

mod pem;
mod pod_request;
mod request;
mod trust_bundle;

use crate::Row;

const GROUP: &str = "certificates.k8s.io";

pub(crate) const ROWS: &[Row] = &[
    (GROUP, "certificatesigningrequests", &request::STRATEGY),
    (GROUP, "clustertrustbundles", &trust_bundle::STRATEGY),
    (GROUP, "podcertificaterequests", &pod_request::STRATEGY),
];
