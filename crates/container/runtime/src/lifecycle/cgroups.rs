//! The container's cgroup.

use std::path::PathBuf;

use super::{Record, Runtime, RuntimeError};
use crate::plan::CgroupMount;
use crate::spec::Spec;

/// What the plan needs to know of it.
#[derive(Default)]
pub(super) struct Prepared {
    pub(super) path: String,
    pub(super) joins: Vec<PathBuf>,
    pub(super) mounts: Vec<CgroupMount>,
    pub(super) unified: bool,
}

impl Runtime {
    pub(super) fn prepare_cgroup(&self, _: &Spec, _: &str) -> Result<Prepared, RuntimeError> {
        Ok(Prepared::default())
    }

    pub(super) fn cgroup_joins(&self, _: &Record) -> Result<Vec<PathBuf>, RuntimeError> {
        Ok(Vec::new())
    }

    pub(super) fn remove_cgroup(&self, _: &Record) -> Result<(), RuntimeError> {
        Ok(())
    }

    pub(super) fn remove_cgroup_of(&self, _: &Spec, _: &str) -> Result<(), RuntimeError> {
        Ok(())
    }
}
