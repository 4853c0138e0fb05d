//! Packages as small as they may be.

use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use package::Sha256Digest;

/// A release as `mix release` lays it out, without a runtime; `more` makes it another package.
pub(super) fn release(name: &str, version: &str, more: &str) -> Vec<u8> {
    release_with(name, version, &format!("# {more}\n"))
}

/// The same with settings of its own.
pub(super) fn release_with(name: &str, version: &str, settings: &str) -> Vec<u8> {
    let rel = format!(
        "{{release,{{\"{name}\",\"{version}\"}},{{erts,\"13.1.5\"}},\
         [{{kernel,\"8.5.3\",permanent}},{{{name},\"{version}\",permanent}}]}}.\n"
    );
    let app =
        format!("{{application,{name},[{{vsn,\"{version}\"}},{{modules,[]}},{{applications,[kernel]}}]}}.\n");
    let files = [
        (format!("bin/{name}"), 0o755, "#!/bin/sh\n".to_owned()),
        ("releases/COOKIE".into(), 0o644, "SECRET".into()),
        ("releases/start_erl.data".into(), 0o644, format!("13.1.5 {version}")),
        (format!("releases/{version}/{name}.rel"), 0o644, rel),
        (format!("releases/{version}/env.sh"), 0o644, "#!/bin/sh\n".into()),
        (format!("releases/{version}/sys.config"), 0o644, "[].\n".into()),
        (format!("releases/{version}/elixir"), 0o755, "#!/bin/sh\n".into()),
        (format!("lib/{name}-{version}/ebin/{name}.app"), 0o644, app),
        ("bellrock.toml".into(), 0o644, settings.into()),
    ];
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (path, mode, content) in files {
        let mut header = tar::Header::new_ustar();
        header.set_mode(mode);
        header.set_size(content.len() as u64);
        archive.append_data(&mut header, path, content.as_bytes()).unwrap();
    }
    let mut gz = archive.into_inner().unwrap();
    gz.flush().unwrap();
    gz.finish().unwrap()
}

/// Digest of a package, in hex.
pub(super) fn digest(bytes: &[u8]) -> String {
    Sha256Digest::of_reader(&mut &*bytes).unwrap().to_string()
}

/// The digest of the package at a path.
pub(super) fn digest_at(path: &Path) -> String {
    digest(&fs_err::read(path).unwrap())
}
