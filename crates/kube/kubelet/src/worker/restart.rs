//! Whether a container that has ended is started again.

use crate::container::Ended;
use crate::pod::{Container, ContainerKind, ContainerRestart, Operator, PodSpec, RestartPolicy, RestartRule};

/// Whether a container is started again after this end. A container's own rules go before its policy, and that before the
/// pod's; an init container that succeeded is done whatever they say, and an ephemeral one runs once.
pub(crate) fn restarts(spec: &PodSpec, container: &Container, ended: &Ended) -> bool {
    match container.kind {
        ContainerKind::Sidecar => true,
        ContainerKind::Ephemeral => false,
        ContainerKind::Init if ended.code == 0 => false,
        ContainerKind::Init | ContainerKind::Regular => by_policy(spec, container, ended),
    }
}

fn by_policy(spec: &PodSpec, container: &Container, ended: &Ended) -> bool {
    if container
        .restart_policy_rules
        .iter()
        .any(|rule| matches(rule, ended))
    {
        return true;
    }
    match policy(spec, container) {
        ContainerRestart::Always => true,
        ContainerRestart::OnFailure => ended.code != 0,
        ContainerRestart::Never => false,
    }
}

/// The policy that holds for a container.
pub(crate) fn policy(spec: &PodSpec, container: &Container) -> ContainerRestart {
    container.restart_policy.unwrap_or(match spec.restart_policy {
        RestartPolicy::Always => ContainerRestart::Always,
        RestartPolicy::OnFailure => ContainerRestart::OnFailure,
        RestartPolicy::Never => ContainerRestart::Never,
    })
}

fn matches(rule: &RestartRule, ended: &Ended) -> bool {
    let Some(codes) = rule.exit_codes.as_ref().filter(|_| rule.action == "Restart") else {
        return false;
    };
    let named = codes.values.contains(&ended.code);
    match codes.operator {
        Operator::In => named,
        Operator::NotIn => !named,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::How;
    use crate::pod::Pod;
    use std::time::SystemTime;

    fn ended(code: i32) -> Ended {
        Ended {
            how: How::Exited,
            code,
            started: None,
            finished: SystemTime::UNIX_EPOCH,
            message: String::new(),
        }
    }

    #[test]
    fn policies_decide_by_container_and_code() {
        let only = |extra: &str| format!(r#""containers":[{{"name":"c"{extra}}}]"#);
        let rule = r#","restartPolicy":"Never","restartPolicyRules":[{"action":"Restart","exitCodes":{"operator":"In","values":[42]}}]"#;
        let init = r#""initContainers":[{"name":"c"}]"#.to_owned();
        let sidecar = r#""initContainers":[{"name":"c","restartPolicy":"Always"}]"#.to_owned();
        let ephemeral = r#""ephemeralContainers":[{"name":"c"}]"#.to_owned();
        let cases = [
            ("Always", only(""), 0, true),
            ("OnFailure", only(""), 0, false),
            ("OnFailure", only(""), 1, true),
            ("Never", only(""), 1, false),
            ("Never", only(r#","restartPolicy":"Always""#), 0, true),
            ("Always", only(r#","restartPolicy":"OnFailure""#), 0, false),
            ("Always", only(rule), 42, true),
            ("Always", only(rule), 1, false),
            ("Always", init.clone(), 0, false),
            ("Always", init.clone(), 3, true),
            ("Never", init, 3, false),
            ("Never", sidecar.clone(), 0, true),
            ("OnFailure", sidecar, 0, true),
            ("Always", ephemeral, 1, false),
        ];
        for (policy, containers, code, expected) in cases {
            let json = format!(
                r#"{{"metadata":{{"name":"p"}},"spec":{{"restartPolicy":"{policy}",{containers}}}}}"#
            );
            let pod = Pod::parse(json.as_bytes()).unwrap();
            assert_eq!(
                restarts(&pod.spec, &pod.spec.all[0], &ended(code)),
                expected,
                "{json} {code}"
            );
        }
    }
}
