//! What is said on the error channel in the end: from version 4 on a Status, before that text, and nothing of success.

use bytes::Bytes;
use serde_json::{Value, json};

use super::{Version, Wanted};
use crate::{ContainerRef, StreamFault};

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Well.
    Success,
    /// With an exit code other than zero, of this command.
    Exit(i32, Vec<String>),
    /// There was nothing to connect with; the words of the kubelet.
    Missing(String),
    /// Without an exit code; the words of the runtime.
    Failed(String),
}

impl Verdict {
    pub(super) fn of(wanted: &Wanted, of: &ContainerRef, ended: Result<i32, StreamFault>) -> Self {
        match (ended, wanted) {
            (Ok(0), _) | (Ok(_), Wanted::Attach) => Self::Success,
            (Ok(code), Wanted::Exec(command)) => Self::Exit(code, command.clone()),
            (Err(StreamFault::NotFound), _) => Self::Missing(wanted.missing(of)),
            (Err(StreamFault::Failed(why)), Wanted::Exec(_)) => {
                Self::Failed(format!("error executing command in container: {why}"))
            }
            (Err(StreamFault::Failed(why)), Wanted::Attach) => {
                Self::Failed(format!("error attaching to container: {why}"))
            }
        }
    }

    /// The error channel's bytes; none if there is nothing to say.
    pub(super) fn write(&self, version: Version) -> Option<Bytes> {
        let status = self.status(version);
        if version >= Version::V4 {
            return Some(status.to_string().into());
        }
        let failed = *self != Self::Success;
        let text = status["message"]
            .as_str()
            .map(|text| Bytes::from(text.to_owned()));
        text.filter(|_| failed)
    }

    /// In the words that upstream has for a version. A client of version 5 hears them from upstream's API server, which
    /// is a client of version 4 itself.
    fn status(&self, version: Version) -> Value {
        match self {
            Self::Success => json!({"metadata": {}, "status": "Success"}),
            Self::Exit(code, command) => {
                let why = match version {
                    Version::V5 => format!("command terminated with exit code {code}"),
                    _ => format!(
                        "error executing command [{}], exit code {code}",
                        command.join(" ")
                    ),
                };
                json!({
                    "metadata": {}, "status": "Failure", "reason": "NonZeroExitCode",
                    "message": format!("command terminated with non-zero exit code: {why}"),
                    "details": {"causes": [{"reason": "ExitCode", "message": code.to_string()}]},
                })
            }
            Self::Missing(why) if version == Version::V5 => {
                internal_error(&format!("unable to upgrade connection: {why}"))
            }
            Self::Failed(why) if version == Version::V5 => {
                internal_error(&format!("Internal error occurred: {why}"))
            }
            Self::Missing(why) | Self::Failed(why) => internal_error(why),
        }
    }
}

impl Wanted {
    /// What is said where the container does not run.
    pub fn missing(&self, of: &ContainerRef) -> String {
        let ContainerRef { pod, container } = of;
        match self {
            Self::Exec(_) => format!("container not found ({container:?})"),
            Self::Attach => format!(
                "container {container} not found in pod {}_{}",
                pod.name, pod.namespace
            ),
        }
    }
}

/// The Status of an internal error.
fn internal_error(why: &str) -> Value {
    json!({
        "metadata": {}, "status": "Failure", "reason": "InternalError", "code": 500,
        "message": format!("Internal error occurred: {why}"),
        "details": {"causes": [{"message": why}]},
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PodRef;

    fn said(wanted: &Wanted, ended: Result<i32, StreamFault>, version: Version) -> String {
        let pod = PodRef {
            namespace: "ns".to_owned(),
            name: "p".to_owned(),
            uid: "u".to_owned(),
        };
        let container = "c".to_owned();
        let said = Verdict::of(wanted, &ContainerRef { pod, container }, ended).write(version);
        said.map(|said| String::from_utf8(said.to_vec()).unwrap())
            .unwrap_or_default()
    }

    fn message(said: &str) -> String {
        let status: Value = serde_json::from_str(said).unwrap();
        status["message"].as_str().unwrap_or_default().to_owned()
    }

    #[test]
    fn exit_codes() {
        let exec = Wanted::Exec(["sh", "-c", "exit 3"].map(str::to_owned).to_vec());
        assert_eq!(said(&exec, Ok(0), Version::V3), "");
        assert_eq!(
            said(&exec, Ok(0), Version::V4),
            r#"{"metadata":{},"status":"Success"}"#
        );
        let text =
            "command terminated with non-zero exit code: error executing command [sh -c exit 3], exit code 3";
        assert_eq!(said(&exec, Ok(3), Version::V1), text);
        let four = said(&exec, Ok(3), Version::V4);
        assert_eq!(message(&four), text);
        assert!(
            four.contains(r#""details":{"causes":[{"message":"3","reason":"ExitCode"}]}"#),
            "{four}"
        );
        assert_eq!(
            message(&said(&exec, Ok(3), Version::V5)),
            "command terminated with non-zero exit code: command terminated with exit code 3"
        );
    }

    #[test]
    fn failures() {
        let exec = Wanted::Exec(vec!["x".to_owned()]);
        let failed = Err(StreamFault::Failed("no such file".to_owned()));
        let text = "Internal error occurred: error executing command in container: no such file";
        assert_eq!(said(&exec, failed.clone(), Version::V2), text);
        assert_eq!(message(&said(&exec, failed.clone(), Version::V4)), text);
        assert_eq!(
            message(&said(&exec, failed.clone(), Version::V5)),
            format!("Internal error occurred: {text}")
        );
        assert_eq!(
            message(&said(&Wanted::Attach, failed, Version::V4)),
            "Internal error occurred: error attaching to container: no such file"
        );
        assert_eq!(
            message(&said(&exec, Err(StreamFault::NotFound), Version::V5)),
            r#"Internal error occurred: unable to upgrade connection: container not found ("c")"#
        );
        assert_eq!(
            message(&said(&Wanted::Attach, Err(StreamFault::NotFound), Version::V5)),
            "Internal error occurred: unable to upgrade connection: container c not found in pod p_ns"
        );
    }
}
