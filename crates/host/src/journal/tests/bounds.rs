//! Old rows go, the newest stay.

use super::super::write::{
    MOST_AUDITS, MOST_DEPLOYMENTS, MOST_EVENTS, MOST_EXITS, MOST_TURNS, MOST_UNUSED_NUMBERS, TRIM_EVERY,
};
use super::*;

/// Rows numbered from 1, as a statement's source.
fn numbers(most: u32) -> String {
    format!("with recursive n(i) as (select 1 union all select i + 1 from n where i < {most})")
}

#[tokio::test]
async fn every_table_that_grows_is_trimmed_to_its_newest_rows() {
    let root = Root::new();
    let journal = root.open();
    let app = App::new(name());
    journal.create(&app).await.unwrap();
    // One turn before the trim is due.
    let turns = u32::try_from(TRIM_EVERY).unwrap() * 20 - 1;
    let fill = [
        format!("insert into turn (at, app, event) {} select i, 'beacon', '{{}}' from n", numbers(turns)),
        format!(
            "insert into event (at, app, record) {} select i, 'beacon', '{{}}' from n",
            numbers(MOST_EVENTS + 50)
        ),
        format!("insert into audit (at, uid, what) {} select i, 0, 'x' from n", numbers(MOST_AUDITS + 50)),
        format!(
            "insert into exit (app, instance, run, place, at, record) {} select 'beacon', 1, i, 1, i, '{{}}' from n",
            numbers(MOST_EXITS + 50)
        ),
    ];
    for statement in fill {
        root.sql().execute(&statement, []).unwrap();
    }
    let newest_event: i64 = i64::from(MOST_EVENTS) + 50;
    commit(&journal, &app, 1, set(1)).await;

    let bounds = [("turn", MOST_TURNS), ("event", MOST_EVENTS), ("audit", MOST_AUDITS), ("exit", MOST_EXITS)];
    for (table, most) in bounds {
        assert_eq!(root.count(table), i64::from(most), "{table}");
    }
    let newest = journal.events(Listing { after: Some(newest_event), ..all() }).await.unwrap();
    assert!(!newest.is_empty(), "the turn that trims keeps its own events");
    let oldest: i64 = root.sql().query_row("select min(at) from exit", [], |row| row.get(0)).unwrap();
    assert_eq!(oldest, 51);
}

#[tokio::test]
async fn exits_of_one_moment_are_trimmed_too() {
    let root = Root::new();
    let journal = root.open();
    let app = App::new(name());
    journal.create(&app).await.unwrap();
    let turns = u32::try_from(TRIM_EVERY).unwrap() - 1;
    root.sql()
        .execute(
            &format!("insert into turn (at, app, event) {} select i, 'b', '{{}}' from n", numbers(turns)),
            [],
        )
        .unwrap();
    let sql = format!(
        "insert into exit (app, instance, run, place, at, record) {} select 'b', 1, i, 1, 7, '{{}}' from n",
        numbers(MOST_EXITS * 2)
    );
    root.sql().execute(&sql, []).unwrap();
    commit(&journal, &app, 1, set(1)).await;
    assert_eq!(root.count("exit"), i64::from(MOST_EXITS));
}

#[tokio::test]
async fn numbers_of_wishes_are_dropped_and_never_given_twice() {
    let root = Root::new();
    let journal = root.open();
    let wishes = u32::try_from(TRIM_EVERY).unwrap() * 10 - 1;
    let record = |at: u32| format!("insert into deployment (id, app, record) values ({at}, 'quiet', '{{}}')");
    root.sql().execute(&record(1), []).unwrap();
    let busy = format!(
        "insert into deployment (app, record) {} select 'busy', '{{}}' from n",
        numbers(MOST_DEPLOYMENTS + 10)
    );
    root.sql().execute(&busy, []).unwrap();
    let unused = format!(
        "insert into deployment (app) {} select 'busy' from n",
        numbers(wishes - MOST_DEPLOYMENTS - 11)
    );
    root.sql().execute(&unused, []).unwrap();
    let next = journal.next_deployment(&name()).await.unwrap();
    assert_eq!(next, DeploymentId(u64::from(wishes) + 1), "the wish at which old rows go");

    let count = |condition: &str| -> u32 {
        let sql = format!("select count(*) from deployment where {condition}");
        root.sql().query_row(&sql, [], |row| row.get(0)).unwrap()
    };
    assert_eq!(count("app = 'quiet'"), 1, "another app's deployments do not push it out");
    assert_eq!(count("app = 'busy' and record is not null"), MOST_DEPLOYMENTS);
    assert_eq!(count("record is null"), MOST_UNUSED_NUMBERS);
    root.sql().execute("delete from deployment", []).unwrap();
    assert_eq!(journal.next_deployment(&name()).await.unwrap(), DeploymentId(next.0 + 1));
}
