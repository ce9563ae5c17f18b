//! `prelit webhook`: the environment into settings, a runtime, and the webhook in it.

use super::args::Webhook;
use super::{Exit, doors};
use crate::api::settings::{read_environment, unknown_in_environment};
use crate::render::{Failure, Failures};
use crate::webhook::api_server;
use crate::webhook::logging::{Level, log_panic};
use crate::webhook::registration::uninstall::uninstall;
use crate::webhook::run::{Replica, Trouble, run as run_webhook};
use crate::webhook::telemetry::Plan;
use kube::Client;
use time::OffsetDateTime;
use tokio::runtime::Builder;

/// Opens the door, until the process is told to end.
///
/// # Errors
///
/// Everything that is wrong with the settings, no cluster, and ports that are taken.
pub fn run(arguments: &Webhook) -> Result<Exit, Failures> {
    let variables = std::env::vars_os();
    let variables: Vec<(String, String)> =
        variables.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))).collect();
    let unknown = unknown_in_environment(variables.iter().map(|(name, _)| name.as_str()));
    let settings = read_environment(variables.into_iter())
        .map_err(|problems| Failures(problems.iter().map(|problem| Failure::new(problem.to_string())).collect()))?;
    let failed = |error: &dyn std::fmt::Display| doors::error(&format!("webhook: {error}"));
    let runtime = Builder::new_multi_thread().enable_all().build().map_err(|error| failed(&error))?;
    if arguments.uninstall {
        let done = runtime.block_on(async {
            let config = api_server::config().await.map_err(|error| failed(&Trouble::from(error)))?;
            let client = Client::try_from(config).map_err(|error| failed(&Trouble::from(error)))?;
            uninstall(client, &settings.webhook, OffsetDateTime::now_utc()).await.map_err(|error| failed(&error))
        })?;
        doors::print(format!("{}\n", done.join("\n")).as_bytes())?;
        return Ok(Exit::Done);
    }
    let name = |variable| std::env::var(variable).ok().filter(|name| !name.is_empty());
    let identity =
        name("POD_NAME").or_else(|| name("HOSTNAME")).unwrap_or_else(|| format!("prelit-{}", std::process::id()));
    let replica = Replica { identity, uid: name("POD_UID"), address: arguments.bind };
    let telemetry = Plan::new(&settings.webhook, &replica.identity)
        .map_err(|troubles| Failures(troubles.iter().map(|trouble| Failure::new(trouble.to_string())).collect()))?;
    let level = Level::begin(settings.webhook.log_level);
    std::panic::set_hook(Box::new(log_panic));
    for problem in unknown {
        tracing::warn!(variable = problem.name, "{}", problem.message);
    }
    runtime.block_on(run_webhook(settings, replica, level, telemetry)).map_err(|error| failed(&error))?;
    Ok(Exit::Done)
}
