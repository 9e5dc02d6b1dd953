//! The pixels of a PNG that stores them as they are shown: 8 bits a channel, no palette, no interlacing.

use libdeflater::{Crc, Decompressor};

use crate::rows;

const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";
const HEADER_BYTES: usize = 13;
/// What a chunk has besides its content: length and kind before it, checksum behind.
const HEAD_BYTES: usize = 8;
const CRC_BYTES: usize = 4;

/// An image as its caller expects it: nothing that a file says makes more memory than this.
#[derive(Clone, Copy)]
pub struct Shape {
    pub width: usize,
    pub height: usize,
    pub bands: usize,
}

impl Shape {
    fn stride(self) -> Option<usize> {
        self.width.checked_mul(self.bands)
    }

    /// How many bytes `pixels` needs: each row with the number of its filter in front.
    pub fn filtered_bytes(self) -> Option<usize> {
        self.stride()?.checked_add(1)?.checked_mul(self.height)
    }

    /// The header that a file of these pixels has (PNG 3rd edition, 11.2.1).
    fn header(self) -> Option<[u8; HEADER_BYTES]> {
        let kind = match self.bands {
            1 => 0,
            3 => 2,
            4 => 6,
            _ => return None,
        };
        let mut header = [0; HEADER_BYTES];
        header[..4].copy_from_slice(&u32::try_from(self.width).ok()?.to_be_bytes());
        header[4..8].copy_from_slice(&u32::try_from(self.height).ok()?.to_be_bytes());
        header[8..10].copy_from_slice(&[8, kind]);
        Some(header)
    }
}

/// Fill `out`, of `filtered_bytes`, whose first bytes are then the pixels. None: damaged, or another image than expected.
pub fn pixels(file: &[u8], shape: Shape, out: &mut [u8]) -> Option<()> {
    let stride = shape.stride()?;
    if stride == 0 || shape.height == 0 || out.len() != shape.filtered_bytes()? {
        return None;
    }
    let stored = stored(file, &shape.header()?)?;
    // It writes no more than there is room for, whatever the stream would like to be.
    let size = Decompressor::new().zlib_decompress(&stored, out).ok()?;
    if size != out.len() {
        return None;
    }
    match shape.bands {
        1 => rows::unfilter::<1>(out, stride),
        3 => rows::unfilter::<3>(out, stride),
        _ => rows::unfilter::<4>(out, stride),
    }
}

/// What the IDAT chunks hold together, checksums verified.
fn stored(file: &[u8], header: &[u8]) -> Option<Vec<u8>> {
    let mut rest = file.strip_prefix(SIGNATURE)?;
    let (first, begin) = chunk(&mut rest)?;
    if first != *b"IHDR" || begin != header {
        return None;
    }
    let mut stored = Vec::new();
    stored.try_reserve_exact(rest.len()).ok()?;
    loop {
        match chunk(&mut rest)? {
            (kind, content) if kind == *b"IDAT" => stored.extend_from_slice(content),
            // Frames of an animation: the image that is shown may be another.
            (kind, _) if kind == *b"acTL" || kind == *b"fcTL" => return None,
            _ if !stored.is_empty() => return Some(stored),
            _ => {}
        }
    }
}

/// Take the next chunk: its kind and its content.
fn chunk<'a>(rest: &mut &'a [u8]) -> Option<([u8; 4], &'a [u8])> {
    let length = u32::from_be_bytes(rest.get(..4)?.try_into().ok()?) as usize;
    let end = HEAD_BYTES.checked_add(length)?;
    let (body, crc) = (rest.get(4..end)?, rest.get(end..end + CRC_BYTES)?);
    let mut check = Crc::new();
    check.update(body);
    if check.sum().to_be_bytes() != crc {
        return None;
    }
    *rest = &rest[end + CRC_BYTES..];
    Some((body[..4].try_into().ok()?, &body[4..]))
}
