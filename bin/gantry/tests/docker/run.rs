//! `docker run` and its flags.

use super::transcript::{Case, case};

pub const CASES: &[Case] = &[
    case(
        "output and exit status",
        r#"
        $ docker run --rm busybox echo hi
        hi
        $ docker run --rm busybox sh -c 'exit 3'
        ? 3
        $ docker run --rm busybox sh -c 'echo out; echo err >&2' 2>/dev/null
        out
        "#,
    ),
];
