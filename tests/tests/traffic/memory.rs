//! Too little memory for old and new instances side by side.

use std::path::Path;

use api::deployment::Phase;
use api::event::{Level, Step};
use testkit::app::log;
use testkit::load::Load;
use testkit::{HostPlan, TempHost};

use super::kinds::MIX;
use super::{answered_anew, plan};

/// What lets a daemon read that file for `/proc/meminfo`.
fn wrapper(meminfo: &Path) -> Vec<String> {
    let script = format!("mount --bind {} /proc/meminfo && exec \"$@\"", meminfo.display());
    ["unshare", "--mount", "sh", "-c", &script, "sh"].map(str::to_owned).into()
}

/// Says that so much can be used.
fn tell_available(meminfo: &Path, kilobytes: u64) {
    fs_err::write(meminfo, format!("MemTotal: 24000000 kB\nMemAvailable: {kilobytes} kB\n")).unwrap();
}

#[tokio::test]
async fn where_memory_is_short_places_change_one_after_another_and_it_is_told() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("not tested: only root may lay a file over /proc/meminfo");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let meminfo = folder.path().join("meminfo");
    tell_available(&meminfo, 20_000_000);
    let host: TempHost = HostPlan { wrapper: wrapper(&meminfo), ..HostPlan::default() }.start().await;
    let app = host.app("beacon", "strategy = 'parallel'");
    app.deploy("beacon-base", Phase::Committed).await;
    let load = Load::start(plan(&host, &MIX)).unwrap();
    answered_anew(&load, &MIX).await;
    // one more of some 100 MB would fit, two and a reserve would not
    tell_available(&meminfo, 150_000);
    let detail = app.deploy("beacon-module-changed", Phase::Committed).await;
    answered_anew(&load, &MIX).await;
    let note = detail.log.iter().find(|event| event.step == Step::Staged && event.level == Level::Warning);
    let note = note.map(|event| event.text.as_str()).unwrap_or_default();
    assert!(note.starts_with("rolling instead of parallel: not enough memory"), "{}", log(&detail));
    assert!(note.contains("of memory are available, and the new instances will need"), "{note}");
    assert_eq!(detail.deployment.strategy, "rolling");
    // so it was done, too: the first place's old instance is gone before the second place's new one is ready
    let at = |step: Step, place: u16| {
        let is_it = |event: &api::event::Event| event.step == step && event.place == Some(place);
        detail.log.iter().position(is_it).unwrap_or_else(|| panic!("{step:?} {place}\n{}", log(&detail)))
    };
    assert!(at(Step::Stopped, 1) < at(Step::Ready, 2), "{}", log(&detail));
    tell_available(&meminfo, 20_000_000);
    let back = app.deploy("beacon-base", Phase::Committed).await;
    assert_eq!(back.deployment.strategy, "parallel", "{}", log(&back));
    load.end().await.assert_nothing_lost();
}
