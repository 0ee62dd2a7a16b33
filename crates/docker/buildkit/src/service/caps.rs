//! What clients are told that is understood.

use crate::build::Builds;
use crate::proto::apicaps::ApiCap;
use crate::proto::frontend::PongResponse;
use crate::proto::types::{BuildkitVersion, WorkerRecord};

/// Capabilities of the bridge.
const FRONTEND: [&str; 23] = [
    "readfile",
    "readdir",
    "statfile",
    "frontend.inputs",
    "reference.attestations",
    "reference.output",
    "solve.base",
    "resolveimage",
    "resolveimage.resolvemode",
    "return",
    "returnmap",
    "importcaches",
    "proto.refarray",
    "gateway.exec",
    "gateway.exec.extrahosts",
    "gateway.exec.filesystem",
    "gateway.exec.secretenv",
    "gateway.exec.signals",
    "gateway.solve.metadata",
    "gateway.solve.evaluate",
    "gateway.warnings",
    "frontend.caps",
    "source.metaresolver",
];
/// Of LLB. No list at all would mean the defaults of the client.
const LLB: [&str; 58] = [
    "constraints",
    "diffop",
    "exec.meta.base",
    "exec.meta.cgroup.parent",
    "exec.meta.network",
    "exec.meta.proxyenv",
    "exec.meta.security",
    "exec.meta.setsdefaultpath",
    "exec.meta.ulimit",
    "exec.mount.bind",
    "exec.mount.bind.readwrite-nooutput",
    "exec.mount.cache",
    "exec.mount.cache.content",
    "exec.mount.cache.sharing",
    "exec.mount.secret",
    "exec.mount.selector",
    "exec.mount.ssh",
    "exec.mount.tmpfs",
    "exec.mount.tmpfs.size",
    "exec.secretenv",
    "exec.validexitcode",
    "exporter.image.annotations",
    "exporter.image.attestations",
    "exporter.multiple",
    "file.base",
    "file.copy.alwaysreplaceexistingdestpaths",
    "file.copy.includeexcludepatterns",
    "file.copy.modestring",
    "file.rm.nofollowsymlink",
    "file.rm.wildcard",
    "file.symlink.create",
    "mergeop",
    "meta.description",
    "meta.exportcache",
    "meta.ignorecache",
    "platform",
    "soruce.http.uidgid",
    "source.git",
    "source.git.fullurl",
    "source.git.httpauth",
    "source.git.keepgitdir",
    "source.git.knownsshhosts",
    "source.git.mountsshsock",
    "source.git.subdir",
    "source.http",
    "source.http.checksum",
    "source.http.perm",
    "source.image",
    "source.image.resolvemode",
    "source.local",
    "source.local.differ",
    "source.local.excludepatterns",
    "source.local.followpaths",
    "source.local.includepatterns",
    "source.local.sessionid",
    "source.local.sharedkeyhint",
    "source.local.unique",
    "source.ocilayout",
];

fn caps(names: &[&str]) -> Vec<ApiCap> {
    let cap = |name: &&str| ApiCap {
        id: (*name).to_owned(),
        enabled: true,
        ..ApiCap::default()
    };
    names.iter().map(cap).collect()
}

/// The answer to `LLBBridge.Ping`.
pub(super) fn pong(builds: &dyn Builds) -> PongResponse {
    PongResponse {
        frontend_api_caps: caps(&FRONTEND),
        llb_caps: caps(&LLB),
        workers: vec![worker(builds)],
    }
}

/// The one worker. By the label `…worker.snapshotter` a client knows that the exporters of containerd's image store are
/// to be had: archives, several platforms, pushes.
pub(super) fn worker(builds: &dyn Builds) -> WorkerRecord {
    let (os, architecture) = builds.platform();
    let labels = [
        ("org.mobyproject.buildkit.worker.executor", "gantry"),
        ("org.mobyproject.buildkit.worker.snapshotter", "gantry"),
    ];
    WorkerRecord {
        id: "gantry".to_owned(),
        labels: labels
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        platforms: vec![crate::proto::pb::Platform {
            architecture,
            os,
            ..Default::default()
        }],
        gc_policy: Vec::new(),
        buildkit_version: Some(version()),
        cdi_devices: Vec::new(),
    }
}

/// The version whose protocol is spoken: that of dockerd 28.2's BuildKit.
pub(super) fn version() -> BuildkitVersion {
    BuildkitVersion {
        package: "github.com/moby/buildkit".to_owned(),
        version: "v0.22.0".to_owned(),
        revision: "gantry".to_owned(),
        dockerfile_version: String::new(),
    }
}
