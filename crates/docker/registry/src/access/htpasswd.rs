//! Names with passwords, in Apache's htpasswd(1) format with bcrypt alone, as docker-registry has it.
//!
//! bcrypt takes tens of milliseconds by design. So a few passwords are checked at once and a few more wait, of one asker
//! fewer; one that was right is known for some minutes by a keyed hash, so that a push of twenty requests costs one check.
//!
//! The file is looked at with each request and read again when it has changed, as docker-registry does.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::Metadata;
use std::future::Future;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use driver::{Clock, Instant};
use ring::hmac;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;

/// Passwords checked at once, and those that wait for it.
const AT_ONCE: usize = 2;
const WAITING: usize = 64;
/// Of those, one asker's.
const OF_ONE: usize = 8;
/// How long a right password is known, and how many are.
const KNOWN_FOR: Duration = Duration::from_secs(300);
const KNOWN: usize = 1024;
/// bcrypt looks at no more.
const LONGEST: usize = 72;
/// What a name that there is not is checked against where there are no names: of the usual cost, and nobody's.
const NOBODY: &str = "$2b$10$abcdefghijklmnopqrstuuQ6iYPb1Tk3zuQ1mYqXl4hA8H0yN9nZ2";

/// The users of a registry.
pub struct Htpasswd {
    users: Mutex<Arc<Users>>,
    /// Where they are read from again.
    file: Option<PathBuf>,
    key: hmac::Key,
    known: Mutex<Known>,
    turns: Arc<Semaphore>,
    seats: Arc<Semaphore>,
    /// How many seats each asker has.
    askers: Arc<Mutex<HashMap<String, usize>>>,
    clock: Arc<dyn Clock>,
}

/// What a file says.
#[derive(Debug, Default)]
struct Users {
    hashes: BTreeMap<String, String>,
    /// What a name that there is not is checked against, so that it takes as long: the dearest of them.
    nobody: String,
    /// The file as it was when it was read.
    read: Option<Stamp>,
}

/// What of a file changes with its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    size: u64,
    changed: (i64, i64),
}

impl Stamp {
    fn of(file: &Metadata) -> Self {
        Self {
            inode: file.ino(),
            size: file.len(),
            changed: (file.mtime(), file.mtime_nsec()),
        }
    }

    fn at(path: &Path) -> Option<Self> {
        std::fs::metadata(path).ok().map(|file| Self::of(&file))
    }
}

/// A seat of one asker.
struct Seat {
    askers: Arc<Mutex<HashMap<String, usize>>>,
    asker: String,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut askers = lock(&self.askers);
        if let Some(seats) = askers.get_mut(&self.asker) {
            *seats -= 1;
            if *seats == 0 {
                askers.remove(&self.asker);
            }
        }
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
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

impl Users {
    fn parse(text: &str) -> Result<Self, InvalidHtpasswd> {
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
        let hashes: BTreeMap<String, String> = hashes.collect::<Result<_, _>>()?;
        let cost = |hash: &&String| {
            hash.parse::<bcrypt::HashParts>()
                .map_or(0, |parts| parts.get_cost())
        };
        let nobody = hashes.values().max_by_key(cost);
        Ok(Self {
            nobody: nobody.map_or(NOBODY, String::as_str).to_owned(),
            hashes,
            read: None,
        })
    }
}

impl Htpasswd {
    /// Reads a file's text: `NAME:HASH` a line, empty lines and comments left out.
    ///
    /// # Errors
    /// [`InvalidHtpasswd`].
    pub fn parse(text: &str, clock: Arc<dyn Clock>) -> Result<Self, InvalidHtpasswd> {
        let random = ring::rand::SystemRandom::new();
        Ok(Self {
            users: Mutex::new(Arc::new(Users::parse(text)?)),
            file: None,
            key: hmac::Key::generate(hmac::HMAC_SHA256, &random).map_err(|_| InvalidHtpasswd::Key)?,
            known: Mutex::default(),
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            seats: Arc::new(Semaphore::new(AT_ONCE + WAITING)),
            askers: Arc::default(),
            clock,
        })
    }

    /// As [`Self::parse`], of a file that is read again when it has changed. What cannot be read then changes nothing.
    ///
    /// # Errors
    /// [`InvalidHtpasswd`].
    pub fn follow(path: &Path, text: &str, clock: Arc<dyn Clock>) -> Result<Self, InvalidHtpasswd> {
        Ok(Self {
            file: Some(path.to_owned()),
            ..Self::parse(text, clock)?
        })
    }

    /// The users as the file has them now.
    fn users(&self) -> Arc<Users> {
        let now = self.file.as_deref().and_then(Stamp::at);
        let mut users = lock(&self.users);
        if let (Some(path), Some(now)) = (&self.file, now)
            && users.read != Some(now)
        {
            let text = std::fs::read_to_string(path).map_err(|error| error.to_string());
            let read = text.and_then(|text| Users::parse(&text).map_err(|error| error.to_string()));
            match read {
                Ok(read) => {
                    *users = Arc::new(Users {
                        read: Some(now),
                        ..read
                    });
                    // A password that was right may be none any more.
                    lock(&self.known).tags.clear();
                }
                Err(error) => {
                    tracing::warn!(path = %path.display(), error, "the users of the registry stay as they were");
                    *users = Arc::new(Users {
                        read: Some(now),
                        hashes: users.hashes.clone(),
                        nobody: users.nobody.clone(),
                    });
                }
            }
        }
        users.clone()
    }

    /// A seat among all that wait, and among the asker's own.
    fn seat(&self, asker: String) -> Option<(OwnedSemaphorePermit, Seat)> {
        let mut askers = lock(&self.askers);
        let seats = askers.get(&asker).copied().unwrap_or(0);
        let permit = self
            .seats
            .clone()
            .try_acquire_owned()
            .ok()
            .filter(|_| seats < OF_ONE)?;
        askers.insert(asker.clone(), seats + 1);
        let askers = self.askers.clone();
        Some((permit, Seat { askers, asker }))
    }

    /// Whether a password is that of a name. Who asks is found out only if it is not known already.
    pub(crate) async fn check(
        &self,
        name: &str,
        password: &str,
        asker: impl Future<Output = String>,
    ) -> Checked {
        let users = self.users();
        let tag = self.tag(name, password);
        if self.is_known(&tag) {
            return Checked::Right;
        }
        let Some(_seat) = self.seat(asker.await) else {
            return Checked::Busy;
        };
        let Ok(turn) = self.turns.clone().acquire_owned().await else {
            return Checked::Busy;
        };
        let hash = users.hashes.get(name);
        let (there, hash) = (hash.is_some(), hash.unwrap_or(&users.nobody).clone());
        // A longer one would be cut, and then two passwords be one.
        let fits = password.len() <= LONGEST;
        let password = if fits { password.to_owned() } else { String::new() };
        let checking = spawn_blocking(move || {
            let right = bcrypt::verify(password, &hash).unwrap_or(false);
            drop(turn);
            right
        });
        if checking.await.unwrap_or(false) && there && fits {
            self.learn(&users, tag);
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
        let mut known = lock(&self.known);
        if now.saturating_since(known.since) > KNOWN_FOR {
            known.tags.clear();
            known.since = now;
        }
        known.tags.contains(tag)
    }

    /// What was found out by a file that has changed meanwhile is not kept.
    fn learn(&self, by: &Arc<Users>, tag: Vec<u8>) {
        let users = lock(&self.users);
        let mut known = lock(&self.known);
        if known.tags.len() < KNOWN && Arc::ptr_eq(&users, by) {
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

    async fn check(users: &Htpasswd, name: &str, password: &str) -> Checked {
        users.check(name, password, async { "somebody".to_owned() }).await
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
            assert_eq!(check(&users, name, password).await, expected, "{name} {password}");
        }
    }

    #[tokio::test]
    async fn what_is_known_is_forgotten() {
        let clock = Arc::new(ManualClock::new());
        let users = Htpasswd::parse(&line("ann", "secret"), clock.clone()).unwrap();
        assert_eq!(check(&users, "ann", "secret").await, Checked::Right);
        let tag = users.tag("ann", "secret");
        assert!(users.is_known(&tag) && !users.is_known(&users.tag("an", "nsecret")));
        clock.advance(KNOWN_FOR + Duration::from_secs(1));
        assert!(!users.is_known(&tag));
    }

    #[tokio::test]
    async fn a_crowd_is_sent_away() {
        let users = users(&line("ann", "secret")).unwrap();
        let seats = users.seats.clone().try_acquire_many_owned(66).unwrap();
        assert_eq!(check(&users, "ann", "secret").await, Checked::Busy);
        drop(seats);
        // One who asks for much keeps nobody else from it.
        let mut taken: Vec<_> = (0..OF_ONE)
            .map(|_| users.seat("eve".to_owned()).unwrap())
            .collect();
        assert!(users.seat("eve".to_owned()).is_none());
        assert_eq!(check(&users, "ann", "secret").await, Checked::Right);
        taken.pop();
        assert!(users.seat("eve".to_owned()).is_some());
        drop(taken);
        assert!(lock(&users.askers).is_empty());
    }

    /// The file is somebody's to change; what is wrong with it changes nothing.
    #[tokio::test]
    async fn a_changed_file_is_read_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("htpasswd");
        // A new file each time, so that it differs whatever the clock says.
        let write = |text: &str| {
            let new = directory.path().join("new");
            std::fs::write(&new, text).unwrap();
            std::fs::rename(&new, &path).unwrap();
        };
        let first = line("ann", "secret");
        write(&first);
        let users = Htpasswd::follow(&path, &first, Arc::new(ManualClock::new())).unwrap();
        assert_eq!(check(&users, "ann", "secret").await, Checked::Right);
        write(&(line("ann", "other") + &line("bob", "secret")));
        assert_eq!(check(&users, "ann", "secret").await, Checked::Wrong);
        assert_eq!(check(&users, "bob", "secret").await, Checked::Right);
        write("no line\n");
        assert_eq!(check(&users, "bob", "secret").await, Checked::Right);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(check(&users, "ann", "other").await, Checked::Right);
    }

    /// A name that is not there is as dear as the dearest that is.
    #[test]
    fn nobody_costs_what_others_do() {
        let dear = format!("bob:{}\n", bcrypt::hash("secret", 5).unwrap());
        let users = Users::parse(&(line("ann", "secret") + &dear + &line("carl", "x"))).unwrap();
        assert_eq!(users.nobody, users.hashes["bob"]);
        assert_eq!(Users::parse("").unwrap().nobody, NOBODY);
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
