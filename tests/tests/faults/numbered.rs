//! Samples whose start script does more: one that writes a numbered line every few milliseconds, to see whether any is lost.

use std::io::{Read, Write};

use testkit::client::Upload;
use testkit::sample;

/// Numbers lines beside the app.
const NUMBERS: &str =
    "( i=0; while kill -0 $$; do i=$((i + 1)); echo \"line $i\"; sleep 0.005; done ) 2>/dev/null &\n";

/// `lantern-1` that writes `line 1`, `line 2`, … to its standard output while it runs.
pub(super) fn package() -> Upload {
    beginning_with("lantern-1", NUMBERS)
}

/// A shipment whose start script does something before it starts the app.
pub(super) fn beginning_with(name: &str, first: &str) -> Upload {
    let original = fs_err::File::open(&sample(name).path).unwrap();
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(original));
    let gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut changed = tar::Builder::new(gzip);
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let (path, mut header) = (entry.path().unwrap().into_owned(), entry.header().clone());
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        if path.ends_with("entrypoint.sh") {
            let text = String::from_utf8(bytes).unwrap();
            bytes = text.replacen("set -eu\n", &format!("set -eu\n{first}"), 1).into_bytes();
        }
        header.set_size(bytes.len().try_into().unwrap());
        changed.append_data(&mut header, path, bytes.as_slice()).unwrap();
    }
    let mut gzip = changed.into_inner().unwrap();
    gzip.flush().unwrap();
    Upload { bytes: gzip.finish().unwrap(), ..Upload::default() }
}

/// The numbers that a log holds; anything but whole lines in order panics.
#[track_caller]
pub(super) fn numbers(text: &str) -> u32 {
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let numbers = whole.lines().filter_map(|line| line.strip_prefix("line "));
    let mut last = 0;
    for number in numbers {
        let number: u32 = number.parse().unwrap_or_else(|error| panic!("a torn line {number:?}: {error}"));
        assert_eq!(number, last + 1, "lines are lost, doubled or out of order");
        last = number;
    }
    last
}
