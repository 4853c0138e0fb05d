//! `top`

mod live;

use std::time::Duration;

use api::human;
use api::observation::{NodeTop, NodeUsed, TopBy, TopProcess, TopQuery};
use clap::ValueEnum;

use super::Context;
use super::target::Target;
use crate::client::Route;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::table::{Cell, Row, table};
use crate::time::{parse_span, span_ms};

/// Shows what the node of an instance does: schedulers, memory, the busiest processes.
///
/// It is computed in the node, which is asked once in the time of --every. Keys: r, m and q (reductions, memory, mailbox)
/// choose by what processes are chosen; Ctrl-C or Escape leaves. Without a terminal it is printed once.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The app, or one of its places: `shop/2`.
    #[arg(value_name = "APP[/INSTANCE]")]
    target: Target,

    /// By what processes are chosen.
    #[arg(long, value_name = "WHAT", default_value = "reductions")]
    by: By,

    /// How many processes.
    #[arg(long, short = 'n', value_name = "N", default_value_t = 20)]
    most: u16,

    /// Over which time load and work are measured: 100 ms to 10 s.
    #[arg(long, value_name = "TIME", default_value = "1 s")]
    every: String,

    /// Prints it once, as plain text.
    #[arg(long)]
    once: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum By {
    /// Work done.
    Reductions,
    /// Memory taken.
    Memory,
    /// Messages that wait.
    Mailbox,
}

impl From<By> for TopBy {
    fn from(by: By) -> TopBy {
        match by {
            By::Reductions => TopBy::Reductions,
            By::Memory => TopBy::Memory,
            By::Mailbox => TopBy::Mailbox,
        }
    }
}

pub(super) async fn run(context: &Context<'_>, args: Args) -> Result<Exit, Failure> {
    let window = parse_span(&args.every).map_err(Failure::Usage)?;
    let query = TopQuery {
        place: args.target.place,
        by: args.by.into(),
        most: Some(args.most),
        window_ms: Some(u64::try_from(window.as_millis()).unwrap_or(u64::MAX)),
    };
    let asked = Asked { context, target: args.target, query };
    if !args.once && context.output.is_lively() {
        return live::run(asked).await;
    }
    let top = asked.ask().await?;
    context.output.data(&top, |top| text(top, &asked.target));
    Ok(Exit::Ok)
}

/// What is asked again and again.
struct Asked<'a> {
    context: &'a Context<'a>,
    target: Target,
    query: TopQuery,
}

impl Asked<'_> {
    async fn ask(&self) -> Result<NodeTop, Failure> {
        let route = Route::app(&self.target.app, &["top"]).query(&self.query);
        self.context.client.get(route).await
    }
}

/// All of it.
pub(super) fn text(top: &NodeTop, target: &Target) -> String {
    format!(
        "{}\n\n{}",
        head(top, target).join("\n"),
        table(&heading(top.by), rows(top), "no process has any")
    )
}

/// What is told of the node as a whole.
fn head(top: &NodeTop, target: &Target) -> Vec<String> {
    let elixir = top.elixir.as_ref().map_or_else(String::new, |version| format!(", Elixir {version}"));
    let each: Vec<String> = top.schedulers.iter().map(|part| percent(*part)).collect();
    let all = top.schedulers.iter().sum::<f64>() / top.schedulers.len().max(1) as f64;
    let mut lines = vec![
        format!(
            "{}/{}  {}  OTP {}, ERTS {}{elixir}  up {}",
            target.app,
            top.place,
            top.node,
            top.otp,
            top.erts,
            span_ms(top.uptime_ms)
        ),
        format!(
            "schedulers  {} % ({})  run queue {}  work {}/s",
            percent(all),
            each.join(" "),
            top.run_queue,
            many(top.reductions_per_s)
        ),
    ];
    lines.extend(top.memory.map(|memory| {
        let [total, processes, binary, ets, code, atom] = [memory.total_bytes, memory.processes_bytes,
            memory.binary_bytes, memory.ets_bytes, memory.code_bytes, memory.atom_bytes].map(human::bytes);
        format!("memory      {total}  processes {processes}, binaries {binary}, ETS {ets}, code {code}, atoms {atom}")
    }));
    lines.push(format!(
        "processes   {}  ports {}  atoms {}  ETS tables {}",
        used(top.processes),
        used(top.ports),
        used(top.atoms),
        top.ets_tables.count
    ));
    if top.seen < top.processes.count.saturating_sub(1) {
        lines.push(format!("only {} processes were looked at: there was no time for more", top.seen));
    }
    lines
}

fn heading(by: TopBy) -> [&'static str; 6] {
    let number = match by {
        TopBy::Reductions => "work",
        TopBy::Memory | TopBy::Mailbox => "",
    };
    ["pid", number, "memory", "mailbox", "name", "is in"]
}

fn rows(top: &NodeTop) -> Vec<Row> {
    let row = |process: &TopProcess| -> Row {
        let number = match top.by {
            TopBy::Reductions => many(process.number),
            TopBy::Memory | TopBy::Mailbox => String::new(),
        };
        vec![
            process.pid.clone().into(),
            Cell::figure(number),
            Cell::figure(human::bytes(process.memory_bytes)),
            Cell::figure(process.messages.to_string()),
            process.name.clone().or_else(|| process.initial_call.clone()).unwrap_or_default().into(),
            process.current_function.clone().unwrap_or_default().into(),
        ]
    };
    top.top.iter().map(row).collect()
}

fn percent(part: f64) -> String {
    format!("{:.0}", part * 100.0)
}

fn used(used: NodeUsed) -> String {
    let NodeUsed { count, limit } = used;
    format!("{count} ({} %)", count.saturating_mul(100) / limit.max(1))
}

/// A large number in few figures.
fn many(number: u64) -> String {
    match number {
        0..10_000 => number.to_string(),
        10_000..10_000_000 => format!("{} k", number / 1_000),
        _ => format!("{} M", number / 1_000_000),
    }
}

/// How long the picture stays when the node does not answer.
const AGAIN: Duration = Duration::from_secs(1);
