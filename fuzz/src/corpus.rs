//! What random changes begin with: recordings and examples of this repository, and small things that look real.

use std::path::Path;

/// The repository.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("/"))
}

/// Files of a folder of the repository with this ending.
fn files(folder: &str, ending: &str) -> Vec<Vec<u8>> {
    let entries = fs_err::read_dir(root().join(folder)).into_iter().flatten().flatten();
    let mut paths: Vec<_> = entries.map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|it| it == ending));
    paths.sort();
    paths.iter().filter_map(|path| fs_err::read(path).ok()).collect()
}

/// Every recorded message.
pub(crate) fn messages() -> Vec<Vec<u8>> {
    files("crates/wire/golden", "bin")
}

/// The example of the reference, and what is easily said wrong.
pub(crate) fn settings() -> Vec<Vec<u8>> {
    let mut texts = files("docs/reference", "toml");
    texts.extend(
        [
            "replicas = 2\nport = 4000\n[readiness]\nkind = \"http_get\"\npath = \"/health\"\n",
            "[proxy]\nhttp = [\"0.0.0.0:80\"]\ntrusted = [\"10.0.0.0/8\", \"::1/128\"]\n[apps.a]\nhosts = [\"a.test\"]\n",
            "[apps.a]\nport = 65535\nmax = 65535\n[apps.b.variables]\nX = { secret = \"a#b\" }\n",
            "pre_commands = [\"eval A.b('\\u0000')\"]\nlog.max_size = \"1e300 GB\"\nwatch_window = \"99999999999 d\"\n",
        ]
        .map(|text| text.as_bytes().to_vec()),
    );
    texts
}

/// Requests as they are sent by clients good and bad.
pub(crate) fn requests() -> Vec<Vec<u8>> {
    [
        "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n",
        "POST /meant HTTP/1.1\r\nHost: a.test:80\r\nTransfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\n",
        "GET http://b.test/x?y HTTP/1.1\r\nHost: B.TEST\r\nConnection: close, host, x-a\r\nX-A: 1\r\nTE: trailers\r\n\r\n",
        "GET /ws HTTP/1.1\r\nHost: [::1]:8080\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n",
        "OPTIONS * HTTP/1.0\r\nKeep-Alive: 5\r\nProxy-Connection: x\r\n\r\n",
        "CONNECT a.test:443 HTTP/1.1\r\nHost: a.test\r\nHost: b.test\r\n\r\n",
        "\u{81}\u{5}Hello\u{88}\u{2}\u{3}\u{e8}",
    ]
    .map(|text| text.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect())
    .to_vec()
}

/// Archives (not compressed: the target does that), and files that packages hold.
pub(crate) fn packages() -> Vec<Vec<u8>> {
    let release: [(&str, &[u8]); 6] = [
        ("bin/shop", b"#!/bin/sh\n"),
        ("releases/start_erl.data", b"13.1.5 1.0.0"),
        (
            "releases/1.0.0/shop.rel",
            br#"{release,{"shop","1.0.0"},{erts,"13.1.5"},[{kernel,"8.5"},{shop,"1.0.0"}]}."#,
        ),
        (
            "lib/shop-1.0.0/ebin/shop.app",
            br#"{application,shop,[{vsn,"1.0.0"},{modules,[shop]},{applications,[kernel]}]}."#,
        ),
        ("lib/shop-1.0.0/ebin/shop.beam", b"FOR1\0\0\0\x14BEAMAtU8\0\0\0\x08\0\0\0\x01\x04shop"),
        ("bellrock.toml", b"replicas = 3\n"),
    ];
    let mut archive = tar::Builder::new(Vec::new());
    for (path, content) in release {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o755);
        // It goes to memory.
        let _ = archive.append_data(&mut header, path, content);
    }
    let mut link = tar::Header::new_gnu();
    link.set_entry_type(tar::EntryType::Symlink);
    link.set_size(0);
    let _ = archive.append_link(&mut link, "lib/link", "../bin/shop");
    let archive = archive.into_inner().unwrap_or_default();
    std::iter::once(archive).chain(release.iter().map(|(_, content)| content.to_vec())).collect()
}

/// Terms with every tag that nodes send, and texts of terms.
pub(crate) fn terms() -> Vec<Vec<u8>> {
    let encoded: [&[u8]; 16] = [
        b"h\x04a\x07b\xff\xff\xff\0F\x3f\xf8\0\0\0\0\0\0n\x09\x01\0\0\0\0\0\0\0\0\x01",
        b"l\0\0\0\x03w\x02okw\x02\xc3\xa9d\0\x01\xe9j",
        b"l\0\0\0\x02R\0R\x01R\x02",
        b"l\0\0\0\x01k\0\x03abcl\0\0\0\x01a\x01k\0\x02\0\xff",
        b"t\0\0\0\x03a\x01aF\x3f\xf0\0\0\0\0\0\0abm\0\0\0\x03keyM\0\0\0\x02\x03a\xe0",
        b"i\0\0\0\x02m\0\0\0\x08\xe6\x97\xa5 text\"m\0\0\0\x03\x01\x02\xff",
        b"Xw\x03a@b\0\0\0\x01\0\0\0\x02\0\0\0\x03",
        b"gR\x01\0\0\0\x01\0\0\0\x02\x03",
        b"xw\x03a@b\0\0\0\x01\0\0\0\0\0\0\0\x03",
        b"Z\0\x05R\x01\0\0\0\x03\0\0\0\x01\0\0\0\x02\0\0\0\x03\0\0\0\x04\0\0\0\x05",
        b"p\0\0\0\x36\x01\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\0\0\0\0\0\0\0\x01R\0a\x01a\x02XR\x01\0\0\0\x01\0\0\0\x02\0\0\0\x03k\0\x01a",
        b"qw\x0dElixir.Stringw\x06lengtha\x01",
        b"C\0\0\0\x02\x01w\x01mw\x01rw\x01aw\x01ba\x01k\0\x01x",
        b"c1.50000000000000000000e+00\0\0\0\0\0",
        b"o\0\0\0\x05\x01\x01\x02\x03\x04\x05",
        b"h\x02w\x05shop_l\0\0\0\x02h\x02w\x01ajh\x02w\x01bt\0\0\0\0j",
    ];
    let texts: [&[u8]; 3] = [
        b"{application, shop, [{vsn, \"1.0.0\"}, {modules, ['Elixir.Shop']}, {env, [{port, 4000}]}]}.",
        b"[<<\"\xc3\xa9\"/utf8, 1, 5:3>>, #{a => -1.5e-3}, [x|y], fun a:'b c'/2, 16#ff, $\\n, 'q\\x{e9}'].",
        b"%% two\n{a, \"b\" \"c\"}. \"\\101\\^A\".",
    ];
    let versioned = encoded.iter().map(|term| [b"\x83", *term].concat());
    versioned.chain(encoded.map(<[u8]>::to_vec)).chain(texts.map(<[u8]>::to_vec)).collect()
}

/// One module, as several releases of OTP compile it.
pub(crate) fn modules() -> Vec<Vec<u8>> {
    files("crates/beam/tests/golden/modules", "beam")
}

/// Appups with every instruction, a relup and a configuration.
pub(crate) fn upgrade_files() -> Vec<Vec<u8>> {
    [
        "{\"2.0\", [{\"1.0\", [{update, a, {advanced, x}}, {update, b, supervisor}, {update, c, static, 500, soft, \
         soft_purge, brutal_purge, [d]}, {load_module, d, [a]}, {add_module, e}, {delete_module, f}, {add_application, g, \
         load}, {remove_application, h}, {restart_application, i}]}], [{<<\"1\\\\.[0-9]+\">>, []}]}.",
        "{\"2\", [{\"1\", [], [{load_object_code, {a, \"2\", [m]}}, point_of_no_return, {suspend, [m, {n, 10}]}, \
         {load, {m, soft_purge, soft_purge}}, {remove, {n, brutal_purge, soft_purge}}, {purge, [n]}, {code_change, down, \
         [{m, []}]}, {resume, [m]}, {stop, [o]}, {start, [o]}, {sync_nodes, a, [b@c]}, {apply, {m, f, []}}, \
         restart_new_emulator, restart_emulator]}], []}.",
        "[{kernel, [{logger_level, info}]}, \"more.config\", {elixir, [{config_provider_init, #{a => \"/1.0.0/x\"}}]}].",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}
