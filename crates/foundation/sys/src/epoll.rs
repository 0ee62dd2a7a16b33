//! Waiting for many things at once: epoll(7), eventfd(2), timerfd_create(2), signalfd(2).

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{EventfdFlags, eventfd};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};

/// What to wait for. Hang-up and error are always reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interest {
    /// Wake when there is something to read.
    pub read: bool,
    /// Wake when there is room to write.
    pub write: bool,
}

impl Interest {
    /// Something to read.
    pub const READ: Self = Self {
        read: true,
        write: false,
    };
    /// Room to write.
    pub const WRITE: Self = Self {
        read: false,
        write: true,
    };
    /// Only hang-up and error.
    pub const NONE: Self = Self {
        read: false,
        write: false,
    };

    fn flags(self) -> EventFlags {
        let mut flags = EventFlags::empty();
        flags.set(EventFlags::IN, self.read);
        flags.set(EventFlags::OUT, self.write);
        flags
    }
}

/// One thing that is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ready {
    /// The token under which the descriptor was added.
    pub token: u64,
    /// There is something to read, or the end of the stream.
    pub read: bool,
    /// There is room to write.
    pub write: bool,
    /// The other side has gone, or the descriptor failed.
    pub closed: bool,
}

/// A level-triggered epoll set.
#[derive(Debug)]
pub struct Epoll(OwnedFd);

/// Most events that one [`Epoll::wait`] returns; the rest come with the next call.
const BATCH: usize = 64;

impl Epoll {
    /// An empty set.
    pub fn new() -> io::Result<Self> {
        Ok(Self(epoll::create(CreateFlags::CLOEXEC)?))
    }

    /// Adds a descriptor. Closing its last duplicate removes it.
    pub fn add(&self, source: impl AsFd, token: u64, interest: Interest) -> io::Result<()> {
        Ok(epoll::add(
            &self.0,
            source,
            EventData::new_u64(token),
            interest.flags(),
        )?)
    }

    /// Changes what an added descriptor waits for.
    pub fn modify(&self, source: impl AsFd, token: u64, interest: Interest) -> io::Result<()> {
        Ok(epoll::modify(
            &self.0,
            source,
            EventData::new_u64(token),
            interest.flags(),
        )?)
    }

    /// Removes a descriptor; needed where a duplicate of it lives on elsewhere.
    pub fn remove(&self, source: impl AsFd) -> io::Result<()> {
        Ok(epoll::delete(&self.0, source)?)
    }

    /// Waits until something is ready, without limit. A signal handler's interruption is waited out.
    pub fn wait(&self) -> io::Result<Vec<Ready>> {
        let mut events = Vec::with_capacity(BATCH);
        rustix::io::retry_on_intr(|| {
            epoll::wait(&self.0, rustix::buffer::spare_capacity(&mut events), None)
        })?;
        Ok(events.iter().map(ready).collect())
    }
}

fn ready(event: &epoll::Event) -> Ready {
    let flags = event.flags;
    Ready {
        token: event.data.u64(),
        read: flags.contains(EventFlags::IN),
        write: flags.contains(EventFlags::OUT),
        closed: flags.intersects(EventFlags::HUP | EventFlags::ERR),
    }
}

/// A counter that wakes another thread's [`Epoll`].
#[derive(Debug)]
pub struct Wakeup(OwnedFd);

impl Wakeup {
    /// A wake-up that has not rung.
    pub fn new() -> io::Result<Self> {
        Ok(Self(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?))
    }

    /// Makes the descriptor readable. A counter that is full is readable already.
    pub fn ring(&self) {
        let _ = rustix::io::write(&self.0, &1_u64.to_ne_bytes());
    }

    /// Makes the descriptor unreadable until the next ring.
    pub fn clear(&self) {
        let _ = rustix::io::read(&self.0, &mut [0; 8]);
    }
}

impl AsFd for Wakeup {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A timer on the clock of [`clock::boottime`](crate::clock::boottime).
#[derive(Debug)]
pub struct Timer(OwnedFd);

impl Timer {
    /// A timer that is not set.
    pub fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        Ok(Self(timerfd_create(TimerfdClockId::Boottime, flags)?))
    }

    /// Makes the descriptor readable at `at` on the boot-time clock (at once if that has passed),
    /// or never.
    pub fn set(&self, at: Option<Duration>) -> io::Result<()> {
        // An all-zero value would disarm the timer instead of firing at once.
        let at = at.map(|at| at.max(Duration::from_nanos(1))).unwrap_or_default();
        let it_value = Timespec {
            tv_sec: i64::try_from(at.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: at.subsec_nanos().into(),
        };
        let it_interval = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        timerfd_settime(
            &self.0,
            TimerfdTimerFlags::ABSTIME,
            &Itimerspec {
                it_interval,
                it_value,
            },
        )?;
        Ok(())
    }

    /// Makes the descriptor unreadable until the timer fires again.
    pub fn clear(&self) {
        let _ = rustix::io::read(&self.0, &mut [0; 8]);
    }
}

impl AsFd for Timer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Signals as a descriptor. They stay blocked for the thread that made it and for all threads
/// that it starts later, so it is made before the first of them.
#[derive(Debug)]
pub struct Signals(OwnedFd);

impl Signals {
    /// Blocks `signals` in the calling thread and delivers them here.
    pub fn block(signals: &[i32]) -> io::Result<Self> {
        let mut set = MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: sigemptyset initialises the set it is given; sigaddset and pthread_sigmask read
        // and write that initialised local; signalfd copies it. A null old set is allowed.
        let raw = unsafe {
            libc::sigemptyset(set.as_mut_ptr());
            for signal in signals {
                libc::sigaddset(set.as_mut_ptr(), *signal);
            }
            libc::pthread_sigmask(libc::SIG_BLOCK, set.as_ptr(), std::ptr::null_mut());
            libc::signalfd(-1, set.as_ptr(), libc::SFD_CLOEXEC | libc::SFD_NONBLOCK)
        };
        if raw < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: signalfd has just returned this descriptor to us and to nobody else.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(raw) }))
    }

    /// The next pending signal's number, if there is one.
    pub fn next(&self) -> Option<i32> {
        let mut info = [0_u8; size_of::<libc::signalfd_siginfo>()];
        let got = rustix::io::read(&self.0, &mut info).ok()?;
        // ssi_signo is the first field of signalfd_siginfo.
        (got == info.len()).then(|| i32::from_ne_bytes([info[0], info[1], info[2], info[3]]))
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for Signals {
    fn as_raw_fd(&self) -> i32 {
        self.0.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn a_wakeup_is_ready_from_ring_to_clear() {
        let (epoll, wakeup, timer) = (
            Epoll::new().unwrap(),
            Wakeup::new().unwrap(),
            Timer::new().unwrap(),
        );
        epoll.add(&wakeup, 7, Interest::READ).unwrap();
        epoll.add(&timer, 8, Interest::READ).unwrap();
        wakeup.ring();
        wakeup.ring();
        let ready = epoll.wait().unwrap();
        assert_eq!(
            ready,
            [Ready {
                token: 7,
                read: true,
                write: false,
                closed: false
            }]
        );
        wakeup.clear();
        timer.set(Some(clock::boottime())).unwrap();
        assert_eq!(epoll.wait().unwrap()[0].token, 8);
    }

    #[test]
    fn a_blocked_signal_is_read_not_delivered() {
        let signals = Signals::block(&[libc::SIGUSR2]).unwrap();
        assert_eq!(signals.next(), None);
        // SAFETY: raises a signal that the line above blocked for this very thread.
        unsafe { libc::pthread_kill(libc::pthread_self(), libc::SIGUSR2) };
        assert_eq!(signals.next(), Some(libc::SIGUSR2));
    }
}
