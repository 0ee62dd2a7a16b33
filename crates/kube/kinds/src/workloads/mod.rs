//! What runs pods: pods, their controllers, and what bounds and schedules them.

mod batch;
mod bounds;
mod daemon_set;
mod deployment;
pub(crate) mod downward;
mod pod;
mod replicas;
mod stateful_set;
mod template;

use crate::Row;

pub(crate) const ROWS: &[Row] = &[
    ("", "limitranges", &bounds::LIMIT_RANGE),
    ("", "pods", &pod::STRATEGY),
    ("", "podtemplates", &template::STRATEGY),
    ("", "replicationcontrollers", &replicas::CONTROLLER),
    ("apps", "daemonsets", &daemon_set::STRATEGY),
    ("apps", "deployments", &deployment::STRATEGY),
    ("apps", "replicasets", &replicas::SET),
    ("apps", "statefulsets", &stateful_set::STRATEGY),
    ("autoscaling", "horizontalpodautoscalers", &bounds::AUTOSCALER),
    ("batch", "cronjobs", &batch::CRON_JOB),
    ("batch", "jobs", &batch::JOB),
    ("coordination.k8s.io", "leases", &bounds::LEASE),
    ("policy", "poddisruptionbudgets", &bounds::DISRUPTION_BUDGET),
    ("scheduling.k8s.io", "priorityclasses", &bounds::PRIORITY_CLASS),
];

#[cfg(test)]
mod tests;
