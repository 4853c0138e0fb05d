//! Certificates for distribution are renewed in time, and it is told: each change once, and what goes wrong when it
//! becomes another.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use host::certificates::{Change, Kept, Standing};
use host::journal::JournalError;
use jiff::{SignedDuration, Timestamp};
use model::app::{App, Level, Note, Step};
use model::settings::Distribution;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::control::Control;

/// Between two looks. A change of the authority waits an hour for nodes; certificates have weeks.
const LOOK: Duration = Duration::from_secs(600);

/// What is left of a certificate when a person is told: it should have been renewed two weeks before.
pub(crate) const TOO_LITTLE: SignedDuration = SignedDuration::from_hours(14 * 24);

/// Makes an authority where apps speak TLS and there is none: this is a host that was restored, and a backup holds no
/// keys.
pub(crate) async fn make_again(control: &Control, apps: &[Arc<App>]) {
    let speaks_tls = |app: &Arc<App>| {
        let revision = app.active().and_then(|target| app.revision(target));
        revision.is_some_and(|it| it.settings.distribution == Distribution::Tls)
    };
    if control.site.certificates.are_made() || !apps.iter().any(speaks_tls) {
        return;
    }
    let certificates = Arc::clone(&control.site.certificates);
    match spawn_blocking(move || certificates.make(Timestamp::now())).await {
        Ok(Ok(changes)) => {
            if let Err(error) = control.tell_changes(&changes).await {
                warn!(error = host::chain(&error), "could not tell of a new authority for distribution");
            }
        }
        Ok(Err(error)) => warn!(error = host::chain(&error), "could not make an authority for distribution"),
        Err(error) => warn!(%error, "could not make an authority for distribution"),
    }
}

/// Looks after them until told to stop.
pub(crate) async fn keep(control: Arc<Control>, stop: CancellationToken) {
    let mut said = BTreeSet::new();
    loop {
        if let Err(error) = look(&control, &mut said).await {
            warn!(error = host::chain(&error), "could not tell of certificates for distribution");
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

async fn look(control: &Control, said: &mut BTreeSet<String>) -> Result<(), JournalError> {
    let certificates = Arc::clone(&control.site.certificates);
    let work = move || {
        let now = Timestamp::now();
        let kept = certificates.keep(now);
        let ending = certificates.standing().map(|standing| ending(&standing, now)).unwrap_or_default();
        (kept, ending)
    };
    let Ok((Kept { changes, failures }, ending)) = spawn_blocking(work).await else { return Ok(()) };
    control.tell_changes(&changes).await?;
    let failures =
        failures.iter().map(|error| format!("certificates for distribution: {}", host::chain(error)));
    let wrong: BTreeSet<String> = failures.chain(ending).collect();
    for text in wrong.difference(said) {
        warn!("{text}");
        control
            .journal
            .tell(Timestamp::now(), Note::of_host(Step::Told, Level::Alarm, text.as_str()))
            .await?;
    }
    *said = wrong;
    Ok(())
}

/// The certificates that end soon, which should have been renewed long ago.
fn ending(standing: &Standing, now: Timestamp) -> Vec<String> {
    let authority = std::iter::once(("the authority".to_owned(), &standing.authority));
    let leaves = standing
        .leaves
        .iter()
        .filter_map(|leaf| Some((leaf.holder.to_string(), leaf.certificate.as_ref().ok()?)));
    authority
        .chain(leaves)
        .filter(|(_, certificate)| certificate.until.duration_since(now) <= TOO_LITTLE)
        .map(|(whose, certificate)| {
            let until = certificate.until;
            format!("the certificate of {whose} for distribution ends at {until} and was not renewed; bellrock doctor says why")
        })
        .collect()
}

impl Control {
    /// Tells of changes of certificates, in the log and among the events.
    pub(crate) async fn tell_changes(&self, changes: &[Change]) -> Result<(), JournalError> {
        for change in changes {
            info!("{change}");
            self.journal
                .tell(Timestamp::now(), Note::of_host(Step::Told, Level::Info, change.to_string()))
                .await?;
        }
        Ok(())
    }
}
