//! Huffman codes of DEFLATE as lookup tables (RFC 1951 §3.2).
//!
//! ```text
//! the next PRIMARY bits ─▶ entry                 codes of at most PRIMARY bits
//!                          or ─▶ the bits behind them ─▶ entry     longer ones
//! ```

#![allow(
    clippy::cast_possible_truncation,
    reason = "all values are bounded by the sizes of the tables, and `const fn` has no `try_from`"
)]

/// What a code stands for, and its length.
///
/// ```text
/// 31        16 15  12 11   8 7    4 3    0
/// [  value   ][      ][kind ][extra][ len ]     0: no code
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry(u32);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Symbol {
    /// No code begins like this, or not enough of it is here.
    None,
    /// A byte, or the symbol of a code for code lengths.
    Literal(u8),
    /// A length or a distance, of which extra bits are to be added.
    Base(u32),
    /// The end of the block.
    End,
}

impl Entry {
    const NONE: Self = Self(0);
    const LITERAL: u32 = 1 << 8;
    const BASE: u32 = 2 << 8;
    const END: u32 = 3 << 8;
    /// A second table at `value`, for as many bits as `extra` says.
    const TABLE: u32 = 4 << 8;

    const fn new(kind: u32, value: u16, extra: u8) -> Self {
        Self((value as u32) << 16 | kind | (extra as u32) << 4)
    }

    const fn with_len(self, len: u32) -> Self {
        Self(self.0 | len)
    }

    const fn kind(self) -> u32 {
        self.0 & 0xf00
    }

    /// Whether it is a literal.
    #[inline(always)]
    pub(crate) const fn literal(self) -> Option<u8> {
        if self.kind() == Self::LITERAL { Some((self.0 >> 16) as u8) } else { None }
    }

    pub(crate) const fn symbol(self) -> Symbol {
        match self.kind() {
            Self::LITERAL => Symbol::Literal((self.0 >> 16) as u8),
            Self::BASE => Symbol::Base(self.0 >> 16),
            Self::END => Symbol::End,
            _ => Symbol::None,
        }
    }

    /// The bits of the code.
    #[inline(always)]
    pub(crate) const fn len(self) -> u32 {
        self.0 & 15
    }

    /// The bits behind the code that are added to the value.
    #[inline(always)]
    pub(crate) const fn extra(self) -> u32 {
        self.0 >> 4 & 15
    }
}

/// A table with `SIZE` entries, whose first `1 << PRIMARY` are looked up with the next bits.
#[derive(Clone, Debug)]
pub(crate) struct Table<const PRIMARY: usize, const SIZE: usize> {
    entries: [Entry; SIZE],
}

/// Literals and lengths: 286 symbols with codes of up to 15 bits take at most 852 entries behind
/// 9 bits.
pub(crate) type Literals = Table<9, 852>;
/// Distances: 30 symbols take at most 402 entries behind 8 bits.
pub(crate) type Distances = Table<8, 402>;
/// Code lengths: 19 symbols with codes of up to 7 bits.
pub(crate) type CodeLengths = Table<7, 128>;

/// A set of code lengths that no code has (RFC 1951 §3.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InvalidCode;

/// How many bits a code has at the most.
const MAX_LEN: usize = 15;

/// The most symbols of a code: literals and lengths, with two that stand for nothing.
const MAX_SYMBOLS: usize = 288;

impl<const PRIMARY: usize, const SIZE: usize> Table<PRIMARY, SIZE> {
    pub(crate) const fn new() -> Self {
        Self { entries: [Entry::NONE; SIZE] }
    }

    /// What the next bits stand for; [`Symbol::None`] if they begin no code.
    #[inline(always)]
    pub(crate) fn lookup(&self, bits: u64) -> Entry {
        let first = self.entries[bits as usize & ((1 << PRIMARY) - 1)];
        if first.kind() == Entry::TABLE { self.lookup_long(first, bits) } else { first }
    }

    #[inline]
    fn lookup_long(&self, first: Entry, bits: u64) -> Entry {
        let index = (bits >> PRIMARY) as usize & ((1 << first.extra()) - 1);
        self.entries[(first.0 >> 16) as usize + index]
    }

    /// Builds the table for codes of these lengths, 0 for none; `symbols` are what they stand for.
    ///
    /// A code is complete, or a single one of one bit, or empty where `may_be_empty`.
    pub(crate) const fn build(
        &mut self,
        lens: &[u8],
        symbols: &[Entry],
        may_be_empty: bool,
    ) -> Result<(), InvalidCode> {
        let mut counts = [0u16; MAX_LEN + 1];
        let mut symbol = 0;
        while symbol < lens.len() {
            counts[lens[symbol] as usize] += 1;
            symbol += 1;
        }
        counts[0] = 0;
        // Where the symbols of each length begin in the order of the codes, and how much of the code
        // space is left behind the codes up to it.
        let mut starts = [0u16; MAX_LEN + 2];
        let mut left = 1i32;
        let mut max = 0;
        let mut len = 1;
        while len <= MAX_LEN {
            starts[len + 1] = starts[len] + counts[len];
            left = (left << 1) - counts[len] as i32;
            if left < 0 {
                return Err(InvalidCode);
            }
            if counts[len] > 0 {
                max = len;
            }
            len += 1;
        }
        if left > 0 {
            if max > 1 || (max == 0 && !may_be_empty) {
                return Err(InvalidCode);
            }
            let mut index = 0;
            while index < 1 << PRIMARY {
                self.entries[index] = Entry::NONE;
                index += 1;
            }
        }
        let mut sorted = [0u16; MAX_SYMBOLS];
        let used = starts[MAX_LEN + 1] as usize;
        symbol = 0;
        while symbol < lens.len() {
            let len = lens[symbol] as usize;
            if len > 0 {
                sorted[starts[len] as usize] = symbol as u16;
                starts[len] += 1;
            }
            symbol += 1;
        }
        let (sorted, _) = sorted.split_at(used);
        self.fill(lens, symbols, sorted, &mut counts, max)
    }

    /// Puts the codes of the sorted symbols in their places; `counts` are those of each length.
    const fn fill(
        &mut self,
        lens: &[u8],
        symbols: &[Entry],
        sorted: &[u16],
        counts: &mut [u16; MAX_LEN + 1],
        max: usize,
    ) -> Result<(), InvalidCode> {
        let mut code = 0u32;
        let mut before = 0;
        // The second table that is being filled: for codes with this beginning.
        let mut beginning = usize::MAX;
        let mut table = 0;
        let mut table_bits = 0;
        let mut end = 1 << PRIMARY;
        let mut place = 0;
        while place < sorted.len() {
            let symbol = sorted[place] as usize;
            let len = lens[symbol] as usize;
            code <<= len - before;
            before = len;
            // Codes come with their first bit lowest.
            let reversed = (code.reverse_bits() >> (32 - len)) as usize;
            let entry = symbols[symbol].with_len(len as u32);
            let (start, stop, step) = if len <= PRIMARY {
                (reversed, 1 << PRIMARY, 1 << len)
            } else {
                let low = reversed & ((1 << PRIMARY) - 1);
                if low != beginning {
                    beginning = low;
                    table = end;
                    table_bits = second_bits(counts, len, PRIMARY, max);
                    end += 1 << table_bits;
                    if end > SIZE {
                        return Err(InvalidCode);
                    }
                    self.entries[low] = Entry::new(Entry::TABLE, table as u16, table_bits as u8);
                }
                (table + (reversed >> PRIMARY), table + (1 << table_bits), 1 << (len - PRIMARY))
            };
            // A slice of its own, so that each place is known to be in it.
            let (places, _) = self.entries.split_at_mut(stop);
            let mut index = start;
            while index < places.len() {
                places[index] = entry;
                index += step;
            }
            counts[len] -= 1;
            code += 1;
            place += 1;
        }
        Ok(())
    }
}

/// How many bits a second table is looked up with whose shortest code has `len` bits: `counts` are
/// the codes of each length that have no place yet.
const fn second_bits(counts: &[u16; MAX_LEN + 1], len: usize, primary: usize, max: usize) -> usize {
    let mut bits = len - primary;
    let mut left = (1i32 << bits) - counts[len] as i32;
    while left > 0 && bits + primary < max {
        bits += 1;
        left = (left << 1) - counts[bits + primary] as i32;
    }
    bits
}

/// What the symbols for literals and lengths stand for (RFC 1951 §3.2.5).
pub(crate) const LITERALS: [Entry; 288] = {
    let mut symbols = [Entry::NONE; 288];
    let mut symbol = 0;
    while symbol < 256 {
        symbols[symbol] = Entry::new(Entry::LITERAL, symbol as u16, 0);
        symbol += 1;
    }
    symbols[256] = Entry::new(Entry::END, 0, 0);
    let mut base = 3;
    symbol = 257;
    while symbol < 285 {
        let extra = if symbol < 265 { 0 } else { (symbol - 261) / 4 };
        symbols[symbol] = Entry::new(Entry::BASE, base, extra as u8);
        base += 1 << extra;
        symbol += 1;
    }
    symbols[285] = Entry::new(Entry::BASE, 258, 0);
    symbols
};

/// What the symbols for distances stand for (RFC 1951 §3.2.5).
pub(crate) const DISTANCES: [Entry; 32] = {
    let mut symbols = [Entry::NONE; 32];
    let mut base = 1;
    let mut symbol = 0;
    while symbol < 30 {
        let extra = if symbol < 4 { 0 } else { symbol / 2 - 1 };
        symbols[symbol] = Entry::new(Entry::BASE, base, extra as u8);
        base += 1 << extra;
        symbol += 1;
    }
    symbols
};

/// What the symbols for code lengths stand for: themselves.
pub(crate) const CODE_LENGTHS: [Entry; 19] = {
    let mut symbols = [Entry::NONE; 19];
    let mut symbol = 0;
    while symbol < 19 {
        symbols[symbol] = Entry::new(Entry::LITERAL, symbol as u16, 0);
        symbol += 1;
    }
    symbols
};

/// The order in which the lengths of the codes for code lengths come (RFC 1951 §3.2.7).
pub(crate) const CODE_LENGTH_ORDER: [usize; 19] =
    [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// The fixed code of literals and lengths (RFC 1951 §3.2.6).
pub(crate) static FIXED_LITERALS: Literals = {
    let mut lens = [8; 288];
    let mut symbol = 144;
    while symbol < 280 {
        lens[symbol] = if symbol < 256 { 9 } else { 7 };
        symbol += 1;
    }
    let mut table = Table::new();
    assert!(table.build(&lens, &LITERALS, false).is_ok());
    table
};

/// The fixed code of distances.
pub(crate) static FIXED_DISTANCES: Distances = {
    let mut table = Table::new();
    assert!(table.build(&[5; 32], &DISTANCES, false).is_ok());
    table
};
