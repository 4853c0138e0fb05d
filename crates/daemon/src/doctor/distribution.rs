//! Certificates for Erlang distribution: they renew themselves, so that one that is near its end is a fault.

use api::doctor::Check;
use host::certificates::{Certificate, CertificatesError, Standing};
use jiff::Timestamp;

use super::findings::Findings;
use super::scene::Scene;
use crate::certificate_keeper::TOO_LITTLE;

pub(super) const NAME: &str = "distribution";

/// Each certificate that there shall be, by its holder, and whether it can be read.
struct Facts {
    now: Timestamp,
    certificates: Vec<(String, Result<Certificate, String>)>,
}

pub(super) fn check(scene: &Scene) -> Check {
    let certificates = match scene.site.certificates.standing() {
        Ok(standing) => of(standing),
        Err(CertificatesError::NotMade) => Vec::new(),
        Err(error) => vec![("the authority".to_owned(), Err(host::chain(&error)))],
    };
    judge(&Facts { now: Timestamp::now(), certificates })
}

fn of(standing: Standing) -> Vec<(String, Result<Certificate, String>)> {
    let authority = ("the authority".to_owned(), Ok(standing.authority));
    let leaves = standing
        .leaves
        .into_iter()
        .map(|leaf| (leaf.holder.to_string(), leaf.certificate.map_err(|error| host::chain(&error))));
    std::iter::once(authority).chain(leaves).collect()
}

fn judge(facts: &Facts) -> Check {
    let mut findings = Findings::new(NAME);
    for (holder, certificate) in &facts.certificates {
        match certificate {
            Err(why) => findings.wrong(
                format!("the certificate of {holder} cannot be used: {why}"),
                "see bellrockd's log for why it is not made anew; nodes that run go on, new connections fail",
            ),
            Ok(certificate) if certificate.until.duration_since(facts.now) <= TOO_LITTLE => findings.wrong(
                format!("the certificate of {holder} ends at {}, and was not renewed", certificate.until),
                "bellrock tls rotate renews it, or says why not",
            ),
            Ok(_) => {}
        }
    }
    findings.or_fine(match facts.certificates.len() {
        0 => "no certificates for it: bellrock tls init makes them".to_owned(),
        count => format!("{count} certificates for it, renewed in time"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-11-21T10:00:00Z";

    fn judged(certificate: Result<Certificate, String>) -> Check {
        judge(&Facts { now: NOW.parse().unwrap(), certificates: vec![("beacon".into(), certificate)] })
    }

    fn until(text: &str) -> Certificate {
        Certificate {
            holder: "beacon".into(),
            signed_by: "Bellrock at web1".into(),
            hosts: vec!["web1".into()],
            from: "2026-01-01T00:00:00Z".parse().unwrap(),
            until: text.parse().unwrap(),
            fingerprint: package::digest::Sha256Digest::of(b""),
        }
    }

    #[test]
    fn one_that_was_not_renewed() {
        let check = judged(Ok(until("2026-12-05T10:00:00Z")));
        assert!(!check.ok && check.detail.contains("beacon ends at 2026-12-05T10:00:00Z"));
        assert_eq!(check.remedy.as_deref(), Some("bellrock tls rotate renews it, or says why not"));
        assert!(judged(Ok(until("2026-12-05T10:00:01Z"))).ok);
    }

    #[test]
    fn one_that_cannot_be_read() {
        let check = judged(Err("it is not readable as PEM".into()));
        assert!(!check.ok && check.detail.contains("beacon cannot be used: it is not readable"));
    }

    #[test]
    fn none_is_fine() {
        let check = judge(&Facts { now: NOW.parse().unwrap(), certificates: vec![] });
        assert!(check.ok && check.detail.contains("bellrock tls init"));
    }
}
