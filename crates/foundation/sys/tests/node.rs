//! What only a real kernel, asked by root, can show: mounts attached nowhere, confinement.

#[cfg(test)]
mod node {
    mod confine;
    mod mount;
}
