//! Docker's credential helpers (docker-credential-helpers): programs that keep credentials. The protocol is here; who
//! may start programs runs them.

use std::io;

use serde::{Deserialize, Serialize};

use super::Credentials;

/// The largest answer, in bytes.
const LARGEST: usize = 1 << 20;

/// What a helper says when it has nothing. It is no error.
const NOT_FOUND: &str = "credentials not found in native keychain";

/// Runs `docker-credential-NAME ACTION`.
pub trait Helper {
    /// Gives it `input` and waits for its end.
    ///
    /// # Errors
    /// There is no such program, or it could not be run.
    fn run(&self, program: &str, action: &str, input: &[u8]) -> io::Result<Answer>;
}

/// How a helper ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Whether with exit code 0.
    pub success: bool,
    /// What it wrote to its standard output.
    pub output: Vec<u8>,
}

/// A helper that did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum HelperError {
    /// It could not be run.
    #[error("cannot run {0}: {1}; install it, or take it out of credsStore or credHelpers in config.json")]
    Run(String, #[source] io::Error),
    /// It refused, in its own words.
    #[error("{0} failed: {1}")]
    Failed(String, String),
    /// What it said is not the protocol.
    #[error("{0} did not answer with credentials in JSON")]
    Answer(String),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    #[serde(rename = "ServerURL", default)]
    server_url: String,
    #[serde(default)]
    username: String,
    #[serde(default)]
    secret: String,
}

/// What helper `name` (`pass`) keeps for a server; nobody, where it has nothing.
///
/// # Errors
/// See [`HelperError`].
pub fn ask(helper: &dyn Helper, name: &str, server: &str) -> Result<Credentials, HelperError> {
    let program = program(name)?;
    let answer = run(helper, &program, "get", server.as_bytes())?;
    let said = String::from_utf8_lossy(&answer.output).trim().to_owned();
    if said == NOT_FOUND {
        return Ok(Credentials::Anonymous);
    }
    if !answer.success {
        return Err(HelperError::Failed(program, said));
    }
    let entry: Entry = serde_json::from_str(&said).map_err(|_| HelperError::Answer(program))?;
    Ok(Credentials::of_user(entry.username, entry.secret))
}

/// Gives helper `name` what it shall keep for a server. Without credentials it keeps nothing.
///
/// # Errors
/// See [`HelperError`].
pub fn store(
    helper: &dyn Helper,
    name: &str,
    server: &str,
    credentials: &Credentials,
) -> Result<(), HelperError> {
    let (username, secret) = match credentials {
        Credentials::Anonymous => return erase(helper, name, server),
        Credentials::Basic { username, password } => (username.as_str(), password),
        Credentials::IdentityToken(token) | Credentials::RegistryToken(token) => (super::TOKEN_USER, token),
    };
    let entry = Entry {
        server_url: server.to_owned(),
        username: username.to_owned(),
        secret: secret.clone(),
    };
    let program = program(name)?;
    let input = serde_json::to_vec(&entry).map_err(|_| HelperError::Answer(program.clone()))?;
    done(run(helper, &program, "store", &input)?, program)
}

/// Makes helper `name` forget a server.
///
/// # Errors
/// See [`HelperError`].
pub fn erase(helper: &dyn Helper, name: &str, server: &str) -> Result<(), HelperError> {
    let program = program(name)?;
    done(run(helper, &program, "erase", server.as_bytes())?, program)
}

fn done(answer: Answer, program: String) -> Result<(), HelperError> {
    let said = String::from_utf8_lossy(&answer.output).trim().to_owned();
    if answer.success || said == NOT_FOUND {
        return Ok(());
    }
    Err(HelperError::Failed(program, said))
}

/// A name is part of a program's, never a path to another.
fn program(name: &str) -> Result<String, HelperError> {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
    let program = format!("docker-credential-{name}");
    if name.is_empty() || !name.chars().all(plain) {
        return Err(HelperError::Run(program, io::ErrorKind::InvalidInput.into()));
    }
    Ok(program)
}

fn run(helper: &dyn Helper, program: &str, action: &str, input: &[u8]) -> Result<Answer, HelperError> {
    let answer = helper.run(program, action, input);
    let answer = answer.map_err(|error| HelperError::Run(program.to_owned(), error))?;
    if answer.output.len() > LARGEST {
        return Err(HelperError::Answer(program.to_owned()));
    }
    Ok(answer)
}
