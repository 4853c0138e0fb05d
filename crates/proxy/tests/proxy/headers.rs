//! What is taken out of heads, what is put in, and which route they lead to.

use crate::instance::{Instance, Request, Then};
use crate::rig::{Rig, front, route};

fn one_request(rig: &Rig, instance: &Instance, lines: &str) -> Request {
    assert_eq!(rig.client().ask("GET", "/", lines).status, 200);
    instance.requests().pop().unwrap()
}

#[test]
fn the_instance_is_told_who_asked() {
    let instance = Instance::named("x");
    let rig = Rig::serving(&[instance.address]);
    let request = one_request(&rig, &instance, "");
    assert_eq!(request.header("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(request.header("x-forwarded-proto"), Some("http"));
    assert_eq!(request.header("x-forwarded-host"), Some("a.test"));
    assert_eq!(request.header("x-request-id").unwrap().len(), 32);
}

#[test]
fn strangers_cannot_say_who_they_are() {
    let instance = Instance::named("x");
    let rig = Rig::serving(&[instance.address]);
    let lines = "x-forwarded-for: 1.2.3.4\r\nx-forwarded-proto: https\r\nx-forwarded-host: evil\r\nx-request-id: mine\r\n";
    let request = one_request(&rig, &instance, lines);
    assert_eq!(request.header("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(request.header("x-forwarded-proto"), Some("http"));
    assert_eq!(request.header("x-forwarded-host"), Some("a.test"));
    assert_ne!(request.header("x-request-id"), Some("mine"));
}

#[test]
fn trusted_proxies_can() {
    let instance = Instance::named("x");
    let mut rig = Rig::serving(&[instance.address]);
    rig.table.front = front(|front| front.trusted_proxies = vec!["10.0.0.0/8".into(), "127.0.0.0/8".into()]);
    rig.apply();
    let lines = "x-forwarded-for: 1.2.3.4\r\nx-forwarded-for: 10.0.0.1\r\nx-forwarded-proto: https\r\n\
                 x-forwarded-host: shop.test\r\nx-request-id: mine\r\n";
    let reply = rig.client().ask("GET", "/", lines);
    assert_eq!(reply.header("x-request-id"), Some("mine"));
    let request = instance.requests().pop().unwrap();
    assert_eq!(request.header("x-forwarded-for"), Some("1.2.3.4, 10.0.0.1, 127.0.0.1"));
    assert_eq!(request.header("x-forwarded-proto"), Some("https"));
    assert_eq!(request.header("x-forwarded-host"), Some("shop.test"));
    assert_eq!(request.header("x-request-id"), Some("mine"));
}

#[test]
fn the_client_is_told_the_id_that_the_instance_got() {
    let instance = Instance::named("x");
    let rig = Rig::serving(&[instance.address]);
    let mut client = rig.client();
    let ids: Vec<String> =
        (0..3).map(|_| client.get("/").header("x-request-id").unwrap().to_owned()).collect();
    let seen = instance.requests();
    let seen: Vec<&str> = seen.iter().map(|request| request.header("x-request-id").unwrap()).collect();
    assert_eq!(ids, seen);
    assert!(ids[0] != ids[1] && ids[1] != ids[2]);
    let reply = Rig::new().client().get("/");
    assert!(reply.header("x-request-id").is_some(), "our own answers have one too");
}

#[test]
fn only_what_is_meant_for_one_connection_is_taken_out() {
    let instance = Instance::raw(|served, _| {
        served.send(
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: x-mine, keep-alive\r\nkeep-alive: timeout=5\r\n\
             x-mine: 1\r\nx-yours: 2\r\nset-cookie: a=1\r\nset-cookie: b=2\r\nvia: 1.1 else\r\nserver: s\r\n\r\n",
        );
        Then::Next
    });
    let rig = Rig::serving(&[instance.address]);
    let reply = rig.client().ask(
        "GET",
        "/",
        "connection: keep-alive, X-Private, host, content-length\r\nx-private: 1\r\nx-public: 2\r\n\
         keep-alive: timeout=5\r\nproxy-connection: x\r\nte: trailers, deflate\r\nvia: 1.0 a\r\ncookie: a\r\ncookie: b\r\n",
    );
    let request = instance.requests().pop().unwrap();
    let names =
        |headers: &[(String, String)]| headers.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    let mut to_instance = names(&request.headers);
    to_instance.sort();
    assert_eq!(
        to_instance,
        [
            "cookie",
            "cookie",
            "host",
            "te",
            "via",
            "x-forwarded-for",
            "x-forwarded-host",
            "x-forwarded-proto",
            "x-public",
            "x-request-id"
        ]
    );
    assert_eq!(request.header("te"), Some("trailers"));
    let mut to_client = names(&reply.headers);
    to_client.sort();
    assert_eq!(
        to_client,
        ["content-length", "date", "server", "set-cookie", "set-cookie", "via", "x-request-id", "x-yours"]
    );
}

#[test]
fn the_path_arrives_as_it_was_sent() {
    let instance = Instance::named("x");
    let rig = Rig::serving(&[instance.address]);
    for path in ["/a%2Fb/../c//d?x=%20&y", "/?", "/~%7E", "//double"] {
        assert_eq!(rig.client().get(path).status, 200);
        assert_eq!(instance.requests().pop().unwrap().path(), path);
    }
}

#[test]
fn targets_of_every_form() {
    let instance = Instance::named("x");
    let rig = Rig::serving(&[instance.address]);
    let ask = |text: &str| {
        let mut client = rig.client();
        client.send(text);
        client.reply()
    };
    assert_eq!(ask("GET http://a.test/x HTTP/1.1\r\nhost: a.test\r\n\r\n").status, 200);
    assert_eq!(instance.requests().pop().unwrap().line, "GET /x HTTP/1.1");
    assert_eq!(ask("GET http://a.test HTTP/1.1\r\nhost: A.test\r\n\r\n").status, 200);
    assert_eq!(instance.requests().pop().unwrap().line, "GET / HTTP/1.1");
    assert_eq!(ask("OPTIONS * HTTP/1.1\r\nhost: a.test\r\n\r\n").status, 200);
    assert_eq!(instance.requests().pop().unwrap().line, "OPTIONS * HTTP/1.1");
    assert_eq!(ask("TRACE / HTTP/1.1\r\nhost: a.test\r\n\r\n").status, 200);
    let before = instance.requests().len();
    let refused = [
        ("GET http://b.test/x HTTP/1.1\r\nhost: a.test\r\n\r\n", 400),
        ("GET /x HTTP/1.1\r\n\r\n", 400),
        ("GET /x HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", 400),
        ("GET /x HTTP/1.1\r\nhost: a/b\r\n\r\n", 400),
        ("GET /x HTTP/1.1\r\nhost: a, b\r\n\r\n", 400),
        ("CONNECT a.test:443 HTTP/1.1\r\nhost: a.test:443\r\n\r\n", 501),
    ];
    for (text, status) in refused {
        assert_eq!(ask(text).status, status, "{text}");
    }
    assert_eq!(instance.requests().len(), before, "none of them reached the instance");
}

#[test]
fn hosts_and_paths_lead_to_their_apps() {
    let apps = ["any", "shop", "shop-api", "wild"];
    let instances = apps.map(Instance::named);
    let mut rig = Rig::new();
    let mut routes = instances.each_ref().map(|instance| route(&[instance.address]));
    for (route, app) in routes.iter_mut().zip(apps) {
        route.app = app.into();
    }
    routes[1].hosts = vec!["shop.test".into()];
    routes[2].hosts = vec!["shop.test".into()];
    routes[2].paths = vec!["/api".into()];
    routes[3].hosts = vec!["*.shop.test".into()];
    rig.table.routes = routes.to_vec();
    rig.apply();
    let mut client = rig.client();
    let table = [
        ("shop.test", "/", "shop"),
        ("SHOP.test:8080", "/x", "shop"),
        ("shop.test", "/api", "shop-api"),
        ("shop.test", "/api/x?y", "shop-api"),
        ("shop.test", "/apiary", "shop"),
        ("a.shop.test", "/api", "wild"),
        ("a.b.shop.test", "/", "any"),
        ("127.0.0.1", "/", "any"),
    ];
    for (host, path, app) in table {
        client.send(&format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n"));
        assert_eq!(client.reply().text(), app, "{host} {path}");
    }
    rig.table.routes.remove(0);
    rig.apply();
    client.send("GET / HTTP/1.1\r\nhost: other.test\r\n\r\n");
    assert_eq!(client.reply().error(), "no-route");
    assert_eq!(rig.daemon.report().connections.unrouted, 1);
}

#[test]
fn our_own_answers_are_what_the_client_can_read() {
    let rig = Rig::new();
    let json = rig.client().ask("GET", "/", "accept: application/json\r\n");
    assert_eq!(json.header("content-type"), Some("application/problem+json"));
    let page = rig.client().ask("GET", "/", "accept: text/html\r\n");
    assert!(page.header("content-type").unwrap().starts_with("text/html"));
    let mut client = rig.client();
    assert_eq!(client.ask("HEAD", "/", "").status, 503);
    assert_eq!(client.get("/").status, 503, "the connection goes on");
}
