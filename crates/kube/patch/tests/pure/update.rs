//! Managers of objects that are created, changed, and whose managers are edited.

use patch::managed::Writer;

use super::{kind, managers, write, writer};

const ONE: &str = "2026-01-01T00:00:01Z";
const TWO: &str = "2026-01-01T00:00:02Z";

#[test]
fn who_changes_a_field_owns_it() {
    let kind = kind("v1", "ConfigMap");
    let first = write(
        kind,
        None,
        r#"{"metadata":{"name":"c"},"data":{"a":"1","b":"1"}}"#,
        &writer("one", ONE),
    );
    for (new, manager, expected) in [
        // Nothing changes: nobody's time does.
        (
            r#"{"metadata":{"name":"c"},"data":{"a":"1","b":"1"}}"#,
            "two",
            "one Update v1 2026-01-01T00:00:01Z {\"f:data\":{\".\":{},\"f:a\":{},\"f:b\":{}}}".to_owned(),
        ),
        (
            r#"{"metadata":{"name":"c"},"data":{"a":"2","b":"1"}}"#,
            "two",
            format!(
                "one Update v1 {ONE} {{\"f:data\":{{\".\":{{}},\"f:b\":{{}}}}}}\ntwo Update v1 {TWO} {{\"f:data\":{{\"f:a\":{{}}}}}}"
            ),
        ),
        // Its own fields stay its own, in one entry with the new time.
        (
            r#"{"metadata":{"name":"c"},"data":{"a":"1","b":"1","c":"1"}}"#,
            "one",
            format!(
                "one Update v1 {TWO} {{\"f:data\":{{\".\":{{}},\"f:a\":{{}},\"f:b\":{{}},\"f:c\":{{}}}}}}"
            ),
        ),
        // What is removed is nobody's.
        (
            r#"{"metadata":{"name":"c"},"data":{"a":"1"}}"#,
            "two",
            format!("one Update v1 {ONE} {{\"f:data\":{{\".\":{{}},\"f:a\":{{}}}}}}"),
        ),
        (r#"{"metadata":{"name":"c"}}"#, "two", String::new()),
    ] {
        let second = write(kind, Some(&first), new, &writer(manager, TWO));
        assert_eq!(managers(kind, &second), expected, "{new}");
    }
}

#[test]
fn a_status_has_managers_of_its_own() {
    let kind = kind("v1", "Pod");
    let pod =
        r#"{"metadata":{"name":"p"},"spec":{"containers":[{"name":"c"}]},"status":{"phase":"Pending"}}"#;
    let first = write(kind, None, pod, &writer("kubectl-run", ONE));
    assert!(
        !managers(kind, &first).contains("status"),
        "{}",
        managers(kind, &first)
    );
    let kubelet = Writer {
        manager: "kubelet",
        subresource: "status",
        time: TWO,
        resets: patch::managed::resets("", "pods", "status", false, true),
    };
    let running = pod.replace("Pending", "Running");
    let second = write(kind, Some(&first), &running, &kubelet);
    assert!(
        managers(kind, &second)
            .ends_with(r#"kubelet Update v1 2026-01-01T00:00:02Z status {"f:status":{"f:phase":{}}}"#)
    );
}

#[test]
fn clients_can_edit_and_drop_managers() {
    let kind = kind("v1", "ConfigMap");
    let first = write(
        kind,
        None,
        r#"{"metadata":{"name":"c"},"data":{"a":"1"}}"#,
        &writer("one", ONE),
    );
    let with = |entries: &str| {
        format!(r#"{{"metadata":{{"name":"c","managedFields":{entries}}},"data":{{"a":"1"}}}}"#)
    };
    let own = format!("one Update v1 {ONE} {{\"f:data\":{{\".\":{{}},\"f:a\":{{}}}}}}");
    let mine = r#"[{"manager":"x","operation":"Apply","apiVersion":"v1","fieldsType":"FieldsV1","fieldsV1":{"f:data":{"f:a":{}}}}]"#;
    for (entries, expected) in [
        ("[{}]", ""),
        (mine, r#"x Apply v1 {"f:data":{"f:a":{}}}"#),
        // Malformed ones leave those that were.
        (
            r#"[{"manager":"x","operation":"Jump","apiVersion":"v1"}]"#,
            own.as_str(),
        ),
        (
            r#"[{"manager":"x","operation":"Apply","apiVersion":"v1","fieldsType":"FieldsV2"}]"#,
            own.as_str(),
        ),
    ] {
        let second = write(kind, Some(&first), &with(entries), &writer("two", TWO));
        assert_eq!(managers(kind, &second), expected, "{entries}");
        // Who has no managers gets none by updates.
        if expected.is_empty() {
            let third = write(
                kind,
                Some(&second),
                r#"{"metadata":{"name":"c"},"data":{"a":"2"}}"#,
                &writer("two", TWO),
            );
            assert_eq!(managers(kind, &third), "");
        }
    }
}

#[test]
fn the_oldest_updates_become_one() {
    let kind = kind("v1", "ConfigMap");
    let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];
    let times: Vec<&'static str> = (10..22)
        .map(|second| &*format!("2026-01-01T00:00:{second}Z").leak())
        .collect();
    let mut data = Vec::new();
    let mut live = None;
    for (name, time) in names.into_iter().zip(&times) {
        data.push(format!(r#""{name}":"1""#));
        let json = format!(r#"{{"metadata":{{"name":"c"}},"data":{{{}}}}}"#, data.join(","));
        live = Some(write(kind, live.as_ref(), &json, &writer(name, time)));
    }
    let managers = managers(kind, &live.unwrap());
    assert_eq!(managers.lines().count(), 10);
    let first =
        r#"ancient-changes Update v1 2026-01-01T00:00:12Z {"f:data":{".":{},"f:a":{},"f:b":{},"f:c":{}}}"#;
    assert_eq!(managers.lines().next(), Some(first));
}
