//! Very many processes of one module, whose state is converted: by us in one node, by `release_handler` in another.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use beam::Term;
use dist::Node;
use host::lowering::{Told, Version, lower};
use hot::{Installer, Instructions, Outcome, Step};
use probe::Probe;
use testkit::made;
use testkit::nodes::{Running, SOON, World, eval, eval_with};
use testkit::release_handler::ReleaseHandler;
use upgrade::inventory::Release;
use upgrade::plan::{Direction, Plan, Verdict};
use upgrade::policy::Policy;

use crate::figures::Figures;
use crate::serving::ms;

/// Starts the processes, and measures how long they stand still.
const NATIVE: &str = include_str!("crowd.erl");

const APPLICATION: &str = "-behaviour(application).
    start(_, _) -> shop_sup:start_link().
    stop(_) -> ok.";
const SUPERVISOR: &str = "-behaviour(supervisor).
    start_link() -> supervisor:start_link({local, ?MODULE}, ?MODULE, []).
    init([]) -> {ok, {#{strategy => simple_one_for_one}, [#{id => counter, start => {counter, start_link, []}}]}}.";
const COUNTER: [&str; 2] = [
    "-behaviour(gen_server).
    start_link() -> gen_server:start_link(?MODULE, [], []).
    init([]) -> {ok, {counter, 0}}.
    handle_call(ping, _, {counter, N}) -> {reply, 1, {counter, N + 1}}.
    handle_cast(_, S) -> {noreply, S}.",
    "-behaviour(gen_server).
    start_link() -> gen_server:start_link(?MODULE, [], []).
    init([]) -> {ok, {counter, 0, 10}}.
    handle_call(ping, _, {counter, N, By}) -> {reply, 2, {counter, N + 1, By}}.
    handle_cast(_, S) -> {noreply, S}.
    code_change({down, _}, {counter, N, _}, _) -> {ok, {counter, N}};
    code_change(_, {counter, N}, _) -> {ok, {counter, N, 10}}.",
];

/// A version on disk.
struct Made {
    root: PathBuf,
    release: Release,
}

/// A node with its crowd, and what was measured there.
pub(super) struct Measured {
    node: Node,
    pub(super) figures: Times,
    _running: Running,
}

/// Of each upgrade, ms.
#[derive(Default)]
pub(super) struct Times {
    /// From its begin to its result, as who asks for it sees it.
    pub(super) wall: Figures,
    /// The longest that a process did not answer.
    pub(super) pause: Figures,
    /// What the installer says of that.
    pub(super) told: Figures,
    /// What it does before anybody stands still.
    pub(super) prepared: Figures,
    /// Looking at the end who uses the code before, and being told the result.
    pub(super) looked: Figures,
}

pub(super) struct Crowd {
    pub(super) ours: Measured,
    pub(super) theirs: Measured,
    installer: Installer,
    handler: ReleaseHandler,
    versions: [Made; 2],
    // last, as the nodes register with its epmd
    _world: World,
}

impl Crowd {
    pub(super) async fn gather(processes: u32) -> Result<Self> {
        let world = World::new().await;
        let (ours, theirs) = (
            Measured::start(&world, "ours", processes).await?,
            Measured::start(&world, "theirs", processes).await?,
        );
        let make = async |version: usize| -> Result<Made> {
            let modules = [("shop", APPLICATION), ("shop_sup", SUPERVISOR), ("counter", COUNTER[version])];
            let release = made::Release::new(&(version + 1).to_string(), Some("shop"), &modules);
            let root = release.write(&theirs.node, world.folder()).await;
            Ok(Made { release: package::inventory::read_folder(&root)?, root })
        };
        let versions = [make(0).await?, make(1).await?];
        for node in [&ours.node, &theirs.node] {
            made::boot(node, &versions[0].root, "1").await;
            eval_with(node, "crowd:gather(Count)", [("Count", Term::integer(i64::from(processes)))]).await;
        }
        let handler = ReleaseHandler::start(&theirs.node, world.folder(), &versions[0].root).await;
        let [old, new] = &versions;
        let (up, down) = (planned(old, new, Direction::Up)?, planned(new, old, Direction::Down)?);
        let booted = Release { version: handler.booted.clone(), ..old.release.clone() };
        let written = upgrade::relup::write(&booted, &new.release, &up, &down)?;
        handler.offer(&new.root, "2", &written.relup).await;
        let installer = Installer::new(Probe::new(ours.node.clone()));
        Ok(Self { ours, theirs, installer, handler, versions, _world: world })
    }

    /// Both go up and down, another one first in each round.
    pub(super) async fn round(&mut self, round: u32) -> Result<()> {
        for way in [Direction::Up, Direction::Down] {
            for turn in 0..2 {
                match (round + turn) % 2 {
                    0 => self.ours(way, &format!("{round} {way:?}")).await?,
                    _ => self.theirs(way).await?,
                }
            }
        }
        Ok(())
    }

    async fn ours(&mut self, way: Direction, id: &str) -> Result<()> {
        let [one, two] = &self.versions;
        let (old, new) = if way == Direction::Up { (one, two) } else { (two, one) };
        let instructions = lowered(id, old, new, way)?;
        self.ours.begin().await;
        let began = Instant::now();
        self.installer.begin(&instructions, SOON).await?;
        let progress = self.installer.wait(id, SOON).await?;
        let took = ms(began.elapsed());
        self.ours.end(took, way).await?;
        self.installer.acknowledge(id, SOON).await?;
        let at = |step: Step| progress.log.iter().find(|it| it.0 == step).map_or(0.0, |it| ms(it.1));
        self.ours.figures.prepared.push(at(Step::Suspend));
        self.ours.figures.looked.push(took - at(Step::Test));
        match progress.outcome {
            Some(Outcome::Installed(done)) if done.failure.is_none() => {
                self.ours.figures.told.push(ms(done.pause))
            }
            other => bail!("our install: {other:?}"),
        }
        Ok(())
    }

    async fn theirs(&mut self, way: Direction) -> Result<()> {
        let version = if way == Direction::Up { "2" } else { &self.handler.booted };
        self.theirs.begin().await;
        let began = Instant::now();
        self.handler.installs(version).await;
        self.theirs.end(ms(began.elapsed()), way).await
    }
}

impl Measured {
    async fn start(world: &World, name: &str, processes: u32) -> Result<Self> {
        let most = (2 * processes + 10_000).to_string();
        let (running, node) = world.connected(name, &["+P", &most]).await;
        let file = world.folder().join("crowd.erl");
        fs_err::write(&file, NATIVE)?;
        let load = "{ok, crowd, Code} = compile:file(File, [binary]), {module, crowd} = code:load_binary(crowd, File, Code), ok";
        eval_with(&node, load, [("File", Term::string(file.to_str().context("a name that is no text")?))])
            .await;
        Ok(Self { node, figures: Times::default(), _running: running })
    }

    async fn begin(&self) {
        eval(&self.node, "crowd:watch()").await;
    }

    async fn end(&mut self, took: f64, way: Direction) -> Result<()> {
        self.figures.wall.push(took);
        let version = if way == Direction::Up { 2 } else { 1 };
        let told = eval_with(&self.node, "crowd:told(Version)", [("Version", Term::integer(version))]).await;
        let longest_us =
            told.as_integer().with_context(|| format!("the crowd says {}", dist::shown(&told)))?;
        self.figures.pause.push(longest_us as f64 / 1000.0);
        Ok(())
    }
}

fn planned(old: &Made, new: &Made, way: Direction) -> Result<Plan> {
    let plan = upgrade::plan(&old.release, &new.release, &Policy { way, ..Policy::default() });
    if plan.verdict == Verdict::Full {
        bail!("the plan is not hot: {:?}", plan.findings);
    }
    Ok(plan)
}

fn lowered(id: &str, old: &Made, new: &Made, way: Direction) -> Result<Instructions> {
    let (from, to) = (
        Version { release: &old.release, root: &old.root },
        Version { release: &new.release, root: &new.root },
    );
    Ok(lower(id, &planned(old, new, way)?, from, to, &Told::default())?)
}
