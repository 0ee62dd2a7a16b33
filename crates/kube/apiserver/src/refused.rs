//! What a handler says instead of an answer.

use schema::status::Status;

/// A request that was refused, with the status the client gets. Boxed: results stay small.
#[derive(Debug)]
pub struct Refused(pub Box<Status>);

/// What handlers return.
pub type Answer<T> = Result<T, Refused>;

impl From<Status> for Refused {
    fn from(status: Status) -> Self {
        Self(Box::new(status))
    }
}
