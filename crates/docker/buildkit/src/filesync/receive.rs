//! The receiving end of fsutil's protocol.
//!
//! `STAT` for every entry in order, an empty one at the end; `REQ` asks for the content of the n-th; `DATA` with that
//! number, an empty one at its end; `FIN` from us, `FIN` back.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use image::{Digest, Hasher};
use prost::Message as _;

use super::archive::{Archive, EntryKind, Place, is_clean};
use super::{Spool, Wanted};
use crate::grpc::{Code, Incoming, Sender, Status};
use crate::proto::fsutil::packet::PacketType;
use crate::proto::fsutil::{Packet, Stat};
use crate::session::Session;

/// At most so many entries, bytes in their names, and bytes of content.
const MAX_ENTRIES: usize = 1 << 20;
const MAX_NAMES: usize = 256 << 20;
const MAX_CONTENT: u64 = 16 << 30;
/// Contents that are asked for at once: the sender reads requests with as much patience.
const AT_ONCE: usize = 64;

/// What a call has brought.
#[derive(Debug)]
pub(crate) struct Received {
    /// Everything.
    pub(crate) archive: Arc<Archive>,
    /// Bytes of content that came over the wire.
    pub(crate) transferred: u64,
}

/// Fetches files of a client. Contents that `known` has are not asked for. Blocks on the disk: to be run where that is
/// allowed.
///
/// # Errors
/// The client's, the disk's, and what goes beyond a bound.
pub(crate) async fn receive(
    session: &Session,
    wanted: &Wanted,
    known: Option<&Arc<Archive>>,
    spool: Spool<'_>,
) -> Result<Received, Status> {
    const COPY: &str = "/moby.filesync.v1.FileSync/DiffCopy";
    let metadata = wanted.metadata();
    let metadata: Vec<(&str, &str)> = metadata.iter().map(|(name, value)| (*name, &value[..])).collect();
    let (mut sender, mut incoming) = session.serves(COPY)?.open(COPY, &metadata).await?;
    let stats = told(&mut incoming).await?;
    let all = said(&stats);
    let (archive, transferred) = match known.filter(|known| known.said == Some(all)) {
        // Nothing has changed, and archives do not change either.
        Some(known) => (known.clone(), 0),
        None => {
            let mut archive = Archive::new(spool().map_err(disk)?);
            let mut missing = lay_out(&mut archive, &stats, known.map(|known| &**known))?;
            archive.close().map_err(disk)?;
            let transferred = contents(&mut sender, &mut incoming, &archive, &mut missing).await?;
            archive.said = Some(all);
            (Arc::new(archive), transferred)
        }
    };
    sender.send(&packet(PacketType::PacketFin, 0)).await?;
    // The client says the same and ends the call.
    while let Some(packet) = incoming.message::<Packet>().await? {
        refuse_error(&packet)?;
    }
    Ok(Received { archive, transferred })
}

fn disk(cause: io::Error) -> Status {
    Status::new(Code::Internal, format!("keeping the client's files: {cause}"))
}

fn packet(kind: PacketType, id: u32) -> Packet {
    Packet {
        r#type: kind.into(),
        id,
        ..Packet::default()
    }
}

fn refuse_error(packet: &Packet) -> Result<(), Status> {
    if packet.r#type() == PacketType::PacketErr {
        let sentence = format!("error from sender: {}", String::from_utf8_lossy(&packet.data));
        return Err(Status::new(Code::Unknown, sentence));
    }
    Ok(())
}

fn out_of_order(packet: &Packet) -> Status {
    Status::invalid(format!("the client sent {:?} out of order", packet.r#type()))
}

/// Bytes that an entry's texts take, with what each attribute costs by itself.
fn held(stat: &Stat) -> usize {
    const ATTRIBUTE: usize = 64;
    let attribute = |(name, value): (&String, &bytes::Bytes)| ATTRIBUTE + name.len() + value.len();
    stat.path.len() + stat.linkname.len() + stat.xattrs.iter().map(attribute).sum::<usize>()
}

/// All that the client tells of.
async fn told(incoming: &mut Incoming) -> Result<Vec<Stat>, Status> {
    let mut stats = Vec::new();
    let (mut names, mut content) = (0, 0_u64);
    loop {
        let packet: Packet = incoming.single().await?;
        refuse_error(&packet)?;
        if packet.r#type() != PacketType::PacketStat {
            return Err(out_of_order(&packet));
        }
        let Some(mut stat) = packet.stat else {
            return Ok(stats);
        };
        // A client on Windows may begin a path with `/`; everything else has to be clean.
        if let Some(relative) = stat.path.strip_prefix('/') {
            stat.path = relative.to_owned();
        }
        if !is_clean(&stat.path) {
            return Err(Status::invalid(format!(
                "the client named a path {:?}",
                stat.path
            )));
        }
        names += held(&stat);
        content = content.saturating_add(u64::try_from(stat.size).unwrap_or(u64::MAX));
        stats.push(stat);
        let bounds = [
            (stats.len() > MAX_ENTRIES, "entries"),
            (names > MAX_NAMES, "bytes of names"),
            (content > MAX_CONTENT, "bytes"),
        ];
        if let Some((_, what)) = bounds.iter().find(|(beyond, _)| *beyond) {
            return Err(Status::new(
                Code::ResourceExhausted,
                format!("the client's files have too many {what}"),
            ));
        }
    }
}

/// What a client tells of its files, in short: two that are alike have the same names, sizes, times and attributes.
fn said(stats: &[Stat]) -> Digest {
    let mut hasher = Hasher::default();
    stats
        .iter()
        .for_each(|stat| hasher.update(&stat.encode_length_delimited_to_vec()));
    hasher.digest()
}

/// Gives every entry its place and fills in what is known; gives what has to be asked for.
fn lay_out(
    archive: &mut Archive,
    stats: &[Stat],
    known: Option<&Archive>,
) -> Result<BTreeMap<u32, Missing>, Status> {
    let mut missing = BTreeMap::new();
    for (number, stat) in (0..).zip(stats) {
        archive.add(stat).map_err(disk)?;
        let Some(&EntryKind::File(place)) = archive.entry(&stat.path) else {
            continue;
        };
        match known.and_then(|known| Some((known, same(known, &stat.path, place)?))) {
            _ if place.size == 0 => {}
            Some((known, old)) => archive.copy(known, old, place).map_err(disk)?,
            None => drop(missing.insert(number, Missing { place, taken: 0 })),
        }
    }
    Ok(missing)
}

/// The content that an earlier archive has of a path, if it is the same by size and time.
fn same(known: &Archive, path: &str, place: Place) -> Option<Place> {
    match known.entry(path)? {
        EntryKind::File(old) if old.size == place.size && old.modified == place.modified => Some(*old),
        _ => None,
    }
}

/// A content that is on its way.
#[derive(Debug)]
struct Missing {
    place: Place,
    taken: u64,
}

/// Asks for contents and puts them in their places.
async fn contents(
    sender: &mut Sender,
    incoming: &mut Incoming,
    archive: &Archive,
    missing: &mut BTreeMap<u32, Missing>,
) -> Result<u64, Status> {
    let mut queue: Vec<u32> = missing.keys().rev().copied().collect();
    let (mut asked, mut transferred) = (0_usize, 0);
    while !missing.is_empty() {
        while asked < AT_ONCE
            && let Some(id) = queue.pop()
        {
            if let Err(broken) = sender.send(&packet(PacketType::PacketReq, id)).await {
                return Err(incoming.fate(broken).await);
            }
            asked += 1;
        }
        let packet: Packet = incoming.single().await?;
        refuse_error(&packet)?;
        let content = missing.get_mut(&packet.id);
        let (PacketType::PacketData, Some(content)) = (packet.r#type(), content) else {
            return Err(out_of_order(&packet));
        };
        if packet.data.is_empty() {
            if content.taken < content.place.size {
                return Err(Status::new(
                    Code::Aborted,
                    "a file has shrunk while the client sent it",
                ));
            }
            missing.remove(&packet.id);
            asked = asked.saturating_sub(1);
            continue;
        }
        // A file that grows meanwhile is taken as it was when it was told.
        let room = content.place.size - content.taken;
        let length = packet.data.len().min(usize::try_from(room).unwrap_or(usize::MAX));
        archive
            .write(content.place.offset + content.taken, &packet.data[..length])
            .map_err(disk)?;
        content.taken += length as u64;
        transferred += length as u64;
    }
    Ok(transferred)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_attributes_are_counted() {
        let mut stat = Stat {
            path: "a".into(),
            linkname: "bc".into(),
            ..Stat::default()
        };
        assert_eq!(held(&stat), 3);
        stat.xattrs
            .insert("k".repeat(1000), bytes::Bytes::from_static(b"vv"));
        stat.xattrs.insert(String::new(), bytes::Bytes::new());
        assert_eq!(held(&stat), 3 + 1002 + 2 * 64);
    }
}
