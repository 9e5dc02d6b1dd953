//! The filters of PNG undone (PNG 3rd edition, W3C, 9), four rows at a time.
//!
//! A filtered pixel needs the one before it, so one row is a chain of dependent steps. Four rows are not: each runs a
//! pixel behind the row above it, which has just made what this one looks up to, and one vector holds all four.

/// Rows that are unfiltered at once.
const TOGETHER: usize = 4;
/// How many pixels the last of them is behind the first.
const LAG: usize = TOGETHER - 1;
/// A pixel of up to four bytes in each of these rows.
const LANES: usize = PIXEL * TOGETHER;
type Lanes = [i16; LANES];
/// Pixels are read and written as four bytes, whatever they have; so rows of scratch have as many to spare.
const PIXEL: usize = 4;

/// Turn rows of `1 + stride` bytes, each with the number of its filter in front, into pixels of `B` bytes, which are
/// moved to the begin. None: there is no such filter.
pub fn unfilter<const B: usize>(image: &mut [u8], stride: usize) -> Option<()> {
    let rows = image.len() / (1 + stride);
    let mut scratch = Scratch::new(stride);
    for first in (0..rows).step_by(TOGETHER) {
        let some = TOGETHER.min(rows - first);
        let filters = scratch.take(&image[first * (1 + stride)..][..some * (1 + stride)], stride)?;
        scratch.undo::<B>(&filters, stride / B);
        scratch.give(&mut image[first * stride..][..some * stride], stride);
    }
    Some(())
}

/// What is added to a pixel, by lane: all ones where the row has the filter, zero elsewhere.
struct Filters {
    left: Lanes,
    above: Lanes,
    mean: Lanes,
    paeth: Lanes,
}

/// Rows in hand: as they were filtered, as they are, and the one above.
struct Scratch {
    given: [Vec<u8>; TOGETHER],
    made: [Vec<u8>; TOGETHER],
    above: Vec<u8>,
}

impl Scratch {
    fn new(stride: usize) -> Self {
        let row = || vec![0; stride + PIXEL];
        Self {
            given: std::array::from_fn(|_| row()),
            made: std::array::from_fn(|_| row()),
            above: row(),
        }
    }

    /// Copy rows in; those that are missing at the end of the image stay as they were, and are not given out.
    fn take(&mut self, rows: &[u8], stride: usize) -> Option<Filters> {
        let none = [0; LANES];
        let mut filters = Filters {
            left: none,
            above: none,
            mean: none,
            paeth: none,
        };
        for (i, row) in rows.chunks_exact(1 + stride).enumerate() {
            self.given[i][..stride].copy_from_slice(&row[1..]);
            let chosen = match row[0] {
                0 => continue,
                1 => &mut filters.left,
                2 => &mut filters.above,
                3 => &mut filters.mean,
                4 => &mut filters.paeth,
                _ => return None,
            };
            chosen[PIXEL * i..][..PIXEL].fill(-1);
        }
        Some(filters)
    }

    /// Undo the filters: of all four rows where all are inside the image, with care at either side.
    fn undo<const B: usize>(&mut self, filters: &Filters, width: usize) {
        let mut front = Front {
            before: [0; LANES],
            over: [0; LANES],
        };
        for at in 0..LAG {
            self.edge::<B>(&mut front, filters, width, at);
        }
        self.inner::<B>(&mut front, filters, width);
        for at in width.max(LAG)..width + LAG {
            self.edge::<B>(&mut front, filters, width, at);
        }
    }

    fn inner<const B: usize>(&mut self, front: &mut Front, filters: &Filters, width: usize) {
        let Some(length) = width.checked_sub(LAG).map(|pixels| pixels * B) else {
            return;
        };
        let from = |i: usize| B * (LAG - i);
        let given: [&[u8]; TOGETHER] = std::array::from_fn(|i| &self.given[i][from(i)..][..length + PIXEL]);
        let above = &self.above[from(0)..][..length + PIXEL];
        let [m0, m1, m2, m3] = &mut self.made;
        let mut made = [
            &mut m0[from(0)..],
            &mut m1[from(1)..],
            &mut m2[from(2)..],
            &mut m3[from(3)..],
        ];
        for at in (0..length).step_by(B) {
            let pixels = front.step(
                lanes(given.map(|row| word(row, at))),
                lanes([word(above, at), 0, 0, 0]),
                filters,
            );
            let out = packed(&pixels);
            for (i, row) in made.iter_mut().enumerate() {
                write(row, at, out, i);
            }
            front.before = pixels;
        }
    }

    fn edge<const B: usize>(&mut self, front: &mut Front, filters: &Filters, width: usize, at: usize) {
        let place = |i: usize| (at >= i && at - i < width).then(|| B * (at - i));
        let above = place(0).map_or(0, |x| word(&self.above, x));
        let given = std::array::from_fn(|i| place(i).map_or(0, |x| word(&self.given[i], x)));
        let mut pixels = front.step(lanes(given), lanes([above, 0, 0, 0]), filters);
        for i in 0..TOGETHER {
            match place(i) {
                Some(x) => write(&mut self.made[i], x, packed(&pixels), i),
                None => pixels[PIXEL * i..][..PIXEL].fill(0),
            }
        }
        front.before = pixels;
    }

    fn give(&mut self, out: &mut [u8], stride: usize) {
        for (row, made) in out.chunks_exact_mut(stride).zip(&self.made) {
            row.copy_from_slice(&made[..stride]);
        }
        std::mem::swap(&mut self.above, &mut self.made[TOGETHER - 1]);
    }
}

/// Where the four rows are: the pixels just made, and what was above them.
struct Front {
    before: Lanes,
    over: Lanes,
}

impl Front {
    /// Make the next pixel of each row. `top` has what is above the first of them.
    #[inline(always)]
    fn step(&mut self, given: Lanes, top: Lanes, filters: &Filters) -> Lanes {
        let (left, corner) = (self.before, self.over);
        let mut above = top;
        above[PIXEL..].copy_from_slice(&left[..LANES - PIXEL]);
        self.over = above;
        std::array::from_fn(|i| {
            let (a, b, c) = (left[i], above[i], corner[i]);
            let guess = (filters.left[i] & a)
                | (filters.above[i] & b)
                | (filters.mean[i] & ((a + b) >> 1))
                | (filters.paeth[i] & paeth(a, b, c));
            (given[i] + guess) & 0xff
        })
    }
}

/// The one of three that is nearest to a + b - c, by comparisons alone.
#[inline(always)]
fn paeth(a: i16, b: i16, c: i16) -> i16 {
    let (low, high) = (a.min(b), a.max(b));
    let bound = 3 * c - (a + b);
    let either = if high <= bound { low } else { c };
    if bound <= low {
        high
    } else {
        either
    }
}

#[inline(always)]
fn word(row: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([row[at], row[at + 1], row[at + 2], row[at + 3]])
}

/// Pixels as they come out of a vector in one go: that of row `i` in the `i`th 32 bits.
#[inline(always)]
fn packed(lanes: &Lanes) -> u128 {
    u128::from_le_bytes(lanes.map(|lane| lane as u8))
}

#[inline(always)]
fn write(row: &mut [u8], at: usize, pixels: u128, i: usize) {
    row[at..at + PIXEL].copy_from_slice(&((pixels >> (32 * i)) as u32).to_le_bytes());
}

#[inline(always)]
fn lanes(pixels: [u32; TOGETHER]) -> Lanes {
    let [p0, p1, p2, p3] = pixels.map(u128::from);
    (p0 | p1 << 32 | p2 << 64 | p3 << 96).to_le_bytes().map(i16::from)
}
