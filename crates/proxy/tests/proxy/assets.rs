//! A file of another version in the place of an instance's 404.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use tempfile::TempDir;
use wire::proxy::{AssetFolder, Assets};

use crate::client::Reply;
use crate::h2_peer::{H2Client, request, run, whole};
use crate::instance::{Instance, Then};
use crate::rig::{Rig, eventually};

/// What the instance says of everything but `/`.
const NOT_FOUND: &str = "HTTP/1.1 404 Not Found\r\ncontent-length: 7\r\nvary: origin\r\nset-cookie: a=b\r\n\
    access-control-allow-origin: *\r\n\r\nno such";

/// An app whose `/` is there, with the files of two versions.
struct Shop {
    rig: Rig,
    instance: Instance,
    folder: TempDir,
}

impl Shop {
    fn open() -> Self {
        let instance = Instance::raw(|served, request| {
            let _ = served.read_body(&request);
            match (request.path(), request.line.starts_with("HEAD")) {
                ("/" | "/assets/here.js", _) => return served.answer("of the app"),
                (_, true) => served.send(NOT_FOUND.strip_suffix("no such").unwrap()),
                (_, false) => served.send(NOT_FOUND),
            }
            Then::Next
        });
        let mut shop =
            Shop { rig: Rig::serving(&[instance.address]), instance, folder: tempfile::tempdir().unwrap() };
        shop.put("1/assets/app-1.js", b"one");
        shop.put("1/assets/both.js", b"both: one");
        shop.put("1/private/key.pem", b"secret");
        shop.put("1/assets/here.js", b"older");
        shop.put("2/assets/both.js", b"both: two");
        shop.serve(&[("2", 0), ("1", 0)]);
        shop
    }

    fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    fn put(&self, below: &str, content: &[u8]) {
        let path = self.path(below);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn serve(&mut self, folders: &[(&str, u64)]) {
        let folders = folders.iter().map(|(name, until_ms)| AssetFolder {
            path: self.path(name).to_str().unwrap().to_owned(),
            until_ms: *until_ms,
        });
        let assets = Assets { prefixes: vec!["/assets".into()], folders: folders.collect() };
        self.rig.change(|route| route.assets = Some(assets));
    }

    fn get(&self, path: &str) -> Reply {
        self.ask("GET", path, "")
    }

    fn ask(&self, method: &str, path: &str, lines: &str) -> Reply {
        self.rig.client().ask(method, path, lines)
    }

    #[track_caller]
    fn is_not_found(&self, path: &str) {
        let reply = self.get(path);
        assert_eq!((reply.status, reply.text()), (404, "no such"), "{path}");
    }
}

fn ms_since_1970() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis() as u64
}

#[test]
fn a_file_of_another_version_stands_in_for_404() {
    let shop = Shop::open();
    let mut client = shop.rig.client();
    let reply = client.get("/assets/app-1.js?vsn=d");
    assert_eq!((reply.status, reply.text()), (200, "one"));
    for (name, expected) in [
        ("content-type", Some("text/javascript; charset=utf-8")),
        ("content-length", Some("3")),
        ("cache-control", Some("no-cache")),
        ("access-control-allow-origin", Some("*")),
        ("set-cookie", None),
    ] {
        assert_eq!(reply.header(name), expected, "{name}");
    }
    let varies: Vec<&str> =
        reply.headers.iter().filter(|(name, _)| name == "vary").map(|(_, value)| value.as_str()).collect();
    assert_eq!(varies, ["accept-encoding", "origin"]);
    assert!(reply.header("x-request-id").is_some());
    assert_eq!(client.get("/assets/both.js").text(), "both: two", "the first folder that has it");
    assert_eq!(client.get("/assets/here.js").text(), "of the app", "what the app has is the app's");
    assert_eq!(client.get("/").text(), "of the app");
}

#[test]
fn the_instance_was_asked_and_its_answer_is_counted_and_its_connection_kept() {
    let mut shop = Shop::open();
    let mut client = shop.rig.client();
    for _ in 0..20 {
        assert_eq!(client.get("/assets/app-1.js").text(), "one");
    }
    assert_eq!(shop.instance.requests().len(), 20);
    assert_eq!(shop.instance.connections(), 1, "what was not passed on was read all the same");
    let report = shop.rig.backend(1);
    assert_eq!((report.counts.statuses[3], report.in_flight), (20, 0), "{report:?}");
}

#[test]
fn an_endless_404_does_not_hold_the_file_up() {
    let instance = Instance::raw(|served, _| {
        served.send("HTTP/1.1 404 Not Found\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n");
        let _ = served.client.line(); // until the proxy has closed
        Then::Close
    });
    let mut shop = Shop::open();
    let address = instance.address.to_string();
    shop.rig.change(|route| (route.backends[0].address, route.backends[0].run) = (address, 2));
    let mut client = shop.rig.client();
    for _ in 0..2 {
        assert_eq!(client.get("/assets/app-1.js").text(), "one");
    }
    eventually("nothing is in flight", || shop.rig.backend(1).in_flight == 0);
}

#[test]
fn only_get_and_head_below_a_prefix() {
    let shop = Shop::open();
    let reply = shop.ask("HEAD", "/assets/app-1.js", "");
    assert_eq!((reply.status, reply.header("content-length"), reply.text()), (200, Some("3"), ""));
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"] {
        let reply = shop.ask(method, "/assets/app-1.js", "content-length: 0\r\n");
        assert_eq!(reply.status, 404, "{method}");
    }
    let with_body = shop.ask("GET", "/assets/app-1.js", "content-length: 0\r\nif-match: \"x\"\r\n");
    assert_eq!(with_body.status, 404, "whether that holds is the app's to say");
    for path in ["/private/key.pem", "/assetsapp-1.js", "/app-1.js", "/assets/none.js", "/assets"] {
        shop.is_not_found(path);
    }
}

#[test]
fn head_over_http_2_gets_no_content() {
    let shop = Shop::open();
    shop.put("1/assets/large.bin", &[7; 300_000]);
    run(async {
        let mut client = H2Client::connect(shop.rig.address).await;
        let (answer, _) = client.send(request("HEAD", "/assets/large.bin"), true).await;
        let reply = whole(answer.await.unwrap()).await.unwrap();
        assert_eq!((reply.status, reply.body.as_str()), (200, ""));
        assert_eq!(reply.headers["content-length"], "300000");
        assert_eq!(client.get("/assets/app-1.js").await.unwrap().body, "one", "the connection goes on");
    });
}

#[test]
fn what_the_client_has_is_not_sent_again() {
    let shop = Shop::open();
    let first = shop.get("/assets/app-1.js");
    let etag = first.header("etag").unwrap();
    // A link made or removed, as with a version, changes the inode and nothing of the file.
    fs::hard_link(shop.path("1/assets/app-1.js"), shop.path("link")).unwrap();
    let reply = shop.ask("GET", "/assets/app-1.js", &format!("if-none-match: \"x\", {etag}\r\n"));
    assert_eq!((reply.status, reply.header("etag"), reply.text()), (304, Some(etag), ""));
    let other = shop.get("/assets/both.js");
    assert_ne!(other.header("etag"), Some(etag));
    let changed = shop.ask("GET", "/assets/app-1.js", "if-none-match: \"x\"\r\n");
    assert_eq!((changed.status, changed.text()), (200, "one"));
    // Packages give all files one time, that of the other version too.
    let later = "if-modified-since: Fri, 31 Dec 9999 23:59:59 GMT\r\n";
    let dated = shop.ask("GET", "/assets/app-1.js", later);
    assert_eq!((dated.status, dated.header("last-modified"), dated.text()), (200, None, "one"));
}

#[test]
fn a_compressed_one_for_who_takes_it() {
    let shop = Shop::open();
    shop.put("1/assets/app-1.js.gz", b"zipped");
    let reply = shop.ask("GET", "/assets/app-1.js", "accept-encoding: gzip, br\r\n");
    assert_eq!((reply.header("content-encoding"), reply.text()), (Some("gzip"), "zipped"));
    assert_eq!(reply.header("content-type"), Some("text/javascript; charset=utf-8"));
    let plain = shop.ask("GET", "/assets/app-1.js", "accept-encoding: br\r\n");
    assert_eq!((plain.header("content-encoding"), plain.text()), (None, "one"));
    assert_ne!(plain.header("etag"), reply.header("etag"));
}

#[test]
fn a_large_one_is_streamed_and_the_connection_goes_on() {
    let shop = Shop::open();
    let large: Vec<u8> = (0..3_000_017u32).map(|it| (it % 251) as u8).collect();
    shop.put("1/assets/large.bin", &large);
    shop.put("1/assets/empty.css", b"");
    let mut client = shop.rig.client();
    for _ in 0..2 {
        let reply = client.get("/assets/large.bin");
        assert_eq!(reply.header("content-type"), Some("application/octet-stream"));
        assert!(reply.body == large, "{} bytes", reply.body.len());
    }
    let empty = client.get("/assets/empty.css");
    assert_eq!((empty.status, empty.header("content-length"), empty.text()), (200, Some("0"), ""));
    assert_eq!(client.get("/").text(), "of the app");
}

#[test]
fn nothing_leads_out_of_the_folder() {
    let shop = Shop::open();
    shop.put("1/assets/.git/config", b"hidden");
    symlink(shop.path("1/private/key.pem"), shop.path("1/assets/link.js")).unwrap();
    symlink("../private/key.pem", shop.path("1/assets/relative.js")).unwrap();
    symlink("app-1.js", shop.path("1/assets/inside.js")).unwrap();
    symlink(shop.path("1/private"), shop.path("1/assets/folder")).unwrap();
    for path in [
        "/assets/../private/key.pem",
        "/assets/%2e%2e/private/key.pem",
        "/assets/..%2fprivate%2fkey.pem",
        "/assets%2fapp-1.js",
        "/assets/%2fetc/passwd",
        "/assets//etc/passwd",
        "/assets/./app-1.js",
        "/assets/app-1.js/",
        "/assets/app-1.js/x",
        "/assets/app-1.js%00",
        "/assets/app-1.js%00.css",
        "/assets/.git/config",
        "/assets/link.js",
        "/assets/relative.js",
        "/assets/inside.js",
        "/assets/folder/key.pem",
        "/assets/",
        "/assets",
    ] {
        shop.is_not_found(path);
    }
    shop.is_not_found(&format!("/assets/{}", "a".repeat(256)));
    shop.is_not_found(&format!("/assets/{}", "a/".repeat(4_000)));
    assert_eq!(shop.get("/assets/app%2d1.js").text(), "one", "another way to write the same name");
}

#[test]
fn what_is_no_file_is_not_there_and_nothing_waits_for_it() {
    let shop = Shop::open();
    let fifo = shop.path("1/assets/fifo.js");
    mknodat(CWD, &fifo, FileType::Fifo, Mode::RWXU, 0).unwrap();
    let _socket = UnixListener::bind(shop.path("1/assets/socket.js")).unwrap();
    fs::create_dir(shop.path("1/assets/folder.js")).unwrap();
    for path in ["/assets/socket.js", "/assets/folder.js"] {
        shop.is_not_found(path);
    }
    // More often than there are threads that could wait for its writer.
    for _ in 0..16 {
        shop.is_not_found("/assets/fifo.js");
    }
    assert_eq!(shop.get("/assets/app-1.js").text(), "one");
}

#[test]
fn names_that_are_no_text() {
    let shop = Shop::open();
    let name = std::ffi::OsStr::from_bytes(b"1/assets/\xff\xfe.js");
    fs::write(shop.folder.path().join(Path::new(name)), "bytes").unwrap();
    assert_eq!(shop.get("/assets/%ff%fe.js").text(), "bytes");
}

#[test]
fn a_folder_is_asked_until_its_time_without_the_daemon() {
    let mut shop = Shop::open();
    shop.serve(&[("1", ms_since_1970() - 1)]);
    shop.is_not_found("/assets/app-1.js");
    shop.serve(&[("1", ms_since_1970() + 3_600_000)]);
    assert_eq!(shop.get("/assets/app-1.js").text(), "one");
    shop.serve(&[("1", ms_since_1970() + 300)]);
    eventually("its time is over", || shop.get("/assets/app-1.js").status == 404);
}

#[test]
fn a_folder_that_is_gone_or_no_folder_is_passed_over() {
    let mut shop = Shop::open();
    shop.put("3", b"a file");
    shop.serve(&[("4", 0), ("3", 0), ("1", 0)]);
    assert_eq!(shop.get("/assets/app-1.js").text(), "one");
    shop.is_not_found("/assets/none.js");
}

#[test]
fn a_client_that_goes_in_the_middle_leaves_nothing() {
    let mut shop = Shop::open();
    shop.put("1/assets/large.bin", &vec![7; 20_000_000]);
    for _ in 0..10 {
        let mut client = shop.rig.client();
        client.send("GET /assets/large.bin HTTP/1.1\r\nhost: a\r\n\r\n");
        assert_eq!(client.head().status, 200);
    }
    eventually("all connections are closed", || shop.rig.daemon.report().connections.open == 0);
}

#[test]
fn a_file_cut_while_it_is_sent_is_cut_for_the_client_too() {
    let shop = Shop::open();
    shop.put("1/assets/large.bin", &vec![7; 50_000_000]);
    let mut client = shop.rig.client();
    client.send("GET /assets/large.bin HTTP/1.1\r\nhost: a\r\n\r\n");
    let head = client.head();
    assert_eq!((head.status, head.header("content-length")), (200, Some("50000000")));
    let file = fs::OpenOptions::new().write(true).open(shop.path("1/assets/large.bin")).unwrap();
    file.set_len(1_000).unwrap();
    client.stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    assert!(client.rest().len() < 50_000_000, "it ends before it should");
}
