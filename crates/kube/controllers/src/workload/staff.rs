//! Making and deleting pods, and telling people of each.

use client::{Error, Subject};

use super::Told;
use super::pods::Pod;
use crate::act::Action;
use crate::driver::{Cx, Failed};

/// Why pods could not be made or deleted; what conditions say of it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error(transparent)]
    Create(Error),
    #[error("unable to delete pods: {0}")]
    Delete(Error),
}

impl From<Refused> for Failed {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Create(error) | Refused::Delete(error) => Self::Client(error),
        }
    }
}

/// What came of making and deleting pods.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) made: usize,
    pub(crate) deleted: usize,
    /// The first refusal.
    pub(crate) refused: Option<Refused>,
}

impl Outcome {
    /// Whether anything was changed, so that it is looked at again.
    pub(crate) const fn is_change(&self) -> bool {
        self.made + self.deleted > 0
    }
}

/// Makes pods, each with its name, slowly at first. In a namespace on its way out none can be made, and that is told to
/// nobody.
pub(crate) async fn make(cx: &Cx, subject: &Subject, pods: &[(String, Action)], outcome: &mut Outcome) {
    let creates: Vec<Action> = pods.iter().map(|(_, create)| create.clone()).collect();
    let results = cx.slow_start(&creates).await;
    for ((name, _), result) in pods.iter().zip(results) {
        match result {
            Ok(()) => {
                outcome.made += 1;
                cx.tell(
                    subject,
                    [Told::normal("SuccessfulCreate", format!("Created pod: {name}"))],
                );
            }
            Err(error) if error.is_terminating() => {}
            Err(error) => {
                cx.tell(
                    subject,
                    [Told::warning("FailedCreate", format!("Error creating: {error}"))],
                );
                outcome.refused.get_or_insert(Refused::Create(error));
            }
        }
    }
}

/// Deletes pods, all at once. One that is gone is deleted.
pub(crate) async fn delete(cx: &Cx, subject: &Subject, pods: &[Pod], outcome: &mut Outcome) {
    let deletes: Vec<Action> = pods.iter().map(Pod::delete).collect();
    let results = cx.together(&deletes).await;
    for (pod, result) in pods.iter().zip(results) {
        match result {
            Ok(()) => {
                outcome.deleted += 1;
                cx.tell(
                    subject,
                    [Told::normal(
                        "SuccessfulDelete",
                        format!("Deleted pod: {}", pod.name()),
                    )],
                );
            }
            Err(error) if error.is_not_found() || error.is_conflict() => outcome.deleted += 1,
            Err(error) => {
                cx.tell(
                    subject,
                    [Told::warning("FailedDelete", format!("Error deleting: {error}"))],
                );
                outcome.refused.get_or_insert(Refused::Delete(error));
            }
        }
    }
}
