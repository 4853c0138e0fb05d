//! Packages: archives of hostile content, and the BEAM's files in them.

use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use package::Limits;
use package::archive::extract;

/// Small enough that an input takes no time, large enough for each limit to be met.
const LIMITS: Limits = Limits {
    archive_bytes: 1 << 20,
    total_bytes: 4 << 20,
    file_bytes: 1 << 20,
    entries: 200,
    path_depth: 16,
    path_bytes: 256,
};

/// Unpacks the bytes as an archive that is packed already, and as the content of one; then reads them as each file of
/// the BEAM's. Nothing may be put outside of the folder, and what the manifest tells must be there.
pub fn package_reader(bytes: &[u8]) {
    unpack(bytes);
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(bytes).expect("memory takes it");
    unpack(&packed.finish().expect("memory takes it"));

    // Only that they come back counts: most inputs are none of these.
    let _ = beam::app::parse(bytes);
    let _ = beam::rel::parse(bytes);
    let _ = beam::rel::parse_start_erl(bytes);
    let _ = beam::text::consult(bytes);
    if let Ok(module) = beam::module::Module::parse(bytes) {
        let _ =
            (module.name(), module.has_debug_info(), module.compiler_version(), module.highest_instruction());
    }
}

fn unpack(archive: &[u8]) {
    let around = tempfile::tempdir().expect("there is a folder for temporary files");
    let folder = around.path().join("inner").join("folder");
    fs_err::create_dir_all(&folder).expect("it is ours");
    let extracted = extract(archive, &folder, &LIMITS);
    assert_eq!(names(around.path()), ["inner"], "something was put beside the folder");
    assert_eq!(names(&around.path().join("inner")), ["folder"], "something was put beside the folder");
    let Ok(extracted) = extracted else { return };
    for (path, size) in extracted.manifest.files() {
        let found = fs_err::symlink_metadata(folder.join(path)).expect("the manifest tells what is there");
        assert_eq!((found.is_file(), found.len()), (true, size), "{path}");
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs_err::read_dir(folder).expect("it is ours").flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}
