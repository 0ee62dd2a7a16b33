//! Control groups: v1, v2 and both at once (hybrid).
//!
//! [`Layout`] says where each controller lives; [`plan()`] turns `linux.resources` into directories
//! and file writes, controller by controller, so that hybrid is no third case: every controller is
//! on v1 or on v2, and the property is written the way of that version. [`Cgroup`] does the I/O and
//! decides nothing. There is no lock: a container's groups are its own.
//!
//! What a host cannot apply is an error that names the property. Exceptions, as in runc:
//! `memory.kernel` is ignored (the specification allows it and kernels refuse it), and a missing
//! swap file is no error where swap would be unlimited or zero anyway.

mod devices;
mod group;
mod layout;
mod plan;
mod stats;

pub use devices::{DeviceError, device_program};
pub use group::Cgroup;
pub use layout::{Hierarchy, Layout, Place};
pub use plan::{Plan, PlanError, Request, Write, plan};
pub use stats::{BlockIo, HugepageUsage, Stats};
