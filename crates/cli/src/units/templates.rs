//! Templates: ours, and the operator's that take their places.

use std::path::PathBuf;

use crate::failure::Failure;

macro_rules! ours {
    ($($name:literal),* $(,)?) => {
        /// Our templates by their names.
        const OURS: &[(&str, &str)] = &[$(($name, include_str!(concat!("../../templates/", $name)))),*];
    };
}

ours!(
    "systemd",
    "systemd-apps",
    "openrc",
    "runit",
    "runit-finish",
    "sysv",
    "app-start",
    "app-sweep",
    "app-keep",
    "app-systemd",
    "app-openrc",
    "app-runit",
    "app-runit-finish",
    "app-runit-control",
    "app-runit-log",
    "app-runit-log-config",
    "app-sysv",
    "app-logrotate",
);

/// Where templates come from.
#[derive(Debug, Default)]
pub(crate) struct Templates {
    /// The operator's folder: a file in it takes the place of our template of that name.
    pub(crate) folder: Option<PathBuf>,
}

impl Templates {
    /// The template of that name with `{key}` replaced by its value, for each.
    pub(crate) fn filled(&self, name: &str, values: &[(&str, &str)]) -> Result<String, Failure> {
        let text = self.text(name)?;
        Ok(values.iter().fold(text, |text, (key, value)| text.replace(&format!("{{{key}}}"), value)))
    }

    fn text(&self, name: &str) -> Result<String, Failure> {
        match self.folder.as_ref().map(|folder| fs_err::read_to_string(folder.join(name))) {
            Some(Ok(text)) => return Ok(text),
            Some(Err(error)) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        let ours = OURS.iter().find(|(known, _)| *known == name);
        Ok(ours.expect("each template that is asked for is in the list").1.to_owned())
    }
}
