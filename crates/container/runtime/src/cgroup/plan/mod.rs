//! From `linux.resources` to directories and file writes. Pure.

mod block_io;
mod cpu;
mod memory;

use std::path::PathBuf;

use crate::cgroup::devices::{self, DeviceError};
use crate::cgroup::layout::{Layout, Place};
use crate::spec::{LinuxHugepageLimit, LinuxNetwork, LinuxPids, LinuxResources};

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

#[cfg(test)]
mod tests;
