//! The process itself: rights, terminal, streams, identity, program.

use sys::program::{MAY_RETRY, Op, Slot, TOLERATE_REFUSAL};

use super::{Context, Draft, PlanError, STREAMS};
use crate::capability::CapabilitySet;
use crate::spec::{IoPriorityClass, Process, RlimitType, Scheduler, SchedulerFlag, SchedulerPolicy};

/// The kernel's file mode creation mask where the specification names none.
const DEFAULT_UMASK: u32 = 0o022;

impl Draft {
    /// What only the caller's own rights allow: before the process is in a user namespace. Without
    /// one, limits come late, where they no longer hinder the preparations themselves.
    pub(super) fn caller_rights(&mut self, process: &Process, staged: bool) {
        self.builder.push(Op::Umask { mode: 0 });
        if let Some(adjustment) = process.oom_score_adj {
            let path = self.builder.text("/proc/self/oom_score_adj");
            let data = self.builder.text(adjustment.to_string());
            // Lowering it takes CAP_SYS_RESOURCE, which the daemon itself may lack.
            self.builder.push(Op::Write {
                dir: Slot::NONE,
                path,
                data,
                flags: TOLERATE_REFUSAL,
            });
        }
        if staged {
            self.limits(process);
        }
        self.limited = staged;
    }

    fn limits(&mut self, process: &Process) {
        for limit in &process.rlimits {
            let resource = resource(limit.kind);
            self.builder.push(Op::Rlimit {
                resource,
                soft: limit.soft,
                hard: limit.hard,
            });
        }
    }

    /// Opens the container's terminal and remembers its end of it.
    pub(super) fn open_terminal(
        &mut self,
        pts: Slot,
        process: &Process,
        context: &Context<'_>,
    ) -> Result<Slot, PlanError> {
        let socket = self.console.filter(|_| context.console).ok_or_else(|| {
            PlanError::invalid(
                "process.terminal",
                "needs a console socket to send the terminal to",
            )
        })?;
        let size = process.console_size.as_ref().map_or(0, |size| {
            u64::from(size.height & 0xffff) << 16 | u64::from(size.width & 0xffff)
        });
        let owner = u64::from(process.user.uid) << 32 | u64::from(process.user.gid);
        let out = self.builder.slot();
        self.builder.push(Op::Console {
            pts,
            socket,
            out,
            size,
            owner,
        });
        self.tty = Some(out);
        Ok(out)
    }

    /// For `exec`: the container's own /proc and /dev/pts, by path, once the process is in its
    /// mount namespace.
    pub(super) fn open_running_container(
        &mut self,
        process: &Process,
        context: &Context<'_>,
    ) -> Result<(), PlanError> {
        let flags = libc::O_DIRECTORY.cast_unsigned();
        if process.terminal {
            let (pts, path) = (self.builder.slot(), self.builder.text("/dev/pts"));
            self.builder.push(Op::Open {
                out: pts,
                dir: Slot::NONE,
                path,
                flags,
            });
            self.open_terminal(pts, process, context)?;
        }
        if !process.apparmor_profile.is_empty() {
            let (proc, path) = (self.builder.slot(), self.builder.text("/proc"));
            self.builder.push(Op::Open {
                out: proc,
                dir: Slot::NONE,
                path,
                flags,
            });
            self.proc = Some(proc);
        }
        Ok(())
    }

    /// Everything that makes the process what the specification says it is, but for the program.
    pub(super) fn identify(&mut self, process: &Process, context: &Context<'_>) -> Result<(), PlanError> {
        self.session(context);
        self.scheduling(process)?;
        self.apparmor(process, context)?;
        if !self.limited {
            self.limits(process);
        }
        self.builder.push(Op::Umask {
            mode: process.user.umask.unwrap_or(DEFAULT_UMASK),
        });
        self.rights(process, context)
    }

    fn session(&mut self, context: &Context<'_>) {
        if !context.keep_keyring {
            let name = self.builder.text(format!("_ses.{}", context.id));
            self.builder.push(Op::Keyring { name });
        }
        self.builder.push(Op::Setsid {});
        let streams = match self.tty {
            Some(tty) => {
                self.builder.push(Op::ControllingTerminal { tty });
                Some([tty; 3])
            }
            None => self.stdio,
        };
        for (from, to) in streams.into_iter().flatten().zip(0..) {
            self.builder.push(Op::Dup { from, to });
        }
    }

    fn scheduling(&mut self, process: &Process) -> Result<(), PlanError> {
        if let Some(scheduler) = &process.scheduler {
            let attributes = self.builder.words(scheduler_words(scheduler)?);
            self.builder.push(Op::Scheduler { attributes });
        }
        if let Some(io) = &process.io_priority {
            let class = match io.class {
                IoPriorityClass::RealTime => 1,
                IoPriorityClass::BestEffort => 2,
                IoPriorityClass::Idle => 3,
            };
            let level = u32::try_from(io.priority)
                .ok()
                .filter(|level| *level < 8)
                .ok_or_else(|| {
                    PlanError::invalid("process.ioPriority.priority", "must be between 0 and 7")
                })?;
            self.builder.push(Op::IoPriority {
                priority: class << 13 | level,
            });
        }
        Ok(())
    }

    fn apparmor(&mut self, process: &Process, context: &Context<'_>) -> Result<(), PlanError> {
        if process.apparmor_profile.is_empty() {
            return Ok(());
        }
        let proc = self.proc.filter(|_| context.apparmor).ok_or_else(|| {
            PlanError::unsupported("process.apparmorProfile", "AppArmor is not enabled on this host")
        })?;
        let path = self.builder.text("self/attr/apparmor/exec");
        let data = self.builder.text(format!("exec {}", process.apparmor_profile));
        self.builder.push(Op::Write {
            dir: proc,
            path,
            data,
            flags: 0,
        });
        Ok(())
    }

    /// Loading a filter takes CAP_SYS_ADMIN or no_new_privs. So without no_new_privs it is loaded
    /// while the rights are still there, and with it as late as possible, so that it need not
    /// allow the preparations.
    fn rights(&mut self, process: &Process, context: &Context<'_>) -> Result<(), PlanError> {
        if process.no_new_privileges {
            self.prctl(libc::PR_SET_NO_NEW_PRIVS, 1);
        } else {
            self.filter(context);
        }
        // From here on paths are resolved that the container chose.
        let first = STREAMS + context.preserve_fds;
        let keep = self.gate.unwrap_or(Slot::NONE);
        self.builder.push(Op::CloseFrom { first, keep });
        let path = self.builder.text(&process.cwd);
        self.builder.push(Op::Chdir {
            path,
            flags: MAY_RETRY,
        });
        let capabilities = process.capabilities.clone().unwrap_or_default();
        let mut set = |names: &[String]| self.held(names, context);
        let bounding = set(&capabilities.bounding);
        let (effective, permitted) = (set(&capabilities.effective), set(&capabilities.permitted));
        let (inheritable, ambient) = (set(&capabilities.inheritable), set(&capabilities.ambient));
        self.builder.push(Op::BoundingSet { keep: bounding });
        self.prctl(libc::PR_SET_KEEPCAPS, 1);
        self.ids(process)?;
        self.builder.push(Op::Chdir { path, flags: 0 });
        self.prctl(libc::PR_SET_KEEPCAPS, 0);
        self.builder.push(Op::Capabilities {
            effective,
            permitted,
            inheritable,
        });
        self.builder.push(Op::Ambient { set: ambient });
        Ok(())
    }

    /// The capabilities of these names. One that this kernel does not know or the caller does not
    /// hold cannot be given: the specification wants that said, and the container started.
    fn held(&mut self, names: &[String], context: &Context<'_>) -> u64 {
        let (set, unknown) = CapabilitySet::parse(names);
        let missing = set.difference(context.capabilities);
        let missing = missing.iter().map(|capability| capability.to_string());
        for name in unknown.into_iter().map(str::to_owned).chain(missing) {
            let warning = format!("process.capabilities: {name} is not available here");
            if !self.warnings.contains(&warning) {
                self.warnings.push(warning);
            }
        }
        set.intersection(context.capabilities).bits()
    }

    fn ids(&mut self, process: &Process) -> Result<(), PlanError> {
        let user = &process.user;
        if user.additional_gids.len() > 1024 {
            return Err(PlanError::invalid(
                "process.user.additionalGids",
                "more than 1024 groups",
            ));
        }
        let groups = self
            .builder
            .words(user.additional_gids.iter().map(|gid| u64::from(*gid)));
        self.builder.push(Op::OwnStreams {
            uid: user.uid,
            gid: user.gid,
        });
        self.builder.push(Op::Groups { groups });
        self.builder.push(Op::Ids {
            uid: user.uid,
            gid: user.gid,
        });
        Ok(())
    }

    fn filter(&mut self, context: &Context<'_>) {
        if let Some(filter) = context.filter {
            let instructions = filter.program.iter().map(|each| u64::from_ne_bytes(each.bytes()));
            let words = self.builder.words(instructions);
            self.builder.push(Op::Seccomp {
                filter: words,
                flags: filter.flags,
            });
        }
    }

    fn prctl(&mut self, option: i32, value: u64) {
        self.builder.push(Op::Prctl {
            option: option.cast_unsigned(),
            value,
        });
    }

    /// The program is looked for before the container counts as created, so that a missing one
    /// fails `create` and not `start`.
    pub(super) fn run(&mut self, process: &Process, context: &Context<'_>) -> Result<(), PlanError> {
        let name = process
            .args
            .first()
            .ok_or_else(|| PlanError::missing("process.args"))?;
        let search = process
            .env
            .iter()
            .rev()
            .find_map(|entry| entry.strip_prefix("PATH="));
        let (name, search) = (
            self.builder.text(name),
            self.builder.text(search.unwrap_or_default()),
        );
        self.builder.push(Op::Lookup { name, search });
        if let Some(gate) = self.gate {
            self.builder.push(Op::WaitStart { gate });
        }
        if process.no_new_privileges {
            self.filter(context);
        }
        if context.init {
            self.builder.push(Op::Init {});
        }
        let arguments = self.builder.texts(&process.args);
        let environment = self.builder.texts(&process.env);
        self.builder.push(Op::Exec {
            arguments,
            environment,
        });
        Ok(())
    }
}

/// The kernel's number of a resource (getrlimit(2)).
fn resource(kind: RlimitType) -> u32 {
    match kind {
        RlimitType::As => libc::RLIMIT_AS,
        RlimitType::Core => libc::RLIMIT_CORE,
        RlimitType::Cpu => libc::RLIMIT_CPU,
        RlimitType::Data => libc::RLIMIT_DATA,
        RlimitType::Fsize => libc::RLIMIT_FSIZE,
        RlimitType::Locks => libc::RLIMIT_LOCKS,
        RlimitType::Memlock => libc::RLIMIT_MEMLOCK,
        RlimitType::Msgqueue => libc::RLIMIT_MSGQUEUE,
        RlimitType::Nice => libc::RLIMIT_NICE,
        RlimitType::Nofile => libc::RLIMIT_NOFILE,
        RlimitType::Nproc => libc::RLIMIT_NPROC,
        RlimitType::Rss => libc::RLIMIT_RSS,
        RlimitType::Rtprio => libc::RLIMIT_RTPRIO,
        RlimitType::Rttime => libc::RLIMIT_RTTIME,
        RlimitType::Sigpending => libc::RLIMIT_SIGPENDING,
        RlimitType::Stack => libc::RLIMIT_STACK,
    }
}

/// A `struct sched_attr` of its first published size (48 bytes).
fn scheduler_words(scheduler: &Scheduler) -> Result<[u64; 6], PlanError> {
    const SIZE: u64 = 48;
    let policy: u64 = match scheduler.policy {
        SchedulerPolicy::Other => 0,
        SchedulerPolicy::Fifo => 1,
        SchedulerPolicy::Rr => 2,
        SchedulerPolicy::Batch => 3,
        SchedulerPolicy::Iso => 4,
        SchedulerPolicy::Idle => 5,
        SchedulerPolicy::Deadline => 6,
    };
    let flags = scheduler
        .flags
        .iter()
        .fold(0, |flags, flag| flags | scheduler_flag(*flag));
    let priority = u32::try_from(scheduler.priority)
        .map_err(|_| PlanError::invalid("process.scheduler.priority", "must not be negative"))?;
    let nice_and_priority = u64::from(scheduler.nice.cast_unsigned()) | u64::from(priority) << 32;
    Ok([
        SIZE | policy << 32,
        flags,
        nice_and_priority,
        scheduler.runtime,
        scheduler.deadline,
        scheduler.period,
    ])
}

fn scheduler_flag(flag: SchedulerFlag) -> u64 {
    match flag {
        SchedulerFlag::ResetOnFork => 0x01,
        SchedulerFlag::Reclaim => 0x02,
        SchedulerFlag::DlOverrun => 0x04,
        SchedulerFlag::KeepPolicy => 0x08,
        SchedulerFlag::KeepParams => 0x10,
        SchedulerFlag::UtilClampMin => 0x20,
        SchedulerFlag::UtilClampMax => 0x40,
    }
}
