//! Golden plans: the same bytes that the kernel is asked for, as listings.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{CgroupMount, Context, create, exec};
use crate::capability::CapabilitySet;
use crate::spec::{Process, Spec};
use crate::{example, seccomp};

/// The example configuration, changed at JSON pointers.
fn spec(changes: &[(&str, Value)]) -> Spec {
    let mut document = serde_json::to_value(example::spec()).unwrap();
    document["process"]["terminal"] = json!(false);
    for (pointer, value) in changes {
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        match document.pointer_mut(parent).unwrap() {
            Value::Array(items) => items.push(value.clone()),
            parent => parent[key] = value.clone(),
        }
    }
    serde_json::from_value(document).unwrap()
}

fn context() -> Context<'static> {
    Context {
        capabilities: CapabilitySet::KNOWN,
        ..Context::new("c1", Path::new("/bundle"))
    }
}

/// A plan's namespaces, given descriptors and program.
fn listing(spec: &Spec, context: &Context<'_>) -> String {
    let plan = create(spec, context).unwrap();
    format!(
        "namespaces {:#x}\ngiven {:?}\n{}",
        plan.namespaces, plan.given, plan.program
    )
}

#[test]
fn the_example() {
    let joins = [PathBuf::from("/sys/fs/cgroup/memory/c1/tasks")];
    let mounts = [CgroupMount {
        name: "cpu,cpuacct".into(),
        options: vec!["cpu".into(), "cpuacct".into()],
        path: "/sys/fs/cgroup/cpu,cpuacct/c1".into(),
    }];
    let context = Context {
        cgroup_joins: &joins,
        cgroups: &mounts,
        gate: true,
        ..context()
    };
    insta::assert_snapshot!(listing(&spec(&[]), &context));
}

#[test]
fn a_user_namespace_is_entered_step_by_step() {
    let map = json!([{"containerID": 0, "hostID": 100_000, "size": 65536}]);
    let spec = spec(&[
        ("/linux/namespaces/-", json!({"type": "user"})),
        ("/linux/uidMappings", map.clone()),
        ("/linux/gidMappings", map),
        (
            "/mounts",
            json!([{"destination": "/proc", "type": "proc", "source": "proc"}]),
        ),
        ("/linux/maskedPaths", json!([])),
        ("/linux/readonlyPaths", json!([])),
    ]);
    insta::assert_snapshot!(listing(&spec, &context()));
}

#[test]
fn a_terminal_and_every_kind_of_mount() {
    let spec = spec(&[
        ("/process/terminal", json!(true)),
        ("/process/consoleSize", json!({"height": 24, "width": 80})),
        ("/linux/rootfsPropagation", json!("shared")),
        (
            "/mounts/-",
            json!({"destination": "/data", "source": "data", "options": ["rbind", "rro", "rslave"]}),
        ),
        (
            "/mounts/-",
            json!({"destination": "/ro", "type": "tmpfs", "options": ["ro", "size=1m", "sync"]}),
        ),
    ]);
    insta::assert_snapshot!(listing(
        &spec,
        &Context {
            console: true,
            ..context()
        }
    ));
}

#[test]
fn another_process_in_the_container() {
    let process = Process {
        cwd: "/".to_owned(),
        args: vec!["id".to_owned()],
        env: vec!["PATH=/bin".to_owned()],
        ..Process::default()
    };
    let plan = exec(&process, 0x6c02_0000, &context()).unwrap();
    insta::assert_snapshot!(plan.program.to_string());
}

/// With no_new_privs the filter is the last thing before the program; without, it is loaded while
/// the rights to load it are still there.
#[test]
fn the_filter_comes_as_late_as_it_can() {
    let rules = json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": []});
    let rules = serde_json::from_value(rules).unwrap();
    let filter = seccomp::compile(&rules, seccomp::Machine::NATIVE).unwrap();
    let names = |no_new_privileges: bool| -> Vec<String> {
        let spec = spec(&[("/process/noNewPrivileges", json!(no_new_privileges))]);
        let plan = create(
            &spec,
            &Context {
                filter: Some(&filter),
                ..context()
            },
        )
        .unwrap();
        let listing = plan.program.to_string();
        listing
            .lines()
            .map(|line| line.split(' ').next().unwrap_or_default().to_owned())
            .collect()
    };
    let late = names(true);
    assert_eq!(late[late.len() - 3..], ["Lookup", "Seccomp", "Exec"]);
    let early = names(false);
    let at = |name: &str| early.iter().position(|each| each == name).unwrap();
    assert!(at("Seccomp") < at("BoundingSet"), "{early:?}");
}

#[test]
fn proc_is_the_kernels() {
    let planned = |destination: &str, kind: &str, source: &str| {
        let mount = json!([{"destination": destination, "type": kind, "source": source}]);
        let refused = create(&spec(&[("/mounts", mount)]), &context()).err();
        refused.map(|error| error.to_string())
    };
    for destination in ["/proc", "//proc/.", "/proc/"] {
        let expected = "mounts[0]: \"/proc\" cannot be mounted because it is not of type proc";
        assert_eq!(planned(destination, "bind", "/srv").as_deref(), Some(expected));
    }
    let expected = "mounts[0]: \"/proc/self\" cannot be mounted because it is inside /proc";
    assert_eq!(planned("/proc/self", "tmpfs", "tmpfs").as_deref(), Some(expected));
    assert_eq!(planned("/proc", "proc", "proc"), None);
    assert_eq!(planned("/proc", "bind", "/proc"), None);
    assert_eq!(planned("/proc/uptime", "bind", "/srv/uptime"), None);
    assert_eq!(planned("/process", "bind", "/srv"), None);
}

#[test]
fn planning_is_deterministic() {
    let (first, second) = (
        create(&spec(&[]), &context()).unwrap(),
        create(&spec(&[]), &context()).unwrap(),
    );
    assert_eq!(first.program.as_bytes(), second.program.as_bytes());
}

#[test]
fn a_capability_that_cannot_be_given_is_left_out_and_said() {
    let spec = spec(&[(
        "/process/capabilities",
        json!({"bounding": ["CAP_CHOWN", "CAP_SYS_RESOURCE", "CAP_FUTURE"]}),
    )]);
    let context = Context {
        capabilities: CapabilitySet::DOCKER_DEFAULT,
        ..context()
    };
    let plan = create(&spec, &context).unwrap();
    assert_eq!(
        plan.warnings,
        [
            "process.capabilities: CAP_FUTURE is not available here",
            "process.capabilities: CAP_SYS_RESOURCE is not available here",
        ]
    );
    assert!(plan.program.to_string().contains("BoundingSet keep=0x1\n"));
}
