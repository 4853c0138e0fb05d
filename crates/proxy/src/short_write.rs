//! Short pieces in one piece: HTTP hands over a head and its body apart, and for little of both a copy and one `send`
//! do what `writev` does. What it gains is too little to be measured on a busy machine (bench/proxy/README.md).

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::AsyncWrite;
use tokio::net::TcpStream;

/// What is copied at most: a head and a small page. The buffer lies on the stack.
const MOST: usize = 2048;

/// As `AsyncWrite::poll_write_vectored`.
pub(crate) fn poll_write_vectored(
    stream: &mut TcpStream,
    cx: &mut Context<'_>,
    slices: &[IoSlice<'_>],
) -> Poll<io::Result<usize>> {
    let stream = Pin::new(stream);
    let mut buffer = [0; MOST];
    match join(slices, &mut buffer) {
        Some(bytes) => stream.poll_write(cx, bytes),
        None => stream.poll_write_vectored(cx, slices),
    }
}

/// All of it in one piece, when that is short.
fn join<'a>(slices: &'a [IoSlice<'_>], buffer: &'a mut [u8; MOST]) -> Option<&'a [u8]> {
    if let [one] = slices {
        return Some(one);
    }
    let mut length = 0;
    for slice in slices {
        let end = length + slice.len();
        buffer.get_mut(length..end)?.copy_from_slice(slice);
        length = end;
    }
    Some(&buffer[..length])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(pieces: &[&[u8]]) -> Option<Vec<u8>> {
        let slices: Vec<_> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
        join(&slices, &mut [0; MOST]).map(<[u8]>::to_vec)
    }

    #[test]
    fn short_pieces_are_joined_and_long_ones_left() {
        assert_eq!(joined(&[]), Some(vec![]));
        assert_eq!(joined(&[b"head", b"", b"body"]), Some(b"headbody".to_vec()));
        assert_eq!(joined(&[&[1; MOST - 1], &[2]]).map(|bytes| bytes.len()), Some(MOST));
        assert_eq!(joined(&[&[1; MOST], &[2]]), None);
        assert_eq!(
            joined(&[&[1; MOST + 1]]).map(|bytes| bytes.len()),
            Some(MOST + 1),
            "one piece needs no copy"
        );
    }
}
