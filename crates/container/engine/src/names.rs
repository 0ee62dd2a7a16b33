//! Names for containers that were given none: an adjective and a thing of the port.
//!
//! The words are our own: what one meets at a harbour, so that a name tells a Gantry container
//! from another engine's at sight.

use driver::Rng;

const ADJECTIVES: &[&str] = &[
    "able", "agile", "amber", "ample", "azure", "balmy", "bold", "brave", "breezy", "brief", "bright",
    "brisk", "calm", "candid", "clever", "coastal", "coral", "cosy", "crisp", "daring", "deft", "eager",
    "early", "earnest", "easy", "fair", "famous", "fearless", "fleet", "fresh", "frosty", "gallant",
    "gentle", "glad", "golden", "graceful", "grand", "happy", "hardy", "hearty", "honest", "humble", "ideal",
    "jolly", "joyful", "keen", "kind", "lasting", "light", "lively", "loyal", "lucid", "lucky", "mellow",
    "merry", "mighty", "modest", "neat", "nimble", "noble", "patient", "placid", "plucky", "polite",
    "prompt", "proud", "quick", "quiet", "radiant", "rapid", "ready", "robust", "rosy", "salty", "serene",
    "sharp", "silver", "sleek", "smart", "smooth", "snug", "sober", "solid", "spry", "stable", "steady",
    "stout", "sturdy", "sunny", "sure", "swift", "tidy", "tranquil", "trim", "trusty", "upbeat", "valiant",
    "vivid", "warm", "wise", "witty", "zesty",
];

const THINGS: &[&str] = &[
    "albatross",
    "anchor",
    "ballast",
    "barge",
    "barnacle",
    "beacon",
    "berth",
    "bilge",
    "boatswain",
    "bollard",
    "boom",
    "bow",
    "breakwater",
    "bridge",
    "brig",
    "bulkhead",
    "buoy",
    "cable",
    "canvas",
    "capstan",
    "captain",
    "cargo",
    "channel",
    "chart",
    "clipper",
    "compass",
    "cormorant",
    "coxswain",
    "crane",
    "crate",
    "current",
    "cutter",
    "davit",
    "deck",
    "derrick",
    "dinghy",
    "dock",
    "dolphin",
    "drydock",
    "estuary",
    "fairway",
    "fathom",
    "fender",
    "ferry",
    "fjord",
    "flotilla",
    "foghorn",
    "forecastle",
    "freighter",
    "frigate",
    "funnel",
    "galley",
    "gangway",
    "gull",
    "halyard",
    "harbour",
    "hatch",
    "hawser",
    "headland",
    "heron",
    "hoist",
    "hold",
    "hull",
    "isle",
    "jetty",
    "keel",
    "ketch",
    "knot",
    "lagoon",
    "landing",
    "lantern",
    "lighter",
    "lighthouse",
    "lock",
    "longboat",
    "lugger",
    "mainsail",
    "manifest",
    "mariner",
    "marlin",
    "mast",
    "mooring",
    "narwhal",
    "navigator",
    "oar",
    "otter",
    "paddle",
    "pallet",
    "pelican",
    "pier",
    "pilot",
    "pontoon",
    "porpoise",
    "porthole",
    "propeller",
    "quay",
    "rigging",
    "rudder",
    "sail",
    "schooner",
    "seal",
    "sextant",
    "shackle",
    "shoal",
    "signal",
    "skiff",
    "skipper",
    "sloop",
    "sounding",
    "spar",
    "stevedore",
    "strait",
    "tackle",
    "tanker",
    "tender",
    "tern",
    "tide",
    "tiller",
    "trawler",
    "tugboat",
    "turnstile",
    "walrus",
    "wharf",
    "winch",
    "windlass",
    "yawl",
];

/// Attempts at a name of two words before digits are added.
const ATTEMPTS: usize = 16;

/// A name that is not `taken`. Where chance finds none, digits follow until one is free.
pub fn generate(rng: &mut Rng, taken: impl Fn(&str) -> bool) -> String {
    let mut name = pick(rng);
    for _ in 1..ATTEMPTS {
        if !taken(&name) {
            return name;
        }
        name = pick(rng);
    }
    while taken(&name) {
        name = format!("{}{}", pick(rng), rng.below(1_000_000));
    }
    name
}

fn pick(rng: &mut Rng) -> String {
    let mut word = |list: &[&'static str]| {
        let at = usize::try_from(rng.below(list.len() as u64)).unwrap_or(0);
        list[at]
    };
    format!("{}_{}", word(ADJECTIVES), word(THINGS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn words_are_sorted_distinct_and_fit_into_a_name() {
        for list in [ADJECTIVES, THINGS] {
            assert!(list.is_sorted_by(|a, b| a < b), "sorted and distinct");
            assert!(
                list.iter()
                    .all(|word| word.bytes().all(|byte| byte.is_ascii_lowercase()))
            );
        }
    }

    #[test]
    fn a_seed_gives_the_same_names() {
        let names = |seed| {
            let mut rng = Rng::from_seed(seed);
            (0..8).map(|_| generate(&mut rng, |_| false)).collect::<Vec<_>>()
        };
        assert_eq!(names(7), names(7));
        assert_ne!(names(7), names(8));
    }

    #[test]
    fn names_in_use_are_never_given_out_even_when_all_pairs_are() {
        let mut rng = Rng::from_seed(1);
        let mut taken: BTreeSet<String> = BTreeSet::new();
        for adjective in ADJECTIVES {
            taken.extend(THINGS.iter().map(|thing| format!("{adjective}_{thing}")));
        }
        let pairs = taken.len();
        for _ in 0..200 {
            let name = generate(&mut rng, |name| taken.contains(name));
            assert!(name.ends_with(|last: char| last.is_ascii_digit()), "{name}");
            assert!(taken.insert(name));
        }
        assert_eq!(taken.len(), pairs + 200);
    }
}
