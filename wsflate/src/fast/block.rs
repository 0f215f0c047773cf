//! A block: which bytes are literals, which are references, and how they are written.

#![allow(
    clippy::cast_possible_truncation,
    reason = "a block has at most 16 KiB, and a window 32 KiB"
)]

use alloc::{boxed::Box, vec::Vec};

use crate::{
    fast::{bits::BitWriter, code::Code, history::MIN_MATCH},
    huffman::CODE_LENGTH_ORDER,
};

/// The most bytes that a block stands for.
pub(crate) const MAX_BLOCK: usize = 16 * 1024;

/// To tell codes for so few bytes takes more than they save, in bytes.
const FEW: usize = 64;

/// Literals, the end of a block, and lengths; two stand for nothing.
const SYMBOLS: usize = 288;
/// Distances.
const DISTANCES: usize = 30;
const END: usize = 256;

/// Literals, and a reference behind them.
#[derive(Clone, Copy, Debug)]
struct Sequence {
    literals: u16,
    /// 3–258, or 0 for no reference: behind the last literals.
    len: u16,
    /// 1–32,768
    distance: u16,
}

/// What a block has, and how often.
#[derive(Debug)]
pub(crate) struct Block {
    sequences: Vec<Sequence>,
    symbol_counts: [u16; SYMBOLS],
    distance_counts: [u16; DISTANCES],
    /// The bits behind the codes of lengths and distances.
    extra_bits: usize,
    codes: Box<Codes>,
}

/// The codes of a block.
#[derive(Clone, Debug)]
struct Codes {
    symbols: Code<SYMBOLS>,
    distances: Code<DISTANCES>,
}

impl Block {
    pub(crate) fn new() -> Self {
        Self {
            sequences: Vec::with_capacity(MAX_BLOCK / MIN_MATCH + 1),
            symbol_counts: [0; SYMBOLS],
            distance_counts: [0; DISTANCES],
            extra_bits: 0,
            codes: Box::new(Codes { symbols: Code::new(), distances: Code::new() }),
        }
    }

    /// Appends literals, and a reference.
    #[inline(always)]
    pub(crate) fn reference(&mut self, literals: &[u8], len: usize, distance: usize) {
        self.count_literals(literals);
        let (symbol, len_extra) = LENGTHS[len - 3];
        self.symbol_counts[usize::from(symbol)] += 1;
        let code = Distance::new(distance as u16);
        self.distance_counts[code.symbol] += 1;
        self.extra_bits += usize::from(len_extra) + code.extra as usize;
        self.sequences.push(Sequence {
            literals: literals.len() as u16,
            len: len as u16,
            distance: distance as u16,
        });
    }

    /// Appends the last literals.
    pub(crate) fn end(&mut self, literals: &[u8]) {
        self.count_literals(literals);
        self.symbol_counts[END] = 1;
        self.sequences.push(Sequence { literals: literals.len() as u16, len: 0, distance: 0 });
    }

    #[inline(always)]
    fn count_literals(&mut self, literals: &[u8]) {
        for literal in literals {
            self.symbol_counts[usize::from(*literal)] += 1;
        }
    }

    /// Writes the block, which stands for these bytes, in the way that takes the fewest bits, and
    /// begins anew. It takes at most 6 bytes more than these.
    pub(crate) fn write<const QUICK: bool>(&mut self, bytes: &[u8], out: &mut BitWriter) {
        let stored = 8 * bytes.len() + 42;
        let fixed = self.size(&FIXED);
        let own = if QUICK || bytes.len() <= FEW { None } else { Some(self.build()) };
        match own {
            Some((lens, own)) if own < fixed.min(stored) => {
                out.put(0b100, 3);
                lens.write(out);
                self.write_sequences(bytes, &self.codes, out);
            }
            _ if fixed < stored => {
                out.put(0b010, 3);
                self.write_sequences(bytes, &FIXED, out);
            }
            _ => out.stored(bytes),
        }
        self.sequences.clear();
        self.symbol_counts.fill(0);
        self.distance_counts.fill(0);
        self.extra_bits = 0;
    }

    /// How many literals, and the length and distance of the reference behind them.
    #[cfg(test)]
    pub(crate) fn sequences(&self) -> impl Iterator<Item = (usize, usize, usize)> {
        let sizes = |of: &Sequence| (of.literals.into(), of.len.into(), of.distance.into());
        self.sequences.iter().map(sizes)
    }

    /// Makes codes for what it has: how they are told, and how many bits all takes.
    fn build(&mut self) -> (CodeLengths, usize) {
        self.codes.symbols.build(&self.symbol_counts, 14);
        self.codes.distances.build(&self.distance_counts, 15);
        let lens = CodeLengths::new(&self.codes);
        let size = lens.size() + self.size(&self.codes);
        (lens, size)
    }

    /// How many bits it takes with these codes.
    fn size(&self, codes: &Codes) -> usize {
        let of = |counts: &[u16], lens: &[u8]| -> u32 {
            counts.iter().zip(lens).map(|(count, len)| u32::from(*count) * u32::from(*len)).sum()
        };
        let symbols = of(&self.symbol_counts, &codes.symbols.lens);
        let distances = of(&self.distance_counts, &codes.distances.lens);
        (symbols + distances) as usize + self.extra_bits
    }

    fn write_sequences(&self, bytes: &[u8], codes: &Codes, out: &mut BitWriter) {
        let mut rest = bytes;
        for sequence in &self.sequences {
            let Some((literals, behind)) = rest.split_at_checked(sequence.literals.into()) else {
                break;
            };
            // 7 bits, and four of at most 14.
            for literals in literals.chunks(4) {
                out.carry();
                for literal in literals {
                    put(&codes.symbols, usize::from(*literal), out);
                }
            }
            if sequence.len == 0 {
                break;
            }
            out.carry();
            // 7 bits, 14 and 5, 15 and 13.
            let (symbol, extra) = LENGTHS[usize::from(sequence.len) - 3];
            put(&codes.symbols, symbol.into(), out);
            out.put(
                u64::from(sequence.len - LENGTH_BASES[usize::from(symbol) - 257]),
                extra.into(),
            );
            let distance = Distance::new(sequence.distance);
            put(&codes.distances, distance.symbol, out);
            out.put(distance.value.into(), distance.extra);
            rest = behind.get(sequence.len.into()..).unwrap_or_default();
        }
        out.carry();
        put(&codes.symbols, END, out);
        out.carry();
    }
}

#[inline(always)]
fn put<const N: usize>(code: &Code<N>, symbol: usize, out: &mut BitWriter) {
    let (bits, len) = code.get(symbol);
    out.put(bits, len);
}

/// What a distance is written as (RFC 1951 §3.2.5).
struct Distance {
    symbol: usize,
    extra: u32,
    value: u16,
}

impl Distance {
    #[inline(always)]
    const fn new(distance: u16) -> Self {
        let distance = distance - 1;
        if distance < 4 {
            return Self { symbol: distance as usize, extra: 0, value: 0 };
        }
        // The two highest bits are the symbol's.
        let extra = 14 - distance.leading_zeros();
        let symbol = 2 * extra + (distance >> extra) as u32;
        Self { symbol: symbol as usize, extra, value: distance & ((1 << extra) - 1) }
    }
}

/// The symbol of each length from 3 on, and how many bits follow it (RFC 1951 §3.2.5).
const LENGTHS: [(u16, u8); 256] = {
    let mut lengths = [(0, 0); 256];
    let mut symbol = 0;
    while symbol < 28 {
        let mut at = LENGTH_BASES[symbol] as usize - 3;
        let end = LENGTH_BASES[symbol + 1] as usize - 3;
        while at <= end && at < 256 {
            lengths[at] = (257 + symbol as u16, length_extra(symbol) as u8);
            at += 1;
        }
        symbol += 1;
    }
    lengths[255] = (285, 0);
    lengths
};

/// The shortest length of each symbol.
const LENGTH_BASES: [u16; 29] = {
    let mut bases = [3; 29];
    let mut symbol = 1;
    while symbol < 28 {
        bases[symbol] = bases[symbol - 1] + (1 << length_extra(symbol - 1));
        symbol += 1;
    }
    bases[28] = 258;
    bases
};

const fn length_extra(symbol: usize) -> usize {
    if symbol < 8 || symbol == 28 { 0 } else { symbol / 4 - 1 }
}

/// The codes that need not be told (RFC 1951 §3.2.6).
static FIXED: Codes = {
    let mut lens = [8; SYMBOLS];
    let mut symbol = 144;
    while symbol < 280 {
        lens[symbol] = if symbol < 256 { 9 } else { 7 };
        symbol += 1;
    }
    Codes { symbols: Code::from_lens(lens), distances: Code::from_lens([5; DISTANCES]) }
};

/// The lengths of the codes of a block, as they stand before it (RFC 1951 §3.2.7).
struct CodeLengths {
    /// A symbol, and what follows it.
    items: [(u8, u8); SYMBOLS + DISTANCES],
    len: usize,
    symbols: usize,
    distances: usize,
    counts: [u16; 19],
    code: Code<19>,
    /// How many lengths of the codes of lengths are written.
    written: usize,
}

/// How many bits follow the symbols behind 15.
const REPEAT_BITS: [u8; 3] = [2, 3, 7];

impl CodeLengths {
    fn new(codes: &Codes) -> Self {
        let used = |lens: &[u8], least: usize| {
            lens.iter().rposition(|len| *len > 0).map_or(least, |last| least.max(last + 1))
        };
        let symbols = used(&codes.symbols.lens, END + 1);
        let distances = used(&codes.distances.lens, 1);
        let mut lens = [0; SYMBOLS + DISTANCES];
        lens[..symbols].copy_from_slice(&codes.symbols.lens[..symbols]);
        lens[symbols..symbols + distances].copy_from_slice(&codes.distances.lens[..distances]);
        let mut told = Self {
            items: [(0, 0); SYMBOLS + DISTANCES],
            len: 0,
            symbols,
            distances,
            counts: [0; 19],
            code: Code::new(),
            written: 0,
        };
        for run in lens[..symbols + distances].chunk_by(|one, next| one == next) {
            told.push_run(run[0], run.len());
        }
        told.code.build(&told.counts, 7);
        let last = CODE_LENGTH_ORDER.iter().rposition(|symbol| told.code.lens[*symbol] > 0);
        told.written = last.map_or(4, |last| 4.max(last + 1));
        told
    }

    /// Appends a length that comes so often.
    fn push_run(&mut self, len: u8, mut times: usize) {
        if len > 0 {
            self.push(len, 0);
            times -= 1;
        }
        while times >= 3 {
            let (symbol, least, most) = match len {
                0 if times >= 11 => (18, 11, 138),
                0 => (17, 3, 10),
                _ => (16, 3, 6),
            };
            let now = times.min(most);
            self.push(symbol, (now - least) as u8);
            times -= now;
        }
        for _ in 0..times {
            self.push(len, 0);
        }
    }

    fn push(&mut self, symbol: u8, extra: u8) {
        self.items[self.len] = (symbol, extra);
        self.len += 1;
        self.counts[usize::from(symbol)] += 1;
    }

    /// How many bits they take.
    fn size(&self) -> usize {
        let codes = self.counts.iter().zip(&self.code.lens);
        let codes: usize = codes.map(|(count, len)| usize::from(*count) * usize::from(*len)).sum();
        let repeats = self.counts[16..].iter().zip(REPEAT_BITS);
        let repeats: usize =
            repeats.map(|(count, bits)| usize::from(*count * u16::from(bits))).sum();
        14 + 3 * self.written + codes + repeats
    }

    fn write(&self, out: &mut BitWriter) {
        out.put(self.symbols as u64 - 257, 5);
        out.put(self.distances as u64 - 1, 5);
        out.put(self.written as u64 - 4, 4);
        for symbol in &CODE_LENGTH_ORDER[..self.written] {
            out.carry();
            out.put(self.code.lens[*symbol].into(), 3);
        }
        for (symbol, extra) in &self.items[..self.len] {
            out.carry();
            put(&self.code, usize::from(*symbol), out);
            if *symbol >= 16 {
                out.put((*extra).into(), REPEAT_BITS[usize::from(*symbol) - 16].into());
            }
        }
    }
}
