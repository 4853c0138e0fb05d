//! How each kind of sample becomes a package.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use fs_err as fs;

use super::catalog::{Kind, Sample};
use super::copy_tree;

/// Changes whenever this file builds differently, so that old packages become stale.
pub(crate) const PROCEDURE: &str = "3";

/// The library that most samples use as a dependency.
const LIBRARY: &str = "skiff";

/// The folders a sample is made of, the ones laid over others last.
pub(crate) fn ingredients(sample: &Sample, sources: &Path) -> Vec<PathBuf> {
    let source = sources.join(&sample.source);
    let layers = sample.layers.iter().map(|layer| source.join("versions").join(layer));
    [sources.join(LIBRARY), source.clone()].into_iter().chain(layers).collect()
}

/// Whether a file of a sample's folder goes into its builds: the other versions' files do not.
pub(crate) fn is_ingredient(relative: &Path) -> bool {
    !relative.starts_with("versions")
}

/// Builds in `scratch`, an empty folder, and answers where the package is.
pub(crate) fn package(sample: &Sample, sources: &Path, scratch: &Path) -> Result<PathBuf> {
    let project = scratch.join("project");
    lay_out(sample, sources, &project)?;
    let build = Build { sample, project: &project, home: &scratch.join("home") };
    fs::create_dir_all(build.home)?;
    match sample.kind {
        Kind::Mix => build.mix(),
        Kind::Rebar3 => build.rebar3(),
        Kind::Gleam => build.gleam(),
    }
}

fn lay_out(sample: &Sample, sources: &Path, project: &Path) -> Result<()> {
    let [library, source, layers @ ..] = &ingredients(sample, sources)[..] else {
        bail!("sample {} has no source", sample.name);
    };
    copy_tree(source, project)?;
    if project.join("versions").exists() {
        fs::remove_dir_all(project.join("versions"))?;
    }
    for layer in layers {
        copy_tree(layer, project)?;
    }
    // rebar3 finds local libraries under apps/, mix where mix.exs says
    copy_tree(library, &project.join("deps").join(LIBRARY))?;
    if project.join("apps").exists() && sample.kind == Kind::Rebar3 {
        copy_tree(library, &project.join("apps").join(LIBRARY))?;
    }
    Ok(())
}

struct Build<'a> {
    sample: &'a Sample,
    project: &'a Path,
    home: &'a Path,
}

impl Build<'_> {
    fn mix(&self) -> Result<PathBuf> {
        let release = self.sample.release_name();
        if let Some(previous) = &self.sample.previous {
            self.mix_release(previous)?;
            // mix would not see that VERSION changed
            fs::remove_dir_all(self.project.join("_build/prod/lib"))?;
        }
        self.mix_release(&self.sample.version)?;
        let output = self.project.join("_build/prod");
        if self.sample.previous.is_some() {
            // mix's own archive holds the last version only
            return self.archive(&output.join("rel").join(release), &["bin", "erts-*", "lib", "releases"]);
        }
        Ok(output.join(format!("{release}-{}.tar.gz", self.sample.version)))
    }

    fn mix_release(&self, version: &str) -> Result<()> {
        self.write_version(version)?;
        let release = self.sample.release_name();
        self.run(Command::new("mix").args(["release", release, "--overwrite", "--quiet"]))
    }

    fn rebar3(&self) -> Result<PathBuf> {
        self.write_version(&self.sample.version)?;
        self.run(Command::new("rebar3").args(["as", "prod", "tar"]))?;
        let release = self.sample.release_name();
        Ok(self.project.join(format!("_build/prod/rel/{release}/{release}-{}.tar.gz", self.sample.version)))
    }

    /// One folder per package, each with its `ebin`, and the entry points beside them: what
    /// `gleam export erlang-shipment` writes.
    fn gleam(&self) -> Result<PathBuf> {
        let shipment = self.project.join("erlang-shipment");
        self.compile_package(&self.sample.app, &self.project.join("src"), &shipment)?;
        self.compile_package(LIBRARY, &self.project.join("deps").join(LIBRARY).join("src"), &shipment)?;
        for script in ["entrypoint.sh", "entrypoint.ps1"] {
            fs::copy(self.project.join(script), shipment.join(script))?;
        }
        self.archive(self.project, &["erlang-shipment"])
    }

    fn compile_package(&self, package: &str, src: &Path, shipment: &Path) -> Result<()> {
        let ebin = shipment.join(package).join("ebin");
        fs::create_dir_all(&ebin)?;
        let mut modules = Vec::new();
        for file in super::files_under(src)? {
            match (file.file_stem().and_then(|stem| stem.to_str()), file.extension()) {
                (Some(stem), Some(extension)) if extension == "erl" => modules.push(stem.to_owned()),
                _ => {}
            }
        }
        let files = modules.iter().map(|module| src.join(format!("{module}.erl")));
        self.run(Command::new("erlc").arg("+debug_info").arg("-o").arg(&ebin).args(files))?;
        let list = modules.iter().map(|module| format!("'{module}'")).collect::<Vec<_>>().join(", ");
        let app = fs::read_to_string(src.join(format!("{package}.app.src")))?
            .replace("@VERSION@", &self.sample.version)
            .replace("{modules, []}", &format!("{{modules, [{list}]}}"));
        fs::write(ebin.join(format!("{package}.app")), app)?;
        Ok(())
    }

    /// mix.exs and rebar.config read the version from this file.
    fn write_version(&self, version: &str) -> Result<()> {
        fs::write(self.project.join("VERSION"), version)?;
        Ok(())
    }

    /// Packs entries of a folder; the same content makes the same bytes.
    fn archive(&self, folder: &Path, entries: &[&str]) -> Result<PathBuf> {
        let archive = self.project.join("package.tar.gz");
        let script = format!("tar $OPTIONS -czf \"$ARCHIVE\" -- {}", entries.join(" "));
        self.run(
            Command::new("sh")
                .args(["-c", &script])
                .current_dir(folder)
                .env("OPTIONS", "--sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner")
                .env("ARCHIVE", &archive),
        )?;
        Ok(archive)
    }

    /// Runs a tool with a clean home and without a terminal; its output is shown when it fails.
    fn run(&self, command: &mut Command) -> Result<()> {
        if command.get_current_dir().is_none() {
            command.current_dir(self.project);
        }
        let output = command
            .env("HOME", self.home)
            .env("MIX_HOME", self.home.join("mix"))
            .env("HEX_HOME", self.home.join("hex"))
            .env("REBAR_CACHE_DIR", self.home.join("rebar3"))
            .env("MIX_ENV", "prod")
            .env("LC_ALL", "C.UTF-8")
            .env("TERM", "dumb")
            .env_remove("ERL_LIBS")
            .env_remove("ERL_FLAGS")
            // without the scratch folder's path: equal modules of two versions are equal bytes
            .env("ERL_COMPILER_OPTIONS", "deterministic")
            .envs(&self.sample.env)
            .output()
            .with_context(|| format!("could not run {command:?}"))?;
        if !output.status.success() {
            let text = [output.stdout, output.stderr].concat();
            bail!("{command:?} failed:\n{}", String::from_utf8_lossy(&text));
        }
        Ok(())
    }
}
