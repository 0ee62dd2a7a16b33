//! The room on a real kernel: overlay mounts, owners, device nodes, extended attributes. Root.

#[cfg(test)]
mod node {
    mod archives;
    mod commit;
    mod evict;
    mod failures;
    mod hostile;
    mod load;
    mod names;
    mod pull;
    mod push;
    mod registry;
    mod remote;
    mod snapshots;
    mod soon;
    mod standing;
    mod support;
    mod worker;
}
