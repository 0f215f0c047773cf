//! A DEFLATE decoder that is slow and plain: what the quick one is compared with, and how far back
//! compressed data refers.

use std::collections::HashMap;

/// What a whole piece of DEFLATE says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Inflated {
    /// Behind what was there before.
    pub(crate) bytes: Vec<u8>,
    /// The furthest reference.
    pub(crate) distance: usize,
}

struct Bits<'a> {
    bytes: &'a [u8],
    /// Bits that were used.
    at: usize,
}

impl Bits<'_> {
    fn bit(&mut self) -> Option<usize> {
        let byte = *self.bytes.get(self.at / 8)?;
        let bit = byte >> (self.at % 8) & 1;
        self.at += 1;
        Some(bit.into())
    }

    fn bits(&mut self, count: usize) -> Option<usize> {
        let mut value = 0;
        for place in 0..count {
            value |= self.bit()? << place;
        }
        Some(value)
    }

    fn align(&mut self) {
        self.at = self.at.next_multiple_of(8);
    }
}

/// The symbols of a set of codes, by length and code.
struct Codes(HashMap<(usize, usize), usize>);

impl Codes {
    fn new(lens: &[usize], may_be_empty: bool) -> Option<Self> {
        let mut codes = HashMap::new();
        let mut code = 0;
        for len in 1..16 {
            code <<= 1;
            for (symbol, _) in lens.iter().enumerate().filter(|(_, l)| **l == len) {
                codes.insert((len, code), symbol);
                code += 1;
            }
            if code > 1 << len {
                return None;
            }
        }
        let complete = code == 1 << 15;
        let single = codes.len() == 1 && codes.contains_key(&(1, 0));
        (complete || single || (codes.is_empty() && may_be_empty)).then_some(Self(codes))
    }

    fn read(&self, bits: &mut Bits<'_>) -> Option<usize> {
        let (mut len, mut code) = (0, 0);
        loop {
            code = code << 1 | bits.bit()?;
            len += 1;
            if let Some(symbol) = self.0.get(&(len, code)) {
                return Some(*symbol);
            }
            if len == 15 {
                return None;
            }
        }
    }
}

/// Inflates all of these bytes, which must end between two blocks, at the end of a byte. Whatever
/// comes behind a final block begins with the next byte.
pub(crate) fn inflate(before: &[u8], window: usize, bytes: &[u8]) -> Option<Inflated> {
    let mut bits = Bits { bytes, at: 0 };
    let mut inflated = Inflated { bytes: before.to_vec(), distance: 0 };
    while bits.at < 8 * bytes.len() {
        let is_final = bits.bit()? == 1;
        match bits.bits(2)? {
            0 => {
                bits.align();
                let (len, complement) = (bits.bits(16)?, bits.bits(16)?);
                if len ^ complement != 0xffff {
                    return None;
                }
                for _ in 0..len {
                    inflated.bytes.push(bits.bits(8)? as u8);
                }
            }
            1 => {
                let mut lens = vec![8; 288];
                lens[144..256].fill(9);
                lens[256..280].fill(7);
                let codes = (Codes::new(&lens, false)?, Codes::new(&[5; 32], false)?);
                block(&mut bits, &codes.0, &codes.1, window, &mut inflated)?;
            }
            2 => {
                let codes = codes(&mut bits)?;
                block(&mut bits, &codes.0, &codes.1, window, &mut inflated)?;
            }
            _ => return None,
        }
        if is_final {
            bits.align();
        }
    }
    inflated.bytes.drain(..before.len());
    Some(inflated)
}

fn codes(bits: &mut Bits<'_>) -> Option<(Codes, Codes)> {
    let (literals, distances) = (257 + bits.bits(5)?, 1 + bits.bits(5)?);
    let count = 4 + bits.bits(4)?;
    if literals > 286 || distances > 30 {
        return None;
    }
    let mut lens = [0; 19];
    for place in
        [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15].iter().take(count)
    {
        lens[*place] = bits.bits(3)?;
    }
    let code = Codes::new(&lens, false)?;
    let mut lens = vec![];
    while lens.len() < literals + distances {
        let (value, times) = match code.read(bits)? {
            16 => (*lens.last()?, 3 + bits.bits(2)?),
            17 => (0, 3 + bits.bits(3)?),
            18 => (0, 11 + bits.bits(7)?),
            len => (len, 1),
        };
        lens.extend(vec![value; times]);
    }
    if lens.len() > literals + distances || lens[256] == 0 {
        return None;
    }
    Some((Codes::new(&lens[..literals], false)?, Codes::new(&lens[literals..], true)?))
}

fn block(
    bits: &mut Bits<'_>,
    literals: &Codes,
    distances: &Codes,
    window: usize,
    inflated: &mut Inflated,
) -> Option<()> {
    loop {
        let symbol = literals.read(bits)?;
        let len = match symbol {
            0..256 => {
                inflated.bytes.push(symbol as u8);
                continue;
            }
            256 => return Some(()),
            257..265 => symbol - 254,
            265..285 => {
                let extra = (symbol - 261) / 4;
                (((symbol - 261) % 4 + 4) << extra) + 3 + bits.bits(extra)?
            }
            285 => 258,
            _ => return None,
        };
        let distance = match distances.read(bits)? {
            symbol @ 0..4 => symbol + 1,
            symbol @ 4..30 => {
                let extra = symbol / 2 - 1;
                ((symbol % 2 + 2) << extra) + 1 + bits.bits(extra)?
            }
            _ => return None,
        };
        if distance > window || distance > inflated.bytes.len() {
            return None;
        }
        inflated.distance = inflated.distance.max(distance);
        for _ in 0..len {
            inflated.bytes.push(inflated.bytes[inflated.bytes.len() - distance]);
        }
    }
}
