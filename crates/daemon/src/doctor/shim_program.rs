//! The program that every instance is started with.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use api::doctor::Check;
use host::shim::ShimHost;
use tokio::process::Command;

use super::findings::Findings;
use super::scene::Scene;

pub(super) const NAME: &str = "bellrock-shim";

/// It prints one line.
const ANSWERS: Duration = Duration::from_secs(5);

struct Facts {
    path: PathBuf,
    /// The version that it tells.
    version: Result<String, String>,
    /// Ours.
    expected: &'static str,
    /// Shims that run another program.
    outdated: Vec<String>,
}

pub(super) fn check(scene: &Scene) -> Check {
    let path = scene.shim.clone();
    let version = scene.wait(ask(&path)).map_err(|error| error.to_string());
    let shims = ShimHost {
        run_root: scene.site.paths.shims_run(),
        state_root: scene.site.paths.shims_state(),
        shim_binary: path.clone(),
        epoch: 0,
    };
    // What cannot be seen is told by the version.
    let outdated = shims.outdated().unwrap_or_default().iter().map(ToString::to_string).collect();
    judge(&Facts { version, path, expected: env!("CARGO_PKG_VERSION"), outdated })
}

async fn ask(path: &Path) -> io::Result<String> {
    let mut command = Command::new(path);
    command.arg("--version").env_clear().stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(ANSWERS, command.output()).await??;
    let text = String::from_utf8_lossy(&output.stdout);
    let version = text.trim().strip_prefix("bellrock-shim ").filter(|_| output.status.success());
    version.map(str::to_owned).ok_or_else(|| io::Error::other("it is no bellrock-shim"))
}

fn judge(facts: &Facts) -> Check {
    let mut findings = Findings::new(NAME);
    let path = facts.path.display();
    match &facts.version {
        Err(why) => findings.wrong(
            format!("{path} cannot be run ({why}): no instance can be started"),
            format!("install bellrock-shim {} there, executable for bellrockd's user", facts.expected),
        ),
        Ok(version) if version != facts.expected => findings.wrong(
            format!("{path} is version {version}, bellrockd is {}", facts.expected),
            "install both from one release; running instances keep the shim that they have",
        ),
        Ok(_) if !facts.outdated.is_empty() => findings.wrong(
            format!("another program than {path} runs these shims: {}", facts.outdated.join(", ")),
            "restart bellrockd: it has them go on as the installed one; what it says about one that does not is in its log",
        ),
        Ok(_) => {}
    }
    findings.or_fine(format!("{path}, version {}", facts.expected))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn judged(version: Result<&str, &str>) -> Check {
        let version = version.map(str::to_owned).map_err(str::to_owned);
        let outdated = Vec::new();
        judge(&Facts { path: "/usr/bin/bellrock-shim".into(), version, expected: "1.2.0", outdated })
    }

    #[test]
    fn missing() {
        let check = judged(Err("No such file or directory"));
        assert!(!check.ok && check.detail.contains("/usr/bin/bellrock-shim cannot be run"));
        assert!(check.remedy.unwrap().contains("install bellrock-shim 1.2.0"));
    }

    #[test]
    fn of_another_release() {
        let check = judged(Ok("1.1.0"));
        assert!(!check.ok && check.remedy.unwrap().contains("install both from one release"));
        assert!(judged(Ok("1.2.0")).ok);
    }

    #[test]
    fn shims_of_another_program_are_named() {
        let outdated = vec!["a-1-i1".to_owned(), "proxy".to_owned()];
        let path = "/usr/bin/bellrock-shim".into();
        let check = judge(&Facts { path, version: Ok("1.2.0".into()), expected: "1.2.0", outdated });
        assert!(!check.ok && check.detail.ends_with("runs these shims: a-1-i1, proxy"), "{check:?}");
    }

    #[tokio::test]
    async fn really_asked() {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("bellrock-shim");
        assert_eq!(ask(&script).await.unwrap_err().kind(), io::ErrorKind::NotFound);
        fs_err::write(&script, "#!/bin/sh\necho bellrock-shim 9.9\n").unwrap();
        assert_eq!(ask(&script).await.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        fs_err::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(ask(&script).await.unwrap(), "9.9");
        assert_eq!(ask(Path::new("/bin/true")).await.unwrap_err().to_string(), "it is no bellrock-shim");
    }
}
