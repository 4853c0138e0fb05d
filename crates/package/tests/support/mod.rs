//! Packages built in code: honest ones and hostile ones.
#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(clippy::unwrap_used, reason = "clippy knows tests by their attribute, not their helpers")]

use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use package::tree::{InstallError, Unpacked, install_version};
use package::{HostPlatform, Limits};

/// A tar archive written header by header, so that it can hold what no tool writes.
#[derive(Clone, Default)]
pub(crate) struct Tar {
    bytes: Vec<u8>,
}

impl Tar {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Any entry at all.
    pub(crate) fn entry(mut self, kind: u8, name: &[u8], mode: u32, target: &[u8], content: &[u8]) -> Self {
        let mut header = tar::Header::new_ustar();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name);
        header.as_mut_bytes()[157..157 + target.len()].copy_from_slice(target);
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1_700_000_000);
        header.set_size(content.len() as u64);
        header.set_entry_type(tar::EntryType::new(kind));
        header.set_cksum();
        self.bytes.extend_from_slice(header.as_bytes());
        self.content(content)
    }

    fn content(mut self, content: &[u8]) -> Self {
        self.bytes.extend_from_slice(content);
        self.bytes.resize(self.bytes.len().next_multiple_of(512), 0);
        self
    }

    pub(crate) fn file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        self.entry(b'0', name.as_bytes(), 0o644, b"", content.as_ref())
    }

    pub(crate) fn script(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        self.entry(b'0', name.as_bytes(), 0o755, b"", content.as_ref())
    }

    pub(crate) fn folder(self, name: &str) -> Self {
        self.entry(b'5', name.as_bytes(), 0o755, b"", b"")
    }

    pub(crate) fn symlink(self, name: &str, target: &str) -> Self {
        self.entry(b'2', name.as_bytes(), 0o777, target.as_bytes(), b"")
    }

    pub(crate) fn hard_link(self, name: &str, target: &str) -> Self {
        self.entry(b'1', name.as_bytes(), 0o644, target.as_bytes(), b"")
    }

    /// PAX records for the next entry.
    pub(crate) fn pax(self, records: &[(&str, &[u8])]) -> Self {
        let mut content = Vec::new();
        for (key, value) in records {
            let rest = key.len() + value.len() + 3;
            let length = (1..).find(|digits| (rest + digits).to_string().len() == *digits).unwrap() + rest;
            content.extend_from_slice(format!("{length} {key}=").as_bytes());
            content.extend_from_slice(value);
            content.push(b'\n');
        }
        self.entry(b'x', b"pax", 0o644, b"", &content)
    }

    /// A header that says another size than the content has.
    pub(crate) fn lying(mut self, name: &str, size: u64, content: &[u8]) -> Self {
        let mut header = tar::Header::new_ustar();
        header.set_path(name).unwrap();
        header.set_mode(0o644);
        header.set_size(size);
        header.set_cksum();
        self.bytes.extend_from_slice(header.as_bytes());
        self.content(content)
    }

    /// The archive, uncompressed, with its end marker.
    pub(crate) fn plain(self) -> Vec<u8> {
        let mut bytes = self.bytes;
        bytes.resize(bytes.len() + 1024, 0);
        bytes
    }

    pub(crate) fn gz(self) -> Vec<u8> {
        gzip(&self.plain())
    }
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// `{release,…}` as mix and relx write it.
pub(crate) fn rel(name: &str, version: &str, applications: &[(&str, &str)]) -> String {
    let applications: Vec<_> =
        applications.iter().map(|(name, version)| format!("{{'{name}',\"{version}\",permanent}}")).collect();
    format!(
        "%% coding: utf-8\n{{release,{{\"{name}\",\"{version}\"}},\n {{erts,\"13.1.5\"}},\n [{}]}}.\n",
        applications.join(",")
    )
}

pub(crate) fn app(name: &str, version: &str, needs: &[&str]) -> String {
    format!(
        "{{application,'{name}',[{{description,\"test\"}},{{vsn,\"{version}\"}},{{modules,[]}},\
         {{applications,[{}]}}]}}.\n",
        needs.join(",")
    )
}

/// A release as `mix release` lays it out, in a folder of the archive (empty: its top), without ERTS.
pub(crate) fn mix(tar: Tar, top: &str, name: &str, version: &str) -> Tar {
    let at = |path: &str| format!("{top}{path}");
    tar.script(&at(&format!("bin/{name}")), "#!/bin/sh\n")
        .file(&at("releases/COOKIE"), "SECRET")
        .file(&at("releases/start_erl.data"), format!("13.1.5 {version}"))
        .file(
            &at(&format!("releases/{version}/{name}.rel")),
            rel(name, version, &[("kernel", "8.5.3"), (name, version)]),
        )
        .file(&at(&format!("releases/{version}/env.sh")), "#!/bin/sh\n")
        .file(&at(&format!("releases/{version}/sys.config")), "[].\n")
        .script(&at(&format!("releases/{version}/elixir")), "#!/bin/sh\n")
        .file(&at(&format!("lib/{name}-{version}/ebin/{name}.app")), app(name, version, &["kernel"]))
}

/// A release as `rebar3 tar` lays it out, without ERTS and `start_erl.data`.
pub(crate) fn rebar(tar: Tar, name: &str, version: &str, application: &str) -> Tar {
    let applications = [("kernel", "8.5.3"), (application, "0.3.0"), ("sasl", "4.2")];
    tar.script(&format!("bin/{name}"), "#!/bin/sh\ncase $1 in foreground) ;; esac\n")
        .script(&format!("bin/{name}-{version}"), "#!/bin/sh\n")
        .file(&format!("releases/{name}.rel"), rel(name, version, &applications))
        .file(&format!("releases/{version}/{name}.rel"), rel(name, version, &applications))
        .file(&format!("releases/{version}/start_clean.rel"), rel("start_clean", version, &[]))
        .file(
            &format!("lib/{application}-0.3.0/ebin/{application}.app"),
            app(application, "0.3.0", &["kernel"]),
        )
}

/// A shipment as `gleam export erlang-shipment` lays it out.
pub(crate) fn shipment(tar: Tar, top: &str, name: &str, version: &str) -> Tar {
    tar.script(&format!("{top}entrypoint.sh"), format!("#!/bin/sh\nset -eu\n\nPACKAGE={name}\n"))
        .file(&format!("{top}{name}/ebin/{name}.app"), app(name, version, &["gleam_stdlib"]))
        .file(&format!("{top}gleam_stdlib/ebin/gleam_stdlib.app"), app("gleam_stdlib", "0.34.0", &[]))
}

/// A host of these tests: x86_64 with a glibc of this version.
pub(crate) fn host(glibc: &str) -> HostPlatform {
    HostPlatform { arch: "x86_64".to_owned(), glibc: glibc.parse().ok(), musl: false }
}

/// A temporary folder with a package in it.
pub(crate) struct Bench {
    pub(crate) folder: tempfile::TempDir,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn package(&self, bytes: &[u8]) -> PathBuf {
        let path = self.path("package.tar.gz");
        fs_err::write(&path, bytes).unwrap();
        path
    }

    /// Installs a package as version `v`.
    pub(crate) fn install(&self, bytes: &[u8], name: Option<&str>) -> Result<Unpacked, InstallError> {
        self.install_on(bytes, name, &host("2.36"), &Limits::default())
    }

    pub(crate) fn install_on(
        &self,
        bytes: &[u8],
        name: Option<&str>,
        host: &HostPlatform,
        limits: &Limits,
    ) -> Result<Unpacked, InstallError> {
        let package = self.package(bytes);
        install_version(&package, None, name, &self.path("v"), host, limits)
    }

    /// Names in the folder.
    pub(crate) fn names(&self) -> Vec<String> {
        names(self.folder.path())
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        // The temporary folder's own removal fails on read-only folders when we are not root.
        let _ = package::tree::remove_tree(self.folder.path());
    }
}

pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = fs_err::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// An error with its causes, in one line.
pub(crate) fn described(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// A compiled module: a name, the highest instruction that it uses, and what else is given.
pub(crate) fn beam(name: &str, highest_instruction: u32, chunks: &[(&[u8; 4], Vec<u8>)]) -> Vec<u8> {
    let mut atoms = vec![0, 0, 0, 1, u8::try_from(name.len()).unwrap()];
    atoms.extend_from_slice(name.as_bytes());
    let code = [16_u32, 0, highest_instruction, 1, 1].iter().flat_map(|word| word.to_be_bytes()).collect();
    let mut body = b"BEAM".to_vec();
    for (id, content) in [(b"AtU8", atoms), (b"Code", code)].iter().chain(chunks) {
        body.extend_from_slice(*id);
        body.extend_from_slice(&u32::try_from(content.len()).unwrap().to_be_bytes());
        body.extend_from_slice(content);
        body.resize(body.len().next_multiple_of(4), 0);
    }
    [&b"FOR1"[..], &u32::try_from(body.len()).unwrap().to_be_bytes(), &body].concat()
}

/// A `CInf` chunk: `[{version, "…"}]` as an external term.
pub(crate) fn compiled_by(version: &str) -> Vec<u8> {
    let length = u8::try_from(version.len()).unwrap();
    let head = b"\x83l\0\0\0\x01h\x02w\x07versionk\0";
    [&head[..], &[length], version.as_bytes(), b"j"].concat()
}

/// A `Dbgi` chunk: `{debug_info_v1, erl_abstract_code, …}`.
pub(crate) fn debug_info(data: &[u8]) -> Vec<u8> {
    [&b"\x83h\x03w\x0ddebug_info_v1w\x11erl_abstract_code"[..], data].concat()
}

/// A native program of this host.
pub(crate) fn native() -> Vec<u8> {
    fs_err::read("/bin/true").unwrap()
}
