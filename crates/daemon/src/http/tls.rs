//! Certificates for Erlang distribution over TLS.

use std::collections::BTreeSet;
use std::sync::Arc;

use ::api::problem::Problem;
use ::api::tls::{RotateTls, Tls, TlsCertificate, TlsHolder};
use axum::extract::State;
use host::certificates::{Certificate, Certificates, CertificatesError, Change, Holder, Leaf, Standing};
use jiff::Timestamp;
use model::app::{App, Instance};
use model::settings::Distribution;
use tokio::task::spawn_blocking;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::api::Api;
use super::extract::Json;
use super::peer::Peer;
use super::problem::Failure;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(show, make)).routes(routes!(rotate))
}

/// The host's certificates for Erlang distribution: authority, leaves, their ends.
#[utoipa::path(get, path = "/v1/tls", tag = "system", operation_id = "show_tls",
    responses((status = OK, body = Tls), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn show(State(api): State<Api>) -> Result<Json<Tls>, Failure> {
    standing(&api).await
}

/// Makes an authority for this host, and Bellrock's own certificate; apps get theirs when they need them.
#[utoipa::path(post, path = "/v1/tls", tag = "system", operation_id = "init_tls",
    responses((status = OK, body = Tls), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn make(State(api): State<Api>, peer: Peer) -> Result<Json<Tls>, Failure> {
    api.record(&peer, None, "tls init".into()).await?;
    change(&api, |certificates| certificates.make(Timestamp::now())).await
}

/// Renews every certificate now, or begins the way to another authority.
#[utoipa::path(post, path = "/v1/tls/rotate", tag = "system", operation_id = "rotate_tls", request_body = RotateTls,
    responses((status = OK, body = Tls), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn rotate(
    State(api): State<Api>,
    peer: Peer,
    Json(RotateTls { authority }): Json<RotateTls>,
) -> Result<Json<Tls>, Failure> {
    let what = if authority { "tls rotate --authority" } else { "tls rotate" };
    api.record(&peer, None, what.into()).await?;
    match authority {
        true => change(&api, |certificates| certificates.replace_authority(Timestamp::now())).await,
        false => change(&api, |certificates| certificates.renew(Timestamp::now())).await,
    }
}

async fn change(
    api: &Api,
    work: impl FnOnce(&Certificates) -> Result<Vec<Change>, CertificatesError> + Send + 'static,
) -> Result<Json<Tls>, Failure> {
    let changes = on_files(api, work).await?;
    api.control.tell_changes(&changes).await?;
    standing(api).await
}

async fn standing(api: &Api) -> Result<Json<Tls>, Failure> {
    let host = api.control.site.node_host.clone();
    let apps = api.control.apps();
    on_files(api, Certificates::standing).await.map(|standing| Json(shown(host, standing, &apps)))
}

async fn on_files<T: Send + 'static>(
    api: &Api,
    work: impl FnOnce(&Certificates) -> Result<T, CertificatesError> + Send + 'static,
) -> Result<T, Failure> {
    let certificates = Arc::clone(&api.control.site.certificates);
    let done = spawn_blocking(move || work(&certificates)).await;
    done.map_err(|error| Failure::host(&error))?.map_err(|error| Failure::certificates(&error))
}

fn shown(host: String, standing: Standing, apps: &[Arc<App>]) -> Tls {
    Tls {
        host,
        authority: certificate(&standing.authority),
        next: standing.next.as_ref().map(certificate),
        previous: standing.previous.as_ref().map(certificate),
        certificates: standing.leaves.into_iter().map(|leaf| holder(leaf, apps)).collect(),
    }
}

fn holder(leaf: Leaf, apps: &[Arc<App>]) -> TlsHolder {
    TlsHolder {
        used_by: users(&leaf.holder, apps),
        app: match leaf.holder {
            Holder::Bellrock => None,
            Holder::App(app) => Some(app.to_string()),
        },
        path: leaf.path.display().to_string(),
        problem: leaf.certificate.as_ref().err().map(|error| host::chain(error)),
        certificate: leaf.certificate.as_ref().ok().map(certificate),
        renewed_at: leaf.renewed_at,
    }
}

/// Who runs with the certificate.
fn users(holder: &Holder, apps: &[Arc<App>]) -> Vec<String> {
    let places = |app: &App| -> Vec<String> {
        let with_tls = app.instances.values().filter(|it| it.is_launched() && speaks_tls(app, it));
        let places: BTreeSet<_> = with_tls.map(|it| it.place).collect();
        places.into_iter().map(|place| format!("{}/{place}", app.name)).collect()
    };
    match holder {
        Holder::App(name) => {
            let named = apps.iter().filter(|app| app.name == *name);
            named.flat_map(|app| places(app)).collect()
        }
        Holder::Bellrock => {
            let linked = apps.iter().filter(|app| !places(app).is_empty());
            linked.map(|app| app.name.to_string()).collect()
        }
    }
}

fn speaks_tls(app: &App, instance: &Instance) -> bool {
    app.revision(instance.target).is_some_and(|it| it.settings.distribution == Distribution::Tls)
}

fn certificate(certificate: &Certificate) -> TlsCertificate {
    TlsCertificate {
        name: certificate.holder.clone(),
        from: certificate.from,
        until: certificate.until,
        fingerprint: certificate.fingerprint.to_string(),
    }
}
