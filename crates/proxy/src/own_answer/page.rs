//! The two forms of an answer's body.

use super::problem::Problem;

/// A problem document (RFC 9457). Everything in it but the id is our own text.
pub(super) fn json(problem: Problem, request_id: Option<&str>) -> String {
    let status = problem.status();
    let title = status.canonical_reason().unwrap_or("Error");
    let id = match request_id {
        Some(id) => format!(r#","request_id":"{}""#, plain(id)),
        None => String::new(),
    };
    format!(
        r#"{{"type":"about:blank","title":"{title}","status":{},"detail":"{}","code":"{}"{id}}}"#,
        status.as_u16(),
        problem.sentence(),
        problem.word(),
    )
}

/// A page that needs nothing from elsewhere.
pub(super) fn html(problem: Problem, request_id: Option<&str>) -> String {
    let status = problem.status();
    let number = status.as_u16();
    let title = status.canonical_reason().unwrap_or("Error");
    let sentence = problem.sentence();
    let id = match request_id {
        Some(id) => format!("<p><small>Request {}</small></p>\n", plain(id)),
        None => String::new(),
    };
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{number} {title}</title>\n\
         <style>:root{{color-scheme:light dark}}body{{font:1.1rem/1.5 system-ui,sans-serif;max-width:32rem;\
         margin:20vh auto;padding:0 1.5rem}}h1{{font-size:1.5rem}}small{{opacity:.7}}</style>\n</head>\n<body>\n\
         <h1>{title}</h1>\n<p>{sentence}</p>\n{id}</body>\n</html>\n"
    )
}

/// Request ids may come from a client: what could mean something in HTML or JSON is left out.
fn plain(id: &str) -> String {
    id.chars().filter(|c| c.is_ascii_alphanumeric() || "-_.:/+=".contains(*c)).take(128).collect()
}
