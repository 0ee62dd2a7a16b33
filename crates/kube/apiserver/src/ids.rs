//! Random identifiers: object uids, audit ids, the ends of generated names.

use driver::Rng;

/// A version 4 UUID.
pub(crate) fn uuid(rng: &mut Rng) -> String {
    let high = rng.next_u64() & !0xf000 | 0x4000;
    let low = rng.next_u64() >> 2 | 1 << 63;
    let digits = u128::from(high) << 64 | u128::from(low);
    // Every request has one: digit by digit costs a tenth of what formatting does.
    let mut text = String::with_capacity(36);
    for at in 0..32_u32 {
        if matches!(at, 8 | 12 | 16 | 20) {
            text.push('-');
        }
        let digit = digits >> (124 - 4 * at) & 0xf;
        text.push(char::from(b"0123456789abcdef"[digit as usize]));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_says_its_version_and_variant() {
        let mut rng = Rng::from_seed(7);
        for _ in 0..100 {
            let id = uuid(&mut rng);
            let dashes: Vec<usize> = id.match_indices('-').map(|(at, _)| at).collect();
            assert_eq!((id.len(), dashes.as_slice()), (36, &[8, 13, 18, 23][..]));
            assert_eq!(&id[14..15], "4");
            assert!("89ab".contains(&id[19..20]), "{id}");
        }
    }
}
