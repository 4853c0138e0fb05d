//! A line as text.

use std::fmt::Write;
use std::net::IpAddr;

use hyper::Version;
use hyper::header::HeaderValue;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;
use wire::proxy::LogFormat;

use super::record::Line;

/// Appends it, with its end.
pub(super) fn put(line: &Line, out: &mut String) {
    match line.format {
        LogFormat::Json => put_json(line, out),
        LogFormat::Common | LogFormat::Off | LogFormat::AsFront => put_common(line, out),
    }
    out.push('\n');
}

/// The Common Log Format, as Apache's `%h %l %u %t "%r" %>s %b`; we know of no users.
fn put_common(line: &Line, out: &mut String) {
    let at = Timestamp::try_from(line.at).unwrap_or_default().to_zoned(TimeZone::UTC);
    let time = at.strftime("%d/%b/%Y:%H:%M:%S +0000");
    // writing into a String does not fail
    let _ = write!(out, "{} - - [{time}] \"{} ", line.client.to_canonical(), line.method);
    put_escaped(&line.path, out);
    let _ = write!(out, " {}\" {} ", protocol(line.version), line.status);
    let _ = match line.bytes {
        0 => write!(out, "-"),
        bytes => write!(out, "{bytes}"),
    };
}

/// As Apache does since 2.0.46: nothing ends the quotes or the line, and nothing is not ASCII.
fn put_escaped(text: &str, out: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => {
                out.push('\\');
                out.push(char::from(byte));
            }
            b' '..=b'~' => out.push(char::from(byte)),
            _ => {
                let _ = write!(out, "\\x{byte:02x}");
            }
        }
    }
}

fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_2 => "HTTP/2.0",
        Version::HTTP_10 => "HTTP/1.0",
        _ => "HTTP/1.1",
    }
}

#[derive(Serialize)]
struct Json<'a> {
    time: String,
    client: IpAddr,
    method: &'a str,
    scheme: &'static str,
    host: Option<String>,
    path: &'a str,
    protocol: &'static str,
    status: u16,
    bytes: u64,
    ms: f64,
    app: Option<&'a str>,
    version: Option<&'a str>,
    place: Option<u32>,
    instance: Option<u64>,
    request_id: Option<String>,
}

fn put_json(line: &Line, out: &mut String) {
    let entry = line.entry();
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let json = Json {
        time: format!("{:.3}", Timestamp::try_from(line.at).unwrap_or_default()),
        client: line.client.to_canonical(),
        method: line.method.as_str(),
        scheme: if line.tls { "https" } else { "http" },
        host: line.host.as_ref().map(text),
        path: &line.path,
        protocol: protocol(line.version),
        status: line.status,
        bytes: line.bytes,
        ms: (line.took.as_micros() as f64) / 1000.0,
        app: line.route.as_ref().map(|route| route.app.name.as_str()),
        version: entry.map(|entry| entry.version.as_str()),
        place: entry.map(|entry| entry.place),
        instance: entry.map(|entry| entry.backend.instance.number),
        request_id: line.id.as_ref().map(text),
    };
    // numbers and text only: it does not fail
    out.push_str(&serde_json::to_string(&json).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use hyper::Method;

    use super::*;

    fn text(format: LogFormat, path: &str, bytes: u64) -> String {
        let line = Line {
            format,
            at: SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_123),
            took: Duration::from_micros(1_234),
            client: "::ffff:203.0.113.9".parse().unwrap(),
            tls: true,
            method: Method::GET,
            path: path.into(),
            version: Version::HTTP_2,
            host: Some(HeaderValue::from_static("a.test")),
            route: None,
            backend: None,
            id: Some(HeaderValue::from_static("abc")),
            status: 200,
            bytes,
        };
        let mut out = String::new();
        put(&line, &mut out);
        out
    }

    #[test]
    fn both_formats() {
        assert_eq!(
            text(LogFormat::Common, "/a", 12),
            "203.0.113.9 - - [14/Nov/2023:22:13:20 +0000] \"GET /a HTTP/2.0\" 200 12\n"
        );
        assert_eq!(
            text(LogFormat::Json, "/a\"b", 12),
            "{\"time\":\"2023-11-14T22:13:20.123Z\",\"client\":\"203.0.113.9\",\"method\":\"GET\",\"scheme\":\"https\",\
             \"host\":\"a.test\",\"path\":\"/a\\\"b\",\"protocol\":\"HTTP/2.0\",\"status\":200,\"bytes\":12,\"ms\":1.234,\
             \"app\":null,\"version\":null,\"place\":null,\"instance\":null,\"request_id\":\"abc\"}\n"
        );
    }

    #[test]
    fn nothing_in_a_path_ends_its_line() {
        let line = text(LogFormat::Common, "/\"\\\u{7f}é\n", 0);
        assert!(line.contains(r#""GET /\"\\\x7f\xc3\xa9\x0a HTTP/2.0" 200 -"#), "{line}");
        assert_eq!(line.matches('\n').count(), 1);
    }
}
