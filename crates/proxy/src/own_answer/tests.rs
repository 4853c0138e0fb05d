use hyper::header::ACCEPT;

use super::*;

const ALL: [Problem; 14] = [
    Problem::BadRequest,
    Problem::SlowHeader,
    Problem::SlowBody,
    Problem::TooLarge,
    Problem::HeaderTooLarge,
    Problem::NotImplemented,
    Problem::NoRoute,
    Problem::NoInstance,
    Problem::HoldTimeout,
    Problem::HeldTooMany,
    Problem::ConnectFailed,
    Problem::UpstreamReset,
    Problem::UpstreamInvalid,
    Problem::UpstreamTimeout,
];

#[test]
fn each_problem() {
    let table: Vec<String> = ALL
        .iter()
        .map(|problem| {
            let retry = problem.retry_after().map_or(String::new(), |s| format!(", retry after {s} s"));
            let closes = if problem.closes() { ", closes" } else { "" };
            format!("{} {}{closes}{retry}: {}", problem.status().as_u16(), problem.word(), problem.sentence())
        })
        .collect();
    insta::assert_snapshot!(table.join("\n"));
}

#[test]
fn the_page_and_the_document() {
    let html = answer(Problem::HoldTimeout, &HeaderMap::new(), Some("4f-1"));
    let wants_json = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("application/json"))]);
    let json = answer(Problem::TooLarge, &wants_json, None);
    let show = |response: &Response<Bytes>| {
        format!(
            "{}\n{:#?}\n{}",
            response.status(),
            response.headers(),
            String::from_utf8_lossy(response.body())
        )
    };
    insta::assert_snapshot!(format!("{}\n{}", show(&html), show(&json)));
}

#[test]
fn an_id_cannot_bring_markup() {
    for wanted in ["text/html", "application/json"] {
        let headers = HeaderMap::from_iter([(ACCEPT, wanted.parse().unwrap())]);
        let response = answer(Problem::NoRoute, &headers, Some("a<script>\"\\\n&b"));
        let body = String::from_utf8_lossy(response.body()).into_owned();
        assert!(body.contains("ascriptb"), "{body}");
    }
}

#[test]
fn without_a_request_the_bytes_are_a_whole_closing_response() {
    let text = String::from_utf8(raw_answer(Problem::SlowHeader)).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{head}");
    assert!(head.contains("\r\nconnection: close") && head.matches("connection").count() == 1, "{head}");
    assert!(head.contains(&format!("\r\ncontent-length: {}\r\n", body.len())), "{head}");
    assert!(head.contains("\r\nx-bellrock-error: slow-header"), "{head}");
}
