//! Nodes of the installed OTP, and our connections to them.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use beam::Term;
use dist::{Call, Node};
use testkit::nodes::{Running, World};

/// What the nodes do and measure for us.
const NATIVE: &str = include_str!("native.erl");

/// For whatever a node is asked to do: some seconds of work.
pub(super) const PATIENCE: Duration = Duration::from_secs(300);

/// A node and our connection to it.
pub(super) struct Reached {
    pub(super) node: Node,
    _running: Running,
}

/// ```text
/// caller ── native calls ──▶ target ◀── our calls ── this process ── our questions ──▶ crowded
/// ```
pub(super) struct Scene {
    /// Is called.
    pub(super) target: Reached,
    /// Calls, and decodes.
    pub(super) caller: Reached,
    /// Has many processes.
    pub(super) crowded: Reached,
    // last, as the nodes register with its epmd
    pub(super) world: World,
}

impl Scene {
    pub(super) async fn start() -> Result<Self> {
        let world = World::new().await;
        let file = world.folder().join("native.erl");
        fs_err::write(&file, NATIVE)?;
        let file = file.to_str().context("the folder's name is no text")?;
        let target = Reached::start(&world, "target", file).await?;
        let caller = Reached::start(&world, "caller", file).await?;
        let crowded = Reached::start(&world, "crowded", file).await?;
        let connect = Call::new("net_kernel", "connect_node", [Term::atom(target.node.name().as_str())]);
        if caller.node.call(&connect, PATIENCE).await? != Term::atom("true") {
            bail!("the native nodes do not connect");
        }
        Ok(Self { target, caller, crowded, world })
    }
}

impl Reached {
    async fn start(world: &World, name: &str, file: &str) -> Result<Self> {
        let (running, node) = world.connected(name, &["+P", "500000"]).await;
        let load = "{ok, native, Code} = compile:file(File, [binary]),
            {module, native} = code:load_binary(native, File, Code), ok";
        let prepared = node.prepare(load, PATIENCE).await?;
        node.eval(&prepared, [("File", Term::string(file))], PATIENCE).await?;
        Ok(Self { node, _running: running })
    }

    /// A function of `native.erl`.
    pub(super) async fn native(
        &self,
        function: &str,
        arguments: impl IntoIterator<Item = Term>,
    ) -> Result<Term> {
        Ok(self.node.call(&Call::new("native", function, arguments), PATIENCE).await?)
    }
}

/// A number of nanoseconds, as ms.
pub(super) fn ms(answer: &Term) -> Result<f64> {
    let ns = answer.as_integer().with_context(|| format!("a node answered {answer:?}, no time"))?;
    Ok(ns as f64 / 1e6)
}

/// A list of nanoseconds, as ms.
pub(super) fn all_ms(answer: &Term) -> Result<Vec<f64>> {
    let list = answer.as_list().with_context(|| format!("a node answered {answer:?}, no times"))?;
    list.iter().map(ms).collect()
}
