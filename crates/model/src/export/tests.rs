use super::*;

fn upstream(app: &str, ports: &[u16]) -> Upstream {
    let server = |(nth, port): (usize, &u16)| Server {
        place: Place(u16::try_from(nth).unwrap() + 1),
        instance: InstanceId(nth as u64 + 7),
        port: *port,
    };
    Upstream { app: app.parse().unwrap(), servers: ports.iter().enumerate().map(server).collect() }
}

fn check(rival: Rival, expected: &str) {
    let text = rival.text(&[upstream("shop", &[4000, 4001]), upstream("empty", &[])]);
    let (heading, rest) = text.split_once("\n\n").unwrap();
    assert!(heading.starts_with("# Made by Bellrock"), "{heading}");
    assert_eq!(rest, expected);
}

#[test]
fn nginx_gets_an_upstream_for_each_app() {
    check(
        Rival::Nginx,
        "upstream bellrock_shop {
    server 127.0.0.1:4000 max_fails=0; # place 1, i7
    server 127.0.0.1:4001 max_fails=0; # place 2, i8
}

upstream bellrock_empty {
    server 127.0.0.1:9 down; # no instance is ready
}
",
    );
}

#[test]
fn haproxy_gets_a_backend_for_each_app() {
    check(
        Rival::Haproxy,
        "backend bellrock_shop
    option redispatch 1
    retries 3
    server place1-i7 127.0.0.1:4000
    server place2-i8 127.0.0.1:4001

backend bellrock_empty
    option redispatch 1
    retries 3
    # no instance is ready
",
    );
}

#[test]
fn caddy_gets_a_snippet_for_each_app() {
    check(
        Rival::Caddy,
        "(bellrock_shop) {
\treverse_proxy 127.0.0.1:4000 127.0.0.1:4001 {
\t\tlb_try_duration 5s
\t}
}

(bellrock_empty) {
\trespond \"no instance is ready\" 503
}
",
    );
}
