//! `docker commit --change`: instructions on a configuration, without a build.

use image::{Platform, RunConfig};

use crate::BuildError;
use crate::arguments::Arguments;
use crate::config::{self, Draft};
use crate::dockerfile::{self, InstructionKind, Lex};

/// Applies Dockerfile instructions to a configuration (Engine API 1.50 `POST /commit`, `changes`).
///
/// # Errors
/// [`BuildError::Invalid`], [`BuildError::Parse`]: what is no instruction, or one that changes
/// more than a configuration.
pub fn apply_changes(config: RunConfig, changes: &[String]) -> Result<RunConfig, BuildError> {
    let host = Platform::host();
    let arguments = Arguments::new(std::collections::BTreeMap::new(), &host, &host);
    // A configuration is taken as it is; only a build gives it a search path.
    let mut draft = Draft::exactly(config);
    for change in changes
        .iter()
        .flat_map(|change| change.lines())
        .filter(|line| !line.trim().is_empty())
    {
        let parse = |source| BuildError::Parse {
            name: "changes".to_owned(),
            source,
        };
        let instruction = dockerfile::parse_instruction(change).map_err(parse)?;
        if !is_valid(&instruction.kind) {
            let word = change.split_whitespace().next().unwrap_or_default();
            return Err(BuildError::Invalid(format!(
                "{word} is not a valid change command"
            )));
        }
        let kind = config::expand(&instruction, Lex::new('\\'), &draft.config.env, &arguments)
            .map_err(|error| BuildError::Invalid(error.to_string()))?;
        draft.amend(&kind, &mut |_| {}).map_err(BuildError::Invalid)?;
    }
    Ok(draft.config)
}

const fn is_valid(kind: &InstructionKind) -> bool {
    !matches!(
        kind,
        InstructionKind::Add(_)
            | InstructionKind::Copy(_)
            | InstructionKind::Run(_)
            | InstructionKind::Arg(_)
            | InstructionKind::Shell(_)
            | InstructionKind::Maintainer(_)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(changes: &[&str]) -> Result<RunConfig, String> {
        let changes: Vec<String> = changes.iter().map(|change| (*change).to_owned()).collect();
        apply_changes(RunConfig::default(), &changes).map_err(|error| error.to_string())
    }

    #[test]
    fn changes_apply_in_order() {
        let config = changed(&[
            "ENV A=1 B=$A",
            "CMD [\"x\"]",
            "EXPOSE 80",
            "WORKDIR /a\nWORKDIR b",
        ])
        .unwrap();
        assert_eq!(config.env, ["A=1", "B="]);
        assert_eq!(config.cmd.unwrap(), ["x"]);
        assert_eq!(config.working_dir, "/a/b");
        assert!(config.exposed_ports.contains_key("80/tcp"));
    }

    #[test]
    fn what_is_no_change() {
        assert_eq!(
            changed(&["RUN x"]).unwrap_err(),
            "RUN is not a valid change command"
        );
        assert_eq!(
            changed(&["ENV"]).unwrap_err(),
            "dockerfile parse error line 1: ENV requires at least one argument"
        );
        assert!(changed(&["FROM x"]).is_err());
    }
}
