//! What becomes of results: the exporters that a build names, read from their attributes, and carried out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::sync::PoisonError;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Door;
use crate::build::{
    Annotated, Annotation, Built, Compression, Content, ContentBytes, Destination, Exported, Outgoing,
    Packing,
};
use crate::filesync::{At, beside, joined, layout, send_archive, send_files};
use crate::frontend::shown;
use crate::grpc::{Code, Status};
use crate::job::{Job, Outcome};
use crate::progress::{Step, rfc3339};
use crate::proto::control::{Descriptor, Exporter, SolveRequest};
use crate::provenance::{Provenance, Run};
use crate::session::Session;
use crate::statement::Predicate;
use crate::thread::on_thread;

/// Exporters of one build.
const MAX_EXPORTERS: usize = 16;

/// What kind of exporter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Image,
    /// An archive with an OCI layout, also one that old `docker load`s take.
    Layout {
        docker: bool,
    },
    /// Files, one by one or as an archive.
    Files {
        archive: bool,
    },
}

/// An exporter that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Export {
    kind: Kind,
    names: Vec<String>,
    push: bool,
    packing: Packing,
    /// Whether media types are OCI's, if somebody says.
    oci: Option<bool>,
    artifact: bool,
    canonical: bool,
    dangling: Option<String>,
    /// The other name counts only if there is no name.
    dangling_only: bool,
    store: bool,
    rewrite: bool,
    /// The time of the exporter's own.
    epoch: Option<String>,
    annotations: Vec<Annotation>,
    /// Whether each platform's files have a directory of their own; where there are several if nobody says.
    split: Option<bool>,
    /// How a provenance beside files is called.
    prefix: String,
    /// A layout is one archive, and not files in a store of the client's.
    tar: bool,
}

/// The exporters of a build; none keeps nothing but the cache (`cacheonly`).
pub(super) fn exports(asked: &SolveRequest) -> Result<Vec<Export>, Status> {
    let deprecated = Exporter {
        r#type: asked.exporter_deprecated.clone(),
        attrs: asked.exporter_attrs_deprecated.clone(),
    };
    let exporters = match &asked.exporters[..] {
        [] if !deprecated.r#type.is_empty() => std::slice::from_ref(&deprecated),
        exporters => exporters,
    };
    if exporters.len() > MAX_EXPORTERS {
        return Err(Status::invalid(format!("more than {MAX_EXPORTERS} exporters")));
    }
    exporters.iter().map(Export::read).collect()
}

impl Export {
    fn read(asked: &Exporter) -> Result<Self, Status> {
        let kind = match &*asked.r#type {
            "moby" | "image" => Kind::Image,
            "oci" => Kind::Layout { docker: false },
            "docker" => Kind::Layout { docker: true },
            "tar" => Kind::Files { archive: true },
            "local" => Kind::Files { archive: false },
            other => {
                return Err(Status::unimplemented(format!(
                    "exporter {other} is not supported"
                )));
            }
        };
        let mut export = Self {
            kind,
            names: Vec::new(),
            push: false,
            packing: Packing::default(),
            oci: None,
            artifact: false,
            canonical: false,
            dangling: None,
            dangling_only: false,
            store: true,
            rewrite: false,
            epoch: None,
            annotations: Vec::new(),
            split: None,
            prefix: String::new(),
            tar: true,
        };
        for (name, value) in &asked.attrs {
            let known = match kind {
                Kind::Files { .. } => export.take_of_files(name, value)?,
                Kind::Image | Kind::Layout { .. } => export.take(name, value)?,
            };
            if !known {
                let sentence = format!("{name} of the exporter {} is not supported", asked.r#type);
                return Err(Status::unimplemented(sentence));
            }
        }
        export.judge()?;
        Ok(export)
    }

    /// What makes no sense together.
    fn judge(&self) -> Result<(), Status> {
        check(self.packing)?;
        let conflict = match (self.oci, self.packing.compression) {
            (Some(false), Some(Compression::Zstd)) => "compression=zstd",
            (Some(false), Some(Compression::Estargz)) => "compression=estargz",
            (Some(false), _) if self.artifact => "oci-artifact=true",
            _ => return Ok(()),
        };
        Err(plain(format!(
            "exporter option \"{conflict}\" conflicts with \"oci-mediatypes=false\""
        )))
    }

    fn is_oci(&self) -> bool {
        self.oci.unwrap_or(self.kind != Kind::Layout { docker: true })
    }

    fn take_of_files(&mut self, name: &str, value: &str) -> Result<bool, Status> {
        match name {
            // What the client does with them.
            "dest" => {}
            // Steps of a build with a time make nothing younger.
            "source-date-epoch" => {}
            "platform-split" => self.split = Some(switch(name, value)?),
            "attestation-prefix" => value.clone_into(&mut self.prefix),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn take(&mut self, name: &str, value: &str) -> Result<bool, Status> {
        match name {
            "name" => self.names.extend(
                value
                    .split(',')
                    .filter(|name| !name.is_empty() && *name != "*")
                    .map(String::from),
            ),
            "push" => self.push = switch(name, value)?,
            "compression" => self.packing.compression = Some(compression(value)?),
            "compression-level" => self.packing.level = level(value)?,
            "force-compression" => self.packing.force = switch(name, value)?,
            "oci-mediatypes" => self.oci = Some(switch(name, value)?),
            "oci-artifact" => self.artifact = switch(name, value)?,
            "rewrite-timestamp" => self.rewrite = switch(name, value)?,
            "source-date-epoch" => self.epoch = Some(value.to_owned()).filter(|text| !text.is_empty()),
            "store" => self.store = switch(name, value)?,
            "name-canonical" => self.canonical = switch(name, value)?,
            "dangling-name-prefix" => self.dangling = Some(value.to_owned()).filter(|text| !text.is_empty()),
            // Upstream's spelling.
            "danging-name-empty-only" => self.dangling_only = switch(name, value)?,
            // The store's images are unpacked, and no layer is kept from registries.
            "unpack" | "prefer-nondist-layers" => drop(switch(name, value)?),
            "dest" | "prefer-image-digest" => {}
            "push-by-digest" | "registry.insecure" | "buildinfo" if !switch(name, value)? => {}
            "tar" if matches!(self.kind, Kind::Layout { .. }) => self.tar = switch(name, value)?,
            _ if name.starts_with("annotation") => match annotation(name, value)? {
                Some(annotation) => self.annotations.push(annotation),
                None => return Ok(false),
            },
            _ => return Ok(false),
        }
        Ok(true)
    }

    const fn title(&self) -> &'static str {
        match self.kind {
            Kind::Image => "exporting to image",
            Kind::Layout { docker: false } => "exporting to oci image format",
            Kind::Layout { docker: true } => "exporting to docker image format",
            Kind::Files { archive: true } => "exporting to client tarball",
            Kind::Files { archive: false } => "exporting to client directory",
        }
    }
}

pub(super) fn switch(name: &str, value: &str) -> Result<bool, Status> {
    match value {
        "" | "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(Status::invalid(format!(
            "non-bool value specified for {name}: {value:?}"
        ))),
    }
}

/// As upstream says it: clients put any other code before the sentence.
fn plain(sentence: String) -> Status {
    Status::new(Code::Unknown, sentence)
}

/// How hard is compressed; `None` for the default.
pub(super) fn level(value: &str) -> Result<Option<i32>, Status> {
    let level: i32 = value.parse().map_err(|_| {
        let sentence = format!("non-integer value {value} specified for compression-level");
        plain(sentence)
    })?;
    Ok(Some(level).filter(|level| *level >= 0))
}

/// Whether the algorithm has such a level.
pub(super) fn check(packing: Packing) -> Result<(), Status> {
    let (name, most) = match packing.compression {
        Some(Compression::None) => return Ok(()),
        Some(Compression::Zstd) => ("zstd", 22),
        Some(Compression::Estargz) => ("estargz", 9),
        Some(Compression::Gzip) | None => ("gzip", 9),
    };
    match packing.level.filter(|level| *level > most) {
        Some(level) => Err(plain(format!("{name}: invalid compression level: {level}"))),
        None => Ok(()),
    }
}

pub(super) fn compression(value: &str) -> Result<Compression, Status> {
    match value {
        "uncompressed" => Ok(Compression::None),
        "gzip" => Ok(Compression::Gzip),
        "zstd" => Ok(Compression::Zstd),
        "estargz" => Ok(Compression::Estargz),
        other => Err(Status::unimplemented(format!(
            "layer compression type {other} is not supported"
        ))),
    }
}

/// `annotation-manifest[linux/amd64].KEY`; `None` for what is no annotation.
fn annotation(name: &str, value: &str) -> Result<Option<Annotation>, Status> {
    let Some((head, key)) = name
        .strip_prefix("annotation")
        .and_then(|rest| rest.split_once('.'))
    else {
        return Ok(None);
    };
    let (kind, platform) = match head.split_once('[') {
        Some((kind, platform)) => (kind, platform.strip_suffix(']').map(String::from)),
        None => (head, None),
    };
    let on = match kind {
        "" | "-manifest" => Annotated::Manifest,
        "-manifest-descriptor" => Annotated::ManifestDescriptor,
        "-index" => Annotated::Index,
        "-index-descriptor" => Annotated::IndexDescriptor,
        other => {
            let other = other.trim_start_matches('-');
            return Err(Status::invalid(format!("unrecognized annotation type {other}")));
        }
    };
    Ok(Some(Annotation {
        on,
        platform,
        key: key.to_owned(),
        value: value.to_owned(),
    }))
}

impl Door {
    /// Lets the results of a build go where they are asked for, one exporter after the other.
    pub(super) async fn export(
        &self,
        job: &Job,
        (outcome, said): (Outcome, Vec<Vec<Predicate>>),
        exports: Vec<Export>,
    ) -> Result<BTreeMap<String, String>, Status> {
        let mut response = BTreeMap::new();
        if outcome.images.is_empty() {
            return Ok(response);
        }
        for (number, export) in exports.into_iter().enumerate() {
            let step = job.progress.begin(export.title());
            let exported = match export.kind {
                Kind::Image => self.export_image(&step, job, (&outcome, &said), export).await,
                Kind::Layout { docker } => {
                    self.export_layout(&step, job, (&outcome, &said), (number, docker), export)
                        .await
                }
                Kind::Files { archive } => {
                    self.export_files(&step, job, (&outcome, &said), (number, archive), &export)
                        .await
                }
            };
            match exported {
                Ok(exported) => {
                    step.done(false);
                    self.note_exported(job, number, &exported).await;
                    response.extend(exported);
                }
                Err(status) => {
                    step.failed(&*status.message);
                    return Err(status);
                }
            }
        }
        Ok(response)
    }

    async fn export_image(
        &self,
        step: &Step,
        job: &Job,
        result: Results<'_>,
        export: Export,
    ) -> Result<BTreeMap<String, String>, Status> {
        let push = export.push;
        if push && export.names.is_empty() {
            return Err(Status::invalid("tag is needed when pushing to registry"));
        }
        step.part("exporting layers", 0, 0, true);
        let keep = export.store;
        let outgoing = outgoing(job, result, export, Destination::Store { push, keep });
        let exported = self.builds.export(outgoing).await?;
        for line in &exported.lines {
            step.part(line, 0, 0, true);
        }
        Ok(told(&exported.descriptor, exported.config, &exported.names))
    }

    async fn export_layout(
        &self,
        step: &Step,
        job: &Job,
        (outcome, said): Results<'_>,
        (number, docker): (usize, bool),
        export: Export,
    ) -> Result<BTreeMap<String, String>, Status> {
        // An archive of one image has no room for what is said of it; what is only meant for images with room goes.
        let said = if docker && said.iter().flatten().all(|each| each.inline_only) {
            &[][..]
        } else {
            said
        };
        if docker && (outcome.index || said.iter().any(|said| !said.is_empty())) {
            return Err(Status::invalid(
                "docker exporter does not currently support exporting manifest lists",
            ));
        }
        let tar = export.tar;
        let exported = self
            .builds
            .export(outgoing(job, (outcome, said), export, Destination::Content))
            .await?;
        for line in &exported.lines {
            step.part(line, 0, 0, true);
        }
        let response = told(&exported.descriptor, exported.config.clone(), &exported.names);
        if !tar {
            let session = job.session.clone();
            on_thread(Box::pin(async move { into_store(&session, &exported).await })).await?;
            return Ok(response);
        }
        let (session, spool) = (job.session.clone(), self.builds.spool().map_err(disk)?);
        let sent = on_thread(Box::pin(async move {
            let archive = layout(&exported, docker, spool).map_err(disk)?;
            send_archive(&session, &archive, number).await
        }));
        step.part(&format!("sending tarball {}", shown(sent.await?)), 0, 0, true);
        Ok(response)
    }

    /// The exporters `local` and `tar`: the files go to the client.
    async fn export_files(
        &self,
        step: &Step,
        job: &Job,
        result: Results<'_>,
        (number, archive): (usize, bool),
        export: &Export,
    ) -> Result<BTreeMap<String, String>, Status> {
        let file = self.files_of(result, export).await?;
        let session = job.session.clone();
        let sent = on_thread(Box::pin(async move {
            match archive {
                true => send_archive(&session, &file, number).await,
                false => send_files(&session, &file, number).await,
            }
        }));
        let what = if archive {
            "sending tarball"
        } else {
            "copying files"
        };
        step.part(&format!("{what} {}", shown(sent.await?)), 0, 0, true);
        Ok(BTreeMap::new())
    }

    /// The files of all results: each platform's in a directory of its own, or all in one.
    async fn files_of(&self, (outcome, said): Results<'_>, export: &Export) -> Result<File, Status> {
        let split = export.split.unwrap_or(outcome.index);
        let mut all = Vec::new();
        for (number, (platform, built)) in outcome.images.iter().enumerate() {
            let directory = match split {
                true => platform.replace('/', "_"),
                false => String::new(),
            };
            let files = self.builds.files(built).await?;
            let (mut names, mut besides) = (BTreeSet::new(), Vec::new());
            for said in said.get(number).into_iter().flatten() {
                if said.inline_only {
                    continue;
                }
                let name = file_of(said, export, (outcome.index && !split).then_some(platform));
                if !names.insert(name.clone()) {
                    return Err(Status::new(
                        Code::Unknown,
                        format!("duplicate attestation path name {name}"),
                    ));
                }
                let (files, spool) = (
                    files.try_clone().map_err(disk)?,
                    self.builds.spool().map_err(disk)?,
                );
                let said = said.clone();
                let beside = Box::pin(async move { beside(files, &name, &said, spool).map_err(disk) });
                besides.push(on_thread(beside).await?);
            }
            all.push((directory.clone(), files));
            all.extend(besides.into_iter().map(|beside| (directory.clone(), beside)));
        }
        match &mut all[..] {
            [(directory, _)] if directory.is_empty() => Ok(all.remove(0).1),
            _ => {
                let spool = self.builds.spool().map_err(disk)?;
                on_thread(Box::pin(async move { joined(all, spool).map_err(disk) })).await
            }
        }
    }

    /// Keeps in the history what can be said of each result, a provenance of it whether it was asked for or not.
    pub(super) async fn note_predicates(&self, job: &Job, outcome: &Outcome) {
        let asked = Provenance::of_history();
        // The build does not fail by what is said of it.
        let all = self.predicates(job, outcome, Some(&asked)).await;
        let all = all.unwrap_or_default();
        let mut left = job.left.lock().unwrap_or_else(PoisonError::into_inner);
        for ((platform, _), said) in outcome.images.iter().zip(all) {
            let platform = Some(&**platform).filter(|_| outcome.index);
            for said in said {
                left.predicate(platform, said.kind(), said.document());
            }
        }
    }

    /// Keeps in the history what an exporter made.
    async fn note_exported(&self, job: &Job, number: usize, response: &BTreeMap<String, String>) {
        let descriptor = response
            .get("containerimage.descriptor")
            .and_then(|text| STANDARD.decode(text).ok())
            .and_then(|text| serde_json::from_slice::<image::Descriptor>(&text).ok());
        let Some(descriptor) = descriptor else { return };
        let digest = descriptor.digest.to_string();
        let document = match self.builds.content(&digest).await {
            Ok(Some(Content {
                bytes: ContentBytes::Memory(bytes),
                ..
            })) => Some(bytes),
            _ => None,
        };
        let descriptor = Descriptor {
            media_type: descriptor.media_type,
            digest,
            size: i64::try_from(descriptor.size).unwrap_or(i64::MAX),
            annotations: descriptor.annotations,
        };
        let mut left = job.left.lock().unwrap_or_else(PoisonError::into_inner);
        left.exported(number, descriptor, document);
    }

    /// What is said of each result: what frontends and scanners have said, and the provenance if that is asked for.
    pub(super) async fn predicates(
        &self,
        job: &Job,
        outcome: &Outcome,
        asked: Option<&Provenance>,
    ) -> Result<Vec<Vec<Predicate>>, Status> {
        let mut all = self.said(outcome).await?;
        let Some(asked) = asked else {
            return Ok(all);
        };
        let (os, architecture) = self.builds.platform();
        let run = Run {
            id: &job.id,
            started: rfc3339(job.created),
            finished: rfc3339(job.progress.now()),
            platform: format!("{os}/{architecture}"),
        };
        for ((_, built), said) in outcome.images.iter().zip(&mut all) {
            said.push(asked.of(built, &run)?);
        }
        Ok(all)
    }
}

/// What a predicate is called beside files: with its platform in it where several platforms share a directory.
fn file_of(said: &Predicate, export: &Export, platform: Option<&String>) -> String {
    let name = match platform {
        Some(platform) => {
            let platform = platform.replace('/', "_");
            match said.name.rsplit_once('.') {
                Some((stem, extension)) => format!("{stem}.{platform}.{extension}"),
                None => format!("{}.{platform}", said.name),
            }
        }
        None => said.name.clone(),
    };
    format!("{}{name}", export.prefix)
}

/// Puts an image into the store that the client keeps for it; the client writes the index.
async fn into_store(session: &Session, exported: &Exported) -> Result<(), Status> {
    /// What the client calls the store.
    const STORE: &str = "export";
    for content in &exported.content {
        let mut reader = At::new(content);
        session
            .write_content(STORE, &content.digest, content.size, &mut reader)
            .await?;
    }
    Ok(())
}

/// Results, and what is said of them.
type Results<'a> = (&'a Outcome, &'a [Vec<Predicate>]);

fn disk(cause: std::io::Error) -> Status {
    Status::new(Code::Unknown, format!("exporting the result: {cause}"))
}

fn outgoing(job: &Job, (outcome, said): Results<'_>, export: Export, destination: Destination) -> Outgoing {
    let images: Vec<(String, Built)> = outcome.images.clone();
    Outgoing {
        images,
        predicates: said.to_vec(),
        index: outcome.index,
        packing: export.packing,
        epoch: epoch(job, outcome, &export),
        canonical: export.canonical,
        artifact: export.artifact,
        oci: export.is_oci(),
        dangling: export
            .dangling
            .filter(|_| !export.dangling_only || export.names.is_empty()),
        names: export.names,
        annotations: export.annotations,
        destination,
        session: job.session.clone(),
    }
}

/// The time that nothing in layers may be younger than, if they are to be rewritten: the exporter's, or the build's. One
/// that has no number there is the result's own, which the builder has found.
fn epoch(job: &Job, outcome: &Outcome, export: &Export) -> Option<i64> {
    const ARGUMENT: &str = "build-arg:SOURCE_DATE_EPOCH";
    let (_, built) = outcome.images.first()?;
    let of_request = || built.request.as_ref()?.options.get(ARGUMENT);
    let said = export.epoch.as_ref();
    let said = said
        .or_else(|| job.asked.options.get(ARGUMENT))
        .or_else(of_request)
        .filter(|_| export.rewrite)?;
    said.parse().ok().or_else(|| created(&built.config))
}

/// When an image was made, in seconds since 1970.
fn created(config: &[u8]) -> Option<i64> {
    let config: serde_json::Value = serde_json::from_slice(config).ok()?;
    let created: jiff::Timestamp = config["created"].as_str()?.parse().ok()?;
    Some(created.as_second())
}

/// What the client is told of an image that went out.
fn told(
    descriptor: &serde_json::Value,
    config: Option<String>,
    names: &[String],
) -> BTreeMap<String, String> {
    let digest = descriptor["digest"].as_str().unwrap_or_default().to_owned();
    let mut response = BTreeMap::from([
        ("containerimage.digest".to_owned(), digest),
        (
            "containerimage.descriptor".to_owned(),
            STANDARD.encode(descriptor.to_string()),
        ),
    ]);
    response.extend(config.map(|config| ("containerimage.config.digest".to_owned(), config)));
    if !names.is_empty() {
        response.insert("image.name".to_owned(), names.join(","));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(kind: &str, attrs: &[(&str, &str)]) -> Result<Export, String> {
        let attrs = attrs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let exporter = Exporter {
            r#type: kind.to_owned(),
            attrs: attrs.collect(),
        };
        Export::read(&exporter).map_err(|status| status.message)
    }

    #[test]
    fn attributes_are_read() {
        let export = read(
            "moby",
            &[
                ("name", "a:1,b"),
                ("push", "true"),
                ("compression", "zstd"),
                ("oci-mediatypes", "true"),
                ("compression-level", "19"),
                ("force-compression", "true"),
                ("name-canonical", ""),
                ("dangling-name-prefix", "d"),
                ("rewrite-timestamp", "true"),
                ("source-date-epoch", "7"),
                ("store", "false"),
                ("annotation-manifest[linux/amd64].org.x", "y"),
                ("annotation.k", "v"),
                ("unpack", ""),
            ],
        )
        .unwrap();
        assert_eq!(export.names, ["a:1", "b"]);
        assert!(export.push && export.is_oci() && export.canonical && export.rewrite && !export.store);
        let packing = Packing {
            compression: Some(Compression::Zstd),
            level: Some(19),
            force: true,
        };
        assert_eq!(export.packing, packing);
        assert_eq!(
            (export.dangling.as_deref(), export.epoch.as_deref()),
            (Some("d"), Some("7"))
        );
        let notes: Vec<_> = export
            .annotations
            .iter()
            .map(|note| (note.on, note.platform.as_deref(), &*note.key, &*note.value))
            .collect();
        assert_eq!(
            notes,
            [
                (Annotated::Manifest, Some("linux/amd64"), "org.x", "y"),
                (Annotated::Manifest, None, "k", "v"),
            ]
        );
        assert_eq!(
            read("local", &[("platform-split", "false")]).unwrap().split,
            Some(false)
        );
    }

    #[test]
    fn what_is_not_supported_is_refused_by_name() {
        for (kind, name, value, sentence) in [
            ("x", "", "", "exporter x is not supported"),
            (
                "moby",
                "compression",
                "lz4",
                "layer compression type lz4 is not supported",
            ),
            (
                "oci",
                "compression-level",
                "10",
                "gzip: invalid compression level: 10",
            ),
            (
                "oci",
                "compression-level",
                "x",
                "non-integer value x specified for compression-level",
            ),
            (
                "moby",
                "tar",
                "false",
                "tar of the exporter moby is not supported",
            ),
            (
                "image",
                "push-by-digest",
                "true",
                "push-by-digest of the exporter image is not supported",
            ),
            ("image", "push", "x", "non-bool value specified for push: \"x\""),
            ("image", "annotation-x.k", "v", "unrecognized annotation type x"),
            ("local", "x", "y", "x of the exporter local is not supported"),
        ] {
            assert_eq!(read(kind, &[(name, value)]).unwrap_err(), sentence);
        }
        let docker = ("oci-mediatypes", "false");
        for (name, value) in [
            ("compression", "zstd"),
            ("compression", "estargz"),
            ("oci-artifact", "true"),
        ] {
            let sentence = read("image", &[docker, (name, value)]).unwrap_err();
            assert_eq!(
                sentence,
                format!("exporter option \"{name}={value}\" conflicts with \"oci-mediatypes=false\"")
            );
        }
    }
}
