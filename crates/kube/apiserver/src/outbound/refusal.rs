//! What is said of an answer that is no success.

use http::StatusCode;
use schema::json::go_quote;
use serde_json::Value;

/// The most characters of an answer that are repeated.
const MAX_SHOWN: usize = 1024;

/// What client-go makes of an answer that is no success.
pub(crate) fn said(code: StatusCode, body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let told: Option<Value> = serde_json::from_slice(body).ok();
    let status = told.filter(|told| told["kind"] == "Status");
    if let Some(message) = status.as_ref().and_then(|status| status["message"].as_str()) {
        return message.to_owned();
    }
    match code.as_u16() {
        400 => "the server rejected our request for an unknown reason".to_owned(),
        401 => "the server has asked for the client to provide credentials".to_owned(),
        403 => "forbidden".to_owned(),
        404 => "the server could not find the requested resource".to_owned(),
        405 => "the server does not allow this method on the requested resource".to_owned(),
        415 => "the body of the request was in an unknown format".to_owned(),
        429 => "the server has received too many requests and has asked us to try again later".to_owned(),
        503 => "the server is currently unable to handle the request".to_owned(),
        504 => "the server was unable to return a response in the time allotted, but may still be processing the request".to_owned(),
        500.. => {
            let shown: String = text.trim().chars().take(MAX_SHOWN).collect();
            format!("an error on the server ({}) has prevented the request from succeeding", go_quote(&shown))
        }
        code => format!("the server responded with the status code {code} but did not return more information"),
    }
}
