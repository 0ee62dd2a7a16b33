//! `meta/v1 Time`: moments to the second, as objects carry them.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Time(Timestamp);

impl Time {
    /// The moment, without its fraction of a second.
    pub(crate) fn of(wall: SystemTime) -> Self {
        let exact = Timestamp::try_from(wall).unwrap_or_default();
        Self(Timestamp::from_second(exact.as_second()).unwrap_or_default())
    }

    /// An RFC 3339 text; none where it is no time.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        text.parse().ok().map(Self)
    }

    /// How long ago it was; zero if it is to come.
    pub(crate) fn age(self, now: SystemTime) -> Duration {
        now.duration_since(SystemTime::from(self.0)).unwrap_or_default()
    }

    /// How long it is until `after` this moment; none if that is over.
    pub(crate) fn left(self, after: Duration, now: SystemTime) -> Option<Duration> {
        after.checked_sub(self.age(now)).filter(|left| !left.is_zero())
    }

    /// The moment that a view has.
    pub(crate) const fn at(stamp: Timestamp) -> Self {
        Self(stamp)
    }

    /// How long it is after another; zero if it is before.
    pub(crate) fn since(self, other: Self) -> Duration {
        Duration::try_from(self.0.duration_since(other.0)).unwrap_or_default()
    }

    /// The moment itself.
    pub(crate) const fn stamp(self) -> Timestamp {
        self.0
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| de::Error::custom(format_args!("no time: {text}")))
    }
}
