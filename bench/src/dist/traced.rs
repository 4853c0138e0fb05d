//! A busy function of a node is traced: what that costs the node, and how soon it is over when who traces is gone.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use beam::Term;
use dist::{Trace, TraceEvent, TracePlan};
use tokio::time::sleep;

use super::Amount;
use super::scene::{PATIENCE, Reached, Scene, all_ms};
use crate::figures::{Figures, tell};

/// Calls of the function in a millisecond.
const PER_MS: i64 = 200;

/// Between two looks whether anything is traced.
const LOOK: Duration = Duration::from_millis(2);

/// Whether a process of the node traces, or anything of it is left.
const IS_TRACED: &str = "whereis(bellrock_tracer) =/= undefined orelse
    erlang:trace_info({native, called, 1}, traced) =/= {traced, false} orelse
    [P || P <- processes(), {flags, [_ | _]} <- [erlang:trace_info(P, flags)]] =/= []";

pub(super) struct Traced<'a> {
    scene: &'a Scene,
    node: &'a Reached,
    alone_ms: Figures,
    traced_ms: Figures,
    ratio: Figures,
    /// Calls a second, thousands.
    calls: Figures,
    /// Lines that were told in a second.
    lines: Figures,
    gone_ms: Figures,
}

impl<'a> Traced<'a> {
    pub(super) fn new(scene: &'a Scene) -> Self {
        Traced {
            scene,
            node: &scene.target,
            alone_ms: Figures::default(),
            traced_ms: Figures::default(),
            ratio: Figures::default(),
            calls: Figures::default(),
            lines: Figures::default(),
            gone_ms: Figures::default(),
        }
    }

    /// The function is called all the time: messages in the node without a trace, then with one that never comes to its limit.
    pub(super) async fn round(&mut self, amount: &Amount) -> Result<()> {
        self.node.native("begin_calls", [Term::Integer(PER_MS)]).await?;
        let alone = self.slow_pings(amount).await?;
        let mut trace = self.node.node.trace(&plan(), PATIENCE).await?;
        let begin = Instant::now();
        let mut lines = 0_u32;
        let traced = tokio::select! {
            traced = self.slow_pings(amount) => traced?,
            end = take_all(&mut trace, &mut lines) => bail!("the trace ended: {end:?}"),
        };
        self.lines.push(f64::from(lines) / begin.elapsed().as_secs_f64());
        drop(trace);
        self.is_over().await?;
        self.vanish().await?;
        let calls = self.node.native("end_calls", []).await?;
        self.calls.push(calls.as_integer().context("calls are a number")? as f64 / 1000.0);
        self.alone_ms.push(alone);
        self.traced_ms.push(traced);
        self.ratio.push(traced / alone);
        Ok(())
    }

    /// p99 of messages within the node, ms.
    async fn slow_pings(&self, amount: &Amount) -> Result<f64> {
        let pings = self.node.native("pings", [Term::Integer(amount.traced.into())]).await?;
        Ok(Figures::from(all_ms(&pings)?).quantile(0.99))
    }

    /// Another connection traces and is cut, as by the end of its process.
    async fn vanish(&mut self) -> Result<()> {
        let name = self.node.node.name().name().to_owned();
        let other = self.scene.world.open(self.scene.world.target(&name));
        other.up(PATIENCE).await.context("the node does not take a second connection")?;
        let trace = other.trace(&plan(), PATIENCE).await?;
        let own = other.up(PATIENCE).await.context("the second connection is lost")?.own_name.clone();
        let begin = Instant::now();
        let cut = dist::Call::new("erlang", "disconnect_node", [Term::atom(own.as_str())]);
        self.node.node.call(&cut, PATIENCE).await?;
        self.is_over().await?;
        self.gone_ms.push(begin.elapsed().as_secs_f64() * 1000.0);
        drop(trace);
        Ok(())
    }

    /// Waits until nothing of a trace is left.
    async fn is_over(&self) -> Result<()> {
        let is_traced = self.node.node.prepare(IS_TRACED, PATIENCE).await?;
        let begin = Instant::now();
        while self.node.node.eval(&is_traced, [], PATIENCE).await? != Term::atom("false") {
            if begin.elapsed() > PATIENCE {
                bail!("something of a trace is left");
            }
            sleep(LOOK).await;
        }
        Ok(())
    }

    /// The node's p99 while it is traced, as a ratio to that without.
    pub(super) fn p99_ratio(&self) -> f64 {
        self.ratio.median()
    }

    pub(super) fn tell(&self) {
        tell("a function called, thousand times a second", &self.calls);
        tell("messages in the node: p99, ms", &self.alone_ms);
        tell("  while the function is traced: p99, ms", &self.traced_ms);
        tell("  as a ratio", &self.ratio);
        tell("  lines told a second", &self.lines);
        tell("who traces is gone: until nothing is traced, ms", &self.gone_ms);
    }
}

fn plan() -> TracePlan {
    TracePlan {
        module: "native".to_owned(),
        function: "called".to_owned(),
        arity: Some(1),
        returns: false,
        limit: u32::MAX,
        lasting: PATIENCE,
    }
}

/// Takes what is told, until the trace ends.
async fn take_all(trace: &mut Trace, lines: &mut u32) -> Option<TraceEvent> {
    loop {
        match trace.next().await {
            Some(TraceEvent::Traced(_)) => *lines += 1,
            Some(TraceEvent::Paused | TraceEvent::Dropped(_)) => {}
            end => return end,
        }
    }
}
