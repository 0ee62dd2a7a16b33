//! Whose something is: numbers, or names as the files of an input know them.

use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use ::llb::{Account, Owner as Asked};

use crate::BuildError;
use crate::perform::Owner;
use crate::tree::{self, Tree};

/// At most so many bytes of `/etc/passwd` or `/etc/group` are read.
const MAX_ACCOUNTS: u64 = 4 << 20;

/// What opens the files in which an account is looked up.
type Files<'a> = &'a dyn Fn(&Account) -> Result<Arc<dyn Tree>, BuildError>;

/// The numbers that an owner means.
pub(super) fn numbers(asked: &Asked, files: Files<'_>) -> Result<Owner, BuildError> {
    let mut owner = Owner { uid: 0, gid: 0 };
    match &asked.user {
        None => {}
        Some(Account::Id(id)) => owner = Owner { uid: *id, gid: *id },
        Some(account @ Account::Name(name, _)) => {
            let line = line(&*files(account)?, "etc/passwd", name)?;
            let line = line.ok_or_else(|| unknown("user", name))?;
            owner = Owner {
                uid: field(&line, 2).ok_or_else(|| unknown("user", name))?,
                gid: field(&line, 3).unwrap_or(0),
            };
        }
    }
    match &asked.group {
        None => {}
        Some(Account::Id(id)) => owner.gid = *id,
        Some(account @ Account::Name(name, _)) => {
            let line = line(&*files(account)?, "etc/group", name)?;
            let found = line.and_then(|line| field(&line, 2));
            owner.gid = found.ok_or_else(|| unknown("group", name))?;
        }
    }
    Ok(owner)
}

fn unknown(what: &str, name: &str) -> BuildError {
    BuildError::Step(format!("unable to find {what} {name}: no matching entries"))
}

fn field(line: &str, number: usize) -> Option<u32> {
    line.split(':').nth(number)?.trim().parse().ok()
}

/// The line of a file that begins with a name.
fn line(tree: &dyn Tree, file: &str, name: &str) -> Result<Option<String>, BuildError> {
    let failed = || BuildError::io("looking up an account");
    let Some((real, _)) = tree::resolve(tree, Path::new(file)).map_err(failed())? else {
        return Ok(None);
    };
    let mut text = Vec::new();
    let mut file = tree.open(&real).map_err(failed())?.take(MAX_ACCOUNTS);
    file.read_to_end(&mut text).map_err(failed())?;
    let text = String::from_utf8_lossy(&text);
    let found = text.lines().find(|line| line.split(':').next() == Some(name));
    Ok(found.map(String::from))
}
