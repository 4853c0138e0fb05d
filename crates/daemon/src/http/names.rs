//! Names of users. The host may ask a directory service for them, which may be slow or away.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use tokio::sync::watch;

/// Whoever asks waits no longer than this; the uid alone says enough.
const PATIENCE: Duration = Duration::from_secs(1);

/// A name is looked up again after this time.
const FRESH: Duration = Duration::from_secs(300);

/// What the host says when it has answered.
type Answer = watch::Receiver<Option<Option<String>>>;

/// The names asked for so far. One per user of the socket: few.
pub(super) struct Names {
    lookup: fn(u32) -> Option<String>,
    asked: Mutex<BTreeMap<u32, (Instant, Answer)>>,
}

impl Names {
    /// As the host's databases have them.
    pub(super) fn of_host() -> Self {
        Names::by(host::users::name_of)
    }

    fn by(lookup: fn(u32) -> Option<String>) -> Self {
        Names { lookup, asked: Mutex::default() }
    }

    /// A user's name, unless there is none or it does not come in time.
    pub(super) async fn of(&self, uid: u32) -> Option<String> {
        let mut answer = self.ask(uid);
        let name = tokio::time::timeout(PATIENCE, answer.wait_for(Option::is_some)).await.ok()?.ok()?;
        (*name).clone().flatten()
    }

    /// Asks once for all that want to know.
    fn ask(&self, uid: u32) -> Answer {
        let mut asked = self.asked.lock().expect("nobody panics while holding it");
        if let Some((_, answer)) = asked.get(&uid).filter(|(at, _)| at.elapsed() < FRESH) {
            return answer.clone();
        }
        let (tell, answer) = watch::channel(None);
        let lookup = self.lookup;
        tokio::task::spawn_blocking(move || tell.send(Some(lookup(uid))));
        asked.insert(uid, (Instant::now(), answer.clone()));
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_is_looked_up_once() {
        fn told(uid: u32) -> Option<String> {
            static TIMES: Mutex<u32> = Mutex::new(0);
            let mut times = TIMES.lock().unwrap();
            *times += 1;
            Some(format!("{uid} for the {times}. time"))
        }
        let names = Names::by(told);
        let both = tokio::join!(names.of(7), names.of(7));
        let expected = Some("7 for the 1. time".to_owned());
        assert_eq!(both, (expected.clone(), expected));
    }

    #[tokio::test]
    #[allow(clippy::await_holding_lock, reason = "holding it is what makes the service hang")]
    async fn a_service_that_hangs_is_not_waited_for() {
        static HANGING: Mutex<u32> = Mutex::new(0);
        fn hangs(_: u32) -> Option<String> {
            drop(HANGING.lock());
            Some("ulf".into())
        }
        let names = Names::by(hangs);
        let guard = HANGING.lock().unwrap();
        let within = Duration::from_secs(10);
        let early = tokio::time::timeout(within, names.of(7)).await.expect("it gives up");
        assert_eq!(early, None);
        drop(guard);
        let late = async {
            loop {
                if let Some(name) = names.of(7).await {
                    return name;
                }
            }
        };
        assert_eq!(tokio::time::timeout(within, late).await.unwrap(), "ulf");
    }
}
