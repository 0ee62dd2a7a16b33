//! BuildKit's messages: protos become Rust.
//!
//! Where `shared/reference` exists, its protos are copied without their comments into
//! `crates/docker/buildkit/proto`, beside the few that are not in it (fsutil, health, `google.rpc.Status`). From
//! those, and only those, the messages that are spoken are printed, LLB's into a crate of its own; services are a table of
//! paths.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};

use prost_build::{Config, Module};
use protox::prost_reflect::prost_types::{DescriptorProto, FileDescriptorProto};

use super::Result;

/// The protos of the reference folder, below `protos/buildkit`.
const COPIED: [&str; 12] = [
    "api/services/control/control.proto",
    "api/types/worker.proto",
    "frontend/gateway/pb/gateway.proto",
    "session/auth/auth.proto",
    "session/exporter/exporter.proto",
    "session/filesync/filesync.proto",
    "session/secrets/secrets.proto",
    "session/sshforward/ssh.proto",
    "session/upload/upload.proto",
    "solver/pb/ops.proto",
    "sourcepolicy/pb/policy.proto",
    "util/apicaps/pb/caps.proto",
];
/// What import paths call that folder.
const PREFIX: &str = "github.com/moby/buildkit";
/// The other protos: written here from their specifications.
const OWN: [&str; 4] = [
    "github.com/tonistiigi/fsutil/types/stat.proto",
    "github.com/tonistiigi/fsutil/types/wire.proto",
    "google/rpc/status.proto",
    "grpc/health/health.proto",
];

/// The messages that the crate speaks; what they contain comes with them.
const SPOKEN: [&str; 65] = [
    "fsutil.types.Packet",
    "google.rpc.Status",
    "grpc.health.v1.HealthCheckRequest",
    "grpc.health.v1.HealthCheckResponse",
    "moby.buildkit.secrets.v1.GetSecretRequest",
    "moby.buildkit.secrets.v1.GetSecretResponse",
    "moby.buildkit.v1.BuildHistoryEvent",
    "moby.buildkit.v1.BuildHistoryRequest",
    "moby.buildkit.v1.DiskUsageRequest",
    "moby.buildkit.v1.DiskUsageResponse",
    "moby.buildkit.v1.InfoRequest",
    "moby.buildkit.v1.InfoResponse",
    "moby.buildkit.v1.ListWorkersRequest",
    "moby.buildkit.v1.ListWorkersResponse",
    "moby.buildkit.v1.PruneRequest",
    "moby.buildkit.v1.SolveRequest",
    "moby.buildkit.v1.SolveResponse",
    "moby.buildkit.v1.StatusRequest",
    "moby.buildkit.v1.StatusResponse",
    "moby.buildkit.v1.UpdateBuildHistoryRequest",
    "moby.buildkit.v1.UpdateBuildHistoryResponse",
    "moby.buildkit.v1.UsageRecord",
    "moby.buildkit.v1.frontend.EvaluateRequest",
    "moby.buildkit.v1.frontend.EvaluateResponse",
    "moby.buildkit.v1.frontend.ExecMessage",
    "moby.buildkit.v1.frontend.InputsRequest",
    "moby.buildkit.v1.frontend.InputsResponse",
    "moby.buildkit.v1.frontend.NewContainerRequest",
    "moby.buildkit.v1.frontend.NewContainerResponse",
    "moby.buildkit.v1.frontend.PingRequest",
    "moby.buildkit.v1.frontend.PongResponse",
    "moby.buildkit.v1.frontend.ReadDirRequest",
    "moby.buildkit.v1.frontend.ReadDirResponse",
    "moby.buildkit.v1.frontend.ReadFileRequest",
    "moby.buildkit.v1.frontend.ReadFileResponse",
    "moby.buildkit.v1.frontend.ReleaseContainerRequest",
    "moby.buildkit.v1.frontend.ReleaseContainerResponse",
    "moby.buildkit.v1.frontend.ResolveImageConfigRequest",
    "moby.buildkit.v1.frontend.ResolveImageConfigResponse",
    "moby.buildkit.v1.frontend.ResolveSourceMetaRequest",
    "moby.buildkit.v1.frontend.ResolveSourceMetaResponse",
    "moby.buildkit.v1.frontend.ReturnRequest",
    "moby.buildkit.v1.frontend.ReturnResponse",
    "moby.buildkit.v1.frontend.SolveRequest",
    "moby.buildkit.v1.frontend.SolveResponse",
    "moby.buildkit.v1.frontend.StatFileRequest",
    "moby.buildkit.v1.frontend.StatFileResponse",
    "moby.buildkit.v1.frontend.WarnRequest",
    "moby.buildkit.v1.frontend.WarnResponse",
    "moby.exporter.v1.FinalizeExportRequest",
    "moby.exporter.v1.FinalizeExportResponse",
    "moby.exporter.v1.FindExportersRequest",
    "moby.exporter.v1.FindExportersResponse",
    "moby.filesync.v1.BytesMessage",
    "moby.filesync.v1.CredentialsRequest",
    "moby.filesync.v1.CredentialsResponse",
    "moby.filesync.v1.FetchTokenRequest",
    "moby.filesync.v1.FetchTokenResponse",
    "moby.filesync.v1.GetTokenAuthorityRequest",
    "moby.filesync.v1.GetTokenAuthorityResponse",
    "moby.filesync.v1.VerifyTokenAuthorityRequest",
    "moby.filesync.v1.VerifyTokenAuthorityResponse",
    "moby.sshforward.v1.CheckAgentRequest",
    "moby.sshforward.v1.CheckAgentResponse",
    "pb.Op",
];

/// The protos of the reference folder without their comments, by their places in the buildkit crate.
pub(super) fn copied(reference: &Path) -> Result<Vec<(PathBuf, Vec<u8>)>> {
    let folder = reference.join("protos/buildkit");
    let copy = |path: &&str| {
        let text = std::fs::read_to_string(folder.join(path))?;
        Ok((
            Path::new("proto").join(PREFIX).join(path),
            bare(&text).into_bytes(),
        ))
    };
    COPIED.iter().map(copy).collect()
}

/// A proto without comments and without the lines they leave empty. None has a `//` inside of a string.
fn bare(text: &str) -> String {
    let mut bare = String::new();
    for line in text.lines() {
        let code = line.split("//").next().unwrap_or_default().trim_end();
        if code.is_empty() && (!line.trim().is_empty() || bare.ends_with("\n\n")) {
            continue;
        }
        bare.push_str(code);
        bare.push('\n');
    }
    bare
}

/// The crates that messages are printed for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Messages {
    /// LLB's, in the crate `llb`.
    Llb,
    /// All others, in the crate `buildkit`.
    Services,
}

/// LLB's package.
const LLB: &str = "pb";

/// The Rust of the committed protos.
pub(super) fn print(folder: &Path, which: Messages) -> Result<Vec<u8>> {
    let copied = COPIED.iter().map(|path| format!("{PREFIX}/{path}"));
    let paths: Vec<String> = copied.chain(OWN.map(String::from)).collect();
    let mut files = protox::compile(paths, [folder])?.file;
    let wanted = reachable(&files);
    files.iter_mut().for_each(|file| keep(file, &wanted));
    let requests = files
        .into_iter()
        .map(|file| (Module::from_protobuf_package_name(file.package()), file))
        .collect();
    let mut config = Config::new();
    config.compile_well_known_types().btree_map(["."]).bytes(["."]);
    let from = match which {
        Messages::Llb => "../../buildkit/proto",
        Messages::Services => {
            config.extern_path(format!(".{LLB}"), "::llb::pb");
            "../proto"
        }
    };
    let modules: BTreeMap<_, _> = config.generate(requests)?.into_iter().collect();
    let mut tree = Tree::default();
    // All are generated for either: what a message may derive depends on those that it contains.
    let own = |module: &Module| (module.parts().next() == Some(LLB)) == (which == Messages::Llb);
    for (module, text) in modules.into_iter().filter(|(module, _)| own(module)) {
        tree.put(module.parts(), text);
    }
    let mut text = format!("// Made by `cargo xtask codegen` of {from}.\n");
    tree.print(&mut text);
    Ok(text.into_bytes())
}

/// Modules in modules.
#[derive(Default)]
struct Tree {
    text: String,
    inner: BTreeMap<String, Self>,
}

impl Tree {
    fn put<'a>(&mut self, parts: impl Iterator<Item = &'a str>, text: String) {
        let place = parts.fold(self, |tree, part| tree.inner.entry(part.to_owned()).or_default());
        place.text = text;
    }

    fn print(&self, out: &mut String) {
        out.push_str(
            &self
                .text
                .replace("// This file is @generated by prost-build.\n", ""),
        );
        for (name, tree) in &self.inner {
            out.push_str(&format!("pub mod {name} {{\n"));
            tree.print(out);
            out.push_str("}\n");
        }
    }
}

/// The names of the messages and enums that are spoken, and of those they contain.
fn reachable(files: &[FileDescriptorProto]) -> BTreeSet<String> {
    let mut messages = BTreeMap::new();
    for file in files {
        for message in &file.message_type {
            index(&format!(".{}", file.package()), message, &mut messages);
        }
    }
    let mut queue: VecDeque<String> = SPOKEN.iter().map(|name| format!(".{name}")).collect();
    let mut wanted = BTreeSet::new();
    while let Some(name) = queue.pop_front() {
        if !wanted.insert(name.clone()) {
            continue;
        }
        if let Some(message) = messages.get(&name) {
            queue.extend(message.field.iter().filter_map(|field| field.type_name.clone()));
        }
    }
    wanted
}

fn index<'a>(
    parent: &str,
    message: &'a DescriptorProto,
    messages: &mut BTreeMap<String, &'a DescriptorProto>,
) {
    let name = format!("{parent}.{}", message.name());
    for nested in &message.nested_type {
        index(&name, nested, messages);
    }
    messages.insert(name, message);
}

/// Takes out of a file what nobody speaks, and all services. A nested type keeps its parent.
fn keep(file: &mut FileDescriptorProto, wanted: &BTreeSet<String>) {
    let package = format!(".{}", file.package());
    let spoken = |name: &str| {
        let full = format!("{package}.{name}");
        let inside = format!("{full}.");
        wanted.contains(&full) || wanted.iter().any(|each| each.starts_with(&inside))
    };
    file.message_type.retain(|message| spoken(message.name()));
    file.enum_type.retain(|each| spoken(each.name()));
    file.service.clear();
    file.source_code_info = None;
}
