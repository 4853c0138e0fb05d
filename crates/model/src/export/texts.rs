//! The texts, each in its own proxy's words. Names of apps are letters, digits, `-` and `_`: plain everywhere.

use std::fmt::Write;

use super::Upstream;

/// Writing to a text cannot fail.
const TEXT: &str = "memory takes it";

/// `max_fails=0`: who is ready is known here; nginx would leave out an instance for 10 s that refused one connection.
/// Without a ready instance there is one server that is down: nginx refuses an `upstream` without any.
pub(super) fn nginx(text: &mut String, Upstream { app, servers }: &Upstream) {
    writeln!(text, "upstream bellrock_{app} {{").expect(TEXT);
    for server in servers {
        let (port, place, instance) = (server.port, server.place, server.instance);
        writeln!(text, "    server 127.0.0.1:{port} max_fails=0; # place {place}, {instance}").expect(TEXT);
    }
    if servers.is_empty() {
        writeln!(text, "    server 127.0.0.1:9 down; # no instance is ready").expect(TEXT);
    }
    text.push_str("}\n");
}

/// A request that finds its server gone goes to another one.
pub(super) fn haproxy(text: &mut String, Upstream { app, servers }: &Upstream) {
    writeln!(text, "backend bellrock_{app}\n    option redispatch 1\n    retries 3").expect(TEXT);
    for server in servers {
        let (port, place, instance) = (server.port, server.place, server.instance);
        writeln!(text, "    server place{place}-{instance} 127.0.0.1:{port}").expect(TEXT);
    }
    if servers.is_empty() {
        text.push_str("    # no instance is ready\n");
    }
}

/// To be imported into a site: `import bellrock_shop`.
pub(super) fn caddy(text: &mut String, Upstream { app, servers }: &Upstream) {
    writeln!(text, "(bellrock_{app}) {{").expect(TEXT);
    if servers.is_empty() {
        text.push_str("\trespond \"no instance is ready\" 503\n");
    } else {
        let ports = servers.iter().map(|server| format!(" 127.0.0.1:{}", server.port));
        writeln!(text, "\treverse_proxy{} {{", ports.collect::<String>()).expect(TEXT);
        text.push_str("\t\tlb_try_duration 5s\n\t}\n");
    }
    text.push_str("}\n");
}
