//! Archives of results: an image as an OCI layout, and the files of several platforms in one.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use image::Hasher;
use serde_json::{Value, json};
use tar::{Builder, EntryType, Header};

use crate::build::{Content, ContentBytes, Exported};
use crate::statement::Predicate;

/// Writes an image as an OCI layout (image-spec 1.1, image-layout.md); with `docker`, also as old `docker load`s read it.
pub(crate) fn layout(exported: &Exported, docker: bool, spool: File) -> io::Result<File> {
    let mut archive = Builder::new(BufWriter::new(spool));
    for directory in ["blobs/", "blobs/sha256/"] {
        let mut header = header(EntryType::Directory, 0o755, 0);
        archive.append_data(&mut header, directory, io::empty())?;
    }
    let mut written = BTreeSet::new();
    for content in exported
        .content
        .iter()
        .filter(|content| written.insert(&content.digest))
    {
        let mut header = header(EntryType::Regular, 0o444, content.size);
        let reader = At::new(content);
        archive.append_data(&mut header, path(&content.digest), reader)?;
    }
    document(&mut archive, "index.json", &index(exported))?;
    if docker {
        document(&mut archive, "manifest.json", &manifest(exported)?)?;
    }
    document(
        &mut archive,
        "oci-layout",
        &json!({ "imageLayoutVersion": "1.0.0" }),
    )?;
    let mut out = archive.into_inner()?;
    out.flush()?;
    out.into_inner().map_err(io::IntoInnerError::into_error)
}

fn header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}

fn document(archive: &mut Builder<impl Write>, name: &str, value: &Value) -> io::Result<()> {
    let text = value.to_string();
    let mut header = header(EntryType::Regular, 0o644, text.len() as u64);
    archive.append_data(&mut header, name, text.as_bytes())
}

/// `blobs/sha256/…`.
fn path(digest: &str) -> String {
    format!("blobs/{}", digest.replace(':', "/"))
}

/// The image once for each of its names.
fn index(exported: &Exported) -> Value {
    let named = |name: &String| {
        let mut descriptor = exported.descriptor.clone();
        let tag = name.rsplit_once(':').map_or("latest", |(_, tag)| tag);
        descriptor["annotations"]["io.containerd.image.name"] = name.as_str().into();
        descriptor["annotations"]["org.opencontainers.image.ref.name"] = tag.into();
        descriptor
    };
    let manifests: Vec<Value> = match &exported.names[..] {
        [] => vec![exported.descriptor.clone()],
        names => names.iter().map(named).collect(),
    };
    json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": manifests,
    })
}

/// `docker save`'s list.
fn manifest(exported: &Exported) -> io::Result<Value> {
    let digest = exported.descriptor["digest"].as_str().unwrap_or_default();
    let found = exported.content.iter().find(|content| content.digest == digest);
    let mut text = Vec::new();
    if let Some(content) = found {
        At::new(content).read_to_end(&mut text)?;
    }
    let parsed: Value = serde_json::from_slice(&text)?;
    let blob = |value: &Value| path(value["digest"].as_str().unwrap_or_default());
    let layers: Vec<String> = parsed["layers"]
        .as_array()
        .into_iter()
        .flatten()
        .map(blob)
        .collect();
    let familiar = |name: &String| {
        let short = name.strip_prefix("docker.io/").unwrap_or(name);
        short.strip_prefix("library/").unwrap_or(short).to_owned()
    };
    let names: Vec<String> = exported.names.iter().map(familiar).collect();
    Ok(json!([{ "Config": blob(&parsed["config"]), "RepoTags": names, "Layers": layers }]))
}

/// Reads content by position.
pub(crate) struct At<'a> {
    content: &'a Content,
    position: u64,
}

impl<'a> At<'a> {
    pub(crate) const fn new(content: &'a Content) -> Self {
        Self { content, position: 0 }
    }

    /// So many bytes of a file, from an offset on.
    pub(crate) fn piece(file: &File, offset: u64, length: usize) -> io::Result<Bytes> {
        let mut bytes = vec![0; length];
        file.read_exact_at(&mut bytes, offset)?;
        Ok(bytes.into())
    }
}

impl Read for At<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match &self.content.bytes {
            ContentBytes::File(file) => file.read_at(buffer, self.position)?,
            ContentBytes::Memory(bytes) => {
                let start = usize::try_from(self.position)
                    .unwrap_or(usize::MAX)
                    .min(bytes.len());
                (&bytes[start..]).read(buffer)?
            }
        };
        self.position += read as u64;
        Ok(read)
    }
}

/// What is said of a result's files, as an archive of one file that stands beside them: its subjects are the files.
pub(crate) fn beside(files: File, name: &str, said: &Predicate, spool: File) -> io::Result<File> {
    let mut files = files;
    files.seek(SeekFrom::Start(0))?;
    let mut archive = tar::Archive::new(BufReader::new(files));
    let mut subjects = Vec::new();
    for entry in archive.entries()? {
        let mut entry = entry?;
        if entry.header().entry_type() == EntryType::Regular {
            let path = entry.path()?.display().to_string();
            let mut hasher = Hashing(Hasher::default());
            io::copy(&mut entry, &mut hasher)?;
            subjects.push((path, hasher.0.digest().to_string()));
        }
    }
    let text = said.statement(&subjects);
    let mut archive = Builder::new(spool);
    let mut header = header(EntryType::Regular, 0o600, text.len() as u64);
    archive.append_data(&mut header, name, &text[..])?;
    archive.into_inner()
}

/// Hashes what is written.
struct Hashing(Hasher);

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Puts archives into one, each below a directory; where that is none, no two may have a file of one name.
pub(crate) fn joined(archives: Vec<(String, File)>, spool: File) -> io::Result<File> {
    let mut joined = Builder::new(BufWriter::new(spool));
    let mut files = BTreeSet::new();
    for (directory, mut file) in archives {
        if !directory.is_empty() {
            let mut header = header(EntryType::Directory, 0o755, 0);
            joined.append_data(&mut header, format!("{directory}/"), io::empty())?;
        }
        file.seek(SeekFrom::Start(0))?;
        let mut archive = tar::Archive::new(BufReader::new(file));
        for entry in archive.entries()? {
            append(&mut joined, &mut entry?, Path::new(&directory), &mut files)?;
        }
    }
    let mut out = joined.into_inner()?;
    out.flush()?;
    out.into_inner().map_err(io::IntoInnerError::into_error)
}

fn append(
    joined: &mut Builder<impl Write>,
    entry: &mut tar::Entry<'_, impl Read>,
    directory: &Path,
    files: &mut BTreeSet<PathBuf>,
) -> io::Result<()> {
    let mut header = entry.header().clone();
    let path = directory.join(entry.path()?);
    let kind = header.entry_type();
    if !files.insert(path.clone()) && kind != EntryType::Directory {
        let sentence = format!(
            "{} is in the results of two platforms, and they are not split",
            path.display()
        );
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, sentence));
    }
    let attributes: Vec<(String, Vec<u8>)> = entry
        .pax_extensions()?
        .into_iter()
        .flatten()
        .filter_map(|each| {
            let each = each.ok()?;
            let name = each.key().ok()?.to_owned();
            name.starts_with("SCHILY.xattr.")
                .then(|| (name, each.value_bytes().to_vec()))
        })
        .collect();
    if !attributes.is_empty() {
        joined.append_pax_extensions(attributes.iter().map(|(name, value)| (&name[..], &value[..])))?;
    }
    match (kind, entry.link_name()?) {
        (EntryType::Link, Some(target)) => joined.append_link(&mut header, path, directory.join(target)),
        (EntryType::Symlink, Some(target)) => joined.append_link(&mut header, path, target),
        _ => joined.append_data(&mut header, path, entry),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(name: &str, text: &str) -> File {
        let mut archive = Builder::new(tempfile::tempfile().unwrap());
        let mut header = header(EntryType::Regular, 0o644, text.len() as u64);
        archive.append_data(&mut header, name, text.as_bytes()).unwrap();
        archive.into_inner().unwrap()
    }

    fn names(mut file: File) -> Vec<String> {
        file.seek(SeekFrom::Start(0)).unwrap();
        let mut archive = tar::Archive::new(file);
        let entries = archive.entries().unwrap();
        entries
            .map(|entry| entry.unwrap().path().unwrap().display().to_string())
            .collect()
    }

    #[test]
    fn platforms_have_directories_of_their_own() {
        let both = |directories: [&str; 2]| {
            let archives = directories.map(|directory| (directory.to_owned(), archive("f", directory)));
            joined(archives.into(), tempfile::tempfile().unwrap())
        };
        assert_eq!(names(both(["a", "b"]).unwrap()), ["a/", "a/f", "b/", "b/f"]);
        assert!(
            both(["", ""])
                .unwrap_err()
                .to_string()
                .starts_with("f is in the results")
        );
    }

    #[test]
    fn an_image_is_a_layout() {
        let content = |digest: &str, text: &str| Content {
            digest: digest.to_owned(),
            size: text.len() as u64,
            bytes: ContentBytes::Memory(text.to_owned().into()),
        };
        let manifest = r#"{"config":{"digest":"sha256:c"},"layers":[{"digest":"sha256:l"}]}"#;
        let exported = Exported {
            descriptor: json!({ "digest": "sha256:m" }),
            config: None,
            names: vec!["docker.io/library/x:1".to_owned()],
            lines: Vec::new(),
            content: vec![content("sha256:l", "layer"), content("sha256:m", manifest)],
        };
        let written = layout(&exported, true, tempfile::tempfile().unwrap()).unwrap();
        assert_eq!(
            names(written),
            [
                "blobs/",
                "blobs/sha256/",
                "blobs/sha256/l",
                "blobs/sha256/m",
                "index.json",
                "manifest.json",
                "oci-layout"
            ]
        );
        assert_eq!(
            super::manifest(&exported).unwrap().to_string(),
            r#"[{"Config":"blobs/sha256/c","Layers":["blobs/sha256/l"],"RepoTags":["x:1"]}]"#
        );
    }
}
