//! `--volume`: what is mounted from where. The node decides about options; only what lies relative to here
//! must be made absolute here.

use std::path::Path;

use super::settings::Invalid;

/// As `POST /containers/create` distinguishes them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Volumes {
    /// With a source: a volume's name or a path of the host.
    pub(super) binds: Vec<String>,
    /// Without one: a new volume at this path.
    pub(super) anonymous: Vec<String>,
}

/// # Errors
/// [`Invalid`] if the directory that we are in has gone.
pub(super) fn parse(options: &[String]) -> Result<Volumes, Invalid> {
    let mut volumes = Volumes::default();
    for option in options {
        match option.split_once(':') {
            None => volumes.anonymous.push(option.clone()),
            Some((source, rest)) if source.starts_with('.') => {
                let source = absolute(source)?;
                volumes.binds.push(format!("{source}:{rest}"));
            }
            Some(_) => volumes.binds.push(option.clone()),
        }
    }
    Ok(volumes)
}

fn absolute(source: &str) -> Result<String, Invalid> {
    let absolute =
        std::path::absolute(Path::new(source)).map_err(|error| Invalid(format!("{source}: {error}")))?;
    Ok(absolute.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_relative_to_here_is_changed() {
        let volumes = parse(&["/a".into(), "name:/b:ro".into(), "/c:/d".into(), "./e:/f".into()]).unwrap();
        let here = std::env::current_dir().unwrap();
        assert_eq!(volumes.anonymous, ["/a"]);
        assert_eq!(
            volumes.binds,
            [
                "name:/b:ro".to_owned(),
                "/c:/d".into(),
                format!("{}/e:/f", here.display())
            ]
        );
    }
}
