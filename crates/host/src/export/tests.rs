use super::*;

use model::export::Server;
use model::settings::ExportTo;
use model::{InstanceId, Place};

fn upstream(app: &str, port: u16) -> Upstream {
    let server = Server { place: Place(1), instance: InstanceId(1), port };
    Upstream { app: app.parse().unwrap(), servers: vec![server] }
}

struct Told(tempfile::TempDir);

impl Told {
    fn new() -> Self {
        Told(tempfile::tempdir().unwrap())
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("bellrock.conf")
    }

    /// Tells nginx, and runs this shell text as its reload.
    fn exports(&self, reload: &str) -> Exports {
        let argv = ["sh", "-c", reload].map(str::to_owned).to_vec();
        let nginx = ExportTo { file: Some(self.file()), reload: Some(Command::try_from(argv).unwrap()) };
        let timeout = Duration::from_millis(500);
        Exports::new(ExportSettings { nginx, timeout, ..ExportSettings::default() })
    }

    fn text(&self) -> String {
        fs_err::read_to_string(self.file()).unwrap()
    }

    fn lines(&self, name: &str) -> usize {
        fs_err::read_to_string(self.0.path().join(name)).unwrap_or_default().lines().count()
    }
}

#[tokio::test]
async fn all_apps_are_told_and_only_changes_reload() {
    let told = Told::new();
    let exports = told.exports(&format!("echo >> {}/reloads", told.0.path().display()));
    exports.open(vec![upstream("a", 4000), upstream("b", 5000)]).await.unwrap();
    assert!(told.text().contains("4000") && told.text().contains("5000"), "{}", told.text());
    exports.publish(EffectId(3), upstream("a", 4001)).await.unwrap();
    exports.publish(EffectId(4), upstream("a", 4001)).await.unwrap();
    assert_eq!(told.lines("reloads"), 2);
    exports.publish(EffectId(2), upstream("a", 4009)).await.unwrap();
    assert!(told.text().contains("4001") && told.text().contains("5000"), "an older wish: {}", told.text());
}

#[tokio::test]
async fn a_reload_that_fails_is_told_and_done_again() {
    let told = Told::new();
    let exports =
        told.exports(&format!("test -e {}/well || {{ echo no >&2; exit 3; }}", told.0.path().display()));
    let error = exports.publish(EffectId(1), upstream("a", 4000)).await.unwrap_err();
    assert!(error.to_string().ends_with("(export.nginx.reload): no"), "{error}");
    fs_err::write(told.0.path().join("well"), "").unwrap();
    exports.publish(EffectId(1), upstream("a", 4000)).await.unwrap();
}

#[tokio::test]
async fn a_reload_that_hangs_is_given_up() {
    let told = Told::new();
    let error = told.exports("sleep 600").publish(EffectId(1), upstream("a", 4000)).await.unwrap_err();
    assert!(matches!(error, ExportError::Late { .. }), "{error}");
}

/// An instance is drained by one effect while another one has it taken out.
#[tokio::test]
async fn what_is_taken_out_is_waited_for_until_it_was_read() {
    let told = Told::new();
    let reload = format!("while ! test -e {}/go; do sleep 0.01; done", told.0.path().display());
    let argv = ["sh", "-c", &reload].map(str::to_owned).to_vec();
    let nginx = ExportTo { file: Some(told.file()), reload: Some(Command::try_from(argv).unwrap()) };
    let drain = Duration::from_millis(300);
    let exports = Exports::new(ExportSettings { nginx, drain, ..ExportSettings::default() });
    let go = told.0.path().join("go");
    fs_err::write(&go, "").unwrap();
    let (app, old) = ("a".parse().unwrap(), InstanceId(1));
    exports.publish(EffectId(1), upstream("a", 4000)).await.unwrap();
    fs_err::remove_file(&go).unwrap();
    let empty = Upstream { servers: Vec::new(), ..upstream("a", 0) };
    let read_at = async {
        exports.publish(EffectId(2), empty).await.unwrap();
        Instant::now()
    };
    let drained_at = async {
        assert!(exports.drained(&app, old, Duration::from_secs(30)).await);
        Instant::now()
    };
    let let_go = async {
        // Both are under way.
        tokio::task::yield_now().await;
        fs_err::write(&go, "").unwrap();
    };
    let (drained_at, read_at, ()) = tokio::join!(drained_at, read_at, let_go);
    assert!(drained_at >= read_at);
}

#[tokio::test(start_paused = true)]
async fn what_was_on_its_way_has_its_time_after_that() {
    let told = Told::new();
    let nginx = ExportTo { file: Some(told.file()), reload: None };
    let settings = ExportSettings { nginx, drain: Duration::from_secs(7), ..ExportSettings::default() };
    let exports = Exports::new(settings);
    exports.publish(EffectId(1), upstream("a", 4000)).await.unwrap();
    exports.publish(EffectId(2), Upstream { servers: Vec::new(), ..upstream("a", 0) }).await.unwrap();
    let read_at = Instant::now();
    assert!(exports.drained(&"a".parse().unwrap(), InstanceId(1), Duration::ZERO).await);
    assert_eq!(read_at.elapsed().as_secs(), 7);
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_reads_nothing_is_not_waited_for_endlessly() {
    let told = Told::new();
    let nginx = ExportTo { file: Some(told.file()), reload: None };
    let exports = Exports::new(ExportSettings { nginx, ..ExportSettings::default() });
    exports.publish(EffectId(1), upstream("a", 4000)).await.unwrap();
    let app = "a".parse().unwrap();
    assert!(!exports.drained(&app, InstanceId(1), Duration::from_secs(30)).await, "it is still offered");
    let off = Exports::new(ExportSettings::default());
    assert!(off.drained(&app, InstanceId(1), Duration::ZERO).await);
}
