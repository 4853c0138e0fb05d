//! Cookies that stand on a command line, where every local user may read them.

use std::os::unix::ffi::OsStrExt;

use api::doctor::Check;

use super::findings::Findings;
use super::scene::Scene;

pub(super) const NAME: &str = "cookies";

struct Facts {
    /// How many there are.
    cookies: usize,
    visible: Vec<Visible>,
}

/// A cookie that can be seen, and a process that shows it.
struct Visible {
    /// The app whose it is, or `mesh.NAME`.
    app: String,
    pid: u32,
}

pub(super) fn check(scene: &Scene) -> Check {
    let files = fs_err::read_dir(scene.site.paths.cookies()).into_iter().flatten().flatten();
    let cookies: Vec<(String, String)> = files
        .filter_map(|file| {
            let cookie = fs_err::read_to_string(file.path()).ok()?;
            let owner = file.file_name().to_string_lossy().into_owned();
            (!cookie.trim().is_empty()).then(|| (owner, cookie.trim().to_owned()))
        })
        .collect();
    judge(&Facts { cookies: cookies.len(), visible: visible(&cookies) })
}

fn visible(cookies: &[(String, String)]) -> Vec<Visible> {
    let lines = command_lines();
    cookies
        .iter()
        .filter_map(|(app, cookie)| {
            let shows = |line: &[u8]| line.windows(cookie.len()).any(|part| part == cookie.as_bytes());
            let (pid, _) = lines.iter().find(|(_, line)| shows(line))?;
            Some(Visible { app: app.clone(), pid: *pid })
        })
        .collect()
}

fn command_lines() -> Vec<(u32, Vec<u8>)> {
    let processes = fs_err::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter_map(|process| {
            let pid = std::str::from_utf8(process.file_name().as_bytes()).ok()?.parse().ok()?;
            Some((pid, fs_err::read(process.path().join("cmdline")).ok()?))
        })
        .collect()
}

fn judge(facts: &Facts) -> Check {
    let mut findings = Findings::new(NAME);
    if !facts.visible.is_empty() {
        let shown: Vec<String> =
            facts.visible.iter().map(|it| format!("{} (pid {})", it.app, it.pid)).collect();
        findings.advise(
            format!("visible to every local user in ps, with which they control the nodes: {}; the releases' own start scripts put them on a command line", shown.join(", ")),
            "have them started directly: bellrock events --app APP says why they are not (docs/how-to/erlang-nodes.md); else let nobody log in on this host who may not control these apps, or mount /proc with hidepid=2",
        );
    }
    findings.or_fine(format!("{} cookies, none on a command line", facts.cookies))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::CommandExt;
    use std::time::{Duration, Instant};

    #[test]
    fn apps_whose_cookie_is_visible_are_named() {
        let visible = vec![Visible { app: "beacon".into(), pid: 77 }];
        let check = judge(&Facts { cookies: 2, visible });
        assert!(check.ok, "the app runs");
        assert!(check.detail.contains("beacon (pid 77)"));
        assert!(check.remedy.unwrap().contains("hidepid=2"));
    }

    #[test]
    fn a_cookie_on_a_command_line_is_found() {
        let cookie = format!("COOKIE{}OF{}", std::process::id(), "ATEST");
        let mut child = std::process::Command::new("sleep").arg("60").arg0(&cookie).spawn().unwrap();
        let cookies = [("beacon".into(), cookie), ("buoy".into(), ["NOBODY", "SHOWS", "THIS"].concat())];
        // The kernel shows the new command line a moment after the new program has begun.
        let deadline = Instant::now() + Duration::from_secs(10);
        let mut found = visible(&cookies);
        while found.is_empty() && Instant::now() < deadline {
            found = visible(&cookies);
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(
            found.iter().map(|it| (it.app.as_str(), it.pid)).collect::<Vec<_>>(),
            [("beacon", child.id())]
        );
    }
}
