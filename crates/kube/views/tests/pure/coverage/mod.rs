//! What becomes of each field of a pod's specification: walked through the schema, judged by [`table::RULES`], printed
//! as docs/coverage-pods.md.

mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use schema::BUILTIN;
use schema::row::{Kind, Shape, TypeId};
use table::{RULES, Standing};
use views::coverage::refusals;

const LISTS: [&str; 3] = [
    "spec.containers[]",
    "spec.initContainers[]",
    "spec.ephemeralContainers[]",
];

/// Types that are values to the node: what is below them has no standing of its own.
const VALUES: [&str; 1] = ["LabelSelector"];

/// Every field that holds a value, by its path.
fn leaves() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let spec = BUILTIN.find("core/v1", "PodSpec").unwrap();
    walk(spec, "spec", &mut found);
    found
}

fn walk(ty: TypeId, path: &str, found: &mut BTreeSet<String>) {
    for field in BUILTIN.fields(ty) {
        let form = BUILTIN.form(field);
        let list = if form.shape == Shape::List { "[]" } else { "" };
        let path = format!("{path}.{}{list}", BUILTIN.name(field.json));
        let value = form.kind != Kind::Struct || VALUES.contains(&BUILTIN.type_name(field.ty).1);
        if value {
            found.insert(path);
        } else {
            walk(field.ty, &path, found);
        }
    }
}

/// A rule's path as it is meant: `C` stands for each list of containers.
fn meant(path: &str) -> Vec<String> {
    match path.strip_prefix("C.") {
        Some(rest) => LISTS.iter().map(|list| format!("{list}.{rest}")).collect(),
        None => vec![path.to_owned()],
    }
}

/// The rule that says most about a path: the longest one, and the one of that list alone.
fn rule_of(path: &str) -> Option<usize> {
    let fits = |rule: &str| {
        let rest = path.strip_prefix(rule);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    let length = |rule: &str| {
        let longest = meant(rule).into_iter().filter(|meant| fits(meant));
        let own = usize::from(!rule.starts_with("C."));
        longest.map(|meant| meant.len() * 2 + own).max()
    };
    let best = RULES
        .iter()
        .enumerate()
        .filter_map(|(at, (rule, _))| Some((length(rule)?, at)));
    best.max().map(|(_, at)| at)
}

fn standings() -> BTreeMap<String, Option<usize>> {
    leaves()
        .into_iter()
        .map(|path| (path.clone(), rule_of(&path)))
        .collect()
}

#[test]
fn every_field_has_a_rule_and_every_rule_a_field() {
    let standings = standings();
    let without: Vec<_> = standings.iter().filter(|(_, rule)| rule.is_none()).collect();
    assert!(without.is_empty(), "{without:?}");
    let used: BTreeSet<usize> = standings.values().flatten().copied().collect();
    let idle: Vec<_> = (0..RULES.len())
        .filter(|at| !used.contains(at))
        .map(|at| RULES[at].0)
        .collect();
    assert!(idle.is_empty(), "{idle:?}");
}

/// The table says refused where the node refuses, and nowhere else.
#[test]
fn the_table_and_the_node_refuse_the_same() {
    let refused: BTreeSet<String> = refusals().into_iter().map(|(path, _)| path).collect();
    let below = |path: &str| {
        refused.iter().any(|refused| {
            let rest = path.strip_prefix(refused.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        })
    };
    for (path, rule) in standings() {
        let (_, standing) = RULES[rule.unwrap()];
        let said = matches!(
            standing,
            Standing::Refused | Standing::RefusedValue(..) | Standing::Unreachable(_)
        );
        let refuses = below(&path);
        assert!(
            !refuses || said,
            "{path} is refused, and the table says {standing:?}"
        );
        let may = matches!(standing, Standing::Unreachable(_));
        assert!(
            refuses || !said || may,
            "{path} is not refused, and the table says {standing:?}"
        );
    }
}

#[test]
fn every_test_that_a_rule_names_exists() {
    let mut source = String::new();
    for room in ["scheduler", "kubelet", "kuberuntime", "apiserver", "dns", "kinds"] {
        let room = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(room);
        ["src", "tests"]
            .iter()
            .for_each(|folder| read(&room.join(folder), &mut source));
    }
    let transcripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../bin/gantry/tests/orchestrated");
    read(&transcripts, &mut source);
    for (path, standing) in RULES {
        if let Standing::Honoured(test) | Standing::RefusedValue(test, _) = standing {
            let there = source.contains(&format!("fn {test}()")) || source.contains(&format!("\"{test}\""));
            assert!(there, "{path} names {test}");
        }
    }
}

fn read(directory: &Path, source: &mut String) {
    let Ok(entries) = std::fs::read_dir(directory) else {
        return;
    };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read(&path, source);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            source.push_str(&std::fs::read_to_string(path).unwrap());
        }
    }
}

/// `UPDATE_COVERAGE=1 cargo nextest run -p views coverage` writes the page anew.
#[test]
#[expect(clippy::disallowed_methods, reason = "updating is a flag of the test's own")]
fn the_page_is_fresh() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../docs/coverage-pods.md");
    if std::env::var_os("UPDATE_COVERAGE").is_some() {
        std::fs::write(&page, print()).unwrap();
    }
    assert_eq!(std::fs::read_to_string(page).unwrap_or_default(), print());
}

fn print() -> String {
    let standings = standings();
    let of = |wanted: fn(&Standing) -> bool| {
        let judged = standings.values().flatten();
        judged.filter(|at| wanted(&RULES[**at].1)).count()
    };
    let mut page = format!(
        "# Coverage of pods\n\nWhat becomes of each field of a pod's specification (v1.36). Printed from\n\
         `crates/kube/views/tests/pure/coverage/table.rs`; the fields are those of the schema. `C` stands for\n\
         `spec.containers[]`, `spec.initContainers[]` and `spec.ephemeralContainers[]`. A pod with a refused field fails with\n\
         the reason `UnsupportedField` and the field's path.\n\n\
         {} fields: {} honoured, {} inert by upstream's own definition, {} refused.\n\n\
         | field, with what is below it | what becomes of it |\n|---|---|\n",
        standings.len(),
        of(|standing| matches!(standing, Standing::Honoured(_) | Standing::RefusedValue(..))),
        of(|standing| matches!(standing, Standing::Inert(_) | Standing::Unreachable(_))),
        of(|standing| matches!(standing, Standing::Refused)),
    );
    for (path, standing) in RULES {
        let text = match standing {
            Standing::Honoured(test) => format!("honoured: `{test}`"),
            Standing::RefusedValue(test, values) => format!("honoured: `{test}`; refused: {values}"),
            Standing::Inert(why) | Standing::Unreachable(why) => format!("inert: {why}"),
            Standing::Refused => "refused".to_owned(),
        };
        page.push_str(&format!("| `{path}` | {text} |\n"));
    }
    page
}
