//! Services and what carries their traffic.

pub(crate) mod service;

use crate::Row;

pub(crate) const ROWS: &[Row] = &[("", "services", &service::STRATEGY)];
