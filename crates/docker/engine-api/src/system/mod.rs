//! The daemon and the machine: ping here; version, info, events and disk usage in a file each.

pub(crate) mod disk_usage;
pub(crate) mod events;
pub(crate) mod info;
pub(crate) mod version;

use http::header::{CACHE_CONTROL, HeaderName, HeaderValue, PRAGMA};
use http::{Method, StatusCode};

use crate::Api;
use crate::error::ApiError;
use crate::server::body::Body;
use crate::server::call::Call;
use crate::server::reply::{Reply, with_type};

/// `GET` and `HEAD /_ping`: the answer is in the headers, by which a client settles on a version
/// and on the classic builder.
pub(crate) async fn ping(call: Call<Api>) -> Result<Reply, ApiError> {
    let body = if call.method == Method::HEAD {
        Body::empty()
    } else {
        b"OK".to_vec().into()
    };
    let mut response = with_type(
        StatusCode::OK,
        HeaderValue::from_static("text/plain; charset=utf-8"),
        body,
    );
    let headers = response.headers_mut();
    headers.insert(
        CACHE_CONTROL,
        HeaderValue::from_static("no-cache, no-store, must-revalidate"),
    );
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    headers.insert(
        HeaderName::from_static("builder-version"),
        HeaderValue::from_static("1"),
    );
    headers.insert(
        HeaderName::from_static("swarm"),
        HeaderValue::from_static("inactive"),
    );
    Ok(Reply::Http(response))
}
