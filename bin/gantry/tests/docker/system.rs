//! version, info, ping, events.

use super::transcript::{Case, case};

pub const CASES: &[Case] = &[
    case(
        "version",
        r#"
        $ docker version --format '{{.Server.Os}}/{{.Server.Arch}} {{.Server.MinAPIVersion}}'
        linux/amd64 1.24
        $ docker version --format '{{.Server.APIVersion}}'
        1.50
        "#,
    )
    .not_dockerd("an older engine has other versions"),
];
