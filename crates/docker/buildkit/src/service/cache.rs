//! Caches that go out with a build (`--cache-to`).

use std::collections::BTreeMap;

use super::Door;
use super::export::{check, compression, level, switch};
use crate::build::{CacheExport, CacheTarget, Compression, ExportedCache, Mounts, Packing};
use crate::grpc::Status;
use crate::job::{Job, Outcome};
use crate::proto::control::CacheOptions;

/// The caches that a build is to write.
///
/// # Errors
/// A kind or an attribute that is not supported, by its name.
pub(super) fn cache_exports(cache: Option<&CacheOptions>) -> Result<Vec<CacheExport>, Status> {
    let Some(cache) = cache else {
        return Ok(Vec::new());
    };
    if !cache.export_ref_deprecated.is_empty() {
        return Err(Status::unimplemented("a cache without a kind is not supported"));
    }
    let exports = cache.exports.iter();
    exports
        .map(|export| read(&export.r#type, &export.attrs))
        .collect()
}

fn read(kind: &str, attrs: &BTreeMap<String, String>) -> Result<CacheExport, Status> {
    let need = |name: &str| {
        let value = attrs.get(name).cloned();
        value.ok_or_else(|| Status::invalid(format!("{kind} cache exporter requires {name}")))
    };
    let to = match kind {
        "inline" => CacheTarget::Inline,
        "registry" => CacheTarget::Registry(need("ref")?),
        "local" => CacheTarget::Local(need("dest")?),
        _ => return Err(Status::unimplemented(format!("unknown cache exporter: {kind:?}"))),
    };
    let mut export = CacheExport {
        to,
        all: false,
        packing: Packing::default(),
        index: false,
        oci: true,
        ignore_error: false,
        mounts: Mounts::None,
    };
    let mut manifest = None;
    for (name, value) in attrs {
        let packing = &mut export.packing;
        match &**name {
            "ref" | "dest" | "tag" => {}
            "mode" if matches!(&**value, "min" | "max") => export.all = value == "max",
            "mode" => return Err(Status::invalid(format!("invalid cache mode: {value}"))),
            "compression" => packing.compression = Some(compression(value)?),
            "compression-level" => packing.level = level(value)?,
            "force-compression" => packing.force = switch(name, value)?,
            "ignore-error" => export.ignore_error = switch(name, value)?,
            "oci-mediatypes" => export.oci = switch(name, value)?,
            "mounts" => export.mounts = mounts(&export.to, value)?,
            "image-manifest" => manifest = Some(switch(name, value)?),
            "registry.insecure" if !switch(name, value)? => {}
            _ => {
                let sentence = format!("{name}={value} of the cache exporter {kind} is not supported");
                return Err(Status::unimplemented(sentence));
            }
        }
    }
    if export.packing.compression == Some(Compression::Estargz) {
        return Err(Status::unimplemented(
            "layer compression type estargz is not supported for caches",
        ));
    }
    check(export.packing)?;
    // What is in a manifest is in OCI's words.
    export.index = !manifest.unwrap_or(export.oci);
    if !export.oci && !export.index {
        return Err(Status::invalid(
            "invalid configuration for remote cache: OCI mediatypes are required for image-manifest cache format",
        ));
    }
    Ok(export)
}

fn mounts(to: &CacheTarget, value: &str) -> Result<Mounts, Status> {
    if *to == CacheTarget::Inline {
        return Err(Status::invalid(format!(
            "mounts={value}: an image carries no cache mounts, so the cache exporter inline has none; registry and local do"
        )));
    }
    Mounts::parse(value).ok_or_else(|| {
        Status::invalid("mounts of a cache exporter is all, or ids of cache mounts with ; or | between them")
    })
}

impl Door {
    /// The results, with their cache in them if that is asked for.
    pub(super) async fn with_inline_cache(
        &self,
        job: &Job,
        mut outcome: Outcome,
        exports: &[CacheExport],
    ) -> Result<Outcome, Status> {
        if exports.iter().all(|export| export.to != CacheTarget::Inline) {
            return Ok(outcome);
        }
        let step = job.progress.begin("preparing layers for inline cache");
        for (_, built) in &mut outcome.images {
            match self.builds.inline_cache(built).await {
                Ok(with) => *built = with,
                Err(status) => {
                    step.failed(&*status.message);
                    return Err(status);
                }
            }
        }
        step.done(false);
        Ok(outcome)
    }

    /// Lets caches go out, one after the other.
    pub(super) async fn export_caches(
        &self,
        job: &Job,
        outcome: &Outcome,
        exports: Vec<CacheExport>,
    ) -> Result<BTreeMap<String, String>, Status> {
        let mut response = BTreeMap::new();
        for export in exports {
            let title = match &export.to {
                CacheTarget::Inline => continue,
                CacheTarget::Registry(_) => "exporting cache to registry",
                CacheTarget::Local(_) => "exporting cache to client directory",
            };
            let step = job.progress.begin(title);
            let mut merged = outcome.images.iter().map(|(_, built)| built);
            let Some(mut whole) = merged.next().cloned() else {
                step.done(false);
                continue;
            };
            for built in merged {
                whole.steps.extend(built.steps.clone());
                whole.mounts.extend(built.mounts.clone());
            }
            whole.mounts.sort_unstable();
            whole.mounts.dedup();
            let ignore = export.ignore_error;
            let exported = self.builds.export_cache(&whole, export, job.session.clone());
            match exported.await {
                Ok(ExportedCache { descriptor, lines }) => {
                    lines.iter().for_each(|line| step.part(line, 0, 0, true));
                    let digest = descriptor["digest"].as_str().unwrap_or_default();
                    step.part(&format!("writing cache manifest {digest}"), 0, 0, true);
                    step.done(false);
                    response.insert("cache.manifest".to_owned(), descriptor.to_string());
                }
                Err(status) => {
                    step.failed(&*status.message);
                    if !ignore {
                        return Err(status);
                    }
                }
            }
        }
        Ok(response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caches_are_read_and_others_are_refused() {
        let read = |kind: &str, attrs: &[(&str, &str)]| {
            let attrs = attrs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            read(kind, &attrs.collect()).map_err(|status| status.message)
        };
        let export = read(
            "registry",
            &[("ref", "r/x"), ("mode", "max"), ("compression", "zstd")],
        )
        .unwrap();
        assert_eq!(export.to, CacheTarget::Registry("r/x".to_owned()));
        assert!(export.all && export.packing.compression == Some(Compression::Zstd) && !export.index);
        for (value, mounts) in [
            ("all", Mounts::All),
            ("go", Mounts::Named(vec!["go".to_owned()])),
            (
                "go; /root/.cache|x",
                Mounts::Named(["go", "/root/.cache", "x"].map(str::to_owned).into()),
            ),
        ] {
            assert_eq!(
                read("local", &[("dest", "d"), ("mounts", value)]).unwrap().mounts,
                mounts
            );
        }
        let old = read("registry", &[("ref", "x"), ("oci-mediatypes", "false")]).unwrap();
        assert!(old.index && !old.oci);
        for (kind, attrs, sentence) in [
            ("gha", &[][..], "unknown cache exporter: \"gha\""),
            ("local", &[], "local cache exporter requires dest"),
            ("inline", &[("mode", "x")], "invalid cache mode: x"),
            (
                "inline",
                &[("mounts", "all")],
                "mounts=all: an image carries no cache mounts, so the cache exporter inline has none; registry and local do",
            ),
            (
                "local",
                &[("dest", "x"), ("mounts", ";")],
                "mounts of a cache exporter is all, or ids of cache mounts with ; or | between them",
            ),
            (
                "registry",
                &[("ref", "x"), ("image-manifest", "true"), ("oci-mediatypes", "0")],
                "invalid configuration for remote cache: OCI mediatypes are required for image-manifest cache format",
            ),
            (
                "local",
                &[("dest", "x"), ("registry.insecure", "true")],
                "registry.insecure=true of the cache exporter local is not supported",
            ),
        ] {
            assert_eq!(read(kind, attrs).unwrap_err(), sentence);
        }
    }
}
