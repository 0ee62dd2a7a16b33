//! What a read that cannot be answered says.

use schema::status::{Cause, Details, Status};

use super::token::Token;
use crate::cache::ReadError;

const TOO_OLD: &str = "The resourceVersion for the provided list is too old.";
const CONTINUE_TOO_OLD: &str = "The provided continue parameter is too old to display a consistent list result. \
You can start a new list without the continue parameter, or use the continue token in this response to retrieve the \
remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were \
created, modified, or deleted between the time the first chunk was returned and now may show up in the list.";

/// The status of a failed read. `start`: where a continued list would have gone on.
pub(super) fn status(error: &ReadError, start: Option<&str>) -> Status {
    match (error, start) {
        (ReadError::TooLarge { .. }, _) => too_large(error),
        (ReadError::Compacted, None) => Status::expired(TOO_OLD),
        (ReadError::Compacted, Some(start)) => {
            // Whoever does not mind may go on at the newest revision.
            let token = Token {
                revision: None,
                start: start.to_owned(),
            };
            Status::expired(CONTINUE_TOO_OLD).continuing(token.encode())
        }
        (ReadError::Store(error), _) => Status::internal(error),
    }
}

fn too_large(error: &ReadError) -> Status {
    let cause = Cause {
        reason: "ResourceVersionTooLarge".to_owned(),
        message: "Too large resource version".to_owned(),
        ..Cause::default()
    };
    Status::timeout(&error.to_string(), 1).with(Details {
        causes: vec![cause],
        retry_after_seconds: 1,
        ..Details::default()
    })
}
