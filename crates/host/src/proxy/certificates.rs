//! Certificates from their files to the proxy, and anew when a file changes.

use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use model::settings::CertificateFiles;
use wire::proxy::Certificate;

/// A chain of certificates is some kilobytes.
const MOST_BYTES: u64 = 1 << 18;

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file of it cannot be read.
    #[error("could not read {path}", path = path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// It is too long to be one.
    #[error("{path} has {length} bytes: a certificate has at most {MOST_BYTES}", path = path.display())]
    TooLong {
        /// Which.
        path: PathBuf,
        /// How long it is.
        length: u64,
    },
}

/// What the files looked like: their times of change, in order; `None` for one that is not there.
pub(crate) type Look = Vec<Option<SystemTime>>;

/// Looks without reading.
pub(crate) fn look(files: &[CertificateFiles]) -> Look {
    let paths = files.iter().flat_map(|it| [&it.chain, &it.key]);
    paths.map(|path| fs_err::metadata(path).and_then(|file| file.modified()).ok()).collect()
}

/// Reads those that can be read; what is wrong with the others is told besides, so that one bad file does not take
/// the others' sites away.
pub(crate) fn read(files: &[CertificateFiles]) -> (Vec<Certificate>, Vec<CertificateError>) {
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for it in files {
        match read_file(&it.chain).and_then(|chain_pem| Ok((chain_pem, read_file(&it.key)?))) {
            Ok((chain_pem, key_pem)) => good.push(Certificate { chain_pem, key_pem }),
            Err(error) => bad.push(error),
        }
    }
    (good, bad)
}

fn read_file(path: &Path) -> Result<String, CertificateError> {
    let failed = |source| CertificateError::Read { path: path.to_owned(), source };
    let length = fs_err::metadata(path).map_err(failed)?.len();
    if length > MOST_BYTES {
        return Err(CertificateError::TooLong { path: path.to_owned(), length });
    }
    fs_err::read_to_string(path).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_file_does_not_take_the_others_away_and_a_new_one_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs_err::write(path("chain"), "chain").unwrap();
        fs_err::write(path("key"), "key").unwrap();
        fs_err::write(path("long"), vec![b'x'; MOST_BYTES as usize + 1]).unwrap();
        let pair = |chain, key| CertificateFiles { chain: path(chain), key: path(key) };
        let files = [pair("chain", "missing"), pair("chain", "key"), pair("long", "key")];
        let (good, bad) = read(&files);
        assert_eq!(good, [Certificate { chain_pem: "chain".into(), key_pem: "key".into() }]);
        let bad: Vec<String> = bad.iter().map(ToString::to_string).collect();
        assert!(bad[0].contains("missing") && bad[1].contains("at most"), "{bad:?}");
        let before = look(&files);
        fs_err::write(path("missing"), "now").unwrap();
        assert_ne!(look(&files), before);
    }
}
