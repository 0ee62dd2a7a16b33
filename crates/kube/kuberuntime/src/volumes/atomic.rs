//! Files that change all at once (upstream's `pkg/volume/util/atomic_writer.go`).
//!
//! A volume's files are in a directory named by a moment; `..data` is a link to it, and every name that users see is a
//! link through `..data`. New content is a new directory, and one rename of the link `..data` makes all of it current, so
//! a reader who opens `..data` once sees the old files or the new ones and never some of each.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, fchown, symlink};
use std::path::{Component, Path, PathBuf};
use std::time::SystemTime;

use kubelet::volume::FileEntry;

use super::ownership::{self, Access};

/// The link to what is current, and its name before it is.
const DATA: &str = "..data";
const NEXT: &str = "..data_tmp";

/// Directories of one moment that are tried for a free name.
const ATTEMPTS: u32 = 1_000;

/// Makes these the files of a volume; answers whether anything had to be written. `group` is the pod's `fsGroup`.
///
/// # Errors
/// Of the file system; `InvalidInput` for a path that would lead out of the volume or hide its links. What was current
/// stays so.
pub(super) fn write(
    volume: &Path,
    files: &[FileEntry],
    group: Option<u32>,
    now: SystemTime,
) -> io::Result<bool> {
    files.iter().try_for_each(check)?;
    let current = current(volume)?;
    if let Some(current) = &current
        && is_same(&volume.join(current), files)?
    {
        return Ok(false);
    }
    let next = new_directory(volume, now)?;
    let made = fill(&volume.join(&next), files, group).and_then(|()| publish(volume, &next));
    if let Err(error) = made {
        // It is known to nobody; what cannot be removed goes with the volume.
        let _left = fs::remove_dir_all(volume.join(&next));
        return Err(error);
    }
    show(volume, files)?;
    remove_old(volume, &next)?;
    Ok(true)
}

/// What the API does not let pass, checked where it would do harm.
fn check(file: &FileEntry) -> io::Result<()> {
    let path = Path::new(&file.path);
    let normal = path.components().all(|part| matches!(part, Component::Normal(_)));
    if !normal || file.path.is_empty() || file.path.starts_with("..") {
        let message = format!("invalid path: {}", file.path);
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    Ok(())
}

/// The directory that is current, by its name; none in a new volume.
fn current(volume: &Path) -> io::Result<Option<PathBuf>> {
    match fs::read_link(volume.join(DATA)) {
        Ok(name) => Ok(Some(name)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether a directory has these files, each with this content, and no others.
fn is_same(directory: &Path, files: &[FileEntry]) -> io::Result<bool> {
    let mut there = BTreeSet::new();
    list(directory, Path::new(""), &mut there)?;
    let wanted: BTreeSet<PathBuf> = files.iter().map(|file| clean(&file.path)).collect();
    if there != wanted {
        return Ok(false);
    }
    for file in files {
        if fs::read(directory.join(&file.path))? != file.content {
            return Ok(false);
        }
    }
    Ok(true)
}

fn clean(path: &str) -> PathBuf {
    Path::new(path).components().collect()
}

/// All files below a directory. One that is not there has none.
fn list(root: &Path, below: &Path, found: &mut BTreeSet<PathBuf>) -> io::Result<()> {
    let entries = match fs::read_dir(root.join(below)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let path = below.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            list(root, &path, found)?;
        } else {
            found.insert(path);
        }
    }
    Ok(())
}

/// Makes a directory that is named by the moment: `..2026_11_21_22_18_00.123456789`.
fn new_directory(volume: &Path, now: SystemTime) -> io::Result<PathBuf> {
    let time = jiff::Timestamp::try_from(now).unwrap_or_default();
    let stem = time.strftime("..%Y_%m_%d_%H_%M_%S").to_string();
    let nanos = time.subsec_nanosecond().unsigned_abs();
    for attempt in 0..ATTEMPTS {
        let name = PathBuf::from(format!("{stem}.{:09}", nanos.wrapping_add(attempt)));
        match DirBuilder::new().mode(0o755).create(volume.join(&name)) {
            Ok(()) => return Ok(name),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

fn fill(directory: &Path, files: &[FileEntry], group: Option<u32>) -> io::Result<()> {
    fs::set_permissions(directory, Permissions::from_mode(0o755))?;
    for file in files {
        let path = directory.join(&file.path);
        make_parents(directory, &path)?;
        put(&path, file)?;
    }
    match group {
        Some(group) => ownership::give(directory, group, Access::Read),
        None => Ok(()),
    }
}

/// Directories between the volume and a file, whatever the umask.
fn make_parents(directory: &Path, path: &Path) -> io::Result<()> {
    let parents: Vec<&Path> = path
        .ancestors()
        .skip(1)
        .take_while(|parent| *parent != directory)
        .collect();
    for parent in parents.into_iter().rev() {
        match fs::create_dir(parent) {
            Ok(()) => fs::set_permissions(parent, Permissions::from_mode(0o755))?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn put(path: &Path, file: &FileEntry) -> io::Result<()> {
    let mut opened: File = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    opened.write_all(&file.content)?;
    if let Some(owner) = file.owner {
        fchown(&opened, Some(owner), None)?;
    }
    opened.set_permissions(Permissions::from_mode(file.mode & 0o777))
}

/// From here on the new files are the volume's.
fn publish(volume: &Path, next: &Path) -> io::Result<()> {
    let link = volume.join(NEXT);
    // Left by somebody who was killed right here.
    remove(&link)?;
    symlink(next, &link)?;
    fs::rename(&link, volume.join(DATA))
}

/// Links for names that are new; none for those that are gone. In this order, so that what is in both is always there.
fn show(volume: &Path, files: &[FileEntry]) -> io::Result<()> {
    let first = |file: &FileEntry| clean(&file.path).iter().next().map(PathBuf::from);
    let shown: BTreeSet<PathBuf> = files.iter().filter_map(first).collect();
    for name in &shown {
        match symlink(Path::new(DATA).join(name), volume.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
    }
    for entry in fs::read_dir(volume)? {
        let name = PathBuf::from(entry?.file_name());
        if !is_hidden(&name) && !shown.contains(&name) {
            remove(&volume.join(&name))?;
        }
    }
    Ok(())
}

/// Whether a name is the writer's own.
fn is_hidden(name: &Path) -> bool {
    name.as_os_str().as_encoded_bytes().starts_with(b"..")
}

/// Removes every directory but the current one, those too that were left by somebody who was killed.
fn remove_old(volume: &Path, current: &Path) -> io::Result<()> {
    for entry in fs::read_dir(volume)? {
        let entry = entry?;
        let name = PathBuf::from(entry.file_name());
        if is_hidden(&name) && *name != *current && entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;

    fn file(path: &str, content: &str) -> FileEntry {
        FileEntry {
            path: path.to_owned(),
            mode: 0o644,
            owner: None,
            content: content.as_bytes().to_vec(),
        }
    }

    fn names(volume: &Path) -> BTreeSet<String> {
        let entries = fs::read_dir(volume).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names
            .filter(|name| !name.starts_with("..2") && !name.starts_with("..1"))
            .collect()
    }

    #[test]
    fn names_lead_through_one_link() {
        let volume = tempfile::tempdir().unwrap();
        let files = [file("a", "1"), file("d/b", "2"), file("d/e/c", "3")];
        assert!(write(volume.path(), &files, None, NOW).unwrap());
        assert_eq!(
            names(volume.path()),
            ["..data", "a", "d"].map(str::to_owned).into()
        );
        assert_eq!(
            fs::read_link(volume.path().join("d")).unwrap(),
            Path::new("..data/d")
        );
        assert_eq!(
            fs::read_link(volume.path().join(DATA)).unwrap(),
            Path::new("..1970_01_01_00_00_00.000000000")
        );
        assert_eq!(fs::read_to_string(volume.path().join("d/e/c")).unwrap(), "3");
    }

    #[test]
    fn nothing_is_written_when_nothing_changed() {
        let volume = tempfile::tempdir().unwrap();
        let files = [file("a", "1"), file("d/b", "2")];
        write(volume.path(), &files, None, NOW).unwrap();
        let before = fs::read_link(volume.path().join(DATA)).unwrap();
        assert!(!write(volume.path(), &files, None, NOW + Duration::from_secs(1)).unwrap());
        assert_eq!(fs::read_link(volume.path().join(DATA)).unwrap(), before);
    }

    #[test]
    fn what_is_gone_is_not_shown_and_old_directories_go() {
        let volume = tempfile::tempdir().unwrap();
        write(volume.path(), &[file("a", "1"), file("b", "2")], None, NOW).unwrap();
        // Left by one that was killed.
        fs::create_dir(volume.path().join("..1999_01_01_00_00_00.000000001")).unwrap();
        symlink("..1999", volume.path().join(NEXT)).unwrap();
        assert!(write(volume.path(), &[file("b", "3")], None, NOW).unwrap());
        assert_eq!(names(volume.path()), ["..data", "b"].map(str::to_owned).into());
        assert_eq!(fs::read_dir(volume.path()).unwrap().count(), 3);
        assert_eq!(fs::read_to_string(volume.path().join("b")).unwrap(), "3");
    }

    #[test]
    fn modes_are_as_said_whatever_the_umask() {
        let volume = tempfile::tempdir().unwrap();
        let files = [(0o400, "a"), (0o666, "b"), (0o777, "c")].map(|(mode, path)| FileEntry {
            mode,
            ..file(path, "")
        });
        write(volume.path(), &files, None, NOW).unwrap();
        for file in &files {
            let mode = fs::metadata(volume.path().join(&file.path)).unwrap().mode();
            assert_eq!(mode & 0o7777, file.mode);
        }
    }

    #[test]
    fn no_path_leads_out_or_hides_a_link() {
        let volume = tempfile::tempdir().unwrap();
        for path in ["", "/a", "../a", "a/../../b", "..data", "..x/y", "./a"] {
            let error = write(volume.path(), &[file(path, "")], None, NOW).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{path}");
        }
        assert_eq!(fs::read_dir(volume.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_reader_never_sees_some_of_each() {
        let volume = tempfile::tempdir().unwrap();
        let content = |round: u32| [file("a", &round.to_string()), file("b", &round.to_string())];
        write(volume.path(), &content(0), None, NOW).unwrap();
        let done = AtomicBool::new(false);
        let seen = std::thread::scope(|scope| {
            let reading = scope.spawn(|| read_until(volume.path(), &done));
            for round in 1..300 {
                let now = NOW + Duration::from_millis(round.into());
                write(volume.path(), &content(round), None, now).unwrap();
            }
            done.store(true, Ordering::Relaxed);
            reading.join().unwrap()
        });
        assert!(!seen.is_empty());
        let mixed = seen.iter().find(|(a, b)| a != b);
        assert_eq!(mixed, None);
    }

    /// Opens what is current and reads both files of it; what is removed meanwhile is read again.
    fn read_until(volume: &Path, done: &AtomicBool) -> Vec<(String, String)> {
        let mut seen = Vec::new();
        loop {
            let last = done.load(Ordering::Relaxed);
            let current = volume.join(fs::read_link(volume.join(DATA)).unwrap());
            let both = ["a", "b"].map(|name| fs::read_to_string(current.join(name)));
            if let [Ok(a), Ok(b)] = both {
                seen.push((a, b));
            }
            if last {
                return seen;
            }
        }
    }
}
