//! What happens to pods of many kinds, from the first look to the last.

use kubelet::container::{ImageFault, ImageReason, StartFault};
use kubelet::traits::{Outcome, Refused};
use kubelet::worker::{Event, Rejection};
use serde_json::json;

use crate::play::{Act, MS, Play, image, s};

fn check(name: &str, play: &Play) {
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!(name, play.log);
    });
}

#[test]
fn a_pod_runs_and_is_deleted() {
    let spec = json!({"containers": [{"name": "web", "image": "web:1"}]});
    let play = Play::new(&spec).run(s(3)).delete(30).go_on(s(60));
    check("deleted", &play);
    assert!(play.is_gone());
}

#[test]
fn a_status_is_as_upstream_writes_it() {
    let spec = json!({"containers": [{"name": "web", "image": "web:1",
        "resources": {"requests": {"cpu": "100m"}, "limits": {"memory": "1Gi"}},
        "volumeMounts": [{"name": "v", "mountPath": "/v", "readOnly": true}]}]});
    let play = Play::new(&spec).run(s(1));
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("status", serde_json::to_string_pretty(play.status()).unwrap());
    });
}

#[test]
fn init_containers_and_sidecars_have_their_order() {
    let spec = json!({
        "initContainers": [{"name": "one"}, {"name": "side", "restartPolicy": "Always",
            "startupProbe": {"tcpSocket": {"port": 1}, "periodSeconds": 1}}, {"name": "two"}],
        "containers": [{"name": "a"}, {"name": "b"}],
    });
    let failed = Outcome::Failure("no".to_owned());
    let play = Play::new(&spec)
        .act("one", [Act::Exit(s(1), 1), Act::Exit(s(1), 0)])
        .act("two", [Act::Exit(s(1), 0)])
        .probe("side/Startup", [failed.clone(), failed, Outcome::Success])
        .run(s(30))
        .delete(30)
        .go_on(s(60));
    check("init", &play);
}

#[test]
fn a_failed_init_container_ends_a_pod_that_never_restarts() {
    let spec = json!({"restartPolicy": "Never",
        "initContainers": [{"name": "side", "restartPolicy": "Always"}, {"name": "one"}], "containers": [{"name": "a"}]});
    let play = Play::new(&spec).act("one", [Act::Exit(s(1), 3)]).run(s(20));
    check("init_failed", &play);
}

#[test]
fn crashes_are_restarted_ever_more_slowly() {
    let spec = json!({"containers": [{"name": "web"}]});
    let play = Play::new(&spec).act("web", [Act::Exit(s(1), 1)]).run(s(1000));
    let starts: Vec<&str> = play
        .log
        .lines()
        .filter(|line| line.contains(" start web#"))
        .collect();
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("crash_starts", starts.join("\n"));
    });
    let spec = json!({"containers": [{"name": "web"}]});
    let play = Play::new(&spec)
        .act(
            "web",
            [Act::Exit(s(1), 1), Act::OutOfMemory(s(1)), Act::Serve(MS)],
        )
        .run(s(30));
    check("crash", &play);
}

#[test]
fn a_back_off_is_forgotten_after_a_long_run() {
    let spec = json!({"containers": [{"name": "web"}]});
    let play = Play::new(&spec)
        .act(
            "web",
            [
                Act::Exit(s(1), 1),
                Act::Exit(s(1), 1),
                Act::Exit(s(700), 0),
                Act::Exit(s(1), 1),
                Act::Serve(MS),
            ],
        )
        .run(s(900));
    let starts: Vec<&str> = play
        .log
        .lines()
        .filter(|line| line.contains(" start web#"))
        .collect();
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("crash_forgotten", starts.join("\n"));
    });
}

#[test]
fn work_that_is_done_ends_the_pod() {
    for (policy, codes) in [("OnFailure", vec![1, 0]), ("Never", vec![0]), ("Never", vec![7])] {
        let spec = json!({"restartPolicy": policy, "containers": [{"name": "job"}]});
        let acts: Vec<Act> = codes.iter().map(|code| Act::Exit(s(1), *code)).collect();
        let play = Play::new(&spec).act("job", acts).run(s(60));
        check(&format!("done_{policy}_{}", codes[codes.len() - 1]), &play);
    }
}

#[test]
fn probes_start_stop_and_ready() {
    let probe = json!({"httpGet": {"port": 80}, "periodSeconds": 5, "failureThreshold": 2});
    let spec = json!({"terminationGracePeriodSeconds": 9, "containers": [{"name": "web",
        "startupProbe": {"exec": {"command": ["x"]}, "periodSeconds": 1, "failureThreshold": 5},
        "livenessProbe": probe, "readinessProbe": probe}]});
    let bad = |text: &str| Outcome::Failure(text.to_owned());
    let play = Play::new(&spec)
        .probe("web/Startup", [bad("not yet"), Outcome::Success])
        .probe(
            "web/Readiness",
            [bad("busy"), Outcome::Success, bad("busy"), Outcome::Success],
        )
        .probe(
            "web/Liveness",
            [Outcome::Success, bad("dead"), bad("dead"), Outcome::Success],
        )
        .run(s(22))
        .delete(5)
        .go_on(s(9));
    check("probes", &play);
}

#[test]
fn a_startup_probe_that_never_succeeds_kills() {
    let spec = json!({"containers": [{"name": "web", "startupProbe": {"tcpSocket": {"port": 1},
        "periodSeconds": 1, "failureThreshold": 2, "terminationGracePeriodSeconds": 4}}]});
    let play = Play::new(&spec)
        .act("web", [Act::Serve(s(10))])
        .probe("web/Startup", [Outcome::Failure("no".to_owned())])
        .run(s(8));
    check("startup", &play);
}

#[test]
fn probes_that_cannot_be_asked_decide_nothing() {
    let spec = json!({"containers": [{"name": "web", "readinessProbe": {"exec": {"command": ["x"]}, "periodSeconds": 10}}]});
    let error = Outcome::Errored("no such thing".to_owned());
    let play = Play::new(&spec)
        .probe(
            "web/Readiness",
            [
                Outcome::Success,
                error.clone(),
                error.clone(),
                error,
                Outcome::Success,
            ],
        )
        .run(s(25));
    check("errored", &play);
}

#[test]
fn hooks_run_before_and_after() {
    let hook = json!({"exec": {"command": ["x"]}});
    let spec = json!({"terminationGracePeriodSeconds": 10,
        "containers": [{"name": "web", "lifecycle": {"postStart": hook, "preStop": hook}}]});
    let play = Play::new(&spec)
        .hook("web/PostStart", s(2), Ok(()))
        .hook("web/PreStop", s(30), Ok(()))
        .run(s(5))
        .delete(10)
        .go_on(s(30));
    check("hooks", &play);
    let play = Play::new(&spec)
        .hook("web/PostStart", s(1), Err("it said no".to_owned()))
        .run(s(15));
    check("hook_failed", &play);
}

#[test]
fn a_second_deletion_shortens_the_first() {
    let spec = json!({"containers": [{"name": "web"}]});
    let play = Play::new(&spec)
        .act("web", [Act::Serve(s(100))])
        .run(s(2))
        .delete(60)
        .go_on(s(5))
        .delete(3)
        .go_on(s(60));
    check("shorter", &play);
}

#[test]
fn a_pod_that_is_gone_from_the_api_goes_at_once() {
    let spec = json!({"containers": [{"name": "web"}]});
    let play = Play::new(&spec)
        .act("web", [Act::Serve(s(100))])
        .run(s(2))
        .event(Event::Forgotten)
        .go_on(s(10));
    check("forgotten", &play);
    assert!(play.is_gone());
}

#[test]
fn a_deadline_ends_a_pod() {
    let spec = json!({"activeDeadlineSeconds": 4, "containers": [{"name": "web"}]});
    check("deadline", &Play::new(&spec).run(s(20)));
}

#[test]
fn a_rejected_pod_is_failed_and_never_run() {
    let spec = json!({"containers": [{"name": "web"}]});
    let rejection = Rejection {
        reason: "OutOfcpu".to_owned(),
        text: "Node didn't have enough resource: cpu, requested: 2, used: 0, capacity: 1".to_owned(),
        message: "Pod was rejected: Node didn't have enough resource".to_owned(),
    };
    let play = Play::new(&spec)
        .event(Event::Admitted(Err(rejection)))
        .go_on(s(5))
        .delete(0)
        .go_on(s(5));
    check("rejected", &play);
}

#[test]
fn images_that_are_not_here_are_waited_for() {
    let spec = json!({"containers": [{"name": "web", "image": "web:9"}]});
    let fault = |reason| ImageFault {
        reason,
        message: "no registries".to_owned(),
    };
    let play = Play::new(&spec)
        .act(
            "web",
            [
                Act::NoImage(fault(ImageReason::ErrImagePull)),
                Act::NoImage(fault(ImageReason::ErrImagePull)),
                Act::Serve(MS),
            ],
        )
        .run(s(20))
        .event(Event::Source)
        .go_on(s(20));
    check("image", &play);
    let play = Play::new(&spec)
        .act("web", [Act::NoImage(fault(ImageReason::ErrImageNeverPull))])
        .run(s(5));
    check("image_never", &play);
}

#[test]
fn images_are_pulled_and_a_pod_that_ends_meanwhile_does_not_wait() {
    let spec = json!({"containers": [{"name": "web", "image": "r.io/web:9"}]});
    let play = || Play::new(&spec).act("web", [Act::Pulled(1500 * MS), Act::Serve(MS)]);
    check("image_pulled", &play().run(s(5)));
    check("image_pulled_too_late", &play().run(s(1)).delete(30).go_on(s(5)));
}

#[test]
fn containers_that_cannot_be_started_wait() {
    let spec = json!({"containers": [{"name": "web"}]});
    let config = Act::Fault(StartFault::Config("secret \"x\" not found".to_owned()));
    let run = Act::Fault(StartFault::Run {
        id: kubelet::ContainerId::new("web-0"),
        image: image(),
        code: 127,
        at: std::time::SystemTime::UNIX_EPOCH + s(1_700_000_001),
        message: "exec: \"x\": not found".to_owned(),
    });
    let play = Play::new(&spec)
        .act("web", [config, run, Act::Serve(MS)])
        .run(s(1))
        .event(Event::Source)
        .go_on(s(30));
    check("unstartable", &play);
}

#[test]
fn volumes_that_name_what_is_not_there_are_tried_again() {
    let spec = json!({"containers": [{"name": "web"}]});
    let mut play = Play::new(&spec);
    play.volumes = Err(Refused {
        reason: "FailedMount".to_owned(),
        message: "MountVolume.SetUp failed for volume \"v\" : configmap \"x\" not found".to_owned(),
    });
    let mut play = play.run(s(2));
    play.volumes = Ok(());
    let play = play.event(Event::Source).go_on(s(3));
    check("volumes", &play);
}

#[test]
fn another_image_is_another_container() {
    let spec = json!({"restartPolicy": "Never", "containers": [{"name": "web", "image": "a"}]});
    let play = Play::new(&spec)
        .run(s(1))
        .change(|pod| {
            pod["metadata"]["generation"] = 2.into();
            pod["spec"]["containers"][0]["image"] = "b".into();
        })
        .go_on(s(5));
    check("changed", &play);
}

#[test]
fn a_lost_sandbox_is_made_again() {
    let spec = json!({"initContainers": [{"name": "one"}], "containers": [{"name": "web"}]});
    let mut play = Play::new(&spec).act("one", [Act::Exit(s(1), 0)]).run(s(5));
    play.sandbox = None;
    let play = play.event(Event::SandboxLost).go_on(s(20));
    check("sandbox", &play);
}

#[test]
fn an_ephemeral_container_runs_once() {
    let spec = json!({"containers": [{"name": "web"}]});
    let play = Play::new(&spec)
        .act("debug", [Act::Exit(s(1), 1)])
        .run(s(1))
        .change(|pod| {
            pod["metadata"]["generation"] = 2.into();
            pod["spec"]["ephemeralContainers"] = json!([{"name": "debug"}]);
        })
        .go_on(s(5));
    check("ephemeral", &play);
}

#[test]
fn a_kubelet_that_starts_anew_goes_on() {
    let spec = json!({"initContainers": [{"name": "one"}], "containers": [{"name": "a"}, {"name": "b"}]});
    let play = Play::new(&spec)
        .act("one", [Act::Exit(s(1), 0)])
        .act("b", [Act::Exit(s(10), 1), Act::Serve(MS)])
        .run(s(5))
        .restart()
        .go_on(s(10))
        .restart()
        .delete(30)
        .restart()
        .go_on(s(10));
    check("adopted", &play);
    assert!(play.is_gone());
}

#[test]
fn a_gate_of_others_holds_readiness() {
    let spec = json!({"readinessGates": [{"conditionType": "x.io/up"}], "containers": [{"name": "web"}]});
    let with = |status: &'static str| {
        move |pod: &mut serde_json::Value| {
            pod["status"]["conditions"] = json!([{"type": "x.io/up", "status": status}]);
        }
    };
    let play = Play::new(&spec)
        .run(s(1))
        .change(with("False"))
        .go_on(s(1))
        .change(with("True"))
        .go_on(s(1));
    check("gates", &play);
}

#[test]
fn a_container_whose_end_nobody_tells_is_given_up() {
    let spec = json!({"containers": [{"name": "web", "livenessProbe": {"exec": {"command": ["x"]},
        "periodSeconds": 60, "failureThreshold": 1}}]});
    let mut play = Play::new(&spec).probe(
        "web/Liveness",
        [Outcome::Failure("no".to_owned()), Outcome::Success],
    );
    play.silent = true;
    let play = play.run(s(10)).delete(3).go_on(s(20));
    check("silent", &play);
    assert!(play.is_gone());
}
