//! The kubelet's own HTTPS API: logs, exec, attach, port-forward, pods, statistics.
#![forbid(unsafe_code)]
