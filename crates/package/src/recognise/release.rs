//! Releases of `mix release` and `rebar3 tar`: `bin/ lib/ releases/` and, mostly, `erts-*`.

use beam::rel::{Rel, StartErl};

use super::modules::{self, Survey};
use super::{Application, Facts, Kind, Refusal, StartScript, unpacked::Tree};
use crate::otp::{self, OtpRelease, OtpSource};

/// Longest text file of a release that is read whole.
const MAX_TEXT: u64 = 4 << 20;

/// Applications of OTP and Elixir: never the one that a release is made for.
const STOCK: &[&str] = &[
    "asn1",
    "common_test",
    "compiler",
    "crypto",
    "debugger",
    "dialyzer",
    "diameter",
    "edoc",
    "eldap",
    "erl_interface",
    "erts",
    "et",
    "eunit",
    "ftp",
    "inets",
    "jinterface",
    "kernel",
    "megaco",
    "mnesia",
    "observer",
    "odbc",
    "os_mon",
    "parsetools",
    "public_key",
    "reltool",
    "runtime_tools",
    "sasl",
    "snmp",
    "ssh",
    "ssl",
    "stdlib",
    "syntax_tools",
    "tftp",
    "tools",
    "wx",
    "xmerl",
    "elixir",
    "logger",
    "iex",
    "mix",
    "eex",
    "ex_unit",
];

pub(super) fn read(tree: &Tree<'_>) -> Result<Facts, Refusal> {
    let start_erl = start_erl(tree)?;
    let version = boot_version(tree, start_erl.as_ref())?;
    let rel = rel(tree, &version)?;
    let kind = kind(tree, &version);
    let erts = erts(tree, &rel)?;
    let own = own_applications(tree, &rel);
    let main = main_application(tree, &rel, &own);
    let survey = survey(tree, &rel, main.as_deref(), &own);
    let compiled_with = if erts.is_none() { modules::newest_needed(tree) } else { None };
    Ok(Facts {
        kind,
        root: tree.folder().to_owned(),
        start: start(tree, kind, &rel.name)?,
        otp_release: otp_release(tree, &rel),
        main_application: main,
        release_name: rel.name,
        version,
        erts,
        compiled_with,
        applications: rel
            .applications
            .into_iter()
            .map(|app| Application { name: app.name, version: app.version })
            .collect(),
        has_debug_info: survey.all_have_debug_info(),
        native_libraries: Vec::new(),
        boot_version: start_erl.map(|start_erl| start_erl.version),
        settings: None,
    })
}

fn start_erl(tree: &Tree<'_>) -> Result<Option<StartErl>, Refusal> {
    const PATH: &str = "releases/start_erl.data";
    if !tree.has_file(PATH) {
        return Ok(None);
    }
    let read = beam::rel::parse_start_erl(&tree.read(PATH, MAX_TEXT)?);
    let problem = || Refusal::broken(PATH, "does not hold an ERTS version and a release version");
    read.ok_or_else(problem).map(Some)
}

fn boot_version(tree: &Tree<'_>, start_erl: Option<&StartErl>) -> Result<String, Refusal> {
    let mut versions = tree.folders("releases");
    versions.retain(|version| !tree.files_ending(&format!("releases/{version}"), ".rel").is_empty());
    if let Some(StartErl { version, .. }) = start_erl {
        return match versions.contains(version) {
            true => Ok(version.clone()),
            false => Err(Refusal::BootVersionMissing { version: version.clone(), found: versions }),
        };
    }
    match versions.as_slice() {
        [version] => Ok(version.clone()),
        [] => Err(Refusal::broken("releases/", "has no folder with a .rel file and no start_erl.data")),
        _ => Err(Refusal::AmbiguousVersion { versions }),
    }
}

/// The release of a version: of several `.rel` files (relx writes `start_clean.rel` too) the one with a script.
fn rel(tree: &Tree<'_>, version: &str) -> Result<Rel, Refusal> {
    let folder = format!("releases/{version}");
    let files = tree.files_ending(&folder, ".rel");
    let (mut releases, mut scripts) = (Vec::new(), Vec::new());
    for file in files {
        let path = format!("{folder}/{file}");
        let rel = beam::rel::parse(&tree.read(&path, MAX_TEXT)?);
        let rel = rel.map_err(|error| Refusal::broken(&path, described(&error)))?;
        let script = format!("bin/{}", rel.name);
        if tree.has_file(&script) {
            releases.push(rel);
        }
        scripts.push(script);
    }
    match releases.len() {
        1 => Ok(releases.swap_remove(0)),
        0 => Err(Refusal::NoStartScript { looked_for: scripts, found: tree.names("bin") }),
        _ => {
            let names = releases.into_iter().map(|rel| rel.name).collect();
            Err(Refusal::AmbiguousRelease { version: version.to_owned(), names })
        }
    }
}

fn kind(tree: &Tree<'_>, version: &str) -> Kind {
    // mix puts Elixir's own launcher beside its env.sh; relx has neither.
    let of_mix = ["elixir", "env.sh"].iter().all(|name| tree.has_file(&format!("releases/{version}/{name}")));
    if of_mix { Kind::MixRelease } else { Kind::RebarRelease }
}

fn start(tree: &Tree<'_>, kind: Kind, release_name: &str) -> Result<StartScript, Refusal> {
    let path = format!("bin/{release_name}");
    if !tree.is_executable(&path) {
        return Err(Refusal::broken(&path, "is not executable"));
    }
    let arguments: &[&str] = match kind {
        Kind::MixRelease => &["start"],
        // relx's short script (`extended_start_script` off) passes everything on to the runtime.
        _ if !contains(&tree.read(&path, MAX_TEXT)?, b"foreground") => &["-noshell", "-noinput"],
        _ => &["foreground"],
    };
    Ok(StartScript { path, arguments: arguments.iter().map(|&argument| argument.to_owned()).collect() })
}

fn erts(tree: &Tree<'_>, rel: &Rel) -> Result<Option<String>, Refusal> {
    let mut carried = tree.folders("");
    carried.retain(|name| name.starts_with("erts-"));
    let wanted = format!("erts-{}", rel.erts);
    match carried.as_slice() {
        [] => Ok(None),
        folders if folders.contains(&wanted) => Ok(Some(rel.erts.clone())),
        [other, ..] => Err(Refusal::broken(
            &format!("{other}/"),
            format!("is not the ERTS that the release was made for, {}", rel.erts),
        )),
    }
}

fn otp_release(tree: &Tree<'_>, rel: &Rel) -> Option<OtpRelease> {
    let told = tree.folders("releases").into_iter().find_map(|folder| {
        let path = format!("releases/{folder}/OTP_VERSION");
        let text = String::from_utf8(tree.has_file(&path).then(|| tree.read(&path, 64).ok())??).ok()?;
        let release = text.trim().trim_end_matches("**").to_owned();
        Some(OtpRelease { release, known_from: OtpSource::OtpVersionFile })
    });
    let of_erts = || {
        let release = otp::of_erts(&rel.erts)?.to_string();
        Some(OtpRelease { release, known_from: OtpSource::ErtsVersion })
    };
    told.or_else(of_erts)
}

struct OwnApplication {
    name: String,
    needs: Vec<String>,
}

fn own_applications(tree: &Tree<'_>, rel: &Rel) -> Vec<OwnApplication> {
    let own = rel.applications.iter().filter(|app| !STOCK.contains(&app.name.as_str()));
    own.map(|app| {
        let path = format!("lib/{0}-{1}/ebin/{0}.app", app.name, app.version);
        let read = tree.read(&path, MAX_TEXT).ok().and_then(|bytes| beam::app::parse(&bytes).ok());
        let needs = read.map(|read| [read.applications, read.included_applications].concat());
        OwnApplication { name: app.name.clone(), needs: needs.unwrap_or_default() }
    })
    .collect()
}

fn main_application(tree: &Tree<'_>, rel: &Rel, own: &[OwnApplication]) -> Option<String> {
    let same_name = rel.applications.iter().find(|app| app.name == rel.name);
    if let Some(app) = same_name.filter(|app| tree.has_folder(&ebin(&app.name, &app.version))) {
        return Some(app.name.clone());
    }
    let mut tops = own.iter().filter(|app| !own.iter().any(|other| other.needs.contains(&app.name)));
    match (tops.next(), tops.next()) {
        (Some(only), None) => Some(only.name.clone()),
        _ => None,
    }
}

fn survey(tree: &Tree<'_>, rel: &Rel, main: Option<&str>, own: &[OwnApplication]) -> Survey {
    let is_meant = |name: &str| match main {
        Some(main) => name == main,
        None => own.iter().any(|app| app.name == name),
    };
    let folders = rel.applications.iter().filter(|app| is_meant(&app.name));
    modules::survey(tree, folders.map(|app| ebin(&app.name, &app.version)))
}

fn ebin(name: &str, version: &str) -> String {
    format!("lib/{name}-{version}/ebin")
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// An error and its causes in one line.
pub(super) fn described(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
