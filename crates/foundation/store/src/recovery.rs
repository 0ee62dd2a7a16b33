//! Opening a store: find the newest checkpoint, replay what follows, make it durable
//! (`docs/formats/store-log.md`, Recovery).

use std::collections::VecDeque;
use std::sync::Arc;

use driver::{Dir, Instant, Rng};

use crate::checkpoint::Checkpoint;
use crate::history::History;
use crate::layout::{self, Contents, checkpoint_name, segment_name};
use crate::lease::Leases;
use crate::log::{Log, Sealed};
use crate::rebuild::State;
use crate::replay::{Extent, Position, has_hole, replay};
use crate::segment::{Blank, START, Segment, size_of};
use crate::{OpenError, Options, Revision, Snapshot};

/// A store as it was found.
pub(crate) struct Recovered {
    pub(crate) log: Log,
    pub(crate) history: History,
    pub(crate) leases: Leases,
    pub(crate) current: Snapshot,
    pub(crate) checkpoint: Revision,
}

/// Opens the store in `dir`, creating it if the directory is vacant. The caller holds the lock.
pub(crate) fn recover(
    dir: Arc<dyn Dir>,
    options: Options,
    mut rng: Rng,
    now: Instant,
) -> Result<Recovered, OpenError> {
    let contents = Contents::list(&*dir)?;
    contents.remove_unfinished(&*dir)?;
    if !contents.is_store() {
        create(&*dir, &contents, &options, &mut rng)?;
    }
    let id = layout::read_stamp(&*dir)?;
    let contents = Contents::list(&*dir)?;
    let checkpoint = load_checkpoint(&*dir, &contents, id)?;
    let segments = open_segments(&*dir, &contents, id, checkpoint.first_segment)?;
    let mut state = State::new(&checkpoint, &options, now);
    let (ends, position) = replay_all(&segments, &mut state, &checkpoint)?;
    let log = open_log(dir, id, options, rng, segments, &ends, position)?;
    // A gap, if the ceiling is above what was found.
    state.history.skip_to(position.ceiling);
    let current = Snapshot {
        revision: position.last,
        tree: state.tree,
    };
    Ok(Recovered {
        log,
        history: state.history,
        leases: state.leases,
        current,
        checkpoint: checkpoint.revision,
    })
}

/// Makes the first segment, then the stamp: with it the store exists.
fn create(dir: &dyn Dir, contents: &Contents, options: &Options, rng: &mut Rng) -> Result<(), OpenError> {
    if !contents.is_vacant() {
        return Err(OpenError::corrupt(
            "format",
            0,
            "segments or checkpoints without a stamp",
        ));
    }
    let id = layout::new_id(rng);
    let blank = Blank::create(dir, "segment.tmp", size_of(options, 1))?;
    blank.activate(dir, id, 1, rng.next_u64())?;
    Ok(layout::write_stamp(dir, id)?)
}

/// The newest checkpoint that is whole; the empty state if there never was one.
fn load_checkpoint(dir: &dyn Dir, contents: &Contents, id: u128) -> Result<Checkpoint, OpenError> {
    for &revision in contents.checkpoints.iter().rev() {
        if let Some(loaded) = Checkpoint::read(dir, id, revision)? {
            return Ok(loaded);
        }
    }
    let none = Checkpoint {
        id,
        first_segment: 1,
        ..Checkpoint::default()
    };
    match contents.checkpoints.last() {
        // The log reaches back to the beginning: the broken checkpoint is not needed.
        Some(_) if contents.segments.first() == Some(&1) => Ok(none),
        Some(&broken) => Err(OpenError::corrupt(
            &checkpoint_name(broken),
            0,
            "broken checkpoint",
        )),
        None => Ok(none),
    }
}

/// Opens the segments from `first` on, which must be without a hole; removes what was before.
fn open_segments(
    dir: &dyn Dir,
    contents: &Contents,
    id: u128,
    first: u64,
) -> Result<Vec<Segment>, OpenError> {
    let (obsolete, needed): (Vec<u64>, Vec<u64>) =
        contents.segments.iter().partition(|&&sequence| sequence < first);
    let expected: Vec<u64> = (first..).take(needed.len().max(1)).collect();
    if let Some(missing) = expected.iter().find(|sequence| !needed.contains(sequence)) {
        return Err(OpenError::corrupt(&segment_name(*missing), 0, "missing"));
    }
    let segments = needed
        .iter()
        .map(|&sequence| Segment::open(dir, id, sequence))
        .collect::<Result<_, _>>()?;
    obsolete
        .iter()
        .try_for_each(|&sequence| dir.remove(&segment_name(sequence)))?;
    Ok(segments)
}

/// Where the records of a segment end, and where the log has got to by then.
struct End {
    extent: Extent,
    position: Position,
    empty: bool,
}

/// Replays all segments and makes sure that nothing durable is missing behind the end.
fn replay_all(
    segments: &[Segment],
    state: &mut State,
    checkpoint: &Checkpoint,
) -> Result<(Vec<End>, Position), OpenError> {
    // Records the checkpoint has are read again: the links lead through them. If none is left,
    // relaxed ones may have been, under the ceiling that was in force.
    let Checkpoint {
        link,
        before,
        ceiling,
        ..
    } = *checkpoint;
    let mut position = Position {
        link,
        last: before,
        ceiling,
    };
    let mut ends = Vec::new();
    for segment in segments {
        let extent = replay(segment, &mut position, &mut |base, ops| state.apply(base, ops))?;
        ends.push(End {
            extent,
            position,
            empty: extent.end == START,
        });
    }
    let tail = tail_of(&ends);
    for (segment, end) in segments.iter().zip(&ends).skip(tail) {
        if has_hole(segment, end.extent.end, position.last)? {
            let (file, offset) = (segment_name(segments[tail].sequence), ends[tail].extent.end);
            return Err(OpenError::corrupt(
                &file,
                offset,
                "a durable record is missing here",
            ));
        }
    }
    if position.last < checkpoint.revision {
        // The checkpoint holds relaxed writes whose records never became durable.
        position.last = checkpoint.revision;
        position.ceiling = checkpoint.ceiling.max(position.ceiling);
    }
    Ok((ends, position))
}

/// The last segment that has records, or the first.
fn tail_of(ends: &[End]) -> usize {
    ends.iter().rposition(|end| !end.empty).unwrap_or(0)
}

/// Sets up the end of the log, having written again what was perhaps never durable.
fn open_log(
    dir: Arc<dyn Dir>,
    id: u128,
    options: Options,
    rng: Rng,
    segments: Vec<Segment>,
    ends: &[End],
    position: Position,
) -> Result<Log, OpenError> {
    let tail = tail_of(ends);
    let mut segments: VecDeque<Segment> = segments.into();
    let sealed = segments
        .drain(..tail)
        .zip(ends)
        .map(|(full, end)| seal(&full, end.position))
        .collect();
    let extent = ends[tail].extent;
    let Some(active) = segments.pop_front() else {
        return Err(OpenError::corrupt(&segment_name(1), 0, "missing"));
    };
    rewrite(&active, extent)?;
    dir.sync()?;
    Ok(Log {
        dir,
        id,
        rng,
        options,
        sealed,
        active,
        ready: segments,
        blank: None,
        end: extent.end,
        link: position.link,
        last: position.last,
        ceiling: position.ceiling,
        durable_ceiling: position.ceiling,
        synced: position.last,
        unsynced: false,
        dirty: false,
        failed: None,
    })
}

fn seal(full: &Segment, position: Position) -> Sealed {
    Sealed {
        sequence: full.sequence,
        last: position.last,
        link: position.link,
        size: full.size,
    }
}

fn rewrite(active: &Segment, extent: Extent) -> Result<(), OpenError> {
    let length = usize::try_from(extent.end - extent.unsynced).unwrap_or(0);
    let mut bytes = vec![0; length];
    active.file.read_exact_at(&mut bytes, extent.unsynced)?;
    active.file.write_at(&bytes, extent.unsynced)?;
    Ok(active.file.sync_data()?)
}
