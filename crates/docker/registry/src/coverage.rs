//! docs/coverage-registry.md: every endpoint and option of the distribution API, and what becomes of it. The table is
//! checked against the routes, and the page against the table.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use http::Method;

use crate::route::{ROUTES, Resource};
use Standing::{Refused, Works};

/// What becomes of an option.
enum Standing {
    /// The test that shows it.
    Works(&'static str),
    /// With this error.
    Refused(&'static str),
}

struct Row {
    /// The specification's number; `-` is not the specification's.
    id: &'static str,
    methods: &'static str,
    resource: Resource,
    /// What is special about the request.
    option: &'static str,
    standing: Standing,
}

const fn row(
    id: &'static str,
    methods: &'static str,
    resource: Resource,
    option: &'static str,
    standing: Standing,
) -> Row {
    Row {
        id,
        methods,
        resource,
        option,
        standing,
    }
}

const SUITE: &str = "the_protocol_is_the_specifications";

const ROWS: &[Row] = &[
    row("end-1", "GET HEAD", Resource::Base, "", Works(SUITE)),
    row("end-2", "GET HEAD", Resource::Blob, "", Works(SUITE)),
    row(
        "end-2",
        "GET",
        Resource::Blob,
        "Range: one range, suffix, open end; If-Range",
        Works("ranges_are_those_of_the_rfc"),
    ),
    row(
        "end-2",
        "GET",
        Resource::Blob,
        "Range: several: all of it, as RFC 9110 allows",
        Works(SUITE),
    ),
    row("end-2", "GET", Resource::Blob, "If-None-Match", Works(SUITE)),
    row(
        "end-3",
        "GET HEAD",
        Resource::Manifest,
        "by tag or digest; the stored type is served whatever Accept says",
        Works(SUITE),
    ),
    row("end-3", "GET", Resource::Manifest, "If-None-Match", Works(SUITE)),
    row("end-4a", "POST", Resource::Uploads, "", Works(SUITE)),
    row("end-4b", "POST", Resource::Uploads, "?digest=", Works(SUITE)),
    row(
        "end-4c",
        "POST",
        Resource::Uploads,
        "?digest-algorithm= sha256 or sha512",
        Works(SUITE),
    ),
    row(
        "end-4c",
        "POST",
        Resource::Uploads,
        "?digest-algorithm= of others",
        Refused("400 DIGEST_INVALID"),
    ),
    row(
        "end-5",
        "PATCH",
        Resource::Upload,
        "streamed, or with Content-Range; 416 with Range out of order",
        Works(SUITE),
    ),
    row(
        "end-5",
        "PATCH",
        Resource::Upload,
        "OCI-Chunk-Min-Length: not sent, there is no least chunk",
        Works(SUITE),
    ),
    row(
        "end-6",
        "PUT",
        Resource::Upload,
        "?digest=, with or without the last chunk; by sha512 whatever it was begun by",
        Works(SUITE),
    ),
    row(
        "end-6",
        "PUT",
        Resource::Upload,
        "?digest= of another algorithm than sha256 and sha512",
        Refused("400 DIGEST_INVALID"),
    ),
    row(
        "end-7a",
        "PUT",
        Resource::Manifest,
        "by tag or digest (of sha256 or sha512), OCI-Subject; up to 4 MiB",
        Works(SUITE),
    ),
    row(
        "end-7b",
        "PUT",
        Resource::Manifest,
        "?tag=a&tag=b, up to 100; OCI-Tag",
        Works(SUITE),
    ),
    row("end-8a", "GET", Resource::Tags, "", Works(SUITE)),
    row("end-8b", "GET", Resource::Tags, "?n=&last=, Link", Works(SUITE)),
    row(
        "end-9",
        "DELETE",
        Resource::Manifest,
        "a tag, or a manifest with its tags",
        Works(SUITE),
    ),
    row("end-10", "DELETE", Resource::Blob, "", Works(SUITE)),
    row(
        "end-11",
        "POST",
        Resource::Uploads,
        "?mount=&from=, from optional",
        Works(SUITE),
    ),
    row("end-12a", "GET", Resource::Referrers, "", Works(SUITE)),
    row(
        "end-12a",
        "GET",
        Resource::Referrers,
        "Link; notes as far as a page of 3 MiB holds them",
        Works("referrers_come_in_pages_of_bounded_size"),
    ),
    row(
        "end-12b",
        "GET",
        Resource::Referrers,
        "?artifactType=, OCI-Filters-Applied",
        Works(SUITE),
    ),
    row("end-13", "GET HEAD", Resource::Upload, "", Works(SUITE)),
    row("end-14", "DELETE", Resource::Upload, "", Works(SUITE)),
    row(
        "proxying",
        "GET HEAD",
        Resource::Manifest,
        "?ns=HOST, OCI-Namespace",
        Works("short_names_and_other_registries_are_served"),
    ),
    row(
        "proxying",
        "GET HEAD",
        Resource::Manifest,
        "?ns=HOST without credentials, by none of the host's owners, of what `[mirror]` has not fetched",
        Refused("401 UNAUTHORIZED"),
    ),
    row(
        "proxying",
        "PUT DELETE",
        Resource::Manifest,
        "?ns=HOST",
        Refused("405 UNSUPPORTED"),
    ),
    row("-", "GET", Resource::Catalog, "?n=&last=, Link", Works(SUITE)),
    row(
        "-",
        "GET",
        Resource::Base,
        "Host of a stranger, over loopback without credentials (so everywhere)",
        Refused("401 UNAUTHORIZED"),
    ),
    row(
        "-",
        "POST",
        Resource::Collect,
        "garbage collection at once",
        Works("users_have_rights_for_each_repository"),
    ),
];

const fn path(resource: Resource) -> &'static str {
    match resource {
        Resource::Base => "/v2/",
        Resource::Catalog => "/v2/_catalog",
        Resource::Collect => "/v2/_gantry/registry/collect",
        Resource::Tags => "/v2/NAME/tags/list",
        Resource::Manifest => "/v2/NAME/manifests/REFERENCE",
        Resource::Referrers => "/v2/NAME/referrers/DIGEST",
        Resource::Blob => "/v2/NAME/blobs/DIGEST",
        Resource::Uploads => "/v2/NAME/blobs/uploads/",
        Resource::Upload => "/v2/NAME/blobs/uploads/ID",
    }
}

fn page() -> String {
    let mut page = "# Coverage of the registry\n\nEvery endpoint and option of the OCI distribution API (distribution-spec \
        1.1.1 and its main branch). Printed from\n`crates/docker/registry/src/coverage.rs`, which is checked against the \
        route table.\n\n| id | request | option | what becomes of it |\n|---|---|---|---|\n"
        .to_owned();
    for row in ROWS {
        let standing = match row.standing {
            Works(test) => format!("works: `{test}`"),
            Refused(error) => format!("refused: {error}"),
        };
        let methods = row.methods.replace(' ', ", ");
        let (id, path, option) = (row.id, path(row.resource), row.option);
        // Writing to memory does not fail.
        let _ = writeln!(page, "| {id} | {methods} `{path}` | {option} | {standing} |");
    }
    page
}

#[test]
fn every_route_has_a_row_and_every_row_a_route() {
    let has = |row: &Row, method: &Method| row.methods.split(' ').any(|each| each == method.as_str());
    for route in ROUTES {
        let covered = ROWS
            .iter()
            .any(|row| row.resource == route.resource && has(row, &route.method));
        assert!(covered, "{route:?}");
    }
    for row in ROWS {
        for method in row.methods.split(' ') {
            let routed = |route: &&crate::route::Route| {
                route.resource == row.resource && route.method.as_str() == method
            };
            assert!(
                ROUTES.iter().any(|route| routed(&route)),
                "{method} {}",
                path(row.resource)
            );
        }
    }
}

#[test]
fn the_tests_that_it_names_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = String::new();
    for directory in ["src", "tests", "tests/pure"] {
        for entry in fs::read_dir(root.join(directory)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                sources.push_str(&fs::read_to_string(path).unwrap());
            }
        }
    }
    for row in ROWS {
        if let Works(test) = row.standing {
            assert!(sources.contains(&format!("fn {test}()")), "{test}");
        }
    }
}

/// `UPDATE_COVERAGE=1 cargo nextest run -p registry coverage` writes the page anew.
#[test]
#[expect(clippy::disallowed_methods, reason = "updating is a flag of the test's own")]
fn the_page_is_fresh() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../docs/coverage-registry.md");
    if std::env::var_os("UPDATE_COVERAGE").is_some() {
        fs::write(&path, page()).unwrap();
    }
    assert_eq!(fs::read_to_string(&path).unwrap_or_default(), page());
}
