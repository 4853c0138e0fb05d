//! Whether this host can run what is active: a state folder may have moved here from another host, and a host may
//! have been reinstalled.

use std::collections::BTreeSet;

use api::doctor::Check;
use host::site::Site;
use model::app::{App, Target};
use package::HostPlatform;

use super::findings::Findings;
use super::scene::{Scene, targets};

pub(super) const NAME: &str = "glibc and architecture";

struct Facts {
    platform: HostPlatform,
    /// How many versions were looked at.
    versions: usize,
    misfits: Vec<Misfit>,
}

/// A version that does not fit.
struct Misfit {
    version: String,
    why: String,
}

pub(super) fn check(scene: &Scene) -> Check {
    judge(&gather(scene))
}

fn gather(scene: &Scene) -> Facts {
    let platform = HostPlatform::detect();
    let mut facts = Facts { platform: platform.clone(), versions: 0, misfits: Vec::new() };
    for app in &scene.apps {
        let versions: BTreeSet<_> = targets(app).into_iter().map(|target| (target.version, target)).collect();
        for (_, target) in versions {
            facts.versions += 1;
            if let Err(why) = fits(&scene.site, app, target, &platform) {
                facts.misfits.push(Misfit { version: format!("{} {}", app.name, app.label(target)), why });
            }
        }
    }
    facts
}

/// The runtime, and each native file that fitted when the package was unpacked.
fn fits(site: &Site, app: &App, target: Target, platform: &HostPlatform) -> Result<(), String> {
    let text = |error: &dyn std::error::Error| host::chain(error);
    let unpacked = site.unpacked(app, target).map_err(|error| text(&error))?;
    let settings = &app.revision(target).ok_or("its settings are gone")?.settings;
    let tree = unpacked.tree().join(&unpacked.facts.root);
    let runtime = package::runtime::for_package(&unpacked.facts, settings.runtime.as_deref());
    let erts = match runtime.map_err(|error| text(&error))? {
        Some(runtime) => runtime.root.join(format!("erts-{}", runtime.erts)),
        None => tree.join(format!("erts-{}", unpacked.facts.erts.as_deref().unwrap_or_default())),
    };
    let libraries = unpacked.facts.native_libraries.iter().filter(|library| library.fits);
    let files =
        std::iter::once(erts.join("bin/beam.smp")).chain(libraries.map(|library| tree.join(&library.path)));
    for file in files {
        platform.check_file(&file).map_err(|error| text(&error))?;
    }
    Ok(())
}

fn judge(facts: &Facts) -> Check {
    let mut findings = Findings::new(NAME);
    let host = host_name(&facts.platform);
    for Misfit { version, why } in &facts.misfits {
        findings.wrong(
            format!("{version} cannot run here: {why}"),
            format!("deploy a package that is built for this host ({host}), on it or on one like it"),
        );
    }
    findings.or_fine(format!("{host}; {} active versions fit", facts.versions))
}

fn host_name(platform: &HostPlatform) -> String {
    let library = match (platform.glibc, platform.musl) {
        (Some(glibc), _) => format!("glibc {glibc}"),
        (None, true) => "musl".to_owned(),
        (None, false) => "no C library".to_owned(),
    };
    format!("{}, {library}", platform.arch)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn debian_12() -> HostPlatform {
        HostPlatform { arch: "x86_64".into(), glibc: "2.36".parse().ok(), musl: false }
    }

    #[test]
    fn a_version_for_a_newer_host() {
        let misfit = Misfit {
            version: "beacon 1.2.0".into(),
            why: "erts-15.0/bin/beam.smp needs glibc 2.39 or newer; this host has 2.36".into(),
        };
        let check = judge(&Facts { platform: debian_12(), versions: 1, misfits: vec![misfit] });
        assert!(!check.ok && check.detail.starts_with("beacon 1.2.0 cannot run here: erts-15.0"));
        assert!(check.remedy.unwrap().contains("built for this host (x86_64, glibc 2.36)"));
    }

    #[test]
    fn what_fits_is_counted() {
        let check = judge(&Facts { platform: debian_12(), versions: 3, misfits: vec![] });
        assert!(check.ok);
        assert_eq!(check.detail, "x86_64, glibc 2.36; 3 active versions fit");
    }
}
