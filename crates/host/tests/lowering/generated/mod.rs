//! For pairs of versions made by chance, a plan and then its inverse give back what was: code, children, configuration, states.
//!
//! `BELLROCK_TEST_SEED` sets where chance begins, which is told; with `BELLROCK_TEST_ALL=1` there are 200 pairs.

mod application;

use std::path::Path;

use beam::Term;
use fastrand::Rng;
use host::lowering::Told;
use testkit::made;
use testkit::nodes::{World, eval_with};
use testkit::release_handler::ReleaseHandler;
use upgrade::plan::{Direction, Verdict};

use crate::lab::{Lab, Way};
use crate::unpacked::Unpacked;
use application::Pair;

/// So many pairs are taken up and down by us, and so many of them by `release_handler` too.
const SOME: (u32, u32) = (12, 4);
/// All of them.
const ALL: (u32, u32) = (200, 60);

fn amount() -> (u32, u32) {
    if std::env::var_os("BELLROCK_TEST_ALL").is_some() { ALL } else { SOME }
}

fn seed() -> u64 {
    let told = std::env::var("BELLROCK_TEST_SEED").ok().and_then(|text| text.parse().ok());
    let seed = told.unwrap_or_else(|| fastrand::u64(0..1 << 32));
    eprintln!("BELLROCK_TEST_SEED={seed}");
    seed
}

/// A pair on disk.
struct Written {
    pair: Pair,
    versions: [Unpacked; 2],
}

impl Written {
    /// Made of the seed and its number alone, so that one of many can be looked at by itself.
    async fn new(lab: &Lab, seed: u64, number: u32, below: &Path) -> Self {
        let mut rng = Rng::with_seed(seed.wrapping_add(u64::from(number)));
        let pair = Pair::new(&format!("g{number}"), &mut rng);
        let [one, two] = &pair.versions;
        let versions = [lab.make(one, below).await, lab.make(two, below).await];
        Self { pair, versions }
    }

    /// Every module of either version.
    fn modules(&self) -> Vec<&str> {
        let releases = self.versions.iter().flat_map(|version| version.release.applications.values());
        let mut names: Vec<&str> = releases.flat_map(|it| it.modules.keys().map(String::as_str)).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    fn applications(&self) -> Vec<String> {
        vec![self.pair.name.clone(), format!("{}x", self.pair.name)]
    }

    /// Each kept server counts to a number of its own.
    async fn count(&self, lab: &Lab) {
        for (number, (server, _)) in self.pair.kept.iter().enumerate() {
            lab.text(&format!("gen_server:call({server}, {{set, {}}}), ok", number + 5)).await;
        }
    }

    /// What kept servers have as their states in a version, and who they are.
    async fn assert_states(&self, lab: &Lab, version: usize, pids: &str) {
        assert_eq!(lab.text(&self.pids()).await, pids, "{}: one was restarted", self.pair.name);
        for (number, (server, shapes)) in self.pair.kept.iter().enumerate() {
            let expected = shapes[version].replace('N', &(number + 5).to_string());
            let told = lab.text(&format!("sys:get_state({server}) =:= {expected}")).await;
            assert_eq!(told, "true", "{server} is not {expected}");
        }
    }

    fn pids(&self) -> String {
        let names: Vec<&str> = self.pair.kept.iter().map(|(server, _)| server.as_str()).collect();
        format!(
            "[whereis(Name) || Name <- [{}, {}_sup, {}_sub]]",
            names.join(", "),
            self.pair.name,
            self.pair.name
        )
    }

    /// All that makes a version what it is, as the node has it. Who runs is not in it: [`Self::assert_states`].
    async fn seen(&self, lab: &Lab) -> Vec<String> {
        let atoms = |names: Vec<&str>| Term::list(names.into_iter().map(Term::atom));
        let applications = self.applications();
        let variables = [
            ("Modules", atoms(self.modules())),
            ("Applications", atoms(applications.iter().map(String::as_str).collect())),
        ];
        let told = eval_with(&lab.node, include_str!("seen.txt"), variables).await;
        let lines = told.as_list().unwrap().into_owned();
        lines.iter().map(|line| String::from_utf8_lossy(line.as_binary().unwrap()).into_owned()).collect()
    }

    /// That what runs is what a start of that version would be.
    async fn assert_is(&self, lab: &Lab, version: usize) {
        for application in self.versions[version].release.applications.values() {
            for (name, module) in &application.modules {
                let text = format!(
                    "{{module, '{name}'}} = code:ensure_loaded('{name}'), string:lowercase(binary:encode_hex('{name}':module_info(md5)))"
                );
                assert_eq!(lab.text(&text).await, format!("<<\"{}\">>", module.digest), "{name}");
            }
        }
    }

    /// Takes it off the node.
    async fn forget(&self, lab: &Lab) {
        let atoms = |names: Vec<&str>| Term::list(names.into_iter().map(Term::atom));
        let applications = self.applications();
        let variables = [
            ("Modules", atoms(self.modules())),
            ("Applications", atoms(applications.iter().map(String::as_str).collect())),
            ("Folder", Term::string(self.versions[0].root.parent().and_then(Path::to_str).unwrap())),
        ];
        let text = "_ = [application:unset_env(App, Key, [{persistent, true}]) || App <- Applications, {Key, _} <- application:get_all_env(App)],
            _ = [{application:stop(App), application:unload(App)} || App <- Applications],
            _ = [begin code:purge(M), code:delete(M), code:purge(M) end || M <- Modules],
            _ = [code:del_path(Path) || Path <- code:get_path(), lists:prefix(Folder, Path)]";
        eval_with(&lab.node, text, variables).await;
    }
}

fn assert_same(seen: &[String], wanted: &[String], seed: u64, number: u32) {
    let differ: Vec<_> = seen.iter().zip(wanted).filter(|(seen, wanted)| seen != wanted).collect();
    assert!(seen.len() == wanted.len() && differ.is_empty(), "pair {number} of {seed}: {differ:#?}");
}

#[tokio::test]
async fn a_plan_and_its_inverse_give_back_what_was() {
    let world = World::new().await;
    let lab = Lab::new(&world, "generated", &[]).await;
    let seed = seed();
    let (pairs, _) = amount();
    let mut hot_with_care = 0;
    for number in 0..pairs {
        let it = Written::new(&lab, seed, number, world.folder()).await;
        let [one, two] = &it.versions;
        lab.boot(one).await;
        it.count(&lab).await;
        let (before, pids) = (it.seen(&lab).await, lab.text(&it.pids()).await);
        let up = Way::new(one, two, Direction::Up, &Told::default());
        lab.becomes_hot(&up).await;
        it.assert_is(&lab, 1).await;
        it.assert_states(&lab, 1, &pids).await;
        // as the new version is when it starts
        let between = it.seen(&lab).await;
        assert_ne!(between, before, "{number}");
        let down = Way::new(two, one, Direction::Down, &Told::default());
        lab.becomes_hot(&down).await;
        it.assert_is(&lab, 0).await;
        it.assert_states(&lab, 0, &pids).await;
        assert_same(&it.seen(&lab).await, &before, seed, number);
        it.forget(&lab).await;
        // and what the upgrade made of it is what a start makes of it
        lab.boot(two).await;
        assert_same(&between, &it.seen(&lab).await, seed, number);
        it.forget(&lab).await;
        hot_with_care += u32::from(up.plan.verdict == Verdict::Care);
    }
    eprintln!("{pairs} pairs there and back, {hot_with_care} of them with care");
}

#[tokio::test]
async fn release_handler_takes_the_relups_of_generated_pairs() {
    let world = World::new().await;
    let lab = Lab::new(&world, "relups", &[]).await;
    let seed = seed();
    let (_, pairs) = amount();
    let mut taken = 0;
    for number in 0.. {
        let it = Written::new(&lab, seed, number, world.folder()).await;
        if it.pair.has_other_content_under_a_version() {
            continue;
        }
        relup(&lab, &world, &it).await;
        taken += 1;
        if taken == pairs {
            break;
        }
    }
}

/// `systools` takes the appups, `release_handler` the relup, up and down.
async fn relup(lab: &Lab, world: &World, it: &Written) {
    let [one, two] = &it.versions;
    lab.boot(one).await;
    it.count(lab).await;
    let pids = lab.text(&it.pids()).await;
    let handler =
        ReleaseHandler::start(&lab.node, &world.folder().join(format!("{}.kept", it.pair.name)), &one.root)
            .await;
    let (up, down) = (
        Way::new(one, two, Direction::Up, &Told::default()).plan,
        Way::new(two, one, Direction::Down, &Told::default()).plan,
    );
    let mut booted = one.release.clone();
    booted.version.clone_from(&handler.booted);
    let written = upgrade::relup::write(&booted, &two.release, &up, &down).unwrap();
    for (name, text) in &written.appups {
        let folder = &two.release.applications[name].folder;
        fs_err::write(two.root.join(format!("{folder}/ebin/{name}.appup")), text).unwrap();
    }
    let path = |version: &Unpacked, below: &str| version.root.join(below).to_str().unwrap().to_owned();
    let rel =
        |version: &Unpacked| path(version, &format!("releases/{}/{}", version.release.version, made::NAME));
    let made = format!(
        "{{ok, Relup, systools_relup, Warnings}} =
            systools:make_relup({:?}, [{:?}], [{:?}], [noexec, silent, {{path, [{:?}, {:?}]}}]),
        {{Warnings, [length(Ways) || Ways <- tl(tuple_to_list(Relup))]}}",
        rel(two),
        rel(one),
        rel(one),
        path(two, "lib/*/ebin"),
        path(one, "lib/*/ebin"),
    );
    assert_eq!(lab.text(&made).await, "{[],[1,1]}", "{}", it.pair.name);

    handler.offer(&two.root, &two.release.version, &written.relup).await;
    handler.installs(&two.release.version).await;
    it.assert_is(lab, 1).await;
    it.assert_states(lab, 1, &pids).await;
    handler.installs(&handler.booted).await;
    it.assert_is(lab, 0).await;
    it.assert_states(lab, 0, &pids).await;
    handler.end().await;
    it.forget(lab).await;
}
