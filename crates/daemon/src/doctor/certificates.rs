//! Certificates: the proxy's, and those that apps are told of by a variable whose value is the path of one.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use api::doctor::Check;
use jiff::{SignedDuration, Timestamp};
use model::settings::VariableValue;
use x509_cert::Certificate;

use super::findings::Findings;
use super::scene::Scene;

pub(super) const NAME: &str = "certificates";

/// Renewal takes a person some days where no program does it.
const SOON: SignedDuration = SignedDuration::from_hours(14 * 24);

/// A chain of certificates is some kilobytes.
const LONGEST: u64 = 1 << 20;

const MARK: &str = "-----BEGIN CERTIFICATE-----";

struct Facts {
    now: Timestamp,
    files: Vec<(PathBuf, Result<Span, String>)>,
}

/// When all certificates of a file are valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    from: Timestamp,
    until: Timestamp,
}

pub(super) fn check(scene: &Scene) -> Check {
    let files = paths(scene).into_iter().filter_map(|(path, is_one)| {
        let span = read(&path, is_one).transpose()?;
        Some((path, span))
    });
    judge(&Facts { now: Timestamp::now(), files: files.collect() })
}

/// The proxy's chains; absolute paths among the values of variables, and whether the variable's name says that it is a
/// certificate.
fn paths(scene: &Scene) -> BTreeMap<PathBuf, bool> {
    let proxy = &scene.site.settings.proxy;
    let mut paths: BTreeMap<PathBuf, bool> =
        proxy.certificates.iter().map(|it| (it.chain.clone(), true)).collect();
    for app in &scene.apps {
        let Some(revision) = app.active().and_then(|target| app.revision(target)) else { continue };
        for (name, value) in revision.settings.variables.iter().chain(&revision.variables) {
            let VariableValue::Text(text) = value else { continue };
            if text.starts_with('/') && !text.contains('\n') {
                *paths.entry(PathBuf::from(text)).or_default() |= name.as_str().contains("CERT");
            }
        }
    }
    paths
}

/// Reads a file; `None` when it is none of certificates and nobody says that it is.
fn read(path: &Path, is_one: bool) -> Result<Option<Span>, String> {
    let text = match read_text(path) {
        Ok(Some(text)) => text,
        Ok(None) => return Ok(None),
        Err(_) if !is_one => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    match text.find(MARK) {
        Some(start) => span(&text[start..]).map(Some),
        None if is_one && !text.contains("PRIVATE KEY") => Err("it holds no certificate".to_owned()),
        None => Ok(None),
    }
}

/// A regular file's text; `None` for a folder, a device or something long.
fn read_text(path: &Path) -> std::io::Result<Option<String>> {
    let found = fs_err::metadata(path)?;
    if !found.is_file() || found.len() > LONGEST {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    fs_err::File::open(path)?.take(LONGEST).read_to_end(&mut bytes)?;
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

fn span(pem: &str) -> Result<Span, String> {
    let chain = Certificate::load_pem_chain(pem.as_bytes()).map_err(|error| error.to_string())?;
    let valid = chain.iter().map(|certificate| certificate.tbs_certificate().validity());
    let seconds = |time: &x509_cert::time::Time| {
        i64::try_from(time.to_unix_duration().as_secs()).ok().and_then(|it| Timestamp::from_second(it).ok())
    };
    let (mut from, mut until) = (Timestamp::MIN, Timestamp::MAX);
    for validity in valid {
        from = from.max(seconds(&validity.not_before).ok_or("its time of validity is out of range")?);
        until = until.min(seconds(&validity.not_after).ok_or("its time of validity is out of range")?);
    }
    Ok(Span { from, until })
}

fn judge(facts: &Facts) -> Check {
    let mut findings = Findings::new(NAME);
    let now = facts.now;
    for (path, span) in &facts.files {
        let path = path.display();
        match span {
            Err(why) => findings.wrong(
                format!("{path}: {why}"),
                format!("put a certificate (PEM) there that bellrockd and the app may read, or correct the variable that names {path}"),
            ),
            Ok(Span { until, .. }) if *until <= now => {
                findings.wrong(format!("{path} is valid until {until} only"), renew(&path));
            }
            Ok(Span { from, .. }) if *from > now => findings.wrong(
                format!("{path} is not valid before {from}"),
                "see that the host's clock is right; else use the certificate before it",
            ),
            Ok(Span { until, .. }) if until.duration_since(now) <= SOON => {
                findings.advise(format!("{path} ends soon: {until}"), renew(&path));
            }
            Ok(_) => {}
        }
    }
    findings.or_fine(match facts.files.len() {
        0 => "nothing to check: no variable of an app names one".to_owned(),
        count => format!("{count} named by variables of apps, all valid"),
    })
}

fn renew(path: &dyn std::fmt::Display) -> String {
    format!("renew {path}, then bellrock restart the apps that read it at their start")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-11-21T10:00:00Z";

    /// Valid from 2020-01-01 to 2021-01-01, self-signed with an ed25519 key that nobody has.
    const PEM: &str = include_str!("certificates/expired.pem");

    fn judged(from: &str, until: &str) -> Check {
        let span = Span { from: from.parse().unwrap(), until: until.parse().unwrap() };
        judge(&Facts { now: NOW.parse().unwrap(), files: vec![("/tls.pem".into(), Ok(span))] })
    }

    #[test]
    fn expired() {
        let check = judged("2020-01-01T00:00:00Z", NOW);
        assert!(!check.ok && check.detail.contains("valid until 2026-11-21"));
        assert!(check.remedy.unwrap().starts_with("renew /tls.pem"));
    }

    #[test]
    fn not_yet() {
        let check = judged("2026-11-21T10:00:01Z", "2030-01-01T00:00:00Z");
        assert!(!check.ok && check.remedy.unwrap().contains("clock"));
    }

    #[test]
    fn soon() {
        let check = judged("2020-01-01T00:00:00Z", "2026-12-05T10:00:00Z");
        assert!(check.ok && check.remedy.unwrap().starts_with("renew"));
        assert!(judged("2020-01-01T00:00:00Z", "2026-12-05T10:00:01Z").remedy.is_none());
    }

    #[test]
    fn the_shortest_of_a_chain_counts() {
        let found = span(&format!("{PEM}{PEM}")).unwrap();
        assert_eq!(found.from, "2020-01-01T00:00:00Z".parse().unwrap());
        assert_eq!(found.until, "2021-01-01T00:00:00Z".parse().unwrap());
    }

    #[test]
    fn files_that_are_none_are_told_only_where_one_is_expected() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.pem");
        assert!(read(&path, true).is_err(), "not there");
        assert_eq!(read(&path, false), Ok(None));
        fs_err::write(&path, "hello").unwrap();
        assert_eq!(read(&path, true), Err("it holds no certificate".to_owned()));
        assert_eq!(read(&path, false), Ok(None));
        fs_err::write(&path, "-----BEGIN PRIVATE KEY-----").unwrap();
        assert_eq!(read(&path, true), Ok(None), "CERT_KEY names a key");
        fs_err::write(&path, format!("{MARK}\nAAAA\n-----END CERTIFICATE-----\n")).unwrap();
        assert!(read(&path, false).is_err(), "damaged");
        fs_err::write(&path, format!("text before\n{PEM}")).unwrap();
        assert_eq!(read(&path, false), span(PEM).map(Some));
        assert_eq!(read(folder.path(), true), Ok(None), "a folder of certificates");
    }

    #[test]
    fn none_is_fine() {
        let check = judge(&Facts { now: NOW.parse().unwrap(), files: vec![] });
        assert!(check.ok && check.detail.starts_with("nothing to check"));
    }
}
