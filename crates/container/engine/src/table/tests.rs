use std::sync::Arc;

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::container::Owner;
use crate::state::State;

pub(crate) fn container(id: &str, name: &str) -> Container {
    Container {
        id: ContainerId::new(id),
        name: name.into(),
        created: Timestamp::UNIX_EPOCH,
        spec: Arc::default(),
        image: None,
        owner: Owner::default(),
        door: Arc::default(),
        state: State::default(),
        restart_count: 0,
        generation: 0,
        mounts: Vec::new(),
        log_path: None,
    }
}

fn table(containers: &[(&str, &str)]) -> Table {
    let table = Table::default();
    for (id, name) in containers {
        table.reserve(name, &ContainerId::new(*id)).unwrap();
        table.insert(Entry::new(container(id, name)));
    }
    table
}

#[test]
fn a_full_id_wins_over_a_name_and_a_name_over_a_prefix() {
    let table = table(&[
        ("aaaa11", "web"),
        ("aaaa22", "aaaa11"),
        ("bbbb33", "aaaa2"),
        ("bbbb44", "x1"),
    ]);
    let check = |reference: &str, expected: Result<&str, &str>| {
        let found = table.find(reference).map(|entry| entry.id.to_string());
        let found = found.map_err(|error| error.to_string());
        assert_eq!(found.as_deref().map_err(String::as_str), expected, "{reference}");
    };
    check("aaaa11", Ok("aaaa11"));
    check("/web", Ok("aaaa11"));
    check("web", Ok("aaaa11"));
    check("aaaa2", Ok("bbbb33"));
    check("aaaa22", Ok("aaaa22"));
    check("bbbb3", Ok("bbbb33"));
    check("bbbb", Err("multiple IDs found with provided prefix: bbbb"));
    check("nobody", Err("No such container: nobody"));
    check("", Err("No container name or ID supplied"));
}

#[test]
fn a_name_is_one_container_s_until_it_is_given_back() {
    let table = table(&[("aaaa11", "web")]);
    let other = ContainerId::new("bbbb22");
    let error = table.reserve("web", &other).unwrap_err().to_string();
    assert_eq!(
        error,
        "Conflict. The container name \"/web\" is already in use by container \"aaaa11\". You have to \
         remove (or rename) that container to be able to reuse that name."
    );
    table.release("web", &other);
    assert!(table.is_taken("web"), "only its holder gives a name back");
    table.remove(&ContainerId::new("aaaa11"));
    assert!(table.reserve("web", &other).is_ok() && table.find("web").is_err());
}

#[test]
fn names_are_checked_as_upstream_does() {
    for good in ["ab", "/ab", "a.b-c_d", "0x"] {
        assert!(checked_name(good).is_ok(), "{good}");
    }
    for bad in ["", "a", "/", "_ab", ".ab", "a b", "a/b", "ä1", "//ab"] {
        let error = checked_name(bad).unwrap_err().to_string();
        assert_eq!(
            error,
            format!("Invalid container name ({bad}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed")
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The model: whoever has the full id or name, else the only one that begins so.
    #[test]
    fn find_is_the_model(ids in prop::collection::btree_set("[ab]{6}", 1..12), prefix in "[ab]{1,6}") {
        let table = Table::default();
        for id in &ids {
            table.insert(Entry::new(container(id, "")));
        }
        let begins: Vec<_> = ids.iter().filter(|id| id.starts_with(&prefix)).collect();
        let found = table.find(&prefix);
        match begins[..] {
            [only] => {
                let found = found.unwrap();
                prop_assert_eq!(found.id.as_str(), only);
            }
            [] => prop_assert!(matches!(found, Err(Error::NotFound(_)))),
            _ => prop_assert!(matches!(found, Err(Error::Invalid(_)))),
        }
    }
}
