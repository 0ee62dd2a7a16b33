//! Bills of materials (`--sbom`): a scanner is a program of an image, run upon a result with what it scans mounted; what it
//! writes is a bundle of statements. Environment and places are those of BuildKit's scanner protocol.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use image::{Digest, Reference};
use llb::pb;
use prost::Message as _;

use super::Door;
use super::attestations::CORE;
use super::bridge::of_result;
use super::gateway::image_source;
use super::solve::Aids;
use crate::build::{Built, Context};
use crate::grpc::{Code, Status};
use crate::job::{Attestation, Extra, Job, Outcome};

/// The scanner if nobody names one.
const GENERATOR: &str = "docker/buildkit-syft-scanner:stable-1";
/// What its statements are of.
const SPDX: &str = "https://spdx.dev/Document";
/// What the scan of the result is called; others begin with this and `-`.
const NAME: &str = "sbom";
/// Where things are mounted for it.
const RESULT: &str = "/run/src/core/sbom";
const EXTRAS: &str = "/run/src/extras/";
const OUT: &str = "/run/out/";
/// Options that ask for it, in the client's two forms.
const ASKED: [&str; 2] = ["attest:sbom", "build-arg:BUILDKIT_ATTEST_SBOM"];

/// A bill of materials that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sbom {
    /// The scanner's image, in full.
    generator: String,
    /// What else it is told: `BUILDKIT_SCAN_NAME`.
    parameters: BTreeMap<String, String>,
}

impl Sbom {
    /// What a build's options ask for.
    ///
    /// # Errors
    /// A scanner that is no image's name.
    pub(crate) fn asked(options: &BTreeMap<String, String>) -> Result<Option<Self>, Status> {
        let Some(value) = ASKED.iter().find_map(|name| options.get(*name)) else {
            return Ok(None);
        };
        let mut parameters = BTreeMap::from([("generator".to_owned(), GENERATOR.to_owned())]);
        for field in value.split(',').filter(|field| !field.is_empty()) {
            let (name, value) = field.split_once('=').unwrap_or((field, ""));
            parameters.insert(name.to_owned(), value.to_owned());
        }
        // The client's own words.
        parameters.remove("type");
        parameters.remove("enabled");
        if parameters
            .remove("disabled")
            .is_some_and(|value| matches!(&*value, "" | "1" | "true"))
        {
            return Ok(None);
        }
        let generator = parameters.remove("generator").unwrap_or_default();
        if generator.is_empty() {
            return Err(Status::new(Code::Unknown, "sbom generator cannot be empty"));
        }
        let parsed = Reference::parse(&generator).map_err(|cause| {
            let sentence = format!("failed to parse sbom scanner {generator}: {cause}");
            Status::new(Code::Unknown, sentence)
        })?;
        Ok(Some(Self {
            generator: parsed.with_default_tag().to_string(),
            parameters,
        }))
    }
}

/// A definition that is put together.
#[derive(Default)]
struct Writer {
    definition: pb::Definition,
}

impl Writer {
    fn add(&mut self, op: &pb::Op, about: pb::OpMetadata) -> (pb::Input, String) {
        let bytes = op.encode_to_vec();
        let digest = Digest::of(&bytes).to_string();
        if !self.definition.metadata.contains_key(&digest) {
            self.definition.def.push(bytes.into());
            self.definition.metadata.insert(digest.clone(), about);
        }
        let input = pb::Input {
            digest: digest.clone(),
            index: 0,
        };
        (input, digest)
    }

    fn source(&mut self, identifier: &str) -> (pb::Input, String) {
        let source = pb::SourceOp {
            identifier: identifier.to_owned(),
            ..pb::SourceOp::default()
        };
        let op = pb::Op {
            op: Some(pb::op::Op::Source(source)),
            ..pb::Op::default()
        };
        self.add(&op, pb::OpMetadata::default())
    }

    fn end(mut self, wanted: pb::Input) -> pb::Definition {
        let end = pb::Op {
            inputs: vec![wanted],
            ..pb::Op::default()
        };
        self.definition.def.push(end.encode_to_vec().into());
        self.definition
    }
}

impl Door {
    /// An outcome with what a scanner says of each image, unless its frontend has brought that.
    ///
    /// # Errors
    /// The scanner is not to be had, or fails.
    pub(super) async fn scanned(
        &self,
        job: &Arc<Job>,
        mut outcome: Outcome,
        asked: Option<&Sbom>,
        no_cache: bool,
    ) -> Result<Outcome, Status> {
        let is_said = outcome.said.values().flatten().any(|said| said.kind == SPDX);
        let Some(sbom) = asked.filter(|_| !is_said && !outcome.images.is_empty()) else {
            return Ok(outcome);
        };
        let found = self.solved(job, &image_source(&sbom.generator)).await?;
        let found = found.images.into_iter().next();
        let (_, scanner) = found.ok_or_else(|| Status::new(Code::Unknown, "the scanner has no image"))?;
        for (_, built) in &mut outcome.images {
            built.materials.extend(scanner.materials.iter().cloned());
        }
        let mut extras = std::mem::take(&mut outcome.extras);
        extras.resize_with(outcome.images.len(), Vec::new);
        for ((platform, built), extras) in outcome.images.iter().zip(extras) {
            let (definition, given) = scan(sbom, &scanner, (platform, built, extras), no_cache)?;
            let made = self.solved_with(job, &definition, Aids::own(given)).await?;
            let said = Attestation {
                bundle: true,
                metadata: BTreeMap::from([
                    ("reason".to_owned(), Bytes::from_static(b"sbom")),
                    (CORE.to_owned(), Bytes::from_static(NAME.as_bytes())),
                ]),
                files: made.images.into_iter().next(),
                path: String::new(),
                kind: SPDX.to_owned(),
                subjects: Vec::new(),
            };
            outcome.said.entry(platform.clone()).or_default().push(said);
        }
        Ok(outcome)
    }
}

/// A scan as a definition, and the contexts that stand for sources of it.
fn scan(
    sbom: &Sbom,
    scanner: &Built,
    (platform, core, extras): (&str, &Built, Vec<(String, Extra)>),
    no_cache: bool,
) -> Result<(pb::Definition, BTreeMap<String, Context>), Status> {
    let mut writer = Writer::default();
    let mut inputs = vec![writer.source(&of_result(&scanner.image)).0];
    let mut mounts = vec![mount(Some(0), "/", false, -1)];
    let mut given = BTreeMap::new();
    let env = environment(sbom, !extras.is_empty());
    let core = [(RESULT.to_owned(), Extra::Image(core.clone()))];
    let extras = extras
        .into_iter()
        .map(|(name, extra)| (format!("{EXTRAS}{NAME}-{name}"), extra));
    for (place, extra) in core.into_iter().chain(extras) {
        let input = match extra {
            Extra::Image(built) => writer.source(&of_result(&built.image)).0,
            Extra::Files(context) => {
                let (input, digest) = writer.source(&format!("local://{place}"));
                given.insert(digest, context);
                input
            }
        };
        mounts.push(mount(i64::try_from(inputs.len()).ok(), &place, true, -1));
        inputs.push(input);
    }
    mounts.push(pb::Mount {
        mount_type: pb::MountType::Tmpfs.into(),
        ..mount(None, "/tmp", false, -1)
    });
    mounts.push(mount(None, OUT, false, 0));
    let exec = pb::Op {
        inputs,
        op: Some(pb::op::Op::Exec(pb::ExecOp {
            meta: Some(meta(scanner, sbom, env)?),
            mounts,
            ..pb::ExecOp::default()
        })),
        ..pb::Op::default()
    };
    let name = format!("[{platform}] generating sbom using {}", sbom.generator);
    let about = pb::OpMetadata {
        ignore_cache: no_cache,
        description: BTreeMap::from([("llb.customname".to_owned(), name)]),
        ..pb::OpMetadata::default()
    };
    let (wanted, _) = writer.add(&exec, about);
    Ok((writer.end(wanted), given))
}

fn mount(input: Option<i64>, dest: &str, readonly: bool, output: i64) -> pb::Mount {
    pb::Mount {
        input: input.unwrap_or(-1),
        dest: dest.to_owned(),
        readonly,
        output,
        ..pb::Mount::default()
    }
}

fn environment(sbom: &Sbom, extras: bool) -> Vec<String> {
    let mut env = vec![
        format!("BUILDKIT_SCAN_DESTINATION={OUT}"),
        format!("BUILDKIT_SCAN_SOURCE={RESULT}"),
    ];
    env.extend(extras.then(|| format!("BUILDKIT_SCAN_SOURCE_EXTRAS={EXTRAS}")));
    let more = sbom.parameters.iter();
    env.extend(more.map(|(name, value)| format!("BUILDKIT_SCAN_{name}={value}")));
    env
}

fn meta(scanner: &Built, sbom: &Sbom, mut env: Vec<String>) -> Result<pb::Meta, Status> {
    let config = image::ImageConfig::parse(&scanner.config).map(|config| config.config);
    let config = config.map_err(|cause| Status::new(Code::Unknown, cause.to_string()))?;
    let mut args = config.entrypoint.unwrap_or_default();
    args.extend(config.cmd.unwrap_or_default());
    if args.is_empty() {
        let sentence = format!("scanner {} does not have cmd", sbom.generator);
        return Err(Status::new(Code::Unknown, sentence));
    }
    let mut all = config.env;
    all.append(&mut env);
    let cwd = Some(config.working_dir).filter(|cwd| !cwd.is_empty());
    Ok(pb::Meta {
        args,
        env: all,
        cwd: cwd.unwrap_or_else(|| "/".to_owned()),
        ..pb::Meta::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(value: &str) -> Result<Option<Sbom>, String> {
        let options = BTreeMap::from([("attest:sbom".to_owned(), value.to_owned())]);
        Sbom::asked(&options).map_err(|status| status.message)
    }

    #[test]
    fn scanners_are_named_in_full() {
        let known = "docker.io/docker/buildkit-syft-scanner:stable-1";
        assert_eq!(asked("").unwrap().unwrap().generator, known);
        let own = asked("type=sbom,generator=localhost:5000/a,X=y")
            .unwrap()
            .unwrap();
        assert_eq!(own.generator, "localhost:5000/a:latest");
        assert_eq!(
            environment(&own, true),
            [
                "BUILDKIT_SCAN_DESTINATION=/run/out/",
                "BUILDKIT_SCAN_SOURCE=/run/src/core/sbom",
                "BUILDKIT_SCAN_SOURCE_EXTRAS=/run/src/extras/",
                "BUILDKIT_SCAN_X=y",
            ]
        );
        assert_eq!(asked("disabled=true"), Ok(None));
        assert_eq!(Sbom::asked(&BTreeMap::new()).unwrap(), None);
        assert_eq!(asked("generator=").unwrap_err(), "sbom generator cannot be empty");
        assert!(
            asked("generator=A B")
                .unwrap_err()
                .starts_with("failed to parse sbom scanner A B: ")
        );
    }
}
