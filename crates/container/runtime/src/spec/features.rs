//! OCI runtime-spec 1.3 §features: what a runtime says of itself. Absent means unknown.

use std::collections::BTreeMap;

object! {
    /// The features document.
    #[derive(Default)]
    pub struct Features {
        required {}
        optional {
            /// Lowest recognised specification version.
            oci_version_min: String,
            /// Highest recognised specification version.
            oci_version_max: String,
            /// Recognised hooks.
            hooks: Vec<String>,
            /// Recognised mount options, file systems' own left out.
            mount_options: Vec<String>,
            /// Linux.
            linux: Option<LinuxFeatures>,
            /// Free text, e.g. the implementation's version.
            annotations: BTreeMap<String, String>,
            /// Annotations with an effect on the host; a name ending in `.` is a prefix.
            potentially_unsafe_config_annotations: Vec<String>,
        }
    }

    /// The `linux` object.
    #[derive(Default)]
    pub struct LinuxFeatures {
        required {}
        optional {
            /// Recognised namespaces.
            namespaces: Vec<String>,
            /// Recognised capabilities.
            capabilities: Vec<String>,
            /// Control groups.
            cgroup: Option<CgroupFeatures>,
            /// Seccomp.
            seccomp: Option<SeccompFeatures>,
            /// AppArmor.
            apparmor: Option<Enabled>,
            /// SELinux.
            selinux: Option<Enabled>,
            /// Intel RDT.
            intel_rdt: Option<IntelRdtFeatures>,
            /// NUMA memory policy.
            memory_policy: Option<MemoryPolicyFeatures>,
            /// Mount extensions.
            mount_extensions: Option<MountExtensions>,
            /// Network devices moved in.
            net_devices: Option<Enabled>,
        }
    }

    /// Control groups.
    #[derive(Default)]
    pub struct CgroupFeatures {
        required {}
        optional {
            /// cgroup v1.
            v1: Option<bool>,
            /// cgroup v2.
            v2: Option<bool>,
            /// The systemd driver.
            systemd: Option<bool>,
            /// The systemd driver for a user's own instance.
            systemd_user: Option<bool>,
            /// The RDMA controller.
            rdma: Option<bool>,
        }
    }

    /// Seccomp.
    #[derive(Default)]
    pub struct SeccompFeatures {
        required {}
        optional {
            /// Whether there is any support.
            enabled: Option<bool>,
            /// Recognised actions.
            actions: Vec<String>,
            /// Recognised operators.
            operators: Vec<String>,
            /// Recognised architectures.
            archs: Vec<String>,
            /// Recognised flags.
            known_flags: Vec<String>,
            /// Flags this kernel has.
            supported_flags: Vec<String>,
        }
    }

    /// A feature that is there or not.
    #[derive(Default)]
    pub struct Enabled {
        required {}
        optional {
            /// Whether the runtime has it.
            enabled: Option<bool>,
        }
    }

    /// Intel RDT.
    #[derive(Default)]
    pub struct IntelRdtFeatures {
        required {}
        optional {
            /// Whether there is any support.
            enabled: Option<bool>,
            /// Whether `schemata` is honoured.
            schemata: Option<bool>,
            /// Whether `enableMonitoring` is honoured.
            monitoring: Option<bool>,
        }
    }

    /// NUMA memory policy.
    #[derive(Default)]
    pub struct MemoryPolicyFeatures {
        required {}
        optional {
            /// Recognised modes.
            modes: Vec<String>,
            /// Recognised flags.
            flags: Vec<String>,
        }
    }

    /// Mount extensions.
    #[derive(Default)]
    pub struct MountExtensions {
        required {}
        optional {
            /// Idmapped mounts.
            idmap: Option<Enabled>,
        }
    }
}
