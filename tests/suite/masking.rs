//! Masking against the byte-wise definition of RFC 6455 §5.3.

use std::collections::HashSet;

use proptest::prelude::*;
use wscore::{Mask, cipher, copy_masked, random_mask, random_nonce};

fn naive(payload: &[u8], key: [u8; 4], offset: usize) -> Vec<u8> {
    payload.iter().enumerate().map(|(index, byte)| byte ^ key[(offset + index) % 4]).collect()
}

#[test]
fn fr39_every_length_and_alignment_equals_the_naive_loop() {
    const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let bytes: Vec<u8> = (0..4096 + 64).map(|index| (index * 7 + index / 256) as u8).collect();
    let lengths = (0..600).chain([1023, 1024, 1025, 2048, 4093, 4095, 4096]);
    for len in lengths {
        let shifts = if len < 300 { 0..64 } else { 0..8 };
        for shift in shifts {
            let offset = shift + len;
            let expected = naive(&bytes[shift..shift + len], KEY, offset);
            let mut around = bytes.clone();
            cipher(&mut around[shift..shift + len], KEY, offset);
            assert_eq!(around[shift..shift + len], expected, "{len} at {shift}");
            assert_eq!(around[..shift], bytes[..shift], "bytes before the payload");
            assert_eq!(around[shift + len..], bytes[shift + len..], "bytes behind the payload");

            let mut out = vec![0xaa; len + 2];
            copy_masked(&bytes[shift..shift + len], &mut out[1..len + 1], KEY, offset);
            assert_eq!(out[1..len + 1], expected, "{len} from {shift} by copy");
            assert_eq!((out[0], out[len + 1]), (0xaa, 0xaa), "bytes around the copy");
        }
    }
}

#[test]
fn offsets_near_the_largest_do_not_overflow() {
    let mut payload = *b"abcdefghij";
    cipher(&mut payload, [1, 2, 3, 4], usize::MAX);
    assert_eq!(payload[..], naive(b"abcdefghij", [1, 2, 3, 4], 3));
}

#[test]
#[should_panic(expected = "one length")]
fn a_copy_of_another_length_is_refused() {
    copy_masked(b"abc", &mut [0; 2], [0; 4], 0);
}

#[test]
fn cve_2025_10148_keys_do_not_repeat_and_follow_no_pattern() {
    let keys: Vec<_> = (0..10_000).map(|_| random_mask()).collect();
    let distinct: HashSet<_> = keys.iter().collect();
    assert!(distinct.len() >= 9_998);
    let numbers = keys.iter().map(|key| u32::from_ne_bytes(*key));
    let neighbours: Vec<_> = numbers.clone().zip(numbers.skip(1)).collect();
    let differences: HashSet<_> = neighbours.iter().map(|(a, b)| a ^ b).collect();
    let steps: HashSet<_> = neighbours.iter().map(|(a, b)| b.wrapping_sub(*a)).collect();
    assert!(differences.len() >= 9_990 && steps.len() >= 9_990);
    let elsewhere = std::thread::spawn(random_nonce).join().unwrap();
    assert_ne!(elsewhere, random_nonce());
}

proptest! {
    #[test]
    fn fr39_pieces_give_what_the_whole_gives(
        payload in prop::collection::vec(any::<u8>(), 0..2000),
        key: [u8; 4],
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(payload.len() + 1)).collect();
        cuts.sort_unstable();
        cuts.push(payload.len());
        let expected = naive(&payload, key, 0);
        let (mut by_mask, mut by_offset) = (payload.clone(), payload.clone());
        let (mut mask, mut start) = (Mask::new(key), 0);
        for cut in cuts {
            mask.apply(&mut by_mask[start..cut]);
            cipher(&mut by_offset[start..cut], key, start);
            start = cut;
        }
        prop_assert_eq!(&by_mask, &expected);
        prop_assert_eq!(&by_offset, &expected);
    }
}
