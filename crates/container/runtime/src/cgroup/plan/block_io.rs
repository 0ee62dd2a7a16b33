//! `blockIO`: weights and rates, under the names of either version.

use super::{Missing, PlanError, Planner, Target, check};
use crate::spec::{LinuxBlockIo, LinuxThrottleDevice, LinuxWeightDevice};

impl Planner<'_> {
    pub(super) fn block_io(&mut self, io: &LinuxBlockIo) -> Result<(), PlanError> {
        if let Some(weight) = io.weight.filter(|weight| *weight != 0) {
            let target = self.io("blockIO.weight")?;
            self.io_weight(&target, "", weight)?;
        }
        if let Some(weight) = io.leaf_weight.filter(|weight| *weight != 0) {
            let target = self.io("blockIO.leafWeight")?;
            target.only_v1()?;
            target.write(&mut self.plan, "blkio.leaf_weight", weight);
        }
        io.weight_device
            .iter()
            .try_for_each(|device| self.weight_device(device))?;
        self.throttle(
            "blockIO.throttleReadBpsDevice",
            "read_bps",
            "rbps",
            &io.throttle_read_bps_device,
        )?;
        self.throttle(
            "blockIO.throttleWriteBpsDevice",
            "write_bps",
            "wbps",
            &io.throttle_write_bps_device,
        )?;
        self.throttle(
            "blockIO.throttleReadIOPSDevice",
            "read_iops",
            "riops",
            &io.throttle_read_iops_device,
        )?;
        self.throttle(
            "blockIO.throttleWriteIOPSDevice",
            "write_iops",
            "wiops",
            &io.throttle_write_iops_device,
        )
    }

    /// The same controller has two names.
    fn io(&mut self, property: &'static str) -> Result<Target, PlanError> {
        let v1 = self.layout.place("blkio").is_some();
        self.at(if v1 { "blkio" } else { "io" }, property)
    }

    /// BFQ takes the specification's scale on both versions; `io.weight` has one of its own.
    fn io_weight(&mut self, target: &Target, device: &str, weight: u16) -> Result<(), PlanError> {
        check(
            (10..=1000).contains(&weight),
            target.property,
            "must be 10 to 1000",
        )?;
        let value = format!("{device}{weight}");
        let (file, instead) = match (target.v2, device) {
            (true, _) => (
                "io.bfq.weight",
                ("io.weight", format!("{device}{}", io_weight_of(weight))),
            ),
            (false, "") => ("blkio.weight", ("blkio.bfq.weight", value.clone())),
            (false, _) => ("blkio.weight_device", ("blkio.bfq.weight_device", value.clone())),
        };
        let missing = Missing::Instead {
            file: instead.0.to_owned(),
            value: instead.1,
        };
        target.write_or(&mut self.plan, file, value, missing);
        Ok(())
    }

    fn weight_device(&mut self, device: &LinuxWeightDevice) -> Result<(), PlanError> {
        let number = format!("{}:{} ", device.major, device.minor);
        if let Some(weight) = device.weight {
            let target = self.io("blockIO.weightDevice")?;
            self.io_weight(&target, &number, weight)?;
        }
        if let Some(weight) = device.leaf_weight {
            let target = self.io("blockIO.weightDevice.leafWeight")?;
            target.only_v1()?;
            target.write(
                &mut self.plan,
                "blkio.leaf_weight_device",
                format!("{number}{weight}"),
            );
        }
        Ok(())
    }

    /// A rate of zero is no limit, which v2 spells `max`.
    fn throttle(
        &mut self,
        property: &'static str,
        v1: &str,
        v2: &str,
        devices: &[LinuxThrottleDevice],
    ) -> Result<(), PlanError> {
        for LinuxThrottleDevice { major, minor, rate } in devices {
            let target = self.io(property)?;
            if target.v2 {
                let rate = if *rate == 0 {
                    "max".to_owned()
                } else {
                    rate.to_string()
                };
                target.write(&mut self.plan, "io.max", format!("{major}:{minor} {v2}={rate}"));
            } else {
                let file = format!("blkio.throttle.{v1}_device");
                target.write(&mut self.plan, &file, format!("{major}:{minor} {rate}"));
            }
        }
        Ok(())
    }
}

/// 10..=1000 → 1..=10000, a straight line.
pub(super) fn io_weight_of(weight: u16) -> u64 {
    1 + u64::from(weight.max(10) - 10) * 9999 / 990
}
