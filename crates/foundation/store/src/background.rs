//! What the writer has done for it aside, because it takes long: filling the next segment with
//! zeroes, dumping a checkpoint. A job owns what it needs and touches nothing the writer does.

use std::io;
use std::sync::Arc;

use driver::Dir;

use crate::Revision;
use crate::checkpoint::Checkpoint;
use crate::layout::{Contents, checkpoint_name, segment_name};
use crate::segment::Blank;

const BLANK: &str = "blank.tmp";

/// Something to do aside. [`Job::run`] it on any thread and give the result to the writer.
#[derive(Debug)]
pub struct Job {
    pub(crate) dir: Arc<dyn Dir>,
    pub(crate) task: Task,
}

#[derive(Debug)]
pub(crate) enum Task {
    /// Make a segment-to-be of this size.
    Blank { size: u64 },
    /// Write a checkpoint; then remove older ones and the segments it makes obsolete, one of
    /// which is kept as a segment-to-be if it is this large.
    Checkpoint {
        checkpoint: Box<Checkpoint>,
        recycle: Option<u64>,
    },
}

/// What became of a job.
#[derive(Debug)]
pub struct Finished(pub(crate) io::Result<Outcome>);

#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) blank: Option<Blank>,
    pub(crate) checkpoint: Option<Dumped>,
}

/// A checkpoint that was written.
#[derive(Debug)]
pub(crate) struct Dumped {
    pub(crate) revision: Revision,
    pub(crate) first_segment: u64,
    /// Its length in bytes.
    pub(crate) size: u64,
}

impl Job {
    /// Does it.
    pub fn run(self) -> Finished {
        Finished(match self.task {
            Task::Blank { size } => Blank::create(&*self.dir, BLANK, size).map(|blank| Outcome {
                blank: Some(blank),
                checkpoint: None,
            }),
            Task::Checkpoint { checkpoint, recycle } => run_checkpoint(&*self.dir, &checkpoint, recycle),
        })
    }
}

fn run_checkpoint(dir: &dyn Dir, checkpoint: &Checkpoint, recycle: Option<u64>) -> io::Result<Outcome> {
    let size = checkpoint.write(dir)?;
    let written = Dumped {
        revision: checkpoint.revision,
        first_segment: checkpoint.first_segment,
        size,
    };
    // The checkpoint stands; what it replaces may as well be removed at the next open.
    let blank = remove_obsolete(dir, checkpoint, recycle).unwrap_or(None);
    Ok(Outcome {
        blank,
        checkpoint: Some(written),
    })
}

fn remove_obsolete(
    dir: &dyn Dir,
    checkpoint: &Checkpoint,
    recycle: Option<u64>,
) -> io::Result<Option<Blank>> {
    let contents = Contents::list(dir)?;
    for &revision in contents
        .checkpoints
        .iter()
        .filter(|&&revision| revision < checkpoint.revision)
    {
        dir.remove(&checkpoint_name(revision))?;
    }
    let mut blank = None;
    for &sequence in contents
        .segments
        .iter()
        .filter(|&&sequence| sequence < checkpoint.first_segment)
    {
        if recycle == Some(sequence) {
            blank = Some(Blank::recycle(dir, sequence, BLANK)?);
        } else {
            dir.remove(&segment_name(sequence))?;
        }
    }
    Ok(blank)
}
