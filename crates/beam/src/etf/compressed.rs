//! Compressed terms: their size, then a zlib stream.

use std::io::Read;

use bytes::Bytes;
use flate2::bufread::ZlibDecoder;

use super::Problem;

/// What is decompressed at once, before it is known whether a size is a lie.
const FIRST: usize = 64 << 10;

/// Decompresses to exactly `size` bytes; tells also how many of `bytes` the stream has.
pub(super) fn decompress(bytes: &[u8], size: u32, limit: usize) -> Result<(Bytes, usize), Problem> {
    let expected = usize::try_from(size).unwrap_or(usize::MAX);
    if expected > limit {
        return Err(Problem::TooLarge(size));
    }
    let mut plain = Vec::with_capacity(expected.min(FIRST));
    let mut decoder = ZlibDecoder::new(bytes);
    // One more, to see one that is longer; and then the end, where its checksum is.
    let most = u64::from(size) + 1;
    decoder.by_ref().take(most).read_to_end(&mut plain).map_err(|_| Problem::Compression)?;
    if plain.len() != expected {
        return Err(Problem::Compression);
    }
    let used = usize::try_from(decoder.total_in()).map_err(|_| Problem::Compression)?;
    Ok((plain.into(), used))
}

/// The first bytes (at most `limit`) of a term after its version byte, decompressed if it is compressed.
pub(crate) fn head(bytes: &[u8], limit: u64) -> Option<Bytes> {
    let (&version, rest) = bytes.split_first()?;
    if version != super::tag::VERSION {
        return None;
    }
    let mut head = Vec::new();
    match rest {
        [super::tag::COMPRESSED, _, _, _, _, compressed @ ..] => {
            ZlibDecoder::new(compressed).take(limit).read_to_end(&mut head).ok()?
        }
        plain => plain.take(limit).read_to_end(&mut head).ok()?,
    };
    Some(head.into())
}
