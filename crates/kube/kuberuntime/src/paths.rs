//! Where things of pods lie on the node.
//!
//! `ROOT/pods/UID` holds what outlives a reboot (files, volumes, last words), `RUN/pods/UID` what does not (namespaces,
//! shared memory, the note of the sandbox), `LOGS` the logs as tools know them.

use std::path::PathBuf;

use kubelet::container::Attempt;
use kubelet::{Pod, Uid};

/// The longest name of a file.
const MAX_NAME: usize = 255;
const LOG_SUFFIX: &str = ".log";

/// Directories of pods.
#[derive(Clone, Debug)]
pub(crate) struct Paths {
    /// `DATA/kubelet`
    pub(crate) root: PathBuf,
    /// `RUN`
    pub(crate) run: PathBuf,
    /// `/var/log`
    pub(crate) logs: PathBuf,
}

impl Paths {
    /// The directories of all pods.
    pub(crate) fn pods(&self) -> PathBuf {
        self.root.join("pods")
    }

    pub(crate) fn running(&self) -> PathBuf {
        self.run.join("pods")
    }

    /// What outlives a reboot of a pod.
    pub(crate) fn pod(&self, uid: &Uid) -> PathBuf {
        self.pods().join(&**uid)
    }

    /// What does not.
    pub(crate) fn sandbox(&self, uid: &Uid) -> PathBuf {
        self.running().join(&**uid)
    }

    /// A pod's IPC namespace.
    pub(crate) fn ipc(&self, uid: &Uid) -> PathBuf {
        self.sandbox(uid).join("ipc")
    }

    /// A pod's shared memory.
    pub(crate) fn shm(&self, uid: &Uid) -> PathBuf {
        self.sandbox(uid).join("shm")
    }

    /// What is known of a pod's sandbox.
    pub(crate) fn note(&self, uid: &Uid) -> PathBuf {
        self.sandbox(uid).join("sandbox.json")
    }

    /// Last words of a pod's containers.
    pub(crate) fn messages(&self, uid: &Uid) -> PathBuf {
        self.pod(uid).join("containers")
    }

    /// Last words of one start of a container.
    pub(crate) fn message(&self, uid: &Uid, container: &str, attempt: Attempt) -> PathBuf {
        self.messages(uid).join(container).join(format!("{attempt:08x}"))
    }

    /// Profiles of system calls that pods may name.
    pub(crate) fn seccomp(&self) -> PathBuf {
        self.root.join("seccomp")
    }

    /// The logs of a pod.
    pub(crate) fn pod_logs(&self, namespace: &str, name: &str, uid: &Uid) -> PathBuf {
        self.logs.join("pods").join(format!("{namespace}_{name}_{uid}"))
    }

    /// The log of one start of a container.
    pub(crate) fn log(&self, pod: &Pod, container: &str, attempt: Attempt) -> PathBuf {
        let logs = self.pod_logs(&pod.namespace, &pod.name, &pod.uid);
        logs.join(container).join(format!("{attempt}{LOG_SUFFIX}"))
    }

    /// The link by which tools find the log of a container, whatever its pod's uid.
    pub(crate) fn log_link(&self, pod: &str, namespace: &str, container: &str, id: &str) -> PathBuf {
        let mut name = format!("{pod}_{namespace}_{container}-{id}");
        // Names of the API are ASCII.
        name.truncate(MAX_NAME - LOG_SUFFIX.len());
        self.logs.join("containers").join(name + LOG_SUFFIX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_lie_where_tools_look() {
        let paths = Paths {
            root: "/r".into(),
            run: "/run".into(),
            logs: "/l".into(),
        };
        let pod = Pod::parse(br#"{"metadata":{"name":"p","namespace":"n","uid":"u"}}"#).unwrap();
        assert_eq!(paths.log(&pod, "c", 3), PathBuf::from("/l/pods/n_p_u/c/3.log"));
        assert_eq!(
            paths.message(&pod.uid, "c", 17),
            PathBuf::from("/r/pods/u/containers/c/00000011")
        );
        let link = paths.log_link("p", "n", "c", "id");
        assert_eq!(link, PathBuf::from("/l/containers/p_n_c-id.log"));
        let long = paths.log_link(&"p".repeat(253), "n", "c", "id");
        assert_eq!(long.file_name().unwrap().len(), 255);
    }
}
