//! Bytes that nobody vouches for, given to the decoders of segments and checkpoints.

use std::sync::Arc;

use driver::{File, SimDisk};
use proptest::prelude::*;

fn file(bytes: &[u8]) -> Arc<dyn File> {
    let file = SimDisk::new().dir().create("bytes").unwrap();
    file.write_at(bytes, 0).unwrap();
    file
}

/// Noise that now and then looks like small numbers, as lengths do.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    let chunk = prop_oneof![
        prop::collection::vec(any::<u8>(), 1..64),
        (0..300u32).prop_map(|n| n.to_le_bytes().to_vec()),
        (0..16usize).prop_map(|n| vec![0; n]),
    ];
    prop::collection::vec(chunk, 0..60).prop_map(|chunks| chunks.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn noise_is_no_record_and_no_panic(noise in noise(), seed: u32) {
        let bytes = [vec![0; 4096], noise].concat();
        prop_assert_eq!(store::fuzz::segment(file(&bytes), seed), Some(0));
    }

    #[test]
    fn noise_is_no_checkpoint_and_no_panic(noise in noise()) {
        prop_assert_eq!(store::fuzz::checkpoint(file(&noise)), None);
    }
}
