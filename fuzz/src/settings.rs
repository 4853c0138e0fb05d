//! Settings as operators and packages bring them.

use model::AppName;
use model::settings::{AppLayer, Command, PreCommand, Source, load_host, to_toml};

/// Reads the bytes as the host's file, as an app's file and as a package's own, and as commands. Settings that are
/// taken are written as TOML, and read from that as the same.
pub fn settings(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let app: AppName = "a".parse().expect("it is one");
    let own = [(app.clone(), Source::new("apps/a.toml", text.as_ref()))];
    if let Ok(host) = load_host(&Source::new("config.toml", ""), &own)
        && let Ok(settings) = host.app_settings(&app, None, None)
    {
        let written = [(app.clone(), Source::new("apps/a.toml", to_toml(&settings)))];
        let again = load_host(&Source::new("config.toml", ""), &written);
        let again = again.and_then(|host| host.app_settings(&app, None, None));
        let again = again.unwrap_or_else(|problems| panic!("{problems}\n{}", to_toml(&settings)));
        assert_eq!(again, settings);
    }
    let _ = load_host(&Source::new("config.toml", text.as_ref()), &[]);
    let package = AppLayer::parse_package(&Source::new("bellrock.toml", text.as_ref()));
    if let (Ok(host), Ok(package)) = (load_host(&Source::new("config.toml", ""), &[]), package) {
        let _ = host.app_settings(&app, Some(&package), None);
    }
    if let Ok(command) = Command::split(&text) {
        assert_eq!(Command::split(&command.to_string()).as_ref(), Ok(&command), "{command}");
    }
    if let Ok(command) = PreCommand::parse(&text) {
        assert_eq!(PreCommand::parse(&command.to_string()).as_ref(), Ok(&command), "{command}");
    }
}
