//! One resource set a line, and what becomes of it on each kind of host.

use super::block_io::io_weight_of;
use super::cpu::weight_of_shares;
use super::*;
use crate::cgroup::layout::tests::{hybrid, pure_v1, pure_v2};

fn try_plan(layout: &Layout, resources: &str) -> Result<Plan, PlanError> {
    let resources: LinuxResources = crate::spec::parse(resources.as_bytes()).unwrap();
    plan(
        layout,
        Request {
            path: "/g",
            resources: &resources,
            accounting: false,
            current_memory_limit: None,
        },
    )
}

/// The writes as `file=value`, with `?` where a missing file is no error.
fn writes(plan: &Plan) -> Vec<String> {
    let line = |write: &Write| {
        let missing = match &write.missing {
            Missing::Fails => String::new(),
            Missing::Ignored => "?".to_owned(),
            Missing::Instead { file, value } => format!(" or {file}={value}"),
        };
        format!("{}={}{missing}", write.file, write.value)
    };
    plan.writes.iter().map(line).collect()
}

#[track_caller]
fn check(resources: &str, v1: &[&str], v2: &[&str]) {
    assert_eq!(writes(&try_plan(&hybrid(), resources).unwrap()), v1, "v1");
    assert_eq!(writes(&try_plan(&pure_v2(), resources).unwrap()), v2, "v2");
}

#[test]
fn memory() {
    check(
        r#"{"memory":{"limit":100,"swap":300,"reservation":50,"kernel":9}}"#,
        &[
            "memory.limit_in_bytes=100",
            "memory.memsw.limit_in_bytes=300",
            "memory.soft_limit_in_bytes=50",
        ],
        &["memory.swap.max=200", "memory.max=100", "memory.low=50"],
    );
    check(
        r#"{"memory":{"limit":-1}}"#,
        &["memory.memsw.limit_in_bytes=-1?", "memory.limit_in_bytes=-1"],
        &["memory.swap.max=max?", "memory.max=max"],
    );
    check(
        r#"{"memory":{"limit":100,"swap":100}}"#,
        &["memory.limit_in_bytes=100", "memory.memsw.limit_in_bytes=100"],
        &["memory.swap.max=0?", "memory.max=100"],
    );
}

#[test]
fn a_rising_limit_raises_memory_and_swap_first() {
    let resources =
        crate::spec::parse(br#"{"memory":{"limit":100,"swap":200,"checkBeforeUpdate":true}}"#).unwrap();
    let order = |current| {
        let request = Request {
            path: "/g",
            resources: &resources,
            accounting: false,
            current_memory_limit: current,
        };
        let plan = plan(&hybrid(), request).unwrap();
        assert!(
            plan.usage_within
                .as_ref()
                .unwrap()
                .0
                .ends_with("memory.usage_in_bytes")
        );
        writes(&plan)[0].clone()
    };
    assert_eq!(order(Some(50)), "memory.memsw.limit_in_bytes=200");
    assert_eq!(order(Some(500)), "memory.limit_in_bytes=100");
    assert_eq!(order(None), "memory.limit_in_bytes=100");
}

#[test]
fn cpu() {
    check(
        r#"{"cpu":{"shares":1024,"quota":50000,"period":100000,"burst":10,"cpus":"0-1","mems":"0"}}"#,
        &[
            "cpu.shares=1024",
            "cpu.cfs_period_us=100000",
            "cpu.cfs_quota_us=50000",
            "cpu.cfs_burst_us=10",
            "cpuset.cpus=0-1",
            "cpuset.mems=0",
        ],
        &[
            "cpu.weight=100",
            "cpu.max=50000 100000",
            "cpu.max.burst=10",
            "cpuset.cpus=0-1",
            "cpuset.mems=0",
        ],
    );
    check(
        r#"{"cpu":{"quota":-1}}"#,
        &["cpu.cfs_quota_us=-1"],
        &["cpu.max=max"],
    );
    check(r#"{"cpu":{"idle":1}}"#, &["cpu.idle=1"], &["cpu.idle=1"]);
    assert!(
        try_plan(&hybrid(), r#"{"cpu":{"cpus":"0"}}"#)
            .unwrap()
            .cpuset
            .is_some()
    );
    assert!(
        try_plan(&pure_v2(), r#"{"cpu":{"cpus":"0"}}"#)
            .unwrap()
            .cpuset
            .is_none()
    );
}

#[test]
fn shares_follow_runc_s_curve() {
    let cases = [
        (0, 1),
        (2, 1),
        (3, 2),
        (1024, 100),
        (2048, 174),
        (262_143, 10_000),
        (262_144, 10_000),
        (u64::MAX, 10_000),
    ];
    for (shares, weight) in cases {
        assert_eq!(weight_of_shares(shares), weight, "{shares} shares");
    }
    assert_eq!([10, 500, 1000].map(io_weight_of), [1, 4950, 10_000]);
}

#[test]
fn pids() {
    check(r#"{"pids":{"limit":7}}"#, &["pids.max=7"], &["pids.max=7"]);
    check(r#"{"pids":{"limit":0}}"#, &["pids.max=1"], &["pids.max=1"]);
    check(r#"{"pids":{"limit":-1}}"#, &["pids.max=max"], &["pids.max=max"]);
    check(r#"{"pids":{}}"#, &[], &[]);
}

#[test]
fn block_io() {
    check(
        r#"{"blockIO":{"weight":500,"weightDevice":[{"major":8,"minor":0,"weight":10}],
            "throttleReadBpsDevice":[{"major":8,"minor":0,"rate":600}],"throttleWriteIOPSDevice":[{"major":8,"minor":0,"rate":0}]}}"#,
        &[
            "blkio.weight=500 or blkio.bfq.weight=500",
            "blkio.weight_device=8:0 10 or blkio.bfq.weight_device=8:0 10",
            "blkio.throttle.read_bps_device=8:0 600",
            "blkio.throttle.write_iops_device=8:0 0",
        ],
        &[
            "io.bfq.weight=500 or io.weight=4950",
            "io.bfq.weight=8:0 10 or io.weight=8:0 1",
            "io.max=8:0 rbps=600",
            "io.max=8:0 wiops=max",
        ],
    );
}

#[test]
fn hugepages_go_where_the_controller_is() {
    let expected = ["hugetlb.2MB.max=4", "hugetlb.2MB.rsvd.max=4?"];
    check(
        r#"{"hugepageLimits":[{"pageSize":"2MB","limit":4}]}"#,
        &expected,
        &expected,
    );
    let plan = try_plan(&hybrid(), r#"{"hugepageLimits":[{"pageSize":"2MB","limit":4}]}"#).unwrap();
    assert_eq!(plan.enable, ["hugetlb"]);
}

#[test]
fn devices_are_files_on_v1_and_a_program_on_v2() {
    let resources = r#"{"devices":[{"allow":false},{"allow":true,"type":"c","major":1,"minor":3}]}"#;
    check(resources, &["devices.deny=a", "devices.allow=c 1:3 rwm"], &[]);
    assert!(try_plan(&pure_v2(), resources).unwrap().device_program.is_some());
}

#[test]
fn nothing_asked_is_one_group_and_no_write() {
    for (layout, dir) in [
        (hybrid(), "/sys/fs/cgroup/unified/g"),
        (pure_v2(), "/sys/fs/cgroup/g"),
        (pure_v1(), "/sys/fs/cgroup/freezer/g"),
    ] {
        let plan = try_plan(&layout, "{}").unwrap();
        assert_eq!(
            plan,
            Plan {
                dirs: vec![dir.into()],
                ..Plan::default()
            }
        );
    }
}

#[test]
fn accounting_makes_the_groups_usage_is_read_from() {
    let resources = LinuxResources::default();
    let request = Request {
        path: "/g",
        resources: &resources,
        accounting: true,
        current_memory_limit: None,
    };
    let plan = |layout: Layout| plan(&layout, request).unwrap();
    let expected = ["unified", "memory", "cpu,cpuacct", "pids", "blkio"]
        .map(|dir| PathBuf::from(format!("/sys/fs/cgroup/{dir}/g")));
    assert_eq!(plan(hybrid()).dirs, expected);
    assert_eq!(plan(pure_v2()).enable, ["memory", "cpu", "pids", "io"]);
}

#[track_caller]
fn refused(layout: &Layout, resources: &str, message: &str) {
    assert_eq!(try_plan(layout, resources).unwrap_err().to_string(), message);
}

#[test]
fn what_a_host_cannot_apply_is_refused_by_name() {
    let missing = "linux.resources.rdma: this host has no rdma cgroup controller";
    refused(&hybrid(), r#"{"rdma":{"m":{"hcaHandles":1}}}"#, missing);
    let network = "linux.resources.network.classID: this host has no net_cls cgroup controller";
    refused(&pure_v2(), r#"{"network":{"classID":1}}"#, network);
    refused(
        &pure_v2(),
        r#"{"memory":{"swappiness":1}}"#,
        "linux.resources.memory.swappiness exists only on cgroup v1",
    );
    refused(
        &pure_v2(),
        r#"{"cpu":{"realtimePeriod":1}}"#,
        "linux.resources.cpu.realtimePeriod exists only on cgroup v1",
    );
    refused(
        &pure_v2(),
        r#"{"blockIO":{"leafWeight":10}}"#,
        "linux.resources.blockIO.leafWeight exists only on cgroup v1",
    );
    refused(
        &hybrid(),
        r#"{"memory":{"swappiness":101}}"#,
        "linux.resources.memory.swappiness: must be 0 to 100",
    );
    refused(
        &pure_v2(),
        r#"{"memory":{"swap":1}}"#,
        "linux.resources.memory.swap: needs memory.limit",
    );
    refused(
        &pure_v2(),
        r#"{"memory":{"limit":2,"swap":1}}"#,
        "linux.resources.memory.swap: must not be less than memory.limit",
    );
    refused(
        &hybrid(),
        r#"{"cpu":{"idle":1,"shares":5}}"#,
        "linux.resources.cpu.shares: an idle group has no shares",
    );
    refused(
        &hybrid(),
        r#"{"memory":{"useHierarchy":false}}"#,
        "linux.resources.memory.useHierarchy: accounting is always hierarchical",
    );
}

#[test]
fn unified_keys_need_their_controller_on_v2() {
    check(
        r#"{"unified":{"hugetlb.1GB.max":"5"}}"#,
        &["hugetlb.1GB.max=5"],
        &["hugetlb.1GB.max=5"],
    );
    check(
        r#"{"unified":{"cgroup.max.depth":"5"}}"#,
        &["cgroup.max.depth=5"],
        &["cgroup.max.depth=5"],
    );
    let key = "linux.resources.unified[\"memory.high\"]: the controller is not on a cgroup v2 hierarchy here";
    refused(&hybrid(), r#"{"unified":{"memory.high":"5"}}"#, key);
    refused(&pure_v1(), r#"{"unified":{"memory.high":"5"}}"#, key);
    refused(
        &pure_v2(),
        r#"{"unified":{"memory.high/../x":"5"}}"#,
        "linux.resources.unified[\"memory.high/../x\"] is not a file name",
    );
}
