//! Attestations of frontends and scanners: their messages, and the predicates that they come to.

use bytes::Bytes;

use super::Door;
use super::bridge::definition;
use crate::filesync::Look;
use crate::grpc::{Code, Status};
use crate::job::{Attestation, Job, Outcome};
use crate::proto::frontend as messages;
use crate::proto::frontend::{AttestationKind, InTotoSubject, InTotoSubjectKind, Ref};
use crate::statement::{Predicate, Subject};
use crate::thread::on_thread;

/// Metadata: what a scanner's main scan is called, and that only images carry what is said.
pub(super) const CORE: &str = "sbom-core";
const INLINE_ONLY: &str = "inline-only";
/// Types that only this builder may use.
const PROVENANCE: &str = "https://slsa.dev/provenance/";
/// Attestations of one image, and statements in all bundles of it.
const MAX_ATTESTATIONS: usize = 64;
const MAX_STATEMENTS: usize = 256;

fn refused(sentence: impl Into<String>) -> Status {
    Status::new(Code::Unknown, sentence)
}

/// Reads what a frontend says.
///
/// # Errors
/// A result that is none, or a kind that is none.
pub(super) fn read(job: &Job, said: messages::Attestation) -> Result<Attestation, Status> {
    let kind = AttestationKind::try_from(said.kind)
        .map_err(|_| refused(format!("unknown attestation kind {}", said.kind)))?;
    let subject = |subject: InTotoSubject| match InTotoSubjectKind::try_from(subject.kind) {
        Ok(InTotoSubjectKind::Self_) => Ok(Subject::Result(subject.name)),
        Ok(InTotoSubjectKind::Raw) => Ok(Subject::Other(subject.name, subject.digest)),
        Err(_) => Err(refused(format!(
            "unknown attestation subject kind {}",
            subject.kind
        ))),
    };
    let bundle = kind == AttestationKind::Bundle;
    if !bundle && said.path.is_empty() {
        return Err(refused("attestation does not have set path"));
    }
    let files = said.r#ref.filter(|reference| !reference.id.is_empty());
    let subjects = said.in_toto_subjects.into_iter().map(subject);
    Ok(Attestation {
        bundle,
        metadata: said.metadata,
        files: files.map(|reference| job.result(&reference.id)).transpose()?,
        path: said.path,
        kind: said.in_toto_predicate_type,
        subjects: subjects.collect::<Result<_, _>>()?,
    })
}

/// As a message; its result gets a name.
///
/// # Errors
/// Too many results.
pub(super) fn told(job: &Job, said: &Attestation) -> Result<messages::Attestation, Status> {
    let subject = |subject: &Subject| match subject {
        Subject::Result(name) => InTotoSubject {
            kind: InTotoSubjectKind::Self_.into(),
            digest: Vec::new(),
            name: name.clone(),
        },
        Subject::Other(name, digest) => InTotoSubject {
            kind: InTotoSubjectKind::Raw.into(),
            digest: digest.clone(),
            name: name.clone(),
        },
    };
    let reference = said.files.as_ref().map(|(platform, built)| {
        let def = Some(definition(&built.image));
        let id = job.add_result(platform, built.clone())?;
        Ok::<_, Status>(Ref { id, def })
    });
    let kind = match said.bundle {
        true => AttestationKind::Bundle,
        false => AttestationKind::InToto,
    };
    Ok(messages::Attestation {
        kind: kind.into(),
        metadata: said.metadata.clone(),
        r#ref: reference.transpose()?,
        path: said.path.clone(),
        in_toto_predicate_type: said.kind.clone(),
        in_toto_subjects: said.subjects.iter().map(subject).collect(),
    })
}

impl Door {
    /// What was said of each image, as predicates: bundles are opened, and a scanner's main scan comes first.
    ///
    /// # Errors
    /// What is said is no statement, or not there.
    pub(super) async fn said(&self, outcome: &Outcome) -> Result<Vec<Vec<Predicate>>, Status> {
        let mut all = Vec::new();
        for (platform, _) in &outcome.images {
            let said = outcome.said.get(platform).map_or(&[][..], Vec::as_slice);
            if said.len() > MAX_ATTESTATIONS {
                return Err(refused(format!(
                    "more than {MAX_ATTESTATIONS} attestations of {platform}"
                )));
            }
            let (mut first, mut others) = (Vec::new(), Vec::new());
            for each in said {
                for (is_core, predicate) in self.opened(each).await? {
                    if is_core { &mut first } else { &mut others }.push(predicate);
                }
            }
            first.append(&mut others);
            if first.len() > MAX_STATEMENTS {
                return Err(refused(format!(
                    "more than {MAX_STATEMENTS} statements of {platform}"
                )));
            }
            all.push(first);
        }
        Ok(all)
    }

    /// The predicates of an attestation, and whether each is a scanner's main scan.
    async fn opened(&self, said: &Attestation) -> Result<Vec<(bool, Predicate)>, Status> {
        let missing = || match said.bundle {
            true => refused("no ref provided for attestation bundle"),
            false => refused("attestation does not have available content"),
        };
        let (_, built) = said.files.as_ref().ok_or_else(missing)?;
        let file = self.builds.files(built).await?;
        let said = said.clone();
        on_thread(Box::pin(async move { predicates(&Look::into(file)?, &said) })).await
    }
}

fn predicates(look: &Look, said: &Attestation) -> Result<Vec<(bool, Predicate)>, Status> {
    let inline_only = said
        .metadata
        .get(INLINE_ONLY)
        .is_some_and(|value| value == "true");
    let name_of = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    if !said.bundle {
        if said.kind.starts_with(PROVENANCE) {
            return Err(refused("frontend may not set provenance attestations"));
        }
        let bytes = read_file(look, &said.path)?;
        let about = (&*name_of(&said.path), inline_only);
        let predicate = Predicate::new(&said.kind, &bytes, said.subjects.clone(), about)?;
        return Ok(vec![(false, predicate)]);
    }
    let core = said.metadata.get(CORE);
    let mut all = Vec::new();
    for entry in look.directory(&said.path)? {
        if all.len() >= MAX_STATEMENTS {
            return Err(refused(format!(
                "a bundle of more than {MAX_STATEMENTS} statements"
            )));
        }
        let bytes = read_file(look, &format!("{}/{}", said.path, entry.path))?;
        let predicate = Predicate::of_statement(&bytes, &said.kind, (&entry.path, inline_only))?;
        if predicate.kind().starts_with(PROVENANCE) {
            return Err(refused("frontend may not bundle provenance attestations"));
        }
        let stem = entry.path.split('.').next().unwrap_or_default();
        all.push((core.is_some_and(|core| core == stem), predicate));
    }
    Ok(all)
}

fn read_file(look: &Look, path: &str) -> Result<Bytes, Status> {
    match look.is_file(path)? {
        true => look.read(path, None),
        false => Err(refused(format!("{path} is not a regular file"))),
    }
}
