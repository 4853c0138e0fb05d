//! `routes`

use api::AppName;
use api::query::RoutesQuery;
use api::routes::{Proxy, ProxyState, Route as AppRoute, RoutedInstance, RoutedState, Routes};

use super::Context;
use crate::client::Route;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{ALARM, GOOD, STRONG, WARNING, styled};
use crate::table::{Cell, Row, lines};
use crate::traffic;

/// Shows what the proxy serves where, which instances get requests, and why others get none.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only this app.
    #[arg(value_name = "APP")]
    app: Option<AppName>,
}

pub(super) async fn run(context: &Context<'_>, args: Args) -> Result<Exit, Failure> {
    let query = RoutesQuery { app: args.app.map(|app| app.to_string()) };
    let routes: Routes = context.client.get(Route::new(["routes"]).query(&query)).await?;
    context.output.data(&routes, text);
    Ok(Exit::Ok)
}

/// The proxy, then each app with its instances.
pub(super) fn text(routes: &Routes) -> String {
    let mut text = proxy(&routes.proxy);
    if routes.routes.is_empty() {
        text.push("no app is served yet".to_owned());
    }
    let heads: Vec<Row> = routes.routes.iter().map(head).collect();
    let instances: Vec<Row> = routes.routes.iter().flat_map(|it| it.instances.iter().map(instance)).collect();
    let mut instances = lines(&instances).into_iter();
    for (route, head) in routes.routes.iter().zip(lines(&heads)) {
        text.push(head);
        text.extend(remarks(route).map(|remark| format!("  {}", styled(WARNING, &remark))));
        for it in &route.instances {
            text.extend(instances.next().map(|line| format!("  {line}")));
            text.extend(it.why.as_ref().map(|why| format!("       {}", styled(WARNING, why))));
        }
    }
    text.join("\n")
}

fn proxy(proxy: &Proxy) -> Vec<String> {
    let style = match proxy.state {
        ProxyState::Serving => GOOD,
        ProxyState::Failing => ALARM,
        _ => WARNING,
    };
    let mut facts = vec![format!("proxy  {}", styled(style, proxy.state.word()))];
    let address =
        |it: &api::routes::Listener| format!("{}{}", it.address, if it.tls { " (tls)" } else { "" });
    if !proxy.listeners.is_empty() {
        facts.push(proxy.listeners.iter().map(address).collect::<Vec<_>>().join(", "));
    }
    facts.extend(proxy.connections.map(|open| plural(open, "connection", "connections")));
    let line = facts.join("   ");
    [line].into_iter().chain(proxy.why.as_ref().map(|why| format!("  {}", styled(style, why)))).collect()
}

fn head(route: &AppRoute) -> Row {
    let list = |names: &[String], all: &str| if names.is_empty() { all.to_owned() } else { names.join(", ") };
    vec![
        Cell::from(route.app.clone()).style(STRONG),
        list(&route.hosts, "any host").into(),
        list(&route.paths, "all paths").into(),
        route.traffic.as_ref().map(traffic::words).unwrap_or_default().into(),
    ]
}

fn remarks(route: &AppRoute) -> impl Iterator<Item = String> {
    let panic = route.panic.then(|| {
        "all instances fail at once: requests go to all of them nevertheless (their logs say more)".to_owned()
    });
    let held = (route.held > 0).then(|| {
        format!("{} until an instance is ready", plural(route.held, "request waits", "requests wait"))
    });
    panic.into_iter().chain(held).chain(route.remarks.clone())
}

fn instance(instance: &RoutedInstance) -> Row {
    let style = match instance.state {
        RoutedState::Serving => GOOD,
        RoutedState::Down => ALARM,
        _ => WARNING,
    };
    let in_flight = instance.traffic.map_or(0, |traffic| traffic.in_flight);
    let mut row = vec![
        Cell::from(instance.place.to_string()),
        format!("i{}", instance.instance).into(),
        Cell::from(instance.state.word()).style(style),
        format!("v{}", instance.version).into(),
        instance.address.clone().unwrap_or_default().into(),
        match instance.state {
            RoutedState::Unrouted => Cell::default(),
            _ => Cell::figure(format!("{in_flight} in flight")),
        },
    ];
    row.extend(traffic::cells(instance.traffic.as_ref()));
    row
}

fn plural(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
