//! Jobs and what starts them on time.

mod cron;
mod cron_job;
mod job;
mod policy;
mod selector;
mod status;
mod update;

pub(super) use cron_job::STRATEGY as CRON_JOB;
pub(super) use job::STRATEGY as JOB;
