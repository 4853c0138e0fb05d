//! Failures as RFC 9457 problem details, each kind with a slug that stays.

use api::problem::{MEDIA_TYPE, Problem};
use axum::extract::multipart::MultipartError;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use host::certificates::CertificatesError;
use host::disk::DiskError;
use host::journal::JournalError;
use model::AppName;
use model::app::Refused;

use crate::control::WishError;

/// A request that was not carried out.
#[derive(Debug)]
pub(super) struct Failure(Problem);

impl Failure {
    /// A failure by its slug.
    pub(super) fn new(slug: &str, status: StatusCode, detail: impl Into<String>) -> Self {
        Failure(Problem::new(slug, status.as_u16(), detail))
    }

    /// Something on this host failed.
    pub(super) fn host(error: &(dyn std::error::Error + 'static)) -> Self {
        Failure::new("host", StatusCode::INTERNAL_SERVER_ERROR, host::chain(error))
    }

    /// The journal could not be used.
    fn journal(detail: String) -> Self {
        Failure::new("journal", StatusCode::INTERNAL_SERVER_ERROR, detail).remedy("bellrock doctor")
    }

    /// Says what to do about it.
    pub(super) fn remedy(self, remedy: impl Into<String>) -> Self {
        Failure(self.0.remedy(remedy))
    }

    /// Something about certificates for distribution that was not granted.
    pub(super) fn certificates(error: &CertificatesError) -> Self {
        let detail = host::chain(error);
        match error {
            CertificatesError::NotMade => {
                Failure::new("no-tls", StatusCode::CONFLICT, detail).remedy("bellrock tls init")
            }
            CertificatesError::Made => {
                Failure::new("tls-made", StatusCode::CONFLICT, detail).remedy("bellrock tls status")
            }
            CertificatesError::UnderWay => {
                Failure::new("tls-under-way", StatusCode::CONFLICT, detail).remedy("bellrock tls status")
            }
            _ => Failure::host(error),
        }
    }

    /// A wish about an app that was not granted.
    pub(super) fn wish(app: &AppName, error: WishError) -> Self {
        let detail = error.to_string();
        match error {
            WishError::NoApp(_) => {
                Failure::new("no-app", StatusCode::NOT_FOUND, detail).remedy("bellrock status")
            }
            WishError::Refused(refused) => Failure::refused(app, &refused),
            WishError::Package(_) => Failure::new("package", StatusCode::UNPROCESSABLE_ENTITY, detail),
            WishError::Settings(_) => Failure::new("settings", StatusCode::UNPROCESSABLE_ENTITY, detail),
            WishError::Journal(error) => error.into(),
            WishError::NotJournalled(_) => Failure::journal(detail),
            WishError::Room(error) => error.into(),
            WishError::Host(_) => Failure::new("host", StatusCode::INTERNAL_SERVER_ERROR, detail),
        }
    }

    fn refused(app: &AppName, refused: &Refused) -> Self {
        let (slug, status) = name(refused);
        let failure = Failure::new(slug, status, refused.to_string());
        match remedy(app, refused) {
            Some(remedy) => failure.remedy(remedy),
            None => failure,
        }
    }
}

fn name(refused: &Refused) -> (&'static str, StatusCode) {
    let missing = StatusCode::NOT_FOUND;
    let conflict = StatusCode::CONFLICT;
    let wrong = StatusCode::UNPROCESSABLE_ENTITY;
    match refused {
        Refused::Busy { .. } => ("busy", conflict),
        Refused::NoVersion { .. } => ("no-version", missing),
        Refused::Ghosted { .. } => ("ghosted", conflict),
        Refused::NoPackage { .. } => ("no-package", conflict),
        Refused::OtherPackage { .. } => ("other-package", conflict),
        Refused::BeingRemoved { .. } => ("being-removed", conflict),
        Refused::AlreadyRunning { .. } => ("already-running", conflict),
        Refused::Manual => ("manual", conflict),
        Refused::NoCanary => ("no-canary", conflict),
        Refused::NoWayBack => ("no-way-back", conflict),
        Refused::NothingActive => ("nothing-active", conflict),
        Refused::AppStopped => ("app-stopped", conflict),
        Refused::AppRunning => ("app-running", conflict),
        Refused::NoDeployment { .. } => ("no-deployment", missing),
        Refused::RollingBack { .. } => ("rolling-back", conflict),
        Refused::NoPlace { .. } => ("no-place", missing),
        Refused::TooMany { .. } => ("too-many", wrong),
        Refused::OutsideAutoscale { .. } => ("outside-autoscale", wrong),
        Refused::NotByLoad { .. } => ("not-by-load", conflict),
        Refused::WatchdogTooSoon { .. } => ("watchdog-too-soon", conflict),
        Refused::NotByWatchdog { .. } => ("not-by-watchdog", conflict),
        Refused::TooFew => ("too-few", wrong),
        Refused::InUse { .. } => ("in-use", conflict),
        Refused::Frozen { .. } => ("frozen", conflict),
        Refused::NotFrozen => ("not-frozen", conflict),
        Refused::Past { .. } => ("past", wrong),
        Refused::NotProxied => ("not-proxied", conflict),
        Refused::PauseTooLong => ("pause-too-long", wrong),
        Refused::NotPaused => ("not-paused", conflict),
        Refused::PageTooLarge => ("page-too-large", wrong),
        Refused::NoMaintenance => ("no-maintenance", conflict),
        Refused::NoChange => ("no-change", conflict),
    }
}

/// The command that helps, ready to be run.
fn remedy(app: &AppName, refused: &Refused) -> Option<String> {
    Some(match refused {
        Refused::Busy { deployment } | Refused::RollingBack { deployment } => {
            format!("bellrock deployments show {deployment}")
        }
        Refused::NoVersion { .. } | Refused::OtherPackage { .. } => format!("bellrock versions {app}"),
        Refused::Ghosted { version, .. } => format!("bellrock ghosts {app} clear {version}"),
        Refused::Manual => format!("bellrock mode {app} automatic"),
        Refused::AppStopped => format!("bellrock start {app}"),
        Refused::Frozen { .. } => format!("bellrock unfreeze {app}"),
        Refused::TooFew => format!("bellrock stop {app}"),
        Refused::NoDeployment { .. } => "bellrock deployments".to_owned(),
        Refused::NoPlace { .. } => format!("bellrock status {app}"),
        _ => return None,
    })
}

impl From<JournalError> for Failure {
    fn from(error: JournalError) -> Self {
        Failure::journal(host::chain(&error))
    }
}

impl From<DiskError> for Failure {
    fn from(error: DiskError) -> Self {
        match error {
            DiskError::NoRoom { .. } => {
                let detail = format!(
                    "{error}; free some room (delete versions, lower keep_versions or log.keep), or lower min_free_disk in config.toml"
                );
                Failure::new("no-room", StatusCode::CONFLICT, detail).remedy("bellrock doctor")
            }
            DiskError::Look { .. } => Failure::host(&error),
        }
    }
}

macro_rules! from_rejection {
    ($($rejection:ty => $slug:literal),*) => {$(
        impl From<$rejection> for Failure {
            fn from(rejection: $rejection) -> Self {
                Failure::new($slug, rejection.status(), rejection.body_text())
            }
        }
    )*};
}
from_rejection! {
    JsonRejection => "bad-body", PathRejection => "bad-name", QueryRejection => "bad-query",
    MultipartError => "bad-body"
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, axum::Json(self.0)).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        response
    }
}
