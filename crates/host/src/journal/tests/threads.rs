//! The journal's threads: a queue that is full, a thread that has ended.

use super::super::database::QUEUE;
use super::*;

/// On one thread, where tasks are polled in the order in which they were spawned.
#[tokio::test]
async fn callers_wait_while_the_queue_is_full_and_all_are_answered() {
    let root = Root::new();
    let journal = root.open();
    let (open, gate) = std::sync::mpsc::channel();
    let writer = journal.writer.clone();
    let blocked = tokio::spawn(async move {
        let wait = move |_: &mut Connection| {
            gate.recv().expect("the test opens the gate");
            Ok(())
        };
        writer.run(wait).await
    });
    let callers: Vec<_> = (0..QUEUE + 50)
        .map(|_| {
            let journal = journal.clone();
            tokio::spawn(async move { journal.next_epoch(at(0)).await.unwrap() })
        })
        .collect();
    tokio::task::yield_now().await;
    assert!(!blocked.is_finished(), "every caller has asked, and the journal's thread is busy");
    open.send(()).unwrap();
    blocked.await.unwrap().unwrap();
    let mut numbers = Vec::new();
    for caller in callers {
        numbers.push(caller.await.unwrap());
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=QUEUE as u64 + 50).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_journal_whose_thread_has_ended_says_so() {
    let root = Root::new();
    let journal = root.open();
    let ended: Result<(), JournalError> = journal.writer.run(|_| panic!("as the test wants it")).await;
    assert!(matches!(ended, Err(JournalError::Closed)), "whoever asked is told: {ended:?}");
    // The first may still get into the queue, which goes with the thread.
    for _ in 0..2 {
        let refused = journal.next_epoch(at(0)).await;
        assert!(matches!(refused, Err(JournalError::Closed)), "{refused:?}");
    }
    assert_eq!(journal.apps().await.unwrap(), [], "questions are still answered");
}
