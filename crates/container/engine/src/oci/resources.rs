//! `HostConfig.Resources` as the specification's `linux.resources`.

use std::path::Path;

use runtime::spec::{
    LinuxBlockIo, LinuxCpu, LinuxMemory, LinuxPids, LinuxResources, LinuxThrottleDevice, LinuxWeightDevice,
};

use super::devices::{Device, Found, HostDevices, reason};
use super::{Invalid, TranslateError};
use crate::spec::{BlockIoLimit, Resources};

/// The period that `--cpus` is a share of, microseconds.
const CPU_PERIOD: i64 = 100_000;

/// Limits, without device rules: of a start and of an update.
///
/// # Errors
/// A block device that is not there, or negative CPU shares.
pub fn limits(resources: &Resources, host: &dyn HostDevices) -> Result<LinuxResources, TranslateError> {
    Ok(LinuxResources {
        memory: some(memory(resources)),
        cpu: some(cpu(resources)?),
        pids: resources.pids_limit.map(|limit| LinuxPids {
            limit: Some(if limit <= 0 { -1 } else { limit }),
        }),
        block_io: some(block_io(resources, host)?),
        ..LinuxResources::default()
    })
}

/// A section without anything in it is left out.
fn some<T: Default + PartialEq>(section: T) -> Option<T> {
    (section != T::default()).then_some(section)
}

fn memory(resources: &Resources) -> LinuxMemory {
    let positive = |bytes: i64| (bytes > 0).then_some(bytes);
    LinuxMemory {
        limit: positive(resources.memory),
        reservation: positive(resources.memory_reservation),
        swap: swap(resources),
        swappiness: resources
            .memory_swappiness
            .and_then(|percent| u64::try_from(percent).ok()),
        disable_oom_killer: resources.oom_kill_disable.then_some(true),
        ..LinuxMemory::default()
    }
}

/// As much swap as memory unless something else was said; -1 is no limit.
fn swap(resources: &Resources) -> Option<i64> {
    match resources.memory_swap {
        0 if resources.memory > 0 => Some(resources.memory.saturating_mul(2)),
        0 => None,
        -1 if resources.memory <= 0 => None,
        limit => Some(limit),
    }
}

fn cpu(resources: &Resources) -> Result<LinuxCpu, Invalid> {
    let shares = u64::try_from(resources.cpu_shares).map_err(|_| {
        Invalid::new(format!(
            "invalid CPU shares ({}): value must be a positive integer",
            resources.cpu_shares
        ))
    })?;
    let nonzero = |value: i64| (value != 0).then_some(value);
    let period = |value: i64| u64::try_from(value).ok().filter(|value| *value != 0);
    let share = (resources.nano_cpus > 0).then(|| nano_quota(resources.nano_cpus));
    Ok(LinuxCpu {
        shares: (shares != 0).then_some(shares),
        quota: share.or(nonzero(resources.cpu_quota)),
        period: share
            .map(|_| CPU_PERIOD.unsigned_abs())
            .or(period(resources.cpu_period)),
        realtime_runtime: nonzero(resources.cpu_realtime_runtime),
        realtime_period: period(resources.cpu_realtime_period),
        cpus: resources.cpuset_cpus.clone(),
        mems: resources.cpuset_mems.clone(),
        ..LinuxCpu::default()
    })
}

/// Billionths of a processor as microseconds in each period.
fn nano_quota(nano_cpus: i64) -> i64 {
    let quota = i128::from(nano_cpus) * i128::from(CPU_PERIOD) / 1_000_000_000;
    i64::try_from(quota).unwrap_or(i64::MAX)
}

fn block_io(resources: &Resources, host: &dyn HostDevices) -> Result<LinuxBlockIo, TranslateError> {
    let throttle = |limits: &[BlockIoLimit]| -> Result<Vec<LinuxThrottleDevice>, TranslateError> {
        limits.iter().map(|limit| throttle(limit, host)).collect()
    };
    let weights = resources.blkio_weight_device.iter().map(|weight| {
        let device = device(&weight.path, host)?;
        let (major, minor) = (device.major.into(), device.minor.into());
        Ok(LinuxWeightDevice {
            major,
            minor,
            weight: Some(weight.weight),
            leaf_weight: None,
        })
    });
    Ok(LinuxBlockIo {
        weight: (resources.blkio_weight != 0).then_some(resources.blkio_weight),
        leaf_weight: None,
        weight_device: weights.collect::<Result<_, TranslateError>>()?,
        throttle_read_bps_device: throttle(&resources.blkio_read_bps)?,
        throttle_write_bps_device: throttle(&resources.blkio_write_bps)?,
        throttle_read_iops_device: throttle(&resources.blkio_read_iops)?,
        throttle_write_iops_device: throttle(&resources.blkio_write_iops)?,
    })
}

fn throttle(limit: &BlockIoLimit, host: &dyn HostDevices) -> Result<LinuxThrottleDevice, TranslateError> {
    let device = device(&limit.path, host)?;
    Ok(LinuxThrottleDevice {
        major: device.major.into(),
        minor: device.minor.into(),
        rate: limit.rate,
    })
}

fn device(path: &str, host: &dyn HostDevices) -> Result<Device, TranslateError> {
    let fail = |reason: String| TranslateError::Stat {
        path: path.to_owned(),
        reason,
    };
    let resolved = host
        .resolve(Path::new(path))
        .map_err(|error| fail(reason(&error)))?;
    match host.look(&resolved).map_err(|error| fail(reason(&error)))? {
        Found::Device(device) => Ok(device),
        Found::Directory(_) | Found::Other => Err(fail("not a device node".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::super::devices::tests::host;
    use super::*;
    use crate::spec::WeightDevice;

    const MIB: i64 = 1 << 20;

    fn translated(set: impl FnOnce(&mut Resources)) -> LinuxResources {
        let mut resources = Resources::default();
        set(&mut resources);
        limits(&resources, &host()).unwrap()
    }

    #[test]
    fn nothing_asked_is_nothing_set() {
        assert_eq!(translated(|_| {}), LinuxResources::default());
    }

    #[test]
    fn swap_follows_memory_unless_it_is_named() {
        let check = |memory, swap, expected: Option<i64>| {
            let found = translated(|r| (r.memory, r.memory_swap) = (memory, swap)).memory;
            assert_eq!(found.and_then(|memory| memory.swap), expected, "{memory} {swap}");
        };
        check(64 * MIB, 0, Some(128 * MIB));
        check(64 * MIB, 64 * MIB, Some(64 * MIB));
        check(64 * MIB, -1, Some(-1));
        check(0, -1, None);
        check(0, 0, None);
    }

    #[test]
    fn processors_become_a_quota() {
        let cpu = translated(|r| r.nano_cpus = 1_500_000_000).cpu.unwrap();
        assert_eq!((cpu.quota, cpu.period), (Some(150_000), Some(100_000)));
        let cpu = translated(|r| (r.cpu_period, r.cpu_quota) = (50_000, -1))
            .cpu
            .unwrap();
        assert_eq!((cpu.quota, cpu.period), (Some(-1), Some(50_000)));
        let cpu = translated(|r| (r.cpu_shares, r.cpuset_cpus) = (512, "0-1".into()))
            .cpu
            .unwrap();
        assert_eq!((cpu.shares, cpu.cpus.as_str()), (Some(512), "0-1"));
        let error = limits(
            &Resources {
                cpu_shares: -1,
                ..Resources::default()
            },
            &host(),
        )
        .unwrap_err();
        assert_eq!(
            error.to_string(),
            "invalid CPU shares (-1): value must be a positive integer"
        );
    }

    #[test]
    fn no_limit_of_processes_is_said_as_minus_one() {
        for (asked, expected) in [
            (None, None),
            (Some(0), Some(-1)),
            (Some(-5), Some(-1)),
            (Some(10), Some(10)),
        ] {
            let pids = translated(|r| r.pids_limit = asked).pids;
            assert_eq!(pids.and_then(|pids| pids.limit), expected);
        }
    }

    #[test]
    fn block_devices_are_named_by_their_numbers() {
        let path = || "/dev/disk".to_owned();
        let limit = |rate| vec![BlockIoLimit { path: path(), rate }];
        let io = translated(|r| {
            r.blkio_weight = 300;
            r.blkio_weight_device = vec![WeightDevice {
                path: path(),
                weight: 20,
            }];
            (r.blkio_read_bps, r.blkio_write_bps) = (limit(1), limit(2));
            (r.blkio_read_iops, r.blkio_write_iops) = (limit(3), limit(4));
        });
        let io = io.block_io.unwrap();
        assert_eq!((io.weight, io.weight_device[0].weight), (Some(300), Some(20)));
        let rates = [
            &io.throttle_read_bps_device,
            &io.throttle_write_bps_device,
            &io.throttle_read_iops_device,
            &io.throttle_write_iops_device,
        ];
        assert_eq!(
            rates.map(|devices| (devices[0].major, devices[0].rate)),
            [(8, 1), (8, 2), (8, 3), (8, 4)]
        );
        let missing = Resources {
            blkio_read_bps: vec![BlockIoLimit {
                path: "/dev/none".into(),
                rate: 1,
            }],
            ..Resources::default()
        };
        let error = limits(&missing, &host()).unwrap_err();
        assert_eq!(error.to_string(), "stat /dev/none: no such file or directory");
    }
}
