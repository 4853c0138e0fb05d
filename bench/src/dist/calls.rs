//! Calls: `erlang:node()` of one node, by us and by another node.

use std::time::Instant;

use anyhow::{Result, bail};
use beam::Term;
use dist::{Call, Node};
use tokio::task::JoinSet;

use super::Amount;
use super::scene::{PATIENCE, Scene, all_ms, ms};
use crate::figures::{Figures, tell};

/// How many call at once.
const AT_ONCE: u32 = 128;

/// Of one caller, in each round.
#[derive(Debug, Default)]
struct Caller {
    /// Calls a second, one after the other.
    sequential: Figures,
    /// What half of those took at most, ms.
    half_ms: Figures,
    /// Calls a second, so many at once.
    in_flight: Figures,
}

impl Caller {
    fn push(&mut self, sequential_ms: Vec<f64>, in_flight_ms: f64, amount: &Amount) {
        let seconds = sequential_ms.iter().sum::<f64>() / 1000.0;
        self.sequential.push(sequential_ms.len() as f64 / seconds);
        self.half_ms.push(Figures::from(sequential_ms).median());
        self.in_flight.push(f64::from(AT_ONCE * amount.each) * 1000.0 / in_flight_ms);
    }

    fn tell(&self, who: &str) {
        tell(&format!("{who}: calls/s, sequential"), &self.sequential);
        tell(&format!("{who}: median, ms"), &self.half_ms);
        tell(&format!("{who}: calls/s, {AT_ONCE} at once"), &self.in_flight);
    }
}

#[derive(Debug, Default)]
pub(super) struct Calls {
    ours: Caller,
    rpc: Caller,
    erpc: Caller,
    /// Small calls while a large answer comes, ms: their median, and the slowest.
    beside_half_ms: Figures,
    beside_worst_ms: Figures,
    /// The large answer from its call to its term, ms.
    large_ms: Figures,
}

impl Calls {
    /// Everybody in turn, another one first in each round.
    pub(super) async fn round(&mut self, scene: &Scene, amount: &Amount, round: u32) -> Result<()> {
        for turn in 0..3 {
            match (round + turn) % 3 {
                0 => self.ours(scene, amount).await?,
                1 => native(&mut self.rpc, "rpc", scene, amount).await?,
                _ => native(&mut self.erpc, "erpc", scene, amount).await?,
            }
        }
        self.beside_a_large_answer(scene, amount).await
    }

    async fn ours(&mut self, scene: &Scene, amount: &Amount) -> Result<()> {
        let node = &scene.target.node;
        let sequential = calls(node.clone(), amount.sequential).await?;
        let begin = Instant::now();
        let mut callers = JoinSet::new();
        for _ in 0..AT_ONCE {
            callers.spawn(calls(node.clone(), amount.each));
        }
        while let Some(caller) = callers.join_next().await {
            caller??;
        }
        self.ours.push(sequential, elapsed_ms(begin), amount);
        Ok(())
    }

    async fn beside_a_large_answer(&mut self, scene: &Scene, amount: &Amount) -> Result<()> {
        let (node, count) = (scene.target.node.clone(), amount.large);
        let rows = node.prepare("[{N, make_ref(), <<N:64>>} || N <- lists:seq(1, Count)]", PATIENCE).await?;
        let asks = node.clone();
        let begin = Instant::now();
        let large = tokio::spawn(async move {
            let answer = asks.eval(&rows, [("Count", Term::Integer(count.into()))], PATIENCE).await;
            (answer, elapsed_ms(begin))
        });
        let mut small = Vec::new();
        while !large.is_finished() {
            small.extend(calls(node.clone(), 1).await?);
        }
        let (answer, took_ms) = large.await?;
        if answer?.as_list().map(|rows| rows.len()) != usize::try_from(count).ok() {
            bail!("the large answer is not whole");
        }
        self.large_ms.push(took_ms);
        self.beside_worst_ms.push(small.iter().copied().fold(0.0, f64::max));
        self.beside_half_ms.push(Figures::from(small).median());
        Ok(())
    }

    /// Our calls beside `rpc:call/4`'s.
    pub(super) fn sequential_vs_native(&self) -> f64 {
        self.ours.sequential.paired(&self.rpc.sequential, |ours, native| ours / native).median()
    }

    /// Our calls beside `rpc:call/4`'s, many at once.
    pub(super) fn in_flight_vs_native(&self) -> f64 {
        self.ours.in_flight.paired(&self.rpc.in_flight, |ours, native| ours / native).median()
    }

    pub(super) fn tell(&self) {
        self.ours.tell("ours");
        self.rpc.tell("rpc:call");
        self.erpc.tell("erpc:call");
        tell("a large answer, ms", &self.large_ms);
        tell("small calls beside it: median, ms", &self.beside_half_ms);
        tell("small calls beside it: slowest, ms", &self.beside_worst_ms);
    }
}

/// How long each of so many calls took, ms. On a thread of the runtime, as in a daemon.
async fn calls(node: Node, count: u32) -> Result<Vec<f64>> {
    let calls = tokio::spawn(async move {
        let (call, expected) = (Call::new("erlang", "node", []), Term::atom(node.name().as_str()));
        let mut took = Vec::with_capacity(count as usize);
        for _ in 0..count {
            let begin = Instant::now();
            if node.call(&call, PATIENCE).await? != expected {
                bail!("a call had another answer than its own");
            }
            took.push(elapsed_ms(begin));
        }
        Ok(took)
    });
    calls.await?
}

async fn native(caller: &mut Caller, how: &str, scene: &Scene, amount: &Amount) -> Result<()> {
    let (how, target) = (Term::atom(how), Term::atom(scene.target.node.name().as_str()));
    let number = |number: u32| Term::Integer(number.into());
    let sequential = [how.clone(), target.clone(), number(amount.sequential)];
    let sequential = all_ms(&scene.caller.native("sequential", sequential).await?)?;
    let in_flight = [how, target, number(AT_ONCE), number(amount.each)];
    let in_flight = ms(&scene.caller.native("in_flight", in_flight).await?)?;
    caller.push(sequential, in_flight, amount);
    Ok(())
}

fn elapsed_ms(begin: Instant) -> f64 {
    begin.elapsed().as_secs_f64() * 1000.0
}
