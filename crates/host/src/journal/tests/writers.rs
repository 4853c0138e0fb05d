//! Numbers that are never given twice, and two daemons' worth of writers.

use std::collections::BTreeSet;

use super::*;

#[tokio::test]
async fn numbers_of_deployments_and_epochs_rise_over_restarts() {
    let root = Root::new();
    let mut deployments = Vec::new();
    let mut epochs = Vec::new();
    for _ in 0..3 {
        let journal = root.open();
        epochs.push(journal.next_epoch(at(0)).await.unwrap());
        deployments.push(journal.next_deployment(&name()).await.unwrap().0);
        deployments.push(journal.next_deployment(&name()).await.unwrap().0);
        // A number is not given again even when its row is gone.
        root.sql().execute_batch("delete from deployment; delete from epoch").unwrap();
    }
    assert_eq!(deployments, [1, 2, 3, 4, 5, 6]);
    assert_eq!(epochs, [1, 2, 3]);
}

#[tokio::test]
async fn a_number_without_a_deployment_is_no_deployment() {
    let root = Root::new();
    let journal = root.open();
    let number = journal.next_deployment(&name()).await.unwrap();
    assert_eq!(journal.deployment(number).await.unwrap(), None);
    assert_eq!(journal.deployments(None, 10).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_writers_wait_for_each_other_and_lose_nothing() {
    const TURNS: u64 = 40;
    let root = Root::new();
    let journals = [root.open(), root.open()];
    let mut tasks = Vec::new();
    for (nth, journal) in journals.into_iter().enumerate() {
        tasks.push(tokio::spawn(async move {
            let mut app = App::new(format!("app{nth}").parse().unwrap());
            journal.create(&app).await.unwrap();
            let mut numbers = Vec::new();
            for number in 0..TURNS {
                app = commit(&journal, &app, 1, set(number)).await;
                numbers.push(journal.next_deployment(&app.name).await.unwrap());
            }
            (app, numbers)
        }));
    }
    let mut states = Vec::new();
    let mut numbers = BTreeSet::new();
    for task in tasks {
        let (app, own) = task.await.unwrap();
        states.push(app);
        numbers.extend(own);
    }
    assert_eq!(numbers.len() as u64, 2 * TURNS);
    let mut apps = root.open().apps().await.unwrap();
    // They come in the order of their registration, which the two raced for.
    apps.sort_by(|one, other| one.name.cmp(&other.name));
    assert_eq!(apps, states);
    assert_eq!(root.count("turn") as u64, 2 * TURNS);
}

#[tokio::test]
async fn a_reader_sees_whole_turns_while_another_writes() {
    let root = Root::new();
    let journal = root.open();
    journal.create(&App::new(name())).await.unwrap();
    let mut other = root.sql();
    let unfinished = other.transaction().unwrap();
    unfinished.execute_batch("update app set state = 'half'").unwrap();
    assert_eq!(only_app(&journal).await, App::new(name()));
}

/// Who reads what came after the last it has seen, whenever there is news, sees everything once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_follows_the_news_sees_every_event_of_many_apps_once_and_in_order() {
    const TURNS: u64 = 40;
    let root = Root::new();
    let journal = root.open();
    let mut news = journal.news();
    let engines: Vec<_> = (0..8)
        .map(|nth| {
            let journal = journal.clone();
            tokio::spawn(async move {
                let mut app = App::new(format!("app{nth}").parse().unwrap());
                journal.create(&app).await.unwrap();
                for number in 0..TURNS {
                    app = commit(&journal, &app, 1, set(number)).await;
                }
            })
        })
        .collect();
    let mut seen: Vec<i64> = Vec::new();
    while (seen.len() as u64) < 8 * TURNS {
        news.changed().await.unwrap();
        let after = Listing { after: seen.last().copied(), ..all() };
        seen.extend(journal.events(after).await.unwrap().iter().map(|event| event.id));
    }
    for engine in engines {
        engine.await.unwrap();
    }
    let listed: Vec<i64> = journal.events(all()).await.unwrap().iter().map(|event| event.id).collect();
    assert_eq!(seen, listed);
}

#[tokio::test]
async fn an_app_that_is_known_is_not_made_anew() {
    let root = Root::new();
    let journal = root.open();
    let app = App::new(name());
    journal.create(&app).await.unwrap();
    let app = commit(&journal, &app, 1, set(1)).await;
    journal.create(&App::new(name())).await.unwrap();
    assert_eq!(only_app(&journal).await, app);
}
