//! docs/coverage-dockerfile.md: what becomes of every instruction and flag, and which test shows it.

use std::path::Path;

use super::*;
use crate::dockerfile::{flags_of, keywords};

/// What becomes of a piece of the language.
enum Standing {
    /// As upstream's; this test shows it.
    Works(&'static str),
    /// This Dockerfile, upon `busybox`, is refused with this sentence.
    Refused(&'static str, &'static str),
}

use Standing::{Refused, Works};

const MOUNTS: &str = "files_of_the_context_of_a_stage_and_of_an_image";
const CACHES: &str = "caches_last";
const SECRETS: &str = "secrets_and_memory_leave_nothing";
const HISTORY: &str = "the_history_is_upstreams";
const FILTERS: &str = "parents_excludes_and_modes";
const WORDS: &str = "words_expand";
const CHECKS: &str = "golden";
const FETCHED: &str = "what_is_fetched_is_checked_and_counts_by_its_content";

/// Every instruction, its flags, and what goes with it.
const TABLE: &[(&str, Standing)] = &[
    ("# syntax=", Works("positions_follow_continuations_and_comments")),
    ("# escape=", Works("another_escape_character")),
    ("# check=", Works("rules_can_be_skipped")),
    (
        "continuations, comments",
        Works("positions_follow_continuations_and_comments"),
    ),
    (
        "here-documents (`<<`, `<<-`, quoted, several)",
        Works("here_documents"),
    ),
    ("ADD", Works("add_unpacks_archives")),
    ("ADD --chmod", Works(FILTERS)),
    ("ADD --chown", Works("owners_and_modes")),
    ("ADD --link", Works("links_are_layers_of_their_own")),
    ("ADD --keep-git-dir", Works("every_form")),
    ("ADD --checksum", Works(FETCHED)),
    ("ADD --unpack", Works(FETCHED)),
    ("ADD --exclude", Works(FILTERS)),
    ("ADD http(s)://", Works("a_file_with_a_tag_is_fetched_once")),
    (
        "ADD http(s)://, redirects, failures",
        Works("redirects_are_followed_and_failures_told"),
    ),
    (
        "ADD http(s):// where nothing fetches",
        Refused(
            "ADD http://h/f /",
            "ADD of http://h/f: this builder fetches nothing from addresses",
        ),
    ),
    (
        "ADD of a repository, `#REF:DIRECTORY` and query form",
        Works("every_form_of_an_address"),
    ),
    (
        "ADD of a repository with submodules, with `.git`",
        Works("submodules_and_history"),
    ),
    (
        "ADD of a repository that names this machine's files",
        Works("a_repository_may_not_name_files_of_this_machine"),
    ),
    (
        "ADD of a repository with the client's GIT_AUTH_TOKEN or GIT_AUTH_HEADER",
        Works("tokens_of_repositories"),
    ),
    (
        "contexts that lie elsewhere",
        Works("contexts_that_lie_elsewhere"),
    ),
    ("ARG", Works("scopes")),
    (
        "ARG before FROM, and in stages upon a stage",
        Works("arguments_are_inherited_by_stages_upon_a_stage"),
    ),
    ("ARG SOURCE_DATE_EPOCH", Works("two_builds_give_the_same_image")),
    (
        "ARG SOURCE_DATE_EPOCH of the context, a named one, a stage",
        Works("the_time_of_what_is_built_from"),
    ),
    ("ARG after ENV of its name", Works("what_commands_see")),
    ("ARG of proxies, `TARGET*`, `BUILD*`", Works("scopes")),
    ("ARG BUILDKIT_DOCKERFILE_CHECK", Works("rules_can_be_skipped")),
    (
        "ARG BUILDKIT_CACHE_MOUNT_NS, BUILDKIT_SANDBOX_HOSTNAME",
        Works("arguments_that_speak_to_the_builder"),
    ),
    ("CMD", Works("shell_and_exec_forms")),
    ("COPY", Works("files_and_directories_go_where_upstream_puts_them")),
    ("COPY --from", Works("a_stage_gives_files_with_their_owners")),
    (
        "COPY --from of a named context",
        Works("named_contexts_stand_for_stages_and_images"),
    ),
    (
        "COPY --from=$variable",
        Refused(
            "COPY --from=$x a /",
            "invalid from flag value $x: variable expansion is not supported for --from, define a new stage with FROM using ARG from global scope as a workaround",
        ),
    ),
    ("COPY --chown", Works("owners_and_modes")),
    ("COPY --chmod", Works("modes_change_as_chmod_does")),
    ("COPY --link", Works("a_link_survives_another_base")),
    ("COPY --parents", Works(FILTERS)),
    ("COPY --exclude", Works(FILTERS)),
    (
        "COPY of here-documents",
        Works("here_documents_become_commands_and_files"),
    ),
    ("ENTRYPOINT", Works(HISTORY)),
    ("ENV", Works(HISTORY)),
    ("EXPOSE", Works(HISTORY)),
    (
        "stages side by side",
        Works("stages_that_do_not_need_each_other_are_built_side_by_side"),
    ),
    ("FROM", Works("stages")),
    (
        "FROM --platform",
        Works("platforms_are_read_and_others_are_refused"),
    ),
    (
        "FROM --platform of another machine",
        Works("bases_are_brought_for_each_platform"),
    ),
    ("HEALTHCHECK", Works(HISTORY)),
    ("HEALTHCHECK --interval", Works(CHECKS)),
    ("HEALTHCHECK --timeout", Works(CHECKS)),
    ("HEALTHCHECK --start-period", Works(CHECKS)),
    ("HEALTHCHECK --start-interval", Works(CHECKS)),
    ("HEALTHCHECK --retries", Works(CHECKS)),
    ("LABEL", Works("labels_of_the_request_are_last_and_literal")),
    ("MAINTAINER", Works(HISTORY)),
    ("ONBUILD", Works("triggers_run_and_are_not_inherited")),
    ("ONBUILD of what uses a stage", Works("triggers_use_stages_too")),
    (
        "RUN",
        Works("a_command_sees_its_step_and_its_changes_are_a_layer"),
    ),
    ("RUN of here-documents", Works("a_program_in_a_here_document")),
    ("RUN --mount", Works(MOUNTS)),
    ("RUN --mount=type=bind,from,source,target", Works(MOUNTS)),
    (
        "RUN --mount=type=bind,rw",
        Works("what_is_written_to_a_mount_is_thrown_away"),
    ),
    (
        "RUN --mount=type=cache,id,target,ro,from,source,mode,uid,gid",
        Works(CACHES),
    ),
    (
        "RUN --mount=type=cache,source without from",
        Works("a_part_of_a_cache_is_no_way_out_of_it"),
    ),
    (
        "RUN --mount=type=cache,sharing=shared\\|private\\|locked",
        Works("caches_are_shared_as_they_are_told"),
    ),
    ("RUN --mount=type=tmpfs,size", Works(SECRETS)),
    (
        "RUN --mount=type=secret,id,target,env,mode,uid,gid",
        Works(SECRETS),
    ),
    (
        "RUN --mount=type=secret,required where nobody has it",
        Refused("RUN --mount=type=secret,id=s,required x", "secret s: not found"),
    ),
    ("RUN --mount=type=ssh,id,target", Works("a_socket_of_an_agent")),
    (
        "RUN --mount=type=ssh,required where nobody has it",
        Refused(
            "RUN --mount=type=ssh,required x",
            "no SSH key \"default\" forwarded from the client",
        ),
    ),
    ("RUN --network", Works("networks_and_privileges_of_a_step")),
    (
        "RUN --network=host where it is not allowed",
        Refused("RUN --network=host x", "entitlement network.host is not allowed"),
    ),
    ("RUN --security", Works("networks_and_privileges_of_a_step")),
    (
        "RUN --security=insecure where it is not allowed",
        Refused(
            "RUN --security=insecure x",
            "entitlement security.insecure is not allowed",
        ),
    ),
    (
        "RUN --device",
        Refused(
            "RUN --device=v/c=d x",
            "RUN --device=v/c=d: this node has no devices to give (CDI)",
        ),
    ),
    ("SHELL", Works(HISTORY)),
    ("STOPSIGNAL", Works(HISTORY)),
    ("USER", Works(HISTORY)),
    ("VOLUME", Works("what_goes_into_a_volume_is_discarded")),
    ("WORKDIR", Works(HISTORY)),
    (
        "`$v`, `${v}`, `:-` `-` `:+` `+` `:?` `?` `#` `##` `%` `%%` `/` `//`",
        Works(WORDS),
    ),
    (
        "`.dockerignore`",
        Works("dockerignore_and_the_dockerfile_in_a_copied_context"),
    ),
    (
        "`NAME.dockerignore`",
        Works("lists_of_what_is_ignored_take_part_by_what_they_hide"),
    ),
    ("the 22 rules of `--check`", Works("rules_and_what_breaks_them")),
];

#[test]
fn every_instruction_and_flag_has_a_row() {
    let has = |name: &str| TABLE.iter().any(|(row, _)| *row == name);
    for keyword in keywords() {
        assert!(has(keyword), "{keyword}");
        for flag in flags_of(keyword) {
            assert!(has(&format!("{keyword} --{flag}")), "{keyword} --{flag}");
        }
    }
}

#[test]
fn every_test_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut source = String::new();
    read(&root.join("src"), &mut source);
    read(&root.join("tests"), &mut source);
    // Where what the seam of addresses brings is tested.
    read(&root.join("../fetch/tests"), &mut source);
    for (row, standing) in TABLE {
        if let Works(test) = standing {
            assert!(source.contains(&format!("fn {test}()")), "{row} names {test}");
        }
    }
}

fn read(directory: &Path, source: &mut String) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read(&path, source);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            source.push_str(&std::fs::read_to_string(path).unwrap());
        }
    }
}

#[test]
fn what_is_refused_is_refused_so() {
    let host = format!("linux/{}", Platform::host().architecture);
    for (row, standing) in TABLE {
        if let Refused(step, sentence) = standing {
            let told = Bench::new().file(&format!("FROM busybox\n{step}\nCMD [\"x\"]\n"));
            assert_eq!(told.error(), sentence.replace("HOST", &host), "{row}");
        }
    }
}

/// `UPDATE_COVERAGE=1 cargo nextest run -p builder coverage` writes the page anew.
#[test]
#[expect(clippy::disallowed_methods, reason = "updating is a flag of the test's own")]
fn the_page_is_fresh() {
    let page = Path::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../../docs/coverage-dockerfile.md"
    ));
    if std::env::var_os("UPDATE_COVERAGE").is_some() {
        std::fs::write(page, print()).unwrap();
    }
    assert_eq!(std::fs::read_to_string(page).unwrap_or_default(), print());
}

fn print() -> String {
    let works = TABLE
        .iter()
        .filter(|(_, standing)| matches!(standing, Works(_)))
        .count();
    let mut page = format!(
        "# Coverage of the Dockerfile language\n\nWhat becomes of each instruction and flag of BuildKit's `dockerfile.v0`. Printed from\n\
         `crates/docker/builder/src/driver/tests/coverage.rs`, which checks that every keyword and flag of the\n\
         parser has a row, that the tests are there, and that what is refused is refused in these words.\n\n\
         {works} work, {} are refused.\n\n| what | what becomes of it |\n|---|---|\n",
        TABLE.len() - works,
    );
    for (row, standing) in TABLE {
        let text = match standing {
            Works(test) => format!("works: `{test}`"),
            Refused(_, sentence) => format!("refused: {sentence}"),
        };
        page.push_str(&format!("| {row} | {text} |\n"));
    }
    page
}
