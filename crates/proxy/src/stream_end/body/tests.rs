use std::convert::Infallible;
use std::future::{pending, ready};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use http_body_util::BodyExt;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use super::*;

/// A body that is fed by hand.
struct Fed(mpsc::UnboundedReceiver<&'static str>);

impl Body for Fed {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0
            .poll_recv(cx)
            .map(|chunk| chunk.map(|chunk| Ok(Frame::data(Bytes::from_static(chunk.as_bytes())))))
    }
}

fn draining() -> Draining {
    Draining { since: Instant::now(), within: Duration::from_secs(30) }
}

type Feed = mpsc::UnboundedSender<&'static str>;
type Wrapped<D> = Endless<Fed, D, Box<dyn FnOnce(Ending)>>;

fn body<D: Future<Output = Draining>>(unit: Unit, draining: D) -> (Feed, Wrapped<D>, Receiver<Ending>) {
    let (feed, fed) = mpsc::unbounded_channel();
    let (tell, told) = channel();
    let tell = Box::new(move |ending| tell.send(ending).unwrap());
    (feed, Endless::new(Fed(fed), unit, draining, 0.5, tell), told)
}

/// The next chunk; `None`: the body has ended.
async fn next<B: Body<Data = Bytes, Error = Infallible> + Unpin>(body: &mut B) -> Option<Bytes> {
    let frame = timeout(Duration::from_secs(100), body.frame()).await.expect("a frame or the end");
    frame.map(|frame| frame.unwrap().into_data().unwrap())
}

#[tokio::test(start_paused = true)]
async fn while_serving_all_passes() {
    let (feed, mut body, told) = body(Unit::Event, pending());
    for chunk in ["data: 1\n\n", "data", ": 2\n\nda"] {
        feed.send(chunk).unwrap();
        assert_eq!(next(&mut body).await.unwrap(), chunk);
    }
    drop(feed);
    assert_eq!(next(&mut body).await, None, "as the instance ended it");
    assert!(told.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn an_idle_stream_ends_at_its_moment() {
    let (feed, mut body, told) = body(Unit::Event, ready(draining()));
    let began = Instant::now();
    feed.send("data: 1\n\n").unwrap();
    assert_eq!(next(&mut body).await.unwrap(), "data: 1\n\n");
    assert_eq!(next(&mut body).await, None);
    assert!(began.elapsed().abs_diff(Duration::from_millis(7_500)) < Duration::from_millis(50));
    assert_eq!(told.try_recv(), Ok(Ending::Whole));
    assert!(feed.is_closed(), "the connection to the instance is let go");
    assert_eq!(next(&mut body).await, None, "and stays ended");
}

#[tokio::test(start_paused = true)]
async fn the_event_under_way_is_the_last() {
    let (feed, mut body, told) = body(Unit::Event, ready(draining()));
    feed.send("data: 1\nid: ").unwrap();
    assert_eq!(next(&mut body).await.unwrap(), "data: 1\nid: ");
    let wait = timeout(Duration::from_secs(10), body.frame()).await;
    assert!(wait.is_err(), "inside an event");
    feed.send("7\n").unwrap();
    feed.send("\ndata: 2\n\n").unwrap();
    assert_eq!(next(&mut body).await.unwrap(), "7\n");
    assert_eq!(next(&mut body).await.unwrap(), "\n");
    assert_eq!(next(&mut body).await, None);
    assert_eq!(told.try_recv(), Ok(Ending::Whole));
}

#[tokio::test(start_paused = true)]
async fn an_event_without_end_is_broken_at_the_deadline() {
    let (feed, mut body, told) = body(Unit::Event, ready(draining()));
    let began = Instant::now();
    feed.send("data: 1\n").unwrap();
    assert_eq!(next(&mut body).await.unwrap(), "data: 1\n");
    assert_eq!(next(&mut body).await, None);
    assert!(began.elapsed().abs_diff(Duration::from_secs(30)) < Duration::from_millis(50));
    assert_eq!(told.try_recv(), Ok(Ending::Broken));
}

#[tokio::test(start_paused = true)]
async fn lines_end_at_lines() {
    let (feed, mut body, told) = body(Unit::Line, ready(draining()));
    feed.send("{\"a\":").unwrap();
    assert_eq!(next(&mut body).await.unwrap(), "{\"a\":");
    tokio::time::sleep(Duration::from_secs(20)).await;
    feed.send("1}\n{\"b\"").unwrap();
    assert_eq!(next(&mut body).await.unwrap(), "1}\n");
    assert_eq!(next(&mut body).await, None);
    assert_eq!(told.try_recv(), Ok(Ending::Whole));
}
