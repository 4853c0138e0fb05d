//! The inventory kept in a version's folder, beside its manifest.
//!
//! ```text
//! schema  package  digest  release
//! u32 LE  32 bytes 16      postcard
//! ```
//!
//! In binary, because it is read before every plan, and as text those of large releases take twice as long.

use std::io::{self, Read};

use upgrade::Digest;
use upgrade::inventory::Release;

use crate::durable;
use crate::tree::Unpacked;

const NAME: &str = "inventory.bin";

/// Counts up whenever an inventory says something else or in another way: one of another number is made anew.
const SCHEMA: u32 = 2;

/// Longest that is read back.
const MOST_BYTES: u64 = 512 << 20;

/// What comes before the release: schema, digest of the package, digest of what follows.
const HEAD: usize = 4 + 32 + 16;

/// The kept one, if it is of this package, whole, and says all that we ask. The package's digest stands for the content of
/// its files, as its manifest does.
pub(super) fn read(version: &Unpacked) -> Option<Release> {
    let mut bytes = Vec::new();
    let file = fs_err::File::open(version.path.join(NAME)).ok()?;
    file.take(MOST_BYTES).read_to_end(&mut bytes).ok()?;
    let (head, release) = bytes.split_at_checked(HEAD)?;
    if head != self::head(version, release) {
        return None;
    }
    postcard::from_bytes(release).ok()
}

pub(super) fn write(version: &Unpacked, release: &Release) -> io::Result<()> {
    let release = postcard::to_stdvec(release).map_err(io::Error::other)?;
    let content = [head(version, &release), release].concat();
    durable::write_whole(&version.path.join(NAME), &content, 0o444, None)
}

fn head(version: &Unpacked, release: &[u8]) -> Vec<u8> {
    let digest = Digest::of(release);
    [&SCHEMA.to_le_bytes()[..], version.digest.as_bytes(), digest.as_bytes()].concat()
}
