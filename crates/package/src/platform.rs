//! What this host can run: architecture and C library.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::recognise::Refusal;

/// A version of the GNU C library, `2.36`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GlibcVersion {
    /// 2 since 1997.
    pub major: u32,
    /// Counts releases.
    pub minor: u32,
}

impl GlibcVersion {
    /// The version in a symbol's version, `GLIBC_2.34` or `GLIBC_2.2.5`. `None` for `GLIBC_PRIVATE` and others.
    pub(crate) fn of_symbol(name: &[u8]) -> Option<Self> {
        std::str::from_utf8(name).ok()?.strip_prefix("GLIBC_")?.parse().ok()
    }
}

/// A text does not begin with two numbers joined by a point.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a version of glibc")]
pub struct NotAGlibcVersion(String);

impl FromStr for GlibcVersion {
    type Err = NotAGlibcVersion;

    fn from_str(text: &str) -> Result<Self, NotAGlibcVersion> {
        let mut numbers = text.split('.').map(str::parse);
        match (numbers.next(), numbers.next()) {
            (Some(Ok(major)), Some(Ok(minor))) => Ok(Self { major, minor }),
            _ => Err(NotAGlibcVersion(text.to_owned())),
        }
    }
}

impl fmt::Display for GlibcVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl Serialize for GlibcVersion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for GlibcVersion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What native code a host can run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostPlatform {
    /// Architecture in the words of `uname -m`: `x86_64`, `aarch64`, …
    pub arch: String,
    /// Version of its glibc; `None` when it has none (Alpine).
    pub glibc: Option<GlibcVersion>,
    /// Whether musl's loader is there.
    pub musl: bool,
}

impl HostPlatform {
    /// Looks at the host that runs this. Bellrock itself may be linked statically, so the C library is looked up
    /// where loaders find it and its version read from the versions of the symbols that it defines.
    pub fn detect() -> Self {
        let arch = std::env::consts::ARCH.to_owned();
        let libraries = library_folders(&arch);
        let glibc = libraries.iter().find_map(|folder| crate::elf::defined_glibc(&folder.join("libc.so.6")));
        let loader = format!("ld-musl-{arch}.so.1");
        let musl = [Path::new("/lib"), Path::new("/usr/lib")].iter().any(|lib| lib.join(&loader).exists());
        Self { arch, glibc, musl }
    }

    /// Whether this host can run a native file, which was fine on the host that unpacked it.
    pub fn check_file(&self, path: &Path) -> Result<(), Refusal> {
        crate::recognise::check_native(path, self)
    }
}

/// Debian's folders for several architectures, then Red Hat's, then the plain ones.
fn library_folders(arch: &str) -> Vec<PathBuf> {
    let triplet = format!("{arch}-linux-gnu");
    let folders = ["/lib", "/usr/lib"].map(|lib| Path::new(lib).join(&triplet));
    let plain = ["/lib64", "/usr/lib64", "/lib", "/usr/lib"].map(PathBuf::from);
    folders.into_iter().chain(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number() {
        let version = |text: &str| text.parse::<GlibcVersion>().unwrap();
        assert!(version("2.9") < version("2.34"));
        assert_eq!(version("2.2.5").to_string(), "2.2");
        assert!("2".parse::<GlibcVersion>().is_err());
        assert_eq!(GlibcVersion::of_symbol(b"GLIBC_PRIVATE"), None);
        assert_eq!(GlibcVersion::of_symbol(b"GLIBCXX_3.4"), None);
    }

    #[test]
    fn this_host_is_known() {
        let host = HostPlatform::detect();
        assert_eq!(host.arch, std::env::consts::ARCH);
        assert!(host.glibc.is_some() || host.musl, "tests run on Linux with one of the two: {host:?}");
    }

    #[test]
    fn a_file_for_another_host_is_refused() {
        let own = std::env::current_exe().unwrap();
        let host = HostPlatform::detect();
        assert!(host.check_file(&own).is_ok());
        let other = HostPlatform { arch: "riscv64".to_owned(), ..host.clone() };
        assert!(matches!(other.check_file(&own), Err(Refusal::WrongArchitecture { .. })));
        let text = Path::new("/etc/passwd");
        assert!(matches!(host.check_file(text), Err(Refusal::Broken { .. })));
    }

    #[test]
    #[cfg(target_env = "gnu")]
    fn the_version_found_is_the_one_that_getconf_tells() {
        let output = std::process::Command::new("getconf").arg("GNU_LIBC_VERSION").output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let told = text.trim().strip_prefix("glibc ").unwrap().parse().unwrap();
        assert_eq!(HostPlatform::detect().glibc, Some(told));
    }
}
