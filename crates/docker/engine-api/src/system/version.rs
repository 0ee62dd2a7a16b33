//! `GET /version`.

use serde_json::json;

use crate::error::ApiError;
use crate::server::call::Call;
use crate::server::reply::Reply;
use crate::{Api, NEWEST, OLDEST};

/// The compiler, in the place where upstream names its own.
const COMPILER: &str = "rust";

/// `GET /version`.
pub(crate) async fn version(call: Call<Api>) -> Result<Reply, ApiError> {
    let host = &call.state.host;
    let (api, minimum) = (NEWEST.to_string(), OLDEST.to_string());
    let mut shown = json!({
        "Platform": { "Name": "Gantry" },
        "Components": [{
            "Name": "Engine",
            "Version": host.version,
            "Details": {
                "ApiVersion": api,
                "Arch": host.go_arch(),
                "BuildTime": host.build_time,
                "Experimental": "false",
                "GitCommit": host.git_commit,
                "GoVersion": COMPILER,
                "KernelVersion": host.kernel_version,
                "MinAPIVersion": minimum,
                "Os": "linux",
            },
        }],
        "Version": host.version,
        "ApiVersion": api,
        "MinAPIVersion": minimum,
        "GitCommit": host.git_commit,
        "GoVersion": COMPILER,
        "Os": "linux",
        "Arch": host.go_arch(),
        "KernelVersion": host.kernel_version,
    });
    if !host.build_time.is_empty() {
        shown["BuildTime"] = host.build_time.as_str().into();
    }
    Reply::json(&shown)
}
