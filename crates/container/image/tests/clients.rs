//! Archives go to another engine and come back: podman, as the package has it. Root.

#[cfg(test)]
mod clients {
    mod podman;
}
