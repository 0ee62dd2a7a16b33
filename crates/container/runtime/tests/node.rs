//! Cgroups on the real kernel: root, and whichever of v1, v2 or hybrid this host is.
#![expect(clippy::unwrap_used, reason = "a test's helpers may panic as the test may")]

use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use runtime::cgroup::{Cgroup, Layout, Place, Plan, Request, plan};
use runtime::spec::{self, LinuxResources};

/// A group of its own for each test, under a parent of its own; both go away with it.
struct Scratch {
    layout: Layout,
    plan: Plan,
    group: Cgroup,
}

impl Scratch {
    fn new(name: &str, resources: &str) -> Self {
        let layout = Layout::read().unwrap();
        let resources: LinuxResources = spec::parse(resources.as_bytes()).unwrap();
        let path = format!("/gantry-test-{}-{name}/c1", std::process::id());
        let request = Request {
            path: &path,
            resources: &resources,
            accounting: true,
            current_memory_limit: None,
        };
        let plan = plan(&layout, request).unwrap();
        let group = Cgroup::create(&layout, &plan).unwrap();
        Self { layout, plan, group }
    }

    fn file(&self, controller: &str, v1: &str, v2: &str) -> String {
        let (hierarchy, file) = match self.layout.place(controller).unwrap() {
            Place::V1(hierarchy) => (hierarchy, v1),
            Place::V2(hierarchy) => (hierarchy, v2),
        };
        let dir = self
            .plan
            .dirs
            .iter()
            .find(|dir| dir.starts_with(&hierarchy.mount))
            .unwrap();
        fs::read_to_string(dir.join(file)).unwrap().trim().to_owned()
    }

    /// A process in the group that runs until it is killed.
    fn spawn(&self) -> Child {
        let child = Command::new("/bin/cat").stdin(Stdio::piped()).spawn().unwrap();
        for file in self.group.join_files() {
            fs::write(file, child.id().to_string()).unwrap();
        }
        child
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        self.group.kill(signal).unwrap();
        self.group.remove(wait).unwrap();
        for dir in &self.plan.dirs {
            assert!(!dir.exists());
            fs::remove_dir(dir.parent().unwrap()).unwrap();
        }
    }
}

fn signal(pid: u32) -> io::Result<()> {
    let pid = rustix::process::Pid::from_raw(pid.try_into().unwrap()).unwrap();
    Ok(rustix::process::kill_process(pid, rustix::process::Signal::KILL)?)
}

/// Waits for the next event of `cgroup.events`.
fn wait(events: &File) -> io::Result<()> {
    use rustix::event::{PollFd, PollFlags, poll};
    poll(&mut [PollFd::new(events, PollFlags::PRI)], None)?;
    Ok(())
}

#[test]
fn limits_are_applied_and_read_back() {
    let scratch = Scratch::new(
        "limits",
        r#"{"memory":{"limit":67108864},"cpu":{"shares":512,"quota":50000,"period":100000},"pids":{"limit":11}}"#,
    );
    assert_eq!(
        scratch.file("memory", "memory.limit_in_bytes", "memory.max"),
        "67108864"
    );
    assert_eq!(scratch.file("pids", "pids.max", "pids.max"), "11");
    let cpu = scratch.file("cpu", "cpu.cfs_quota_us", "cpu.max");
    assert!(["50000", "50000 100000"].contains(&cpu.as_str()), "{cpu}");
    let stats = scratch.group.stats().unwrap();
    assert_eq!(
        (stats.memory_limit, stats.pids_limit, stats.pids),
        (Some(67_108_864), Some(11), 0)
    );
}

#[test]
fn a_process_joins_is_counted_and_killed() {
    let scratch = Scratch::new("kill", "{}");
    assert!(!scratch.group.populated().unwrap());
    let mut child = scratch.spawn();
    assert_eq!(scratch.group.pids().unwrap(), [child.id()]);
    assert_eq!(scratch.group.stats().unwrap().pids, 1);
    assert!(scratch.group.populated().unwrap());
    scratch.group.kill(signal).unwrap();
    assert!(!child.wait().unwrap().success());
}

#[test]
fn a_frozen_group_can_be_killed() {
    let scratch = Scratch::new("freeze", "{}");
    let mut child = scratch.spawn();
    scratch.group.freeze(true).unwrap();
    scratch.group.kill(signal).unwrap();
    assert!(!child.wait().unwrap().success());
}

#[test]
fn cpuset_groups_get_their_parents_cpus_and_devices_their_rules() {
    let scratch = Scratch::new(
        "cpuset",
        r#"{"cpu":{"cpus":"0"},"devices":[{"allow":false},{"allow":true,"type":"c","major":1,"minor":3}]}"#,
    );
    assert_eq!(scratch.file("cpuset", "cpuset.cpus", "cpuset.cpus"), "0");
    let mut child = scratch.spawn();
    scratch.group.kill(signal).unwrap();
    child.wait().unwrap();
}

#[test]
fn a_device_program_is_accepted_by_the_kernel() {
    let scratch = Scratch::new("bpf", "{}");
    let Some(unified) = scratch.group.open_unified().unwrap() else {
        return;
    };
    let rules: LinuxResources = spec::parse(
        br#"{"devices":[{"allow":false},{"allow":true,"type":"c","major":1,"minor":3,"access":"r"},
            {"allow":true,"type":"c","major":1,"minor":-1,"access":"wm"},{"allow":false,"type":"c","major":1,"minor":5}]}"#,
    )
    .unwrap();
    let program = runtime::cgroup::device_program(&rules.devices).unwrap();
    use std::os::fd::AsFd;
    match sys::bpf::attach_device_program(&program, unified.as_fd()) {
        // A kernel without CONFIG_CGROUP_BPF has no such attach point.
        Err(error)
            if error.raw_os_error() == Some(rustix::io::Errno::INVAL.raw_os_error()) && !has_cgroup_bpf() => {
        }
        attached => attached.unwrap(),
    }
}

fn has_cgroup_bpf() -> bool {
    let symbols = fs::read_to_string("/proc/kallsyms").unwrap_or_default();
    symbols.contains("cgroup_bpf_prog_attach") || symbols.is_empty()
}

#[test]
fn a_refused_limit_leaves_nothing_behind() {
    let layout = Layout::read().unwrap();
    let resources: LinuxResources = spec::parse(br#"{"cpu":{"cpus":"9999"}}"#).unwrap();
    let path = format!("/gantry-test-{}-refused", std::process::id());
    let request = Request {
        path: &path,
        resources: &resources,
        accounting: false,
        current_memory_limit: None,
    };
    let plan = plan(&layout, request).unwrap();
    let error = Cgroup::create(&layout, &plan).unwrap_err();
    assert!(
        error.to_string().starts_with("linux.resources.cpu.cpus: "),
        "{error}"
    );
    assert_eq!(
        plan.dirs
            .iter()
            .filter(|dir| dir.exists())
            .collect::<Vec<&PathBuf>>(),
        Vec::<&PathBuf>::new()
    );
}
