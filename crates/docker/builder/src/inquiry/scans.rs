//! What a scanner is shown besides the result: a Dockerfile says so by two arguments of its own.

use super::{Inquiry, Needed, worth};
use crate::BuildError;
use crate::dockerfile::{InstructionKind, Stage};

/// The argument by which the target's stage has the main context scanned.
const CONTEXT: &str = "BUILDKIT_SBOM_SCAN_CONTEXT";
/// The argument by which another stage is scanned.
const STAGE: &str = "BUILDKIT_SBOM_SCAN_STAGE";

/// What is scanned besides the result.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scans {
    /// The main context.
    pub context: bool,
    /// Stages: what each is called, and its number.
    pub stages: Vec<(String, usize)>,
}

/// What a scanner is shown besides the result.
///
/// # Errors
/// It cannot be parsed, or has no such stage.
pub fn scans(inquiry: &Inquiry<'_>) -> Result<Scans, BuildError> {
    let needed = Needed::of(inquiry)?;
    let mut scans = Scans::default();
    for number in &needed.numbers {
        let stage = &needed.file.stages[*number];
        let name = stage.name.clone().unwrap_or_else(|| format!("stage-{number}"));
        let on = |variable| is_enabled(&name, &value(&needed, inquiry, stage, variable));
        if *number == needed.target {
            scans.context = on(CONTEXT);
        } else if on(STAGE) {
            scans.stages.push((name, *number));
        }
    }
    Ok(scans)
}

/// What an argument is worth in a stage: as the last of its instructions says, or as it was before the first stage.
fn value(needed: &Needed, inquiry: &Inquiry<'_>, stage: &Stage, name: &str) -> String {
    let global = needed.meta.get(name).map(|(given, _)| given.value.clone());
    let mut value = global.unwrap_or_default();
    for instruction in &stage.instructions {
        let InstructionKind::Arg(definitions) = &instruction.kind else {
            continue;
        };
        for definition in definitions.iter().filter(|definition| definition.name == name) {
            let own = worth(definition, inquiry.args, needed.lex, &needed.variables);
            value = own.unwrap_or(value);
        }
    }
    value
}

/// Whether a value means a stage: by being true, or by naming it in a list.
fn is_enabled(stage: &str, value: &str) -> bool {
    match value {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => true,
        "0" | "f" | "F" | "false" | "FALSE" | "False" => false,
        list => list.split(',').any(|name| name == stage),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::lint::NoBases;
    use crate::platform;

    #[test]
    fn what_is_scanned_is_said_by_arguments() {
        let of = |text: &str, given: Option<&str>| {
            let given = given.map(|value| (STAGE.to_owned(), value.to_owned()));
            let scans = scans(&Inquiry {
                text: text.as_bytes(),
                args: &given.into_iter().collect::<BTreeMap<_, _>>(),
                target: None,
                platform: platform::host(),
                bases: &NoBases,
            });
            let scans = scans.unwrap();
            let stages: Vec<String> = scans.stages.into_iter().map(|(name, _)| name).collect();
            (scans.context, stages.join(" "))
        };
        let file = |global: &str, own: &str| {
            format!(
                "{global}\nFROM a AS b\n{own}\nFROM x\nFROM y AS unused\nFROM z\nCOPY --from=b / /\nCOPY --from=1 / /\n"
            )
        };
        let (stage, context) = (STAGE, CONTEXT);
        for (global, own, given, expected) in [
            (String::new(), String::new(), None, (false, "")),
            (
                format!("ARG {stage}=true"),
                String::new(),
                None,
                (false, "b stage-1"),
            ),
            (
                format!("ARG {stage}=1"),
                format!("ARG {stage}=false"),
                None,
                (false, "stage-1"),
            ),
            (
                format!("ARG {stage}=stage-1,q"),
                String::new(),
                None,
                (false, "stage-1"),
            ),
            (format!("ARG {context}=true"), String::new(), None, (true, "")),
            (String::new(), format!("ARG {stage}"), Some("true"), (false, "b")),
            // Nobody has declared it.
            (String::new(), String::new(), Some("true"), (false, "")),
            // A declaration without a value has the one from above.
            (
                format!("ARG {stage}=b"),
                format!("ARG {stage}"),
                None,
                (false, "b"),
            ),
        ] {
            let found = of(&file(&global, &own), given);
            assert_eq!((found.0, &*found.1), expected, "{global} {own} {given:?}");
        }
    }
}
