//! System call filters: Docker's profile format → the specification's rules → classic BPF.
//!
//! Three pure steps, each usable alone:
//! 1. [`Profile::resolve`] picks the rules of a Docker profile that hold for a container's
//!    capabilities, this machine and this kernel. [`docker_default()`] is Docker's own profile.
//! 2. [`compile()`] turns `linux.seccomp` into a program for seccomp(2).
//! 3. The init program loads it.
//!
//! The compiler is ours because libseccomp is a C library, and the crates there are know one action
//! per filter. It follows libseccomp and runc in what a rule *means* (see `rules`), and differs in
//! how it searches: the verdict of every call number is known beforehand, equal neighbours are one
//! range, and ranges are found by a balanced binary search.

mod arch;
mod assembler;
mod compile;
mod docker_default;
mod numbers;
mod profile;
mod ranges;
mod rules;

pub use arch::Machine;
pub use assembler::SockFilter;
pub use compile::{CompileError, Filter, compile};
pub use docker_default::docker_default;
pub use profile::{ArchitectureMap, Conditions, KernelVersion, Profile, ProfileError, ProfileRule};

#[cfg(test)]
mod tests;
