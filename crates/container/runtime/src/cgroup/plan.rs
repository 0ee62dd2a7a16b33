//! From `linux.resources` to directories and file writes. Pure.

use std::path::PathBuf;

use super::devices::{self, DeviceError};
use super::layout::{Layout, Place};
use crate::spec::{
    LinuxBlockIo, LinuxCpu, LinuxHugepageLimit, LinuxMemory, LinuxNetwork, LinuxPids, LinuxResources,
    LinuxThrottleDevice, LinuxWeightDevice,
};

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The group, counted from each hierarchy's mount point.
    pub path: &'a str,
    /// The limits.
    pub resources: &'a LinuxResources,
    /// Whether the container's usage will be read, which needs groups even where nothing is limited.
    pub accounting: bool,
    /// On update, `memory.limit_in_bytes` as it is: it decides the order of the v1 writes.
    pub current_memory_limit: Option<u64>,
}

/// What to do about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The group's directories, one for each hierarchy it needs.
    pub dirs: Vec<PathBuf>,
    /// Controllers that the ancestors on the unified hierarchy must delegate.
    pub enable: Vec<String>,
    /// The v1 cpuset group, whose ancestors must have CPUs and memory nodes before it can have any.
    pub cpuset: Option<PathBuf>,
    /// Writes, in order.
    pub writes: Vec<Write>,
    /// The eBPF program for the unified group.
    pub device_program: Option<Vec<u64>>,
    /// `checkBeforeUpdate`: a file of current usage, and the limit it must not exceed.
    pub usage_within: Option<(PathBuf, u64)>,
}

/// One write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// The group's directory.
    pub dir: PathBuf,
    /// The file in it.
    pub file: String,
    /// What is written.
    pub value: String,
    /// What happens on a kernel without that file.
    pub missing: Missing,
    /// The property of `linux.resources` it comes from.
    pub property: &'static str,
}

/// A file that a kernel may lack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    /// The limit cannot be applied.
    Fails,
    /// Nothing is lost.
    Ignored,
    /// Another file does the same.
    Instead {
        /// That file.
        file: String,
        /// Its value.
        value: String,
    },
}

/// Why a host cannot apply a property.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// No hierarchy has the controller.
    #[error("linux.resources.{property}: this host has no {controller} cgroup controller")]
    NoController {
        /// The property.
        property: &'static str,
        /// The controller it needs.
        controller: &'static str,
    },
    /// cgroup v2 has no such thing.
    #[error("linux.resources.{0} exists only on cgroup v1")]
    OnlyV1(&'static str),
    /// A `unified` key whose controller is not on the unified hierarchy.
    #[error("linux.resources.unified[{0:?}]: the controller is not on a cgroup v2 hierarchy here")]
    OnlyV2(String),
    /// A `unified` key that is not the name of a file.
    #[error("linux.resources.unified[{0:?}] is not a file name")]
    UnifiedKey(String),
    /// A value that makes no sense.
    #[error("linux.resources.{property}: {reason}")]
    Invalid {
        /// The property.
        property: &'static str,
        /// What is wrong.
        reason: &'static str,
    },
    /// A device rule.
    #[error(transparent)]
    Device(#[from] DeviceError),
}

/// Plans a group.
///
/// # Errors
/// A property this host cannot apply.
pub fn plan(layout: &Layout, request: Request<'_>) -> Result<Plan, PlanError> {
    let mut planner = Planner {
        layout,
        request,
        plan: Plan::default(),
    };
    let LinuxResources {
        devices,
        memory,
        cpu,
        pids,
        block_io,
        hugepage_limits,
        network,
        rdma,
        unified,
    } = request.resources;
    planner.base();
    memory.iter().try_for_each(|memory| planner.memory(memory))?;
    cpu.iter().try_for_each(|cpu| planner.cpu(cpu))?;
    pids.iter().try_for_each(|pids| planner.pids(pids))?;
    block_io.iter().try_for_each(|io| planner.block_io(io))?;
    hugepage_limits
        .iter()
        .try_for_each(|limit| planner.hugepages(limit))?;
    network.iter().try_for_each(|network| planner.network(network))?;
    for (device, limit) in rdma {
        let part =
            |name, limit: Option<u32>| limit.map_or_else(String::new, |limit| format!(" {name}={limit}"));
        let value = format!(
            "{device}{}{}",
            part("hca_handle", limit.hca_handles),
            part("hca_object", limit.hca_objects)
        );
        planner
            .at("rdma", "rdma")?
            .write(&mut planner.plan, "rdma.max", value);
    }
    if !devices.is_empty() {
        planner.devices()?;
    }
    unified
        .iter()
        .try_for_each(|(key, value)| planner.unified(key, value))?;
    Ok(planner.plan)
}

/// Controllers that a container's usage is read from.
const ACCOUNTING: [&str; 6] = ["memory", "cpu", "cpuacct", "pids", "blkio", "io"];

struct Planner<'a> {
    layout: &'a Layout,
    request: Request<'a>,
    plan: Plan,
}

/// Where one property is written.
struct Target {
    v2: bool,
    dir: PathBuf,
    property: &'static str,
}

impl Target {
    fn write(&self, plan: &mut Plan, file: &str, value: impl ToString) {
        self.write_or(plan, file, value, Missing::Fails);
    }

    fn write_or(&self, plan: &mut Plan, file: &str, value: impl ToString, missing: Missing) {
        let (dir, file, value) = (self.dir.clone(), file.to_owned(), value.to_string());
        plan.writes.push(Write {
            dir,
            file,
            value,
            missing,
            property: self.property,
        });
    }

    fn only_v1(&self) -> Result<(), PlanError> {
        if self.v2 {
            Err(PlanError::OnlyV1(self.property))
        } else {
            Ok(())
        }
    }
}

impl Planner<'_> {
    /// The groups a container has whatever its limits: the unified one, where it is killed, frozen
    /// and watched; without one, the freezer.
    fn base(&mut self) {
        let freezer = self.layout.place("freezer");
        let base = self.layout.unified.as_ref().map(Place::V2).or(freezer);
        base.into_iter().for_each(|place| drop(self.enter(place)));
        if self.request.accounting {
            for controller in ACCOUNTING {
                drop(self.place(controller));
            }
        }
    }

    fn at(&mut self, controller: &'static str, property: &'static str) -> Result<Target, PlanError> {
        let (v2, dir) = self
            .place(controller)
            .ok_or(PlanError::NoController { property, controller })?;
        Ok(Target { v2, dir, property })
    }

    /// Makes sure the group exists where `controller` lives.
    fn place(&mut self, controller: &str) -> Option<(bool, PathBuf)> {
        let place = self.layout.place(controller)?;
        let new = matches!(place, Place::V2(_)) && !self.plan.enable.iter().any(|name| name == controller);
        if new {
            self.plan.enable.push(controller.to_owned());
        }
        Some(self.enter(place))
    }

    fn enter(&mut self, place: Place<'_>) -> (bool, PathBuf) {
        let (v2, hierarchy) = match place {
            Place::V1(hierarchy) => (false, hierarchy),
            Place::V2(hierarchy) => (true, hierarchy),
        };
        let dir = hierarchy.dir(self.request.path);
        if !self.plan.dirs.contains(&dir) {
            self.plan.dirs.push(dir.clone());
        }
        (v2, dir)
    }

    fn memory(&mut self, memory: &LinuxMemory) -> Result<(), PlanError> {
        self.memory_limits(memory)?;
        if let Some(tcp) = memory.kernel_tcp {
            let target = self.at("memory", "memory.kernelTCP")?;
            target.only_v1()?;
            target.write(&mut self.plan, "memory.kmem.tcp.limit_in_bytes", tcp);
        }
        if let Some(swappiness) = memory.swappiness {
            let target = self.at("memory", "memory.swappiness")?;
            target.only_v1()?;
            check(swappiness <= 100, target.property, "must be 0 to 100")?;
            target.write(&mut self.plan, "memory.swappiness", swappiness);
        }
        if memory.disable_oom_killer == Some(true) {
            let target = self.at("memory", "memory.disableOOMKiller")?;
            target.only_v1()?;
            target.write(&mut self.plan, "memory.oom_control", 1);
        }
        check(
            memory.use_hierarchy != Some(false),
            "memory.useHierarchy",
            "accounting is always hierarchical",
        )
    }

    fn memory_limits(&mut self, memory: &LinuxMemory) -> Result<(), PlanError> {
        let (limit, swap) = (set(memory.limit), set(memory.swap));
        if limit.or(swap).or(set(memory.reservation)).is_none() {
            return Ok(());
        }
        let target = self.at("memory", "memory.limit")?;
        let usage = if target.v2 {
            "memory.current"
        } else {
            "memory.usage_in_bytes"
        };
        let checked = limit.filter(|_| memory.check_before_update == Some(true));
        self.plan.usage_within =
            checked.and_then(|limit| Some((target.dir.join(usage), limit.try_into().ok()?)));
        let reservation = set(memory.reservation);
        if target.v2 {
            self.memory_v2(&target, limit, swap)?;
            reservation
                .iter()
                .for_each(|low| target.write(&mut self.plan, "memory.low", or_max(*low)));
        } else {
            self.memory_v1(&target, limit, swap);
            reservation
                .iter()
                .for_each(|soft| target.write(&mut self.plan, "memory.soft_limit_in_bytes", soft));
        }
        Ok(())
    }

    /// The kernel demands limit ≤ memory+swap after every single write.
    fn memory_v1(&mut self, target: &Target, limit: Option<i64>, swap: Option<i64>) {
        let swap = match (limit, swap) {
            (Some(-1), None) => Some((-1, Missing::Ignored)),
            (_, swap) => swap.map(|swap| (swap, Missing::Fails)),
        };
        let rises = |swap: i64| {
            let current = self.request.current_memory_limit;
            swap == -1 || current.is_some_and(|current| u64::try_from(swap).is_ok_and(|swap| current < swap))
        };
        let swap_first = swap.as_ref().is_some_and(|(swap, _)| rises(*swap));
        let at = self.plan.writes.len();
        limit
            .iter()
            .for_each(|limit| target.write(&mut self.plan, "memory.limit_in_bytes", limit));
        let limits = self.plan.writes.len();
        if let Some((swap, missing)) = swap {
            target.write_or(&mut self.plan, "memory.memsw.limit_in_bytes", swap, missing);
        }
        if swap_first {
            self.plan.writes[at..].rotate_left(limits - at);
        }
    }

    fn memory_v2(&mut self, target: &Target, limit: Option<i64>, swap: Option<i64>) -> Result<(), PlanError> {
        if let Some(swap) = swap_alone(limit, swap)? {
            // Where there is no swap, none and any amount are the same.
            let missing = if swap > 0 {
                Missing::Fails
            } else {
                Missing::Ignored
            };
            target.write_or(&mut self.plan, "memory.swap.max", or_max(swap), missing);
        }
        limit
            .iter()
            .for_each(|limit| target.write(&mut self.plan, "memory.max", or_max(*limit)));
        Ok(())
    }

    fn cpu(&mut self, cpu: &LinuxCpu) -> Result<(), PlanError> {
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

    /// Zero is one, as runc has it (systemd refuses zero, and the group has a task anyway); below
    /// zero is no limit.
    fn pids(&mut self, pids: &LinuxPids) -> Result<(), PlanError> {
        if let Some(limit) = pids.limit {
            let target = self.at("pids", "pids.limit")?;
            target.write(
                &mut self.plan,
                "pids.max",
                if limit < 0 {
                    "max".to_owned()
                } else {
                    limit.max(1).to_string()
                },
            );
        }
        Ok(())
    }

    fn block_io(&mut self, io: &LinuxBlockIo) -> Result<(), PlanError> {
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

    /// Usage and, where the kernel has them, reservations.
    fn hugepages(&mut self, limit: &LinuxHugepageLimit) -> Result<(), PlanError> {
        let LinuxHugepageLimit { page_size, limit } = limit;
        check(
            !page_size.contains('/'),
            "hugepageLimits.pageSize",
            "not a page size",
        )?;
        let target = self.at("hugetlb", "hugepageLimits")?;
        let suffix = if target.v2 { "max" } else { "limit_in_bytes" };
        target.write(&mut self.plan, &format!("hugetlb.{page_size}.{suffix}"), limit);
        let reserved = format!("hugetlb.{page_size}.rsvd.{suffix}");
        target.write_or(&mut self.plan, &reserved, limit, Missing::Ignored);
        Ok(())
    }

    fn network(&mut self, network: &LinuxNetwork) -> Result<(), PlanError> {
        if let Some(class) = network.class_id {
            self.at("net_cls", "network.classID")?
                .write(&mut self.plan, "net_cls.classid", class);
        }
        for priority in &network.priorities {
            let value = format!("{} {}", priority.name, priority.priority);
            self.at("net_prio", "network.priorities")?
                .write(&mut self.plan, "net_prio.ifpriomap", value);
        }
        Ok(())
    }

    /// On v2 there is no controller: a program on the unified group judges each access.
    fn devices(&mut self) -> Result<(), PlanError> {
        let rules = &self.request.resources.devices;
        if self.layout.place("devices").is_none() && self.layout.unified.is_some() {
            self.plan.device_program = Some(devices::device_program(rules)?);
            return Ok(());
        }
        let target = self.at("devices", "devices")?;
        for (file, value) in devices::v1_writes(rules)? {
            target.write(&mut self.plan, file, value);
        }
        Ok(())
    }

    fn unified(&mut self, key: &str, value: &str) -> Result<(), PlanError> {
        let (controller, _) = key
            .split_once('.')
            .ok_or_else(|| PlanError::UnifiedKey(key.to_owned()))?;
        check_key(key)?;
        let unified = self.layout.unified.as_ref().map(Place::V2);
        let place = if controller == "cgroup" {
            unified
        } else {
            self.layout.place(controller)
        };
        let Some(place @ Place::V2(_)) = place else {
            return Err(PlanError::OnlyV2(key.to_owned()));
        };
        drop(self.place(controller));
        let (v2, dir) = self.enter(place);
        Target {
            v2,
            dir,
            property: "unified",
        }
        .write(&mut self.plan, key, value);
        Ok(())
    }
}

fn check_key(key: &str) -> Result<(), PlanError> {
    if key.contains(['/', '\0']) {
        Err(PlanError::UnifiedKey(key.to_owned()))
    } else {
        Ok(())
    }
}

fn check(holds: bool, property: &'static str, reason: &'static str) -> Result<(), PlanError> {
    if holds {
        Ok(())
    } else {
        Err(PlanError::Invalid { property, reason })
    }
}

/// Zero stands for unset, as in every runtime written in Go.
fn set(value: Option<i64>) -> Option<i64> {
    value.filter(|value| *value != 0)
}

fn or_max(value: i64) -> String {
    if value < 0 {
        "max".to_owned()
    } else {
        value.to_string()
    }
}

/// The specification counts memory and swap together, v2 counts swap alone.
fn swap_alone(limit: Option<i64>, swap: Option<i64>) -> Result<Option<i64>, PlanError> {
    let invalid = |reason| {
        Err(PlanError::Invalid {
            property: "memory.swap",
            reason,
        })
    };
    match (limit, swap) {
        (Some(-1), None) => Ok(Some(-1)),
        (_, None | Some(-1)) | (Some(-1), _) => Ok(swap),
        (None, Some(_)) => invalid("needs memory.limit"),
        (Some(limit), Some(swap)) if swap < limit => invalid("must not be less than memory.limit"),
        (Some(limit), Some(swap)) => Ok(Some(swap - limit)),
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
fn weight_of_shares(shares: u64) -> u64 {
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

/// 10..=1000 → 1..=10000, a straight line.
fn io_weight_of(weight: u16) -> u64 {
    1 + u64::from(weight.max(10) - 10) * 9999 / 990
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
