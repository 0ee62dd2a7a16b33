//! Why a patch could not be applied, with upstream's texts, and how upstream tells the client.

use schema::json::SyntaxError;
use schema::status::{Details, Status};

/// The most operations that one JSON patch may have.
pub const MAX_OPERATIONS: usize = 10_000;

/// A patch that cannot be applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The patch is not JSON.
    #[error("{0}")]
    Syntax(#[from] SyntaxError),
    /// The patch is JSON of another form than its kind of patch has.
    #[error("{0}")]
    Form(String),
    /// More operations than [`MAX_OPERATIONS`].
    #[error("The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {0}")]
    TooMany(usize),
    /// The operations of a JSON patch do not fit the object. Clients do not see the text.
    #[error("{0}")]
    Operation(String),
    /// An operation `test` of a JSON patch found something else. Clients do not see the text.
    #[error("{0}")]
    Test(String),
    /// A strategic merge patch that contradicts itself: 422.
    #[error("{0}")]
    Unprocessable(&'static str),
    /// A strategic merge patch that does not fit the object. Upstream has no code for it: 500.
    #[error("{0}")]
    Unfit(String),
}

impl Error {
    /// The answer that kube-apiserver gives.
    pub fn status(&self) -> Status {
        match self {
            Self::Syntax(_) => Status::bad_request("invalid JSON patch"),
            Self::Form(text) => Status::bad_request(text.clone()),
            Self::TooMany(_) => Status::too_large(&self.to_string()),
            Self::Operation(_) | Self::Test(_) | Self::Unprocessable(_) => {
                let message = "the server rejected our request due to an error in our request";
                Status::failure(422, "Invalid", message).with(Details::default())
            }
            Self::Unfit(text) => Status::failure(500, "", text.clone()),
        }
    }
}
