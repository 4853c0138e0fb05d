//! `tls`

use api::tls::{RotateTls, Tls, TlsCertificate, TlsHolder};
use clap::Subcommand;
use hyper::Method;
use jiff::Timestamp;

use super::Context;
use crate::client::Route;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{ALARM, WARNING};
use crate::table::{Cell, Row, table};
use crate::time::{between, coarse};

/// What is written of a fingerprint; `--json` has all of it.
const SHOWN_OF_FINGERPRINT: usize = 16;

/// Certificates for Erlang distribution over TLS (`distribution = "tls"`), made and renewed on this host.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Makes an authority for this host and Bellrock's own certificate. Apps get theirs when they need them.
    ///
    /// The authority's key never leaves the host: `var/lib/bellrock/tls/authority.pem`, which only the daemon's user reads.
    Init,
    /// Shows the authority and each certificate: when it ends, when it is renewed, its fingerprint, who runs with it.
    Status,
    /// Renews every certificate now. Nodes take the new ones at new connections; nothing is restarted.
    ///
    /// By itself each is renewed 30 days before its end.
    Rotate {
        /// Replaces the authority too. It takes two hours: nodes trust both until all have certificates of the new one.
        #[arg(long)]
        authority: bool,
    },
}

pub(super) async fn run(context: &Context<'_>, args: Args) -> Result<Exit, Failure> {
    let client = &context.client;
    let tls: Tls = match args.command {
        Command::Init => client.call(Method::POST, Route::new(["tls"])).await?,
        Command::Status => client.get(Route::new(["tls"])).await?,
        Command::Rotate { authority } => {
            client.send(Method::POST, Route::new(["tls", "rotate"]), &RotateTls { authority }).await?
        }
    };
    let now = context.now();
    context.output.data(&tls, |tls| text(tls, now));
    Ok(Exit::Ok)
}

/// A line for each certificate, authorities first.
pub(super) fn text(tls: &Tls, now: Timestamp) -> String {
    let signs = ("authority", Some(&tls.authority));
    let coming = ("will sign, trusted already", tls.next.as_ref());
    let going = ("has signed, trusted still", tls.previous.as_ref());
    let authorities = [signs, coming, going]
        .into_iter()
        .filter_map(|(whose, certificate)| Some(row(whose.to_owned(), certificate?, None, now)));
    let rows = authorities.chain(tls.certificates.iter().map(|it| holder(it, now))).collect();
    let head = format!("certificates for nodes at {}", tls.host);
    format!("{head}\n{}", table(&["of", "valid for", "renewed in", "sha256", "used by"], rows, ""))
}

fn holder(it: &TlsHolder, now: Timestamp) -> Row {
    let whose = it.app.clone().unwrap_or_else(|| "Bellrock itself".to_owned());
    match (&it.certificate, &it.problem) {
        (Some(certificate), _) => {
            let users = if it.used_by.is_empty() { "nobody now".to_owned() } else { it.used_by.join(", ") };
            row(whose, certificate, it.renewed_at, now).into_iter().chain([users.into()]).collect()
        }
        (None, problem) => {
            let problem = problem.as_deref().unwrap_or("it cannot be read");
            vec![whose.into(), Cell::from(problem).style(ALARM)]
        }
    }
}

fn row(whose: String, it: &TlsCertificate, renewed_at: Option<Timestamp>, now: Timestamp) -> Row {
    let left = match it.until > now {
        true => Cell::from(coarse(between(now, it.until))),
        false => Cell::from("has ended").style(ALARM),
    };
    let renewed = match renewed_at {
        Some(at) if at > now => Cell::from(coarse(between(now, at))),
        Some(_) => Cell::from("is due").style(WARNING),
        None => Cell::default(),
    };
    let fingerprint: String = it.fingerprint.chars().take(SHOWN_OF_FINGERPRINT).collect();
    vec![whose.into(), left, renewed, fingerprint.into()]
}
