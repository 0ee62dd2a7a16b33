//! Power cuts at every I/O.

use driver::{Rng, SimDisk};
use proptest::prelude::*;
use store::{Durability, Revision};

use crate::rig::{Past, Rig, Step, ordeal, run};

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let durability = prop_oneof![Just(Durability::Durable), Just(Durability::Relaxed)];
    let step =
        (0..10u8, 0..5u8, 0..1200usize, durability).prop_map(|(kind, key, length, durability)| match kind {
            0..5 => Step::Put {
                key,
                length,
                durability,
            },
            5 => Step::Delete { key, durability },
            6 => Step::Minute,
            _ => Step::Turn,
        });
    prop::collection::vec(step, 20..90)
}

/// A script that fills segments, takes checkpoints and recycles.
fn long_script(rng: &mut Rng) -> Vec<Step> {
    let durability = |rng: &mut Rng| {
        if rng.one_in(2) {
            Durability::Relaxed
        } else {
            Durability::Durable
        }
    };
    let mut steps = Vec::new();
    for _ in 0..70 {
        let key = u8::try_from(rng.below(5)).unwrap();
        let length = usize::try_from(rng.below(900)).unwrap();
        let durability = durability(rng);
        steps.push(match rng.below(8) {
            0 => Step::Delete { key, durability },
            _ => Step::Put {
                key,
                length,
                durability,
            },
        });
        if !rng.one_in(3) {
            steps.push(if rng.one_in(9) { Step::Minute } else { Step::Turn });
        }
    }
    steps
}

fn ios(steps: &[Step]) -> u64 {
    let disk = SimDisk::new();
    drop(run(&disk, steps, 1, Past::default()));
    disk.io_count()
}

/// Cuts the power at each I/O of a script, and once more in a second life; how many lives ended
/// with a broken promise, and the first of those.
fn losses(lying: bool, scripts: u64) -> (u64, Option<String>) {
    let (mut lost, mut first) = (0, None);
    for seed in 0..scripts {
        let mut rng = Rng::from_seed(seed);
        let steps = long_script(&mut rng);
        for cut in 0..ios(&steps) {
            let disk = SimDisk::new();
            disk.set_lying(lying);
            let second = rng.below(60);
            let lives = ordeal(&disk, &steps, cut, &mut rng, Past::default())
                .and_then(|past| ordeal(&disk, &steps, second, &mut rng, past));
            if let Err(message) = lives {
                lost += 1;
                first.get_or_insert(format!("script {seed}, cut at {cut}, then {second}: {message}"));
            }
        }
    }
    (lost, first)
}

#[test]
fn a_power_cut_at_any_io_loses_nothing_acknowledged() {
    let (_, first) = losses(false, 6);
    assert_eq!(first, None);
}

#[test]
fn the_scripts_get_as_far_as_checkpoints() {
    for seed in 0..6 {
        let disk = SimDisk::new();
        drop(run(
            &disk,
            &long_script(&mut Rng::from_seed(seed)),
            1,
            Past::default(),
        ));
        assert!(
            Rig::open(&disk).store.status().checkpoint > Revision::ZERO,
            "script {seed}"
        );
    }
}

/// The check is worth something only if it notices a disk that does not sync.
#[test]
fn without_fsync_the_same_check_reports_losses() {
    let (lost, _) = losses(true, 1);
    assert!(lost > 10, "only {lost} losses noticed");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn many_lives_on_one_disk(lives in prop::collection::vec((steps(), 0..250u64), 1..5), seed: u64) {
        let disk = SimDisk::new();
        let mut rng = Rng::from_seed(seed);
        let mut past = Past::default();
        for (steps, cut) in &lives {
            match ordeal(&disk, steps, *cut, &mut rng, past.clone()) {
                Ok(now) => past = now,
                Err(message) => prop_assert!(false, "{}", message),
            }
            // The process dies as well, without a power cut and without closing.
        }
    }
}
