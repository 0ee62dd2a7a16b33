//! The interpreter of init programs: what a container's first process runs between `clone3` and
//! `execve`.
//!
//! It runs in a copy of a process that may have had other threads, so it must not allocate, take a
//! lock or call into anything that might: only `raw`'s system calls, the stack, and the program
//! that was prepared before the clone. Every operation is a few lines; the first one that fails is
//! reported with its index and errno, and the process ends.

mod console;
mod exec;
mod identity;
mod mounts;
mod reaper;
mod resolve;

use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};

use crate::launch::Report;
use crate::program::{Op, Prepared, SLOTS, Slot, TOLERATE_REFUSAL};
use crate::raw::{self, Errno, Result};

/// Exit status of a process that could not run its program; whoever reads the channel knows more.
const FAILED: i32 = 125;

/// Everything the process holds while it runs its program.
pub(crate) struct Init<'a> {
    program: &'a Prepared<'a>,
    slots: [Option<OwnedFd>; SLOTS],
    /// `None` once the launcher has been told that the container is created.
    channel: Option<OwnedFd>,
    /// The executable that `Lookup` found.
    found: exec::Executable,
}

impl<'a> Init<'a> {
    /// # Safety
    /// Only in a process that `clone3` has just made: the descriptors named here are its own
    /// copies, and nothing else in it runs.
    pub(crate) unsafe fn new(
        program: &'a Prepared<'a>,
        slots: &[RawFd],
        channel: RawFd,
        inherit: u32,
    ) -> Self {
        close_others(slots, channel, inherit);
        // SAFETY: this process's copy of the descriptor has no other owner that will ever run.
        let own = |fd: RawFd| unsafe { OwnedFd::from_raw_fd(fd) };
        let mut held = [const { None }; SLOTS];
        for (slot, fd) in held.iter_mut().zip(slots) {
            *slot = Some(own(*fd));
        }
        Self {
            program,
            slots: held,
            channel: Some(own(channel)),
            found: exec::Executable::unknown(),
        }
    }

    /// Runs the program. Returns only by replacing or ending the process.
    pub(crate) fn run(mut self) -> ! {
        raw::reset_signals();
        for index in 0..self.program.len() {
            let Some(op) = self.program.op(index) else {
                raw::exit(FAILED)
            };
            if let Err(error) = self.step(index, op) {
                self.report(&Report::failed(index, error));
                if self.channel.is_none() {
                    self.found.complain(error);
                }
                raw::exit(exec::status(op, error));
            }
        }
        // A program that does not end in Exec has nothing to become.
        raw::exit(0)
    }

    /// One operation. What belongs to mounts, identity, terminals and exec is in the files of
    /// those names.
    fn step(&mut self, index: u32, op: Op) -> Result<()> {
        let text = |text| self.program.text(text);
        let words = |words| self.program.words(words);
        match op {
            Op::Write {
                dir,
                path,
                data,
                flags,
            } => self.write(index, dir, text(path), text(data), flags),
            Op::Join { of, kinds } => raw::setns(self.fd(of)?, kinds),
            Op::Unshare { kinds } => raw::unshare(kinds),
            Op::Clone {} => self.go_on_in_child(),
            Op::Sync { code } => self.sync(code),
            Op::Prctl { option, value } => raw::prctl(option, value).map(drop),
            Op::Setsid {} => raw::setsid(),
            Op::Umask { mode } => raw::umask(mode),
            Op::Rlimit { resource, soft, hard } => self.rlimit(index, resource, soft, hard),
            Op::Hostname { name } => raw::sethostname(text(name).to_bytes()),
            Op::Domainname { name } => raw::setdomainname(text(name).to_bytes()),
            Op::Propagation { path, flags } => raw::propagation(text(path), flags.into()),
            Op::PrivateParent { path } => mounts::private_parent(text(path)),
            Op::Open {
                out,
                dir,
                path,
                flags,
            } => self.open(out, dir, text(path), flags),
            Op::Tree {
                out,
                dir,
                path,
                flags,
            } => self.tree(out, dir, text(path), flags),
            Op::Filesystem {
                out,
                kind,
                options,
                attributes,
            } => self.filesystem(out, text(kind), options, attributes),
            Op::Attributes {
                tree,
                set,
                clear,
                propagation,
                flags,
            } => self.attributes(
                tree,
                &raw::MountAttr {
                    set,
                    clear,
                    propagation,
                    userns: 0,
                },
                flags,
            ),
            Op::Attach {
                tree,
                root,
                path,
                flags,
            } => self.attach(tree, root, text(path), flags),
            Op::Pivot { root } => self.pivot(root),
            Op::Device {
                root,
                path,
                mode,
                device,
                owner,
            } => self.device(root, text(path), mode, device, Owner::unpack(owner)),
            Op::Directory { root, path } => self.directory(root, text(path)),
            Op::Symlink { root, target, path } => self.symlink(root, text(target), text(path)),
            Op::Mask {
                base,
                directory,
                file,
                path,
            } => self.mask(base, directory, file, text(path)),
            Op::Readonly { base, path } => self.readonly(base, text(path)),
            Op::Console {
                pts,
                socket,
                out,
                size,
                owner,
            } => self.console(pts, socket, out, size, Owner::unpack(owner)),
            Op::ControllingTerminal { tty } => raw::ioctl(self.fd(tty)?, libc::TIOCSCTTY, 0).map(drop),
            Op::Dup { from, to } => self.dup(from, to),
            Op::CloseFrom { first, keep } => self.close_from(first, keep),
            Op::Chdir { path, flags } => identity::chdir(text(path), flags),
            Op::Groups { groups } => identity::groups(words(groups)),
            Op::OwnStreams { uid, gid } => identity::own_streams(uid, gid),
            Op::Mount { kind, path, data } => raw::mount(text(kind), text(path), text(data)),
            Op::Ids { uid, gid } => raw::setresgid(gid).and_then(|()| raw::setresuid(uid)),
            Op::BoundingSet { keep } => identity::bounding_set(keep),
            Op::Capabilities {
                effective,
                permitted,
                inheritable,
            } => raw::capset(effective, permitted, inheritable),
            Op::Ambient { set } => identity::ambient(set),
            Op::Seccomp { filter, flags } => raw::seccomp(words(filter), flags),
            Op::Keyring { name } => identity::keyring(text(name)),
            Op::Scheduler { attributes } => raw::sched_setattr(words(attributes)),
            Op::IoPriority { priority } => raw::ioprio_set(priority),
            Op::Personality { persona } => raw::personality(persona),
            Op::Affinity { mask } => raw::sched_setaffinity(words(mask)),
            Op::Lookup { name, search } => self.found.lookup(text(name), text(search)),
            Op::WaitStart { gate } => self.wait_start(gate),
            Op::Init {} => reaper::fork_under_init(self.argument_list()),
            Op::Exec {
                arguments,
                environment,
            } => Err(self
                .found
                .exec(self.program.texts(arguments), self.program.texts(environment))),
        }
    }

    /// What the program will be called with.
    fn argument_list(&self) -> impl Iterator<Item = &'a CStr> {
        let last = self.program.len().checked_sub(1);
        let arguments = match last.and_then(|last| self.program.op(last)) {
            Some(Op::Exec { arguments, .. }) => Some(arguments),
            _ => None,
        };
        let program = self.program;
        arguments
            .into_iter()
            .flat_map(|arguments| program.strings(arguments))
    }

    fn write(&self, index: u32, dir: Slot, path: &CStr, data: &CStr, flags: u32) -> Result<()> {
        let resolve = if dir == Slot::NONE { 0 } else { resolve::PROC_FILE };
        let file = raw::openat2(self.dir(dir)?, path, libc::O_WRONLY, 0, resolve);
        let written = file.and_then(|file| raw::write(file.as_fd(), data.to_bytes()));
        match written {
            Err(error @ (Errno::PERM | Errno::ACCESS)) if flags & TOLERATE_REFUSAL != 0 => {
                self.report(&Report::warning(index, error));
                Ok(())
            }
            other => other.map(drop),
        }
    }

    /// The limits, or as near as an unprivileged process gets: the hard limit stays where it is.
    fn rlimit(&self, index: u32, resource: u32, soft: u64, hard: u64) -> Result<()> {
        match raw::prlimit(resource, Some([soft, hard])) {
            Err(error @ Errno::PERM) => {
                let [_, held] = raw::prlimit(resource, None)?;
                raw::prlimit(resource, Some([soft.min(held), held]))?;
                self.report(&Report::warning(index, error));
                Ok(())
            }
            other => other.map(drop),
        }
    }

    /// Clones with CLONE_PARENT, so that the new process is the launcher's child as this one was,
    /// and tells the launcher its id as seen from outside the new namespaces.
    fn go_on_in_child(&mut self) -> Result<()> {
        let args = raw::CloneArgs {
            flags: libc::CLONE_PARENT as u64,
            ..Default::default()
        };
        // SAFETY: this process has one thread and holds no lock; parent and child both go on with
        // their own copy of everything, and the parent ends at once.
        match unsafe { raw::clone3(&args) }? {
            0 => Ok(()),
            pid => {
                self.report(&Report::moved(pid));
                raw::exit(0)
            }
        }
    }

    fn sync(&self, code: u32) -> Result<()> {
        let channel = self.channel.as_ref().ok_or(Errno::BADF)?;
        self.report(&Report::sync(code));
        let mut answer = [0u8; 1];
        match raw::read(channel.as_fd(), &mut answer)? {
            1 => Ok(()),
            // The launcher is gone or has given up: so does its child.
            _ => Err(Errno::CANCELED),
        }
    }

    /// `create` ends here and `start` goes on from here, in any process that can write to the
    /// FIFO: it has a name, and survives the death of whoever created the container.
    fn wait_start(&mut self, gate: Slot) -> Result<()> {
        let gate = self.take(gate)?;
        let channel = self.channel.take().ok_or(Errno::BADF)?;
        // Nobody would ever start what a launcher that is gone has not heard of.
        raw::write(channel.as_fd(), &Report::created().to_bytes())?;
        drop(channel);
        raw::read(gate.as_fd(), &mut [0]).map(drop)
    }

    /// From here on paths are the container's: no descriptor of ours may be a way around them.
    fn close_from(&mut self, first: u32, keep: Slot) -> Result<()> {
        let kept = self.take(keep).ok();
        self.slots.iter_mut().for_each(|slot| *slot = None);
        raw::close_range(first, u32::MAX, libc::CLOSE_RANGE_CLOEXEC);
        match kept {
            Some(kept) => self.keep(keep, kept),
            None => Ok(()),
        }
    }

    /// Nothing of ours may sit on the number that a container's descriptor is to have.
    fn dup(&mut self, from: Slot, to: u32) -> Result<()> {
        let to = RawFd::try_from(to).map_err(|_| Errno::BADF)?;
        if self.fd(from)?.as_raw_fd() == to {
            // It is there already: the program's from now on, and the slot gets one of its own.
            let copy = raw::dup_above(self.fd(from)?, RESERVED)?;
            let _ = self.take(from)?.into_raw_fd();
            self.keep(from, copy)?;
            return raw::set_cloexec(to, false);
        }
        for held in self.slots.iter_mut().chain([&mut self.channel]).flatten() {
            if held.as_raw_fd() == to {
                *held = raw::dup_above(held.as_fd(), RESERVED)?;
            }
        }
        raw::dup3(self.fd(from)?.as_raw_fd(), to, 0)
    }

    fn report(&self, report: &Report) {
        if let Some(channel) = &self.channel {
            // The launcher may be gone; the container's start does not depend on its ears.
            let _ = raw::write(channel.as_fd(), &report.to_bytes());
        }
    }

    /// The descriptor in `slot`, which an earlier operation or the launcher filled.
    fn fd(&self, slot: Slot) -> Result<BorrowedFd<'_>> {
        self.slots
            .get(usize::from(slot.0))
            .and_then(Option::as_ref)
            .map(AsFd::as_fd)
            .ok_or(Errno::BADF)
    }

    /// Where a path of an operation starts.
    fn dir(&self, slot: Slot) -> Result<RawFd> {
        if slot == Slot::NONE {
            Ok(raw::CWD)
        } else {
            self.fd(slot).map(|fd| fd.as_raw_fd())
        }
    }

    fn take(&mut self, slot: Slot) -> Result<OwnedFd> {
        self.slots
            .get_mut(usize::from(slot.0))
            .and_then(Option::take)
            .ok_or(Errno::BADF)
    }

    fn keep(&mut self, slot: Slot, fd: OwnedFd) -> Result<()> {
        *self.slots.get_mut(usize::from(slot.0)).ok_or(Errno::BADF)? = Some(fd);
        Ok(())
    }
}

/// Closes what the launcher had open besides: a directory of the host that stays open while the
/// container's paths are resolved is a way out of it (CVE-2024-21626), and the launcher's end of
/// the channel would hide its death.
fn close_others(slots: &[RawFd], channel: RawFd, inherit: u32) {
    let mut from = inherit;
    loop {
        let kept = slots.iter().chain([&channel]).map(|fd| fd.unsigned_abs());
        // Descriptors are few, and looking for the next one needs no memory.
        match kept.filter(|fd| *fd >= from).min() {
            Some(next) => {
                if next > from {
                    raw::close_range(from, next - 1, 0);
                }
                from = next + 1;
            }
            None => return raw::close_range(from, u32::MAX, 0),
        }
    }
}

/// Our own descriptors move to numbers from here when a container's need theirs.
const RESERVED: RawFd = 256;

/// Owner of a file that an operation makes.
#[derive(Clone, Copy)]
struct Owner {
    uid: u32,
    gid: u32,
}

impl Owner {
    fn unpack(packed: u64) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "gid in the low, uid in the high 32 bits"
        )]
        Self {
            uid: (packed >> 32) as u32,
            gid: packed as u32,
        }
    }
}
