//! Settings for tests: defaults that are quick, and what a test says laid over them.

use std::net::SocketAddr;

use toml::Table;

/// Host settings unless a test says otherwise: the proxy listens at an address that is the host's own.
pub(crate) fn host(http: SocketAddr, extra: &str) -> String {
    let mut table = parse(&format!(
        "poll_interval = \"200 ms\"\nmin_free_disk = \"10 MB\"\n[proxy]\nhttp = [\"{http}\"]\n"
    ));
    if rustix::process::geteuid().is_root() {
        table.insert("app_user".into(), "nobody".into());
    }
    lay_over(&mut table, parse(extra));
    table.to_string()
}

/// An app's settings unless a test says otherwise: two places, http readiness, short times, one place after another:
/// tests that look at places' ports know which of them serve.
pub(crate) fn app(port: u16, extra: &str) -> String {
    let mut table = parse(
        r#"
        replicas = 2
        max = 3
        strategy = "rolling"
        drain_timeout = "10 s"
        watch_window = "1 s"
        stop_timeout = "20 s"
        [readiness]
        kind = "http_get"
        path = "/health"
        retry_period = "200 ms"
        [health]
        interval = "500 ms"
        "#,
    );
    table.insert("port".into(), i64::from(port).into());
    lay_over(&mut table, parse(extra));
    if table.get("proxy").and_then(toml::Value::as_bool) == Some(false) {
        // It would be idle, and is refused.
        table.remove("drain_timeout");
    }
    table.to_string()
}

fn parse(text: &str) -> Table {
    text.parse().unwrap_or_else(|error| panic!("a test's settings: {error}\n{text}"))
}

fn lay_over(table: &mut Table, upper: Table) {
    for (key, value) in upper {
        match (table.get_mut(&key), value) {
            // A whole check is said anew: keys of another kind would be idle.
            (Some(toml::Value::Table(lower)), toml::Value::Table(upper)) if !upper.contains_key("kind") => {
                lay_over(lower, upper);
            }
            (_, value) => {
                table.insert(key, value);
            }
        }
    }
}
