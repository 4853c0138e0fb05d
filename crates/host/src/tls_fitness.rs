//! Whether the nodes of a package can speak TLS to each other: found out before anything is stopped.
//!
//! OTP takes distribution over TLS from its application `ssl`, which a release may lack. And it wants `-proto_dist` and
//! `-ssl_dist_optfile` once: where something else says them too, `net_kernel` of OTP 25 to 29 takes none of both and
//! **speaks plain TCP without a word**.

use std::path::Path;

use model::app::{App, Target, Variables};
use model::settings::{AppSettings, Distribution, VariableValue};
use package::tree::Unpacked;
use package::{Facts, Kind, runtime};

use crate::certificates::CertificatesError;
use crate::site::{Site, SiteError};

/// The flags that may stand once.
const FLAGS: [&str; 3] = ["-proto_dist", "-ssl_dist_optfile", "-ssl_dist_opt"];

/// Variables whose text becomes arguments of `erl` (`erl(1)`, and mix's script).
const OF_ERL: [&str; 4] = ["ERL_AFLAGS", "ERL_FLAGS", "ERL_ZFLAGS", "ELIXIR_ERL_OPTIONS"];

/// Files of a release whose content does, or may.
const FILES: [&str; 3] = ["vm.args", "vm.args.src", "env.sh"];

/// Why nodes cannot speak TLS. Each says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// The release has no `ssl`.
    #[error(
        "distribution is \"tls\", and the release has no application ssl; add it ({}) and build it again, or say distribution = \"loopback\"",
        add(*.0)
    )]
    NoSsl(Kind),
    /// Nor has the runtime of the host, for a package that brings no applications of OTP.
    #[error(
        "distribution is \"tls\", and the Erlang runtime at {0} has no application ssl; install it (Debian: erlang-ssl)"
    )]
    NoSslInRuntime(String),
    /// Somebody else says the flags.
    #[error(
        "distribution is \"tls\", and {at} says {flag} itself; with two of them nodes speak plain TCP: take it out there"
    )]
    Twice {
        /// A file or variable.
        at: String,
        /// The flag.
        flag: &'static str,
    },
}

fn add(kind: Kind) -> &'static str {
    match kind {
        Kind::MixRelease => "mix.exs: extra_applications: [:logger, :ssl]",
        Kind::RebarRelease | Kind::GleamShipment => "ssl among the applications of its .app.src",
    }
}

impl Site {
    /// Whether a target's nodes can be reached as its settings say. Reads files: it blocks.
    ///
    /// # Errors
    /// [`SiteError::Unfit`]; [`SiteError::Certificates`] when this host has none.
    pub fn fits_distribution(&self, app: &App, target: Target) -> Result<(), SiteError> {
        let revision = app.revision(target).ok_or(SiteError::NoVersion)?;
        let settings = &revision.settings;
        if settings.distribution != Distribution::Tls {
            return Ok(());
        }
        if !self.certificates.are_made() {
            return Err(CertificatesError::NotMade.into());
        }
        let unpacked = self.unpacked(app, target)?;
        let runtime = runtime::for_package(&unpacked.facts, settings.runtime.as_deref())?;
        let runtime = runtime.as_ref().map(|runtime| runtime.root.as_path());
        Ok(fit(&unpacked, runtime, settings, &revision.variables)?)
    }
}

fn fit(
    unpacked: &Unpacked,
    runtime: Option<&Path>,
    settings: &AppSettings,
    variables: &Variables,
) -> Result<(), Unfit> {
    has_ssl(&unpacked.facts, runtime)?;
    for (at, text) in said(&unpacked.tree(), &unpacked.facts, settings, variables) {
        if let Some(flag) = flag_in(&text) {
            return Err(Unfit::Twice { at, flag });
        }
    }
    Ok(())
}

fn has_ssl(facts: &Facts, runtime: Option<&Path>) -> Result<(), Unfit> {
    match (facts.kind, runtime) {
        (Kind::GleamShipment, Some(root)) => {
            let applications = fs_err::read_dir(root.join("lib")).into_iter().flatten().flatten();
            let is_ssl = |name: &std::ffi::OsStr| name.to_str().is_some_and(|name| name.starts_with("ssl-"));
            let found = applications.map(|entry| entry.file_name()).any(|name| is_ssl(&name));
            if found { Ok(()) } else { Err(Unfit::NoSslInRuntime(root.display().to_string())) }
        }
        (Kind::GleamShipment, None) => Ok(()),
        (kind, _) => {
            let found = facts.applications.iter().any(|application| application.name == "ssl");
            if found { Ok(()) } else { Err(Unfit::NoSsl(kind)) }
        }
    }
}

/// Every text that may hold arguments of `erl`, and where it stands.
fn said(tree: &Path, facts: &Facts, settings: &AppSettings, variables: &Variables) -> Vec<(String, String)> {
    let version = facts.boot_version.as_deref().unwrap_or(&facts.version);
    let files = FILES.iter().filter_map(|name| {
        let path = format!("releases/{version}/{name}");
        let text = fs_err::read_to_string(tree.join(&facts.root).join(&path)).ok()?;
        Some((path, text))
    });
    let of_erl = settings.variables.iter().chain(variables).filter_map(|(name, value)| match value {
        VariableValue::Text(text) if OF_ERL.contains(&name.as_str()) => {
            Some((format!("the variable {name}"), text.clone()))
        }
        _ => None,
    });
    files.chain(of_erl).collect()
}

/// The flag that a text says outside of its comments.
fn flag_in(text: &str) -> Option<&'static str> {
    let words = text.lines().map(|line| line.split('#').next().unwrap_or_default()).flat_map(|line| {
        line.split(|letter: char| letter.is_whitespace() || letter == '"' || letter == '\'' || letter == '=')
    });
    words.filter_map(|word| FLAGS.into_iter().find(|flag| *flag == word)).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_is_found_outside_of_comments() {
        let cases = [
            ("-proto_dist inet_tls\n", Some("-proto_dist")),
            ("## -proto_dist inet_tls\n+P 1000", None),
            ("+P 1000 # -proto_dist inet_tls", None),
            ("export ELIXIR_ERL_OPTIONS=\"-proto_dist inet_tls\"", Some("-proto_dist")),
            ("-kernel x y\n  -ssl_dist_optfile /x", Some("-ssl_dist_optfile")),
            ("-ssl_dist_opt server_certfile /x", Some("-ssl_dist_opt")),
            ("-my_proto_dist x", None),
            ("", None),
        ];
        for (text, flag) in cases {
            assert_eq!(flag_in(text), flag, "{text:?}");
        }
    }
}
