//! `firstlight cluster`: how a cluster is reached, who leads it and what is known of that scheduler. Changes nothing.

use std::fmt::Write as _;

use super::{
    args::EndsWith,
    place::{self, ClusterRef},
};
use crate::{
    aurora::{
        client::{Client, LeaderHealth},
        vars::Vars,
        version::{Feature, Support},
    },
    exit::Exit,
    hosts::clean,
};

/// What it prints. An answer of another cluster ends it.
pub fn cluster(name: &str) -> anyhow::Result<String> {
    let found = place::cluster(name)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(look(&found))
}

async fn look(cluster: &ClusterRef) -> anyhow::Result<String> {
    let mut text = String::new();
    let mut line = |what: &str, said: &str| writeln!(text, "{what:<14} {}", clean::line(said.as_bytes()));
    line("cluster", &format!("{}, by {}", cluster.name(), cluster.file()))?;
    if let Some(master) = cluster.master_url() {
        line("master", &master)?;
    }
    let (client, how) = cluster.leader().await?;
    line("scheduler", &format!("{} ({how})", client.base_url()))?;
    line("release", &client.version().to_string())?;
    let vars = client.vars().await?;
    line("state", &vars.lifecycle().map_or_else(|why| why.to_string(), |state| state.to_string()))?;
    line("/leaderhealth", leader_health(&client).await)?;
    let (storage, answers_as) = storage(&client, &vars).await;
    line("storage", &storage)?;
    line("answers as", answers_as.as_deref().unwrap_or("it does not say"))?;
    line("reads", if client.version().has(Feature::BinaryProtocol) == Support::Yes { "TBinary" } else { "TJSON" })?;
    match answers_as {
        Some(other) if other != cluster.name() => {
            let why = format!(
                "the scheduler belongs to cluster {other:?}, not to {}; nothing else was asked",
                cluster.name()
            );
            Err(EndsWith { exit: Exit::Differs, why: clean::line(why.as_bytes()) }.into())
        }
        _ => Ok(text),
    }
}

async fn leader_health(client: &Client) -> &'static str {
    match client.leader_health().await {
        Ok(LeaderHealth::Leads) => "it is advertised as the leader",
        Ok(LeaderHealth::Follows) => "another one is advertised as the leader",
        Ok(LeaderHealth::NoLeader) => "nobody is advertised",
        Ok(LeaderHealth::NotThere) => "the release has no such page",
        Err(_) => "no answer",
    }
}

/// Whether the storage answers, and the name of the cluster in the answer; where there is none, the name on the command line.
async fn storage(client: &Client, vars: &Vars) -> (String, Option<String>) {
    match client.get_role_summary().await {
        Ok(answer) => (format!("answers: {} roles", answer.value.len()), answer.cluster_name),
        Err(error) => {
            let flags = vars.flags();
            let name = flags.as_ref().and_then(|flags| flags.get("cluster_name")).map(str::to_owned);
            (error.to_string(), name)
        }
    }
}
