//! The proxy is killed: from SIGKILL until a client that comes then has its answer. Its shim holds the sockets and starts
//! it again, and it serves by its last routes.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use api::deployment::Phase;
use api::routes::ProxyState;
use clap::Args;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use testkit::{TempHost, wait_for};

use crate::figures::{Figures, tell};
use crate::serving::{ms, ms_until_serving, wait_for_end};

/// How long the proxy may take to be known as serving again; nothing of it is in the figures.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long it lives before it is killed, so that each death is its first: its shim backs off from those that follow at once.
const LIVES: Duration = Duration::from_millis(1_500);

#[derive(Args)]
pub struct Options {
    /// How often it is killed
    #[arg(long, default_value_t = 24)]
    rounds: u32,
}

pub async fn run(options: &Options) -> Result<()> {
    let host = TempHost::start().await;
    let app = host.app("beacon", "");
    app.deploy("beacon-base", Phase::Committed).await;
    let (mut ended, mut answered) = (Figures::default(), Figures::default());
    let mut before = None;
    for _ in 0..options.rounds {
        let proxy = wait_for("the proxy serves", PATIENCE, async || {
            let proxy = host.client().routes().await.ok()?.proxy;
            proxy.pid.filter(|pid| proxy.state == ProxyState::Serving && Some(*pid) != before)
        })
        .await;
        before = Some(proxy);
        tokio::time::sleep(LIVES).await;
        let port = host.http().port();
        let (end, answer) = tokio::task::block_in_place(|| ms_from_kill(proxy, port))?;
        ended.push(end);
        answered.push(answer);
    }
    tell("killed to ended, ms", &ended);
    tell("killed to the first answer, ms", &answered);
    println!("proxy-restart: answer_ms={:.1} kills={}", answered.median(), options.rounds);
    Ok(())
}

/// Milliseconds from SIGKILL until the process has ended, and until a request through its port is answered.
fn ms_from_kill(proxy: u32, port: u16) -> Result<(f64, f64)> {
    let pid = Pid::from_raw(i32::try_from(proxy)?).context("0 is no process")?;
    let pidfd = pidfd_open(pid, PidfdFlags::empty()).context("could not open the proxy's process")?;
    let since = Instant::now();
    pidfd_send_signal(&pidfd, Signal::KILL).context("could not kill the proxy")?;
    wait_for_end(&pidfd)?;
    Ok((ms(since.elapsed()), ms_until_serving(port, since)?))
}
