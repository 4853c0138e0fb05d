use std::collections::VecDeque;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tempfile::TempDir;

use super::*;

const HOST: &str = "web1";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn begin() -> Timestamp {
    at("2026-11-21T10:00:00Z")
}

fn beacon() -> AppName {
    "beacon".parse().unwrap()
}

/// Certificates in a folder of their own.
struct Place {
    folder: TempDir,
    certificates: Certificates,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let paths = Paths::new(folder.path());
        fs_err::create_dir_all(paths.state()).unwrap();
        Place { certificates: Certificates::new(paths, HOST), folder }
    }

    /// With an app's too.
    fn made() -> Self {
        let place = Place::new();
        place.certificates.make(begin()).unwrap();
        place.certificates.provide(&beacon(), None, begin()).unwrap();
        place
    }

    fn paths(&self) -> Paths {
        Paths::new(self.folder.path())
    }

    fn copy(&self) -> Self {
        let copy = Place::new();
        let (from, to) = (self.paths().certificates(), copy.paths().certificates());
        for entry in walk(&from) {
            let target = to.join(entry.strip_prefix(&from).unwrap());
            fs_err::create_dir_all(target.parent().unwrap()).unwrap();
            fs_err::copy(&entry, &target).unwrap();
        }
        copy
    }

    fn keep(&self, now: Timestamp) -> Vec<Change> {
        let kept = self.certificates.keep(now);
        assert!(kept.failures.is_empty(), "{:?}", kept.failures);
        kept.changes
    }

    fn seen(&self) -> Seen {
        let paths = self.paths();
        Seen {
            trusted: fs_err::read_to_string(paths.trusted_authorities()).unwrap(),
            leaves: [paths.own_certificate(), paths.distribution_certificate(&beacon())]
                .map(|path| fs_err::read_to_string(path).unwrap()),
        }
    }

    fn leaf(&self) -> Certificate {
        self.certificates.read(&Holder::App(beacon())).unwrap()
    }
}

fn walk(folder: &Path) -> Vec<PathBuf> {
    let entries = fs_err::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

fn mode(path: &Path) -> u32 {
    fs_err::metadata(path).unwrap().permissions().mode() & 0o777
}

/// What nodes and Bellrock have read at some time.
#[derive(Clone)]
struct Seen {
    trusted: String,
    leaves: [String; 2],
}

impl Seen {
    /// Whether the certificate of a node is believed by somebody who has read this.
    fn believes(&self, leaf: &str, now: Timestamp) -> bool {
        let mut roots = RootCertStore::empty();
        for authority in CertificateDer::pem_slice_iter(self.trusted.as_bytes()) {
            roots.add(authority.unwrap()).unwrap();
        }
        let provider = Arc::new(ring::default_provider());
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
        let leaf = CertificateDer::from_pem_slice(leaf.as_bytes()).unwrap();
        let now = UnixTime::since_unix_epoch(Duration::from_secs(now.as_second().try_into().unwrap()));
        let host = ServerName::try_from(HOST).unwrap();
        verifier.verify_server_cert(&leaf, &[], &host, &[], now).is_ok()
    }
}

/// Everybody believes everybody, whenever within the last hour each has read what.
fn all_believe(window: &VecDeque<Seen>, now: Timestamp) {
    for reader in window {
        for leaf in window.iter().flat_map(|seen| &seen.leaves) {
            assert!(reader.believes(leaf, now), "at {now}: {:?}", Certificate::of_pem(leaf));
        }
    }
}

/// Keeps them over a time, in steps; each of the last hour is remembered.
fn live(place: &Place, from: Timestamp, for_hours: i64, step: SignedDuration) -> Vec<(Timestamp, Change)> {
    let in_an_hour =
        usize::try_from(SignedDuration::from_hours(1).as_secs() / step.as_secs()).unwrap().max(1);
    let (mut now, mut window, mut changes) = (from, VecDeque::new(), Vec::new());
    while now < from + SignedDuration::from_hours(for_hours) {
        let new = place.keep(now);
        window.push_back(place.seen());
        if window.len() > in_an_hour {
            window.pop_front();
        }
        if !new.is_empty() || now == from {
            all_believe(&window, now);
        }
        changes.extend(new.into_iter().map(|change| (now, change)));
        now += step;
    }
    all_believe(&window, now);
    changes
}

#[test]
fn made_once_and_secret() {
    let place = Place::made();
    let paths = place.paths();
    assert!(matches!(place.certificates.make(begin()), Err(CertificatesError::Made)));
    assert_eq!(mode(&paths.authority()), 0o600);
    assert_eq!(mode(&paths.own_certificate()), 0o400);
    assert_eq!(mode(&paths.trusted_authorities()), 0o644);
    assert_eq!(mode(&paths.distribution_certificate(&beacon())), 0o400);
    assert_eq!(mode(&paths.distribution_options(&beacon())), 0o400);
    assert_eq!(mode(&paths.distribution(&beacon())), 0o711);
    assert!(!fs_err::read_to_string(paths.trusted_authorities()).unwrap().contains("KEY"));
    assert!(!format!("{:?}", Held::read(&paths).unwrap().signing).contains("PRIVATE"));
    let standing = place.certificates.standing().unwrap();
    let holders: Vec<String> = standing.leaves.iter().map(|leaf| leaf.holder.to_string()).collect();
    assert_eq!(holders, ["Bellrock itself", "beacon"]);
    let leaf = place.leaf();
    assert_eq!(leaf.hosts, [HOST]);
    assert_eq!(leaf.signed_by, standing.authority.holder);
    assert_ne!(leaf.holder, leaf.signed_by, "else OTP takes it as signed by itself");
    assert_eq!(leaf.until, begin() + Terms::STANDARD.leaf);
}

#[test]
fn nothing_is_done_where_nothing_was_made() {
    let place = Place::new();
    assert!(place.keep(begin()).is_empty());
    let refused = [
        place.certificates.provide(&beacon(), None, begin()).unwrap_err(),
        place.certificates.renew(begin()).unwrap_err(),
        place.certificates.identity().unwrap_err(),
        place.certificates.standing().map(|_| ()).unwrap_err(),
    ];
    for error in refused {
        assert!(matches!(error, CertificatesError::NotMade), "{error:?}");
        assert!(error.to_string().contains("bellrock tls init"));
    }
    assert!(!place.paths().certificates().exists());
}

#[test]
fn what_is_there_and_good_stays() {
    let place = Place::made();
    let before = place.leaf();
    place.certificates.provide(&beacon(), None, begin() + SignedDuration::from_hours(24)).unwrap();
    assert!(place.keep(begin() + SignedDuration::from_hours(48)).is_empty());
    assert_eq!(place.leaf(), before);
}

#[test]
fn renewed_a_month_before_the_end() {
    let place = Place::made();
    let changes = live(&place, begin(), 24 * 200, SignedDuration::from_hours(12));
    let days: Vec<_> = changes
        .iter()
        .filter(|(_, change)| matches!(change, Change::Renewed { holder: Holder::App(_), .. }))
        .map(|(at, _)| at.duration_since(begin()).as_hours() / 24)
        .collect();
    assert_eq!(days, [60, 120, 180]);
    assert!(changes.iter().all(|(_, change)| matches!(change, Change::Renewed { .. })));
}

#[test]
fn the_authority_changes_before_its_end_and_everybody_goes_on_believing_everybody() {
    let place = Place::made();
    let year_9 = begin() + Terms::STANDARD.authority - Terms::STANDARD.authority_left;
    let first = place.certificates.standing().unwrap().authority;
    place.keep(year_9 - SignedDuration::from_mins(1));
    let changes = live(&place, year_9 - SignedDuration::from_mins(1), 5, SignedDuration::from_mins(10));
    let kinds: Vec<_> = changes
        .into_iter()
        .map(|(_, change)| change)
        .filter(|it| !matches!(it, Change::Renewed { .. }))
        .collect();
    assert_eq!(kinds, [Change::Begun, Change::Switched, Change::Forgotten]);
    let standing = place.certificates.standing().unwrap();
    assert!(standing.next.is_none() && standing.previous.is_none());
    assert_ne!(standing.authority.holder, first.holder);
    assert_eq!(place.leaf().signed_by, standing.authority.holder);
    let trusted = fs_err::read_to_string(place.paths().trusted_authorities()).unwrap();
    assert_eq!(trusted.matches("BEGIN").count(), 1, "the old one is trusted no more");
    assert!(!place.paths().previous_authority().exists());
}

#[test]
fn an_authority_is_replaced_on_demand_one_at_a_time() {
    let place = Place::made();
    place.certificates.replace_authority(begin()).unwrap();
    assert!(matches!(place.certificates.replace_authority(begin()), Err(CertificatesError::UnderWay)));
    assert!(place.certificates.standing().unwrap().next.is_some());
    live(&place, begin(), 5, SignedDuration::from_mins(10));
    assert!(place.certificates.standing().unwrap().next.is_none());
}

/// A step's files in the order of their writing; a crash may come after each.
#[test]
fn a_crash_at_any_write_is_put_right() {
    let hours = SignedDuration::from_hours;
    let files = |paths: &Paths, names: &[&str]| -> Vec<PathBuf> {
        names.iter().map(|name| paths.certificates().join(name)).collect()
    };
    let steps: [(&str, i64, &[&str]); 3] = [
        ("begin", 0, &["trusted.pem", "authority.next.pem"]),
        (
            "switch",
            1,
            &[
                "authority.previous.pem",
                "authority.pem",
                "authority.next.pem",
                "apps/beacon/node.pem",
                "bellrock.pem",
            ],
        ),
        ("forget", 2, &["authority.previous.pem", "trusted.pem"]),
    ];
    let mut place = Place::made();
    for (step, hour, order) in steps {
        let now = begin() + hours(hour);
        let after = place.copy();
        if step == "begin" {
            after.certificates.replace_authority(now).unwrap();
        } else {
            assert!(!after.keep(now).is_empty(), "{step}");
        }
        for written in 0..=order.len() {
            let crashed = place.copy();
            let pairs = files(&after.paths(), order).into_iter().zip(files(&crashed.paths(), order));
            for (from, to) in pairs.take(written) {
                if from.exists() {
                    fs_err::copy(from, to).unwrap();
                } else {
                    fs_err::remove_file(to).unwrap();
                }
            }
            let seen = crashed.seen();
            all_believe(&VecDeque::from([seen.clone()]), now);
            crashed.keep(now);
            // who has read what the crash left gets along with what was made of it
            all_believe(&VecDeque::from([seen, crashed.seen()]), now);
            live(&crashed, now, 5, SignedDuration::from_mins(10));
            let standing = crashed.certificates.standing().unwrap();
            assert!(standing.next.is_none() && standing.previous.is_none(), "{step} {written}");
            assert_eq!(crashed.leaf().signed_by, standing.authority.holder, "{step} {written}");
        }
        place = after;
    }
}

#[test]
fn what_is_damaged_is_made_anew_and_told_where_it_cannot() {
    let place = Place::made();
    fs_err::remove_file(place.paths().trusted_authorities()).unwrap();
    fs_err::remove_file(place.paths().own_certificate()).unwrap();
    let leaf = place.paths().distribution_certificate(&beacon());
    fs_err::remove_file(&leaf).unwrap();
    fs_err::write(&leaf, "half a certif").unwrap();
    assert_eq!(place.keep(begin()).len(), 2);
    all_believe(&VecDeque::from([place.seen()]), begin());
    fs_err::write(place.paths().authority(), "nothing").unwrap();
    let kept = place.certificates.keep(begin());
    let [error] = kept.failures.as_slice() else { panic!("{kept:?}") };
    assert!(error.to_string().contains("authority.pem is of no use"), "{error}");
}

#[test]
fn renewed_when_the_host_is_called_otherwise_or_the_clock_was_wrong() {
    let place = Place::made();
    let moved = Certificates::new(place.paths(), "192.0.2.7");
    assert_eq!(moved.keep(begin()).changes.len(), 2);
    assert_eq!(place.leaf().hosts, ["192.0.2.7"]);
    let past = begin() - SignedDuration::from_hours(24);
    assert_eq!(moved.keep(past).changes.len(), 2, "not valid yet");
    assert!(place.leaf().from < past);
}

#[test]
fn files_belong_to_whom_the_app_runs_as() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let place = Place::made();
    let owner = |path: PathBuf| {
        let found = fs_err::metadata(path).unwrap();
        (found.uid(), found.gid())
    };
    let (leaf, options) =
        (place.paths().distribution_certificate(&beacon()), place.paths().distribution_options(&beacon()));
    place.certificates.provide(&beacon(), Some((4711, 4712)), begin()).unwrap();
    assert_eq!(owner(leaf.clone()), (4711, 4712));
    assert_eq!(owner(options), (4711, 4712));
    place.certificates.renew(begin()).unwrap();
    assert_eq!(owner(leaf), (4711, 4712), "also when it is renewed");
}

#[test]
fn authorities_of_other_hosts_are_trusted_and_waited_for() {
    let (here, there) = (Place::made(), Place::made());
    let folder = here.paths().other_authorities();
    fs_err::create_dir_all(&folder).unwrap();
    fs_err::copy(there.paths().trusted_authorities(), folder.join("web2.pem")).unwrap();
    fs_err::copy(there.paths().authority(), folder.join("with-its-key.pem")).unwrap();
    fs_err::write(folder.join("empty.pem"), "").unwrap();
    fs_err::write(folder.join("README"), "no certificate").unwrap();
    let kept = here.certificates.keep(begin());
    let told: Vec<String> = kept.failures.iter().map(|error| crate::chain(error)).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].contains("empty.pem") && told[0].contains("no certificate"), "{told:?}");
    assert!(told[1].contains("with-its-key.pem") && told[1].contains("holds a key"), "{told:?}");
    for leaf in &there.seen().leaves {
        assert!(here.seen().believes(leaf, begin()));
    }
    assert!(!here.seen().trusted.contains("PRIVATE"));
    assert!(!there.seen().believes(&here.seen().leaves[1], begin()), "trust is not mutual by itself");

    for useless in ["empty.pem", "with-its-key.pem"] {
        fs_err::remove_file(folder.join(useless)).unwrap();
    }
    here.certificates.replace_authority(begin()).unwrap();
    let fortnight = Terms::STANDARD.spread_to_hosts;
    assert!(
        here.keep(begin() + fortnight - SignedDuration::from_mins(1)).is_empty(),
        "the other host has time"
    );
    assert_eq!(here.keep(begin() + fortnight)[0], Change::Switched);
}
