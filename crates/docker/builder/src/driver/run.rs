//! `RUN`: what is run, with what it is given.

use std::collections::BTreeMap;

use super::mounts::Mounts;
use super::{Current, Dialect, Driver};
use crate::BuildError;
use crate::arguments::name_of;
use crate::config::Draft;
use crate::dockerfile::{self, Command, Run, RunNetwork};
use crate::executor::{Executor, RunPlan, Work};

impl<E: Executor + 'static> Driver<E> {
    pub(super) async fn run(&mut self, current: &mut Current, run: &Run) -> Result<(), BuildError> {
        let command = &run.command;
        let (mut words, script) = command_line(&current.draft, command);
        if words.is_empty() {
            // `RUN []` runs what a container of the image would.
            let config = &current.draft.config;
            words = config
                .entrypoint
                .iter()
                .chain(&config.cmd)
                .flatten()
                .cloned()
                .collect();
        }
        if words.is_empty() {
            return Err(BuildError::Invalid("No command specified".to_owned()));
        }
        let arguments = self.arguments.variables(&current.draft.config.env);
        let recorded = self.recorded(&words, &arguments);
        let script_text = script.as_ref().map_or("", |(_, text)| text.as_str());
        let mut mounts = self.mounts(current, run, &words).await?;
        let mut more = self.isolation(run, &mounts)?;
        let buildkit = self.options.dialect == Dialect::BuildKit;
        let volumes = &current.draft.config.volumes;
        // In BuildKit a volume is a directory like any other until somebody runs the image.
        more.extend((buildkit && !volumes.is_empty()).then(|| "volumes stay".to_owned()));
        let key = self.key(current, &recorded, script_text, &more);
        let told = match self.options.dialect {
            Dialect::Classic => recorded.join(" "),
            Dialect::BuildKit => self.told_run(&current.draft, &words, script.is_some()),
        };
        current.told.push(Some(told));
        if self.probe(current, &key, Some(&recorded.join(" "))).await? {
            return Ok(());
        }
        self.ask_client(&mut mounts).await?;
        let config = &current.draft.config;
        let mut env = config.env.clone();
        if buildkit {
            set_all(&mut env, self.arguments.proxies(), false);
        }
        let given = arguments.iter().map(|(name, value)| format!("{name}={value}"));
        set_all(&mut env, given, true);
        let told_env = env.clone();
        set_all(&mut env, mounts.env, true);
        let plan = RunPlan {
            args: words,
            env,
            told_env,
            user: config.user.clone(),
            volumes: config.volumes.keys().filter(|_| !buildkit).cloned().collect(),
            cwd: config.working_dir.clone(),
            script,
            mounts: mounts.plans,
            network: run.network,
            insecure: run.insecure,
            hostname: self
                .arguments
                .of_builder("BUILDKIT_SANDBOX_HOSTNAME")
                .unwrap_or_default(),
            ..RunPlan::default()
        };
        let work = Work::Run(Box::new(plan));
        self.perform(current, key, recorded.join(" "), work).await
    }

    /// A command as the history and the cache know it: with the arguments it sees before it,
    /// behind a bar and their number, which no command begins with.
    fn recorded(&self, words: &[String], arguments: &BTreeMap<String, String>) -> Vec<String> {
        if arguments.is_empty() {
            return words.to_vec();
        }
        let persistent = arguments
            .iter()
            .filter(|(name, _)| self.arguments.is_persistent(name));
        let mut given: Vec<String> = persistent
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        given.sort_unstable();
        let bar = format!("|{}", given.len());
        std::iter::once(bar)
            .chain(given)
            .chain(words.iter().cloned())
            .collect()
    }

    /// What a step's key has besides its command.
    ///
    /// # Errors
    /// Upstream's refusal of what the request does not allow.
    fn isolation(&self, run: &Run, mounts: &Mounts) -> Result<Vec<String>, BuildError> {
        let allowed = self.options.entitlements;
        let refused = [
            (
                run.network == RunNetwork::Host && !allowed.network_host,
                "network.host",
            ),
            (run.insecure && !allowed.security_insecure, "security.insecure"),
        ];
        if let Some((_, name)) = refused.iter().find(|(refused, _)| *refused) {
            return Err(BuildError::Step(format!("entitlement {name} is not allowed")));
        }
        if let Some(device) = run.devices.first() {
            let name = &device.name;
            return Err(BuildError::Unsupported(format!(
                "RUN --device={name}: this node has no devices to give (CDI)"
            )));
        }
        let mut more = mounts.keys.clone();
        match run.network {
            RunNetwork::Default => {}
            RunNetwork::None => more.push("network none".to_owned()),
            RunNetwork::Host => more.push("network host".to_owned()),
        }
        more.extend(run.insecure.then(|| "security insecure".to_owned()));
        Ok(more)
    }
}

/// Sets variables of an environment; those that are there only if they are to be `replaced`.
fn set_all(env: &mut Vec<String>, entries: impl IntoIterator<Item = String>, replaced: bool) {
    for entry in entries {
        let old = env.iter().position(|old| name_of(old) == name_of(&entry));
        match old {
            Some(old) if replaced => env[old] = entry,
            Some(_) => {}
            None => env.push(entry),
        }
    }
}

/// The words of a command, and the program of its here-document if that is one.
fn command_line(draft: &Draft, command: &Command) -> (Vec<String>, Option<(String, String)>) {
    let mut command = command.clone();
    let line = command.arguments.first_mut().filter(|_| command.shell);
    let (Some(line), Some(first)) = (line, command.heredocs.first()) else {
        return (draft.command_line(&command), None);
    };
    let mut script = None;
    if dockerfile::Heredoc::is_announced(line) {
        // The line is nothing but a here-document: that is the shell's program, or one of its own.
        if first.content.starts_with("#!") {
            *line = format!("/dev/pipes/{}", first.name);
            script = Some((first.name.clone(), first.text()));
            command.shell = false;
        } else {
            *line = first.text();
        }
    } else {
        // The shell reads the documents itself.
        for document in &command.heredocs {
            line.push('\n');
            line.push_str(&document.content);
            line.push_str(&document.name);
        }
    }
    (draft.command_line(&command), script)
}
