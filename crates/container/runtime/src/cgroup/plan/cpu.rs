//! `cpu`: weight, bandwidth, real-time bandwidth, placement.

use super::{PlanError, Planner, check, set};
use crate::spec::LinuxCpu;

impl Planner<'_> {
    pub(super) fn cpu(&mut self, cpu: &LinuxCpu) -> Result<(), PlanError> {
        let idle = cpu.idle.filter(|idle| *idle != 0);
        let shares = cpu.shares.filter(|shares| *shares != 0);
        check(
            idle.is_none() || shares.is_none(),
            "cpu.shares",
            "an idle group has no shares",
        )?;
        if let Some(idle) = cpu.idle {
            self.at("cpu", "cpu.idle")?
                .write(&mut self.plan, "cpu.idle", idle);
        }
        if let Some(shares) = shares {
            let target = self.at("cpu", "cpu.shares")?;
            let (file, value) = if target.v2 {
                ("cpu.weight", weight_of_shares(shares))
            } else {
                ("cpu.shares", shares)
            };
            target.write(&mut self.plan, file, value);
        }
        self.cpu_bandwidth(cpu)?;
        self.cpu_realtime(cpu)?;
        self.cpuset("cpu.cpus", "cpuset.cpus", &cpu.cpus)?;
        self.cpuset("cpu.mems", "cpuset.mems", &cpu.mems)
    }

    /// The period goes first: a quota is checked against it.
    fn cpu_bandwidth(&mut self, cpu: &LinuxCpu) -> Result<(), PlanError> {
        let (period, quota) = (cpu.period.filter(|period| *period != 0), set(cpu.quota));
        if period.is_some() || quota.is_some() {
            let target = self.at("cpu", "cpu.quota")?;
            if target.v2 {
                let quota = quota
                    .filter(|quota| *quota > 0)
                    .map_or_else(|| "max".to_owned(), |quota| quota.to_string());
                let period = period.map_or_else(String::new, |period| format!(" {period}"));
                target.write(&mut self.plan, "cpu.max", quota + &period);
            } else {
                period
                    .iter()
                    .for_each(|period| target.write(&mut self.plan, "cpu.cfs_period_us", period));
                quota
                    .iter()
                    .for_each(|quota| target.write(&mut self.plan, "cpu.cfs_quota_us", quota));
            }
        }
        if let Some(burst) = cpu.burst {
            let target = self.at("cpu", "cpu.burst")?;
            target.write(
                &mut self.plan,
                if target.v2 {
                    "cpu.max.burst"
                } else {
                    "cpu.cfs_burst_us"
                },
                burst,
            );
        }
        Ok(())
    }

    fn cpu_realtime(&mut self, cpu: &LinuxCpu) -> Result<(), PlanError> {
        if let Some(period) = cpu.realtime_period.filter(|period| *period != 0) {
            let target = self.at("cpu", "cpu.realtimePeriod")?;
            target.only_v1()?;
            target.write(&mut self.plan, "cpu.rt_period_us", period);
        }
        if let Some(runtime) = set(cpu.realtime_runtime) {
            let target = self.at("cpu", "cpu.realtimeRuntime")?;
            target.only_v1()?;
            target.write(&mut self.plan, "cpu.rt_runtime_us", runtime);
        }
        Ok(())
    }

    fn cpuset(&mut self, property: &'static str, file: &str, list: &str) -> Result<(), PlanError> {
        if !list.is_empty() {
            let target = self.at("cpuset", property)?;
            target.write(&mut self.plan, file, list);
            self.plan.cpuset = (!target.v2).then_some(target.dir);
        }
        Ok(())
    }
}

/// runc's curve (since 1.3) through (2, 1), (1024, 100) and (262144, 10000); the straight line that
/// came before gave the default of 1024 shares a weight of 39.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "2 to 262144"
)]
pub(super) fn weight_of_shares(shares: u64) -> u64 {
    match shares {
        0..=2 => 1,
        262_144.. => 10_000,
        _ => {
            let log = (shares as f64).log2();
            let exponent = (log * log + 125.0 * log) / 612.0 - 7.0 / 34.0;
            10f64.powf(exponent).ceil() as u64
        }
    }
}
