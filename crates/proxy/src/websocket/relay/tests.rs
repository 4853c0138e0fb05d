//! With paused time: `sleep` returns when nothing else can go on, so that each step is complete before the next.

use tokio::io::{DuplexStream, duplex};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::*;

const CLOSE_TO_CLIENT: [u8; 4] = [0x88, 0x02, 0x03, 0xe9];
/// Empty, of a server: its answer.
const CLOSE_OF_SERVER: [u8; 2] = [0x88, 0x00];
/// Empty, of a client.
const CLOSE_OF_CLIENT: [u8; 6] = [0x88, 0x80, 1, 2, 3, 4];

struct Fixture {
    client: DuplexStream,
    instance: DuplexStream,
    drain: Option<oneshot::Sender<Draining>>,
    relay: JoinHandle<Relayed>,
}

fn start(protocol: Protocol, buffer: usize) -> Fixture {
    let (client, client_end) = duplex(buffer);
    let (instance, instance_end) = duplex(buffer);
    let (drain, drained) = oneshot::channel();
    let draining = async move {
        match drained.await {
            Ok(draining) => draining,
            Err(_never) => std::future::pending().await,
        }
    };
    let relay = tokio::spawn(relay(client_end, instance_end, protocol, draining, 0.5));
    Fixture { client, instance, drain: Some(drain), relay }
}

impl Fixture {
    /// The drain begins, and its moment for this connection comes.
    async fn drain(&mut self) {
        let draining = Draining { since: Instant::now(), within: Duration::from_secs(40) };
        self.drain.take().unwrap().send(draining).unwrap();
        sleep(Duration::from_secs(11)).await;
    }

    async fn end(self) -> Relayed {
        timeout(Duration::from_secs(100), self.relay).await.expect("the relay ends").unwrap()
    }
}

async fn read(stream: &mut DuplexStream, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    timeout(Duration::from_secs(60), stream.read_exact(&mut bytes)).await.expect("bytes come").unwrap();
    bytes
}

async fn read_to_end(stream: &mut DuplexStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    timeout(Duration::from_secs(60), stream.read_to_end(&mut bytes)).await.expect("it ends").unwrap();
    bytes
}

/// Unmasks the Close frame that the instance gets.
#[track_caller]
fn status_of_masked_close(bytes: &[u8]) -> u16 {
    let [0x88, 0x82, a, b, _, _, high, low] = bytes else { panic!("no masked Close: {bytes:?}") };
    u16::from_be_bytes([high ^ a, low ^ b])
}

/// A message in fragments of `size`, a ping behind each but the last.
fn fragmented(length: usize, size: usize, masked: bool) -> Vec<u8> {
    let mask = if masked { 0x80 } else { 0 };
    let mut bytes = Vec::new();
    let count = length.div_ceil(size);
    for at in 0..count {
        let size = size.min(length - at * size);
        let fin = if at + 1 == count { 0x80 } else { 0 };
        let opcode = if at == 0 { 2 } else { 0 };
        bytes.extend([fin | opcode, mask | 127]);
        bytes.extend((size as u64).to_be_bytes());
        bytes.extend(&[9, 9, 9, 9][..if masked { 4 } else { 0 }]);
        bytes.extend((0..size).map(|byte| byte as u8));
        if at + 1 < count {
            bytes.extend([0x89, mask]);
            bytes.extend(&[7, 7, 7, 7][..if masked { 4 } else { 0 }]);
        }
    }
    bytes
}

#[tokio::test(start_paused = true)]
async fn bytes_pass_both_ways_until_the_peers_end() {
    let mut f = start(Protocol::WebSocket, 1024);
    f.client.write_all(b"\x81\x82abcdef").await.unwrap();
    assert_eq!(read(&mut f.instance, 8).await, b"\x81\x82abcdef");
    f.instance.write_all(b"\x81\x01x\x88\x00").await.unwrap();
    assert_eq!(read(&mut f.client, 5).await, b"\x81\x01x\x88\x00");
    f.client.write_all(&CLOSE_OF_CLIENT).await.unwrap();
    assert_eq!(read(&mut f.instance, 6).await, CLOSE_OF_CLIENT);
    f.instance.shutdown().await.unwrap();
    assert!(read_to_end(&mut f.client).await.is_empty());
    f.client.shutdown().await.unwrap();
    let relayed = f.end().await;
    assert!(matches!(relayed.end, End::Peers), "{:?}", relayed.end);
    assert_eq!((relayed.bytes_in, relayed.bytes_out), (14, 5));
}

#[tokio::test(start_paused = true)]
async fn a_websocket_is_over_when_one_side_is_gone() {
    let mut f = start(Protocol::WebSocket, 1024);
    drop(f.instance);
    assert!(read_to_end(&mut f.client).await.is_empty());
    // the client never ends its half
    let relayed = timeout(Duration::from_secs(100), f.relay).await.unwrap().unwrap();
    assert!(matches!(relayed.end, End::Peers | End::Failed(_)));
}

#[tokio::test(start_paused = true)]
async fn another_protocol_may_be_half_closed() {
    let mut f = start(Protocol::Other, 1024);
    f.client.shutdown().await.unwrap();
    assert!(read_to_end(&mut f.instance).await.is_empty());
    sleep(Duration::from_secs(1000)).await;
    f.instance.write_all(b"late").await.unwrap();
    assert_eq!(read(&mut f.client, 4).await, b"late");
    f.instance.shutdown().await.unwrap();
    assert!(matches!(f.end().await.end, End::Peers));
}

#[tokio::test(start_paused = true)]
async fn an_idle_one_is_told_to_go_on_both_sides() {
    let mut f = start(Protocol::WebSocket, 1024);
    f.drain().await;
    assert_eq!(read(&mut f.client, 4).await, CLOSE_TO_CLIENT);
    assert_eq!(status_of_masked_close(&read(&mut f.instance, 8).await), 1001);
    f.client.write_all(&CLOSE_OF_CLIENT).await.unwrap();
    f.instance.write_all(&CLOSE_OF_SERVER).await.unwrap();
    assert!(read_to_end(&mut f.client).await.is_empty(), "the answers are for us");
    assert!(read_to_end(&mut f.instance).await.is_empty());
    drop((f.client, f.instance));
    assert!(matches!(f.relay.await.unwrap().end, End::GoneAway));
}

#[tokio::test(start_paused = true)]
async fn not_before_its_moment() {
    let mut f = start(Protocol::WebSocket, 1024);
    let within = Duration::from_secs(40);
    f.drain.take().unwrap().send(Draining { since: Instant::now(), within }).unwrap();
    sleep(Duration::from_secs(9)).await;
    f.instance.write_all(b"\x81\x00").await.unwrap();
    assert_eq!(read(&mut f.client, 2).await, b"\x81\x00", "share 0.5 of half of 40 s is 10 s");
    sleep(Duration::from_secs(2)).await;
    assert_eq!(read(&mut f.client, 4).await, CLOSE_TO_CLIENT);
}

#[tokio::test(start_paused = true)]
async fn without_answers_it_ends_after_five_seconds() {
    let mut f = start(Protocol::WebSocket, 1024);
    f.drain().await;
    let told = Instant::now();
    assert_eq!(read_to_end(&mut f.client).await, CLOSE_TO_CLIENT);
    assert!((Duration::from_secs(3)..=ANSWER_WITHIN).contains(&told.elapsed()), "{:?}", told.elapsed());
    assert!(matches!(f.end().await.end, End::GoneAway));
}

#[tokio::test(start_paused = true)]
async fn large_fragmented_messages_in_both_directions_arrive_whole() {
    let mut f = start(Protocol::WebSocket, 10_000);
    let up = fragmented(1 << 20, 50_000, true);
    let down = fragmented(1 << 20, 70_000, false);
    f.client.write_all(&up[..5_000]).await.unwrap();
    f.instance.write_all(&down[..5_000]).await.unwrap();
    f.drain().await;
    let (client_read, client_write) = tokio::io::split(f.client);
    let (instance_read, instance_write) = tokio::io::split(f.instance);
    let to_client =
        tokio::spawn(slow_read(client_read, CLOSE_OF_CLIENT.to_vec(), client_write, up[5_000..].to_vec()));
    let to_instance = tokio::spawn(slow_read(
        instance_read,
        CLOSE_OF_SERVER.to_vec(),
        instance_write,
        down[5_000..].to_vec(),
    ));
    let to_client = to_client.await.unwrap();
    let to_instance = to_instance.await.unwrap();
    assert!(to_client == [&down[..], &CLOSE_TO_CLIENT].concat(), "{} bytes", to_client.len());
    assert!(to_instance[..up.len()] == up);
    assert_eq!(status_of_masked_close(&to_instance[up.len()..]), 1001);
    assert!(matches!(f.relay.await.unwrap().end, End::GoneAway));
}

/// Sends the bytes, then small messages on and on; reads a little at a time; answers the Close at the end.
async fn slow_read(
    mut from: impl AsyncRead + Unpin,
    answer: Vec<u8>,
    mut to: impl AsyncWrite + Unpin + Send + 'static,
    bytes: Vec<u8>,
) -> Vec<u8> {
    let masked = answer[1] & 0x80 != 0;
    let (stop, stopped) = oneshot::channel::<()>();
    let writer = tokio::spawn(async move {
        to.write_all(&bytes).await.unwrap();
        let small = fragmented(10, 4, masked);
        // the relay holds these back, then throws them away: it may stop reading for a while
        let on_and_on = async {
            while to.write_all(&small).await.is_ok() {
                sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::select! {
            () = on_and_on => {}
            _ = stopped => {}
        }
        let _ = to.write_all(&answer).await;
        let _ = to.shutdown().await;
    });
    let mut all = Vec::new();
    let mut chunk = [0; 1000];
    loop {
        let read = timeout(Duration::from_secs(60), from.read(&mut chunk)).await.unwrap().unwrap();
        if read == 0 {
            break;
        }
        all.extend_from_slice(&chunk[..read]);
        if all.len() % 16 == 0 {
            sleep(Duration::from_millis(1)).await;
        }
    }
    let _ = stop.send(());
    writer.await.unwrap();
    all
}

#[tokio::test(start_paused = true)]
async fn at_every_byte_the_message_under_way_is_the_last() {
    let (first, second) = (fragmented(20, 8, true), fragmented(5, 5, true));
    let all = [&b"\x89\x80abcd"[..], &first, &second, &first].concat();
    let ends = [6, 6 + first.len(), 6 + first.len() + second.len(), all.len()];
    for at in 0..=all.len() {
        let mut f = start(Protocol::WebSocket, 4096);
        f.client.write_all(&all[..at]).await.unwrap();
        assert_eq!(read(&mut f.instance, at).await, all[..at]);
        f.drain().await;
        f.client.write_all(&all[at..]).await.unwrap();
        let got = read_to_end(&mut f.instance).await;
        // a ping alone is not followed by a wait for more: the message is what counts
        let end = if at == 0 { 0 } else { ends.into_iter().find(|end| *end >= at).unwrap() };
        assert!(got[..end - at] == all[at..end], "drained at {at}: {got:?}");
        assert_eq!(status_of_masked_close(&got[end - at..]), 1001, "drained at {at}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_message_begins_while_the_other_direction_is_inside_one() {
    let mut f = start(Protocol::WebSocket, 4096);
    let down = fragmented(20, 8, false);
    f.instance.write_all(&down[..30]).await.unwrap();
    f.drain().await;
    f.client.write_all(b"\x89\x80abcd\x81\x80abcd").await.unwrap();
    assert_eq!(read(&mut f.instance, 6).await, b"\x89\x80abcd", "control frames pass");
    f.instance.write_all(&down[30..]).await.unwrap();
    let got = read(&mut f.instance, 8).await;
    assert_eq!(status_of_masked_close(&got), 1001, "the new message is held back");
    assert_eq!(read(&mut f.client, down.len() + 4).await, [&down[..], &CLOSE_TO_CLIENT].concat());
}

#[tokio::test(start_paused = true)]
async fn a_closing_handshake_of_the_peers_is_left_alone() {
    let mut f = start(Protocol::WebSocket, 4096);
    f.client.write_all(&CLOSE_OF_CLIENT).await.unwrap();
    assert_eq!(read(&mut f.instance, 6).await, CLOSE_OF_CLIENT);
    f.drain().await;
    f.instance.write_all(b"\x88\x02\x03\xe8").await.unwrap();
    f.instance.shutdown().await.unwrap();
    assert_eq!(read_to_end(&mut f.client).await, b"\x88\x02\x03\xe8", "1000, as the instance said");
    f.client.shutdown().await.unwrap();
    assert!(read_to_end(&mut f.instance).await.is_empty());
    assert!(matches!(f.end().await.end, End::Peers));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_begins_to_close_while_we_wait_is_left_alone() {
    let mut f = start(Protocol::WebSocket, 4096);
    let down = fragmented(20, 8, false);
    f.instance.write_all(&down[..30]).await.unwrap();
    f.drain().await;
    f.client.write_all(b"\x81\x80abcd").await.unwrap();
    sleep(Duration::from_secs(1)).await;
    // inside its message: allowed
    f.instance.write_all(&down[30..40]).await.unwrap();
    f.instance.write_all(b"\x88\x02\x03\xe8").await.unwrap();
    let to_client = [&down[..40], b"\x88\x02\x03\xe8"].concat();
    assert_eq!(read(&mut f.client, to_client.len()).await, to_client, "as it was sent");
    assert_eq!(read(&mut f.instance, 6).await, b"\x81\x80abcd", "what was held back goes on");
    f.client.write_all(&CLOSE_OF_CLIENT).await.unwrap();
    assert_eq!(read(&mut f.instance, 6).await, CLOSE_OF_CLIENT);
    drop((f.client, f.instance));
    assert!(matches!(f.relay.await.unwrap().end, End::Peers));
}

#[tokio::test(start_paused = true)]
async fn both_closing_at_once() {
    let mut f = start(Protocol::WebSocket, 4096);
    f.drain().await;
    // neither has seen our Close when it sends its own
    f.client.write_all(b"\x81\x80abcd\x88\x82\x00\x00\x00\x00\x03\xe8").await.unwrap();
    f.instance.write_all(b"\x81\x00\x88\x02\x03\xe8").await.unwrap();
    assert_eq!(read_to_end(&mut f.client).await, CLOSE_TO_CLIENT, "one Close, nothing after it");
    assert_eq!(status_of_masked_close(&read_to_end(&mut f.instance).await), 1001);
    drop((f.client, f.instance));
    assert!(matches!(f.relay.await.unwrap().end, End::GoneAway));
}

#[tokio::test(start_paused = true)]
async fn a_message_without_end_is_cut_at_the_deadline() {
    let mut f = start(Protocol::WebSocket, 4096);
    f.instance.write_all(b"\x01\x01a").await.unwrap();
    f.drain().await;
    f.instance.write_all(b"\x00\x01b").await.unwrap();
    sleep(Duration::from_secs(28)).await;
    assert!(!f.relay.is_finished());
    let got = read_to_end(&mut f.client).await;
    assert_eq!(got, [b"\x01\x01a\x00\x01b", &CLOSE_TO_CLIENT[..]].concat(), "between two frames it is told");
    assert!(matches!(f.end().await.end, End::Cut));
}

#[tokio::test(start_paused = true)]
async fn inside_a_frame_nothing_is_put() {
    let mut f = start(Protocol::WebSocket, 4096);
    f.instance.write_all(b"\x82\x05ab").await.unwrap();
    f.drain().await;
    assert_eq!(read_to_end(&mut f.client).await, b"\x82\x05ab");
    assert!(matches!(f.end().await.end, End::Cut));
}

#[tokio::test(start_paused = true)]
async fn what_is_no_websocket_is_relayed_to_the_deadline() {
    for (protocol, bytes) in [(Protocol::Other, &b"\x00\x01\x02"[..]), (Protocol::WebSocket, b"\x8f\xff")] {
        let mut f = start(protocol, 4096);
        f.client.write_all(bytes).await.unwrap();
        f.drain().await;
        f.client.write_all(bytes).await.unwrap();
        assert_eq!(read(&mut f.instance, 2 * bytes.len()).await, bytes.repeat(2));
        assert!(matches!(f.end().await.end, End::Cut));
    }
}
