//! A corpus of hostile archives: each is refused with its own message, and nothing of it becomes visible.
#![allow(clippy::unwrap_used, reason = "clippy knows tests by their attribute, not their helpers")]

mod support;

use package::Limits;
use package::archive::{ArchiveError, extract};
use proptest::prelude::*;
use support::{Bench, Tar, described, gzip, mix, names};

/// Limits that small archives can pass.
fn small() -> Limits {
    Limits {
        archive_bytes: 1 << 20,
        total_bytes: 100_000,
        file_bytes: 60_000,
        entries: 50,
        path_depth: 8,
        path_bytes: 300,
    }
}

/// Unpacks beside a canary that hostile entries aim at. Gives the names unpacked, or the refusal.
fn check(archive: &[u8]) -> Result<String, String> {
    let bench = Bench::new();
    let (canary, inside) = (bench.path("canary"), bench.path("inside"));
    fs_err::write(&canary, "unharmed").unwrap();
    fs_err::create_dir(&inside).unwrap();
    let result = extract(archive, &inside, &small());
    assert_eq!(fs_err::read_to_string(&canary).unwrap(), "unharmed");
    assert_eq!(bench.names(), ["canary", "inside"], "something was written outside");
    let listed = |manifest: package::Manifest| {
        manifest.entries.into_iter().map(|entry| entry.path).collect::<Vec<_>>().join(" ")
    };
    result.map(|extracted| listed(extracted.manifest)).map_err(|error| described(&error))
}

#[track_caller]
fn refused(archive: &[u8], why: &str) {
    let result = check(archive);
    let message = result.expect_err("it was unpacked");
    assert!(message.contains(why), "refused for another reason: {message}");
}

#[test]
fn names_that_leave_the_folder_are_refused() {
    refused(&Tar::new().file("/etc/passwd", "x").gz(), "at \"/etc/passwd\": its name is absolute");
    refused(&Tar::new().file("../canary", "x").gz(), "at \"../canary\": its name has a \"..\"");
    refused(&Tar::new().file("a/../../canary", "x").gz(), "its name has a \"..\"");
    refused(&Tar::new().file("a/..", "x").gz(), "its name has a \"..\"");
    refused(&Tar::new().folder("..").gz(), "its name has a \"..\"");
    refused(&Tar::new().pax(&[("path", b"../canary")]).file("fine", "x").gz(), "its name has a \"..\"");
    refused(
        &Tar::new().entry(b'L', b"long", 0, b"", b"../canary\0").file("fine", "x").gz(),
        "its name has a \"..\"",
    );
}

#[test]
fn names_that_are_none_are_refused() {
    refused(&Tar::new().file("", "x").gz(), "its name is empty");
    refused(&Tar::new().file("./", "").symlink(".", "a").gz(), "its name is empty");
    refused(&Tar::new().pax(&[("path", b"a\0b")]).file("fine", "x").gz(), "control character");
    refused(&Tar::new().file("a\nb", "x").gz(), "control character");
    refused(&Tar::new().entry(b'0', b"a\xff", 0o644, b"", b"").gz(), "its name is not UTF-8");
    let long = "n".repeat(256);
    refused(
        &Tar::new().pax(&[("path", long.as_bytes())]).file("fine", "x").gz(),
        "too long (at most 255 bytes)",
    );
    let longer = "name/".repeat(70);
    refused(
        &Tar::new().pax(&[("path", longer.as_bytes())]).file("fine", "x").gz(),
        "too long (at most 300 bytes)",
    );
    refused(&Tar::new().file("1/2/3/4/5/6/7/8/9", "x").gz(), "more than 8 parts");
}

#[test]
fn symbolic_links_that_leave_are_refused() {
    refused(&Tar::new().symlink("a", "/etc/passwd").gz(), "the symbolic link to \"/etc/passwd\" leads out");
    refused(&Tar::new().symlink("a", "../canary").gz(), "leads out of the package");
    refused(&Tar::new().folder("d").symlink("d/a", "../../canary").gz(), "leads out of the package");
    // Each link alone stays inside; one through the other does not.
    let through =
        Tar::new().folder("d/e").symlink("up", "d/e/..").symlink("d/e/out", "../../up/../../canary");
    refused(&through.gz(), "leads out of the package");
    let later = Tar::new().symlink("d/x", "y/../../canary").symlink("d/y", "..");
    refused(&later.gz(), "leads out of the package");
    refused(&Tar::new().symlink("a", "b").symlink("b", "a").gz(), "leads to itself");
    let chain = (0..42).fold(Tar::new(), |tar, n| tar.symlink(&format!("l{n}"), &format!("l{}", n + 1)));
    refused(&chain.gz(), "leads to itself or through too many others");
    let winding = "d/../".repeat(19);
    let winding = (0..40).fold(Tar::new().folder("d"), |tar, n| {
        tar.symlink(&format!("l{n}"), &format!("{winding}l{}", n + 1))
    });
    refused(&winding.gz(), "leads to itself or through too many others");
    refused(&Tar::new().symlink("b", "").gz(), "its name is empty");
}

#[test]
fn nothing_is_written_through_a_link() {
    refused(
        &Tar::new().symlink("d", ".").file("d/canary", "x").gz(),
        "\"d\" is used as a folder but is none",
    );
    refused(
        &Tar::new().symlink("d", "..").file("d/canary", "x").gz(),
        "\"d\" is used as a folder but is none",
    );
    refused(&Tar::new().symlink("f", "../canary").file("f", "x").gz(), "the name occurs twice");
}

#[test]
fn links_that_stay_are_made() {
    let tar = Tar::new().file("lib/a-1/x", "x").symlink("lib/a", "a-1").symlink("lib/a-1/up", "../a/x");
    assert_eq!(check(&tar.clone().gz()).unwrap(), "lib lib/a lib/a-1 lib/a-1/up lib/a-1/x");
    let dangling = tar.symlink("nowhere", "not/there");
    assert!(check(&dangling.gz()).is_ok());
}

#[test]
fn hard_links_name_files_of_the_archive() {
    refused(&Tar::new().hard_link("a", "../canary").gz(), "hard link to \"../canary\" names no earlier file");
    refused(
        &Tar::new().hard_link("a", "/etc/passwd").gz(),
        "hard link to \"/etc/passwd\" names no earlier file",
    );
    refused(&Tar::new().hard_link("a", "later").file("later", "x").gz(), "names no earlier file");
    refused(&Tar::new().folder("d").hard_link("a", "d").gz(), "names no earlier file");
    refused(&Tar::new().symlink("s", "../canary").hard_link("a", "s").gz(), "names no earlier file");
    assert_eq!(check(&Tar::new().file("a", "x").hard_link("b", "./a").gz()).unwrap(), "a b");
}

#[test]
fn only_files_folders_and_links_are_taken() {
    for (kind, name) in
        [(b'3', "null"), (b'4', "sda"), (b'6', "pipe"), (b'7', "fast"), (b'S', "sparse"), (b'V', "vol")]
    {
        let entry = Tar::new().entry(kind, name.as_bytes(), 0o644, b"", b"");
        refused(&entry.gz(), &format!("entries of type {:?} are not accepted", char::from(kind)));
    }
    let sparse = Tar::new().pax(&[("GNU.sparse.major", b"1")]).file("a", "x");
    refused(&sparse.gz(), "entries of type 'S'");
}

#[test]
fn set_id_bits_are_refused() {
    for mode in [0o4755, 0o2755, 0o6644] {
        refused(&Tar::new().entry(b'0', b"su", mode, b"", b"x").gz(), "set-user-id or set-group-id");
    }
}

#[test]
fn a_name_is_used_once() {
    refused(&Tar::new().file("a", "1").file("a", "2").gz(), "at \"a\": the name occurs twice");
    refused(&Tar::new().file("a/b", "1").file("./a//b", "2").gz(), "at \"a/b\": the name occurs twice");
    refused(&Tar::new().file("a", "1").folder("a/").gz(), "the name occurs twice");
    refused(&Tar::new().folder("a").file("a", "1").gz(), "the name occurs twice");
    refused(&Tar::new().file("a", "1").file("a/b", "2").gz(), "\"a\" is used as a folder but is none");
    refused(&Tar::new().file("a", "1").hard_link("a", "a").gz(), "the name occurs twice");
    assert_eq!(check(&Tar::new().folder("a").folder("./a/").file("a/b", "").gz()).unwrap(), "a a/b");
}

#[test]
fn bombs_are_refused() {
    refused(&Tar::new().file("zeros", vec![0; 60_001]).gz(), "the file is larger than 60000 bytes");
    let two = Tar::new().file("a", vec![0; 60_000]).file("b", vec![0; 60_000]);
    refused(&two.gz(), "larger than 100000 bytes together");
    // The header claims what is not there: it is refused before a byte is read.
    refused(&Tar::new().lying("huge", 1 << 33, b"x").gz(), "the file is larger than 60000 bytes");
    let many = (0..51).fold(Tar::new(), |tar, number| tar.folder(&format!("d{number}")));
    refused(&many.gz(), "more than 50 entries");
    let implied = (0..10).fold(Tar::new(), |tar, n| tar.file(&format!("{n}/b/c/d/e/f"), ""));
    refused(&implied.gz(), "more than 50 entries");
    let headers = (0..51).fold(Tar::new(), |tar, _| tar.pax(&[("comment", b"x")]));
    refused(&headers.gz(), "more than 50 entries");
    refused(&Tar::new().entry(b'L', b"long", 0, b"", &[b'n'; 70_000]).gz(), "its header is malformed");
    refused(&gzip(&vec![0; 3 << 20]), "data after the end");
    let noise: Vec<u8> = (0..2_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    refused(&Tar::new().file("a", "x").entry(b'0', b"n", 0o644, b"", &noise).gz(), "larger than 60000 bytes");
    let packed = [Tar::new().file("a", "x").gz(), vec![0; 2 << 20]].concat();
    refused(&packed, "data after the end");
}

#[test]
fn a_packed_file_over_the_limit_is_refused() {
    let noise: Vec<u8> = (0..60_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let archive = Tar::new().file("a", noise).gz();
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits { archive_bytes: 1000, ..small() };
    let error = extract(&archive[..], folder.path(), &limits).unwrap_err();
    assert!(error.to_string().contains("the packed file is larger than 1000 bytes"), "{error}");
}

#[test]
fn headers_that_contradict_each_other_are_refused() {
    refused(&Tar::new().pax(&[("size", b"100")]).file("a", "x").gz(), "its header is malformed");
    refused(&Tar::new().pax(&[("size", b"many")]).file("a", "x").gz(), "its header is malformed");
    refused(&Tar::new().entry(b'5', b"d", 0o755, b"", b"content").gz(), "its header is malformed");
    refused(&Tar::new().pax(&[("path", b"a")]).gz(), "truncated");
}

#[test]
fn long_names_are_read() {
    let name = format!("{}/{}", "d".repeat(120), "f".repeat(120));
    let pax = Tar::new().pax(&[("path", name.as_bytes())]).file("short", "x");
    let gnu =
        Tar::new().entry(b'L', b"././@LongLink", 0, b"", format!("{name}\0").as_bytes()).file("short", "x");
    for tar in [pax, gnu] {
        assert_eq!(check(&tar.gz()).unwrap(), format!("{} {name}", "d".repeat(120)));
    }
    let target = format!("{}/x", "t".repeat(150));
    let links = Tar::new().pax(&[("linkpath", target.as_bytes())]).symlink("a", "short");
    assert_eq!(check(&links.gz()).unwrap(), "a");
}

#[test]
fn damaged_archives_are_refused() {
    let good = mix(Tar::new(), "", "beacon", "1.0.0").gz();
    assert!(check(&good).is_ok());
    refused(b"", "truncated");
    refused(b"PK\x03\x04 a zip file, not a tarball", "damaged or not a .tar.gz");
    refused(&Tar::new().file("a", "x").plain(), "damaged or not a .tar.gz");
    refused(&gzip(&[b'x'; 2000]), "damaged or not a .tar.gz");
    refused(&gzip(b"short"), "damaged or not a .tar.gz");
    let mut flipped = good.clone();
    let crc = flipped.len() - 8;
    flipped[crc] ^= 1;
    refused(&flipped, "damaged or not a .tar.gz");
    refused(&[good.clone(), b"x".to_vec()].concat(), "data after the end");
    refused(&[good.clone(), good].concat(), "data after the end");
    let after = [Tar::new().file("a", "x").plain(), b"smuggled".to_vec()].concat();
    refused(&gzip(&after), "data after the end");
}

#[test]
fn an_archive_cut_anywhere_is_refused() {
    let good = Tar::new().file("a", "some content").folder("d").file("d/b", "more").gz();
    for length in 0..good.len() {
        let result = check(&good[..length]);
        assert!(result.is_err(), "cut after {length} of {} bytes: {result:?}", good.len());
    }
}

#[test]
fn terminals_are_safe_from_names() {
    let error = check(&Tar::new().file("/\x1b[2J", "x").gz()).unwrap_err();
    assert!(!error.contains('\x1b'), "{error:?}");
}

#[test]
fn modes_and_times_are_made_ours() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let folder = tempfile::tempdir().unwrap();
    let tar = Tar::new().entry(b'0', b"a", 0o666, b"", b"x").entry(b'0', b"b", 0o700, b"", b"y");
    let extracted = extract(&tar.gz()[..], folder.path(), &small()).unwrap();
    let modes = ["a", "b"].map(|name| {
        let found = fs_err::metadata(folder.path().join(name)).unwrap();
        assert_eq!(found.mtime(), 1_700_000_000);
        found.permissions().mode() & 0o7777
    });
    assert_eq!(modes, [0o444, 0o555]);
    assert_eq!(names(folder.path()), ["a", "b"]);
    assert!(extracted.manifest.has_file("a"));
}

proptest! {
    /// Bytes changed anywhere never make it panic nor leave the folder; what is still unpacked has a right digest.
    #[test]
    fn damaged_headers_do_no_harm(changes in prop::collection::vec((0_usize..6144, any::<u8>()), 1..8)) {
        let tar = Tar::new().file("a", "x").folder("d").symlink("d/l", "../a").hard_link("h", "a");
        let mut plain = tar.pax(&[("path", b"long/name")]).file("f", "y").plain();
        for (at, byte) in changes {
            let at = at % plain.len();
            plain[at] = byte;
        }
        // A right checksum, so that the damage is read.
        for at in (0..plain.len()).step_by(512) {
            if plain[at..at + 512].iter().any(|&byte| byte != 0) {
                let mut header = tar::Header::new_old();
                header.as_mut_bytes().copy_from_slice(&plain[at..at + 512]);
                header.set_cksum();
                plain[at..at + 512].copy_from_slice(header.as_bytes());
            }
        }
        let _ = check(&gzip(&plain));
    }

    #[test]
    fn any_bytes_are_an_error_at_worst(bytes in prop::collection::vec(any::<u8>(), 0..2048)) {
        let folder = tempfile::tempdir().unwrap();
        prop_assert!(extract(&bytes[..], folder.path(), &small()).is_err());
        let packed = gzip(&bytes);
        let read = extract(&packed[..], folder.path(), &small());
        prop_assert!(read.is_err() || bytes.iter().all(|&byte| byte == 0), "{read:?}");
    }
}

#[test]
fn errors_keep_their_kind() {
    let folder = tempfile::tempdir().unwrap();
    let error = extract(&b"\x1f\x8b"[..], folder.path(), &small()).unwrap_err();
    assert!(matches!(error, ArchiveError::Truncated), "{error:?}");
}
