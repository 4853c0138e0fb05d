//! The unit on every socket: `u32 length | u16 type | fields`, little-endian.
//!
//! `length` counts everything after itself. Field [`REQUEST`] is common to all frames: the asker's number,
//! repeated in the answer, 0 in what nobody asked for. A type that the reader does not know is answered (by a
//! shim, with [`crate::shim::Refusal::UnknownMessage`]) or skipped (by the daemon); it never ends a connection.

use crate::error::DecodeError;
use crate::field::{Field, Fields, put_bytes};

/// Longest frame in bytes, without its length: room for any environment Linux would accept in practice, and
/// little enough that a confused peer cannot make us allocate much.
pub const MAX_FRAME: usize = 1024 * 1024;

/// Tag of the request number in every frame.
pub const REQUEST: u16 = 0;

const LENGTH: usize = 4;
const TYPE: usize = 2;

/// A frame as it lies in the reader's buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Number of the message type.
    pub kind: u16,
    /// The asker's number; 0 if nobody asked.
    pub request: u64,
    /// All fields, the request number included.
    pub fields: &'a [u8],
}

/// Cuts the first frame off `buffer`: the frame and how many bytes it took, or `None` while it is incomplete.
pub fn split(buffer: &[u8]) -> Result<Option<(Frame<'_>, usize)>, DecodeError> {
    let Some(length) = buffer.first_chunk::<LENGTH>() else { return Ok(None) };
    let length = u32::from_le_bytes(*length) as usize;
    if length > MAX_FRAME {
        return Err(DecodeError::TooLong { length: length as u64 });
    }
    if length < TYPE {
        return Err(DecodeError::Truncated);
    }
    match buffer.get(LENGTH..LENGTH + length) {
        Some(body) => Ok(Some((parse(body)?, LENGTH + length))),
        None => Ok(None),
    }
}

/// Reads a frame's body (type and fields), as records on disk hold it too.
pub fn parse(body: &[u8]) -> Result<Frame<'_>, DecodeError> {
    let (kind, fields) = body.split_first_chunk::<TYPE>().ok_or(DecodeError::Truncated)?;
    let mut request = 0u64;
    for field in Fields::new(fields) {
        let (tag, value) = field?;
        if tag == REQUEST {
            request.take(tag, value, 0)?;
        }
    }
    Ok(Frame { kind: u16::from_le_bytes(*kind), request, fields })
}

/// Appends a frame; fails if its content is longer than [`MAX_FRAME`], leaving `out` as it was.
pub fn put(
    kind: u16,
    request: u64,
    fields: impl FnOnce(&mut Vec<u8>),
    out: &mut Vec<u8>,
) -> Result<(), DecodeError> {
    let start = out.len();
    out.extend_from_slice(&[0; LENGTH]);
    put_body(kind, request, fields, out);
    let length = out.len() - start - LENGTH;
    if length > MAX_FRAME {
        out.truncate(start);
        return Err(DecodeError::TooLong { length: length as u64 });
    }
    out[start..start + LENGTH].copy_from_slice(&(length as u32).to_le_bytes());
    Ok(())
}

/// Appends a frame's body, as [`parse`] reads it.
pub fn put_body(kind: u16, request: u64, fields: impl FnOnce(&mut Vec<u8>), out: &mut Vec<u8>) {
    out.extend_from_slice(&kind.to_le_bytes());
    if request != 0 {
        put_bytes(REQUEST, &request.to_le_bytes(), out);
    }
    fields(out);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_seen_only_when_whole() {
        let mut bytes = Vec::new();
        put(7, 9, |out| put_bytes(1, b"abc", out), &mut bytes).unwrap();
        for cut in 0..bytes.len() {
            assert_eq!(split(&bytes[..cut]), Ok(None), "cut at {cut}");
        }
        let (frame, used) = split(&bytes).unwrap().unwrap();
        assert_eq!((frame.kind, frame.request, used), (7, 9, bytes.len()));
    }

    #[test]
    fn too_long_is_refused_by_both_sides() {
        let mut out = vec![1];
        let refused = put(1, 0, |out| put_bytes(1, &vec![0; MAX_FRAME], out), &mut out);
        assert!(matches!(refused, Err(DecodeError::TooLong { .. })));
        assert_eq!(out, [1], "nothing half-written is left");
        assert!(matches!(split(&u32::MAX.to_le_bytes()), Err(DecodeError::TooLong { .. })));
    }

    #[test]
    fn a_frame_without_a_type_is_refused() {
        assert_eq!(split(&[1, 0, 0, 0, 5]), Err(DecodeError::Truncated));
    }
}
