//! `BuildOp`: a definition that is a file of an input, carried out by whoever carries out definitions.
//!
//! What is in it is judged and cached vertex by vertex as any definition's is, so that nothing is kept for the whole: files
//! of the client that it names may have changed while its text has not.

use std::io::Read as _;
use std::path::Path;

use super::super::{Driver, blocking};
use super::file::tree_of;
use super::{Made, Product};
use crate::BuildError;
use crate::dockerignore::clean;
use crate::executor::Executor;
use crate::tree::{self, Kind, Tree};

/// The largest definition, in bytes.
const MAX_DEFINITION: u64 = 4 << 20;

impl<E: Executor + 'static> Driver<E> {
    pub(super) async fn nested(&self, file: &str, input: Option<&Product>) -> Result<Made, BuildError> {
        let nested = self.options.services.nested.clone().ok_or_else(|| {
            BuildError::Unsupported("this builder carries out no definition within another".to_owned())
        })?;
        let (executor, input, file) = (self.executor.clone(), input.cloned(), file.to_owned());
        let definition = blocking(move || definition(&*tree_of(&*executor, input.as_ref())?, &file)).await?;
        let solved = self
            .unless_cancelled(nested.solve(definition))
            .await?
            .map_err(BuildError::Step)?;
        let base = self.held(&solved.image)?;
        Ok((vec![Product::Image(Some(base.id))], false))
    }
}

fn definition(tree: &dyn Tree, file: &str) -> Result<Vec<u8>, BuildError> {
    let path = clean(&format!("/{file}"));
    let failed = || BuildError::io("reading a definition");
    let missing = || BuildError::Step(format!("failed to open {path}: no such file or directory"));
    let found = tree::resolve(tree, Path::new(&path[1..])).map_err(failed())?;
    let (real, entry) = found.ok_or_else(missing)?;
    match entry.kind {
        Kind::File { size } if size <= MAX_DEFINITION => {}
        Kind::File { .. } => {
            return Err(BuildError::Invalid(format!(
                "{path} is larger than {MAX_DEFINITION} bytes"
            )));
        }
        _ => return Err(BuildError::Step(format!("{path} is not a regular file"))),
    }
    let mut text = Vec::new();
    let opened = tree.open(&real).map_err(failed())?;
    opened
        .take(MAX_DEFINITION)
        .read_to_end(&mut text)
        .map_err(failed())?;
    Ok(text)
}
