//! The inventory kept in a version's folder, beside its manifest.

use std::io::{self, Read};

use serde::{Deserialize, Serialize};
use upgrade::inventory::Release;

use crate::digest::Sha256Digest;
use crate::durable;
use crate::tree::Unpacked;

const NAME: &str = "inventory.json";

/// Counts up whenever an inventory says something else or in another way: one of another number is made anew.
const SCHEMA: u32 = 2;

/// Longest that is read back.
const MOST_BYTES: u64 = 512 << 20;

#[derive(Deserialize)]
struct Kept {
    schema: u32,
    package: Sha256Digest,
    release: Release,
}

#[derive(Serialize)]
struct Keep<'a> {
    schema: u32,
    package: Sha256Digest,
    release: &'a Release,
}

/// The kept one, if it is of this package and says all that we ask. The package's digest stands for the content of its
/// files, as its manifest does.
pub(super) fn read(version: &Unpacked) -> Option<Release> {
    let mut bytes = Vec::new();
    let file = fs_err::File::open(version.path.join(NAME)).ok()?;
    file.take(MOST_BYTES).read_to_end(&mut bytes).ok()?;
    let kept: Kept = serde_json::from_slice(&bytes).ok()?;
    (kept.schema == SCHEMA && kept.package == version.digest).then_some(kept.release)
}

pub(super) fn write(version: &Unpacked, release: &Release) -> io::Result<()> {
    let keep = Keep { schema: SCHEMA, package: version.digest, release };
    durable::write_whole(&version.path.join(NAME), &serde_json::to_vec(&keep)?, 0o444, None)
}
