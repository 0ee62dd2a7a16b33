//! What becomes of each request about the disk, and of each option and filter of one. A page prints it
//! (docs/coverage.md); nothing else needs it.

use super::table::tests::sources;

/// What becomes of something.
enum Standing {
    /// It works; a test, or a case of the transcripts, shows it.
    Works(&'static str),
    /// It is refused with this.
    Refused(&'static str),
}
use Standing::{Refused, Works};

struct Row {
    request: &'static str,
    option: &'static str,
    standing: Standing,
}

const fn row(request: &'static str, option: &'static str, standing: Standing) -> Row {
    Row {
        request,
        option,
        standing,
    }
}

const DF: &str = "GET /system/df";
const CACHE: &str = "POST /build/prune";
const IMAGES: &str = "POST /images/prune";
const CONTAINERS: &str = "POST /containers/prune";
const NETWORKS: &str = "POST /networks/prune";
const VOLUMES: &str = "POST /volumes/prune";
const BUILDKIT: &str = "Control/DiskUsage, Control/Prune";

const TABLE: &[Row] = &[
    row(DF, "", Works("prune and df")),
    row(
        DF,
        "`type=` container, image, volume, build-cache (since 1.42)",
        Works("an_object_is_asked_for_by_its_type"),
    ),
    row(DF, "`type=` anything else", Refused("400 unknown object type: X")),
    row(
        DF,
        "`SharedSize` of images",
        Works("what_led_to_an_image_shares_nothing_with_it"),
    ),
    row(DF, "`Shared`, `InUse` of build cache", Works("prune and df")),
    row("GET /gantry/df", "", Works("df --explain")),
    row(CACHE, "`all`", Works("what_is_an_images_goes_only_with_all")),
    row(
        CACHE,
        "`keep-storage`, `reserved-space`, `max-used-space`, `min-free-space` (the last three since 1.48)",
        Works("what_a_prune_keeps_is_buildkits"),
    ),
    row(
        CACHE,
        "which goes first where some is kept",
        Works("what_is_kept_is_less_than_asked_for"),
    ),
    row(
        CACHE,
        "a space that is no number",
        Refused("400 NAME is in bytes and expects an integer, got X"),
    ),
    row(
        CACHE,
        "filters `until`, `unused-for`",
        Works("a_filter_chooses_as_buildkits"),
    ),
    row(
        CACHE,
        "both of them",
        Refused("400 conflicting filters: \"until\" and \"unused-for\""),
    ),
    row(
        CACHE,
        "filter `id` (a regular expression)",
        Works("a_filter_chooses_as_buildkits"),
    ),
    row(
        CACHE,
        "filters `parent`, `type`, `description`",
        Works("a_filter_chooses_as_buildkits"),
    ),
    row(
        CACHE,
        "filters `shared`, `private`, `inuse` without a value; with one nothing fits, as dockerd",
        Works("a_filter_chooses_as_buildkits"),
    ),
    row(
        CACHE,
        "filters `label`, `label!`: taken and not heeded, as dockerd",
        Works("a_filter_chooses_as_buildkits"),
    ),
    row(
        CACHE,
        "filters `mutable`, `immutable`, and others",
        Refused("400 invalid filter 'X'"),
    ),
    row(
        CACHE,
        "several values of a filter",
        Refused("400 filters expect only one value"),
    ),
    row(IMAGES, "filter `dangling`", Works("truth_is_said_once")),
    row(
        IMAGES,
        "filters `label`, `label!`, `until`",
        Works("age_and_labels_decide"),
    ),
    row(
        IMAGES,
        "what was pushed to the node's own registry stays there",
        Works("what_was_only_tagged_is_gone_and_what_was_pushed_sleeps"),
    ),
    row(
        IMAGES,
        "while another one runs",
        Refused("409 a prune operation is already running"),
    ),
    row(
        CONTAINERS,
        "filters `label`, `label!`, `until`",
        Works("age_and_labels_decide"),
    ),
    row(
        NETWORKS,
        "filters `label`, `label!`, `until`",
        Works("age_and_labels_decide"),
    ),
    row(
        VOLUMES,
        "filters `all` (since 1.42), `label`, `label!`",
        Works("prune and df"),
    ),
    row(
        "any prune",
        "several `until`",
        Refused("400 more than one until filter specified"),
    ),
    row(
        "any prune",
        "filters that it has not",
        Refused("400 invalid filter 'X'"),
    ),
    row(
        BUILDKIT,
        "filters in containerd's words: `id`, `parents`, `type`, `description`, `inuse`, `shared`, `private`, `mutable`, `immutable`",
        Works("a_record_fits_any_of_the_filters"),
    ),
    row(
        BUILDKIT,
        "regular expressions beyond plain text",
        Refused("UNIMPLEMENTED filter X is not supported"),
    ),
];

/// A part of the page.
pub(super) fn print() -> String {
    let line = |row: &Row| {
        let standing = match row.standing {
            Works(test) => format!("works: `{test}`"),
            Refused(error) => format!("refused: {error}"),
        };
        format!("| {} | {} | {standing} |\n", row.request, row.option)
    };
    let head = "\n## Disk\n\nWhat becomes of each request about the disk. Printed from \
                `crates/docker/engine-api/src/coverage/disk.rs`.\n\n\
                | request | option | what becomes of it |\n|---|---|---|\n";
    TABLE.iter().fold(head.to_owned(), |text, row| text + &line(row))
}

#[test]
fn every_test_about_the_disk_exists() {
    let source = sources(&[
        "src",
        "../builder/src",
        "../buildkit/src",
        "../../container/image/tests",
        "../../../bin/gantry/tests",
    ]);
    // Without this table itself.
    let source = source.replace(include_str!("disk.rs"), "");
    for row in TABLE {
        if let Works(test) = row.standing {
            assert!(
                source.contains(test),
                "{} {} names {test}",
                row.request,
                row.option
            );
        }
    }
}
