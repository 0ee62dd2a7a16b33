//! Instructions about the configuration as BuildKit's history tells them: values as Go prints them, and no shell before them.

use image::Healthcheck;

use super::{Draft, Note, exposed_ports};
use crate::dockerfile::InstructionKind;
use crate::golang;

impl Draft {
    /// What is told of an instruction that was carried out; nothing of triggers, nor of labels that are the request's.
    pub(crate) fn told(&self, kind: &InstructionKind, note: &Note) -> Option<String> {
        match kind {
            InstructionKind::Onbuild(_) | InstructionKind::Label { expanded: false, .. } => None,
            InstructionKind::Expose(ports) => {
                let ports = ports.iter().filter_map(|port| exposed_ports(port).ok());
                Some(format!(
                    "EXPOSE {}",
                    golang::plain_list(&ports.flatten().collect::<Vec<_>>())
                ))
            }
            InstructionKind::Healthcheck(_) => self.config.healthcheck.as_ref().map(healthcheck),
            _ => match note {
                Note::Plain(text) | Note::Joined(text) => Some(text.clone()),
            },
        }
    }
}

/// `%+v` of upstream's type.
fn healthcheck(check: &Healthcheck) -> String {
    format!(
        "HEALTHCHECK {{Test:{} Interval:{} Timeout:{} StartPeriod:{} StartInterval:{} Retries:{}}}",
        golang::plain_list(&check.test),
        golang::duration(check.interval),
        golang::duration(check.timeout),
        golang::duration(check.start_period),
        golang::duration(check.start_interval),
        check.retries
    )
}
