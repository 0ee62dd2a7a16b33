//! The image that is pulled: layers as real images have them. A Debian base, a layer of many small files, one of a large
//! program, and one with a single file.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use ring::digest::{SHA256, digest};
use serde_json::json;

/// Files of the layer of small ones, and bytes of each.
const SMALL: (u32, usize) = (6000, 2048);
/// Bytes of the large program.
const LARGE: usize = 24 << 20;

/// What `docker save` would write of it, in a directory; answers the archive. Each number has layers of its own, alike in
/// all but a few bytes.
#[expect(
    clippy::disallowed_methods,
    reason = "cargo's configuration says so in the environment"
)]
pub(crate) fn archive(directory: &Path, number: usize) -> io::Result<PathBuf> {
    let base = std::env::var_os("GANTRY_BASE_IMAGES").map(PathBuf::from);
    let base = base.ok_or_else(|| io::Error::other("GANTRY_BASE_IMAGES says where the base image is"))?;
    let mark = number.to_string().into_bytes();
    let marked = |fill: &dyn Fn(&mut tar::Builder<Vec<u8>>) -> io::Result<()>| {
        layer(|tar| {
            file(tar, "etc/number", &mark)?;
            fill(tar)
        })
    };
    let base = File::open(base.join("bookworm-1.tar"))?;
    let layers = [
        marked(&|tar| copy(tar, &base))?,
        marked(&|tar| {
            (0..SMALL.0).try_for_each(|at| file(tar, &format!("srv/small/{at}.js"), &text(at, SMALL.1)))
        })?,
        marked(&|tar| file(tar, "usr/local/bin/large", &noise(LARGE)))?,
        marked(&|tar| file(tar, "etc/mix.conf", b"answer = 42\n"))?,
    ];
    let diff_ids: Vec<String> = layers
        .iter()
        .map(|layer| format!("sha256:{}", hex(layer)))
        .collect();
    let config = json!({
        "architecture": "amd64", "os": "linux", "config": {"Cmd": ["sh"]},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
        "history": diff_ids.iter().map(|_| json!({"created": "2026-01-01T00:00:00Z"})).collect::<Vec<_>>(),
    });
    let config = config.to_string().into_bytes();
    let names: Vec<String> = (0..layers.len()).map(|at| format!("{at}.tar")).collect();
    let manifest = json!([{"Config": "config.json", "RepoTags": ["mix:latest"], "Layers": names}]);
    let path = directory.join("mix.tar");
    let mut tar = tar::Builder::new(BufWriter::new(File::create(&path)?));
    file(&mut tar, "config.json", &config)?;
    for (name, layer) in names.iter().zip(&layers) {
        file(&mut tar, name, layer)?;
    }
    file(&mut tar, "manifest.json", manifest.to_string().as_bytes())?;
    tar.into_inner()?.flush()?;
    Ok(path)
}

/// All of an archive's entries.
fn copy(tar: &mut tar::Builder<Vec<u8>>, from: &File) -> io::Result<()> {
    for entry in tar::Archive::new(from).entries()?.raw(true) {
        let entry = entry?;
        let header = entry.header().clone();
        tar.append(&header, entry)?;
    }
    Ok(())
}

fn layer(fill: impl FnOnce(&mut tar::Builder<Vec<u8>>) -> io::Result<()>) -> io::Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    fill(&mut tar)?;
    tar.into_inner()
}

fn file<W: Write>(tar: &mut tar::Builder<W>, name: &str, content: &[u8]) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    header.set_cksum();
    tar.append_data(&mut header, name, content)
}

pub(super) fn hex(bytes: &[u8]) -> String {
    digest(&SHA256, bytes)
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Text as programs are written in: it compresses to a third or so.
fn text(seed: u32, length: usize) -> Vec<u8> {
    let words = [
        "const ",
        "return ",
        "function ",
        "(value) ",
        "=> { ",
        "};\n",
        "if (",
        "export ",
        "=== ",
    ];
    let mut state = seed.wrapping_mul(2_654_435_761) | 1;
    let mut text = Vec::with_capacity(length + 16);
    while text.len() < length {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        text.extend_from_slice(words[(state >> 16) as usize % words.len()].as_bytes());
        text.extend_from_slice(format!("v{:x} ", state >> 20).as_bytes());
    }
    text.truncate(length);
    text
}

/// Bytes of a program: half of them say something.
pub(super) fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(length + 16);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
        bytes.extend_from_slice(&[0x48, 0x89, 0xe5, 0, 0, 0, 0, 0]);
    }
    bytes.truncate(length);
    bytes
}
