//! OCI runtime-spec 1.3 §runtime "State" and §config-linux "The Container Process State".

use std::collections::BTreeMap;

object! {
    /// What `state` prints, and what hooks read on their standard input.
    pub struct State {
        required {
            /// Specification version.
            oci_version: String,
            /// Container id, unique on this host.
            id: String,
            /// Where in its life the container is.
            status: ContainerStatus,
            /// Absolute path of the bundle.
            bundle: String,
        }
        optional {
            /// The container process as the host sees it; required while created or running.
            pid: Option<u32>,
            /// The configuration's annotations.
            annotations: BTreeMap<String, String>,
        }
    }

    /// What is sent to `seccomp.listenerPath` along with the descriptors.
    pub struct ContainerProcessState {
        required {
            /// Specification version.
            oci_version: String,
            /// Names of the descriptors, in the order in which they are passed.
            fds: Vec<String>,
            /// The process as the runtime sees it.
            pid: u32,
            /// The container.
            state: State,
        }
        optional {
            /// `seccomp.listenerMetadata`.
            metadata: String,
        }
    }
}

words! {
    /// A container's status.
    pub enum ContainerStatus {
        Creating = "creating",
        Created = "created",
        Running = "running",
        Stopped = "stopped",
    }
}
