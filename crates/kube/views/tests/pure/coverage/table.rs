//! The rules: a path, and what becomes of it and of all below it. The longest one that fits decides.

/// What becomes of a field.
#[derive(Clone, Copy, Debug)]
pub(super) enum Standing {
    /// It does what upstream's does, as this test or transcript shows.
    Honoured(&'static str),
    /// The same, but for these values, which are refused.
    RefusedValue(&'static str, &'static str),
    /// It does nothing upstream either, for this reason.
    Inert(&'static str),
    /// It never reaches a node, for this reason; where it would, it might be refused.
    Unreachable(&'static str),
    /// The pod fails.
    Refused,
}

use Standing::{Honoured, Inert, Refused, RefusedValue, Unreachable};

const FILES: &str = "environment, files and identity";
const PROBES: &str = "probes_start_stop_and_ready";
const SPEC: &str = "a_container_of_a_pod";
const WORDS: &str = "command_and_arguments_stand_for_the_image_s";
const VOLUMES: &str = "files_come_from_their_sources";
const USERS: &str = "users_and_groups_are_those_that_were_asked_for";
const SELINUX: &str = "no effect on a host without SELinux";
const WINDOWS: &str = "Windows only (API text)";
const EPHEMERAL: &str = "validation refuses it for ephemeral containers";

pub(super) const RULES: &[(&str, Standing)] = &[
    ("C.name", Honoured("labels_tell_what_the_next_daemon_needs")),
    (
        "C.image",
        Honoured("images_are_found_by_their_policy_and_wake_who_waits"),
    ),
    (
        "C.imagePullPolicy",
        Honoured("images_are_found_by_their_policy_and_wake_who_waits"),
    ),
    ("C.command", Honoured(WORDS)),
    ("C.args", Honoured(WORDS)),
    (
        "C.workingDir",
        Honoured("what_the_container_says_goes_before_the_image"),
    ),
    ("C.env", Honoured("later_ones_win_and_see_earlier_ones")),
    ("C.env[].valueFrom.fileKeyRef", Refused),
    (
        "C.envFrom",
        Honoured("environments_and_volumes_come_from_their_sources"),
    ),
    ("C.ports", Honoured("ports_of_the_node")),
    (
        "C.ports[].containerPort",
        Inert("informational unless named or with a hostPort (API text)"),
    ),
    ("C.resources", Honoured("a_container_s_limits")),
    ("C.resources.claims", Refused),
    (
        "C.resizePolicy",
        Honoured("a_container_that_wants_it_is_started_anew"),
    ),
    (
        "C.restartPolicy",
        Honoured("init_containers_and_sidecars_have_their_order"),
    ),
    (
        "C.restartPolicyRules",
        Honoured("policies_decide_by_container_and_code"),
    ),
    (
        "C.restartPolicyRules[].action",
        RefusedValue("policies_decide_by_container_and_code", "`RestartAllContainers`"),
    ),
    ("C.volumeMounts", Honoured("mounts_are_as_the_container_says")),
    ("C.volumeDevices", Refused),
    ("C.livenessProbe", Honoured(PROBES)),
    ("C.readinessProbe", Honoured(PROBES)),
    ("C.startupProbe", Honoured(PROBES)),
    ("C.lifecycle", Honoured("hooks_run_before_and_after")),
    (
        "C.lifecycle.stopSignal",
        Honoured("a_container_is_asked_with_its_own_signal_before_it_is_killed"),
    ),
    (
        "C.terminationMessagePath",
        Honoured("last_words_are_those_of_the_file_or_the_end_of_the_log"),
    ),
    (
        "C.terminationMessagePolicy",
        Honoured("last_words_are_those_of_the_file_or_the_end_of_the_log"),
    ),
    ("C.securityContext", Honoured("rights_are_given_and_taken")),
    ("C.securityContext.runAsUser", Honoured(USERS)),
    ("C.securityContext.runAsGroup", Honoured(USERS)),
    (
        "C.securityContext.runAsNonRoot",
        Honoured("root_is_refused_in_upstream_s_words"),
    ),
    (
        "C.securityContext.seccompProfile",
        Honoured("profiles_are_the_container_s_then_the_pod_s_then_the_runtime_s"),
    ),
    (
        "C.securityContext.appArmorProfile",
        Honoured("apparmor_in_the_engine_s_words"),
    ),
    ("C.securityContext.procMount", RefusedValue(SPEC, "`Unmasked`")),
    ("C.securityContext.seLinuxOptions", Inert(SELINUX)),
    ("C.securityContext.windowsOptions", Inert(WINDOWS)),
    ("C.stdin", Honoured("attach reaches the program")),
    ("C.stdinOnce", Honoured("attach reaches the program")),
    ("C.tty", Honoured(SPEC)),
    (
        "spec.ephemeralContainers[].targetContainerName",
        Honoured("an_ephemeral_container_sees_the_processes_of_its_target"),
    ),
    ("spec.ephemeralContainers[].lifecycle", Unreachable(EPHEMERAL)),
    ("spec.ephemeralContainers[].livenessProbe", Unreachable(EPHEMERAL)),
    (
        "spec.ephemeralContainers[].readinessProbe",
        Unreachable(EPHEMERAL),
    ),
    ("spec.ephemeralContainers[].startupProbe", Unreachable(EPHEMERAL)),
    ("spec.ephemeralContainers[].ports", Unreachable(EPHEMERAL)),
    ("spec.ephemeralContainers[].resources", Unreachable(EPHEMERAL)),
    ("spec.ephemeralContainers[].resizePolicy", Unreachable(EPHEMERAL)),
    ("spec.ephemeralContainers[].restartPolicy", Unreachable(EPHEMERAL)),
    (
        "spec.ephemeralContainers[].restartPolicyRules",
        Unreachable(EPHEMERAL),
    ),
    ("spec.activeDeadlineSeconds", Honoured("a_deadline_ends_a_pod")),
    (
        "spec.affinity.nodeAffinity",
        Honoured("node_affinity_and_selector"),
    ),
    ("spec.affinity.podAffinity", Honoured("affinity_between_pods")),
    (
        "spec.affinity.podAntiAffinity",
        Honoured("anti_affinity_between_pods"),
    ),
    ("spec.automountServiceAccountToken", Honoured(FILES)),
    (
        "spec.dnsConfig",
        Honoured("what_a_pod_adds_comes_after_and_options_replace"),
    ),
    ("spec.dnsPolicy", Honoured("each_policy_has_its_servers")),
    ("spec.enableServiceLinks", Honoured("services_are_told_as_links")),
    ("spec.hostAliases", Honoured("aliases_come_last")),
    ("spec.hostIPC", Honoured("a_container_that_shares_the_node")),
    (
        "spec.hostNetwork",
        Honoured("a_pod_with_the_node_s_network_is_called_as_the_node_is"),
    ),
    ("spec.hostPID", Honoured("a_container_that_shares_the_node")),
    ("spec.hostUsers", RefusedValue(SPEC, "`false`")),
    ("spec.hostname", Honoured("names_follow_the_spec")),
    ("spec.hostnameOverride", Honoured("names_follow_the_spec")),
    (
        "spec.imagePullSecrets",
        Honoured("keys_fit_registries_as_upstream_s_do"),
    ),
    ("spec.nodeName", Honoured("a_pod_is_bound_and_people_are_told")),
    ("spec.nodeSelector", Honoured("node_affinity_and_selector")),
    ("spec.os", Honoured("a_pod_that_cannot_run_here_is_failed")),
    ("spec.overhead", Honoured("resources")),
    (
        "spec.preemptionPolicy",
        Honoured("who_waits_for_others_to_leave_pushes_nobody_else_out"),
    ),
    (
        "spec.priority",
        Honoured("the_most_important_is_first_then_who_came_first"),
    ),
    (
        "spec.priorityClassName",
        Honoured("a_more_important_pod_pushes_a_less_important_one_out"),
    ),
    (
        "spec.readinessGates",
        Honoured("a_gate_of_others_holds_readiness"),
    ),
    ("spec.resourceClaims", Refused),
    (
        "spec.resources",
        Honoured("a_pod_is_bounded_where_all_its_containers_are"),
    ),
    ("spec.resources.claims", Refused),
    ("spec.restartPolicy", Honoured("work_that_is_done_ends_the_pod")),
    ("spec.runtimeClassName", Honoured("a_class_leads_to_a_runtime")),
    (
        "spec.schedulerName",
        Honoured("gates_names_of_others_and_nodes_keep_us_away"),
    ),
    (
        "spec.schedulingGates",
        Honoured("gates_hold_a_pod_back_and_a_change_of_what_it_asks_wakes_it"),
    ),
    ("spec.schedulingGroup", Refused),
    ("spec.securityContext", Honoured(USERS)),
    (
        "spec.securityContext.appArmorProfile",
        Honoured("apparmor_in_the_engine_s_words"),
    ),
    (
        "spec.securityContext.fsGroup",
        Honoured("an_empty_directory_keeps_what_is_in_it_and_is_the_groups"),
    ),
    (
        "spec.securityContext.fsGroupChangePolicy",
        Inert("no effect on ephemeral volumes (API text), which are all there are"),
    ),
    (
        "spec.securityContext.runAsNonRoot",
        Honoured("root_is_refused_in_upstream_s_words"),
    ),
    (
        "spec.securityContext.seccompProfile",
        Honoured("profiles_are_the_container_s_then_the_pod_s_then_the_runtime_s"),
    ),
    ("spec.securityContext.seLinuxChangePolicy", Inert(SELINUX)),
    ("spec.securityContext.seLinuxOptions", Inert(SELINUX)),
    (
        "spec.securityContext.sysctls",
        Honoured("parameters_of_a_pod_are_set_where_they_belong"),
    ),
    ("spec.securityContext.windowsOptions", Inert(WINDOWS)),
    (
        "spec.serviceAccount",
        Inert("deprecated alias of serviceAccountName (API text)"),
    ),
    ("spec.serviceAccountName", Honoured(FILES)),
    (
        "spec.setHostnameAsFQDN",
        Honoured("long_names_are_cut_or_refused"),
    ),
    ("spec.shareProcessNamespace", RefusedValue(SPEC, "`true`")),
    (
        "spec.subdomain",
        Honoured("a_pod_with_a_subdomain_has_both_names"),
    ),
    (
        "spec.terminationGracePeriodSeconds",
        Honoured("a_second_deletion_shortens_the_first"),
    ),
    ("spec.tolerations", Honoured("taints")),
    ("spec.topologySpreadConstraints", Honoured("spreading_over_zones")),
    ("spec.volumes", Refused),
    (
        "spec.volumes[].name",
        Honoured("mounts_are_as_the_container_says"),
    ),
    ("spec.volumes[].configMap", Honoured(VOLUMES)),
    ("spec.volumes[].secret", Honoured(VOLUMES)),
    ("spec.volumes[].downwardAPI", Honoured(VOLUMES)),
    ("spec.volumes[].projected", Honoured(VOLUMES)),
    ("spec.volumes[].projected.sources[].clusterTrustBundle", Refused),
    ("spec.volumes[].projected.sources[].podCertificate", Refused),
    (
        "spec.volumes[].hostPath",
        Honoured("each_type_has_its_check_and_some_are_made"),
    ),
    ("spec.volumes[].emptyDir", Honoured("memory_ends_at_its_limit")),
    (
        "spec.volumes[].emptyDir.medium",
        RefusedValue("memory_ends_at_its_limit", "`HugePages…`"),
    ),
];
