//! Results that go out to the client (`FileSend.DiffCopy`): the files of an image, of a plain tar archive that this
//! machine has packed, as they are (exporter `tar`) or in fsutil's protocol (exporter `local`), where the client asks
//! for the contents that it has not.

use std::fs::File;
use std::io::{self, BufReader, Seek, SeekFrom};
use std::os::unix::fs::FileExt as _;

use bytes::Bytes;
use tar::EntryType;

use super::archive::{go_mode, is_clean};
use crate::grpc::{Code, Incoming, Sender, Status};
use crate::proto::filesync::BytesMessage;
use crate::proto::fsutil::packet::PacketType;
use crate::proto::fsutil::{Packet, Stat};
use crate::session::Session;

const COPY: &str = "/moby.filesync.v1.FileSend/DiffCopy";
/// Metadata: which of the build's exporters it is.
const EXPORTER: &str = "buildkit-attachable-exporter-id";
/// Bytes in a message; upstream's figure for files, and within a message for archives.
const PIECE: usize = 32 << 10;

fn disk(cause: io::Error) -> Status {
    Status::new(Code::Internal, format!("reading the result: {cause}"))
}

/// Sends an archive as it is; gives its bytes. Blocks on the disk.
///
/// # Errors
/// The client's and the disk's.
pub(crate) async fn send_archive(session: &Session, archive: &File, number: usize) -> Result<u64, Status> {
    let number = number.to_string();
    let (mut sender, mut incoming) = session.serves(COPY)?.open(COPY, &[(EXPORTER, &number)]).await?;
    let mut offset = 0;
    loop {
        let data = read(archive, offset, u64::MAX)?;
        if data.is_empty() {
            break;
        }
        offset += data.len() as u64;
        if let Err(broken) = sender.send(&BytesMessage { data }).await {
            return Err(incoming.fate(broken).await);
        }
    }
    sender.close();
    while incoming.message::<BytesMessage>().await?.is_some() {}
    Ok(offset)
}

fn read(archive: &File, offset: u64, left: u64) -> Result<Bytes, Status> {
    let mut piece = vec![0; PIECE.min(usize::try_from(left).unwrap_or(usize::MAX))];
    let read = archive.read_at(&mut piece, offset).map_err(disk)?;
    piece.truncate(read);
    Ok(piece.into())
}

/// Sends the files of an archive; gives the bytes of contents that the client wanted. Blocks on the disk.
///
/// # Errors
/// The client's and the disk's.
pub(crate) async fn send_files(session: &Session, archive: &File, number: usize) -> Result<u64, Status> {
    let entries = ordered(index(archive).map_err(disk)?);
    let number = number.to_string();
    let (mut sender, mut incoming) = session.serves(COPY)?.open(COPY, &[(EXPORTER, &number)]).await?;
    for (stat, _) in &entries {
        let packet = Packet {
            stat: Some(stat.clone()),
            ..Packet::default()
        };
        if let Err(broken) = sender.send(&packet).await {
            return Err(incoming.fate(broken).await);
        }
    }
    sender.send(&Packet::default()).await?;
    let sent = answer(&mut sender, &mut incoming, &entries, archive).await?;
    sender.close();
    while incoming.message::<Packet>().await?.is_some() {}
    Ok(sent)
}

/// Entries in the order that clients insist on, each once: directories before what is in them, names by their bytes.
fn ordered(mut entries: Vec<(Stat, u64)>) -> Vec<(Stat, u64)> {
    entries.sort_by(|(one, _), (other, _)| one.path.split('/').cmp(other.path.split('/')));
    entries.dedup_by(|(later, _), (first, _)| later.path == first.path);
    entries
}

/// Answers the client's requests until it has everything.
async fn answer(
    sender: &mut Sender,
    incoming: &mut Incoming,
    entries: &[(Stat, u64)],
    archive: &File,
) -> Result<u64, Status> {
    let mut sent = 0;
    loop {
        let packet: Packet = incoming.single().await?;
        match packet.r#type() {
            PacketType::PacketReq => {
                let entry = usize::try_from(packet.id).ok().and_then(|id| entries.get(id));
                let (stat, offset) =
                    entry.ok_or_else(|| Status::invalid("the client asked for no file of ours"))?;
                sent += content(sender, packet.id, *offset, stat, archive).await?;
            }
            PacketType::PacketFin => {
                sender.send(&packet).await?;
                return Ok(sent);
            }
            PacketType::PacketErr => {
                let sentence = format!("error from receiver: {}", String::from_utf8_lossy(&packet.data));
                return Err(Status::new(Code::Unknown, sentence));
            }
            other => return Err(Status::invalid(format!("the client sent {other:?} out of order"))),
        }
    }
}

async fn content(
    sender: &mut Sender,
    id: u32,
    offset: u64,
    stat: &Stat,
    archive: &File,
) -> Result<u64, Status> {
    let size = u64::try_from(stat.size).unwrap_or(0);
    let mut done = 0;
    loop {
        let data = match size - done {
            0 => Bytes::new(),
            left => read(archive, offset + done, left)?,
        };
        done += data.len() as u64;
        let end = data.is_empty();
        let packet = Packet {
            r#type: PacketType::PacketData.into(),
            id,
            data,
            stat: None,
        };
        sender.send(&packet).await?;
        if end {
            return Ok(size);
        }
    }
}

/// What is in an archive and where its content begins. Devices stay: the client cannot make them, and upstream leaves
/// them out too.
pub(super) fn index(archive: &File) -> io::Result<Vec<(Stat, u64)>> {
    let mut file = archive.try_clone()?;
    file.seek(SeekFrom::Start(0))?;
    let mut reader = tar::Archive::new(BufReader::new(file));
    let mut entries = Vec::new();
    for entry in reader.entries_with_seek()? {
        let mut entry = entry?;
        let kind = entry.header().entry_type();
        let path = entry.path()?.to_string_lossy().trim_end_matches('/').to_owned();
        if !is_clean(&path) || matches!(kind, EntryType::Char | EntryType::Block) {
            continue;
        }
        let linkname = entry
            .link_name()?
            .map(|target| target.to_string_lossy().into_owned());
        let attributes = entry.pax_extensions()?.into_iter().flatten().flatten();
        let attributes = attributes.filter_map(|each| {
            let name = each.key().ok()?.strip_prefix("SCHILY.xattr.")?;
            Some((name.to_owned(), Bytes::copy_from_slice(each.value_bytes())))
        });
        let xattrs = attributes.collect();
        let header = entry.header();
        let number = |value: io::Result<u64>| value.map(|value| u32::try_from(value).unwrap_or(u32::MAX));
        let stat = Stat {
            path,
            mode: go_mode(header.mode()?, kind),
            uid: number(header.uid())?,
            gid: number(header.gid())?,
            size: i64::try_from(entry.size()).unwrap_or(i64::MAX),
            mod_time: i64::try_from(header.mtime()?)
                .unwrap_or(0)
                .saturating_mul(1_000_000_000),
            linkname: linkname.unwrap_or_default(),
            xattrs,
            ..Stat::default()
        };
        entries.push((stat, entry.raw_file_position()));
    }
    Ok(entries)
}
