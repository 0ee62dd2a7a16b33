//! Tables: the columns and cells that `kubectl get` shows of each kind. Pure.
#![forbid(unsafe_code)]
