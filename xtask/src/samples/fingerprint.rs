//! What a package was made from, as one digest.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::Result;
use fs_err as fs;
use sha2::{Digest, Sha256};

use super::catalog::Sample;
use super::tools::Tools;
use super::{build, files_under};

/// The digest of sources, catalog entry, tools and way of building, in hex.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fingerprint(String);

impl Fingerprint {
    pub(crate) fn of(sample: &Sample, sources: &Path, tools: &Tools) -> Result<Fingerprint> {
        let mut hash = Sha256::new();
        field(&mut hash, build::PROCEDURE.as_bytes());
        field(&mut hash, tools.versions(sample.kind).as_bytes());
        field(&mut hash, &serde_json::to_vec(sample)?);
        for folder in build::ingredients(sample, sources) {
            add_folder(&mut hash, &folder)?;
        }
        Ok(Fingerprint(hex(&hash.finalize())))
    }

    #[cfg(test)]
    pub(crate) fn for_test(text: &str) -> Fingerprint {
        Fingerprint(text.to_owned())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The SHA-256 of a file, in hex.
pub(crate) fn sha256(path: &Path) -> Result<String> {
    Ok(hex(&Sha256::digest(fs::read(path)?)))
}

fn add_folder(hash: &mut Sha256, folder: &Path) -> Result<()> {
    for file in files_under(folder)? {
        let relative = file.strip_prefix(folder)?;
        if !build::is_ingredient(relative) {
            continue;
        }
        field(hash, relative.as_os_str().as_encoded_bytes());
        field(hash, &(fs::metadata(&file)?.permissions().mode() & 0o111).to_le_bytes());
        field(hash, &fs::read(&file)?);
    }
    Ok(())
}

/// Length first, so that no two lists of fields make the same bytes.
fn field(hash: &mut Sha256, bytes: &[u8]) {
    hash.update((bytes.len() as u64).to_le_bytes());
    hash.update(bytes);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::super::catalog::Catalog;
    use super::*;

    /// A library, a source with two versions, and a sample of one of them.
    fn tree() -> (tempfile::TempDir, Sample) {
        let folder = tempfile::tempdir().unwrap();
        for file in ["skiff/a.erl", "echo/b.erl", "echo/versions/1.1.0/b.erl", "echo/versions/1.2.0/b.erl"] {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file).unwrap();
        }
        let text = "[[sample]]\nname = \"e\"\nkind = \"rebar3\"\nsource = \"echo\"\napp = \"echo\"\n\
                    version = \"1.1.0\"\nlayers = [\"1.1.0\"]\nnotes = \"\"";
        let mut catalog: Catalog = toml::from_str(text).unwrap();
        (folder, catalog.samples.remove(0))
    }

    /// Whether a change of the tree or the sample is seen.
    fn notices(change: impl FnOnce(&Path, &mut Sample)) -> bool {
        let (folder, mut sample) = tree();
        let tools = Tools::default();
        let before = Fingerprint::of(&sample, folder.path(), &tools).unwrap();
        assert_eq!(before, Fingerprint::of(&sample, folder.path(), &tools).unwrap());
        change(folder.path(), &mut sample);
        before != Fingerprint::of(&sample, folder.path(), &tools).unwrap()
    }

    #[test]
    fn notices_what_the_package_is_made_of() {
        assert!(notices(|root, _| fs::write(root.join("echo/b.erl"), "new").unwrap()));
        assert!(notices(|root, _| fs::write(root.join("skiff/a.erl"), "new").unwrap()));
        assert!(notices(|root, _| fs::write(root.join("echo/versions/1.1.0/b.erl"), "new").unwrap()));
        assert!(notices(|root, _| fs::rename(root.join("echo/b.erl"), root.join("echo/c.erl")).unwrap()));
        assert!(notices(|_, sample| sample.layers.clear()));
        assert!(notices(|root, _| {
            let executable = std::fs::Permissions::from_mode(0o755);
            fs::set_permissions(root.join("echo/b.erl"), executable).unwrap();
        }));
    }

    #[test]
    fn ignores_other_versions_and_notes() {
        assert!(!notices(|_, sample| sample.notes.push_str("new")));
        assert!(!notices(|root, _| fs::write(root.join("echo/versions/1.2.0/b.erl"), "new").unwrap()));
    }

    #[test]
    fn hashes_a_file_as_sha256sum_does() {
        let (folder, _) = tree();
        let path = folder.path().join("abc");
        fs::write(&path, "abc").unwrap();
        assert_eq!(
            sha256(&path).unwrap(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
