//! Huffman codes for what is to be written (RFC 1951 §3.2).

#![allow(
    clippy::cast_possible_truncation,
    reason = "symbols, lengths and depths are bounded by the sizes of the arrays"
)]

/// The most bits of any code.
const MAX_LEN: usize = 15;

/// The most that a tree is deep whose leaves weigh less than 2^16 together: its weights grow like
/// Fibonacci's numbers at least, of which the 25th is more.
const MAX_DEPTH: usize = 25;

/// How many bits say which symbol, below how often.
const SYMBOL_BITS: u32 = 9;

/// The code of each symbol.
#[derive(Clone, Debug)]
pub(crate) struct Code<const N: usize> {
    /// How many bits, 0 for none.
    pub(crate) lens: [u8; N],
    /// The same above 16 bits of which the lowest are the code, its first bit lowest.
    codes: [u32; N],
}

impl<const N: usize> Code<N> {
    pub(crate) const fn new() -> Self {
        Self { lens: [0; N], codes: [0; N] }
    }

    /// Gives symbols that come so often the code with which all take the fewest bits, or few if one
    /// would have more than `max`. It is complete: at least two symbols have one.
    pub(crate) fn build(&mut self, counts: &[u16; N], max: usize) {
        let mut keys = [0u32; N];
        let mut used = 0;
        for (symbol, count) in (0..).zip(counts) {
            keys[used] = u32::from(*count) << SYMBOL_BITS | symbol;
            used += usize::from(*count > 0);
        }
        // Not all decoders take a code of one symbol.
        for symbol in 0..2 {
            if used < 2 && counts[symbol as usize] == 0 {
                keys[used] = symbol;
                used += 1;
            }
        }
        let keys = &mut keys[..used];
        keys.sort_unstable();
        let numbers = numbers::<N>(keys, max);
        self.lens.fill(0);
        let mut rarest_first = keys.iter();
        for len in (1..=max).rev() {
            for key in rarest_first.by_ref().take(usize::from(numbers[len])) {
                self.lens[(key & ((1 << SYMBOL_BITS) - 1)) as usize] = len as u8;
            }
        }
        self.assign(&numbers);
    }

    /// Gives each symbol with a length its code; `numbers` are how many have each length
    /// (RFC 1951 §3.2.2).
    const fn assign(&mut self, numbers: &[u16; MAX_DEPTH + 1]) {
        let mut next = [0u16; MAX_LEN + 2];
        let mut len = 1;
        while len <= MAX_LEN {
            next[len + 1] = (next[len] + numbers[len]) << 1;
            len += 1;
        }
        let mut symbol = 0;
        while symbol < N {
            let len = self.lens[symbol];
            if len > 0 {
                let code = &mut next[len as usize];
                self.codes[symbol] =
                    (len as u32) << 16 | (code.reverse_bits() >> (16 - len)) as u32;
                *code += 1;
            }
            symbol += 1;
        }
    }

    /// The bits of a symbol, the first one lowest, and how many.
    #[inline(always)]
    pub(crate) const fn get(&self, symbol: usize) -> (u64, u32) {
        let code = self.codes[symbol];
        (code as u64 & 0xffff, code >> 16)
    }

    /// The code whose symbols have these lengths.
    pub(crate) const fn from_lens(lens: [u8; N]) -> Self {
        let mut code = Self { lens, codes: [0; N] };
        let mut numbers = [0; MAX_DEPTH + 1];
        let mut symbol = 0;
        while symbol < N {
            if lens[symbol] > 0 {
                numbers[lens[symbol] as usize] += 1;
            }
            symbol += 1;
        }
        code.assign(&numbers);
        code
    }
}

/// How many codes of each length there are for symbols that come so often, which is above the lowest
/// bits of the keys; the rarest comes first.
fn numbers<const N: usize>(keys: &[u32], max: usize) -> [u16; MAX_DEPTH + 1] {
    let weight = |leaf: usize| keys[leaf] >> SYMBOL_BITS;
    // The tree that joins the two lightest again and again: nodes come in the order of their weight.
    let nodes = keys.len() - 1;
    let mut weights = [0u32; N];
    let mut parents = [0u16; N];
    let mut leaves_of = [0u16; N];
    let (mut leaf, mut node) = (0, 0);
    for new in 0..nodes {
        for _ in 0..2 {
            if leaf < keys.len() && (node == new || weight(leaf) <= weights[node]) {
                weights[new] += weight(leaf);
                leaves_of[new] += 1;
                leaf += 1;
            } else {
                weights[new] += weights[node];
                parents[node] = new as u16;
                node += 1;
            }
        }
    }
    let mut numbers = [0; MAX_DEPTH + 1];
    let mut depths = [0u8; N];
    for node in (0..nodes).rev() {
        let depth = if node + 1 == nodes { 1 } else { depths[usize::from(parents[node])] + 1 };
        depths[node] = depth;
        numbers[usize::from(depth)] += leaves_of[node];
    }
    limit(&mut numbers, max);
    numbers
}

/// Lifts what is deeper than `max`.
fn limit(numbers: &mut [u16; MAX_DEPTH + 1], max: usize) {
    let deeper: u16 = numbers[max + 1..].iter().sum();
    if deeper == 0 {
        return;
    }
    numbers[max] += deeper;
    // How much of the code space is taken, in codes of `max` bits.
    let taken: u32 = (1..=max).map(|len| u32::from(numbers[len]) << (max - len)).sum();
    for _ in 1 << max..taken {
        // A leaf goes beside one above it, which both get one bit more than that.
        let Some(len) = (1..max).rev().find(|len| numbers[*len] > 0) else { return };
        numbers[max] -= 1;
        numbers[len] -= 1;
        numbers[len + 1] += 2;
    }
}

#[cfg(test)]
mod tests {
    use alloc::{collections::BinaryHeap, vec, vec::Vec};
    use core::cmp::Reverse;

    use super::*;

    /// The fewest bits that these take with a code: the weight of all inner nodes of the tree.
    fn fewest_bits(counts: &[u16]) -> u64 {
        let mut heap: BinaryHeap<_> = counts
            .iter()
            .filter(|count| **count > 0)
            .map(|count| Reverse(u64::from(*count)))
            .collect();
        let mut bits = 0;
        while let (Some(Reverse(one)), Some(Reverse(other))) = (heap.pop(), heap.pop()) {
            bits += one + other;
            heap.push(Reverse(one + other));
        }
        bits
    }

    fn check<const N: usize>(counts: &[u16; N], max: usize) -> u64 {
        let mut code = Code::new();
        code.build(counts, max);
        let used: Vec<_> = (0..N).filter(|symbol| code.lens[*symbol] > 0).collect();
        assert!(used.len() >= 2);
        assert!((0..N).all(|symbol| counts[symbol] == 0 || code.lens[symbol] > 0));
        assert!(used.iter().all(|symbol| usize::from(code.lens[*symbol]) <= max));
        // No code begins another, and all of the code space is taken.
        let mut taken = vec![false; 1 << max];
        for symbol in used {
            let (bits, len) = code.get(symbol);
            for place in (bits as usize..1 << max).step_by(1 << len) {
                assert!(!core::mem::replace(&mut taken[place], true));
            }
        }
        assert!(taken.iter().all(|taken| *taken));
        counts.iter().zip(code.lens).map(|(count, len)| u64::from(*count) * u64::from(len)).sum()
    }

    #[test]
    fn codes_are_complete_and_take_the_fewest_bits() {
        let mut seed = 1u32;
        let mut random = move || {
            seed = seed.wrapping_mul(1_103_515_245).wrapping_add(12345);
            seed >> 16
        };
        for round in 0..500 {
            let mut counts = [0; 288];
            let shift = random() % 16;
            for _ in 0..round {
                counts[random() as usize % 288] = (random() >> shift) as u16 % 100;
            }
            let bits = check(&counts, 15);
            if counts.iter().filter(|count| **count > 0).count() >= 2 {
                assert_eq!(bits, fewest_bits(&counts));
            }
        }
    }

    #[test]
    fn codes_that_would_be_too_long_are_limited() {
        let mut counts = [0; 19];
        counts[..2].fill(1);
        for symbol in 2..19 {
            counts[symbol] = counts[symbol - 1] + counts[symbol - 2];
        }
        for max in [5, 7, 14, 15] {
            let bits = check(&counts, max);
            assert!(bits > fewest_bits(&counts));
        }
    }

    #[test]
    fn a_code_of_fewer_than_two_symbols_has_two() {
        check(&[0; 30], 15);
        for symbol in 0..30 {
            let mut counts = [0; 30];
            counts[symbol] = 7;
            assert_eq!(check(&counts, 15), 7);
        }
    }
}
