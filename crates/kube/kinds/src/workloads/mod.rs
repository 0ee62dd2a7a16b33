//! What runs pods: pods, their controllers, and what bounds and schedules them.

mod autoscaler;
mod batch;
mod daemon_set;
mod deployment;
mod disruption_budget;
pub(crate) mod downward;
mod lease;
mod limit_range;
mod pod;
mod priority_class;
mod replicas;
mod resource_quota;
mod revision;
mod runtime_class;
mod stateful_set;
mod status;
mod template;

use crate::Row;

pub(crate) const ROWS: &[Row] = &[
    ("", "limitranges", &limit_range::STRATEGY),
    ("", "pods", &pod::STRATEGY),
    ("", "podtemplates", &template::STRATEGY),
    ("", "replicationcontrollers", &replicas::CONTROLLER),
    ("", "resourcequotas", &resource_quota::STRATEGY),
    ("apps", "controllerrevisions", &revision::STRATEGY),
    ("apps", "daemonsets", &daemon_set::STRATEGY),
    ("apps", "deployments", &deployment::STRATEGY),
    ("apps", "replicasets", &replicas::SET),
    ("apps", "statefulsets", &stateful_set::STRATEGY),
    ("autoscaling", "horizontalpodautoscalers", &autoscaler::STRATEGY),
    ("batch", "cronjobs", &batch::CRON_JOB),
    ("batch", "jobs", &batch::JOB),
    ("coordination.k8s.io", "leasecandidates", &lease::CANDIDATE),
    ("coordination.k8s.io", "leases", &lease::LEASE),
    ("node.k8s.io", "runtimeclasses", &runtime_class::STRATEGY),
    ("policy", "poddisruptionbudgets", &disruption_budget::STRATEGY),
    ("scheduling.k8s.io", "priorityclasses", &priority_class::STRATEGY),
];

#[cfg(test)]
mod cases;
#[cfg(test)]
pub(crate) mod tests;
