//! Compiled system call filters, kept: nearly all containers of a node have the same one, and
//! compiling it takes longer than the rest of a start's planning.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use runtime::seccomp::{self, Filter, Machine};
use runtime::spec::LinuxSeccomp;

use crate::error::Error;

/// Filters kept; when there are more kinds, the collection starts anew.
const KEPT: usize = 32;

/// Compiled filters by what they were compiled from.
#[derive(Debug, Default)]
pub(crate) struct Filters(Mutex<HashMap<LinuxSeccomp, Arc<Filter>>>);

impl Filters {
    /// The filter, compiled now or before.
    pub(crate) fn get(&self, seccomp: &LinuxSeccomp, machine: Machine) -> Result<Arc<Filter>, Error> {
        let known = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(seccomp)
            .cloned();
        if let Some(filter) = known {
            return Ok(filter);
        }
        let compiled = seccomp::compile(seccomp, machine);
        let filter = Arc::new(compiled.map_err(|error| Error::Invalid(error.to_string()))?);
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(seccomp.clone(), filter.clone());
        Ok(filter)
    }
}
