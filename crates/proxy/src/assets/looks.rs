//! The look-ups that a core has under way. A disk that hangs keeps each of them for as long as it does, also when nobody
//! waits for its result any more; so their number is bounded.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// Looking for a file takes no longer; then the 404 is passed on.
const LOOK: Duration = Duration::from_secs(5);

/// More than a healthy disk lets gather, and few enough that those who wait for the core's threads need no memory to
/// speak of.
const MOST: usize = 1024;

/// A core's look-ups.
#[derive(Debug)]
pub(crate) struct Looks(Arc<Semaphore>);

impl Default for Looks {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MOST)))
    }
}

impl Looks {
    /// Has one of the threads that may wait for a disk do this; `None`: it could not in time, or too much is under way.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        look: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let place = self.0.clone().try_acquire_owned().ok()?;
        let looking = spawn_blocking(move || {
            // Held until the look-up ends, not until its result is given up.
            let _place = place;
            look()
        });
        timeout(LOOK, looking).await.ok()?.ok()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn one_that_hangs_keeps_its_place_when_nobody_waits_for_it() {
        let looks = Looks(Arc::new(Semaphore::new(1)));
        assert_eq!(looks.run(|| 1).await, Some(1));
        let (end, wait) = mpsc::channel::<()>();
        let given_up = timeout(Duration::from_millis(1), looks.run(move || wait.recv().is_ok())).await;
        assert!(given_up.is_err());
        assert_eq!(looks.run(|| 2).await, None);
        end.send(()).unwrap();
        let place = timeout(Duration::from_secs(60), looks.0.acquire()).await.expect("it has ended").unwrap();
        drop(place);
        assert_eq!(looks.run(|| 3).await, Some(3));
    }
}
