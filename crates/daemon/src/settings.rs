//! The host's settings files, read anew whenever they matter.

use std::path::{Path, PathBuf};

use anyhow::Context;
use host::Paths;
use model::AppName;
use model::settings::{HostConfig, Problems, Source, load_host};

/// Largest settings file.
const MOST_BYTES: u64 = 1 << 20;

/// Where the settings are.
#[derive(Debug, Clone)]
pub struct SettingsFiles {
    config: PathBuf,
    /// An explicitly named file must be there.
    must_exist: bool,
    apps: PathBuf,
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// They say something that makes no sense.
    #[error(transparent)]
    Problems(#[from] Problems),
    /// They cannot be read.
    #[error("{0}")]
    Read(String),
}

impl SettingsFiles {
    /// The files of a root; `config` names another host file.
    pub fn new(paths: &Paths, config: Option<PathBuf>) -> Self {
        let must_exist = config.is_some();
        SettingsFiles {
            config: config.unwrap_or_else(|| paths.config_file()),
            must_exist,
            apps: paths.app_settings(),
        }
    }

    /// The host's file; it need not be there.
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// Reads them all; every problem of every file is told at once.
    pub fn load(&self) -> Result<HostConfig, SettingsError> {
        let read = self.read().map_err(|error| SettingsError::Read(format!("{error:#}")))?;
        let (config, apps) = read;
        Ok(load_host(&config, &apps)?)
    }

    fn read(&self) -> anyhow::Result<(Source, Vec<(AppName, Source)>)> {
        let config = match read_bounded(&self.config) {
            Ok(text) => text,
            Err(error) if !self.must_exist && error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error.into()),
        };
        let mut apps = Vec::new();
        for path in toml_files(&self.apps)? {
            let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            let app: AppName =
                stem.parse().with_context(|| format!("{} is not named after an app", path.display()))?;
            let text = read_bounded(&path)?;
            apps.push((app, Source::new(path.display().to_string(), text)));
        }
        Ok((Source::new(self.config.display().to_string(), config), apps))
    }
}

fn toml_files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = match fs_err::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn read_bounded(path: &Path) -> std::io::Result<String> {
    let length = fs_err::metadata(path)?.len();
    if length > MOST_BYTES {
        return Err(std::io::Error::other(format!(
            "{} has {length} bytes; settings have at most {MOST_BYTES}",
            path.display()
        )));
    }
    fs_err::read_to_string(path)
}
