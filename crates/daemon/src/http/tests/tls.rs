use api::event::Event;
use api::tls::{RotateTls, Tls};
use cli::Route;
use hyper::Method;

use super::world::{World, refused};

fn route() -> Route {
    Route::new(["tls"])
}

#[tokio::test]
async fn certificates_are_made_once_shown_and_rotated() {
    let world = World::new().await;
    let show = async || world.client.get::<Tls>(route()).await;
    assert_eq!(refused(show().await), ("no-tls".to_owned(), 409));
    let made: Tls = world.client.call(Method::POST, route()).await.unwrap();
    assert_eq!(refused(world.client.call::<Tls>(Method::POST, route()).await), ("tls-made".to_owned(), 409));
    assert_eq!(show().await.unwrap(), made);
    let [own] = made.certificates.as_slice() else { panic!("{made:?}") };
    assert_eq!((own.app.as_deref(), own.problem.as_deref()), (None, None));
    assert!(own.renewed_at.unwrap() < own.certificate.as_ref().unwrap().until);

    let rotate = async |authority| {
        let route = Route::new(["tls", "rotate"]);
        world.client.send::<_, Tls>(Method::POST, route, &RotateTls { authority }).await
    };
    let rotated = rotate(false).await.unwrap();
    assert_eq!(rotated.authority, made.authority);
    assert_ne!(rotated.certificates, made.certificates);
    let begun = rotate(true).await.unwrap();
    assert_eq!(begun.authority, made.authority, "it signs until the next one is trusted everywhere");
    assert!(begun.next.is_some());
    assert_eq!(refused(rotate(true).await), ("tls-under-way".to_owned(), 409));

    let events: Vec<Event> = world.client.get(Route::new(["events"])).await.unwrap();
    let told: Vec<&str> = events.iter().map(|event| event.text.as_str()).collect();
    assert!(events.iter().all(|event| event.app.is_none()), "{events:?}");
    assert!(told[0].starts_with("certificate of Bellrock itself for distribution made"), "{told:?}");
    assert_eq!(told[2..], ["new authority for distribution made: both are trusted"]);
}
