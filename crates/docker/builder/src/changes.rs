//! `docker commit --change`: instructions on a configuration, without a build.

use image::{Platform, RunConfig};

use crate::BuildError;
use crate::arguments::Arguments;
use crate::config::{self, Draft};
use crate::dockerfile::{self, Lex};

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
        let word = change.split_whitespace().next().unwrap_or_default();
        if !COMMANDS.contains(&word.to_ascii_lowercase().as_str()) {
            return Err(BuildError::Invalid(format!(
                "{word} is not a valid change command"
            )));
        }
        let instruction = dockerfile::parse_instruction(change).map_err(parse)?;
        let kind = config::expand(&instruction, Lex::new('\\'), &draft.config.env, &arguments)
            .map_err(|error| BuildError::Invalid(error.to_string()))?;
        draft.amend(&kind, &mut |_| {}).map_err(BuildError::Invalid)?;
    }
    Ok(draft.config)
}

/// What changes a configuration and nothing more.
const COMMANDS: [&str; 11] = [
    "cmd",
    "entrypoint",
    "env",
    "expose",
    "healthcheck",
    "label",
    "onbuild",
    "stopsignal",
    "user",
    "volume",
    "workdir",
];

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
        for word in ["RUN", "FROM", "ZZ", "copy"] {
            assert_eq!(
                changed(&[&format!("{word} x")]).unwrap_err(),
                format!("{word} is not a valid change command")
            );
        }
        assert_eq!(
            changed(&["ENV"]).unwrap_err(),
            "dockerfile parse error on line 1: ENV requires at least one argument"
        );
    }
}
