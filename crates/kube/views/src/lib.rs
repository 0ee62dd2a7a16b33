//! One lean reading of each kind that schedulers, controllers, proxies and kubelets look at all day.
#![forbid(unsafe_code)]

pub mod coverage;
