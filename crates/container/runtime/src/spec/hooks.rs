//! OCI runtime-spec 1.3 §config "POSIX-platform Hooks".

use std::num::NonZeroU32;

object! {
    /// The six lists of hooks; each list runs in its order.
    #[derive(Default)]
    pub struct Hooks {
        required {}
        optional {
            /// Deprecated: in the runtime's namespaces, before `create_runtime`.
            prestart: Vec<Hook>,
            /// In the runtime's namespaces, after they were created, before pivot_root.
            create_runtime: Vec<Hook>,
            /// In the container's namespaces, before pivot_root.
            create_container: Vec<Hook>,
            /// In the container, when `start` was called, before the program runs.
            start_container: Vec<Hook>,
            /// In the runtime's namespaces, after the program was started.
            poststart: Vec<Hook>,
            /// In the runtime's namespaces, after the container was deleted.
            poststop: Vec<Hook>,
        }
    }

    /// One command.
    #[derive(Default)]
    pub struct Hook {
        required {
            /// Absolute path of the program.
            path: String,
        }
        optional {
            /// The argument vector, including `argv[0]`.
            args: Vec<String>,
            /// The environment, `NAME=value` each.
            env: Vec<String>,
            /// Seconds until the hook is given up.
            timeout: Option<NonZeroU32>,
        }
    }
}
