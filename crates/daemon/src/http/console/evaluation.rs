//! A text is evaluated in a node.

use std::time::Duration;

use ::api::console::{Evaluate, EvaluationLine, Language};
use ::api::problem::Problem;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use dist::{Evaluation, EvaluationEnd, EvaluationEvent, EvaluationPlan};
use model::AppName;
use package::Sha256Digest;

use super::super::api::Api;
use super::super::extract::{Json, Path};
use super::super::peer::Peer;
use super::super::problem::Failure;
use super::Place;
use super::lines::{answer, line};

/// Longest text, bytes: more is a module, which belongs into a release.
const MOST_BYTES: usize = 256 << 10;
/// How long it may take unless somebody says otherwise.
const LASTING: Duration = Duration::from_secs(30);
/// How long it may take at most.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// How long the node may take to start it.
const START: Duration = Duration::from_secs(10);

/// Evaluates a text in the node of an instance: one JSON text (`EvaluationLine`) a line, until it has ended.
///
/// What it prints comes too. It is killed when its time is over or when the caller goes away; processes that it has
/// started go on. The audit records its length and SHA-256, and not the text.
#[utoipa::path(post, path = "/v1/apps/{app}/eval", tag = "console", operation_id = "evaluate",
    params(("app" = String, Path, description = "Name of the app")), request_body = Evaluate,
    responses((status = OK, body = EvaluationLine, content_type = "application/x-ndjson"),
        (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn evaluate(
    State(api): State<Api>,
    peer: Peer,
    Path(name): Path<AppName>,
    Json(body): Json<Evaluate>,
) -> Result<Response, Failure> {
    if body.text.len() > MOST_BYTES {
        let detail = format!("the text has {} bytes; at most {MOST_BYTES} are evaluated", body.text.len());
        return Err(Failure::new("too-long", StatusCode::UNPROCESSABLE_ENTITY, detail));
    }
    let place = Place::find(&api, &name, body.place).await?;
    api.record(&peer, Some(&name), recorded(place.place, &body)).await?;
    let plan = EvaluationPlan {
        language: language(body.language),
        text: body.text,
        lasting: body.for_ms.map_or(LASTING, Duration::from_millis).min(LONGEST),
    };
    let evaluation = place.node.evaluate(&plan, START).await.map_err(|error| {
        Failure::new(
            "node",
            StatusCode::BAD_GATEWAY,
            format!("nothing was evaluated: {}", host::chain(&error)),
        )
    })?;
    Ok(answer(lines(evaluation, api)))
}

fn recorded(place: u16, body: &Evaluate) -> String {
    let Evaluate { language, text, .. } = body;
    let digest = Sha256Digest::of(text.as_bytes());
    format!("eval in place {place}: {} bytes of {}, sha256 {digest}", text.len(), language.name())
}

pub(super) fn language(language: Language) -> dist::Language {
    match language {
        Language::Erlang => dist::Language::Erlang,
        Language::Elixir => dist::Language::Elixir,
    }
}

/// The evaluation ends with the stream, whoever drops it.
fn lines(mut evaluation: Evaluation, api: Api) -> impl futures_util::Stream<Item = Bytes> {
    async_stream::stream! {
        loop {
            let event = tokio::select! {
                event = evaluation.next() => event,
                () = api.stop.cancelled() => {
                    let reason = "bellrockd stops, so that it was killed".to_owned();
                    yield line(&EvaluationLine::Lost { reason });
                    break;
                }
            };
            let Some(event) = event else { break };
            yield line(&view(event));
        }
    }
}

fn view(event: EvaluationEvent) -> EvaluationLine {
    match event {
        EvaluationEvent::Printed(output) => {
            EvaluationLine::Printed { text: output.text, dropped_bytes: output.dropped_bytes }
        }
        EvaluationEvent::Ended(end) => match end {
            EvaluationEnd::Value(text) => EvaluationLine::Value { text },
            EvaluationEnd::Syntax { line, message } => EvaluationLine::Syntax { line, message },
            EvaluationEnd::Failed { class, reason, stack } => EvaluationLine::Failed { class, reason, stack },
            EvaluationEnd::Died(reason) => EvaluationLine::Died { reason },
            EvaluationEnd::Over { at } => EvaluationLine::Over { at },
            EvaluationEnd::NoElixir => EvaluationLine::NoElixir,
            EvaluationEnd::Lost(reason) => EvaluationLine::Lost { reason },
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_itself_is_not_recorded() {
        let text = "put(secret, \"tulip\")".to_owned();
        let recorded = recorded(2, &Evaluate { language: Language::Erlang, text, place: None, for_ms: None });
        assert!(recorded.starts_with("eval in place 2: 20 bytes of Erlang, sha256 "), "{recorded}");
        assert!(!recorded.contains("tulip"));
    }
}
