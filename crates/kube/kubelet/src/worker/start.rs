//! From an idle container to one that runs: back-off, image, start, post-start hook.

use std::time::Duration;

use client::Level;

use super::event::HookKind;
use super::state::{Dead, Fault, Hooked, Run, Up};
use super::{Action, Life, Now, Out, Worker, backoff, probe, tell};
use crate::container::{
    Attempt, ContainerId, ContainerIx, Ended, How, ImageFault, ImageFound, ImageReason, Pulled, Sought,
    StartFault, Started, spec_hash,
};

/// The reason of a container that is not started again yet because it keeps ending.
pub(super) const CRASH_LOOP: &str = "CrashLoopBackOff";

/// How long a failed pull is shown as one before it is shown as a pause.
const FLIPS: Duration = Duration::from_secs(2);

/// A post-start hook has no limit of its own; this one keeps a lost answer from holding a container for ever.
const HOOK_LIMIT: Duration = Duration::from_secs(3600);

impl Worker {
    /// Starts a container, if nothing is being done with it and it need not wait.
    pub(super) fn begin(&mut self, at: ContainerIx, now: Now, out: &mut Out) {
        let described = self.pod.described();
        let Some(container) = self.pod.at(at) else { return };
        let name = container.name.clone();
        let Some(state) = self.states.get_mut(usize::from(at.0)) else {
            return;
        };
        if state.is_busy() || state.retry_at.is_some_and(|retry| retry > now.instant) {
            return;
        }
        let ended = state.dead.as_ref().or(state.last.as_ref()).map(|dead| dead.at);
        if let Some(ended) = ended.filter(|_| !state.tried) {
            if let Some(until) = state.restarts.until(ended).filter(|until| *until > now.instant) {
                let pause = backoff::go_seconds(state.restarts.pause());
                state.retry_at = Some(until);
                state.fault = Some(Fault {
                    reason: CRASH_LOOP,
                    message: format!("back-off {pause} restarting failed container={name} pod={described}"),
                });
                let message = format!("Back-off restarting failed container {name} in pod {described}");
                out.push(tell(Some(at), Level::Warning, "BackOff", message));
                return;
            }
            state.restarts.raise(ended, now.instant);
        }
        state.tried = true;
        state.retry_at = None;
        state.flips_at = None;
        state.run = Run::Looking;
        out.push(Action::FindImage(at));
    }

    pub(super) fn image(
        &mut self,
        at: ContainerIx,
        result: Result<Sought, ImageFault>,
        now: Now,
        out: &mut Out,
    ) {
        if !self.still_wants_image(at, &Run::Looking) {
            return;
        }
        let image = self.image_name(at);
        match result {
            Ok(Sought::Here(_)) => {
                let text = format!(
                    "Container image \"{image}\" already present on machine and can be accessed by the pod"
                );
                out.push(tell(Some(at), Level::Normal, "Pulled", text));
                self.start_with_image(at, out);
            }
            Ok(Sought::Elsewhere) => {
                let Some(state) = self.state(at) else { return };
                state.run = Run::Pulling;
                let text = format!("Pulling image \"{image}\"");
                out.push(tell(Some(at), Level::Normal, "Pulling", text));
                out.push(Action::Pull(at));
            }
            Err(fault) => self.image_missing(at, fault, now, out),
        }
    }

    pub(super) fn pulled(
        &mut self,
        at: ContainerIx,
        result: Result<Pulled, ImageFault>,
        now: Now,
        out: &mut Out,
    ) {
        if !self.still_wants_image(at, &Run::Pulling) {
            return;
        }
        match result {
            Ok(Pulled { took, size, .. }) => {
                let (image, took) = (self.image_name(at), backoff::go_millis(took));
                let text = format!(
                    "Successfully pulled image \"{image}\" in {took} ({took} including waiting). Image size: {size} bytes."
                );
                out.push(tell(Some(at), Level::Normal, "Pulled", text));
                self.start_with_image(at, out);
            }
            Err(fault) => self.image_missing(at, fault, now, out),
        }
    }

    /// Whether a container still waits for its image in this way. Meanwhile the pod may have begun to end, or its
    /// sandbox may be gone; then nothing is being done with it any more.
    fn still_wants_image(&mut self, at: ContainerIx, run: &Run) -> bool {
        let wanted = self.shared.is_made() && self.life == Life::Running;
        let Some(state) = self.state(at).filter(|state| state.run == *run) else {
            return false;
        };
        if !wanted {
            state.run = Run::Idle;
            state.tried = false;
        }
        wanted
    }

    fn start_with_image(&mut self, at: ContainerIx, out: &mut Out) {
        let limits = self.pod.at(at).map(|container| container.resources.clone());
        let Some(state) = self.state(at) else { return };
        let attempt = state.attempt.map_or(0, |attempt| attempt.saturating_add(1));
        state.images = backoff::Backoff::default();
        state.run = Run::Starting(attempt);
        state.in_force = limits;
        out.push(Action::Start(at, attempt));
    }

    fn image_name(&self, at: ContainerIx) -> String {
        self.pod
            .at(at)
            .map(|container| container.image.clone())
            .unwrap_or_default()
    }

    fn image_missing(&mut self, at: ContainerIx, fault: ImageFault, now: Now, out: &mut Out) {
        let image = self.image_name(at);
        tell_missing(at, &image, &fault, out);
        let Some(state) = self.state(at) else { return };
        state.run = Run::Idle;
        state.images.raise(now.instant, now.instant);
        state.retry_at = state.images.until(now.instant);
        let pulled = fault.reason == ImageReason::ErrImagePull;
        state.flips_at = pulled.then(|| now.instant.saturating_add(FLIPS));
        state.fault = Some(Fault {
            reason: fault.reason.name(),
            message: fault.message,
        });
    }

    /// A failed pull is shown as such for a moment, and then as the pause before the next one.
    pub(super) fn flip_images(&mut self, now: Now, out: &mut Out) {
        let pod = self.pod.clone();
        for ((at, container), state) in pod.each().zip(&mut self.states) {
            if state.flips_at.is_none_or(|flips| flips > now.instant) {
                continue;
            }
            state.flips_at = None;
            let Some(fault) = state
                .fault
                .as_mut()
                .filter(|fault| fault.reason == "ErrImagePull")
            else {
                continue;
            };
            let text = format!("Back-off pulling image \"{}\"", container.image);
            fault.message = format!("{text}: ErrImagePull: {}", fault.message);
            fault.reason = "ImagePullBackOff";
            out.push(tell(Some(at), Level::Normal, "BackOff", text));
            out.push(tell(
                Some(at),
                Level::Warning,
                "Failed",
                "Error: ImagePullBackOff",
            ));
        }
    }

    pub(super) fn started(
        &mut self,
        at: ContainerIx,
        attempt: Attempt,
        result: Result<Started, StartFault>,
        now: Now,
        out: &mut Out,
    ) {
        let Some(state) = self.state(at).filter(|state| state.run == Run::Starting(attempt)) else {
            return;
        };
        match result {
            Ok(started) => self.runs(at, attempt, started, now, out),
            Err(StartFault::Config(text)) => {
                self.unstartable(at, "CreateContainerConfigError", text, now, out);
            }
            Err(StartFault::Create(text)) => {
                self.unstartable(at, "CreateContainerError", text, now, out);
            }
            Err(StartFault::Image(fault)) => {
                state.run = Run::Looking;
                self.image(at, Err(fault), now, out);
            }
            Err(StartFault::Run {
                id,
                image,
                code,
                at: when,
                message,
            }) => {
                let ended = Ended {
                    how: How::NotStarted,
                    code,
                    started: None,
                    finished: when,
                    message,
                };
                self.never_ran(at, attempt, (id, image), ended, now, out);
            }
        }
    }

    /// It was made, and its program could not be started: it has ended as soon as it was there.
    fn never_ran(
        &mut self,
        at: ContainerIx,
        attempt: Attempt,
        (id, image): (ContainerId, ImageFound),
        ended: Ended,
        now: Now,
        out: &mut Out,
    ) {
        let message = ended.message.clone();
        let error = format!("Error: {message}");
        out.push(tell(Some(at), Level::Normal, "Created", "Container created"));
        out.push(tell(Some(at), Level::Warning, "Failed", error));
        let Some(state) = self.state(at) else { return };
        state.made = true;
        state.changed = false;
        state.attempt = Some(attempt);
        state.bury();
        state.died(Dead {
            id: Some(id),
            image: Some(image),
            user: None,
            at: now.instant,
            ended,
        });
        state.fault = Some(Fault {
            reason: "RunContainerError",
            message,
        });
    }

    fn unstartable(&mut self, at: ContainerIx, reason: &'static str, text: String, now: Now, out: &mut Out) {
        out.push(tell(Some(at), Level::Warning, "Failed", format!("Error: {text}")));
        let Some(state) = self.state(at) else { return };
        state.run = Run::Idle;
        state.configs.raise(now.instant, now.instant);
        state.retry_at = state.configs.until(now.instant);
        state.fault = Some(Fault {
            reason,
            message: text,
        });
    }

    fn runs(&mut self, at: ContainerIx, attempt: Attempt, started: Started, now: Now, out: &mut Out) {
        let pod = self.pod.clone();
        let Some(container) = pod.at(at) else { return };
        let Some(state) = self.state(at) else { return };
        out.push(tell(Some(at), Level::Normal, "Created", "Container created"));
        out.push(tell(Some(at), Level::Normal, "Started", "Container started"));
        let hook = container.lifecycle.post_start.is_some();
        let up = Up {
            since: now.instant_of(started.at).min(now.instant),
            at: started.at,
            id: started.id.clone(),
            image: started.image,
            user: started.user,
            hash: spec_hash(container),
            post_start: if hook { Hooked::Running } else { Hooked::Done },
            started: container.startup_probe.is_none(),
            ready: false,
            probes: probe::of(container),
            stopping: None,
        };
        state.bury();
        state.run = Run::Up(Box::new(up));
        state.made = true;
        state.changed = false;
        state.attempt = Some(attempt);
        state.fault = None;
        state.configs = backoff::Backoff::default();
        if hook {
            let kind = HookKind::PostStart;
            out.push(Action::Hook(at, started.id.clone(), kind, HOOK_LIMIT));
        }
        if let Some(ended) = self.early.remove(&started.id) {
            self.ended(&started.id, ended, now);
        }
    }

    /// A container has ended. One that ends before its start was told is remembered until then.
    pub(super) fn ended(&mut self, id: &ContainerId, ended: Ended, now: Now) {
        let Some(at) = self.place(id) else {
            // No more can have ended early than are being started.
            let starting = |state: &&super::State| matches!(state.run, Run::Starting(_));
            if self.early.len() < self.states.iter().filter(starting).count() {
                self.early.insert(id.clone(), ended);
            }
            return;
        };
        let Some(state) = self.state(at) else { return };
        let Run::Up(up) = std::mem::replace(&mut state.run, Run::Idle) else {
            return;
        };
        state.died(Dead {
            id: Some(up.id),
            at: now.instant_of(ended.finished).min(now.instant),
            ended,
            image: Some(up.image),
            user: up.user,
        });
    }

    pub(super) fn hooked(
        &mut self,
        id: &ContainerId,
        kind: HookKind,
        result: Result<(), String>,
        now: Now,
        out: &mut Out,
    ) {
        let Some(at) = self.place(id) else { return };
        match kind {
            HookKind::PostStart => self.post_started(at, result, now, out),
            HookKind::PreStop => self.pre_stopped(at, result, out),
        }
    }

    fn post_started(&mut self, at: ContainerIx, result: Result<(), String>, now: Now, out: &mut Out) {
        let grace = self.pod.grace();
        let Some(up) = self.state(at).and_then(super::State::up_mut) else {
            return;
        };
        let Err(message) = result else {
            up.post_start = Hooked::Done;
            return;
        };
        out.push(tell(
            Some(at),
            Level::Warning,
            "FailedPostStartHook",
            "PostStartHook failed",
        ));
        if let Some(state) = self.state(at) {
            state.fault = Some(Fault {
                reason: "PostStartHookError",
                message,
            });
        }
        out.push(tell(Some(at), Level::Normal, "Killing", "FailedPostStartHook"));
        self.stop(at, grace, now);
    }

    /// A running container whose image was changed is stopped, to be started from the new one.
    pub(super) fn replace_changed(&mut self, now: Now, out: &mut Out) {
        let pod = self.pod.clone();
        let grace = pod.grace();
        for (at, container) in pod.each() {
            let hash = spec_hash(container);
            let Some(state) = self.state(at) else { continue };
            let changed = state
                .up()
                .is_some_and(|up| up.hash != hash && up.stopping.is_none());
            if changed && pod.deletion.is_none() && self.life == Life::Running {
                if let Some(state) = self.state(at) {
                    state.changed = true;
                }
                let text = format!(
                    "Container {} definition changed, will be restarted",
                    container.name
                );
                out.push(tell(Some(at), Level::Normal, "Killing", text));
                self.stop(at, grace, now);
            }
        }
    }
}

/// What people are told of an image that is not to be had.
fn tell_missing(at: ContainerIx, image: &str, fault: &ImageFault, out: &mut Out) {
    let mut say = |level, reason: &str, text: String| out.push(tell(Some(at), level, reason, text));
    let message = &fault.message;
    match fault.reason {
        ImageReason::ErrImagePull => {
            say(
                Level::Warning,
                "Failed",
                format!("Failed to pull image \"{image}\": {message}"),
            );
            say(Level::Warning, "Failed", "Error: ErrImagePull".to_owned());
        }
        ImageReason::ErrImageNeverPull => {
            say(Level::Warning, "ErrImageNeverPull", message.clone());
            say(Level::Warning, "Failed", "Error: ErrImageNeverPull".to_owned());
        }
        ImageReason::InvalidImageName => {
            say(Level::Warning, "InspectFailed", message.clone());
            say(Level::Warning, "Failed", "Error: InvalidImageName".to_owned());
        }
        ImageReason::ImageInspectError => {
            let text = format!("Failed to inspect image \"{image}\": {message}");
            say(Level::Warning, "InspectFailed", text);
            say(Level::Warning, "Failed", "Error: ImageInspectError".to_owned());
        }
    }
}
