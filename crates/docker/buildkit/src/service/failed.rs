//! What a client's debugger is told of a command that failed (`errdefs.Solve`): the command, and results by which a container
//! of it can be asked for.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Door;
use super::bridge::definition;
use super::solve::Aids;
use crate::grpc::{Detail, Status};
use crate::job::Job;

/// A command that failed, and the image that it was run upon.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedCommand {
    /// The image's id; nothing if there is none.
    pub image: Option<String>,
    /// The program and its arguments.
    pub args: Vec<String>,
    /// `NAME=value` each.
    pub env: Vec<String>,
    /// The working directory.
    pub cwd: String,
    /// `USER[:GROUP]`; empty for root.
    pub user: String,
}

/// What such a command is called on its way to the door, which names its image as a result.
const COMMAND: &str = "gantry.invalid/command";
/// What clients know it by.
const SOLVE: &str = "github.com/moby/buildkit/errdefs.Solve+json";

impl Status {
    /// With the command that failed.
    #[must_use]
    pub fn with_command(mut self, command: &FailedCommand) -> Self {
        // It is made of strings.
        let value = serde_json::to_vec(command).unwrap_or_default();
        self.details.push(Detail {
            type_url: COMMAND.to_owned(),
            value: value.into(),
        });
        self
    }

    /// Takes the command out again.
    fn take_command(&mut self) -> Option<FailedCommand> {
        let place = self
            .details
            .iter()
            .position(|detail| detail.type_url == COMMAND)?;
        let detail = self.details.remove(place);
        serde_json::from_slice(&detail.value).ok()
    }

    /// Whether a container can be asked for by it.
    pub(super) fn has_command(&self) -> bool {
        self.details.iter().any(|detail| detail.type_url == SOLVE)
    }

    /// Without the command: it names a result, and nobody needs it once the build is over.
    pub(crate) fn without_command(mut self) -> Self {
        self.details
            .retain(|detail| ![COMMAND, SOLVE].contains(&&*detail.type_url));
        self
    }
}

impl Door {
    /// An error as a frontend is told of it: with the failed command as a container can be made of it, for as long as the
    /// build is there.
    pub(super) async fn told_failure(&self, job: &Arc<Job>, mut status: Status) -> Status {
        let Some(command) = status.take_command() else {
            return status;
        };
        let result = match &command.image {
            // One that is gone meanwhile cannot be looked at.
            Some(image) => match self
                .solved_with(job, &definition(image), Aids::own(BTreeMap::new()))
                .await
            {
                Ok(made) => made.images.into_iter().next(),
                Err(_) => return status,
            },
            None => None,
        };
        let id = match result {
            Some((platform, built)) => match job.add_result(&platform, built) {
                Ok(id) => id,
                Err(_) => return status,
            },
            None => String::new(),
        };
        let input = if id.is_empty() { -1 } else { 0 };
        let value = json!({
            "inputIDs": [id],
            "mountIDs": [id],
            "op": { "exec": {
                "meta": {
                    "args": command.args, "env": command.env, "cwd": command.cwd, "user": command.user,
                },
                "mounts": [{ "input": input, "dest": "/", "output": 0 }],
            } },
        });
        status.details.push(Detail {
            type_url: SOLVE.to_owned(),
            value: value.to_string().into(),
        });
        status
    }
}
