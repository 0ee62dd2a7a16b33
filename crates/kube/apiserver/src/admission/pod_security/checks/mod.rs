//! The rules of the Pod Security Standards up to Kubernetes 1.36, as a table: each is a rule of a level, from a version
//! on, and may stand in for another.

mod host;
mod privileges;
mod profiles;
mod users;
mod volumes;

use schema::cursor::Ref;

use super::level::{Level, LevelVersion};

/// A pod as the rules see it.
pub(super) struct Pod<'a> {
    annotations: Ref<'a>,
    spec: Ref<'a>,
}

impl<'a> Pod<'a> {
    /// A pod, or a template of one.
    pub(super) fn of(pod: Ref<'a>) -> Self {
        Self {
            annotations: pod.path("metadata.annotations"),
            spec: pod.at("spec"),
        }
    }

    /// The containers of all three lists, in upstream's order.
    fn containers(&self) -> impl Iterator<Item = Ref<'a>> + use<'a> {
        let lists = ["initContainers", "containers", "ephemeralContainers"];
        let spec = self.spec;
        lists.into_iter().flat_map(move |list| spec.at(list).items())
    }

    /// The names of the containers that are so.
    fn which(&self, wrong: impl Fn(Ref<'a>) -> bool) -> Vec<&'a str> {
        let found = self.containers().filter(|container| wrong(*container));
        found.map(|container| container.at("name").str()).collect()
    }

    fn context(&self) -> Ref<'a> {
        self.spec.at("securityContext")
    }

    fn is_windows(&self) -> bool {
        self.spec.path("os.name").str() == "windows"
    }

    /// Whether its users are none of the host's (KEP-127).
    fn has_own_users(&self) -> bool {
        self.spec.at("hostUsers").boolean() == Some(false)
    }
}

/// What is wrong: in short, and which containers.
struct Violation {
    reason: String,
    detail: String,
}

type Found = Option<Violation>;

fn found(reason: &str, detail: String) -> Found {
    let reason = reason.to_owned();
    Some(Violation { reason, detail })
}

/// All that is wrong with a pod.
pub(super) struct Violations(Vec<Violation>);

impl Violations {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `host namespaces, privileged`
    pub(super) fn reason(&self) -> String {
        let reasons: Vec<&str> = self.0.iter().map(|violation| violation.reason.as_str()).collect();
        reasons.join(", ")
    }

    /// `host namespaces (hostNetwork=true), privileged (container "a" must not set …)`
    pub(super) fn detail(&self) -> String {
        let details = self
            .0
            .iter()
            .map(|Violation { reason, detail }| match detail.as_str() {
                "" => reason.clone(),
                detail => format!("{reason} ({detail})"),
            });
        details.collect::<Vec<_>>().join(", ")
    }
}

/// What finds what is wrong.
type Form = fn(&Pod<'_>) -> Found;

/// A rule.
struct Check {
    /// Upstream's id, by which rules are ordered.
    id: &'static str,
    /// Its forms, each from a minor version on; in the order of the versions.
    versions: &'static [(u32, Form)],
    /// Rules of the baseline that this one makes needless.
    instead_of: &'static [&'static str],
}

const fn check(id: &'static str, versions: &'static [(u32, Form)]) -> Check {
    let instead_of = &[];
    Check {
        id,
        versions,
        instead_of,
    }
}

const BASELINE: &[Check] = &[
    check("appArmorProfile", &[(0, profiles::app_armor)]),
    check("capabilities_baseline", &[(0, privileges::capabilities)]),
    check("hostNamespaces", &[(0, host::namespaces)]),
    check("hostPathVolumes", &[(0, volumes::host_path)]),
    check("hostPorts", &[(0, host::ports)]),
    check("hostProbesAndHostLifecycle", &[(34, host::probes)]),
    check("privileged", &[(0, privileges::privileged)]),
    check(
        "procMount",
        &[(0, host::proc_mount), (35, host::proc_mount_of_own_users)],
    ),
    check(
        "seLinuxOptions",
        &[(0, profiles::selinux), (31, profiles::selinux_1_31)],
    ),
    check(
        "seccompProfile_baseline",
        &[(0, profiles::seccomp_annotations), (19, profiles::seccomp)],
    ),
    check(
        "sysctls",
        &[
            (0, host::sysctls),
            (27, host::sysctls_1_27),
            (29, host::sysctls_1_29),
            (32, host::sysctls_1_32),
        ],
    ),
    check("windowsHostProcess", &[(0, privileges::host_process)]),
];

const RESTRICTED: &[Check] = &[
    check(
        "allowPrivilegeEscalation",
        &[(8, privileges::escalation), (25, privileges::escalation_1_25)],
    ),
    Check {
        id: "capabilities_restricted",
        versions: &[
            (22, privileges::few_capabilities),
            (25, privileges::few_capabilities_1_25),
        ],
        instead_of: &["capabilities_baseline"],
    },
    Check {
        id: "procMount_restricted",
        versions: &[(35, host::proc_mount)],
        instead_of: &["procMount"],
    },
    Check {
        id: "restrictedVolumes",
        versions: &[(0, volumes::restricted)],
        instead_of: &["hostPathVolumes"],
    },
    check(
        "runAsNonRoot",
        &[(0, users::non_root), (35, users::non_root_1_35)],
    ),
    check("runAsUser", &[(23, users::not_zero), (35, users::not_zero_1_35)]),
    Check {
        id: "seccompProfile_restricted",
        versions: &[
            (19, profiles::seccomp_required),
            (25, profiles::seccomp_required_1_25),
        ],
        instead_of: &["seccompProfile_baseline"],
    },
];

impl Check {
    /// The form of a version; none if the rule is younger.
    fn of(&self, minor: u32) -> Option<Form> {
        let mut forms = self.versions.iter().rev();
        forms.find(|(since, _)| *since <= minor).map(|(_, form)| *form)
    }
}

/// Holds a pod to a level.
pub(super) fn evaluate(to: LevelVersion, pod: &Pod<'_>) -> Violations {
    let minor = to.version.minor();
    let strict: &[Check] = if to.level == Level::Restricted {
        RESTRICTED
    } else {
        &[]
    };
    let base: &[Check] = if to.level == Level::Privileged {
        &[]
    } else {
        BASELINE
    };
    let replaced = |id: &str| {
        let mut strict = strict.iter().filter(|check| check.of(minor).is_some());
        strict.any(|check| check.instead_of.contains(&id))
    };
    let base = base.iter().filter(|check| !replaced(check.id));
    let forms = base.chain(strict).filter_map(|check| check.of(minor));
    Violations(forms.filter_map(|form| form(pod)).collect())
}

/// `"a", "b"`
fn quoted<T: AsRef<str>>(items: impl IntoIterator<Item = T>) -> String {
    let items = items.into_iter().map(|item| format!("\"{}\"", item.as_ref()));
    items.collect::<Vec<_>>().join(", ")
}

const fn plural<'a>(count: usize, one: &'a str, many: &'a str) -> &'a str {
    if count == 1 { one } else { many }
}

/// `container "a"`, `containers "a", "b"`
fn containers(names: &[&str]) -> String {
    format!(
        "{} {}",
        plural(names.len(), "container", "containers"),
        quoted(names)
    )
}

/// Who sets it: `pod and container "a"`; empty for nobody.
fn setters(pod: bool, names: &[&str]) -> String {
    match (pod, names) {
        (false, []) => String::new(),
        (true, []) => "pod".to_owned(),
        (false, names) => containers(names),
        (true, names) => format!("pod and {}", containers(names)),
    }
}
