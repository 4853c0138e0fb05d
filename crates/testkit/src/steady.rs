//! Steady looks at an app while something happens to it: how many places answer at each moment.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::app::{TestApp, get};

/// Between two rounds.
const ROUND: Duration = Duration::from_millis(50);

/// What was seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// Rounds made.
    pub rounds: u32,
    /// Fewest places that had an instance answering 200 in one round.
    pub fewest_places: usize,
    /// Requests that were answered, by the version that answered.
    pub answers: BTreeMap<String, u32>,
}

/// Asks every place of an app in rounds until told to stop.
#[derive(Debug)]
pub struct Steady {
    stop: Arc<AtomicBool>,
    task: JoinHandle<Seen>,
}

impl Steady {
    /// Begins. A place's ports are known from the settings: port + place − 1 in slot a, that + `max` in slot b.
    pub fn begin(app: &TestApp<'_>, places: u16, max: u16) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (told, port) = (stop.clone(), app.port);
        let task = tokio::spawn(async move {
            let mut seen = Seen { fewest_places: usize::MAX, ..Seen::default() };
            while !told.load(Ordering::Relaxed) {
                let round = (0..places).map(|place| ask(port + place, port + max + place));
                let answers = futures_util::future::join_all(round).await;
                let answered = answers.iter().filter(|versions| !versions.is_empty()).count();
                seen.fewest_places = seen.fewest_places.min(answered);
                seen.rounds += 1;
                for version in answers.into_iter().flatten() {
                    *seen.answers.entry(version).or_default() += 1;
                }
                tokio::time::sleep(ROUND).await;
            }
            seen
        });
        Steady { stop, task }
    }

    /// Ends; what was seen.
    ///
    /// # Panics
    /// When the asking itself panicked.
    pub async fn end(self) -> Seen {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.expect("it does not panic")
    }
}

/// Versions that answer in a place, whatever the slot.
async fn ask(slot_a: u16, slot_b: u16) -> Vec<String> {
    let (a, b) = tokio::join!(get(slot_a, "/"), get(slot_b, "/"));
    [a, b]
        .into_iter()
        .flatten()
        .filter(|(status, _)| status.is_success())
        .filter_map(|(_, body)| version(&body))
        .collect()
}

fn version(body: &str) -> Option<String> {
    let page: serde_json::Value = serde_json::from_str(body).ok()?;
    page.get("version")?.as_str().map(str::to_owned)
}
