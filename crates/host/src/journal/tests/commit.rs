//! A turn is in the journal as a whole or not at all.

use super::*;

#[tokio::test]
async fn a_turn_is_read_as_it_was_written_also_by_the_next_daemon() {
    let root = Root::new();
    let journal = root.open();
    let app = App::new(name());
    journal.create(&app).await.unwrap();
    let number = journal.next_deployment(&app.name).await.unwrap();
    let event = deploy(number.0);
    let stepped = app.step(at(1), event.clone()).unwrap();
    assert!(!stepped.notes.is_empty() && !stepped.records.is_empty() && !stepped.effects.is_empty());
    journal.commit(at(1), &event, &stepped).await.unwrap();
    drop(journal);

    let journal = root.open();
    assert_eq!(only_app(&journal).await, stepped.app);
    let events = journal.events(all()).await.unwrap();
    let notes: Vec<_> = events.iter().map(|event| event.note.clone()).collect();
    assert_eq!(notes, stepped.notes);
    assert!(events.iter().all(|event| event.at == at(1) && event.app == Some(name())));
    let record = journal.deployment(number).await.unwrap().unwrap();
    assert_eq!(&record.deployment, stepped.records.last().unwrap());
    assert_eq!(record.to_label.as_deref(), Some("1.0.0"));
    assert_eq!(journal.deployments(Some(name()), 10).await.unwrap(), [record]);
    assert_eq!(root.count("turn"), 1);
}

#[tokio::test]
async fn a_statement_that_fails_leaves_nothing_of_its_turn() {
    let statements =
        ["update on app", "insert on turn", "insert on deployment", "insert on exit", "insert on event"];
    for statement in statements {
        let root = Root::new();
        let journal = root.open();
        let app = running();
        journal.create(&app).await.unwrap();
        let news = journal.news();
        let event = exit(1);
        let mut stepped = app.step(at(1), event.clone()).unwrap();
        stepped.records = app.step(at(1), deploy(1)).unwrap().records;
        assert!(!stepped.exits.is_empty() && !stepped.notes.is_empty() && !stepped.records.is_empty());
        let trigger =
            format!("create trigger injected before {statement} begin select raise(abort, 'injected'); end");
        root.sql().execute_batch(&trigger).unwrap();

        let error = journal.commit(at(1), &event, &stepped).await.unwrap_err();
        assert!(crate::chain(&error).contains("injected"), "{statement}: {error}");
        assert_eq!(only_app(&journal).await, app, "{statement}");
        for table in ["turn", "deployment", "exit", "event"] {
            assert_eq!(root.count(table), 0, "{statement}: {table}");
        }
        assert!(!news.has_changed().unwrap(), "{statement}: nothing is told that is not durable");

        root.sql().execute_batch("drop trigger injected").unwrap();
        journal.commit(at(1), &event, &stepped).await.unwrap();
        assert_eq!(
            only_app(&journal).await,
            stepped.app,
            "{statement}: the same turn goes through afterwards"
        );
    }
}

#[tokio::test]
async fn there_is_news_when_there_are_events() {
    let root = Root::new();
    let journal = root.open();
    let app = App::new(name());
    journal.create(&app).await.unwrap();
    let mut news = journal.news();
    let app = commit(&journal, &app, 1, deploy(1)).await;
    assert!(!journal.events(all()).await.unwrap().is_empty());
    assert!(news.has_changed().unwrap());
    news.mark_unchanged();
    let quiet = app.step(at(2), Event::Tick).unwrap();
    assert!(quiet.notes.is_empty());
    journal.commit(at(2), &Event::Tick, &quiet).await.unwrap();
    assert!(!news.has_changed().unwrap());
}

#[tokio::test]
async fn a_listing_has_the_newest_events_after_an_id() {
    let root = Root::new();
    let journal = root.open();
    let mut app = App::new(name());
    journal.create(&app).await.unwrap();
    for number in 0..5 {
        app = commit(&journal, &app, 1, set(number)).await;
    }
    let every = journal.events(all()).await.unwrap();
    let two = journal.events(Listing { most: 2, ..Listing::default() }).await.unwrap();
    assert_eq!(two, every[every.len() - 2..]);
    let after = Listing { after: Some(every[1].id), ..all() };
    assert_eq!(journal.events(after).await.unwrap(), every[2..]);
    let other = Listing { app: Some("other".parse().unwrap()), ..all() };
    assert_eq!(journal.events(other).await.unwrap(), []);
}

#[tokio::test]
async fn an_exit_told_twice_is_one_exit() {
    let root = Root::new();
    let journal = root.open();
    let app = running();
    journal.create(&app).await.unwrap();
    let event = exit(1);
    let stepped: Stepped = app.step(at(1), event.clone()).unwrap();
    journal.commit(at(1), &event, &stepped).await.unwrap();
    journal.commit(at(1), &event, &stepped).await.unwrap();
    assert_eq!(journal.exits(name(), 10).await.unwrap().len(), 1);
    assert!(stepped.app.step(at(2), exit(1)).is_err(), "the model takes it once, too");
}

#[tokio::test]
async fn who_asked() {
    let root = Root::new();
    let journal = root.open();
    journal.audit(at(1), 1000, Some("ann".into()), Some(&name()), "deploy 1.0.0".into()).await.unwrap();
    journal.audit(at(2), 0, None, None, "doctor".into()).await.unwrap();
    let audits = journal.audits(1).await.unwrap();
    assert_eq!((audits[0].uid, audits[0].what.as_str(), audits.len()), (0, "doctor", 1));
}

#[tokio::test]
async fn a_state_that_cannot_be_read_is_told_with_its_app() {
    let root = Root::new();
    let journal = root.open();
    journal.create(&App::new(name())).await.unwrap();
    root.sql().execute_batch("update app set state = '{'").unwrap();
    let error = journal.apps().await.unwrap_err();
    assert!(matches!(&error, JournalError::Record { what, .. } if what == "app beacon"), "{error}");
}

#[tokio::test]
async fn apps_come_in_the_order_in_which_they_were_registered() {
    let root = Root::new();
    let journal = root.open();
    for name in ["shop", "beacon", "shop", "cart"] {
        journal.create(&App::new(name.parse().unwrap())).await.unwrap();
    }
    drop(journal);
    let names: Vec<String> =
        root.open().apps().await.unwrap().into_iter().map(|app| app.name.to_string()).collect();
    assert_eq!(names, ["shop", "beacon", "cart"]);
}
