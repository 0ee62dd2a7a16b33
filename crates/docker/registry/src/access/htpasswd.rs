//! Names with passwords, in Apache's htpasswd(1) format with bcrypt alone, as docker-registry has it.
//!
//! bcrypt takes tens of milliseconds by design. So a few passwords are checked at once and a few more wait; one that was
//! right is known for some minutes by a keyed hash, so that a push of twenty requests costs one check.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use driver::{Clock, Instant};
use ring::hmac;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

/// Passwords checked at once, and those that wait for it.
const AT_ONCE: usize = 2;
const WAITING: usize = 64;
/// How long a right password is known, and how many are.
const KNOWN_FOR: Duration = Duration::from_secs(300);
const KNOWN: usize = 1024;
/// bcrypt looks at no more.
const LONGEST: usize = 72;
/// What a name that there is not is checked against, so that it takes as long: of the usual cost, and nobody's.
const NOBODY: &str = "$2b$10$abcdefghijklmnopqrstuuQ6iYPb1Tk3zuQ1mYqXl4hA8H0yN9nZ2";

/// The users of a registry.
pub struct Htpasswd {
    hashes: BTreeMap<String, String>,
    key: hmac::Key,
    known: Mutex<Known>,
    turns: Arc<Semaphore>,
    seats: Arc<Semaphore>,
    clock: Arc<dyn Clock>,
}

#[derive(Default)]
struct Known {
    since: Instant,
    tags: HashSet<Vec<u8>>,
}

/// Why a file holds no users.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHtpasswd {
    /// A line is no `NAME:HASH`.
    #[error("line {0} is no NAME:HASH")]
    Line(usize),
    /// A password is hashed otherwise.
    #[error("line {0}: only bcrypt is supported (htpasswd -B)")]
    Algorithm(usize),
    /// The kernel gives no random key.
    #[error("no random key")]
    Key,
}

/// What comes of credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Checked {
    Right,
    Wrong,
    /// Too many wait already.
    Busy,
}

impl Htpasswd {
    /// Reads a file's text: `NAME:HASH` a line, empty lines and comments left out.
    ///
    /// # Errors
    /// [`InvalidHtpasswd`].
    pub fn parse(text: &str, clock: Arc<dyn Clock>) -> Result<Self, InvalidHtpasswd> {
        let lines = text.lines().map(str::trim).enumerate();
        let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        let hashes = lines.map(|(at, line)| {
            let (name, hash) = line.split_once(':').ok_or(InvalidHtpasswd::Line(at + 1))?;
            let known = ["$2y$", "$2a$", "$2b$"]
                .iter()
                .any(|prefix| hash.starts_with(prefix));
            if !known || hash.parse::<bcrypt::HashParts>().is_err() {
                return Err(InvalidHtpasswd::Algorithm(at + 1));
            }
            Ok((name.to_owned(), hash.to_owned()))
        });
        let random = ring::rand::SystemRandom::new();
        Ok(Self {
            hashes: hashes.collect::<Result<_, _>>()?,
            key: hmac::Key::generate(hmac::HMAC_SHA256, &random).map_err(|_| InvalidHtpasswd::Key)?,
            known: Mutex::default(),
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            seats: Arc::new(Semaphore::new(AT_ONCE + WAITING)),
            clock,
        })
    }

    /// Whether a password is that of a name.
    pub(crate) async fn check(&self, name: &str, password: &str) -> Checked {
        let tag = self.tag(name, password);
        if self.is_known(&tag) {
            return Checked::Right;
        }
        let Ok(_seat) = self.seats.clone().try_acquire_owned() else {
            return Checked::Busy;
        };
        let Ok(turn) = self.turns.clone().acquire_owned().await else {
            return Checked::Busy;
        };
        let hash = self.hashes.get(name);
        let (there, hash) = (hash.is_some(), hash.map_or(NOBODY, String::as_str).to_owned());
        // A longer one would be cut, and then two passwords be one.
        let fits = password.len() <= LONGEST;
        let password = if fits { password.to_owned() } else { String::new() };
        let checking = spawn_blocking(move || {
            let right = bcrypt::verify(password, &hash).unwrap_or(false);
            drop(turn);
            right
        });
        if checking.await.unwrap_or(false) && there && fits {
            self.learn(tag);
            return Checked::Right;
        }
        Checked::Wrong
    }

    fn tag(&self, name: &str, password: &str) -> Vec<u8> {
        let mut context = hmac::Context::with_key(&self.key);
        for part in [name, password] {
            context.update(&(part.len() as u64).to_le_bytes());
            context.update(part.as_bytes());
        }
        context.sign().as_ref().to_vec()
    }

    /// The tags are secret, so that they are compared as fast as it goes.
    fn is_known(&self, tag: &[u8]) -> bool {
        let now = self.clock.now();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_since(known.since) > KNOWN_FOR {
            known.tags.clear();
            known.since = now;
        }
        known.tags.contains(tag)
    }

    fn learn(&self, tag: Vec<u8>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.tags.len() < KNOWN {
            known.tags.insert(tag);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use driver::ManualClock;

    fn users(text: &str) -> Result<Htpasswd, InvalidHtpasswd> {
        Htpasswd::parse(text, Arc::new(ManualClock::new()))
    }

    fn line(name: &str, password: &str) -> String {
        format!("{name}:{}\n", bcrypt::hash(password, 4).unwrap())
    }

    #[tokio::test]
    async fn a_password_is_right_or_wrong() {
        let long = "x".repeat(LONGEST);
        let text = format!("# users\n\n{}{}", line("ann", "secret"), line("bob", &long));
        let users = users(&text).unwrap();
        for (name, password, expected) in [
            ("ann", "secret", Checked::Right),
            ("ann", "secret", Checked::Right),
            ("ann", "Secret", Checked::Wrong),
            ("ann", "", Checked::Wrong),
            ("bob", long.as_str(), Checked::Right),
            ("bob", &(long.clone() + "y"), Checked::Wrong),
            ("carl", "secret", Checked::Wrong),
        ] {
            assert_eq!(users.check(name, password).await, expected, "{name} {password}");
        }
    }

    #[tokio::test]
    async fn what_is_known_is_forgotten() {
        let clock = Arc::new(ManualClock::new());
        let users = Htpasswd::parse(&line("ann", "secret"), clock.clone()).unwrap();
        assert_eq!(users.check("ann", "secret").await, Checked::Right);
        let tag = users.tag("ann", "secret");
        assert!(users.is_known(&tag) && !users.is_known(&users.tag("an", "nsecret")));
        clock.advance(KNOWN_FOR + Duration::from_secs(1));
        assert!(!users.is_known(&tag));
    }

    #[tokio::test]
    async fn a_crowd_is_sent_away() {
        let users = users(&line("ann", "secret")).unwrap();
        let _seats = users.seats.clone().try_acquire_many_owned(66).unwrap();
        assert_eq!(users.check("ann", "secret").await, Checked::Busy);
    }

    #[test]
    fn other_files_are_refused() {
        for (text, expected) in [
            ("ann", InvalidHtpasswd::Line(1)),
            ("\nann:{SHA}abc", InvalidHtpasswd::Algorithm(2)),
            ("ann:$apr1$x$y", InvalidHtpasswd::Algorithm(1)),
            ("ann:$2y$10$short", InvalidHtpasswd::Algorithm(1)),
        ] {
            assert_eq!(users(text).err(), Some(expected), "{text}");
        }
    }

    #[test]
    fn nobody_is_a_hash() {
        assert!(NOBODY.parse::<bcrypt::HashParts>().is_ok());
        assert!(bcrypt::verify("", NOBODY).is_ok(), "it takes the time of a check");
    }
}
