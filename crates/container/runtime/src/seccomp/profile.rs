//! Docker's seccomp profile format, as `--security-opt seccomp=FILE` takes it: the specification's
//! `linux.seccomp` with conditions on each rule.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::Machine;
use crate::capability::{Capability, CapabilitySet};
use crate::spec::{
    self, LinuxSeccomp, LinuxSeccompArg, LinuxSyscall, SeccompAction, SeccompArch, SeccompFlag, SpecError,
    object,
};

object! {
    /// A profile. Its properties are those of [`LinuxSeccomp`] where they are not described here.
    #[derive(Default)]
    pub struct Profile {
        required {}
        optional {
            /// May be absent only where there are no rules; then there is no filter.
            default_action: Option<SeccompAction>,
            /// The errno of the default action.
            default_errno_ret: Option<u32>,
            /// Architectures besides the native one; not together with `arch_map`.
            architectures: Vec<SeccompArch>,
            /// Architectures by the machine's native one.
            arch_map: Vec<ArchitectureMap>,
            /// Flags of seccomp(2).
            flags: Vec<SeccompFlag>,
            /// Socket for the notification descriptor.
            listener_path: String,
            /// Text sent along with it.
            listener_metadata: String,
            /// The rules.
            syscalls: Vec<ProfileRule>,
        }
    }

    /// What a machine's filter covers.
    pub struct ArchitectureMap {
        required {
            /// The native architecture.
            architecture: SeccompArch,
        }
        optional {
            /// The others it can run.
            #[serde(rename = "subArchitectures")]
            sub_architectures: Vec<SeccompArch>,
        }
    }

    /// A rule that holds under conditions.
    pub struct ProfileRule {
        required {
            /// The action.
            action: SeccompAction,
        }
        optional {
            /// System call names.
            names: Vec<String>,
            /// One name: the form of old profiles; not together with `names`.
            name: String,
            /// The errno of the action.
            errno_ret: Option<u32>,
            /// Conditions on the arguments.
            args: Vec<LinuxSeccompArg>,
            /// For the reader.
            comment: String,
            /// All of these must hold.
            includes: Option<Conditions>,
            /// None of these may hold.
            excludes: Option<Conditions>,
        }
    }

    /// Facts about the container and its host. What is empty is no condition.
    #[derive(Default)]
    pub struct Conditions {
        required {}
        optional {
            /// Capabilities of the container's bounding set.
            caps: Vec<String>,
            /// Machines, by Docker's names (`amd64`, `arm64`).
            arches: Vec<String>,
            /// The oldest kernel.
            min_kernel: Option<KernelVersion>,
        }
    }
}

/// A kernel version as far as it matters: `4.8` of `4.8.0-rc5-generic`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KernelVersion(
    /// The first number.
    pub u32,
    /// The second.
    pub u32,
);

impl KernelVersion {
    /// Reads a release as uname(2) gives it.
    #[must_use]
    pub fn of_release(release: &str) -> Option<Self> {
        let (version, rest) = release.split_once('.')?;
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        Some(Self(version.parse().ok()?, rest[..digits].parse().ok()?))
    }
}

impl fmt::Display for KernelVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

impl Serialize for KernelVersion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for KernelVersion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.is_empty() {
            return Ok(Self(0, 0));
        }
        let invalid = || {
            de::Error::custom(format_args!(
                "invalid kernel version {text:?}, expected \"<kernel>.<major>\""
            ))
        };
        let (kernel, major) = text.split_once('.').ok_or_else(invalid)?;
        let version = Self(
            kernel.parse().map_err(|_| invalid())?,
            major.parse().map_err(|_| invalid())?,
        );
        if version == Self(0, 0) {
            Err(invalid())
        } else {
            Ok(version)
        }
    }
}

/// Why a profile cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// It cannot be read.
    #[error("cannot decode the seccomp profile")]
    Decode(#[source] SpecError),
    /// Two ways to say one thing.
    #[error(
        "both 'architectures' and 'archMap' are specified in the seccomp profile, use either 'architectures' or 'archMap'"
    )]
    TwoArchitectures,
    /// Two ways to say one thing.
    #[error("both 'name' and 'names' are specified in the seccomp profile, use either 'name' or 'names'")]
    TwoNames,
    /// Rules without a default.
    #[error("the seccomp profile has rules but no defaultAction")]
    NoDefaultAction,
}

impl Profile {
    /// Reads a user's profile.
    ///
    /// # Errors
    /// [`ProfileError::Decode`], which names the property.
    pub fn parse(json: &[u8]) -> Result<Self, ProfileError> {
        spec::parse(json).map_err(ProfileError::Decode)
    }

    /// The rules that hold for a container with the bounding set `caps` on this machine and
    /// kernel; none if the profile is empty, which means no filter.
    ///
    /// # Errors
    /// A profile that contradicts itself.
    pub fn resolve(
        &self,
        caps: CapabilitySet,
        machine: Machine,
        kernel: KernelVersion,
    ) -> Result<Option<LinuxSeccomp>, ProfileError> {
        let Some(default_action) = self.default_action else {
            return if self.syscalls.is_empty() {
                Ok(None)
            } else {
                Err(ProfileError::NoDefaultAction)
            };
        };
        let host = Host {
            caps,
            machine,
            kernel,
        };
        let rules = self.syscalls.iter().filter(|rule| host.admits(rule));
        Ok(Some(LinuxSeccomp {
            default_action,
            default_errno_ret: self.default_errno_ret,
            architectures: self.architectures_on(machine)?,
            flags: self.flags.clone(),
            listener_path: self.listener_path.clone(),
            listener_metadata: self.listener_metadata.clone(),
            syscalls: rules.map(ProfileRule::to_syscall).collect::<Result<_, _>>()?,
        }))
    }

    fn architectures_on(&self, machine: Machine) -> Result<Vec<SeccompArch>, ProfileError> {
        if self.arch_map.is_empty() {
            return Ok(self.architectures.clone());
        }
        if !self.architectures.is_empty() {
            return Err(ProfileError::TwoArchitectures);
        }
        let native = machine.seccomp_arch();
        let map = self.arch_map.iter().find(|map| map.architecture == native);
        Ok(map
            .into_iter()
            .flat_map(|map| [&[native], map.sub_architectures.as_slice()].concat())
            .collect())
    }
}

impl ProfileRule {
    fn to_syscall(&self) -> Result<LinuxSyscall, ProfileError> {
        let names = match (self.name.as_str(), self.names.as_slice()) {
            ("", names) => names.to_vec(),
            (name, []) => vec![name.to_owned()],
            _ => return Err(ProfileError::TwoNames),
        };
        Ok(LinuxSyscall {
            names,
            action: self.action,
            errno_ret: self.errno_ret,
            args: self.args.clone(),
        })
    }
}

/// What conditions are judged by.
struct Host {
    caps: CapabilitySet,
    machine: Machine,
    kernel: KernelVersion,
}

impl Host {
    fn admits(&self, rule: &ProfileRule) -> bool {
        rule.includes
            .as_ref()
            .is_none_or(|conditions| self.meets_all(conditions))
            && !rule
                .excludes
                .as_ref()
                .is_some_and(|conditions| self.meets_any(conditions))
    }

    fn meets_all(&self, conditions: &Conditions) -> bool {
        conditions.caps.iter().all(|cap| self.has(cap))
            && (conditions.arches.is_empty() || self.is_one_of(&conditions.arches))
            && conditions.min_kernel.is_none_or(|oldest| self.kernel >= oldest)
    }

    fn meets_any(&self, conditions: &Conditions) -> bool {
        conditions.caps.iter().any(|cap| self.has(cap))
            || self.is_one_of(&conditions.arches)
            || conditions.min_kernel.is_some_and(|oldest| self.kernel >= oldest)
    }

    fn has(&self, cap: &str) -> bool {
        Capability::parse(cap).is_some_and(|cap| self.caps.contains(cap))
    }

    fn is_one_of(&self, arches: &[String]) -> bool {
        arches.iter().any(|arch| arch == self.machine.docker_name())
    }
}
