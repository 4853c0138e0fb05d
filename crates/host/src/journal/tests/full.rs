//! A disk without room: what is wanted is refused with the way out, and what is remembered can be read.

use super::*;

#[tokio::test]
async fn a_full_disk_is_told_with_its_folder_what_is_free_and_what_to_do() {
    let root = Root::new();
    let journal = root.open();
    let no_room = |connection: &mut Connection| {
        let pages: i64 = connection.query_row("pragma page_count", [], |row| row.get(0)).unwrap();
        connection.pragma_update(None, "max_page_count", pages).unwrap();
        Ok(())
    };
    journal.writer.run(no_room).await.unwrap();
    let refused = loop {
        match journal.next_deployment(&name()).await {
            Ok(_) => {}
            Err(refused) => break refused,
        }
    };
    let JournalError::Full { folder, free_bytes, .. } = &refused else { panic!("{refused:?}") };
    assert_eq!(folder, root.0.path());
    assert!(*free_bytes > 0, "the test's own disk has room");
    let told = refused.to_string();
    assert!(told.contains("are free on the disk of") && told.contains("lower keep_versions"), "{told}");
    assert_eq!(journal.apps().await.unwrap(), []);
}
