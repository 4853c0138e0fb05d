//! A node with very many processes: which have done most, and what the question costs the node.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use beam::Term;
use probe::{By, Probe, TopPlan};

use super::Amount;
use super::scene::{PATIENCE, Reached, Scene, all_ms};
use crate::figures::{Figures, tell};

/// The question: all processes are looked at, as they are.
const PLAN: TopPlan =
    TopPlan { by: By::Reductions, most: 100, window: Duration::ZERO, looking: Duration::from_secs(10) };

/// Between two questions, as `bellrock top` asks.
const PAUSE: Duration = Duration::from_millis(500);

/// Of its messages within the node, one each ms.
#[derive(Default)]
struct Pings {
    half_ms: Figures,
    slow_ms: Figures,
}

impl Pings {
    fn push(&mut self, answer: &Term) -> Result<()> {
        let took = Figures::from(all_ms(answer)?);
        self.half_ms.push(took.median());
        self.slow_ms.push(took.quantile(0.99));
        Ok(())
    }
}

pub(super) struct Crowd<'a> {
    node: &'a Reached,
    probe: Probe,
    /// From question to answer, ms.
    top_ms: Figures,
    alone: Pings,
    asked: Pings,
}

impl<'a> Crowd<'a> {
    pub(super) async fn gather(scene: &'a Scene, amount: &Amount) -> Result<Self> {
        let node = &scene.crowded;
        node.native("crowd", [Term::Integer(amount.crowd.into())]).await?;
        let probe = Probe::new(node.node.clone());
        // the text is parsed with the first question of a connection
        let first = probe.top(&PLAN, PATIENCE).await?;
        if first.processes.len() != usize::from(PLAN.most) || first.seen < u64::from(amount.crowd) {
            bail!("{} of {} processes were looked at", first.seen, first.count);
        }
        let top_ms = Figures::default();
        Ok(Self { node, probe, top_ms, alone: Pings::default(), asked: Pings::default() })
    }

    pub(super) async fn round(&mut self, amount: &Amount) -> Result<()> {
        let pings = u128::from(amount.tops) * PAUSE.as_millis();
        let pings = || self.node.native("pings", [Term::Integer(pings as i64)]);
        self.alone.push(&pings().await?)?;
        let questions = async {
            let mut took = Vec::new();
            for _ in 0..amount.tops {
                let begin = Instant::now();
                self.probe.top(&PLAN, PATIENCE).await?;
                took.push(begin.elapsed().as_secs_f64() * 1000.0);
                tokio::time::sleep(PAUSE).await;
            }
            anyhow::Ok(took)
        };
        let (pings, took) = tokio::try_join!(pings(), questions)?;
        self.asked.push(&pings)?;
        self.top_ms.push(Figures::from(took).median());
        Ok(())
    }

    /// From question to answer.
    pub(super) fn top_ms(&self) -> f64 {
        self.top_ms.median()
    }

    pub(super) fn tell(&self) {
        tell("100 busiest processes, ms", &self.top_ms);
        tell("messages in the node: median, ms", &self.alone.half_ms);
        tell("  while it is asked: median, ms", &self.asked.half_ms);
        tell("messages in the node: p99, ms", &self.alone.slow_ms);
        tell("  while it is asked: p99, ms", &self.asked.slow_ms);
    }
}
