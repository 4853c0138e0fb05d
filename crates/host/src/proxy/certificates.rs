//! Certificates from their files to the proxy, and anew when a file changes.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use model::settings::CertificateFiles;
use wire::field::Message;
use wire::proxy::{CERTIFICATES_FILE, Certificate, SetCertificates};
use wire::record::Records;

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

/// What the files looked like, in order; `None` for one that is not there.
pub(crate) type Look = Vec<Option<Seen>>;

/// Time of change, inode and length: also a file that was put in another's place is seen, whatever its time.
type Seen = (SystemTime, u64, u64);

/// Looks without reading.
pub(crate) fn look(files: &[CertificateFiles]) -> Look {
    let paths = files.iter().flat_map(|it| [&it.chain, &it.key]);
    let seen = |path| fs_err::metadata(path).and_then(|it| Ok((it.modified()?, it.ino(), it.len()))).ok();
    paths.map(seen).collect()
}

/// Reads each of them.
pub(crate) fn read(files: &[CertificateFiles]) -> Vec<Result<Certificate, CertificateError>> {
    let read = |it: &CertificateFiles| {
        Ok(Certificate { chain_pem: read_file(&it.chain)?, key_pem: read_file(&it.key)? })
    };
    files.iter().map(read).collect()
}

/// What the proxy serves with, for each pair of files: a broken new file does not take the old certificate away.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Held(Vec<Option<Certificate>>);

impl Held {
    /// What the proxy was given last, maybe by an earlier daemon: it has saved that. Which file each came from is
    /// known by its place, so only where there are as many as now.
    pub(crate) fn saved(state: &Path, pairs: usize) -> Self {
        let saved = fs_err::read(state.join(CERTIFICATES_FILE)).ok();
        let saved = saved.and_then(|bytes| SetCertificates::decode(Records::new(&bytes).next()?).ok());
        let of_each = saved.filter(|saved| saved.certificates.len() == pairs);
        let held = of_each.map(|saved| saved.certificates.into_iter().map(Some).collect());
        Held(held.unwrap_or_else(|| vec![None; pairs]))
    }

    /// With these in place of what was there; `None` leaves it.
    pub(crate) fn with(&self, new: &[Option<Certificate>]) -> Self {
        let held = self.0.iter().zip(new).map(|(old, new)| new.as_ref().or(old.as_ref()).cloned());
        Held(held.collect())
    }

    /// With this one in place of what was there.
    pub(crate) fn with_one(&self, index: usize, certificate: &Certificate) -> Self {
        let one = |at| (at == index).then(|| certificate.clone());
        self.with(&(0..self.0.len()).map(one).collect::<Vec<_>>())
    }

    /// Whether there is one for these files.
    pub(crate) fn has(&self, index: usize) -> bool {
        self.0.get(index).is_some_and(Option::is_some)
    }

    /// As the proxy gets them.
    pub(crate) fn all(&self) -> Vec<Certificate> {
        self.0.iter().flatten().cloned().collect()
    }
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
        let read = read(&files);
        let told =
            |index: usize| read[index].as_ref().map_or_else(ToString::to_string, |it| it.chain_pem.clone());
        assert!(told(0).contains("missing"), "{}", told(0));
        assert_eq!(told(1), "chain");
        assert!(told(2).contains("at most"), "{}", told(2));
        let before = look(&files);
        fs_err::write(path("missing"), "now").unwrap();
        assert_ne!(look(&files), before);
        let before = look(&files);
        let time = fs_err::metadata(path("key")).unwrap().modified().unwrap();
        fs_err::write(path("other"), "yek").unwrap();
        fs_err::File::open(path("other")).unwrap().file().set_modified(time).unwrap();
        fs_err::rename(path("other"), path("key")).unwrap();
        assert_ne!(look(&files), before, "another file of the same time and length");
    }

    #[test]
    fn a_broken_new_file_leaves_the_old_certificate() {
        let one = |name: &str| Certificate { chain_pem: name.into(), key_pem: "key".into() };
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Held::saved(folder.path(), 2).all(), [], "nothing was saved");
        let mut bytes = Vec::new();
        SetCertificates { certificates: vec![one("a"), one("b")] }.encode(&mut bytes);
        let mut file = Vec::new();
        wire::record::put(&bytes, &mut file);
        fs_err::write(folder.path().join(CERTIFICATES_FILE), file).unwrap();
        assert_eq!(Held::saved(folder.path(), 3).all(), [], "nobody knows whose they are");
        let held = Held::saved(folder.path(), 2);
        assert!(held.has(0) && held.has(1) && !held.has(2));
        assert_eq!(held.with(&[None, Some(one("new"))]).all(), [one("a"), one("new")]);
        assert_eq!(held.with_one(0, &one("new")).all(), [one("new"), one("b")]);
    }
}
