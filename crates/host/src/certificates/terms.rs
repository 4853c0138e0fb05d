//! How long certificates are valid, and when they are renewed: pure decisions about times.

use jiff::{SignedDuration, Timestamp};

use super::certificate::Certificate;

const HOUR: i64 = 1;
const DAY: i64 = 24 * HOUR;

/// Certificates are valid from so long before they are made: clocks of hosts differ.
pub(crate) const BACKDATED: SignedDuration = SignedDuration::from_hours(HOUR);

/// How long certificates are valid, and when they are renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// Validity of an authority.
    pub authority: SignedDuration,
    /// It is replaced when no more than this is left of it.
    pub authority_left: SignedDuration,
    /// Validity of what it signs.
    pub leaf: SignedDuration,
    /// That is renewed when no more than this is left of it: a daemon that is away for weeks is in time.
    pub leaf_left: SignedDuration,
    /// Until every node has read a changed file. A node looks for changes every two minutes (OTP's
    /// `ssl_pem_cache_clean`), and reads them at its next connection.
    pub spread: SignedDuration,
    /// Until an operator has brought a changed file to other hosts, where there are such.
    pub spread_to_hosts: SignedDuration,
}

impl Terms {
    /// Those of every host.
    pub const STANDARD: Terms = Terms {
        authority: SignedDuration::from_hours(3650 * DAY),
        authority_left: SignedDuration::from_hours(365 * DAY),
        leaf: SignedDuration::from_hours(90 * DAY),
        leaf_left: SignedDuration::from_hours(30 * DAY),
        spread: SignedDuration::from_hours(HOUR),
        spread_to_hosts: SignedDuration::from_hours(14 * DAY),
    };
}

/// Why a certificate has to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    /// There is none, or none that can be read.
    Missing,
    /// Its end is near.
    Ends,
    /// It is not valid yet: the clock was wrong when it was made.
    NotYet,
    /// Another authority signs now.
    Authority,
    /// It is for another host.
    Host,
}

/// Whether a certificate has to be made, and why.
pub(crate) fn due(
    leaf: Option<&Certificate>,
    authority: &Certificate,
    host: &str,
    now: Timestamp,
    terms: &Terms,
) -> Option<Due> {
    let Some(leaf) = leaf else { return Some(Due::Missing) };
    // one that ends with its authority cannot be had longer
    let ends = leaf.until < authority.until && now >= renewed_at(leaf, terms);
    if leaf.signed_by != authority.holder {
        Some(Due::Authority)
    } else if !leaf.hosts.iter().any(|name| name == host) {
        Some(Due::Host)
    } else if leaf.from > now {
        Some(Due::NotYet)
    } else {
        ends.then_some(Due::Ends)
    }
}

/// When a certificate of a node is renewed.
pub(crate) fn renewed_at(leaf: &Certificate, terms: &Terms) -> Timestamp {
    leaf.until.saturating_sub(terms.leaf_left).unwrap_or(leaf.until)
}

/// The way from one authority to the next: both are trusted before the new one signs, and until nothing is in use that
/// the old one has signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Make the next authority, and have it trusted.
    Begin,
    /// It is trusted everywhere: it signs from now on, and the key of the one before goes.
    Switch,
    /// Nothing of the one before is in use: it is trusted no more.
    Forget,
}

/// The authorities of a host, and what they have signed.
#[derive(Debug, Clone)]
pub(crate) struct Authorities<'a> {
    /// The one that signs.
    pub(crate) signing: &'a Certificate,
    /// The one that will.
    pub(crate) next: Option<&'a Certificate>,
    /// The one that did.
    pub(crate) previous: Option<&'a Certificate>,
    /// What is in use; `None`: something that cannot be read.
    pub(crate) leaves: &'a [Option<Certificate>],
}

/// The step that is due now.
pub(crate) fn step(authorities: &Authorities<'_>, now: Timestamp, terms: &Terms) -> Option<Step> {
    let spread = |certificate: &Certificate| {
        let made = certificate.from.saturating_add(BACKDATED).unwrap_or(certificate.from);
        now.duration_since(made) >= terms.spread
    };
    if authorities.previous.is_some() {
        let is_new = |leaf: &Option<Certificate>| {
            leaf.as_ref().is_some_and(|it| it.signed_by == authorities.signing.holder && spread(it))
        };
        return authorities.leaves.iter().all(is_new).then_some(Step::Forget);
    }
    match authorities.next {
        Some(next) => spread(next).then_some(Step::Switch),
        None => {
            let left = authorities.signing.until.duration_since(now);
            (left <= terms.authority_left).then_some(Step::Begin)
        }
    }
}
