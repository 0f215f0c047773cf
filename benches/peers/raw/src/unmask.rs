//! Unmasking and moving in one pass, with AVX2 where the processor has it.

/// Unmasks `bytes[gap..]` into `bytes[..bytes.len() - gap]`.
#[inline]
pub fn move_down(bytes: &mut [u8], gap: usize, key: [u8; 4]) {
    #[cfg(target_arch = "x86_64")]
    if bytes.len() >= gap + 64 && std::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2, which is all the function asks for.
        return unsafe { move_down_avx2(bytes, gap, key) };
    }
    move_words(bytes, gap, 0, key);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn move_down_avx2(bytes: &mut [u8], gap: usize, key: [u8; 4]) {
    let at = move_blocks::<128>(bytes, gap, 0, key);
    let at = move_blocks::<32>(bytes, gap, at, key);
    move_words(bytes, gap, at, key);
}

#[inline(always)]
fn move_words(bytes: &mut [u8], gap: usize, mut at: usize, key: [u8; 4]) {
    let half = u64::from(u32::from_ne_bytes(key));
    while let Some(moved) = bytes.get_mut(at..at + gap + 8) {
        let (word, _) = moved[gap..].as_chunks();
        let word = u64::from_ne_bytes(word[0]) ^ (half << 32 | half);
        moved[..8].copy_from_slice(&word.to_ne_bytes());
        at += 8;
    }
    if let Some(moved) = bytes.get_mut(at..at + gap + 4) {
        let (word, _) = moved[gap..].as_chunks();
        let word = u32::from_ne_bytes(word[0]) ^ half as u32;
        moved[..4].copy_from_slice(&word.to_ne_bytes());
        at += 4;
    }
    // At most three are left.
    for (index, key) in (at..bytes.len() - gap).zip(key) {
        bytes[index] = bytes[index + gap] ^ key;
    }
}

/// Moves as many blocks as there are from `at` on: where they end. All of a block is loaded before
/// it is stored, so that it becomes the widest loads and stores there are.
#[inline(always)]
fn move_blocks<const SIZE: usize>(
    bytes: &mut [u8],
    gap: usize,
    mut at: usize,
    key: [u8; 4],
) -> usize {
    let mut keys = [0; SIZE];
    keys.chunks_exact_mut(4).for_each(|keys| keys.copy_from_slice(&key));
    while let Some(moved) = bytes.get_mut(at..at + gap + SIZE) {
        let mut block = [0; SIZE];
        block.copy_from_slice(&moved[gap..]);
        block.iter_mut().zip(keys).for_each(|(byte, key)| *byte ^= key);
        moved[..SIZE].copy_from_slice(&block);
        at += SIZE;
    }
    at
}

#[cfg(test)]
mod tests {
    #[test]
    fn moves_and_unmasks() {
        let key = [1, 20, 63, 240];
        for gap in [0, 4, 8, 40] {
            for size in 0..600 {
                let mut bytes: Vec<u8> = (0..size + gap).map(|index| (index * 7) as u8).collect();
                let wanted: Vec<u8> =
                    (0..size).map(|index| bytes[index + gap] ^ key[index % 4]).collect();
                super::move_down(&mut bytes, gap, key);
                assert_eq!(bytes[..size], wanted, "{size} bytes down by {gap}");
            }
        }
    }
}
