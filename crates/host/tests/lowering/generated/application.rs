//! An application made by chance, in two versions between which much differs and nothing is unsafe.

use std::fmt::Write;

use fastrand::Rng;
use testkit::made::{Application, Release};

/// Two versions of a release: an application whose name is of this pair alone, and mostly a second one.
pub(super) struct Pair {
    pub(super) name: String,
    pub(super) versions: [Release; 2],
    /// Servers that run in both versions: the names that they are registered by, and how their state is written, each version
    /// with the count in place of `N`.
    pub(super) kept: Vec<(String, [&'static str; 2])>,
}

/// Ways to keep a number.
const SHAPES: [&str; 4] = ["{st, N}", "{st, N, by}", "#{n => N}", "#{n => N, by => 7}"];
/// The same as patterns.
const PATTERNS: [&str; 4] = ["{st, N}", "{st, N, _}", "#{n := N}", "#{n := N, by := _}"];

impl Pair {
    pub(super) fn new(name: &str, rng: &mut Rng) -> Self {
        let mut parts = Parts::new(name, rng);
        let (mut one, mut two) = (Vec::new(), Vec::new());
        parts.libraries(&mut one, &mut two);
        parts.servers(&mut one, &mut two);
        parts.supervisors(&mut one, &mut two);
        let application = format!(
            "-behaviour(application).\nstart(_, _) -> {name}_sup:start_link().\nstop(_) -> ok.\nconfig_change(_, _, _) -> ok."
        );
        let versions = [("1", one), ("2", two)].map(|(version, mut modules)| {
            modules.push((name.to_owned(), application.clone()));
            let env = format!("[{{size, {}}}, {{own, {version}}}]", parts.rng.u8(0..3));
            let main = Application { modules, ..Application::new(name, version, Some(name), &[]) }.env(&env);
            let config = parts.configuration();
            // the release's folder is called by its version
            Release { version: format!("{name}.{version}"), applications: vec![main], ..Release::default() }
                .config(&config)
        });
        let kept = std::mem::take(&mut parts.kept);
        let mut pair = Self { name: name.to_owned(), versions, kept };
        pair.second(parts.rng);
        pair
    }

    /// A second application, which is there before, after, in both with or without another version, or never.
    fn second(&mut self, rng: &mut Rng) {
        let name = format!("{}x", self.name);
        let how = rng.u8(0..5);
        let (is_in, versions) = match how {
            0 => ([true, false], ["1", "1"]),
            1 => ([false, true], ["1", "1"]),
            2 => ([true, true], ["1", "1"]),
            3 => ([true, true], ["1", "2"]),
            _ => return,
        };
        let shapes = [rng.usize(0..4), rng.usize(0..4)];
        for (at, release) in self.versions.iter_mut().enumerate().filter(|(at, _)| is_in[*at]) {
            let server = format!("{name}_s");
            let supervisor = supervisor(&format!("{name}_sup"), 3, &[child("s", &server)]);
            let start =
                format!("-behaviour(application).\nstart(_, _) -> {name}_sup:start_link().\nstop(_) -> ok.");
            // conversions are of those that are in both
            let was = if at == 1 && is_in[0] { Some(shapes[0]) } else { None };
            let modules = [
                (name.clone(), start),
                (format!("{name}_sup"), supervisor),
                (server, self::server(&format!("{at}"), shapes[at], was)),
            ];
            let application = Application::new(&name, versions[at], Some(&name), &[]);
            release.applications.push(Application { modules: modules.into(), ..application });
        }
        if is_in == [true, true] {
            self.kept.push((format!("{name}_s"), shapes.map(|shape| SHAPES[shape])));
        }
    }

    /// Whether `release_handler` could tell its versions apart.
    pub(super) fn has_other_content_under_a_version(&self) -> bool {
        let [one, two] = self.versions.each_ref().map(|release| release.applications.get(1));
        matches!((one, two), (Some(one), Some(two)) if one.version == two.version)
    }
}

/// What a pair is made of as it grows.
struct Parts<'a> {
    name: &'a str,
    rng: &'a mut Rng,
    /// Libraries of both versions.
    libraries: [Vec<String>; 2],
    /// Children of the supervisor in each version.
    children: [Vec<String>; 2],
    kept: Vec<(String, [&'static str; 2])>,
}

type Modules = Vec<(String, String)>;

impl<'a> Parts<'a> {
    fn new(name: &'a str, rng: &'a mut Rng) -> Self {
        Self { name, rng, libraries: Default::default(), children: Default::default(), kept: Vec::new() }
    }

    /// Four to eight, some of them in one version only, which call each other.
    fn libraries(&mut self, one: &mut Modules, two: &mut Modules) {
        let count = self.rng.usize(4..=8);
        for number in 0..count {
            // the first three are always there
            let is_in = match self.rng.u8(0..6) {
                0 if number > 2 => [true, false],
                1 if number > 2 => [false, true],
                _ => [true, true],
            };
            for (_, libraries) in self.libraries.iter_mut().enumerate().filter(|(at, _)| is_in[*at]) {
                libraries.push(format!("{}_l{number}", self.name));
            }
        }
        let constants: Vec<u8> = (0..count).map(|_| self.rng.u8(1..9)).collect();
        for (at, modules) in [one, two].into_iter().enumerate() {
            for name in &self.libraries[at] {
                let number: usize = name.rsplit('l').next().and_then(|it| it.parse().ok()).unwrap_or(0);
                let constant =
                    if at == 1 && self.rng.bool() { self.rng.u8(10..19) } else { constants[number] };
                let other = &self.libraries[at][(number + 1) % self.libraries[at].len()];
                let mut text = format!("step() -> {constant}.\nnext(X) -> {other}:step() + X.\n");
                if at == 1 && self.rng.u8(0..3) == 0 {
                    let _ = writeln!(text, "more(X) -> [{other}:next(Y) || Y <- X].");
                }
                modules.push((name.clone(), text));
            }
        }
    }

    /// Three to five, some of which come or go; the first converts its state.
    fn servers(&mut self, one: &mut Modules, two: &mut Modules) {
        let count = self.rng.usize(3..=5);
        for number in 0..count {
            let name = format!("{}_s{number}", self.name);
            let is_in = match self.rng.u8(0..4) {
                0 if number > 1 => [true, false],
                1 if number > 1 => [false, true],
                _ => [true, true],
            };
            let before = self.rng.usize(0..4);
            let after = match number {
                0 => (before + self.rng.usize(1..4)) % 4,
                _ if self.rng.bool() => before,
                _ => self.rng.usize(0..4),
            };
            let step = |library: &String| format!("{library}:step()");
            let steps = [0, 1].map(|at: usize| step(&self.libraries[at][number % self.libraries[at].len()]));
            if is_in[0] {
                one.push((name.clone(), server(&steps[0], before, None)));
                self.children[0].push(child(&format!("s{number}"), &name));
            }
            if is_in[1] {
                let was = is_in[0].then_some(before).filter(|before| *before != after);
                two.push((name.clone(), server(&steps[1], after, was)));
                self.children[1].push(child(&format!("s{number}"), &name));
            }
            if is_in == [true, true] {
                self.kept.push((name, [SHAPES[before], SHAPES[after]]));
            }
        }
    }

    /// One at the top, one below it with workers of which some come and go.
    fn supervisors(&mut self, one: &mut Modules, two: &mut Modules) {
        let worker = format!("{}_w", self.name);
        let shape = self.rng.usize(0..4);
        for (at, modules) in [one, two].into_iter().enumerate() {
            let (first, last) = (self.rng.u8(0..4), self.rng.u8(4..9));
            let ids = (first..last).map(|id| {
                format!("#{{id => {{w, {id}}}, start => {{gen_server, start_link, [{worker}, [], []]}}}}")
            });
            let below =
                supervisor(&format!("{}_sub", self.name), self.rng.u8(1..9), &ids.collect::<Vec<_>>());
            modules.push((format!("{}_sub", self.name), below));
            modules.push((worker.clone(), server("1", shape, None)));
            let sub = format!("{}_sub", self.name);
            let children = &mut self.children[at];
            let place = self.rng.usize(0..=children.len());
            children.insert(
                place,
                format!("#{{id => sub, start => {{{sub}, start_link, []}}, type => supervisor}}"),
            );
            let top = supervisor(&format!("{}_sup", self.name), self.rng.u8(1..9), children);
            modules.push((format!("{}_sup", self.name), top));
        }
    }

    fn configuration(&mut self) -> String {
        let keys = ["colour", "taste", "port", "size"];
        let mut value = |key: &&str| self.rng.bool().then(|| format!("{{{key}, {}}}", self.rng.u8(0..4)));
        let taken: Vec<String> = keys.iter().filter_map(&mut value).collect();
        format!("[{{{}, [{}]}}]", self.name, taken.join(", "))
    }
}

fn child(id: &str, module: &str) -> String {
    format!("#{{id => {id}, start => {{{module}, start_link, []}}}}")
}

fn supervisor(name: &str, intensity: u8, children: &[String]) -> String {
    let children = children.join(",\n ");
    format!(
        "-behaviour(supervisor).\nstart_link() -> supervisor:start_link({{local, {name}}}, ?MODULE, []).\n\
         init([]) -> {{ok, {{#{{intensity => {intensity}, period => 9}}, [{children}]}}}}."
    )
}

/// Keeps a number in this shape; one that had another shape before converts it, and back.
fn server(step: &str, shape: usize, was: Option<usize>) -> String {
    let (made, matched) = (SHAPES[shape], PATTERNS[shape]);
    let mut text = format!(
        "-behaviour(gen_server).\n\
         start_link() -> gen_server:start_link({{local, ?MODULE}}, ?MODULE, [], []).\n\
         init([]) -> N = 0, {{ok, {made}}}.\n\
         handle_call({{set, N}}, _, {matched_any}) -> {{reply, {step}, {made}}};\n\
         handle_call(get, _, {matched} = S) -> {{reply, N, S}}.\n\
         handle_cast(_, S) -> {{noreply, S}}.\n",
        matched_any = matched.replace('N', "_"),
    );
    if let Some(was) = was {
        let _ = write!(
            text,
            "code_change({{down, _}}, {matched}, _) -> {{ok, {}}};\ncode_change(_, {}, _) -> {{ok, {made}}}.\n",
            SHAPES[was], PATTERNS[was]
        );
    }
    text
}
