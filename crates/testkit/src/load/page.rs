//! Requests for pages and streams: what is asked, and whether the answer is right.

use serde::Deserialize;

use super::fault::Fault;
use super::kind::Kind;
use super::link::Answer;
use super::plan::Plan;
use super::schedule::Turn;
use super::tally::Answerer;

/// What the front pages of samples tell.
#[derive(Debug, Deserialize)]
struct Front {
    app: Option<String>,
    version: String,
    place: Option<String>,
    pid: Option<serde_json::Value>,
}

/// Path and query of a request.
pub(super) fn target(plan: &Plan, turn: Turn) -> String {
    match turn.kind {
        Kind::Stream => {
            let every = plan.shape.stream_every.as_millis();
            format!("/stream?chunks={}&ms={every}", chunks(plan, turn))
        }
        _ => {
            let page = &plan.shape.page;
            let joint = if page.contains('?') { '&' } else { '?' };
            format!("{page}{joint}n={}", turn.number)
        }
    }
}

/// Who answered, when the answer is right.
pub(super) fn check(plan: &Plan, turn: Turn, answer: &Answer) -> Result<Option<Answerer>, Fault> {
    if answer.status != 200 {
        return Err(Fault::Status { status: answer.status.as_u16() });
    }
    match turn.kind {
        Kind::Stream => check_stream(chunks(plan, turn), &answer.body).map(|()| None),
        _ => check_front(plan.app.as_deref(), &answer.body).map(Some),
    }
}

/// Streams differ in length, so that one cannot be taken for another.
fn chunks(plan: &Plan, turn: Turn) -> u64 {
    1 + turn.number % u64::from(plan.shape.stream_chunks)
}

fn check_stream(chunks: u64, body: &[u8]) -> Result<(), Fault> {
    let expected: String = (1..=chunks).map(|number| format!("chunk {number}\n")).collect();
    if body == expected.as_bytes() {
        return Ok(());
    }
    Err(wrong(format!("{chunks} chunks were asked for, but {:?} came", excerpt(body))))
}

fn check_front(app: Option<&str>, body: &[u8]) -> Result<Answerer, Fault> {
    let front: Front = serde_json::from_slice(body)
        .map_err(|error| wrong(format!("not a page with a version ({error}): {:?}", excerpt(body))))?;
    if let (Some(wanted), told) = (app, front.app.as_deref())
        && told != Some(wanted)
    {
        return Err(wrong(format!("the page is that of {told:?} instead of {wanted}")));
    }
    let instance = match (&front.place, &front.pid) {
        (Some(place), Some(pid)) => Some(format!("{place}/{pid}")),
        _ => None,
    };
    Ok(Answerer { version: front.version, instance })
}

pub(super) fn wrong(detail: String) -> Fault {
    Fault::Wrong { detail }
}

/// The beginning of what came: a report is read by people.
pub(super) fn excerpt(bytes: &[u8]) -> String {
    const LONGEST: usize = 200;
    String::from_utf8_lossy(&bytes[..bytes.len().min(LONGEST)]).into_owned()
}
