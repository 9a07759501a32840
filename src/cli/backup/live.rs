//! What a live scheduler says of its tasks, jobs, quotas, updates and hosts: reads only, and only what is asked to be compared.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    aurora::{
        brief::TaskBrief,
        client::{Client, ClientOptions},
        types::{JobUpdateQuery, MaintenanceMode, TaskQuery},
        version::AuroraVersion,
    },
    impact::{BackupSide, Master, SchedulerSide, TaskTable},
};

/// Longest time for one call: a large cluster's tasks are some hundred megabytes.
const CALL_TIME: Duration = Duration::from_mins(3);
/// Longest silence within one.
const SILENCE: Duration = Duration::from_secs(30);
/// Roles whose quotas are asked for, one call each.
const ROLES_MAX: usize = 500;
/// Hosts whose maintenance is asked for.
const HOSTS_MAX: usize = 20_000;

/// The first of these that leads and is ready, if any does. One of another cluster is as good as none.
pub(super) async fn scheduler(
    backup: &BackupSide,
    master: &Master,
    urls: &[String],
    cluster: Option<&str>,
) -> Option<SchedulerSide> {
    for url in urls {
        let options = ClientOptions { read_timeout: SILENCE, total_timeout: CALL_TIME, ..ClientOptions::default() };
        let Ok(client) = Client::new(url, options) else { continue };
        let Ok(client) = client.discover().await else { continue };
        // Answered only by a scheduler whose storage is ready: the leader.
        let Ok(roles) = client.get_role_summary().await else { continue };
        if cluster.is_some() && roles.cluster_name.is_some() && roles.cluster_name.as_deref() != cluster {
            continue;
        }
        let mut names: Vec<String> = roles.value.into_iter().map(|summary| summary.role).collect();
        names.extend(backup.quotas.iter().map(|quota| quota.role.clone()));
        names.sort();
        names.dedup();
        return Some(SchedulerSide {
            cluster: roles.cluster_name,
            version: version(client.version()),
            tasks: tasks(&client).await,
            jobs: client.get_jobs(None).await.ok().map(|answer| answer.value),
            quotas: quotas(&client, &names).await,
            updates: updates(&client).await,
            hosts: hosts(&client, backup, master).await,
            locks: None,
        });
    }
    None
}

fn version(version: &AuroraVersion) -> Option<String> {
    match version {
        AuroraVersion::Built { text, .. } => Some(text.clone()),
        AuroraVersion::Between { .. } | AuroraVersion::Contradictory { .. } | AuroraVersion::Unknown => None,
    }
}

async fn tasks(client: &Client) -> Option<TaskTable> {
    let query = TaskQuery::default();
    let answer = match client.get_tasks_without_configs(&query).await {
        Ok(answer) => answer,
        // From 0.22 that call fails as soon as one task has no executor.
        Err(_) => client.get_tasks_status(&query).await.ok()?,
    };
    let mut table = TaskTable::default();
    answer.value.iter().try_for_each(|task| table.add(&TaskBrief::of(task))).ok()?;
    Some(table)
}

async fn quotas(
    client: &Client,
    roles: &[String],
) -> Option<BTreeMap<String, crate::aurora::types::ResourceAggregate>> {
    let mut quotas = BTreeMap::new();
    for role in roles.iter().take(ROLES_MAX) {
        let answer = client.get_quota(role).await.ok()?;
        quotas.insert(role.clone(), answer.value.quota.unwrap_or_default());
    }
    Some(quotas)
}

async fn updates(client: &Client) -> Option<Vec<crate::aurora::types::JobUpdateSummary>> {
    let answer = client.get_job_update_summaries(&JobUpdateQuery::default()).await.ok()?;
    Some(answer.value)
}

async fn hosts(client: &Client, backup: &BackupSide, master: &Master) -> Option<BTreeMap<String, MaintenanceMode>> {
    let mut names: Vec<&str> = backup.hosts.iter().map(|host| host.host.as_str()).collect();
    if let Master::Answered(state) = master {
        names.extend(state.agents.0.values().map(String::as_str));
    }
    names.sort_unstable();
    names.dedup();
    names.truncate(HOSTS_MAX);
    let answer = client.maintenance_status(&names).await.ok()?;
    let under = answer.value.into_iter().filter_map(|status| Some((status.host, status.mode?)));
    Some(under.filter(|(_, mode)| *mode != MaintenanceMode::None).collect())
}
