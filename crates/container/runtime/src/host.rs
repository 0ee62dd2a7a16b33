//! What a start needs to know about the host, read once.

use std::fs;
use std::io;
use std::path::Path;

use crate::capability::CapabilitySet;

/// Facts about this host and this process.
#[derive(Clone, Debug)]
pub struct Host {
    /// Capabilities that this process holds and can therefore give.
    pub capabilities: CapabilitySet,
    /// Whether AppArmor confines processes here.
    pub apparmor: bool,
}

impl Host {
    /// Reads the facts.
    ///
    /// # Errors
    /// `/proc` is not mounted or not readable.
    pub fn read() -> io::Result<Self> {
        let status = fs::read_to_string("/proc/self/status")?;
        let apparmor =
            fs::read("/sys/module/apparmor/parameters/enabled").is_ok_and(|text| text.starts_with(b"Y"));
        let mounted = Path::new("/sys/kernel/security/apparmor").exists();
        Ok(Self {
            capabilities: permitted(&status),
            apparmor: apparmor && mounted,
        })
    }
}

/// The `CapPrm` line of a process's status.
fn permitted(status: &str) -> CapabilitySet {
    let line = status.lines().find_map(|line| line.strip_prefix("CapPrm:"));
    let bits = line.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok());
    CapabilitySet::from_bits(bits.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permitted_capabilities_are_read_from_the_status() {
        let set = permitted("CapInh:\t0000000000000000\nCapPrm:\t00000000a80425fb\n");
        assert_eq!(set, CapabilitySet::DOCKER_DEFAULT);
        assert_eq!(permitted(""), CapabilitySet::EMPTY);
    }
}
